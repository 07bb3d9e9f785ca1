/* SPDX-License-Identifier: MIT */
/* cmd/replay/play/plan: when each record is due */
#include "tests/unit/replay_plan_made.h"

#include <math.h>

/* ---- when ---- */

static int64_t
due(const struct tape_session *one, int64_t at_ns, struct plan_cursor *cursor)
{
	static const struct plan_vclient vclient = { .session = 0 };
	const struct tape_record at = { .at_ns = at_ns };

	return plan_due_ns(&vclient, one, &opt, &at, cursor);
}

START_TEST(due_at_speed)
{
	static const struct {
		double speed;
		int64_t max_idle_ns;
		int64_t at_ns[6], due_ns[6];
	} rows[] = {
		{ 1, 0, { 0, 2, 3, 3, 7, 30 }, { 0, 0, 1, 1, 5, 28 } },
		{ 1, 0, { 5, 4, 6, 1, 7, 7 }, { 3, 3, 4, 4, 5, 5 } },
		{ 2, 0, { 0, 2, 4, 6, 8, 32 }, { 0, 0, 1, 2, 3, 15 } },
		{ 1, 3, { 0, 2, 3, 7, 8, 90 }, { 0, 0, 1, 4, 5, 8 } },
		{ 1, 3, { 9, 9, 9, 9, 9, 90 }, { 3, 3, 3, 3, 3, 6 } },
		/* cut first, then faster */
		{ 0.5, 3, { 0, 4, 14, 14, 15, 17 }, { 0, 4, 10, 10, 12, 16 } },
	};
	const struct tape_session one = { .ready_ns = 2 * S };

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct plan_cursor cursor = { 0 };

		opt.speed = rows[r].speed;
		opt.max_idle_ns = rows[r].max_idle_ns * S;
		for (size_t i = 0; i < 6; i++)
			ck_assert_int_eq(
			    due(&one, rows[r].at_ns[i] * S, &cursor),
			    rows[r].due_ns[i] * S);
	}
}
END_TEST

/* Silence that is cut is not in the round either. */
START_TEST(idle_length)
{
	session(1, 0, 4);
	session(2, S, 1);
	made.sessions[0].end_ns = 1000 * S;
	opt.max_idle_ns = S / 2;
	make();
	ck_assert_int_eq(plan.vclients[0].length_ns, 10 * MS + 2 * S);
	ck_assert_int_eq(plan.length_ns, 10 * MS + 2 * S);
	ck_assert_uint_eq(plan.n_frames, 5);
}
END_TEST

START_TEST(due_asap)
{
	const struct tape_session one = { .ready_ns = 2 * S };
	struct plan_cursor cursor = { 0 };

	opt.timing = REPLAY_ASAP;
	ck_assert_int_eq(due(&one, 5 * S, &cursor), 0);
	ck_assert_int_eq(due(&one, 50 * S, &cursor), 0);
}
END_TEST

START_TEST(due_hostile)
{
	static const int64_t times[] = { INT64_MIN, INT64_MAX, -1, 0, 1,
		INT64_MAX - 1, INT64_MIN + 1, FAR, FAR + 1 };
	static const double speeds[] = { 1, 1e-9, 1e9, 0.3 };
	uint64_t seed = 4711;

	for (int i = 0; i < 20000; i++) {
		const struct tape_session one = {
			.ready_ns = times[unit_random(&seed) % 9]
		};
		struct plan_cursor cursor = { 0 };
		int64_t last_ns = 0;

		opt.speed = speeds[unit_random(&seed) % 4];
		opt.max_idle_ns = (int64_t)(unit_random(&seed) % 3) * S;
		for (int k = 0; k < 6; k++) {
			int64_t due_ns =
			    due(&one, times[unit_random(&seed) % 9], &cursor);

			ck_assert_int_ge(due_ns, last_ns);
			ck_assert_int_le(due_ns, FAR);
			last_ns = due_ns;
		}
	}
}
END_TEST

