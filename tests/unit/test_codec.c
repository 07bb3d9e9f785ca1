/* SPDX-License-Identifier: MIT */
/* proto/codec: there and back, and whatever else a peer may send. */
#include "proto/codec.h"

#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"

#define MAX_BYTES 5000
#define ORDERS 2

static const enum bnet_order orders[ORDERS] = {
	BNET_ORDER_LITTLE,
	BNET_ORDER_NETWORK,
};

static enum bnet_err
malformed(enum bnet_codec_id id)
{
	return id == BNET_CODEC_ZLIB ? BNET_EZLIB : BNET_ESNAPPY;
}

static struct bnet_codecs *codecs;

static void
set_up(void)
{
	codecs = bnet_codecs_new();
	ck_assert_ptr_nonnull(codecs);
}

static void
tear_down(void)
{
	bnet_codecs_free(codecs);
}

/* `n` bytes: the same over and over, or with nothing to find in them. */
static const struct payload {
	size_t n;
	bool random;
} payloads[] = {
	{ 0, false },
	{ 1, false },
	{ 40, false },
	{ 199, true },
	{ 200, false },
	{ 65536, false },
	{ 70000, true },
	{ 1000000, false },
	{ 1000000, true },
};

static struct bnet_slice
make_payload(size_t n, bool random)
{
	uint8_t *bytes = calloc(1, n + 1);
	uint64_t seed = n + 1;
	struct bnet_slice copy;

	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; random && i < n; i++)
		bytes[i] = (uint8_t)unit_random(&seed);
	copy = unit_copy(bytes, n);
	free(bytes);
	return copy;
}

static struct bnet_slice
encode(enum bnet_codec_id id, enum bnet_order order, struct bnet_slice raw)
{
	struct bnet_slice copy;
	struct bnet_buf out;

	bnet_buf_init(&out, SIZE_MAX);
	unit_err(
	    "encode", bnet_codec_encode(codecs, id, order, raw, &out), BNET_OK);
	copy = unit_copy(bnet_buf_slice(&out).p, out.len);
	bnet_buf_free(&out);
	return copy;
}

/* Decode under both limits; says what came and that `out` fits it. */
static void
expect(const char *what, enum bnet_codec_id id, enum bnet_order order,
    struct bnet_slice in, uint32_t max_bytes, enum bnet_err want,
    struct bnet_slice raw)
{
	struct bnet_buf out;

	bnet_buf_init(&out, max_bytes);
	unit_err("stale contents",
	    bnet_buf_append(&out, (struct bnet_slice){ raw.p, raw.len > 0 }),
	    BNET_OK);
	unit_err(what,
	    bnet_codec_decode(codecs, id, order, in, max_bytes, &out), want);
	if (want == BNET_OK)
		unit_same(what, bnet_buf_slice(&out), raw);
	else
		ck_assert_uint_eq(out.len, 0);
	bnet_buf_free(&out);
}

static void
round_trip(
    enum bnet_codec_id id, enum bnet_order order, const struct payload *row)
{
	struct bnet_slice raw = make_payload(row->n, row->random);
	struct bnet_slice wire = encode(id, order, raw);
	uint32_t n = (uint32_t)raw.len;

	expect("above", id, order, wire, n + 1, BNET_OK, raw);
	expect("at", id, order, wire, n, BNET_OK, raw);
	if (n > 0)
		expect("below", id, order, wire, n - 1, BNET_EPAYLOAD,
		    bnet_slice_from(raw, n));
	unit_free(wire);
	unit_free(raw);
}

START_TEST(test_round_trip)
{
	for (int i = 0; i < ORDERS; i++) {
		round_trip(BNET_CODEC_NONE, orders[i], &payloads[_i]);
		round_trip(BNET_CODEC_ZLIB, orders[i], &payloads[_i]);
		round_trip(BNET_CODEC_SNAPPY, orders[i], &payloads[_i]);
	}
}
END_TEST

