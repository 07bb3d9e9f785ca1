/* SPDX-License-Identifier: MIT */
/* cmd/ping/schedule and flight */
#include "cmd/ping/flight.h"
#include "cmd/ping/schedule.h"
#include "tests/unit/unit.h"

#include <math.h>

#define MS INT64_C(1000000)
#define S (1000 * MS)
#define N_NODES 1000
#define N_GAPS 100000

static const struct {
	const char *name;
	int64_t interval_ns;
	uint64_t n;
} grids[] = {
	{ "a second, a day long", S, 86400 },
	{ "20,000 a second, ten minutes", 50000, 12000000 },
	{ "a third of a second", 333333333, 1000 },
};

/* The last slot is due when it was from the start: nothing adds up. */
START_TEST(absolute)
{
	struct schedule s;

	schedule_init(&s, 12345, grids[_i].interval_ns, 0, false, 1);
	for (uint64_t k = 0; k < grids[_i].n; k++)
		UNIT_MUST(schedule_take(&s) ==
			12345 + (int64_t)k * grids[_i].interval_ns,
		    "%s: slot %llu", grids[_i].name, (unsigned long long)k);
	ck_assert_uint_eq(s.n, grids[_i].n);
}
END_TEST

/* However many nodes there are, no two are close, and no gap is wide. */
START_TEST(staggered)
{
	int64_t phase_ns[N_NODES];

	for (uint64_t n = 1; n <= N_NODES; n++) {
		phase_ns[n - 1] = schedule_phase_ns(n - 1, S);
		ck_assert_int_ge(phase_ns[n - 1], 0);
		ck_assert_int_lt(phase_ns[n - 1], S);
		for (uint64_t i = 0; i + 1 < n; i++) {
			int64_t apart = phase_ns[n - 1] - phase_ns[i];

			apart = apart < 0 ? -apart : apart;
			apart = apart < S - apart ? apart : S - apart;
			UNIT_MUST(apart >= S / (int64_t)(3 * n),
			    "%ju nodes: %jd apart", (uintmax_t)n,
			    (intmax_t)apart);
		}
	}
}
END_TEST

static const struct {
	const char *name;
	int64_t now_ns, grace_ns;
	uint64_t max, skipped;
	int64_t next_ns;
} skips[] = {
	{ "in time", 999, 10, 100, 0, 1000 },
	{ "due now", 1000, 10, 100, 0, 1000 },
	{ "late, within grace", 1010, 10, 100, 0, 1000 },
	{ "just beyond it", 1011, 10, 100, 1, 1100 },
	{ "one is left, as late as may be", 1110, 10, 100, 1, 1100 },
	{ "two", 1111, 10, 100, 2, 1200 },
	{ "no grace", 1250, 0, 100, 3, 1300 },
	{ "not more than there are", 9999999, 10, 7, 7, 1700 },
	{ "an hour", 1000 + 3600 * S, 100, UINT64_MAX, 36000000000 - 1,
	    3600 * S + 900 },
};

START_TEST(skipped)
{
	struct schedule s;

	schedule_init(&s, 1000, 100, 0, false, 1);
	ck_assert_msg(schedule_skip(&s, skips[_i].now_ns, skips[_i].grace_ns,
			  skips[_i].max) == skips[_i].skipped,
	    "%s", skips[_i].name);
	ck_assert_int_eq(s.next_ns, skips[_i].next_ns);
	ck_assert_uint_eq(s.n, skips[_i].skipped);
}
END_TEST

/* Exponential gaps: as long on average as asked, and as spread. */
START_TEST(poisson)
{
	struct schedule s, same;
	double sum = 0, squares = 0;
	int64_t last_ns = 0;

	schedule_init(&s, 0, MS, 3, true, 7);
	schedule_init(&same, 0, MS, 3, true, 7);
	for (int i = 0; i < N_GAPS; i++) {
		int64_t due_ns = schedule_take(&s);
		double gap = (double)(due_ns - last_ns) / (double)MS;

		UNIT_MUST(due_ns > last_ns, "gap %d: not later", i);
		UNIT_MUST(due_ns == schedule_take(&same), "gap %d differs", i);
		last_ns = due_ns;
		sum += gap;
		squares += gap * gap;
	}
	ck_assert_double_eq_tol(sum / N_GAPS, 1, 0.02);
	ck_assert_double_eq_tol(squares / N_GAPS, 2, 0.1);
	schedule_init(&s, 0, MS, 4, true, 7);
	schedule_init(&same, 0, MS, 3, true, 7);
	ck_assert_int_ne(schedule_take(&s), schedule_take(&same));
}
END_TEST

