/* SPDX-License-Identifier: MIT */
/* When each begins, and its share of a rate. */
#include "cmd/replay/plan_impl.h"

#include <stdlib.h>

#define SPREAD_MAX_NS (10 * PLAN_NS_PER_S) /* of the clones of a session */
#define RAMP_FROM 1000 /* connections; of more than that it is the default */
#define RAMP_NS_EACH INT64_C(1000000)
#define ROUND_MIN_NS INT64_C(1000000) /* so that --loop 0 ends in time */

/* ---- --rate ---- */

/* i times the golden ratio, less whole ones: so evenly in [0, 1) as can be. */
static double
spread(uint64_t i)
{
	return (double)(i * UINT64_C(0x9e3779b97f4a7c15) >> 11) * 0x1p-53;
}

static int
by_frames(const void *a, const void *b)
{
	const struct plan_candidate *x = a, *y = b;

	if (x->n_frames != y->n_frames)
		return x->n_frames < y->n_frames ? 1 : -1;
	return (x->rank > y->rank) - (x->rank < y->rank);
}

static uint64_t
all_frames(const struct plan *plan)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < plan->n; i++)
		n += plan->players[i].n_frames;
	return n;
}

/*
 * Those with as many frames are next to each other, so that their phases are
 * spread evenly over the gap that they share.
 */
void
plan_share_rate(struct plan_draft *draft)
{
	struct plan *plan = draft->plan;
	double length_ns =
	    (double)all_frames(plan) / draft->opt->rate * (double)PLAN_NS_PER_S;
	uint64_t n_placed = 0;

	qsort(
	    draft->candidates, draft->n, sizeof(*draft->candidates), by_frames);
	for (uint32_t c = 0; c < draft->n; c++) {
		const struct plan_candidate *one = &draft->candidates[c];

		for (uint64_t i = one->rank; i < plan->n; i += draft->n) {
			struct plan_player *player = &plan->players[i];

			if (one->n_frames != 0)
				player->gap_ns = length_ns / one->n_frames;
			player->phase_ns =
			    plan_ns(player->gap_ns * spread(n_placed++));
			player->length_ns = plan_ns(length_ns);
		}
	}
}

/* ---- starts ---- */

/* Of the capture's connects; 0: all at once. */
static double
connect_speed(const struct replay_options *opt)
{
	if (opt->connect_speed > 0)
		return opt->connect_speed;
	return opt->timing == REPLAY_SPEED ? opt->speed : 0;
}

static int64_t
stagger_ns(const struct plan_draft *draft, double speed)
{
	const struct tape_head *head = tape_head(draft->tape);
	uint32_t n_clones = (draft->plan->n - 1) / draft->n + 1;
	int64_t spread_ns;

	if (draft->opt->stagger_ns >= 0)
		return draft->opt->stagger_ns;
	if (speed == 0)
		return 0;
	spread_ns =
	    plan_ns(((double)head->end_ns - (double)head->start_ns) / speed);
	if (spread_ns > SPREAD_MAX_NS)
		spread_ns = SPREAD_MAX_NS;
	return spread_ns / n_clones;
}

static int64_t
captured_start_ns(const struct plan_draft *draft, uint32_t i)
{
	return plan_clamp_ns(
	    tape_session(draft->tape, draft->plan->players[i].session)
		->start_ns);
}

static void
as_captured(struct plan_draft *draft)
{
	struct plan *plan = draft->plan;
	double speed = connect_speed(draft->opt);
	int64_t each_ns = stagger_ns(draft, speed), first_ns = PLAN_FAR_NS;

	for (uint32_t i = 0; i < plan->n; i++)
		if (captured_start_ns(draft, i) < first_ns)
			first_ns = captured_start_ns(draft, i);
	for (uint32_t i = 0; i < plan->n; i++) {
		struct plan_player *player = &plan->players[i];
		double stagger = (double)each_ns * player->clone;

		if (speed != 0)
			player->start_ns = plan_scale_ns(
			    captured_start_ns(draft, i) - first_ns, speed);
		player->start_ns =
		    plan_clamp_ns(player->start_ns + plan_ns(stagger));
	}
}

static int
by_start(const void *a, const void *b)
{
	const struct plan_player *x = a, *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns > y->start_ns ? 1 : -1;
	if (x->session != y->session)
		return x->session > y->session ? 1 : -1;
	return (x->clone > y->clone) - (x->clone < y->clone);
}

static void
ramp(struct plan *plan, const struct replay_options *opt)
{
	plan->ramp_ns = opt->ramp_ns;
	if (opt->ramp_ns < 0)
		plan->ramp_ns =
		    plan->n > RAMP_FROM ? plan->n * RAMP_NS_EACH : 0;
	for (uint32_t k = 0; k < plan->n; k++) {
		int64_t least_ns = plan_ns((double)plan->ramp_ns * k / plan->n);

		if (plan->players[k].start_ns < least_ns)
			plan->players[k].start_ns = least_ns;
	}
}

void
plan_set_starts(struct plan_draft *draft)
{
	struct plan *plan = draft->plan;

	as_captured(draft);
	qsort(plan->players, plan->n, sizeof(*plan->players), by_start);
	ramp(plan, draft->opt);
	plan->length_ns = ROUND_MIN_NS;
	for (uint32_t i = 0; i < plan->n; i++) {
		const struct plan_player *player = &plan->players[i];
		int64_t end_ns =
		    plan_clamp_ns(player->start_ns + player->length_ns);

		if (end_ns > plan->length_ns)
			plan->length_ns = end_ns;
	}
}
