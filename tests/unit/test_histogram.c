/* SPDX-License-Identifier: MIT */
/* cmd/stats/histogram */
#include "cmd/stats/histogram.h"
#include "tests/unit/unit.h"

/* Buckets follow each other without a hole, over all of 64 bits. */
START_TEST(buckets)
{
	struct histogram hist;
	unsigned sub_bits = (unsigned)_i;

	ck_assert(histogram_init(&hist, sub_bits));
	ck_assert_uint_eq(hist.n_buckets, (size_t)(65 - sub_bits) << sub_bits);
	ck_assert_uint_eq(histogram_low(&hist, 0), 0);
	for (size_t i = 0; i < hist.n_buckets; i++) {
		uint64_t low = histogram_low(&hist, i);
		uint64_t high = histogram_high(&hist, i);

		ck_assert_uint_le(low, high);
		ck_assert_uint_eq(histogram_index(sub_bits, low), i);
		ck_assert_uint_eq(histogram_index(sub_bits, high), i);
		/* as narrow as promised */
		ck_assert_uint_le(high - low, low >> sub_bits);
		if (i + 1 < hist.n_buckets)
			ck_assert_uint_eq(
			    histogram_low(&hist, i + 1), high + 1);
		else
			ck_assert_uint_eq(high, UINT64_MAX);
	}
	histogram_free(&hist);
}
END_TEST

static const struct {
	uint64_t value, low, high;
} rows[] = {
	{ 0, 0, 0 },
	{ 1, 1, 1 },
	{ 2, 2, 3 },
	{ 128, 128, 255 },
	{ 255, 128, 255 },
	{ 256, 256, 511 },
	{ UINT64_MAX, UINT64_C(1) << 63, UINT64_MAX },
};

START_TEST(powers)
{
	struct histogram hist;
	size_t i = histogram_index(0, rows[_i].value);

	ck_assert(histogram_init(&hist, 0));
	histogram_add(&hist, rows[_i].value);
	ck_assert_uint_eq(hist.counts[i], 1);
	ck_assert_uint_eq(histogram_total(&hist), 1);
	ck_assert_uint_eq(histogram_low(&hist, i), rows[_i].low);
	ck_assert_uint_eq(histogram_high(&hist, i), rows[_i].high);
	histogram_free(&hist);
}
END_TEST

START_TEST(quantiles)
{
	struct histogram hist, other;

	ck_assert(histogram_init(&hist, 7));
	ck_assert(histogram_init(&other, 7));
	ck_assert_uint_eq(histogram_quantile(&hist, 0.5), 0);
	for (uint64_t v = 1; v <= 100; v++)
		histogram_add(v % 2 ? &hist : &other, v);
	histogram_merge(&hist, &other);
	ck_assert_uint_eq(histogram_total(&hist), 100);
	ck_assert_uint_eq(histogram_quantile(&hist, 0), 1);
	ck_assert_uint_eq(histogram_quantile(&hist, 0.5), 50);
	ck_assert_uint_eq(histogram_quantile(&hist, 0.99), 99);
	ck_assert_uint_eq(histogram_quantile(&hist, 1), 100);
	histogram_free(&hist);
	histogram_free(&other);
}
END_TEST

static Suite *
histogram_suite(void)
{
	Suite *suite = suite_create("histogram");
	TCase *tc = unit_case(suite, "histogram");

	tcase_add_loop_test(tc, buckets, 0, 9);
	tcase_add_loop_test(tc, powers, 0, UNIT_ROWS(rows));
	tcase_add_test(tc, quantiles);
	return suite;
}

UNIT_MAIN(histogram_suite)