START_TEST(poisson_skips)
{
	struct schedule s, same;
	uint64_t n;

	schedule_init(&s, 0, 100, 0, true, 1);
	schedule_init(&same, 0, 100, 0, true, 1);
	n = schedule_skip(&s, 100000, 10, UINT64_MAX);
	ck_assert_uint_gt(n, 500);
	ck_assert_int_ge(s.next_ns, 100000 - 10);
	for (uint64_t i = 0; i < n; i++)
		ck_assert_int_lt(schedule_take(&same), 100000 - 10);
	ck_assert_int_eq(s.next_ns, same.next_ns);
	ck_assert_uint_eq(schedule_skip(&s, 200000, 0, 5), 5);
}
END_TEST

/* ---- pings on their way ---- */

static struct flight *
open_one(struct flights *flights, int64_t sent_ns)
{
	struct flight *flight = flights_open(flights);

	flight->state = FLIGHT_WAITING;
	flight->sent_ns = sent_ns;
	return flight;
}

START_TEST(found)
{
	struct flights flights = { 0 };
	struct flight *flight;
	uint64_t first, room;

	ck_assert(flights_init(&flights, 100));
	room = flights.mask + 1;
	flight = open_one(&flights, 1);
	first = flight_cookie(flight);
	ck_assert_ptr_eq(flights_find(&flights, first), flight);
	ck_assert_ptr_null(flights_find(&flights, first + 1));
	ck_assert_ptr_null(flights_find(&flights, first + room));
	ck_assert_ptr_null(flights_find(&flights, UINT64_MAX));
	/* it is known after it was answered, until its place is taken */
	flight->state = FLIGHT_ANSWERED;
	for (uint64_t i = 1; i < room; i++)
		open_one(&flights, 1);
	ck_assert_ptr_eq(flights_find(&flights, first), flight);
	ck_assert_ptr_null(flights_in_the_way(&flights));
	open_one(&flights, 1);
	ck_assert_ptr_null(flights_find(&flights, first));
	ck_assert_ptr_nonnull(flights_in_the_way(&flights));
	flights_free(&flights);
}
END_TEST

START_TEST(overdue)
{
	struct flights flights = { 0 };
	struct flight *a, *b, *c;

	ck_assert(flights_init(&flights, 0));
	a = open_one(&flights, 10);
	b = open_one(&flights, 20);
	c = open_one(&flights, 30);
	b->state = FLIGHT_ANSWERED;
	ck_assert_ptr_null(flights_overdue(&flights, 10));
	ck_assert_ptr_eq(flights_overdue(&flights, 11), a);
	a->state = FLIGHT_LOST;
	ck_assert_ptr_null(flights_overdue(&flights, 30));
	ck_assert_ptr_eq(flights_overdue(&flights, 31), c);
	c->state = FLIGHT_LOST;
	ck_assert_ptr_null(flights_overdue(&flights, INT64_MAX));
	flights_free(&flights);
}
END_TEST

/* After years the cookie begins again, and its ping is still found. */
START_TEST(cookies_wrap)
{
	struct flights flights = { 0 };
	struct flight *flight;

	ck_assert(flights_init(&flights, 0));
	flights.next = flights.oldest = FLIGHT_COOKIE_MASK;
	for (int i = 0; i < 5; i++) {
		flight = open_one(&flights, i);
		ck_assert_uint_le(flight_cookie(flight), FLIGHT_COOKIE_MASK);
		ck_assert_ptr_eq(
		    flights_find(&flights, flight_cookie(flight)), flight);
	}
	flights_free(&flights);
}
END_TEST

static Suite *
schedule_suite(void)
{
	Suite *suite = suite_create("ping_schedule");
	TCase *tc = unit_case(suite, "schedule");

	tcase_add_loop_test(tc, absolute, 0, UNIT_ROWS(grids));
	tcase_add_test(tc, staggered);
	tcase_add_loop_test(tc, skipped, 0, UNIT_ROWS(skips));
	tcase_add_test(tc, poisson);
	tcase_add_test(tc, poisson_skips);
	tc = unit_case(suite, "flights");
	tcase_add_test(tc, found);
	tcase_add_test(tc, overdue);
	tcase_add_test(tc, cookies_wrap);
	return suite;
}

UNIT_MAIN(schedule_suite)