/* The ceiling of `out` is one more limit, and as strict. */
START_TEST(test_ceiling)
{
	enum bnet_codec_id id = (enum bnet_codec_id)_i;
	struct bnet_slice raw = make_payload(1000, false);
	struct bnet_slice wire = encode(id, BNET_ORDER_LITTLE, raw);
	struct bnet_buf out;

	for (size_t max = 999; max <= 1000; max++) {
		bnet_buf_init(&out, max);
		unit_err("decode",
		    bnet_codec_decode(codecs, id, BNET_ORDER_LITTLE, wire,
			BNET_PAYLOAD_MAX_BYTES, &out),
		    max < 1000 ? BNET_ELIMIT : BNET_OK);
		if (max < 1000)
			ck_assert_ptr_null(out.p);
		bnet_buf_free(&out);
	}
	bnet_buf_init(&out, wire.len - 1);
	unit_err("encode",
	    bnet_codec_encode(codecs, id, BNET_ORDER_LITTLE, raw, &out),
	    BNET_ELIMIT);
	ck_assert_uint_eq(out.len, 0);
	bnet_buf_free(&out);
	unit_free(wire);
	unit_free(raw);
}
END_TEST

/* No prefix is whole, nothing may follow, and the context survives it all. */
static void
cut_and_grow(enum bnet_codec_id id, enum bnet_order order,
    struct bnet_slice raw, struct bnet_slice wire)
{
	uint8_t *longer = calloc(1, wire.len + 8);
	struct bnet_slice in;

	ck_assert_ptr_nonnull(longer);
	memcpy(longer, wire.p, wire.len);
	for (size_t n = 0; n < wire.len; n++) {
		in = unit_copy(longer, n);
		expect("prefix", id, order, in, 2000, malformed(id), raw);
		unit_free(in);
	}
	expect("whole", id, order, wire, 2000, BNET_OK, raw);
	for (size_t n = 1; n <= 8; n++) {
		in = unit_copy(longer, wire.len + n);
		expect("trailing", id, order, in, 2000, malformed(id), raw);
		unit_free(in);
	}
	expect("whole again", id, order, wire, 2000, BNET_OK, raw);
	free(longer);
}

START_TEST(test_cut)
{
	static const struct payload rows[] = {
		{ 0, false },
		{ 1, true },
		{ 40, false },
		{ 300, true },
		{ 1500, false },
	};
	struct bnet_slice raw = make_payload(rows[_i].n, rows[_i].random);

	for (int id = BNET_CODEC_ZLIB; id <= BNET_CODEC_SNAPPY; id++)
		for (int i = 0; i < ORDERS; i++) {
			struct bnet_slice wire =
			    encode((enum bnet_codec_id)id, orders[i], raw);

			cut_and_grow(
			    (enum bnet_codec_id)id, orders[i], raw, wire);
			unit_free(wire);
		}
	unit_free(raw);
}
END_TEST

/* Not a byte over the limit is allocated, though buffers grow by doubling. */
START_TEST(test_allocates_to_the_limit)
{
	enum bnet_codec_id id = (enum bnet_codec_id)_i;
	struct bnet_slice raw = make_payload(100000, true), wire;
	struct bnet_buf out;
	enum bnet_err err;

	wire = encode(id, BNET_ORDER_LITTLE, raw);
	for (uint32_t max = 100000; max < 140000; max += 7001) {
		bnet_buf_init(&out, UINT32_MAX);
		failmalloc_watch();
		err = bnet_codec_decode(
		    codecs, id, BNET_ORDER_LITTLE, wire, max, &out);
		(void)failmalloc_stop();
		unit_err("decode", err, BNET_OK);
		unit_same("decode", bnet_buf_slice(&out), raw);
		ck_assert_uint_le(failmalloc_largest_bytes(), max);
		ck_assert_uint_eq(out.max, UINT32_MAX);
		bnet_buf_free(&out);
	}
	unit_free(wire);
	unit_free(raw);
}
END_TEST

