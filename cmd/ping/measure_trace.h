/* SPDX-License-Identifier: MIT */
/*
 * measure_trace - what relays wrote on echoes that passed: how long each had
 * them, and how long the way between two of them took.
 *
 * How long one had it is by one clock, and exact. A way is between two clocks
 * and never without the bound of how far these may be apart.
 */
#ifndef PING_MEASURE_TRACE_H
#define PING_MEASURE_TRACE_H

#include "cmd/ping/clock_offset.h"
#include "cmd/stats/summary.h"
#include "proto/message.h"

#include <stddef.h>

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
