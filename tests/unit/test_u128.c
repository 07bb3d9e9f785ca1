/* SPDX-License-Identifier: MIT */
/* cmd/common/u128, against the compiler's own type where it has one */
#include "cmd/common/u128.h"
#include "tests/unit/unit.h"

static const struct {
	const char *text;
	struct u128 v;
	double f64;
} known[] = {
	{ "0", { 0, 0 }, 0 },
	{ "9", { 9, 0 }, 9 },
	{ "10", { 10, 0 }, 10 },
	{ "18446744073709551615", { UINT64_MAX, 0 }, 0x1p64 },
	{ "18446744073709551616", { 0, 1 }, 0x1p64 },
	{ "18446744073709551617", { 1, 1 }, 0x1p64 },
	/* 2^117 + 2^64: half of the last bit, to the even one */
	{ "166153499473114484112975882535043072", { 0, (UINT64_C(1) << 53) },
	    0x1p117 },
	{ "166153499473114502559719956244594688",
	    { 0, (UINT64_C(1) << 53) + 1 }, 0x1p117 },
	/* and 1 more: up */
	{ "166153499473114502559719956244594689",
	    { 1, (UINT64_C(1) << 53) + 1 }, 0x1.0000000000001p117 },
	{ "340282366920938463463374607431768211455", { UINT64_MAX, UINT64_MAX },
	    0x1p128 },
};

START_TEST(text_and_double)
{
	char text[U128_CHARS];
	struct u128 v;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		ck_assert_str_eq(u128_text(known[i].v, text), known[i].text);
		UNIT_MUST(u128_read(known[i].text, &v) &&
			u128_equal(v, known[i].v) &&
			u128_f64(v) == known[i].f64,
		    "%s", known[i].text);
	}
}
END_TEST

START_TEST(text_that_is_none)
{
	static const char *const bad[] = { NULL, "", "-1", "+1", " 1", "1 ",
		"1,", "0x1", "340282366920938463463374607431768211456",
		"340282366920938463463374607431768211460",
		"999999999999999999999999999999999999999",
		"9999999999999999999999999999999999999999" };
	const char *at = "0012,7";
	struct u128 v;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		UNIT_MUST(!u128_read(bad[i], &v), "row %zu", i);
	ck_assert(u128_take(&at, &v));
	ck_assert_str_eq(at, ",7");
	ck_assert(u128_equal(v, u128_of(12)));
	ck_assert(!u128_take(&at, &v));
	ck_assert_str_eq(at, ",7"); /* it did not move */
}
END_TEST

/* (2^64 - 1)^2 = 2^128 - 2^65 + 1: both carries of the halves */
START_TEST(products)
{
	const struct u128 square = { 1, UINT64_MAX - 1 };
	const struct u128 max = { UINT64_MAX, UINT64_MAX };
	uint64_t rest;

	ck_assert(u128_equal(u128_mul(UINT64_MAX, UINT64_MAX), square));
	ck_assert(u128_equal(u128_mul_halves(UINT64_MAX, UINT64_MAX), square));
	ck_assert(u128_equal(
	    u128_div(square, UINT64_MAX, &rest), u128_of(UINT64_MAX)));
	ck_assert_uint_eq(rest, 0);
	ck_assert(u128_equal(u128_times(max, max), u128_of(1)));
}
END_TEST

#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 wide;

static const uint64_t words[] = { 0, 1, 2, 3, 9, 10, 0x7fffffff, 0x80000000,
	0xffffffff, UINT64_C(0x100000000), UINT64_C(0x1ffffffff),
	UINT64_C(10000000000), (UINT64_C(1) << 53) - 1, UINT64_C(1) << 53,
	(UINT64_C(1) << 53) + 1, UINT64_C(0x0123456789abcdef),
	UINT64_C(0x7fffffffffffffff), UINT64_C(0x8000000000000000),
	UINT64_C(0x8000000000000001), UINT64_C(0xfedcba9876543210),
	UINT64_MAX - 1, UINT64_MAX };

#define N_WORDS (sizeof(words) / sizeof(words[0]))
#define N_VALUES (N_WORDS * N_WORDS)

static wide
wide_of(struct u128 v)
{
	return (wide)v.hi << 64 | v.lo;
}

static struct u128
value(size_t i)
{
	return (struct u128){ words[i % N_WORDS], words[i / N_WORDS] };
}

START_TEST(pairs)
{
	for (size_t i = 0; i < N_VALUES; i++)
		for (size_t k = 0; k < N_VALUES; k++) {
			struct u128 a = value(i), b = value(k);
			wide x = wide_of(a), y = wide_of(b);

			UNIT_MUST(wide_of(u128_add(a, b)) == x + y &&
				wide_of(u128_sub(a, b)) == x - y &&
				wide_of(u128_times(a, b)) == x * y &&
				u128_less(a, b) == (x < y) &&
				u128_equal(a, b) == (x == y),
			    "values %zu, %zu", i, k);
		}
}
END_TEST

START_TEST(words_of_them)
{
	for (size_t i = 0; i < N_WORDS; i++)
		for (size_t k = 0; k < N_WORDS; k++) {
			uint64_t a = words[i], b = words[k];
			wide both = (wide)a * b;

			UNIT_MUST(wide_of(u128_mul(a, b)) == both &&
				wide_of(u128_mul_halves(a, b)) == both,
			    "words %zu, %zu", i, k);
		}
	for (size_t i = 0; i < N_VALUES; i++) {
		struct u128 v = value(i);
		wide x = wide_of(v);
		uint64_t rest;

		for (unsigned n = 1; n < 64; n++)
			UNIT_MUST(wide_of(u128_shl(v, n)) == x << n &&
				wide_of(u128_shr(v, n)) == x >> n,
			    "value %zu by %u bits", i, n);
		for (size_t k = 1; k < N_WORDS; k++) /* not by 0 */
			UNIT_MUST(wide_of(u128_div(v, words[k], &rest)) ==
				    x / words[k] &&
				rest == x % words[k],
			    "value %zu by word %zu", i, k);
		UNIT_MUST(u128_f64(v) == (double)x, "value %zu", i);
	}
}
END_TEST
#endif

static Suite *
u128_suite(void)
{
	Suite *suite = suite_create("u128");
	TCase *tc = unit_case(suite, "u128");

	tcase_add_test(tc, text_and_double);
	tcase_add_test(tc, text_that_is_none);
	tcase_add_test(tc, products);
#ifdef __SIZEOF_INT128__
	tcase_add_test(tc, pairs);
	tcase_add_test(tc, words_of_them);
#endif
	return suite;
}

UNIT_MAIN(u128_suite)
