/* SPDX-License-Identifier: MIT */
/* What the tests of plan share: tapes of little, and the plan of one. */
#ifndef REPLAY_PLAN_MADE_H
#define REPLAY_PLAN_MADE_H

#include "cmd/replay/play/plan.h"
#include "tests/unit/replay_tape_make.h"

#define MS INT64_C(1000000)
#define S (1000 * MS)
#define FAR (INT64_MAX / 4)

static struct made made;
static struct tape *tape;
static struct replay_options opt;
static struct plan plan;
static char err[TAPE_ERR_CHARS];

static inline void
setup(void)
{
	made_init(&made);
	tape = NULL;
	plan = (struct plan){ .n = 0 };
	opt = (struct replay_options){ .clients = true,
		.speed = 1,
		.ramp_ns = -1,
		.stagger_ns = -1,
		.of_shards = 1 };
}

static inline void
teardown(void)
{
	plan_free(&plan);
	tape_close(tape);
	if (tape == NULL)
		bnet_buf_free(&made.bytes);
}

/* A record at that time. */
static inline void
record(uint32_t session, uint32_t flags, int64_t at_ns)
{
	static const uint8_t bytes[1];

	made_record(&made, session, CAP_UP,
	    (struct tape_record){ .at_ns = at_ns, .flags = flags },
	    (struct bnet_slice){ NULL, 0 }, (struct bnet_slice){ bytes, 1 });
}

/* Hello, n frames a second apart, and a keepalive, which is not sent. */
static inline void
session(uint64_t hash, int64_t start_ns, unsigned n)
{
	struct tape_session *one = made_session(&made, hash);
	uint32_t i = made.n - 1;

	one->start_ns = start_ns;
	one->ready_ns = 10 * MS;
	one->end_ns = n * S + S;
	record(i, TAPE_R_HELLO, 5 * MS);
	for (unsigned k = 0; k < n; k++)
		record(i, 0, 10 * MS + k * S);
	record(i, TAPE_R_KEEPALIVE, 20 * S);
}

/* So many sessions 10 ms apart, of 1 to 9 frames. */
static inline void
sessions(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		session(i * 7919 + 1, i * 10 * MS, i % 9 + 1);
}

static inline void
make(void)
{
	if (tape == NULL)
		tape = made_open(&made);
	plan_free(&plan);
	ck_assert_msg(plan_make(&plan, tape, &opt, err), "%s", err);
}

static inline void
in_order(void)
{
	for (uint32_t i = 1; i < plan.n; i++)
		ck_assert_int_ge(
		    plan.vclients[i].start_ns, plan.vclients[i - 1].start_ns);
}

#endif
