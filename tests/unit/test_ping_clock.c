/* SPDX-License-Identifier: MIT */
/* cmd/ping/clock_offset and measure_trace */
#include "cmd/ping/clock_offset.h"
#include "tests/unit/unit.h"

#include <math.h>

#define MS INT64_C(1000000)
#define S (1000 * MS)
#define N_EXCHANGES 20000

/* An exchange as it is: the ways, and how far their clock is ahead. */
static struct clock_times
exchange(int64_t sent_ns, int64_t up_ns, int64_t in_ns, int64_t down_ns,
    int64_t ahead_ns)
{
	return (struct clock_times){
		.sent_ns = sent_ns,
		.received_ns = sent_ns + up_ns + ahead_ns,
		.replied_ns = sent_ns + up_ns + in_ns + ahead_ns,
		.came_ns = sent_ns + up_ns + in_ns + down_ns,
	};
}

static int64_t
off(int64_t a_ns, int64_t b_ns)
{
	return a_ns > b_ns ? a_ns - b_ns : b_ns - a_ns;
}

static const struct {
	const char *name;
	int64_t up_ns, in_ns, down_ns, ahead_ns, bound_ns;
} ones[] = {
	{ "as long there as back", MS, 0, MS, 5 * S, MS },
	{ "behind us", MS, 0, MS, -5 * S, MS },
	{ "all of it there", 2 * MS, 0, 0, 7, MS },
	{ "all of it back", 0, 0, 2 * MS, 7, MS },
	{ "its own time does not count", MS, 3 * S, MS, 0, MS },
	{ "no time at all", 0, 0, 0, 42, 0 },
	{ "unix time", MS, 10, MS, INT64_C(1700000000) * S, MS },
};

/* One exchange: the bound is half of the ways, and the truth is within. */
START_TEST(one)
{
	struct clock_offset clock = { 0 };
	struct clock_times t = exchange(S, ones[_i].up_ns, ones[_i].in_ns,
	    ones[_i].down_ns, ones[_i].ahead_ns);
	int64_t up_ns, down_ns, bound_ns;

	ck_assert_int_eq(clock_offset_bound_ns(&clock), 0);
	ck_assert(clock_offset_add(&clock, &t));
	bound_ns = clock_offset_bound_ns(&clock);
	ck_assert_msg(bound_ns == ones[_i].bound_ns, "%s", ones[_i].name);
	ck_assert_int_le(
	    off(clock_offset_ns(&clock), ones[_i].ahead_ns), bound_ns);
	clock_offset_ways(&clock, &t, &up_ns, &down_ns);
	ck_assert_int_le(off(up_ns, ones[_i].up_ns), bound_ns);
	ck_assert_int_le(off(down_ns, ones[_i].down_ns), bound_ns);
	ck_assert_int_eq(up_ns + down_ns, ones[_i].up_ns + ones[_i].down_ns);
}
END_TEST

/* Clocks that drift apart, ways of any length: the truth is always within. */
START_TEST(always_within)
{
	struct clock_offset clock = { 0 };
	uint64_t seed = 7;
	int64_t sent_ns = 0, ahead_ns = 123456789;

	for (int i = 0; i < N_EXCHANGES; i++) {
		int64_t up_ns = (int64_t)(unit_random(&seed) % (3 * MS));
		int64_t down_ns = (int64_t)(unit_random(&seed) % (3 * MS));
		int64_t gap_ns = 10 * MS + (int64_t)(unit_random(&seed) % S);
		struct clock_times t =
		    exchange(sent_ns, up_ns, 1000, down_ns, ahead_ns);

		ck_assert(clock_offset_add(&clock, &t));
		ck_assert_int_le(off(clock_offset_ns(&clock), ahead_ns),
		    clock_offset_bound_ns(&clock));
		ck_assert_int_le(
		    clock_offset_bound_ns(&clock), (up_ns + down_ns + 1) / 2);
		sent_ns += gap_ns;
		ahead_ns += gap_ns / 1000000 * (CLOCK_DRIFT_PPM - 1);
	}
	ck_assert_uint_eq(clock.n_steps, 0);
}
END_TEST

/* Their clock is set: what was known before is forgotten. */
START_TEST(step)
{
	struct clock_offset clock = { 0 };
	struct clock_times before = exchange(0, MS, 0, MS, 0);
	struct clock_times after = exchange(S, MS, 0, MS, -3600 * S);

	ck_assert(clock_offset_add(&clock, &before));
	ck_assert(clock_offset_add(&clock, &after));
	ck_assert_uint_eq(clock.n_steps, 1);
	ck_assert_int_eq(clock_offset_ns(&clock), -3600 * S);
	ck_assert_int_eq(clock_offset_bound_ns(&clock), MS);
}
END_TEST

