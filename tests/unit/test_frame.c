/* SPDX-License-Identifier: MIT */
/* proto/frame: fixtures/vectors/frame.jsonl whole, cut and at its limits. */
#include "proto/frame.h"

#include "proto/header.h"
#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"

static const struct outcome {
	const char *name;
	enum bnet_err err;
} outcomes[] = {
	{ "ok", BNET_OK },
	{ "more", BNET_MORE },
	{ "reserved", BNET_ERESERVED },
	{ "codecs", BNET_ECODECS },
	{ "oob", BNET_EOOB },
	{ "size", BNET_ESIZE },
};

struct vector {
	const char *name;
	enum bnet_order order;
	uint32_t max_bytes;
	enum bnet_err err;
	struct bnet_slice wire;
	struct bnet_frame frame; /* of a good one: oob and payload copied */
};

static enum bnet_err
outcome(const char *name)
{
	for (int i = 0; i < UNIT_ROWS(outcomes); i++)
		if (strcmp(outcomes[i].name, name) == 0)
			return outcomes[i].err;
	ck_abort_msg("no such outcome: %s", name);
}

static void
read_vector(const json_t *object, struct vector *v)
{
	*v = (struct vector){
		.name = vectors_text(object, "name"),
		.order = strcmp(vectors_text(object, "order"), "little") == 0
		    ? BNET_ORDER_LITTLE
		    : BNET_ORDER_NETWORK,
		.max_bytes = (uint32_t)vectors_u64(object, "max"),
		.err = outcome(vectors_text(object, "outcome")),
		.wire = unit_hex(vectors_text(object, "hex")),
	};
	if (v->err != BNET_OK)
		return;
	if (vectors_bool(object, "has_oob"))
		v->frame.flags |= BNET_FRAME_F_OOB;
	if (vectors_bool(object, "zlib"))
		v->frame.flags |= BNET_FRAME_F_ZLIB;
	if (vectors_bool(object, "snappy"))
		v->frame.flags |= BNET_FRAME_F_SNAPPY;
	v->frame.oob = unit_hex(vectors_text(object, "oob"));
	v->frame.payload = unit_hex(vectors_text(object, "payload"));
	v->frame.size_bytes = (uint32_t)v->wire.len - BNET_FRAME_WORD_BYTES;
}

static void
free_vector(struct vector *v)
{
	unit_free(v->wire);
	unit_free(v->frame.oob);
	unit_free(v->frame.payload);
}

static void
same_frame(const char *name, const struct bnet_frame *got,
    const struct bnet_frame *want)
{
	ck_assert_uint_eq(got->flags, want->flags);
	ck_assert_uint_eq(got->size_bytes, want->size_bytes);
	unit_same(name, got->oob, want->oob);
	unit_same(name, got->payload, want->payload);
}

/* The whole: every shorter piece says MORE, until it is judged. */
static void
check_decode(const struct vector *v)
{
	for (size_t n = 0; n <= v->wire.len; n++) {
		struct bnet_slice in = unit_copy(v->wire.p, n);
		enum bnet_err want = n < v->wire.len ? BNET_MORE : v->err;
		struct bnet_frame frame;
		size_t used = 99;

		unit_err(v->name,
		    bnet_frame_decode(
			in, v->order, v->max_bytes, &frame, &used),
		    want);
		ck_assert_uint_eq(used, want == BNET_OK ? n : 0);
		if (n < BNET_FRAME_WORD_BYTES)
			ck_assert_uint_eq(frame.size_bytes, 0);
		if (v->err == BNET_OK && n >= BNET_FRAME_WORD_BYTES)
			ck_assert_uint_eq(
			    frame.size_bytes, v->frame.size_bytes);
		if (want == BNET_OK)
			same_frame(v->name, &frame, &v->frame);
		unit_free(in);
	}
}

/* What is wrong is wrong at once, whatever follows. */
static void
check_behind(const struct vector *v)
{
	uint8_t longer[256];
	struct bnet_slice in;
	struct bnet_frame frame;
	size_t used;

	ck_assert_uint_le(v->wire.len + 5, sizeof(longer));
	memset(longer, 0xa5, sizeof(longer));
	if (v->wire.len > 0)
		memcpy(longer, v->wire.p, v->wire.len);
	in = unit_copy(longer, v->wire.len + 5);
	unit_err(v->name,
	    bnet_frame_decode(in, v->order, v->max_bytes, &frame, &used),
	    v->err);
	ck_assert_uint_eq(used, v->err == BNET_OK ? v->wire.len : 0);
	if (v->err == BNET_OK)
		same_frame(v->name, &frame, &v->frame);
	unit_free(in);
}

