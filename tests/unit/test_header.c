/* SPDX-License-Identifier: MIT */
/* proto/header: 600 headers that the published code packed, and bad ones. */
#include "proto/header.h"

#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"

#define FORKS_MAX 1000

/* One header, and the bytes it is on the wire. */
struct vector {
	struct bnet_header header;
	uint64_t fork_ids[FORKS_MAX];
	struct bnet_slice wire;
};

static void
read_vector(const json_t *object, struct vector *v)
{
	const json_t *ids = vectors_get(object, "fork_ids");

	v->header = (struct bnet_header){
		.source = (int64_t)vectors_u64(object, "source"),
		.dest_type = (int64_t)vectors_u64(object, "dest_type"),
		.dest = (int64_t)vectors_u64(object, "dest"),
		.key = (int32_t)vectors_u64(object, "key"),
		.forks = (uint32_t)vectors_u64(object, "forks"),
		.serial = (uint32_t)vectors_u64(object, "serial"),
		.latency_ms = (uint32_t)vectors_u64(object, "latency_ms"),
		.priority = vectors_bool(object, "priority"),
		.timestamp = vectors_u64(object, "timestamp"),
	};
	ck_assert_uint_eq(json_array_size(ids), v->header.forks);
	ck_assert_uint_le(v->header.forks, FORKS_MAX);
	for (size_t i = 0; i < v->header.forks; i++)
		v->fork_ids[i] = vectors_number(json_array_get(ids, i));
	v->wire = unit_hex(vectors_text(object, "hex"));
}

static void
same_header(const struct bnet_header *got, const struct bnet_header *want)
{
	ck_assert_int_eq(got->source, want->source);
	ck_assert_int_eq(got->dest_type, want->dest_type);
	ck_assert_int_eq(got->dest, want->dest);
	ck_assert_int_eq(got->key, want->key);
	ck_assert_uint_eq(got->forks, want->forks);
	ck_assert_uint_eq(got->serial, want->serial);
	ck_assert_uint_eq(got->latency_ms, want->latency_ms);
	ck_assert_int_eq(got->priority, want->priority);
	ck_assert_uint_eq(got->timestamp, want->timestamp);
}

static void
check_decode(const struct vector *v, struct bnet_slice wire, size_t behind)
{
	struct bnet_header got;
	struct bnet_bits_rd forks;
	size_t trailing = 99;

	unit_err("decode", bnet_header_decode(wire, &got, &forks, &trailing),
	    BNET_OK);
	same_header(&got, &v->header);
	ck_assert_uint_eq(trailing, behind);
	for (uint32_t i = 0; i < got.forks; i++)
		ck_assert_uint_eq(bnet_bits_u64(&forks), v->fork_ids[i]);
	ck_assert(!forks.bad);
	unit_err("decode without forks",
	    bnet_header_decode(wire, &got, NULL, &trailing), BNET_OK);
}

static void
check_encode(const struct vector *v)
{
	struct bnet_buf out;

	for (size_t max = 0; max <= v->wire.len; max++) {
		bnet_buf_init(&out, max);
		unit_err("encode",
		    bnet_header_encode(&v->header, v->fork_ids, &out),
		    max < v->wire.len ? BNET_ELIMIT : BNET_OK);
		if (max == v->wire.len)
			unit_same("encode", bnet_buf_slice(&out), v->wire);
		bnet_buf_free(&out);
	}
}

/* No prefix is a header; what follows one is counted and ignored. */
static void
check_cut(const struct vector *v)
{
	uint8_t longer[8192];
	struct bnet_header got;
	size_t trailing;

	for (size_t n = 0; n < v->wire.len; n++) {
		struct bnet_slice part = unit_copy(v->wire.p, n);

		unit_err("prefix",
		    bnet_header_decode(part, &got, NULL, &trailing),
		    BNET_EHEADER);
		unit_free(part);
	}
	ck_assert_uint_le(v->wire.len + 9, sizeof(longer));
	memcpy(longer, v->wire.p, v->wire.len);
	memset(longer + v->wire.len, 0xff, 9);
	for (size_t n = 1; n <= 9; n++) {
		struct bnet_slice more = unit_copy(longer, v->wire.len + n);

		check_decode(v, more, n);
		unit_free(more);
	}
}