/* Answers out of order are of a time before: they tell as much. */
START_TEST(out_of_order)
{
	struct clock_offset clock = { 0 };
	struct clock_times late = exchange(0, MS, 0, 100 * MS, 5);
	struct clock_times first = exchange(10 * MS, MS, 0, MS, 5);

	ck_assert(clock_offset_add(&clock, &first));
	ck_assert(clock_offset_add(&clock, &late));
	ck_assert(clock_offset_add(&clock, &first));
	ck_assert_uint_eq(clock.n_steps, 0);
	ck_assert_int_le(
	    off(clock_offset_ns(&clock), 5), clock_offset_bound_ns(&clock));
}
END_TEST

/* A peer may say anything. */
START_TEST(nonsense)
{
	struct clock_offset clock = { 0 };
	struct clock_times t = exchange(0, MS, 0, MS, 0);

	t.replied_ns = t.came_ns + 10 * S;
	t.received_ns = t.sent_ns;
	ck_assert(!clock_offset_add(&clock, &t));
	ck_assert(!clock.known);
}
END_TEST

/* ---- trace ---- */

START_TEST(two_relays)
{
	struct trace *trace = calloc(1, sizeof(*trace));
	struct clock_offset node = { 0 };
	/* us 0, relay 1 at 10 to 12, relay 2 at 30 to 33, node at 40 */
	const struct bnet_echo_hop hops[] = {
		{ 1, 1010 * MS, 1012 * MS },
		{ 2, 2030 * MS, 2033 * MS },
	};
	const struct bnet_echo echo = { .n = 2, .hops = hops };
	struct clock_times t = exchange(0, 40 * MS, 0, 40 * MS, 0);

	ck_assert_ptr_nonnull(trace);
	ck_assert(clock_offset_add(&node, &t));
	trace_add(trace, &echo, &t, &node);
	ck_assert_uint_eq(trace->n, 2);
	ck_assert_uint_eq(trace->relays[0].id, 1);
	ck_assert_double_eq(trace->relays[0].inside_ns.mean, (double)(2 * MS));
	ck_assert_double_eq(trace->relays[1].inside_ns.mean, (double)(3 * MS));
	/* each way is true within its bound */
	ck_assert_double_le(
	    fabs(trace->relays[0].way_ns.mean - (double)(10 * MS)),
	    trace->relays[0].bound_ns.mean);
	ck_assert_double_le(
	    fabs(trace->relays[1].way_ns.mean - (double)(18 * MS)),
	    trace->relays[1].bound_ns.mean);
	ck_assert_double_le(fabs(trace->last_ns.mean - (double)(7 * MS)),
	    trace->last_bound_ns.mean);
	free(trace);
}
END_TEST

START_TEST(hostile_hops)
{
	struct trace *trace = calloc(1, sizeof(*trace));
	struct clock_offset node = { 0 };
	struct bnet_echo_hop hops[100];
	const struct bnet_echo echo = { .n = 100, .hops = hops };
	struct clock_times t = exchange(0, MS, 0, MS, 0);

	ck_assert_ptr_nonnull(trace);
	ck_assert(clock_offset_add(&node, &t));
	for (uint32_t i = 0; i < 100; i++)
		hops[i] = (struct bnet_echo_hop){ i, MS, MS };
	hops[0].in_ns = UINT64_MAX;
	hops[1].out_ns = UINT64_MAX;
	hops[2] = (struct bnet_echo_hop){ 2, 0, INT64_MAX };
	trace_add(trace, &echo, &t, &node);
	ck_assert_uint_eq(trace->n, TRACE_RELAYS_MAX);
	ck_assert_uint_eq(trace->relays[0].inside_ns.count, 0);
	ck_assert_uint_eq(trace->relays[1].inside_ns.count, 0);
	ck_assert_uint_eq(trace->relays[2].inside_ns.count, 0);
	ck_assert_uint_eq(trace->relays[3].inside_ns.count, 1);
	free(trace);
}
END_TEST

static Suite *
clock_suite(void)
{
	Suite *suite = suite_create("ping_clock");
	TCase *tc = unit_case(suite, "offset");

	tcase_add_loop_test(tc, one, 0, UNIT_ROWS(ones));
	tcase_add_test(tc, always_within);
	tcase_add_test(tc, step);
	tcase_add_test(tc, out_of_order);
	tcase_add_test(tc, nonsense);
	tc = unit_case(suite, "trace");
	tcase_add_test(tc, two_relays);
	tcase_add_test(tc, hostile_hops);
	return suite;
}

UNIT_MAIN(clock_suite)
