/* SPDX-License-Identifier: MIT */
/* cmd/common/backoff and random */
#include "cmd/common/backoff.h"
#include "tests/unit/unit.h"

#define MS INT64_C(1000000)
#define N_DRAWS 2000

/* The longest of many waits after that many failures. */
static int64_t
longest(unsigned n_failed, int64_t min_ns, int64_t max_ns)
{
	struct random rnd = random_stream(7, n_failed);
	int64_t top_ns = 0;

	for (int i = 0; i < N_DRAWS; i++) {
		struct backoff backoff = { min_ns, max_ns, n_failed };
		int64_t wait_ns = backoff_failed(&backoff, &rnd);

		ck_assert_int_ge(wait_ns, 0);
		ck_assert_uint_eq(backoff.n_failed, n_failed + 1);
		if (wait_ns > top_ns)
			top_ns = wait_ns;
	}
	return top_ns;
}

static const struct {
	unsigned n_failed;
	int64_t min_ns, max_ns, top_ns;
} tops[] = {
	{ 0, 100 * MS, 10000 * MS, 100 * MS },
	{ 1, 100 * MS, 10000 * MS, 200 * MS },
	{ 6, 100 * MS, 10000 * MS, 6400 * MS },
	{ 7, 100 * MS, 10000 * MS, 10000 * MS },
	{ 4000000000, 100 * MS, 10000 * MS, 10000 * MS },
	{ 0, 5 * MS, 5 * MS, 5 * MS },
	{ 3, 5 * MS, 5 * MS, 5 * MS },
	{ 100, 1, INT64_MAX - 1, INT64_MAX - 1 },
};

/* Never above the top, and near it at times: the jitter is full. */
START_TEST(top)
{
	int64_t got_ns =
	    longest(tops[_i].n_failed, tops[_i].min_ns, tops[_i].max_ns);

	ck_assert_int_le(got_ns, tops[_i].top_ns);
	ck_assert_int_gt(got_ns, tops[_i].top_ns / 100 * 95);
}
END_TEST

/* A relay that takes us and drops us at once does not get us back at once. */
START_TEST(worked)
{
	struct backoff backoff = { 100 * MS, 10000 * MS, 5 };

	backoff_worked(&backoff, 0);
	ck_assert_uint_eq(backoff.n_failed, 5);
	backoff_worked(&backoff, 10000 * MS);
	ck_assert_uint_eq(backoff.n_failed, 5);
	backoff_worked(&backoff, 10000 * MS + 1);
	ck_assert_uint_eq(backoff.n_failed, 0);
}
END_TEST

START_TEST(streams)
{
	struct random a = random_stream(1, 0), same = random_stream(1, 0);
	struct random b = random_stream(1, 1), c = random_stream(2, 0);
	int equal = 0;

	for (int i = 0; i < N_DRAWS; i++) {
		uint64_t v = random_next(&a);

		ck_assert_uint_eq(v, random_next(&same));
		equal += v == random_next(&b);
		equal += v == random_next(&c);
	}
	ck_assert_int_eq(equal, 0);
}
END_TEST

START_TEST(unit)
{
	struct random rnd = random_stream(3, 3);
	double sum = 0;

	for (int i = 0; i < N_DRAWS; i++) {
		double v = random_unit(&rnd);

		ck_assert_double_ge(v, 0);
		ck_assert_double_lt(v, 1);
		sum += v;
	}
	ck_assert_double_eq_tol(sum / N_DRAWS, 0.5, 0.05);
	ck_assert_int_eq(random_up_to_ns(&rnd, 0), 0);
}
END_TEST

static Suite *
backoff_suite(void)
{
	Suite *suite = suite_create("backoff");
	TCase *tc = unit_case(suite, "backoff");

	tcase_add_loop_test(tc, top, 0, UNIT_ROWS(tops));
	tcase_add_test(tc, worked);
	tcase_add_test(tc, streams);
	tcase_add_test(tc, unit);
	return suite;
}

UNIT_MAIN(backoff_suite)
