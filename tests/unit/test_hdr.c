/* SPDX-License-Identifier: MIT */
/* cmd/stats/hdr */
#include "cmd/stats/hdr.h"
#include "tests/unit/unit.h"

#include <math.h>

static const struct {
	const char *name;
	unsigned digits;
	int64_t highest;
	bool made;
	uint32_t n_counts;
} layouts[] = {
	{ "an hour in ns", 3, HDR_HOUR_NS, true, 33792 },
	{ "two digits", 2, HDR_HOUR_NS, true, 4608 },
	{ "all that there is", 3, 0, true, 55296 },
	{ "only the first power of two", 3, 2047, true, 2048 },
	{ "and one more", 3, 2048, true, 3072 },
	{ "no digits", 0, 1000, false, 0 },
	{ "too many digits", 6, 1000, false, 0 },
	{ "highest too low", 3, 1, false, 0 },
	{ "more counts than the ceiling", 5, 0, false, 0 },
};

START_TEST(layout)
{
	struct hdr hdr;
	bool made = hdr_init(&hdr, layouts[_i].digits, layouts[_i].highest);

	ck_assert_msg(made == layouts[_i].made, "%s", layouts[_i].name);
	if (made)
		ck_assert_msg(hdr.n_counts == layouts[_i].n_counts,
		    "%s: %u counts", layouts[_i].name, hdr.n_counts);
	hdr_free(&hdr);
}
END_TEST

/* Each bucket begins where the one before it ended, and knows its own. */
START_TEST(buckets)
{
	struct hdr hdr;
	int64_t low = 0;

	ck_assert(hdr_init(&hdr, 3, 0));
	for (uint32_t i = 0; i < hdr.n_counts; i++) {
		ck_assert_int_eq(hdr_low(&hdr, i), low);
		ck_assert_uint_eq(hdr_index(&hdr, low), i);
		ck_assert_uint_eq(hdr_index(&hdr, hdr_high(&hdr, i)), i);
		if (low > 0)
			ck_assert_double_le(
			    (double)(hdr_high(&hdr, i) - low) / (double)low,
			    0.001);
		if (i + 1 < hdr.n_counts)
			low = hdr_high(&hdr, i) + 1;
	}
	ck_assert_int_eq(hdr_high(&hdr, hdr.n_counts - 1), INT64_MAX);
	hdr_free(&hdr);
}
END_TEST

START_TEST(exact_sums)
{
	static const int64_t values[] = { 2000000000, 4000000000, 4000000000,
		4000000000, 5000000000, 5000000000, 7000000000, 9000000000 };
	struct hdr hdr;

	ck_assert(hdr_init(&hdr, 3, HDR_HOUR_NS));
	for (size_t i = 0; i < 8; i++)
		hdr_add(&hdr, values[i]);
	ck_assert_uint_eq(hdr.sums.count, 8);
	ck_assert_int_eq(hdr.sums.min, 2000000000);
	ck_assert_int_eq(hdr.sums.max, 9000000000);
	ck_assert_double_eq(hdr_sums_mean(&hdr.sums), 5e9);
	ck_assert_double_eq(hdr_sums_stddev(&hdr.sums), 2e9);
	hdr_clear(&hdr);
	ck_assert_uint_eq(hdr.sums.count, 0);
	ck_assert_int_eq(hdr_quantile(&hdr, 0.5), 0);
	hdr_free(&hdr);
}
END_TEST

/* An hour and a ns, often: squares that no double would add up exactly. */
START_TEST(large_and_close)
{
	struct hdr_sums sums = { 0 };

	for (int i = 0; i < 100000; i++)
		hdr_sums_add(&sums, HDR_HOUR_NS + i % 2);
	ck_assert_double_eq_tol(hdr_sums_stddev(&sums), 0.5, 1e-9);
}
END_TEST

static const struct {
	double q;
	int64_t value; /* of 1 to 1,000, which each have a count */
} quantiles[] = { { 0, 1 }, { 0.5, 500 }, { 0.9, 900 }, { 0.999, 999 },
	{ 1, 1000 } };

START_TEST(quantile)
{
	struct hdr hdr;

	ck_assert(hdr_init(&hdr, 3, HDR_HOUR_NS));
	for (int64_t v = 1000; v > 0; v--)
		hdr_add(&hdr, v);
	ck_assert_int_eq(
	    hdr_quantile(&hdr, quantiles[_i].q), quantiles[_i].value);
	hdr_free(&hdr);
}
END_TEST

