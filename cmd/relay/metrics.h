/* SPDX-License-Identifier: MIT */
/*
 * metrics - the relay's counters and gauges in the text format of Prometheus.
 *
 * Counters come from the sums of what the workers counted (counters.h of the
 * relay and of the engine), gauges from a plain struct. Nothing here has
 * state; any thread may call it.
 *
 * Names are bluenet_relay_NAME. These hold, once nothing is on its way:
 *
 *	packets_read = packets_forwarded + _local + _refused + _dropped
 *	copies_queued = copies_written + copies_lost
 *	accepts = connections_closed + connections
 */
#ifndef RELAY_METRICS_H
#define RELAY_METRICS_H

#include "cmd/common/json.h"
#include "cmd/engine/counters.h"
#include "cmd/relay/counters.h"

#include <stdbool.h>
#include <stdint.h>

#define METRICS_PREFIX "bluenet_relay_"

struct metrics {
	/* sums over all workers */
	const uint64_t *engine; /* ENGINE_N_COUNTERS */
	const uint64_t *relay; /* RELAY_N_COUNTERS */

	/* as it is now */
	uint64_t n_clients, n_nodes; /* links */
	uint64_t n_connections; /* admitted and open, linked or not */
	uint64_t memory_reserved_bytes, memory_budget_bytes;
	uint64_t queue_bytes; /* queued for all links together */
	bool draining;
	int64_t started_s; /* unix */
	int64_t cert_expires_s; /* unix; 0: no certificate, no sample */
	uint64_t capture_dropped;

	/* labels of `info`; any bytes; NULL is "" */
	const char *version, *environment, *name;
	uint64_t id;
};

void metrics_render(struct text *out, const struct metrics *metrics);

/* The label of a RELAY_CLOSED_* in connections_closed_total, for log lines too. */
const char *metrics_closed_word(enum relay_counter why);

#endif