START_TEST(hostile_sessions)
{
	static const int64_t times[] = { INT64_MIN, INT64_MAX, 0, -S, S, FAR };
	static const enum replay_timing timings[] = { REPLAY_SPEED, REPLAY_RATE,
		REPLAY_ASAP };

	for (unsigned i = 0; i < 216; i++) {
		session(i % 3, times[i % 6], i % 2);
		made.sessions[i].ready_ns = times[i / 6 % 6];
		made.sessions[i].end_ns = times[i / 36 % 6];
	}
	made.head.start_ns = INT64_MAX;
	made.head.end_ns = INT64_MIN;
	opt.rate = 1e-6;
	opt.n_clients = 1200;
	for (size_t i = 0; i < 12; i++) {
		opt.timing = timings[i % 3];
		opt.max_idle_ns = i / 3 % 2 * S;
		opt.stagger_ns = i < 6 ? -1 : INT64_C(400) * 86400 * S;
		opt.connect_speed = i / 3 % 2 == 0 ? 0 : 1e-6;
		make();
		in_order();
		ck_assert_int_ge(plan.vclients[0].start_ns, 0);
		ck_assert_int_le(plan.vclients[plan.n - 1].start_ns, FAR);
		ck_assert_int_ge(plan.length_ns, MS);
		ck_assert_int_le(plan.length_ns, FAR);
	}
}
END_TEST

/* ---- --rate ---- */

static int
compare_times(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* When all frames of the plan are due, in order. To be freed. */
static int64_t *
all_due(void)
{
	int64_t *times = calloc(plan.n_frames, sizeof(*times));
	size_t n = 0;

	ck_assert_ptr_nonnull(times);
	for (uint32_t i = 0; i < plan.n; i++) {
		const struct plan_vclient *vclient = &plan.vclients[i];
		const struct tape_session *of =
		    tape_session(tape, vclient->session);
		const struct tape_record *r =
		    tape_first(tape, vclient->session, CAP_UP);
		const struct tape_record end = { .at_ns = of->end_ns };
		struct plan_cursor cursor = { 0 };
		int64_t last_ns = 0, due_ns;

		for (; r != NULL; r = tape_next(tape, r)) {
			due_ns = plan_due_ns(vclient, of, &opt, r, &cursor);
			ck_assert_int_ge(due_ns, last_ns);
			last_ns = due_ns;
			if (plan_is_sent(r))
				times[n++] = vclient->start_ns + due_ns;
		}
		due_ns = plan_due_ns(vclient, of, &opt, &end, &cursor);
		ck_assert_int_ge(due_ns, last_ns);
		ck_assert_int_le(llabs(due_ns - vclient->length_ns), 1000);
	}
	ck_assert_uint_eq(n, plan.n_frames);
	qsort(times, n, sizeof(*times), compare_times);
	return times;
}

/* Any window holds as many frames as it should, but for `within`. */
static void
check_even(double rate, double within)
{
	int64_t *times = all_due();
	double low = 0, high = 0;

	/* how far the count is before and behind the rate, at any time */
	for (uint64_t i = 0; i < plan.n_frames; i++) {
		double ahead = (double)i - (double)times[i] / 1e9 * rate;

		low = ahead < low ? ahead : low;
		high = ahead > high ? ahead : high;
	}
	ck_assert_double_le(high - low, within);
	ck_assert_double_le((double)times[plan.n_frames - 1] / 1e9,
	    (double)plan.n_frames / rate);
	free(times);
}

START_TEST(even)
{
	static const struct {
		unsigned n, same;
		uint64_t clients;
		double rate, within;
	} rows[] = {
		{ 1, 20, 0, 10, 1.01 },
		{ 2, 20, 0, 100, 3 },
		{ 1000, 10, 0, 50000, 6 },
		{ 50, 20, 1000, 50000, 6 },
		{ 900, 0, 0, 1000, 16 },
		{ 900, 0, 2345, 3, 16 },
	};

	for (unsigned i = 0; i < rows[_i].n; i++)
		session(i * 31337 + 5, i * MS,
		    rows[_i].same != 0 ? rows[_i].same : i % 9 + 1);
	opt.timing = REPLAY_RATE;
	opt.rate = rows[_i].rate;
	opt.n_clients = rows[_i].clients;
	opt.ramp_ns = 0;
	make();
	check_even(opt.rate, rows[_i].within);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("replay_plan_due");
	TCase *tc = unit_case(suite, "plan");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, due_at_speed);
	tcase_add_test(tc, idle_length);
	tcase_add_test(tc, due_asap);
	tcase_add_test(tc, due_hostile);
	tcase_add_test(tc, hostile_sessions);
	tcase_add_loop_test(tc, even, 0, 6);
	return suite;
}

UNIT_MAIN(make_suite)
