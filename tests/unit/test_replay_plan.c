/* SPDX-License-Identifier: MIT */
/* cmd/replay/play/plan */
#include "tests/unit/failmalloc.h"
#include "tests/unit/replay_plan_made.h"

#include <math.h>

/* ---- who ---- */

START_TEST(roles)
{
	static const struct {
		bool clients, nodes;
		uint32_t n;
	} rows[] = { { true, false, 2 }, { false, true, 1 },
		{ true, true, 3 } };

	session(1, 0, 1);
	session(2, 0, 1);
	session(3, 0, 1);
	made.sessions[1].role = 2;
	made.sessions[2].role = 0;
	for (size_t i = 0; i < 3; i++) {
		opt.clients = rows[i].clients;
		opt.nodes = rows[i].nodes;
		make();
		ck_assert_uint_eq(plan.n, rows[i].n);
		ck_assert_uint_eq(plan.n_whole, rows[i].n);
		ck_assert_uint_eq(plan.left_out_roles, 3 - rows[i].n);
	}
}
END_TEST

START_TEST(nobody)
{
	tape = made_open(&made);
	ck_assert(!plan_make(&plan, tape, &opt, err));
	ck_assert_str_eq(
	    err, "no session to play: there is none in the capture");
	tape_close(tape);
	made_init(&made);
	opt.clients = false;
	opt.nodes = true;
	session(1, 0, 1);
	tape = made_open(&made);
	ck_assert(!plan_make(&plan, tape, &opt, err));
	ck_assert_str_eq(err,
	    "no session to play: none of the 1 in the capture has a role"
	    " to play (--roles nodes; expected --roles clients)");
	ck_assert_ptr_null(plan.vclients);
}
END_TEST

/* How often each session is played, and that its clones count from 0. */
static void
count(uint32_t n_sessions, uint32_t times[MADE_SESSIONS])
{
	uint64_t clones[MADE_SESSIONS] = { 0 };

	memset(times, 0, MADE_SESSIONS * sizeof(times[0]));
	for (uint32_t i = 0; i < plan.n; i++) {
		ck_assert_uint_lt(plan.vclients[i].session, n_sessions);
		ck_assert_uint_lt(plan.vclients[i].clone, 64);
		times[plan.vclients[i].session]++;
		clones[plan.vclients[i].session] |= UINT64_C(1)
		    << plan.vclients[i].clone;
	}
	for (uint32_t i = 0; i < n_sessions; i++)
		ck_assert_uint_eq(clones[i], (UINT64_C(1) << times[i]) - 1);
}

START_TEST(sample_and_clones)
{
	static uint32_t times[MADE_SESSIONS], before[MADE_SESSIONS];
	static const uint64_t wanted[] = { 1, 3, 20, 90, 99, 100, 101, 150, 200,
		999, 3210 };

	sessions(100);
	for (size_t w = 0; w < sizeof(wanted) / sizeof(wanted[0]); w++) {
		opt.n_clients = wanted[w];
		make();
		ck_assert_uint_eq(plan.n, wanted[w]);
		count(100, times);
		for (uint32_t i = 0; i < 100; i++) {
			ck_assert_uint_ge(times[i], wanted[w] / 100);
			ck_assert_uint_le(times[i], (wanted[w] + 99) / 100);
			/* the smaller is a part of the larger one */
			ck_assert_uint_ge(times[i], before[i]);
			before[i] = times[i];
		}
	}
}
END_TEST

/* ---- shards ---- */

static bool
same_vclient(const struct plan_vclient *a, const struct plan_vclient *b)
{
	return a->session == b->session && a->clone == b->clone &&
	    a->start_ns == b->start_ns && a->n_frames == b->n_frames &&
	    a->phase_ns == b->phase_ns && a->length_ns == b->length_ns &&
	    fabs(a->gap_ns - b->gap_ns) < 1e-9;
}

/*
 * Every virtual client of the whole is in one shard, as it is there, in its
 * order.
 */
