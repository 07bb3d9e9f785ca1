/* SPDX-License-Identifier: MIT */
/*
 * In this order: the table of counters and /metrics; /links as JSON; the
 * pages; the files and sockets that main.c opens; the capture, for hooks.c.
 */
#include "cmd/relay/admin.h"

#include "cmd/common/cli.h"
#include "cmd/common/clock.h"
#include "cmd/common/ending.h"
#include "cmd/common/json.h"
#include "cmd/common/log.h"
#include "cmd/common/version.h"
#include "cmd/engine/counters.h"
#include "cmd/relay/capture.h"
#include "cmd/relay/http.h"
#include "cmd/relay/keylog_file.h"
#include "cmd/relay/page.h"
#include "proto/codec.h"
#include "proto/tls.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MEMORY_SHORT_NS INT64_C(5000000000) /* for so long after it was */
#define LARGEST 5 /* holders of memory that are named */
#define JSON_EXACT_MAX (UINT64_C(1) << 53) /* a double holds all up to it */

/* ---- counters ---- */

enum row_kind {
	ROW_FAMILY, /* the rows after it are labelled */
	ROW_OF,
	ROW_ONE,
};

/* A row of RELAY_COUNTERS. */
static const struct row {
	enum row_kind kind;
	bool engine; /* the engine counts it */
	unsigned counter;
	const char *name; /* of the family; ROW_OF: the label's value */
	const char *label; /* of ROW_FAMILY */
	const char *help; /* of ROW_FAMILY and ROW_ONE */
} rows[] = {
#define FAMILY(name, label, help) { ROW_FAMILY, false, 0, name, label, help },
#define OF(counter, word) { ROW_OF, false, counter, word, NULL, NULL },
#define ONE(counter, name, help) { ROW_ONE, false, counter, name, NULL, help },
#define ENGINE_OF(counter, word) { ROW_OF, true, counter, word, NULL, NULL },
#define ENGINE(counter, name, help) \
	{ ROW_ONE, true, counter, name, NULL, help },
	RELAY_COUNTERS(FAMILY, OF, ONE, ENGINE_OF, ENGINE)
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

const char *
metrics_closed_word(enum relay_counter why)
{
	if (why < RELAY_CLOSED_PEER || why > RELAY_CLOSED_LIMIT)
		return "unknown";
	for (size_t i = 0; i < N_ROWS; i++)
		if (rows[i].kind == ROW_OF && !rows[i].engine &&
		    rows[i].counter == why)
			return rows[i].name;
	return "unknown";
}

/* ---- lines ---- */

static void
head(struct text *out, const char *name, const char *type, const char *help)
{
	text_printf(out,
	    "# HELP " METRICS_PREFIX "%s %s\n# TYPE " METRICS_PREFIX "%s %s\n",
	    name, help, name, type);
}

static void
sample(struct text *out, const char *name, uint64_t v)
{
	text_printf(out, METRICS_PREFIX "%s %" PRIu64 "\n", name, v);
}

static void
labelled(struct text *out, const char *name, const char *label,
    const char *value, uint64_t v)
{
	text_printf(out, METRICS_PREFIX "%s{%s=\"%s\"} %" PRIu64 "\n", name,
	    label, value, v);
}

static void
counters(struct text *out, const struct metrics *m)
{
	const struct row *family = NULL;

	for (size_t i = 0; i < N_ROWS; i++) {
		const struct row *row = &rows[i];
		uint64_t v = (row->engine ? m->engine : m->relay)[row->counter];

		if (row->kind != ROW_OF)
			head(out, row->name, "counter", row->help);
		if (row->kind == ROW_FAMILY)
			family = row;
		else if (row->kind == ROW_ONE)
			sample(out, row->name, v);
		else
			labelled(
			    out, family->name, family->label, row->name, v);
	}
}

static void
one(struct text *out, const char *name, const char *type, uint64_t v,
    const char *help)
{
	head(out, name, type, help);
	sample(out, name, v);
}

/*
 * Write a label's value. The format escapes only quotes, backslashes and line
 * feeds; other control characters and invalid UTF-8 become U+FFFD.
 */
static void
label_value(struct text *out, const char *s)
{
	char c[JSON_CHAR_BYTES];
	size_t n, used;

	for (size_t left = strlen(s); left > 0; left -= used, s += used) {
		used = json_char(s, left, c, &n);
		if (c[0] == '\\' && strchr("\\\"n", c[1]) == NULL)
			text_str(out, "\xef\xbf\xbd");
		else
			text_bytes(out, c, n);
	}
}

static void
label(struct text *out, const char *before, const char *value)
{
	text_str(out, before);
	label_value(out, value != NULL ? value : "");
}

static void
info(struct text *out, const struct metrics *m)
{
	head(out, "info", "gauge", "What this relay is; always 1.");
	text_printf(out, METRICS_PREFIX "info{id=\"%" PRIu64 "\"", m->id);
	label(out, ",version=\"", m->version);
	label(out, "\",environment=\"", m->environment);
	label(out, "\",name=\"", m->name);
	text_str(out, "\"} 1\n");
}

/* ---- gauges ---- */

static void
links(struct text *out, const struct metrics *m)
{
	head(out, "links", "gauge", "Links that are up, by role.");
	labelled(out, "links", "role", "client", m->n_clients);
	labelled(out, "links", "role", "node", m->n_nodes);
	one(out, "connections", "gauge", m->n_connections,
	    "Connections that are open, links or not yet.");
}

static void
memory(struct text *out, const struct metrics *m)
{
	one(out, "memory_reserved_bytes", "gauge", m->memory_reserved_bytes,
	    "Taken of the memory budget by all buffers.");
	one(out, "memory_budget_bytes", "gauge", m->memory_budget_bytes,
	    "The memory budget.");
	one(out, "memory_short", "gauge", m->memory_short,
	    "1 while memory is short: some was refused a moment ago.");
	one(out, "queue_bytes", "gauge", m->queue_bytes,
	    "Queued for all links together, not yet written.");
	one(out, "socket_bytes", "gauge", m->socket_bytes,
	    "Held by the kernel for all connections, beside the budget.");
}

static void
state(struct text *out, const struct metrics *m)
{
	one(out, "draining", "gauge", m->draining, "1 while it drains.");
	one(out, "start_time_seconds", "gauge", (uint64_t)m->started_s,
	    "When it started, unix time.");
	head(out, "certificate_expiry_seconds", "gauge",
	    "When its certificate expires, unix time.");
	if (m->cert_expires_s != 0)
		text_printf(out,
		    METRICS_PREFIX "certificate_expiry_seconds %" PRId64 "\n",
		    m->cert_expires_s);
}

static void
outputs(struct text *out, const struct metrics *m)
{
	one(out, "recording", "gauge", m->recording,
	    "1 while the capture is written.");
	one(out, "capture_written_total", "counter", m->capture_written,
	    "Segments in the files of the capture.");
	one(out, "capture_dropped_total", "counter", m->capture_dropped,
	    "Segments that the capture could not take.");
	one(out, "log_lines_lost_total", "counter", m->log_lines_lost,
	    "Log lines dropped because standard error was not read.");
}

/* Buckets are powers of two: 1, 2-3, 4-7, ...; the last has no upper bound. */
static void
packets_per_write(struct text *out, const uint64_t *engine)
{
	const unsigned n = ENGINE_WRITE_SIZES_END - ENGINE_WRITE_SIZES;
	uint64_t sum = 0;

	head(out, "packets_per_write", "histogram",
	    "Packets that left in one write.");
	for (unsigned i = 0; i < n; i++) {
		char le[24] = "+Inf";

		sum += engine[ENGINE_WRITE_SIZES + i];
		if (i + 1 < n)
			(void)snprintf(le, sizeof(le), "%u", (2u << i) - 1);
		labelled(out, "packets_per_write_bucket", "le", le, sum);
	}
	sample(out, "packets_per_write_sum", engine[ENGINE_PACKETS_WRITTEN]);
	sample(out, "packets_per_write_count", sum);
}

void
metrics_render(struct text *out, const struct metrics *m)
{
	info(out, m);
	state(out, m);
	links(out, m);
	memory(out, m);
	counters(out, m);
	packets_per_write(out, m->engine);
	outputs(out, m);
}

static void
member_str(struct text *out, const char *name, const char *value)
{
	text_printf(out, ",\"%s\":", name);
	text_json(out, value);
}

static void
member_u64(struct text *out, const char *name, uint64_t v)
{
	text_printf(out, ",\"%s\":%" PRIu64, name, v);
}

static void
codecs(struct text *out, uint32_t bits)
{
	const char *comma = "";

	text_str(out, ",\"codecs\":[");
	if (bits & BNET_CODEC_ZLIB) {
		text_str(out, "\"zlib\"");
		comma = ",";
	}
	if (bits & BNET_CODEC_SNAPPY)
		text_printf(out, "%s\"snappy\"", comma);
	text_str(out, "]");
}

static const char *
order_word(enum bnet_order order)
{
	return order == BNET_ORDER_NETWORK ? "network"
	    : order == BNET_ORDER_LITTLE   ? "little"
					   : NULL;
}

static const char *
tls_word(unsigned version)
{
	return version == BNET_TLS_1_3 ? "1.3"
	    : version == BNET_TLS_1_2  ? "1.2"
				       : NULL;
}

static void
since(struct text *out, int64_t unix_s)
{
	time_t t = (time_t)unix_s;
	struct tm tm;
	char when[32];

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		member_str(out, "since", NULL);
	else
		member_str(out, "since", when);
}

static const char *
role_word(enum bnet_role role)
{
	return role == BNET_ROLE_NODE ? "node" : "client";
}

void
links_json_begin(struct text *out)
{
	text_str(out, "{\"links\":[");
}

void
links_json_link(struct text *out, const struct link_view *link, bool first)
{
	text_printf(out, "%s\n{\"id\":%" PRIu64, first ? "" : ",", link->id);
	if (link->id > JSON_EXACT_MAX)
		text_printf(out, ",\"id_text\":\"%" PRIu64 "\"", link->id);
	member_str(out, "role", role_word(link->role));
	member_str(out, "name", link->name);
	member_str(out, "address", link->address);
	member_u64(out, "queue_bytes", link->queue_bytes);
	member_u64(out, "memory_bytes", link->memory_bytes);
	if (link->latency_known)
		member_u64(out, "latency_us", link->latency_us);
	else
		member_str(out, "latency_us", NULL);
	member_u64(out, "packets_in", link->packets_in);
	member_u64(out, "packets_out", link->packets_out);
	member_u64(out, "bytes_in", link->bytes_in);
	member_u64(out, "bytes_out", link->bytes_out);
	codecs(out, link->codecs);
	member_str(out, "order", order_word(link->order));
	member_str(out, "tls", tls_word(link->tls));
	text_printf(out, ",\"stock\":%s", link->stock ? "true" : "false");
	since(out, link->since_s);
	text_str(out, "}");
}

void
links_json_end(struct text *out, const struct link_view *largest, size_t n)
{
	text_str(out, "\n],\n\"largest\":[");
	for (size_t i = 0; i < n; i++) {
		text_printf(out, "%s{\"id\":%" PRIu64, i == 0 ? "" : ",",
		    largest[i].id);
		member_str(out, "role", role_word(largest[i].role));
		member_u64(out, "memory_bytes", largest[i].memory_bytes);
		text_str(out, "}");
	}
	text_str(out, "]}\n");
}

/* ---- /metrics ---- */

bool
admin_memory_is_short(struct relay *relay)
{
	int64_t last_ns = engine_memory_short_ns(relay->engine);

	return last_ns != 0 && clock_now_ns() - last_ns < MEMORY_SHORT_NS;
}

static void
add_up(uint64_t sums[RELAY_N_COUNTERS], _Atomic uint64_t *counters)
{
	for (size_t i = 0; i < RELAY_N_COUNTERS; i++)
		sums[i] += counter_get(&counters[i]);
}

static void
sum_counters(struct relay *relay, uint64_t sums[RELAY_N_COUNTERS])
{
	for (unsigned i = 0; i < engine_n_workers(relay->engine); i++)
		add_up(sums, relay->workers[i].counters);
	add_up(sums, relay->app_worker.counters);
	add_up(sums, relay->admissions);
}

static bool
add_queue(void *arg, const struct route_entry *entry)
{
	uint64_t *bytes = arg;

	*bytes += atomic_load_explicit(
	    &entry->sendq->queued_bytes, memory_order_relaxed);
	return true;
}

/* The configuration and the links stay valid until the lock is released. */
static bool
metrics_page(void *arg, struct text *out)
{
	struct relay *relay = arg;
	uint64_t own[RELAY_N_COUNTERS] = { 0 }, engine[ENGINE_N_COUNTERS];
	const struct relay_options *opt;
	struct metrics m = { .engine = engine, .relay = own };

	sum_counters(relay, own);
	engine_counters(relay->engine, engine);
	m.n_clients = routes_count(relay->routes, BNET_ROLE_CLIENT);
	m.n_nodes = routes_count(relay->routes, BNET_ROLE_NODE);
	m.n_connections = limits_open(relay->limits);
	m.memory_reserved_bytes = engine_memory_reserved(relay->engine);
	m.memory_short = admin_memory_is_short(relay);
	m.socket_bytes = engine_socket_bytes(relay->engine);
	m.draining = atomic_load(&relay->draining);
	m.started_s = relay->started_s;
	m.cert_expires_s = atomic_load(&relay->cert_expires_s);
	if (relay->record != NULL) {
		m.capture_dropped = record_dropped(relay->record);
		m.capture_written = record_written(relay->record);
		m.recording = record_works(relay->record);
	}
	m.log_lines_lost = log_n_lost();
	m.version = tools_version();
	m.id = relay->id;
	engine_read_lock();
	routes_each(relay->routes, add_queue, &m.queue_bytes);
	opt = &config_of(relay)->opt;
	m.memory_budget_bytes = opt->memory_bytes;
	m.environment = opt->environment;
	m.name = opt->name;
	metrics_render(out, &m);
	engine_read_unlock();
	return true;
}

/* ---- /healthz ---- */

/* It serves on, so its status stays 200: a balancer is to leave it in. */
static void
health_memory(struct relay *relay, struct text *out)
{
	uint64_t taken = engine_memory_reserved(relay->engine), budget;

	engine_read_lock();
	budget = config_of(relay)->opt.memory_bytes;
	engine_read_unlock();
	text_printf(out,
	    "degraded\nmemory: short, %" PRIu64 " of %" PRIu64
	    " bytes are taken; /links names the largest holders\n",
	    taken, budget);
}

static bool
health_page(void *arg, struct text *out)
{
	struct relay *relay = arg;
	bool draining = atomic_load(&relay->draining);

	if (!draining && admin_memory_is_short(relay))
		health_memory(relay, out);
	else
		text_str(out, draining ? "draining\n" : "ok\n");
	return !draining;
}

/* ---- /links ---- */

/* Peers found under the read lock. */
struct found {
	struct peer **at; /* owned */
	size_t n, cap;
	bool failed; /* out of memory */
};

static bool
add_peer(void *arg, const struct route_entry *entry)
{
	struct found *found = arg;
	struct peer **more;
	size_t cap = found->cap == 0 ? 64 : 2 * found->cap;

	if (found->n == found->cap) {
		more = realloc(found->at, cap * sizeof(struct peer *));
		if (more == NULL) {
			found->failed = true;
			return false;
		}
		found->at = more;
		found->cap = cap;
	}
	found->at[found->n++] = (struct peer *)(uintptr_t)entry;
	return true;
}

static int
compare(const void *a, const void *b)
{
	const struct route_entry *x = &(*(struct peer *const *)a)->entry;
	const struct route_entry *y = &(*(struct peer *const *)b)->entry;

	if (x->role != y->role)
		return x->role < y->role ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static struct link_view
view(struct peer *peer)
{
	struct engine_sendq *sendq = peer->entry.sendq;
	uint32_t latency_us =
	    atomic_load_explicit(&peer->latency_us, memory_order_relaxed);

	return (struct link_view){
		.id = peer->entry.id,
		.role = peer->entry.role,
		.stock = !peer->hello,
		.name = peer->name,
		.address = peer->address,
		.queue_bytes = atomic_load_explicit(
		    &sendq->queued_bytes, memory_order_relaxed),
		.memory_bytes = atomic_load_explicit(
		    &sendq->held_bytes, memory_order_relaxed),
		.latency_us = latency_us,
		.latency_known = latency_us != 0,
		.packets_in = counter_get(&sendq->packets_in),
		.packets_out = counter_get(&sendq->packets_out),
		.bytes_in = counter_get(&sendq->bytes_in),
		.bytes_out = counter_get(&sendq->bytes_out),
		.codecs = peer->codecs,
		.order = (enum bnet_order)atomic_load_explicit(
		    &sendq->order, memory_order_relaxed),
		.tls = peer->tls,
		.since_s = peer->since_s,
	};
}

/* Keep the largest ones, in order. */
static void
note_largest(
    struct link_view top[LARGEST], size_t *n, const struct link_view *link)
{
	size_t at = *n < LARGEST ? *n : LARGEST - 1;

	if (link->memory_bytes == 0 ||
	    (*n == LARGEST && link->memory_bytes <= top[at].memory_bytes))
		return;
	for (; at > 0 && top[at - 1].memory_bytes < link->memory_bytes; at--)
		top[at] = top[at - 1];
	top[at] = *link;
	*n += *n < LARGEST;
}

static bool
links_page(void *arg, struct text *out)
{
	struct relay *relay = arg;
	struct found found = { 0 };
	struct link_view link, largest[LARGEST];
	size_t n = 0;

	links_json_begin(out);
	engine_read_lock();
	routes_each(relay->routes, add_peer, &found);
	if (found.n > 0)
		qsort(found.at, found.n, sizeof(found.at[0]), compare);
	for (size_t i = 0; i < found.n; i++) {
		link = view(found.at[i]);
		links_json_link(out, &link, i == 0);
		note_largest(largest, &n, &link);
	}
	links_json_end(out, largest, n);
	engine_read_unlock();
	free(found.at);
	return !found.failed;
}

/* The `arg` of each is the struct relay. */
static const struct http_page pages[] = {
	{ "/", "text/html; charset=utf-8", page_status },
	{ "/metrics", "text/plain; version=0.0.4", metrics_page },
	{ "/healthz", "text/plain; charset=utf-8", health_page },
	{ "/links", "application/json", links_page },
};

/* ---- files ---- */

static struct record *
open_record(const struct relay_options *opt)
{
	const struct record_settings set = { .path = opt->capture,
		.file_bytes = opt->capture_bytes,
		.n_files = (unsigned)opt->n_capture_files };
	char err[RECORD_ERR_CHARS];
	struct record *record = record_new(&set, err);

	if (record == NULL)
		cli_die("--capture: %s", err);
	return record;
}

void
admin_open_files(
    struct admin *admin, struct relay *relay, const struct relay_options *opt)
{
	admin->relay = relay;
	if (opt->keylog != NULL) {
		admin->keylog = keylog_file_open(opt->keylog);
		if (admin->keylog == NULL)
			cli_die(
			    "--keylog: %s: %s", opt->keylog, strerror(errno));
	}
	if (opt->capture != NULL)
		relay->record = open_record(opt);
}

void
admin_close_files(struct admin *admin)
{
	record_free(admin->relay->record);
	if (ending_is_stuck())
		return;
	admin->relay->record = NULL;
	keylog_file_close(admin->keylog);
}

/* ---- HTTP ---- */

void
admin_listen(struct admin *admin)
{
	const struct option_addresses *at =
	    &config_of(admin->relay)->opt.metrics;
	const struct http_settings set = { .address = &at->at[0],
		.pages = pages,
		.n_pages = sizeof(pages) / sizeof(pages[0]),
		.arg = admin->relay };
	char text[ADDRESS_CHARS];

	if (at->n == 0)
		return;
	admin->http = http_open(&set);
	if (admin->http == NULL)
		cli_die("--metrics: cannot listen on %s: %s",
		    address_format(&at->at[0], text), strerror(errno));
}

static void
say_where(const struct http *http)
{
	struct address address = http_address(http);
	char text[ADDRESS_CHARS];

	printf(
	    "bluenet-relay: metrics on %s\n", address_format(&address, text));
	if (!cli_flush())
		exit(CLI_FAILED);
}

void
admin_start(struct admin *admin)
{
	if (admin->relay->record != NULL && !record_start(admin->relay->record))
		cli_die("cannot start a thread: %s", strerror(errno));
	if (admin->http == NULL)
		return;
	if (!http_start(admin->http))
		cli_die("--metrics: cannot serve: %s", strerror(errno));
	say_where(admin->http);
}

void
admin_stop(struct admin *admin)
{
	http_free(admin->http);
	admin->http = NULL;
}

/* ---- the capture ---- */

void
admin_open(struct relay *relay, struct engine_conn *conn)
{
	struct address local = engine_conn_local(conn);

	record_open(relay->record, engine_conn_sendq(conn)->handle,
	    engine_conn_peer(conn), &local);
}

void
admin_close(struct relay *relay, struct engine_conn *conn)
{
	record_close(relay->record, engine_conn_sendq(conn)->handle);
}

void
admin_tap(void *arg, struct engine_conn *conn, enum engine_way way,
    const struct bnet_slice *pieces, size_t n)
{
	struct relay *relay = arg;

	record_bytes(relay->record, engine_conn_sendq(conn)->handle,
	    way == ENGINE_IN ? RECORD_IN : RECORD_OUT, pieces, n);
}