/* What is too large or too small is counted at the ends, and exactly summed. */
START_TEST(ends)
{
	struct hdr hdr;

	ck_assert(hdr_init(&hdr, 3, 1000000));
	hdr_add(&hdr, -5);
	hdr_add(&hdr, 2000000);
	ck_assert_uint_eq(hdr.counts[0], 1);
	ck_assert_uint_eq(hdr.counts[hdr_index(&hdr, 1000000)], 1);
	ck_assert_int_eq(hdr.sums.min, 0);
	ck_assert_int_eq(hdr.sums.max, 2000000);
	ck_assert_int_le(hdr_quantile(&hdr, 1), 2000000);
	hdr_free(&hdr);
}
END_TEST

static int64_t
value_at(int i)
{
	return (int64_t)(1000 * exp((double)(i * 7919 % 1000) / 60));
}

/* Three parts in any order are the whole: the same counts and sums. */
START_TEST(merge)
{
	struct hdr whole, merged, part[3];

	ck_assert(hdr_init(&whole, 3, HDR_HOUR_NS));
	ck_assert(hdr_init(&merged, 3, HDR_HOUR_NS));
	for (int i = 0; i < 3; i++)
		ck_assert(hdr_init(&part[i], 3, HDR_HOUR_NS));
	for (int i = 0; i < 1000; i++) {
		hdr_add(&whole, value_at(i));
		hdr_add(&part[i % 3], value_at(i));
	}
	for (int i = 0; i < 3; i++)
		hdr_merge(&merged, &part[(i + _i) % 3]);
	ck_assert_mem_eq(merged.counts, whole.counts,
	    whole.n_counts * sizeof(*whole.counts));
	ck_assert_uint_eq(merged.sums.count, whole.sums.count);
	ck_assert(u128_equal(merged.sums.sum, whole.sums.sum));
	ck_assert(u128_equal(merged.sums.sum_squares, whole.sums.sum_squares));
	for (int i = 0; i < 3; i++)
		hdr_free(&part[i]);
	hdr_free(&whole);
	hdr_free(&merged);
}
END_TEST

/* Other digits, other ceiling: near, and nothing is lost. */
START_TEST(merge_other)
{
	struct hdr fine, coarse;

	ck_assert(hdr_init(&fine, 4, 0));
	ck_assert(hdr_init(&coarse, 2, HDR_HOUR_NS));
	for (int i = 0; i < 1000; i++)
		hdr_add(&fine, value_at(i));
	hdr_add(&fine, INT64_MAX);
	hdr_merge(&coarse, &fine);
	ck_assert_uint_eq(coarse.sums.count, 1001);
	ck_assert_double_eq_tol((double)hdr_quantile(&coarse, 0.5),
	    (double)hdr_quantile(&fine, 0.5),
	    0.01 * (double)hdr_quantile(&fine, 0.5));
	hdr_free(&fine);
	hdr_free(&coarse);
}
END_TEST

START_TEST(sums_of_counts)
{
	struct hdr hdr;
	struct hdr_sums sums;

	ck_assert(hdr_init(&hdr, 3, HDR_HOUR_NS));
	for (int i = 0; i < 1000; i++)
		hdr_add(&hdr, value_at(i));
	hdr_sums_of_counts(&hdr, &sums);
	ck_assert_uint_eq(sums.count, 1000);
	ck_assert_double_eq_tol(hdr_sums_mean(&sums), hdr_sums_mean(&hdr.sums),
	    0.001 * hdr_sums_mean(&hdr.sums));
	ck_assert_double_eq_tol(hdr_sums_stddev(&sums),
	    hdr_sums_stddev(&hdr.sums), 0.001 * hdr_sums_stddev(&hdr.sums));
	hdr_free(&hdr);
}
END_TEST

static Suite *
hdr_suite(void)
{
	Suite *suite = suite_create("hdr");
	TCase *tc = unit_case(suite, "hdr");

	tcase_add_loop_test(tc, layout, 0, UNIT_ROWS(layouts));
	tcase_add_test(tc, buckets);
	tcase_add_test(tc, exact_sums);
	tcase_add_test(tc, large_and_close);
	tcase_add_loop_test(tc, quantile, 0, UNIT_ROWS(quantiles));
	tcase_add_test(tc, ends);
	tcase_add_loop_test(tc, merge, 0, 3);
	tcase_add_test(tc, merge_other);
	tcase_add_test(tc, sums_of_counts);
	return suite;
}

UNIT_MAIN(hdr_suite)