/* Below, at and above the frame limit and the ceiling of the buffer. */
static void
check_encode(const struct vector *v)
{
	struct bnet_buf out, before;
	uint32_t size = v->frame.size_bytes;

	for (size_t max = 0; max <= v->wire.len; max++) {
		bnet_buf_init(&out, max);
		unit_err(v->name,
		    bnet_frame_encode(&v->frame, v->order, size, &out),
		    max < v->wire.len ? BNET_ELIMIT : BNET_OK);
		if (max == v->wire.len)
			unit_same(v->name, bnet_buf_slice(&out), v->wire);
		else
			ck_assert_ptr_null(out.p);
		before = out;
		if (size > 0)
			unit_err(v->name,
			    bnet_frame_encode(
				&v->frame, v->order, size - 1, &out),
			    BNET_ESIZE);
		ck_assert_mem_eq(&out, &before, sizeof(out));
		bnet_buf_free(&out);
	}
}

START_TEST(test_vectors)
{
	json_t *all = vectors_load("frame");
	size_t n_good = 0;

	for (size_t i = 0; i < json_array_size(all); i++) {
		struct vector v;

		read_vector(json_array_get(all, i), &v);
		check_decode(&v);
		check_behind(&v);
		if (v.err == BNET_OK) {
			n_good++;
			check_encode(&v);
		}
		free_vector(&v);
	}
	ck_assert_uint_gt(n_good, 10);
	ck_assert_uint_gt(json_array_size(all), n_good + 10);
	json_decref(all);
}
END_TEST

/* The examples of the format's description, one behind the other. */
static const struct example {
	enum bnet_order order;
	const char *hex;
	uint32_t flags;
	bool has_header;
	const char *payload; /* as it is on the wire, in hex */
} examples[] = {
	{ BNET_ORDER_LITTLE, "11000010 09000000 2041cefff0bf810100 70696e67",
	    BNET_FRAME_F_OOB, true, "70696e67" },
	{ BNET_ORDER_NETWORK, "10000011 00000009 2041cefff0bf810100 70696e67",
	    BNET_FRAME_F_OOB, true, "70696e67" },
	{ BNET_ORDER_LITTLE, "05000000 68656c6c6f", 0, false, "68656c6c6f" },
	{ BNET_ORDER_LITTLE,
	    "1d000030 09000000 2041cefff0bf810100 28000000"
	    "789c4b4c240e000036eb0f29",
	    BNET_FRAME_F_OOB | BNET_FRAME_F_ZLIB, true,
	    "28000000 789c4b4c240e000036eb0f29" },
};

START_TEST(test_example)
{
	const struct example *row = &examples[_i];
	struct bnet_slice wire = unit_hex(row->hex);
	struct bnet_slice payload = unit_hex(row->payload);
	struct bnet_header header = { 0 };
	struct bnet_frame frame;
	struct bnet_buf out;
	size_t used, trailing;

	unit_err("decode",
	    bnet_frame_decode(
		wire, row->order, BNET_FRAME_MAX_BYTES, &frame, &used),
	    BNET_OK);
	ck_assert_uint_eq(used, wire.len);
	ck_assert_uint_eq(frame.flags, row->flags);
	unit_same("payload", frame.payload, payload);
	if (row->has_header) {
		unit_err("header",
		    bnet_header_decode(frame.oob, &header, NULL, &trailing),
		    BNET_OK);
		ck_assert_int_eq(header.dest_type, BNET_DEST_NODE);
		ck_assert_int_eq(header.dest, 7);
		ck_assert_int_eq(header.key, bnet_key("bluenet.echo"));
	}
	bnet_buf_init(&out, 1000);
	unit_err("encode",
	    bnet_frame_encode(&frame, row->order, BNET_FRAME_MAX_BYTES, &out),
	    BNET_OK);
	unit_same("encode", bnet_buf_slice(&out), wire);
	bnet_buf_free(&out);
	unit_free(payload);
	unit_free(wire);
}
END_TEST

