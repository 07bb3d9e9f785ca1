/* SPDX-License-Identifier: MIT */
/* proto/bits: against the layout spelled out by hand, not its own writer. */
#include "proto/bits.h"

#include "tests/unit/unit.h"

#include <stdbool.h>

__extension__ typedef unsigned __int128 wide; /* up to 68 bits of a code */

enum kind {
	U32,
	U64,
	I32,
	I64,
};

#define N_MAX 7

/* A code as the format defines it: sign (of i32, i64), n, then the groups. */
struct code {
	uint8_t bytes[9];
	size_t n_bits;
};

static struct code
spell(enum kind kind, bool negative, uint64_t magnitude, unsigned n)
{
	bool is_signed = kind == I32 || kind == I64;
	bool is_64 = kind == U64 || kind == I64;
	wide bits = (wide)magnitude << 3 | n;
	struct code code = { .n_bits = 3 };

	code.n_bits += n == N_MAX ? (is_64 ? 64 : 32) : n * (is_64 ? 5 : 4);
	if (is_signed) {
		bits = bits << 1 | negative;
		code.n_bits++;
	}
	for (size_t i = 0; i < sizeof(code.bytes); i++)
		code.bytes[i] = (uint8_t)(bits >> (8 * i));
	return code;
}

static bool
holds(enum kind kind, unsigned n, uint64_t magnitude)
{
	unsigned group = kind == U64 || kind == I64 ? 5 : 4;

	return n == N_MAX || magnitude >> (n * group) == 0;
}

static uint64_t
read_one(enum kind kind, struct bnet_bits_rd *rd)
{
	switch (kind) {
	case U32:
		return bnet_bits_u32(rd);
	case U64:
		return bnet_bits_u64(rd);
	case I32:
		return (uint64_t)(int64_t)bnet_bits_i32(rd);
	default:
		return (uint64_t)bnet_bits_i64(rd);
	}
}

static void
write_one(enum kind kind, struct bnet_bits_wr *wr, uint64_t v)
{
	switch (kind) {
	case U32:
		bnet_bits_put_u32(wr, (uint32_t)v);
		break;
	case U64:
		bnet_bits_put_u64(wr, v);
		break;
	case I32:
		bnet_bits_put_i32(wr, (int32_t)(int64_t)v);
		break;
	default:
		bnet_bits_put_i64(wr, (int64_t)v);
	}
}

/* Decoded from an exact-size copy; every shorter one is bad and reads as 0. */
static void
check_decode(enum kind kind, const struct code *code, uint64_t want)
{
	size_t whole = (code->n_bits + 7) / 8;

	for (size_t n = 0; n <= whole; n++) {
		struct bnet_slice in = unit_copy(code->bytes, n);
		struct bnet_bits_rd rd;
		uint64_t got;

		bnet_bits_read(&rd, in);
		ck_assert_uint_eq(bnet_bits_left(&rd), 8 * n);
		got = read_one(kind, &rd);
		ck_assert_msg(rd.bad == (n < whole), "%zu of %zu bytes: %s", n,
		    whole, rd.bad ? "bad" : "not bad");
		ck_assert_uint_eq(got, n < whole ? 0 : want);
		if (n == whole)
			ck_assert_uint_eq(
			    bnet_bits_left(&rd), 8 * whole - code->n_bits);
		unit_free(in);
	}
}

static void
check_encode(enum kind kind, const struct code *code, uint64_t v)
{
	struct bnet_buf out;
	struct bnet_bits_wr wr;

	bnet_buf_init(&out, 100);
	bnet_bits_write(&wr, &out);
	write_one(kind, &wr, v);
	unit_err("finish", bnet_bits_finish(&wr), BNET_OK);
	unit_same("the smallest n", bnet_buf_slice(&out),
	    (struct bnet_slice){ code->bytes, (code->n_bits + 7) / 8 });
	bnet_buf_free(&out);
}

