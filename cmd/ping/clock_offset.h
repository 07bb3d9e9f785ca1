/* SPDX-License-Identifier: MIT */
/*
 * clock_offset - the offset of another clock from ours, with its error bound.
 *
 *	theirs		   received  replied
 *			  /		    \
 *	ours	   sent --'		     '-- came
 *
 * Nothing arrives before it is sent, so each exchange gives
 *
 *	replied - came <= offset <= received - sent
 *
 * and all exchanges together give the intersection of these intervals. It is
 * widened as time passes, by the possible drift of clocks. The offset is its
 * middle, the bound half its width: the true value is certain to be within.
 * Our clock is CLOCK_MONOTONIC, so that setting the time here has no effect.
 *
 * measure.c keeps one per node, and one per relay that traced an echo (struct
 * trace, below).
 */
#ifndef PING_CLOCK_OFFSET_H
#define PING_CLOCK_OFFSET_H

#include "cmd/stats/summary.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The assumed maximum drift between two clocks; crystals have half of it. */
#define CLOCK_DRIFT_PPM 100

struct clock_offset {
	bool known;
	int64_t low_ns, high_ns; /* their clock less ours, at at_ns */
	int64_t at_ns; /* ours */
	uint64_t n_steps; /* how often a clock was set */
};

struct clock_times {
	int64_t sent_ns, came_ns; /* our clock */
	int64_t received_ns, replied_ns; /* theirs */
};

/*
 * Add an exchange. If it contradicts the earlier ones, a clock was set, and
 * they are discarded. False: it contradicts itself (it came before it could
 * have), and is ignored.
 */
bool
clock_offset_add(struct clock_offset *clock, const struct clock_times *times);

/* Both return 0 if nothing is known. */
int64_t clock_offset_ns(const struct clock_offset *clock);
int64_t clock_offset_bound_ns(const struct clock_offset *clock);

/*
 * The times of an exchange on the way there (`up`) and back (`down`), each
 * within clock_offset_bound_ns() of the true value.
 */
void clock_offset_ways(const struct clock_offset *clock,
    const struct clock_times *times, int64_t *up_ns, int64_t *down_ns);

/*
 * The hops that relays added to echoes: how long each relay held them, and how
 * long the way between two relays took.
 *
 * The time inside a relay is by one clock, and exact. A way is between two
 * clocks, so it always comes with the bound of their offset.
 */
#define TRACE_RELAYS_MAX 64

struct trace_relay {
	uint64_t id;
	struct clock_offset clock; /* their offset from our monotonic clock */
	struct summary inside_ns;
	struct summary way_ns; /* to it, from us or the previous relay */
	struct summary bound_ns; /* of way_ns */
};

/* Starts out zeroed. */
struct trace {
	struct trace_relay relays[TRACE_RELAYS_MAX]; /* n, as first seen */
	size_t n;
	struct summary last_ns, last_bound_ns; /* last relay to node */
};

/*
 * Add the hops of one answer. `times` are ours and the node's; `node` is the
 * node's clock, which must be known. Relays beyond TRACE_RELAYS_MAX are
 * ignored.
 */
void trace_add(struct trace *trace, const struct bnet_echo *echo,
    const struct clock_times *times, const struct clock_offset *node);

#endif
