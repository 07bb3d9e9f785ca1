/* SPDX-License-Identifier: MIT */
/* cmd/relay/latency: half the round trip, smoothed; times in microseconds */
#include "cmd/relay/ping.h"
#include "tests/unit/unit.h"

#define INTERVAL 30000000
#define BIT_62 (UINT64_C(1) << 62)
#define BIT_63 (UINT64_C(1) << 63)

/* A ping at `at_us` that takes `round_us`; the latency after it. */
static uint32_t
measure(struct latency *latency, uint64_t at_us, uint64_t round_us)
{
	uint64_t timestamp = latency_ask(latency, at_us, INTERVAL);

	ck_assert(latency_answer(latency, timestamp, at_us + round_us));
	return latency->smooth_us;
}

/* ---- smoothing ---- */

static const struct {
	const char *what;
	uint64_t round_us[4]; /* 0: no more */
	uint32_t want_us[4];
} smooth_rows[] = {
	{ "the first counts whole", { 2000 }, { 1000 } },
	{ "the same stays", { 2000, 2000, 2000 }, { 1000, 1000, 1000 } },
	{ "a third up", { 2000, 8000, 8000 }, { 1000, 2000, 2666 } },
	{ "a third down", { 8000, 2000, 2000 }, { 4000, 3000, 2334 } },
	{ "less than three is none", { 2000, 2004 }, { 1000, 1000 } },
	{ "half of one", { 1, 6 }, { 0, 1 } },
	{ "over an hour", { UINT64_C(20000000000) }, { UINT32_MAX } },
	{ "and back", { UINT64_C(20000000000), 2 },
	    { UINT32_MAX, UINT32_MAX - (UINT32_MAX - 1) / 3 } },
};

START_TEST(smooth)
{
	struct latency latency = { 0 };
	uint64_t now_us = 1000000;
	uint32_t got_us;

	ck_assert(!latency.known);
	for (int i = 0; i < 4 && smooth_rows[_i].round_us[i] != 0; i++) {
		got_us = measure(&latency, now_us, smooth_rows[_i].round_us[i]);
		ck_assert_msg(got_us == smooth_rows[_i].want_us[i],
		    "%s, %d: %u, not %u", smooth_rows[_i].what, i, got_us,
		    smooth_rows[_i].want_us[i]);
		ck_assert(latency.known);
		now_us += INTERVAL;
	}
}
END_TEST

/* ---- when the next one is due ---- */

static const struct {
	uint64_t before_us, round_us; /* two measurements */
	bool at_once; /* the next is due then */
} jump_rows[] = {
	{ 2000, 2000, false },
	{ 2000, 152000, false }, /* 75 ms are no jump */
	{ 2000, 152002, true },
	{ 152000, 2000, false },
	{ 152002, 2000, true },
	{ 0, 1000000, true },
};

START_TEST(jump)
{
	struct latency latency = { 0 };
	uint64_t end_us = 1000000 + jump_rows[_i].round_us;

	(void)measure(&latency, 1000, jump_rows[_i].before_us);
	(void)measure(&latency, 1000000, jump_rows[_i].round_us);
	ck_assert_int_eq(latency_due(&latency, end_us), jump_rows[_i].at_once);
	ck_assert(latency_due(&latency, 1000000 + INTERVAL));
}
END_TEST

/* The first says nothing about a jump, however long it took. */
START_TEST(due)
{
	struct latency latency = { 0 };

	ck_assert(latency_due(&latency, 0));
	(void)latency_ask(&latency, 5000, INTERVAL);
	ck_assert(!latency_due(&latency, 5000));
	ck_assert(!latency_due(&latency, 5000 + INTERVAL - 1));
	ck_assert(latency_due(&latency, 5000 + INTERVAL));
	(void)measure(&latency, 10000, 1000000);
	ck_assert(!latency_due(&latency, 10000 + INTERVAL - 1));
}
END_TEST

/* ---- what is sent, and what is ours of what comes back ---- */

static const struct {
	uint64_t now_us, want;
} ask_rows[] = {
	{ 0, 1 }, /* 0 would be no ping */
	{ 1, 1 },
	{ 123456789, 123456789 },
	{ BIT_62 - 1, BIT_62 - 1 },
	{ BIT_62, 1 },
	{ BIT_63 | 5, 5 }, /* bit 63 would ask for a ping back */
	{ UINT64_MAX, BIT_62 - 1 },
};

START_TEST(ask)
{
	struct latency latency = { 0 };

	ck_assert_uint_eq(latency_ask(&latency, ask_rows[_i].now_us, INTERVAL),
	    ask_rows[_i].want);
}
END_TEST

START_TEST(not_ours)
{
	struct latency latency = { 0 };
	uint64_t timestamp;

	ck_assert(!latency_answer(&latency, 0, 10)); /* none was asked */
	ck_assert(!latency_answer(&latency, 7, 10));
	timestamp = latency_ask(&latency, 1000, INTERVAL);
	ck_assert(!latency_answer(&latency, timestamp - 1, 2000));
	ck_assert(!latency_answer(&latency, timestamp + 1, 2000));
	ck_assert(!latency_answer(&latency, 0, 2000));
	/* from the future: another worker's clock was ahead */
	ck_assert(!latency_answer(&latency, timestamp, 999));
	ck_assert(!latency.known);
	ck_assert(latency_answer(&latency, timestamp, 2000));
	ck_assert(!latency_answer(&latency, timestamp, 3000)); /* once */
	ck_assert_uint_eq(latency.smooth_us, 500);
}
END_TEST

/* The pong to the ping before the last one is late, and tells nothing. */
START_TEST(asked_again)
{
	struct latency latency = { 0 };
	uint64_t first = latency_ask(&latency, 1000, INTERVAL);
	uint64_t second = latency_ask(&latency, 2000, INTERVAL);

	ck_assert(!latency_answer(&latency, first, 3000));
	ck_assert(latency_answer(&latency, second, 3000));
	ck_assert_uint_eq(latency.smooth_us, 500);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("latency");
	TCase *tc = unit_case(suite, "latency");

	tcase_add_loop_test(tc, smooth, 0, UNIT_ROWS(smooth_rows));
	tcase_add_loop_test(tc, jump, 0, UNIT_ROWS(jump_rows));
	tcase_add_test(tc, due);
	tcase_add_loop_test(tc, ask, 0, UNIT_ROWS(ask_rows));
	tcase_add_test(tc, not_ours);
	tcase_add_test(tc, asked_again);
	return suite;
}

UNIT_MAIN(make_suite)