/*
 * Any one bit wrong: with zlib's check sum never other bytes (padding bits do
 * not matter). Snappy has none, so it may yield other bytes, but as many as it
 * said.
 */
START_TEST(test_flip)
{
	enum bnet_codec_id id = (enum bnet_codec_id)_i;
	struct bnet_slice raw = make_payload(90, true), wire;
	struct bnet_buf out;
	uint8_t copy[256];
	enum bnet_err err;

	wire = encode(id, BNET_ORDER_LITTLE, raw);
	ck_assert_uint_le(wire.len, sizeof(copy));
	bnet_buf_init(&out, 1000);
	for (size_t bit = 0; bit < 8 * wire.len; bit++) {
		struct bnet_slice in;

		memcpy(copy, wire.p, wire.len);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		in = unit_copy(copy, wire.len);
		err = bnet_codec_decode(
		    codecs, id, BNET_ORDER_LITTLE, in, 1000, &out);
		if (err != BNET_OK)
			ck_assert_msg(
			    err == malformed(id) || err == BNET_EPAYLOAD,
			    "bit %zu: %s", bit, bnet_strerror(err));
		else if (id == BNET_CODEC_ZLIB)
			unit_same("flip", bnet_buf_slice(&out), raw);
		else
			ck_assert_uint_eq(out.len, raw.len);
		unit_free(in);
	}
	bnet_buf_free(&out);
	unit_free(wire);
	unit_free(raw);
}
END_TEST

/* Longer than a raw size can say: refused unread. */
START_TEST(test_huge)
{
	static const uint8_t byte;
	struct bnet_slice raw = { &byte, (size_t)UINT32_MAX + 1 };
	struct bnet_buf out;

	bnet_buf_init(&out, SIZE_MAX);
	unit_err("huge",
	    bnet_codec_encode(
		codecs, (enum bnet_codec_id)_i, BNET_ORDER_LITTLE, raw, &out),
	    BNET_EPAYLOAD);
	ck_assert_ptr_null(out.p);
}
END_TEST

/* What a codec's contexts hold is made once, and used again. */
START_TEST(test_reuse)
{
	struct bnet_slice raw = make_payload(5000, true);
	struct bnet_buf wire, out;
	enum bnet_err err = BNET_OK;

	bnet_buf_init(&wire, SIZE_MAX);
	bnet_buf_init(&out, SIZE_MAX);
	for (int i = 0; i < 20 && err == BNET_OK; i++) {
		if (i == 1)
			failmalloc_watch();
		err = bnet_codec_encode(
		    codecs, BNET_CODEC_ZLIB, BNET_ORDER_LITTLE, raw, &wire);
		if (err == BNET_OK)
			err = bnet_codec_decode(codecs, BNET_CODEC_ZLIB,
			    BNET_ORDER_LITTLE, bnet_buf_slice(&wire), 5000,
			    &out);
	}
	ck_assert_uint_eq(failmalloc_stop(), 0);
	unit_err("reuse", err, BNET_OK);
	unit_same("reuse", bnet_buf_slice(&out), raw);
	bnet_buf_free(&wire);
	bnet_buf_free(&out);
	unit_free(raw);
}
END_TEST

START_TEST(test_name)
{
	ck_assert_str_eq(bnet_codec_name(BNET_CODEC_NONE), "none");
	ck_assert_str_eq(bnet_codec_name(BNET_CODEC_ZLIB), "zlib");
	ck_assert_str_eq(bnet_codec_name(BNET_CODEC_SNAPPY), "snappy");
}
END_TEST

static enum bnet_err
make_codecs(void *arg)
{
	struct bnet_codecs *made = bnet_codecs_new();

	(void)arg;
	bnet_codecs_free(made);
	return made == NULL ? BNET_ENOMEM : BNET_OK;
}