static void
check_shards(const struct plan *whole, uint32_t of)
{
	uint32_t at[8] = { 0 };
	struct plan parts[8];
	uint64_t n_frames = 0;

	opt.of_shards = of;
	for (opt.shard = 0; opt.shard < of; opt.shard++) {
		ck_assert(plan_make(&parts[opt.shard], tape, &opt, err));
		ck_assert_uint_eq(parts[opt.shard].n_whole, whole->n);
		ck_assert_int_eq(parts[opt.shard].length_ns, whole->length_ns);
		n_frames += parts[opt.shard].n_frames;
	}
	ck_assert_uint_eq(n_frames, whole->n_frames);
	for (uint32_t i = 0; i < whole->n; i++) {
		uint32_t s = 0;

		while (s < of &&
		    (at[s] == parts[s].n ||
			!same_vclient(
			    &parts[s].vclients[at[s]], &whole->vclients[i])))
			s++;
		ck_assert_msg(s < of, "virtual client %u of %u", i, of);
		at[s]++;
	}
	for (uint32_t s = 0; s < of; s++) {
		double share = (double)whole->n / of;

		ck_assert_uint_eq(at[s], parts[s].n);
		/* five standard deviations */
		ck_assert_double_le(
		    fabs(parts[s].n - share), 5 * sqrt(share) + 1);
		plan_free(&parts[s]);
	}
}

START_TEST(shards)
{
	static const enum replay_timing timings[] = { REPLAY_SPEED, REPLAY_RATE,
		REPLAY_ASAP };
	static const uint64_t clients[] = { 0, 3, 700, 2500 };
	struct plan whole;

	sessions(500);
	tape = made_open(&made);
	opt.rate = 1000;
	for (size_t i = 0; i < 12; i++) {
		opt.timing = timings[i % 3];
		opt.n_clients = clients[i / 3];
		opt.of_shards = 1;
		opt.shard = 0;
		ck_assert(plan_make(&whole, tape, &opt, err));
		for (uint32_t of = 1; of <= 7; of += 3)
			check_shards(&whole, of);
		plan_free(&whole);
	}
}
END_TEST

/* ---- starts ---- */

START_TEST(starts)
{
	static const struct {
		enum replay_timing timing;
		double speed, connect_speed;
		int64_t start_ns, length_ns;
	} rows[] = {
		{ REPLAY_SPEED, 1, 0, 2 * S, 2 * S + 2 * S },
		{ REPLAY_SPEED, 4, 0, S / 2, S / 2 + S / 2 },
		{ REPLAY_SPEED, 1, 10, S / 5, S / 5 + 2 * S },
		{ REPLAY_RATE, 1, 0, 0, 2 * S },
		{ REPLAY_RATE, 1, 2, S, S + 2 * S },
		{ REPLAY_ASAP, 1, 0, 0, MS },
		{ REPLAY_ASAP, 1, 1, 2 * S, 2 * S },
	};

	session(7, 2 * S, 1); /* not first in time */
	session(9, 4 * S, 1);
	opt.rate = 1;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		opt.timing = rows[i].timing;
		opt.speed = rows[i].speed;
		opt.connect_speed = rows[i].connect_speed;
		make();
		ck_assert_uint_eq(plan.vclients[0].session, 0);
		ck_assert_int_eq(plan.vclients[0].start_ns, 0);
		ck_assert_int_eq(plan.vclients[1].start_ns, rows[i].start_ns);
		ck_assert_int_eq(plan.length_ns, rows[i].length_ns);
	}
}
END_TEST