static const struct number {
	enum kind kind;
	uint64_t v; /* sign-extended */
} numbers[] = {
	{ U32, 0 },
	{ U32, 1 },
	{ U32, 0xf },
	{ U32, 0x10 },
	{ U32, 0xff },
	{ U32, 0x100 },
	{ U32, 0xfff },
	{ U32, 0x1000 },
	{ U32, 0xfffff },
	{ U32, 0x100000 },
	{ U32, 0xffffff },
	{ U32, 0x1000000 },
	{ U32, INT32_MAX },
	{ U32, UINT32_MAX },
	{ U64, 0 },
	{ U64, 1 },
	{ U64, 0x1f },
	{ U64, 0x20 },
	{ U64, 0x3ff },
	{ U64, 0x400 },
	{ U64, 0x1ffffff },
	{ U64, 0x2000000 },
	{ U64, 0x3fffffff },
	{ U64, 0x40000000 },
	{ U64, UINT32_MAX },
	{ U64, UINT64_C(1) << 32 },
	{ U64, INT64_MAX },
	{ U64, UINT64_MAX },
	{ I32, 0 },
	{ I32, 1 },
	{ I32, (uint64_t)-1 },
	{ I32, (uint64_t)-16 },
	{ I32, 0xffffff },
	{ I32, INT32_MAX },
	{ I32, (uint64_t)-INT32_MAX },
	{ I32, (uint64_t)(int64_t)INT32_MIN },
	{ I64, 0 },
	{ I64, 1 },
	{ I64, (uint64_t)-1 },
	{ I64, (uint64_t)-32 },
	{ I64, (uint64_t)(int64_t)INT32_MIN },
	{ I64, INT64_MAX },
	{ I64, (uint64_t)-INT64_MAX },
	{ I64, (uint64_t)INT64_MIN },
};

/* Every n that holds the value is read; the smallest is written. */
START_TEST(test_number)
{
	const struct number *row = &numbers[_i];
	bool is_signed = row->kind == I32 || row->kind == I64;
	bool negative = is_signed && (int64_t)row->v < 0;
	uint64_t magnitude = negative ? 0 - row->v : row->v;
	bool written = false;

	for (unsigned n = 0; n <= N_MAX; n++) {
		struct code code = spell(row->kind, negative, magnitude, n);

		if (!holds(row->kind, n, magnitude))
			continue;
		check_decode(row->kind, &code, row->v);
		if (!written)
			check_encode(row->kind, &code, row->v);
		written = true;
	}
	ck_assert(written);
}
END_TEST

/* A negative zero is a zero; magnitudes past the type's range are bad. */
static const struct range {
	enum kind kind;
	bool negative;
	uint64_t magnitude;
	bool bad;
} ranges[] = {
	{ I32, true, 0, false },
	{ I32, false, UINT64_C(1) << 31, true },
	{ I32, true, (UINT64_C(1) << 31) + 1, true },
	{ I32, false, UINT32_MAX, true },
	{ I32, true, UINT32_MAX, true },
	{ I64, true, 0, false },
	{ I64, false, UINT64_C(1) << 63, true },
	{ I64, true, (UINT64_C(1) << 63) + 1, true },
	{ I64, false, UINT64_MAX, true },
	{ I64, true, UINT64_MAX, true },
};

START_TEST(test_range)
{
	const struct range *row = &ranges[_i];
	struct code code =
	    spell(row->kind, row->negative, row->magnitude, N_MAX);
	struct bnet_slice in = unit_copy(code.bytes, (code.n_bits + 7) / 8);
	struct bnet_bits_rd rd;

	bnet_bits_read(&rd, in);
	ck_assert_uint_eq(read_one(row->kind, &rd), 0);
	ck_assert_int_eq(rd.bad, row->bad);
	unit_free(in);
}
END_TEST

START_TEST(test_raw)
{
	uint8_t bytes[] = { 0xa5, 0x5a, 0x0f, 0xf0, 0x12, 0x34, 0x56, 0x78,
		0x9a, 0xbc };
	uint32_t n = (uint32_t)_i;
	struct bnet_slice in = unit_copy(bytes, sizeof(bytes));
	struct bnet_bits_rd rd;
	size_t at = 0;

	bnet_bits_read(&rd, in);
	for (; n > 0 && at + n <= 8 * sizeof(bytes); at += n) {
		uint64_t want = 0;

		for (size_t i = 0; i < n; i++)
			want |=
			    (uint64_t)(bytes[(at + i) / 8] >> ((at + i) % 8) &
				1)
			    << i;
		ck_assert_uint_eq(bnet_bits_raw(&rd, n), want);
	}
	ck_assert(!rd.bad);
	ck_assert_uint_eq(bnet_bits_raw(&rd, 0), 0);
	ck_assert(!rd.bad);
	ck_assert_uint_eq(bnet_bits_left(&rd), 8 * sizeof(bytes) - at);
	if (n > 0) {
		ck_assert_uint_eq(bnet_bits_raw(&rd, n), 0);
		ck_assert(rd.bad);
	}
	unit_free(in);
}
END_TEST

