/* SPDX-License-Identifier: MIT */
/*
 * admin - looking into a relay that runs: metrics, links and health over HTTP,
 * the capture, the key log.
 *
 * main.c opens and serves them; hooks.c hands the capture what passes. The
 * texts are pure functions of plain structs, for any thread.
 */
#ifndef RELAY_ADMIN_H
#define RELAY_ADMIN_H

#include "cmd/common/json.h"
#include "cmd/relay/counters.h"
#include "cmd/relay/relay.h"
#include "proto/frame.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stdint.h>

struct admin {
	struct relay *relay;
	struct keylog_file *keylog; /* NULL: none */
	struct http *http; /* NULL: none */
};

/* Before root is given up. All end the program where they cannot. */
void admin_open_files(
    struct admin *admin, struct relay *relay, const struct relay_options *opt);
void admin_listen(struct admin *admin);

/* The engine runs: answer. Says where on standard output. */
void admin_start(struct admin *admin);
void admin_stop(struct admin *admin);
void admin_close_files(struct admin *admin);

/* ---- the capture; hooks.c calls these where there is one ---- */

void admin_open(struct relay *relay, struct engine_conn *conn);
void admin_close(struct relay *relay, struct engine_conn *conn);
void admin_tap(void *arg, struct engine_conn *conn, enum engine_way way,
    const struct bnet_slice *pieces, size_t n);

/* ---- /metrics: the text format of Prometheus ---- */

/*
 * Counters are the sums of what the workers counted (counters.h of the relay
 * and of the engine), gauges are in a plain struct.
 *
 * Names are bluenet_relay_NAME. These hold, once nothing is on its way:
 *
 *	packets_read = packets_forwarded + _local + _refused + _dropped
 *	copies_queued = copies_written + copies_lost
 *	accepts = connections_closed + connections
 */
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

/* The label of a RELAY_CLOSED_* in connections_closed_total; for logs, too. */
const char *metrics_closed_word(enum relay_counter why);

/* ---- /links: JSON ---- */

/*
 *	{"links":[
 *	{"id":7,"role":"node","name":"jita","address":"10.0.0.1:40000",...},
 *	{...}
 *	]}
 */

/* All is borrowed for the call; strings may hold anything. */
struct link_view {
	uint64_t id;
	enum bnet_role role;
	bool stock; /* it said no hello */
	const char *name, *address;
	uint64_t queue_bytes;
	uint32_t latency_us; /* one way */
	bool latency_known; /* otherwise null */
	uint64_t packets_in, packets_out, bytes_in, bytes_out;
	uint32_t codecs; /* bits that it offered */
	enum bnet_order order;
	unsigned tls; /* enum bnet_tls_version; 0: plain, null */
	int64_t since_s; /* unix */
};

void links_json_begin(struct text *out);
/* `first`: none came before. */
void
links_json_link(struct text *out, const struct link_view *link, bool first);
void links_json_end(struct text *out);

#endif