START_TEST(staggered)
{
	static const struct {
		int64_t stagger_ns, each_ns;
		double speed;
	} rows[] = {
		{ 3 * S, 3 * S, 1 },
		{ 0, 0, 1 },
		{ 3 * S, 3 * S, 7 },
		{ -1, 10 * S / 5, 1 }, /* 21 s are more than ten */
		{ -1, 21 * S / 10 / 5, 10 },
	};

	session(1, 0, 20);
	made.head.end_ns = 21 * S;
	opt.n_clients = 5;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		opt.stagger_ns = rows[r].stagger_ns;
		opt.speed = rows[r].speed;
		make();
		for (uint32_t i = 0; i < 5; i++) {
			ck_assert_uint_eq(plan.vclients[i].clone, i);
			ck_assert_int_eq(
			    plan.vclients[i].start_ns, i * rows[r].each_ns);
		}
	}
	/* all at once is all at once */
	opt.timing = REPLAY_ASAP;
	make();
	ck_assert_int_eq(plan.vclients[4].start_ns, 0);
}
END_TEST

START_TEST(ramps)
{
	sessions(1000);
	opt.timing = REPLAY_ASAP;
	make();
	ck_assert_int_eq(plan.ramp_ns, 0);
	opt.n_clients = 1001;
	make();
	ck_assert_int_eq(plan.ramp_ns, 1001 * MS);
	for (uint32_t i = 0; i < plan.n; i++)
		ck_assert_int_eq(plan.vclients[i].start_ns, i * MS);
	opt.ramp_ns = 0;
	make();
	ck_assert_int_eq(plan.vclients[1000].start_ns, 0);
	/* never earlier, but later where it was later: 10 ms each are */
	opt.timing = REPLAY_SPEED;
	opt.n_clients = 1000;
	opt.ramp_ns = 5 * S;
	make();
	ck_assert_int_eq(plan.vclients[999].start_ns, 9990 * MS);
	opt.ramp_ns = 20 * S;
	make();
	ck_assert_int_eq(plan.vclients[999].start_ns, 19980 * MS);
	in_order();
}
END_TEST

/* ---- frames ---- */

START_TEST(frames)
{
	session(1, 0, 3);
	session(2, 0, 5);
	make();
	ck_assert_uint_eq(plan.n_frames, 8);
	opt.n_clients = 4;
	make();
	ck_assert_uint_eq(plan.n_frames, 16);
}
END_TEST

/* A large tape is not read: its index counts the keepalive. */
START_TEST(large)
{
	uint8_t *zeros = calloc(1, MADE_LARGE_BYTES);

	ck_assert_ptr_nonnull(zeros);
	session(1, 0, 3);
	made_record(&made, 0, CAP_UP, (struct tape_record){ .flags = 0 },
	    (struct bnet_slice){ NULL, 0 },
	    (struct bnet_slice){ zeros, MADE_LARGE_BYTES });
	free(zeros);
	make();
	ck_assert_uint_eq(plan.n_frames, 5);
	opt.mode = REPLAY_DRY_RUN;
	make();
	ck_assert_uint_eq(plan.n_frames, 4);
}
END_TEST

static enum bnet_err
plan_once(void *arg)
{
	(void)arg;
	if (!plan_make(&plan, tape, &opt, err))
		return strcmp(err, "out of memory") == 0 &&
			plan.vclients == NULL
		    ? BNET_ENOMEM
		    : BNET_EMESSAGE;
	plan_free(&plan);
	return BNET_OK;
}

START_TEST(out_of_memory)
{
	sessions(10);
	tape = made_open(&made);
	opt.timing = REPLAY_RATE;
	opt.rate = 1;
	ck_assert_uint_ge(failmalloc_each(plan_once, NULL), 2);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("replay_plan");
	TCase *tc = unit_case(suite, "plan");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, roles);
	tcase_add_test(tc, nobody);
	tcase_add_test(tc, sample_and_clones);
	tcase_add_test(tc, shards);
	tcase_add_test(tc, starts);
	tcase_add_test(tc, staggered);
	tcase_add_test(tc, ramps);
	tcase_add_test(tc, out_of_memory);
	tcase_add_test(tc, frames);
	tcase_add_test(tc, large);
	return suite;
}

UNIT_MAIN(make_suite)