/* Once bad, nothing is left and whatever is asked yields nothing. */
START_TEST(test_sticky)
{
	struct bnet_slice in = unit_hex("ffffffff");
	struct bnet_buf store;
	struct bnet_bits_rd rd;
	const char *str;
	uint32_t len;

	bnet_buf_init(&store, 100);
	bnet_bits_read(&rd, in);
	ck_assert_uint_eq(bnet_bits_u32(&rd), 0); /* 3 + 32 bits */
	ck_assert(rd.bad);
	ck_assert_uint_eq(bnet_bits_left(&rd), 0);
	ck_assert_uint_eq(bnet_bits_raw(&rd, 1), 0);
	ck_assert_uint_eq(bnet_bits_u32(&rd), 0);
	ck_assert_uint_eq(bnet_bits_u64(&rd), 0);
	ck_assert_int_eq(bnet_bits_i32(&rd), 0);
	ck_assert_int_eq(bnet_bits_i64(&rd), 0);
	ck_assert(!bnet_bits_bool(&rd));
	unit_err(
	    "string", bnet_bits_string(&rd, &store, &str, &len), BNET_EMESSAGE);
	ck_assert_ptr_null(store.p);
	ck_assert(rd.bad);
	unit_free(in);
}
END_TEST

#define N_STEPS 4000

/* One step of a fixed walk through all kinds: write it, or read it back. */
static void
step(uint64_t *seed, struct bnet_bits_wr *wr, struct bnet_bits_rd *rd,
    struct bnet_buf *store)
{
	uint64_t pick = unit_random(seed) % 6;
	uint64_t v = unit_random(seed) >> unit_random(seed) % 64;
	uint32_t n = (uint32_t)(v % 40), len;
	char text[40];
	const char *str;

	if (pick == U32)
		v = (uint32_t)v;
	if (pick == I32)
		v = (uint64_t)(int64_t)(int32_t)(uint32_t)v;
	memset(text, (int)(v % 256), sizeof(text));
	if (wr != NULL && pick == 4)
		bnet_bits_put_bool(wr, v % 2);
	else if (wr != NULL && pick == 5)
		bnet_bits_put_string(wr, text, n);
	else if (wr != NULL)
		write_one((enum kind)pick, wr, v);
	else if (pick == 4)
		ck_assert_int_eq(bnet_bits_bool(rd), v % 2);
	else if (pick == 5) {
		unit_err(
		    "string", bnet_bits_string(rd, store, &str, &len), BNET_OK);
		ck_assert_uint_eq(len, n);
		ck_assert_mem_eq(str, text, n);
	} else
		ck_assert_uint_eq(read_one((enum kind)pick, rd), v);
}

START_TEST(test_round_trip)
{
	uint64_t seed = (uint64_t)_i + 1;
	struct bnet_buf out, store;
	struct bnet_slice in;
	struct bnet_bits_wr wr;
	struct bnet_bits_rd rd;

	bnet_buf_init(&out, SIZE_MAX);
	bnet_buf_init(&store, SIZE_MAX);
	bnet_bits_write(&wr, &out);
	for (int i = 0; i < N_STEPS; i++)
		step(&seed, &wr, NULL, NULL);
	unit_err("finish", bnet_bits_finish(&wr), BNET_OK);
	in = unit_copy(out.p + out.at, out.len);
	bnet_bits_read(&rd, in);
	seed = (uint64_t)_i + 1;
	for (int i = 0; i < N_STEPS; i++)
		step(&seed, NULL, &rd, &store);
	ck_assert(!rd.bad);
	ck_assert_uint_lt(bnet_bits_left(&rd), 8);
	ck_assert_uint_eq(bnet_bits_raw(&rd, (uint32_t)bnet_bits_left(&rd)),
	    0); /* the unused bits */
	unit_free(in);
	bnet_buf_free(&out);
	bnet_buf_free(&store);
}
END_TEST

static Suite *
bits_suite(void)
{
	Suite *suite = suite_create("bits");
	TCase *tc = unit_case(suite, "numbers");

	tcase_add_loop_test(tc, test_number, 0, UNIT_ROWS(numbers));
	tcase_add_loop_test(tc, test_range, 0, UNIT_ROWS(ranges));
	tcase_add_loop_test(tc, test_raw, 0, 33);
	tcase_add_test(tc, test_sticky);
	tcase_add_loop_test(tc, test_round_trip, 0, 8);
	return suite;
}

UNIT_MAIN(bits_suite)
