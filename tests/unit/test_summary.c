/* SPDX-License-Identifier: MIT */
/* cmd/stats/summary */
#include "cmd/stats/summary.h"
#include "tests/unit/unit.h"

#define NEAR(a, b) ck_assert_double_eq_tol(a, b, 1e-9)

static const double values[] = { 2, 4, 4, 4, 5, 5, 7, 9 };

static struct summary
summary_of(const double *v, size_t n)
{
	struct summary sum = { 0 };

	for (size_t i = 0; i < n; i++)
		summary_add(&sum, v[i]);
	return sum;
}

START_TEST(empty)
{
	struct summary sum = { 0 };

	ck_assert_uint_eq(sum.count, 0);
	NEAR(sum.mean, 0);
	NEAR(summary_stddev(&sum), 0);
	summary_add(&sum, -3);
	NEAR(sum.min, -3);
	NEAR(sum.max, -3);
	NEAR(sum.mean, -3);
	NEAR(summary_stddev(&sum), 0);
}
END_TEST

START_TEST(known)
{
	struct summary sum = summary_of(values, 8);

	ck_assert_uint_eq(sum.count, 8);
	NEAR(sum.min, 2);
	NEAR(sum.max, 9);
	NEAR(sum.mean, 5);
	NEAR(summary_stddev(&sum), 2);
}
END_TEST

/* A sum of squares of unix times in ns would lose all of the spread. */
START_TEST(stable)
{
	struct summary sum = { 0 };

	for (int i = 0; i < 100000; i++)
		summary_add(&sum, 1e9 + (i % 2 ? 0.5 : -0.5));
	ck_assert_double_eq_tol(sum.mean, 1e9, 1e-6);
	ck_assert_double_eq_tol(summary_stddev(&sum), 0.5, 1e-6);
}
END_TEST

/* Cut at every place, both ways round. */
START_TEST(merge)
{
	struct summary whole = summary_of(values, 8), left, right;

	for (size_t n = 0; n <= 8; n++) {
		left = summary_of(values, n);
		right = summary_of(values + n, 8 - n);
		if (_i == 1) {
			struct summary swap = left;

			left = right;
			right = swap;
		}
		summary_merge(&left, &right);
		ck_assert_uint_eq(left.count, whole.count);
		NEAR(left.min, whole.min);
		NEAR(left.max, whole.max);
		NEAR(left.mean, whole.mean);
		NEAR(summary_stddev(&left), summary_stddev(&whole));
	}
}
END_TEST

START_TEST(tally)
{
	static const uint64_t v[] = { 7, 0, 3, 1000 };
	struct tally whole = { 0 };

	NEAR(tally_mean(&whole), 0);
	for (size_t i = 0; i < 4; i++)
		tally_add(&whole, v[i]);
	ck_assert_uint_eq(whole.count, 4);
	ck_assert_uint_eq(whole.min, 0);
	ck_assert_uint_eq(whole.max, 1000);
	NEAR(tally_mean(&whole), 252.5);
}
END_TEST

static const struct {
	double share;
	const char *text;
} percents[] = {
	{ 0, "0 %" },
	{ 1, "100 %" },
	{ 0.9999999, "99.9 %" },
	{ 0.9951, "99.5 %" },
	{ 0.5, "50 %" },
	{ 1.0 / 3, "33 %" },
	{ 0.0994, "9.9 %" },
	{ 0.09961, "10 %" },
	{ 0.032258, "3.2 %" },
	{ 0.0012345, "0.12 %" },
	{ 0.0000123, "0.0012 %" },
	{ 1e-9, "<0.0001 %" },
};

START_TEST(percent)
{
	char text[SUMMARY_PERCENT_CHARS];

	ck_assert_str_eq(
	    summary_percent(text, percents[_i].share), percents[_i].text);
}
END_TEST

static Suite *
summary_suite(void)
{
	Suite *suite = suite_create("summary");
	TCase *tc = unit_case(suite, "summary");

	tcase_add_test(tc, empty);
	tcase_add_test(tc, known);
	tcase_add_test(tc, stable);
	tcase_add_loop_test(tc, merge, 0, 2);
	tcase_add_test(tc, tally);
	tcase_add_loop_test(tc, percent, 0, UNIT_ROWS(percents));
	return suite;
}

UNIT_MAIN(summary_suite)
