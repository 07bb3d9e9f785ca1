/* SPDX-License-Identifier: MIT */
/*
 * clock - the clock of the capture, and what it would show without steps.
 *
 * A packet a second or more after the one before, or half a second before it,
 * is suspect until the next packet: if that one goes back, one packet had a
 * wrong time; if not, the clock stepped back, or there was silence. A step
 * forward looks like silence, unless a packet shows that hardly any time went
 * by (clock_evidence()): after a long pause that is awaited for a moment. Or
 * the clock steps back later to where it was: that is found, too. Owns the list
 * of the steps; called by capture.c and order.c.
 */
#ifndef CAPTURE_CLOCK_H
#define CAPTURE_CLOCK_H

#include "cmd/capture/marks.h"

struct clock_step;

struct cap_clock {
	bool started;
	bool suspect; /* the last packet is, or the last few */
	bool no_pause, pause; /* what evidence there is about the suspect one */
	uint32_t n_after; /* packets after the suspect one */
	struct cap_mark last; /* the last packet that was not */
	struct cap_mark doubt; /* the suspect one */
	struct cap_mark left; /* before the last silence; packet 0: none */
	struct cap_mark back; /* the first packet after it */
	int64_t offset_ns; /* what the steps so far amount to */
	int64_t now_ns; /* of the last packet, without the steps; monotone */
	struct clock_step *step; /* by packet */
	size_t n, cap;
};

/* What was found out: `mark` has the packet whose time steps. */
struct clock_news {
	struct cap_mark mark;
	int64_t step_ns; /* positive: forward */
	uint32_t n_off; /* the packet after so many is back; 0: none is */
};

/* The next packet. Returns true if a step was found. */
bool clock_packet(
    struct cap_clock *clock, struct cap_mark mark, struct clock_news *news);

/* The usual case of it: soon after the one before. False: it is not so. */
#define CLOCK_FORWARD_NS INT64_C(1000000000)
static inline bool
clock_usual(struct cap_clock *clock, struct cap_mark mark)
{
	uint64_t since_ns =
	    (uint64_t)mark.time_ns - (uint64_t)clock->last.time_ns;

	if (since_ns > CLOCK_FORWARD_NS || clock->suspect || !clock->started)
		return false;
	clock->last = mark;
	if (mark.time_ns - clock->offset_ns > clock->now_ns)
		clock->now_ns = mark.time_ns - clock->offset_ns;
	return true;
}

/* How long a suspect packet is after the one before it; 0: it is before it. */
int64_t clock_pause_ns(const struct cap_clock *clock);

/* A packet shows that so much time did, or did not, go by. */
void clock_evidence(struct cap_clock *clock, bool pause);

/* No packet comes for now: settles what is suspect. */
bool clock_settle(struct cap_clock *clock, struct clock_news *news);

/* What the clock would have shown at that packet, without the steps. */
int64_t clock_at(const struct cap_clock *clock, struct cap_mark mark);

void clock_free(struct cap_clock *clock);

#endif