static const struct detect {
	const char *name;
	const char *hex;
	uint32_t max_bytes;
	enum bnet_err err; /* once all is in */
	enum bnet_order order;
	size_t tells_at; /* bytes until then; MORE before */
} detects[] = {
	{ "little", "05000000", 1000, BNET_OK, BNET_ORDER_LITTLE, 4 },
	{ "network", "00000005", 1000, BNET_OK, BNET_ORDER_NETWORK, 4 },
	{ "empty frame: either", "00000000", 1000, BNET_OK, BNET_ORDER_AUTO,
	    4 },
	{ "palindrome: either", "05000005", 1 << 27, BNET_OK, BNET_ORDER_AUTO,
	    4 },
	{ "little by the limit", "00010000", 65535, BNET_OK, BNET_ORDER_LITTLE,
	    4 },
	{ "either at that limit", "00010000", 65536, BNET_OK, BNET_ORDER_AUTO,
	    4 },
	{ "network at a limit", "00000100", 256, BNET_OK, BNET_ORDER_NETWORK,
	    4 },
	{ "neither below it", "00000100", 255, BNET_ESIZE, 0, 4 },
	{ "neither: 257 both ways", "01010000", 256, BNET_ESIZE, 0, 4 },
	{ "oob, little", "1100001009000000", 1000, BNET_OK, BNET_ORDER_LITTLE,
	    8 },
	{ "oob, network", "1000001100000009", 1000, BNET_OK, BNET_ORDER_NETWORK,
	    8 },
	{ "oob, nothing else", "0400001000000000", 1000, BNET_OK,
	    BNET_ORDER_LITTLE, 8 },
	{ "oob, 16 and 16: little by oob_len", "1000001004000000", 1 << 28,
	    BNET_OK, BNET_ORDER_LITTLE, 8 },
	{ "oob, 16 and 16: network by oob_len", "1000001000000004", 1 << 28,
	    BNET_OK, BNET_ORDER_NETWORK, 8 },
	{ "oob, 16 and 16: either", "1000001000000000", 1 << 28, BNET_OK,
	    BNET_ORDER_AUTO, 8 },
	{ "oob, 16 and 16: neither", "10000010ffffffff", 1 << 28, BNET_EOOB, 0,
	    8 },
	{ "oob too long one way, too big the other", "11000010ffffffff", 1000,
	    BNET_EOOB, 0, 8 },
	{ "too big one way, oob too long the other", "10000011ffffffff", 1000,
	    BNET_ESIZE, 0, 8 },
	{ "reserved both ways", "80000080", 1000, BNET_ERESERVED, 0, 4 },
	{ "both codecs, size", "01000060", 1000, BNET_ECODECS, 0, 4 },
	{ "text", "47455420", 1000, BNET_ESIZE, 0, 4 },
	{ "zlib, little", "05000020", 1000, BNET_OK, BNET_ORDER_LITTLE, 4 },
	{ "32 bytes, network, or zlib of none", "00000020", 1000, BNET_OK,
	    BNET_ORDER_NETWORK, 4 },
	{ "64 bytes, little, or snappy of none", "40000000", 1000, BNET_OK,
	    BNET_ORDER_LITTLE, 4 },
	{ "oob, 32 bytes, network, or zlib of 150 MB", "1000002000000009", 1000,
	    BNET_OK, BNET_ORDER_NETWORK, 8 },
	{ "oob, 64 bytes, network, or snappy of nothing and more",
	    "1000004000000009", 1000, BNET_OK, BNET_ORDER_NETWORK, 8 },
	{ "snappy, network", "40000005", 1000, BNET_OK, BNET_ORDER_NETWORK, 4 },
};

/* The answer does not depend on how many bytes come at a time. */
START_TEST(test_detect)
{
	const struct detect *row = &detects[_i];
	struct bnet_slice all = unit_hex(row->hex);

	for (size_t n = 0; n <= all.len; n++) {
		struct bnet_slice in = unit_copy(all.p, n);
		enum bnet_order order = BNET_ORDER_NETWORK;

		unit_err(row->name,
		    bnet_frame_detect(in, row->max_bytes, &order),
		    n < row->tells_at ? BNET_MORE : row->err);
		if (n < row->tells_at || row->err != BNET_OK)
			ck_assert_int_eq(order, BNET_ORDER_AUTO);
		else
			ck_assert_int_eq(order, row->order);
		unit_free(in);
	}
	unit_free(all);
}
END_TEST

START_TEST(test_order)
{
	const uint8_t p[4] = { 0x81, 0x02, 0x03, 0xf4 };
	uint8_t q[4];

	ck_assert_uint_eq(bnet_order_get_u32(BNET_ORDER_LITTLE, p), 0xf4030281);
	ck_assert_uint_eq(
	    bnet_order_get_u32(BNET_ORDER_NETWORK, p), 0x810203f4);
	bnet_order_put_u32(BNET_ORDER_LITTLE, q, 0xf4030281);
	ck_assert_mem_eq(p, q, 4);
	bnet_order_put_u32(BNET_ORDER_NETWORK, q, 0x810203f4);
	ck_assert_mem_eq(p, q, 4);
}
END_TEST

