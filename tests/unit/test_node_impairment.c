/* SPDX-License-Identifier: MIT */
/* cmd/node/impairment */
#include "cmd/node/impairment.h"
#include "tests/unit/unit.h"

#define MS INT64_C(1000000)
#define N_REPLIES 10000

static const struct {
	struct impairment impairment;
	int least, most; /* that come through */
} rows[] = {
	{ { 0, 0 }, N_REPLIES, N_REPLIES },
	{ { 1, 0 }, 0, 0 },
	{ { 1, 5 * MS }, 0, 0 },
	{ { 0.25, 0 }, 7300, 7700 },
	{ { 0, 5 * MS }, N_REPLIES, N_REPLIES },
};

START_TEST(reply)
{
	const struct impairment *impairment = &rows[_i].impairment;
	struct random rnd = random_stream(1, 2);
	int64_t delay_ns, sum_ns = 0;
	int sent = 0;

	for (int i = 0; i < N_REPLIES; i++) {
		sent += impairment_reply(impairment, &rnd, &delay_ns);
		ck_assert_int_ge(delay_ns, 0);
		ck_assert_int_le(delay_ns, impairment->jitter_ns);
		sum_ns += delay_ns;
	}
	ck_assert_int_ge(sent, rows[_i].least);
	ck_assert_int_le(sent, rows[_i].most);
	ck_assert_double_eq_tol((double)sum_ns / N_REPLIES,
	    (double)impairment->jitter_ns / 2,
	    (double)impairment->jitter_ns / 40 + 1);
}
END_TEST

/* What is lost does not change what the others wait. */
START_TEST(independent)
{
	const struct impairment dry = { 0, MS }, wet = { 0.5, MS };
	struct random a = random_stream(1, 2), b = a;
	int64_t dry_ns, wet_ns;

	for (int i = 0; i < 100; i++) {
		(void)impairment_reply(&dry, &a, &dry_ns);
		(void)impairment_reply(&wet, &b, &wet_ns);
		ck_assert_int_eq(dry_ns, wet_ns);
	}
}
END_TEST

static const struct {
	double percent;
	int64_t slice_ns, rest_ns;
} busy_rows[] = {
	{ 100, 10 * MS, 0 },
	{ 50, 10 * MS, 10 * MS },
	{ 20, 10 * MS, 40 * MS },
	{ 80, 10 * MS, 2500000 },
};

START_TEST(busy)
{
	struct chore chore =
	    chore_busy(busy_rows[_i].percent, busy_rows[_i].slice_ns, 1000);

	ck_assert_int_eq(chore.work_ns, busy_rows[_i].slice_ns);
	ck_assert_int_eq(chore.rest_ns, busy_rows[_i].rest_ns);
	ck_assert_int_eq(chore.next_ns, 1000);
	/* a little late, and much too late */
	chore_done(&chore, 1000 + 10 * MS);
	ck_assert_int_eq(chore.next_ns, 1000 + 10 * MS + busy_rows[_i].rest_ns);
	chore_done(&chore, 900 * MS);
	ck_assert_int_eq(chore.next_ns, 900 * MS + busy_rows[_i].rest_ns);
}
END_TEST

START_TEST(chores)
{
	struct chore two[2] = { { 0 }, { 0 } };

	ck_assert_int_eq(chores_next_ns(two, 2), INT64_MAX);
	ck_assert_ptr_null(chores_due(two, 2, INT64_MAX));
	two[1] = chore_stall(1000, 200, 50);
	ck_assert_int_eq(chores_next_ns(two, 2), 1050);
	ck_assert_ptr_null(chores_due(two, 2, 1049));
	ck_assert_ptr_eq(chores_due(two, 2, 1050), &two[1]);
	two[0] = chore_busy(50, 100, 2000);
	ck_assert_int_eq(chores_next_ns(two, 2), 1050);
	chore_done(&two[1], 1260);
	ck_assert_int_eq(two[1].next_ns, 2050);
	ck_assert_int_eq(chores_next_ns(two, 2), 2000);
	ck_assert_ptr_eq(chores_due(two, 2, 2000), &two[0]);
	chore_done(&two[0], 2110);
	ck_assert_int_eq(two[0].next_ns, 2200);
	ck_assert_int_eq(chores_next_ns(two, 2), 2050);
}
END_TEST

static Suite *
weather_suite(void)
{
	Suite *suite = suite_create("node_impairment");
	TCase *tc = unit_case(suite, "impairment");

	tcase_add_loop_test(tc, reply, 0, UNIT_ROWS(rows));
	tcase_add_test(tc, independent);
	tcase_add_loop_test(tc, busy, 0, UNIT_ROWS(busy_rows));
	tcase_add_test(tc, chores);
	return suite;
}

UNIT_MAIN(weather_suite)
