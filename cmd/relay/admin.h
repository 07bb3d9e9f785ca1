/* SPDX-License-Identifier: MIT */
/*
 * admin - observing a running relay: metrics, links and health over HTTP, the
 * capture, the key log.
 *
 * main.c opens and serves them; hooks.c passes traffic to the capture. The
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

/* Before root is given up. A failure ends the program. */
void admin_open_files(
    struct admin *admin, struct relay *relay, const struct relay_options *opt);
void admin_listen(struct admin *admin);

/* Serve, once the engine runs. Prints the address on standard output. */
void admin_start(struct admin *admin);
void admin_stop(struct admin *admin);
void admin_close_files(struct admin *admin);

/* ---- the capture; hooks.c calls these if there is one ---- */

void admin_open(struct relay *relay, struct engine_conn *conn);
void admin_close(struct relay *relay, struct engine_conn *conn);
void admin_tap(void *arg, struct engine_conn *conn, enum engine_way way,
    const struct bnet_slice *pieces, size_t n);

/* ---- /metrics: the text format of Prometheus ---- */

/*
 * Counters are sums over the workers (counters.h of the relay and of the
 * engine); gauges come in a plain struct.
 *
 * Names are bluenet_relay_NAME. When no packet is in transit:
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

	/* the present state */
	uint64_t n_clients, n_nodes; /* links */
	uint64_t n_connections; /* admitted and open, with or without a link */
	uint64_t memory_reserved_bytes, memory_budget_bytes;
	uint64_t queue_bytes; /* queued for all links */
	uint64_t socket_bytes; /* what the kernel holds for them */
	bool memory_short; /* it was refused a moment ago */
	bool draining;
	int64_t started_s; /* unix */
	int64_t cert_expires_s; /* unix; 0: no certificate, no sample */
	uint64_t capture_dropped, capture_written; /* segments */
	bool recording;
	uint64_t log_lines_lost;

	/* labels of `info`; any bytes; NULL is "" */
	const char *version, *environment, *name;
	uint64_t id;
};

/* Was memory refused in the last seconds? Any thread. */
bool admin_memory_is_short(struct relay *relay);

void metrics_render(struct text *out, const struct metrics *metrics);

/* The label of a RELAY_CLOSED_* in connections_closed_total and in logs. */
const char *metrics_closed_word(enum relay_counter why);

/* ---- /links: JSON ---- */

/*
 *	{"links":[
 *	{"id":7,"role":"node","name":"jita","address":"10.0.0.1:40000",...},
 *	{...}
 *	],
 *	"largest":[{"id":7,"role":"node","memory_bytes":70000}]}
 */

/* Everything is borrowed for the call; strings may hold any bytes. */
struct link_view {
	uint64_t id;
	enum bnet_role role;
	bool stock; /* a link without a hello */
	const char *name, *address;
	uint64_t queue_bytes;
	uint64_t memory_bytes; /* of its buffers */
	uint32_t latency_us; /* one way */
	bool latency_known; /* otherwise null */
	uint64_t packets_in, packets_out, bytes_in, bytes_out;
	uint32_t codecs; /* bits of the codecs it offered */
	enum bnet_order order;
	unsigned tls; /* enum bnet_tls_version; 0: plain, null */
	int64_t since_s; /* unix */
};

/* Of an entry of routes; under engine_read_lock(), which covers its strings. */
struct link_view admin_link(const struct route_entry *entry);

/*
 * All links, by role and id, each for the call. False: out of memory, so that
 * some are missing.
 */
bool admin_each_link(struct relay *relay,
    void (*each)(void *arg, const struct link_view *link), void *arg);

void links_json_begin(struct text *out);
/* `first`: this is the first element of the array. */
void
links_json_link(struct text *out, const struct link_view *link, bool first);
/* With those that hold the most memory, in order. */
void
links_json_end(struct text *out, const struct link_view *largest, size_t n);

#endif
