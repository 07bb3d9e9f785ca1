/* SPDX-License-Identifier: MIT */
#include "cmd/capture/clock.h"

#include <stdlib.h>

/* Captures swap packets, and merged ones differ by less than this. */
#define BACK_NS INT64_C(500000000)
/* After such a pause, evidence is awaited, for so long. */
#define PAUSE_NS INT64_C(3000000000)
#define EVIDENCE_NS INT64_C(150000000)
#define EVIDENCE_PACKETS 32
#define STEPS_MAX 65536 /* later ones are not taken out */

struct clock_step {
	uint64_t packet; /* from this one on, */
	int64_t offset_ns; /* the clock is off by so much */
};

static void
add(struct cap_clock *clock, uint64_t packet, int64_t offset_ns)
{
	size_t cap = clock->cap == 0 ? 8 : 2 * clock->cap, i = clock->n;
	struct clock_step *step;

	if (clock->n == clock->cap) {
		if (clock->n >= STEPS_MAX)
			return;
		step = realloc(clock->step, cap * sizeof(*step));
		if (step == NULL)
			return;
		clock->step = step;
		clock->cap = cap;
	}
	for (; i > 0 && clock->step[i - 1].packet > packet; i--)
		clock->step[i] = clock->step[i - 1];
	clock->step[i] =
	    (struct clock_step){ .packet = packet, .offset_ns = offset_ns };
	clock->n++;
}

static int64_t
away(int64_t a_ns, int64_t b_ns)
{
	return a_ns > b_ns ? a_ns - b_ns : b_ns - a_ns;
}

int64_t
clock_pause_ns(const struct cap_clock *clock)
{
	int64_t ns = clock->doubt.time_ns - clock->last.time_ns;

	return clock->suspect && ns > 0 ? ns : 0;
}

void
clock_evidence(struct cap_clock *clock, bool pause)
{
	if (clock->no_pause || clock->pause)
		return;
	clock->no_pause = !pause;
	clock->pause = pause;
}

/* May evidence still come about a pause? */
static bool
may_wait(struct cap_clock *clock, struct cap_mark mark)
{
	return clock_pause_ns(clock) >= PAUSE_NS && !clock->no_pause &&
	    !clock->pause &&
	    mark.time_ns - clock->doubt.time_ns <= EVIDENCE_NS &&
	    clock->n_after++ < EVIDENCE_PACKETS;
}

/* The clock stepped from `last` to `doubt`, and stays there. */
static void
step(struct cap_clock *clock, struct clock_news *news)
{
	int64_t by_ns = clock->doubt.time_ns - clock->last.time_ns;
	int64_t lag_ns = clock->doubt.time_ns - clock->left.time_ns;

	*news = (struct clock_news){ clock->doubt, by_ns, 0 };
	/*
	 * Is it back where it was before what was taken for silence? Then that
	 * was a step, too; since then this much time went by at most.
	 */
	if (clock->left.packet > 0 && lag_ns >= -BACK_NS &&
	    lag_ns < -by_ns / 2) {
		int64_t silence_ns = clock->back.time_ns - clock->left.time_ns;

		add(clock, clock->back.packet, clock->offset_ns + silence_ns);
		clock->now_ns -= silence_ns;
		if (lag_ns < clock->last.time_ns - clock->back.time_ns)
			clock->offset_ns += lag_ns -
			    (clock->last.time_ns - clock->back.time_ns);
	} else {
		clock->offset_ns += by_ns;
	}
	add(clock, clock->doubt.packet, clock->offset_ns);
	clock->left.packet = 0;
}

/* The suspect packet was right, as those after it are as late. */
static bool
settle(struct cap_clock *clock, struct clock_news *news)
{
	bool stepped =
	    clock->doubt.time_ns < clock->last.time_ns || clock->no_pause;

	if (stepped) {
		step(clock, news);
	} else {
		clock->left = clock->last;
		clock->back = clock->doubt;
	}
	clock->last = clock->doubt;
	clock->suspect = false;
	return stepped;
}

static void
advance(struct cap_clock *clock)
{
	int64_t at_ns = clock->last.time_ns - clock->offset_ns;

	if (at_ns > clock->now_ns)
		clock->now_ns = at_ns;
}

bool
clock_settle(struct cap_clock *clock, struct clock_news *news)
{
	bool stepped;

	if (!clock->suspect)
		return false;
	stepped = settle(clock, news);
	advance(clock);
	return stepped;
}

/* A packet after a suspect one: what was that? */
static bool
judge(struct cap_clock *clock, struct cap_mark mark, struct clock_news *news)
{
	int64_t off_ns = clock->doubt.time_ns - clock->last.time_ns;

	if (away(mark.time_ns, clock->last.time_ns) >
	    away(mark.time_ns, clock->doubt.time_ns))
		return !may_wait(clock, mark) && settle(clock, news);
	*news = (struct clock_news){ clock->doubt, off_ns, 1 + clock->n_after };
	add(clock, clock->doubt.packet, clock->offset_ns + off_ns);
	add(clock, mark.packet, clock->offset_ns);
	clock->suspect = false;
	return true;
}

bool
clock_packet(
    struct cap_clock *clock, struct cap_mark mark, struct clock_news *news)
{
	bool stepped = false;
	int64_t since_ns;

	if (!clock->started) {
		clock->started = true;
		clock->last = mark;
		clock->now_ns = mark.time_ns;
		return false;
	}
	if (clock->suspect)
		stepped = judge(clock, mark, news);
	if (clock->suspect)
		return false;
	since_ns = mark.time_ns - clock->last.time_ns;
	if (since_ns < -BACK_NS || since_ns > CLOCK_FORWARD_NS) {
		clock->suspect = true;
		clock->doubt = mark;
		clock->pause = clock->no_pause = false;
		clock->n_after = 0;
	} else if (since_ns >= 0) {
		clock->last = mark;
	}
	advance(clock);
	return stepped;
}

int64_t
clock_at(const struct cap_clock *clock, struct cap_mark mark)
{
	for (size_t i = clock->n; i > 0; i--)
		if (clock->step[i - 1].packet <= mark.packet)
			return mark.time_ns - clock->step[i - 1].offset_ns;
	return mark.time_ns;
}

void
clock_free(struct cap_clock *clock)
{
	free(clock->step);
}