static enum bnet_err
encode_once(void *arg)
{
	const struct bnet_slice *raw = arg;
	enum bnet_err err = BNET_OK;
	struct bnet_buf out;

	bnet_buf_init(&out, SIZE_MAX);
	for (int id = 0; id <= BNET_CODEC_SNAPPY && err == BNET_OK; id++) {
		err = bnet_codec_encode(codecs, (enum bnet_codec_id)id,
		    BNET_ORDER_LITTLE, *raw, &out);
		bnet_buf_free(&out);
	}
	return err;
}

static enum bnet_err
decode_once(void *arg)
{
	const struct bnet_slice *wire = arg;
	enum bnet_err err = BNET_OK;
	struct bnet_buf out;

	bnet_buf_init(&out, SIZE_MAX);
	for (int id = 0; id <= BNET_CODEC_SNAPPY && err == BNET_OK; id++) {
		err = bnet_codec_decode(codecs, (enum bnet_codec_id)id,
		    BNET_ORDER_LITTLE, wire[id], MAX_BYTES, &out);
		bnet_buf_free(&out);
	}
	return err;
}

/* With contexts of its own: a short stream makes inflate keep a window. */
static enum bnet_err
decode_short(void *arg)
{
	const struct bnet_slice *wire = arg;
	struct bnet_codecs *own = bnet_codecs_new();
	struct bnet_buf out;
	enum bnet_err err;

	if (own == NULL)
		return BNET_ENOMEM;
	bnet_buf_init(&out, SIZE_MAX);
	err = bnet_codec_decode(
	    own, BNET_CODEC_ZLIB, BNET_ORDER_LITTLE, *wire, MAX_BYTES, &out);
	bnet_buf_free(&out);
	bnet_codecs_free(own);
	return err == BNET_EZLIB ? BNET_OK : err;
}

START_TEST(test_no_memory)
{
	struct bnet_slice raw = make_payload(1000, true);
	struct bnet_slice wire[BNET_CODEC_SNAPPY + 1], cut;

	for (int id = 0; id <= BNET_CODEC_SNAPPY; id++)
		wire[id] =
		    encode((enum bnet_codec_id)id, BNET_ORDER_LITTLE, raw);
	cut = unit_copy(wire[BNET_CODEC_ZLIB].p, 500);
	ck_assert_uint_gt(failmalloc_each(make_codecs, NULL), 3);
	ck_assert_uint_ge(failmalloc_each(encode_once, &raw), 3);
	ck_assert_uint_ge(failmalloc_each(decode_once, wire), 3);
	ck_assert_uint_gt(failmalloc_each(decode_short, &cut), 5);
	for (int id = 0; id <= BNET_CODEC_SNAPPY; id++)
		unit_free(wire[id]);
	unit_free(cut);
	unit_free(raw);
	bnet_codecs_free(NULL);
}
END_TEST

static Suite *
codec_suite(void)
{
	Suite *suite = suite_create("codec");
	TCase *tc = unit_case(suite, "codec");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, test_round_trip, 0, UNIT_ROWS(payloads));
	tcase_add_loop_test(
	    tc, test_ceiling, BNET_CODEC_NONE, BNET_CODEC_SNAPPY + 1);
	tcase_add_loop_test(tc, test_cut, 0, 5);
	tcase_add_loop_test(
	    tc, test_flip, BNET_CODEC_ZLIB, BNET_CODEC_SNAPPY + 1);
	tcase_add_loop_test(
	    tc, test_huge, BNET_CODEC_NONE, BNET_CODEC_SNAPPY + 1);
	tcase_add_loop_test(tc, test_allocates_to_the_limit, BNET_CODEC_NONE,
	    BNET_CODEC_SNAPPY + 1);
	tcase_add_test(tc, test_reuse);
	tcase_add_test(tc, test_name);
	tcase_add_test(tc, test_no_memory);
	return suite;
}

UNIT_MAIN(codec_suite)
