/* SPDX-License-Identifier: MIT */
/*
 * What the files of plan share; nobody else includes it.
 *
 *	plan.c		who is played
 *	plan_start.c	when each begins, and its share of a rate
 *	plan_due.c	when each record is due
 */
#ifndef REPLAY_PLAN_IMPL_H
#define REPLAY_PLAN_IMPL_H

#include "cmd/replay/play/plan.h"

#define PLAN_SMALL_BYTES ((uint64_t)64 << 20) /* of a tape that is read */
#define PLAN_NS_PER_S INT64_C(1000000000)
#define PLAN_FAR_NS (INT64_MAX / 4) /* no time is later; sums of few fit */

/* A session that may be played. */
struct plan_candidate {
	uint64_t mix; /* of its hash: their order */
	uint32_t session;
	uint32_t rank; /* in that order */
	uint32_t n_frames;
	int64_t length_ns; /* as struct plan_player */
};

/* Of players[i] the candidate is number i % n. */
struct plan_draft {
	struct plan *plan; /* of all shards, at first */
	const struct tape *tape;
	const struct replay_options *opt;
	struct plan_candidate *candidates; /* n, by mix; owned */
	uint32_t n;
};

/* Between 0 and PLAN_FAR_NS, whatever a tape or an option says. */
static inline int64_t
plan_ns(double ns)
{
	if (!(ns > 0))
		return 0;
	return ns < (double)PLAN_FAR_NS ? (int64_t)ns : PLAN_FAR_NS;
}

static inline int64_t
plan_clamp_ns(int64_t ns)
{
	if (ns < 0)
		return 0;
	return ns < PLAN_FAR_NS ? ns : PLAN_FAR_NS;
}

/* So much of the capture's time, so many times as fast. */
static inline int64_t
plan_scale_ns(int64_t ns, double speed)
{
	return speed == 1 ? plan_clamp_ns(ns) : plan_ns((double)ns / speed);
}

/* The share of each in --rate; sorts the candidates by it. */
void plan_share_rate(struct plan_draft *draft);

/* start_ns of all, in the order in which they then are; the round's length. */
void plan_set_starts(struct plan_draft *draft);

#endif