/* No limit of the caller's lets a frame be longer than the word can say. */
START_TEST(test_word_limit)
{
	static const uint8_t byte;
	struct bnet_frame frame = { .payload = {
					&byte, BNET_FRAME_MAX_BYTES_TOP + 1 } };
	struct bnet_buf out;

	bnet_buf_init(&out, 100);
	unit_err("payload",
	    bnet_frame_encode(&frame, BNET_ORDER_LITTLE, UINT32_MAX, &out),
	    BNET_ESIZE);
	frame.flags = BNET_FRAME_F_OOB;
	frame.payload.len = BNET_FRAME_MAX_BYTES_TOP - 4;
	frame.oob = (struct bnet_slice){ &byte, 1 };
	unit_err("both",
	    bnet_frame_encode(&frame, BNET_ORDER_LITTLE, UINT32_MAX, &out),
	    BNET_ESIZE);
	frame.oob.len = SIZE_MAX;
	unit_err("oob",
	    bnet_frame_encode(&frame, BNET_ORDER_LITTLE, UINT32_MAX, &out),
	    BNET_ESIZE);
	frame.oob.len = 1;
	frame.payload.len = SIZE_MAX;
	unit_err("a sum that wraps",
	    bnet_frame_encode(&frame, BNET_ORDER_LITTLE, UINT32_MAX, &out),
	    BNET_ESIZE);
	ck_assert_ptr_null(out.p);
}
END_TEST

/* No frame is put together that decode would refuse. */
static const struct refused {
	const char *name;
	uint32_t flags;
	enum bnet_err err;
} refusals[] = {
	{ "reserved", BNET_FRAME_F_RESERVED, BNET_ERESERVED },
	{ "codecs", BNET_FRAME_F_ZLIB | BNET_FRAME_F_SNAPPY, BNET_ECODECS },
	{ "all", UINT32_MAX, BNET_ERESERVED },
	{ "bits of the size are not flags", BNET_FRAME_F_ZLIB - 1, BNET_OK },
};

START_TEST(test_refused_flags)
{
	static const uint8_t byte;
	const struct refused *row = &refusals[_i];
	const struct bnet_frame frame = { .flags = row->flags,
		.payload = { &byte, 1 },
		.oob = { &byte, 1 } };
	struct bnet_buf out;

	bnet_buf_init(&out, 100);
	unit_err(row->name,
	    bnet_frame_encode(
		&frame, BNET_ORDER_LITTLE, BNET_FRAME_MAX_BYTES, &out),
	    row->err);
	ck_assert_uint_eq(out.len, row->err == BNET_OK ? 10 : 0);
	bnet_buf_free(&out);
}
END_TEST

static enum bnet_err
encode_many(void *arg)
{
	struct bnet_buf out;
	enum bnet_err err = BNET_OK;

	bnet_buf_init(&out, SIZE_MAX);
	for (int i = 0; i < 100 && err == BNET_OK; i++) {
		size_t len = out.len;

		err = bnet_frame_encode(arg, BNET_ORDER_LITTLE, 1000, &out);
		if (err != BNET_OK && out.len != len)
			err = BNET_ELIMIT; /* it has to be unchanged */
	}
	bnet_buf_free(&out);
	return err;
}

START_TEST(test_no_memory)
{
	static const uint8_t bytes[50];
	struct bnet_frame frame = { .flags = BNET_FRAME_F_OOB,
		.oob = { bytes, 9 },
		.payload = { bytes, sizeof(bytes) } };

	ck_assert_uint_gt(failmalloc_each(encode_many, &frame), 2);
}
END_TEST

START_TEST(test_max)
{
	ck_assert_uint_eq(bnet_frame_max(0), BNET_FRAME_MAX_BYTES);
	ck_assert_uint_eq(bnet_frame_max(1), 1);
	ck_assert_uint_eq(
	    bnet_frame_max(BNET_FRAME_MAX_BYTES_TOP), BNET_FRAME_MAX_BYTES_TOP);
	ck_assert_uint_eq(bnet_frame_max(UINT32_MAX), BNET_FRAME_MAX_BYTES_TOP);
}
END_TEST

static Suite *
frame_suite(void)
{
	Suite *suite = suite_create("frame");
	TCase *tc = unit_case(suite, "frame");

	tcase_add_test(tc, test_vectors);
	tcase_add_loop_test(tc, test_example, 0, UNIT_ROWS(examples));
	tcase_add_loop_test(tc, test_detect, 0, UNIT_ROWS(detects));
	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_word_limit);
	tcase_add_loop_test(tc, test_refused_flags, 0, UNIT_ROWS(refusals));
	tcase_add_test(tc, test_no_memory);
	tcase_add_test(tc, test_max);
	return suite;
}

UNIT_MAIN(frame_suite)