/* A header read field by field, as the general case is. */
static bool
read_fields(struct bnet_slice in, struct bnet_header *header, size_t *trailing)
{
	struct bnet_bits_rd rd;

	bnet_bits_read(&rd, in);
	header->source = bnet_bits_i64(&rd);
	header->dest_type = bnet_bits_i64(&rd);
	header->dest = bnet_bits_i64(&rd);
	header->key = bnet_bits_i32(&rd);
	header->forks = bnet_bits_u32(&rd);
	header->serial = bnet_bits_u32(&rd);
	header->latency_ms = bnet_bits_u32(&rd);
	header->priority = bnet_bits_bool(&rd);
	header->timestamp = bnet_bits_u64(&rd);
	for (uint32_t i = 0; i < header->forks && !rd.bad; i++)
		(void)bnet_bits_u64(&rd);
	*trailing = bnet_bits_left(&rd) / 8;
	return !rd.bad;
}

/* The usual headers have a faster way: with any bit wrong it agrees, too. */
static void
check_flipped(const struct vector *v)
{
	uint8_t bytes[20];
	const struct bnet_slice in = { bytes, v->wire.len };
	struct bnet_header want, got;
	size_t want_trailing, trailing;

	if (v->wire.len > sizeof(bytes))
		return;
	memcpy(bytes, v->wire.p, v->wire.len);
	for (size_t bit = 0; bit < 8 * v->wire.len; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (read_fields(in, &want, &want_trailing)) {
			unit_err("flipped",
			    bnet_header_decode(in, &got, NULL, &trailing),
			    BNET_OK);
			same_header(&got, &want);
			UNIT_MUST(trailing == want_trailing, "trailing");
		} else {
			unit_err("flipped, bad",
			    bnet_header_decode(in, &got, NULL, &trailing),
			    BNET_EHEADER);
		}
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

#define PARTS 6 /* that the vectors are gone through in */

START_TEST(test_vectors)
{
	static struct vector v;
	json_t *all = vectors_load("header");
	size_t n = json_array_size(all);

	ck_assert_uint_eq(n, 600);
	for (size_t i = (size_t)_i; i < n; i += PARTS) {
		mark_point();
		read_vector(json_array_get(all, i), &v);
		check_decode(&v, v.wire, 0);
		check_encode(&v);
		check_cut(&v);
		check_flipped(&v);
		unit_free(v.wire);
	}
	json_decref(all);
}
END_TEST

/* Written out bit by bit, not by the encoder. */
static const struct wire {
	const char *name;
	const char *hex;
	enum bnet_err err;
	uint32_t forks;
	size_t trailing;
} wires[] = {
	/* i64 x 3, i32: 16 bits; u32 x 3: 9; bool, u64: 4; 29 bits */
	{ "all zero", "00000000", BNET_OK, 0, 0 },
	{ "all zero, and more", "0000000000ff", BNET_OK, 0, 2 },
	{ "nothing", "", BNET_EHEADER, 0, 0 },
	{ "unused bits set", "000000e0", BNET_OK, 0, 0 },
	/* forks: n = 1 in bits 16-18, 1 in bits 19-22; an id from bit 33 */
	{ "a fork of 0", "0000090000", BNET_OK, 1, 0 },
	{ "a fork missing", "00000900", BNET_EHEADER, 0, 0 },
	{ "a fork of 2^64 - 1, cut", "000009001effffff", BNET_EHEADER, 0, 0 },
	{ "two forks of 0", "0000110000", BNET_OK, 2, 0 },
	{ "three forks of 0, two there", "0000190000", BNET_EHEADER, 0, 0 },
	/* n = 7, 32 bits of forks: up to bit 51, then 10, then the ids */
	{ "forks 2^32 - 1", "0000ffffffff0700000000 00", BNET_EHEADER, 0, 0 },
	{ "forks 2^31", "000007000000040000000000", BNET_EHEADER, 0, 0 },
	{ "11 forks, all that 35 bits hold", "00005f000000000000000000",
	    BNET_OK, 11, 0 },
	{ "12 forks in 35 bits", "000067000000000000000000", BNET_EHEADER, 0,
	    0 },
	{ "key 2^31, not negative", "00e000000080000000000000", BNET_EHEADER, 0,
	    0 },
	{ "key -2^31", "00f0000000800000000000 00", BNET_OK, 0, 4 },
};

START_TEST(test_wire)
{
	const struct wire *row = &wires[_i];
	struct bnet_slice in = unit_hex(row->hex);
	struct bnet_header header;
	struct bnet_bits_rd forks;
	size_t trailing = 0;
	enum bnet_err err;

	failmalloc_watch();
	err = bnet_header_decode(in, &header, &forks, &trailing);
	ck_assert_uint_eq(failmalloc_stop(), 0);
	unit_err(row->name, err, row->err);
	if (err == BNET_OK) {
		ck_assert_uint_eq(header.forks, row->forks);
		ck_assert_uint_eq(trailing, row->trailing);
	}
	unit_free(in);
}
END_TEST

/* Fields at the ends of their types, there and back. */
static const struct bnet_header extremes[] = {
	{ .source = INT64_MIN,
	    .dest_type = INT64_MIN,
	    .dest = INT64_MIN,
	    .key = INT32_MIN },
	{ .source = INT64_MAX,
	    .dest_type = INT64_MAX,
	    .dest = INT64_MAX,
	    .key = INT32_MAX,
	    .serial = UINT32_MAX,
	    .latency_ms = UINT32_MAX,
	    .priority = true,
	    .timestamp = UINT64_MAX },
	{ .source = -1,
	    .dest_type = BNET_DEST_ANY,
	    .dest = -1,
	    .key = -1,
	    .timestamp = BNET_TIMESTAMP_PING_BACK },
	{ .forks = 3 },
};

START_TEST(test_extremes)
{
	static const uint64_t ids[] = { 0, UINT64_MAX, 1 };
	const struct bnet_header *want = &extremes[_i];
	struct bnet_header got;
	struct bnet_bits_rd forks;
	struct bnet_buf out;
	struct bnet_slice in;
	size_t trailing;

	bnet_buf_init(&out, 1000);
	unit_err("encode", bnet_header_encode(want, ids, &out), BNET_OK);
	in = unit_copy(out.p, out.len);
	unit_err(
	    "decode", bnet_header_decode(in, &got, &forks, &trailing), BNET_OK);
	same_header(&got, want);
	ck_assert_uint_eq(trailing, 0);
	for (uint32_t i = 0; i < got.forks; i++)
		ck_assert_uint_eq(bnet_bits_u64(&forks), ids[i]);
	unit_free(in);
	bnet_buf_free(&out);
}
END_TEST

/* What the format's description shows. */
START_TEST(test_worked_example)
{
	struct bnet_slice wire = unit_hex("2041cefff0bf810100");
	struct bnet_header header;
	size_t trailing;

	unit_err("decode", bnet_header_decode(wire, &header, NULL, &trailing),
	    BNET_OK);
	same_header(&header,
	    &(struct bnet_header){ .dest_type = BNET_DEST_NODE,
		.dest = 7,
		.key = bnet_key("bluenet.echo") });
	unit_free(wire);
}
END_TEST

static const struct name {
	const char *name;
	int32_t key;
} names[] = {
	{ "", 0 },
	{ "bluenet.echo", -1617951807 },
	{ "BlueNet::pong", BNET_KEY_PONG },
	/* FNV-1a's offset, a byte and the NUL put through by hand */
	{ "a", 723832900 },
	{ "\xff", 1847468234 },
};

START_TEST(test_key)
{
	const struct name *row = &names[_i];

	ck_assert_int_eq(bnet_key(row->name), row->key);
}
END_TEST

static enum bnet_err
encode_many_forks(void *arg)
{
	struct bnet_header header = { .forks = FORKS_MAX };
	struct bnet_buf out;
	enum bnet_err err;

	bnet_buf_init(&out, SIZE_MAX);
	err = bnet_header_encode(&header, arg, &out);
	bnet_buf_free(&out);
	return err;
}

START_TEST(test_no_memory)
{
	static uint64_t ids[FORKS_MAX];

	memset(ids, 0xff, sizeof(ids));
	ck_assert_uint_gt(failmalloc_each(encode_many_forks, ids), 2);
}
END_TEST

static Suite *
header_suite(void)
{
	Suite *suite = suite_create("header");
	TCase *tc = unit_case(suite, "vectors");

	tcase_add_loop_test(tc, test_vectors, 0, PARTS);
	tcase_add_test(tc, test_worked_example);
	tc = unit_case(suite, "rows");
	tcase_add_loop_test(tc, test_wire, 0, UNIT_ROWS(wires));
	tcase_add_loop_test(tc, test_extremes, 0, UNIT_ROWS(extremes));
	tcase_add_loop_test(tc, test_key, 0, UNIT_ROWS(names));
	tcase_add_test(tc, test_no_memory);
	return suite;
}

UNIT_MAIN(header_suite)
