/* SPDX-License-Identifier: MIT */
/*
 * clock_offset - how far another clock is from ours, and how sure that is.
 *
 *	theirs		   received  replied
 *			  /		    \
 *	ours	   sent --'		     '-- came
 *
 * Nothing arrives before it was sent, so each exchange says that
 *
 *	replied - came <= offset <= received - sent
 *
 * and all of them together leave the interval that they have in common. It is
 * widened as time passes, by what clocks may drift. The offset is its middle,
 * the bound half its width: the truth is within, not just likely to be. Our
 * clock is CLOCK_MONOTONIC, so that setting the time here changes nothing.
 *
 * measure.c keeps one of each node, and one of each relay that wrote on an echo
 * that passed (struct trace, below).
 */
#ifndef PING_CLOCK_OFFSET_H
#define PING_CLOCK_OFFSET_H

#include "cmd/stats/summary.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is taken for the most that two clocks drift apart; crystals do half. */
#define CLOCK_DRIFT_PPM 100

struct clock_offset {
	bool known;
	int64_t low_ns, high_ns; /* their clock less ours, at at_ns */
	int64_t at_ns; /* ours */
	uint64_t n_steps; /* times that a clock was set */
};

struct clock_times {
	int64_t sent_ns, came_ns; /* our clock */
	int64_t received_ns, replied_ns; /* theirs */
};

/*
 * Take in an exchange. One that contradicts those before it means that a
 * clock was set: they are forgotten. One that contradicts itself (it came
 * before it could have) is ignored, and the answer false.
 */
bool
clock_offset_add(struct clock_offset *clock, const struct clock_times *times);

/* Both 0 where nothing is known. */
int64_t clock_offset_ns(const struct clock_offset *clock);
int64_t clock_offset_bound_ns(const struct clock_offset *clock);

/*
 * The ways of an exchange, there (`up`) and back (`down`); each is within
 * clock_offset_bound_ns() of the truth.
 */
void clock_offset_ways(const struct clock_offset *clock,
    const struct clock_times *times, int64_t *up_ns, int64_t *down_ns);

/*
 * What relays wrote on echoes that passed: how long each had them, and how
 * long the way between two of them took.
 *
 * How long one had it is by one clock, and exact. A way is between two clocks
 * and never without the bound of how far these may be apart.
 */
#define TRACE_RELAYS_MAX 64

struct trace_relay {
	uint64_t id;
	struct clock_offset clock; /* theirs, of our monotonic one */
	struct summary inside_ns;
	struct summary way_ns; /* to it, from us or the relay before it */
	struct summary bound_ns; /* of that */
};

/* Starts out zeroed. */
struct trace {
	struct trace_relay relays[TRACE_RELAYS_MAX]; /* n, as they came */
	size_t n;
	struct summary last_ns, last_bound_ns; /* from the last to the node */
};

/*
 * The hops of one answer; `times` are ours and the node's, `node` the node's
 * clock, known. Relays beyond TRACE_RELAYS_MAX are passed over.
 */
void trace_add(struct trace *trace, const struct bnet_echo *echo,
    const struct clock_times *times, const struct clock_offset *node);

#endif
