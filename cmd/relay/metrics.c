/* SPDX-License-Identifier: MIT */
#include "cmd/relay/metrics.h"

#include "cmd/common/json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* ---- counters ---- */

static const char *const kinds[] = { "node", "client", "forks", "broadcast",
	"any" };
static const char *const apps[] = { "session", "echo", "roster", "discard",
	"counter", "ping", "pong" };
static const char *const refusals[] = { "no_destination", "not_allowed",
	"overloaded", "memory", "too_large", "malformed" };
static const char *const drops[] = { "no_header", "no_key", "leaving" };
static const char *const codes[] = { "1", "2", "3", "4", "5", "6", "7", "8",
	"9" };
static const char *const roles[] = { "client", "stock", "node" };
static const char *const closings[] = { "peer", "cut", "malformed", "oversize",
	"tls", "proxy", "handshake_timeout", "hello_timeout", "frame_timeout",
	"silent", "overload", "replaced", "not_authorised", "bad_version",
	"shutting_down", "io", "memory", "limit" };
static const char *const admissions[] = { "total", "address", "rate", "memory",
	"draining" };
static const char *const results[] = { "ok", "failed" };
static const char *const versions[] = { "1.2", "1.3" };

/* So many counters in a row as there are words. */
static_assert(ROWS(closings) == RELAY_CLOSED_LIMIT - RELAY_CLOSED_PEER + 1,
    "a word for each RELAY_CLOSED_");
static_assert(ROWS(apps) == RELAY_LOCAL_PONG - RELAY_LOCAL_SESSION + 1,
    "a word for each RELAY_LOCAL_");
static_assert(ROWS(refusals) ==
	RELAY_REFUSED_MALFORMED - RELAY_REFUSED_NO_DESTINATION + 1,
    "a word for each RELAY_REFUSED_");
static_assert(ROWS(codes) == RELAY_ERRORS_SENT_LAST - RELAY_ERRORS_SENT + 1,
    "a word for each code");

struct family {
	const char *name, *help;
	bool engine; /* of the engine's counters */
	unsigned first; /* counter */
	const char *label; /* NULL: one counter, no label */
	const char *const *words; /* a counter each, from `first` */
	size_t n_words;
};

#define OF(at, label, words) false, (at), (label), (words), ROWS(words)
#define ONE(at) false, (at), NULL, NULL, 0
#define ENGINE(at) true, (at), NULL, NULL, 0
#define ENGINE_OF(at, label, words) true, (at), (label), (words), ROWS(words)

/* clang-format off */
static const struct family families[] = {
	{ "packets_read_total", "Frames read from links.",
	    ENGINE(ENGINE_PACKETS_READ) },
	{ "packets_forwarded_total",
	    "Packets passed on, by kind of destination; at least one copy.",
	    OF(RELAY_FORWARDED_NODE, "dest", kinds) },
	{ "packets_local_total",
	    "Packets taken by an application of the relay itself.",
	    OF(RELAY_LOCAL_SESSION, "key", apps) },
	{ "packets_refused_total",
	    "Packets refused; a sender that said hello is told.",
	    OF(RELAY_REFUSED_NO_DESTINATION, "reason", refusals) },
	{ "packets_dropped_total",
	    "Packets with nowhere to go, or of a link that is leaving.",
	    OF(RELAY_DROPPED_NO_HEADER, "reason", drops) },
	{ "copies_queued_total", "Frames queued for links, our own too.",
	    ENGINE(ENGINE_PACKETS_QUEUED) },
	{ "copies_written_total", "Frames written to links.",
	    ENGINE(ENGINE_PACKETS_WRITTEN) },
	{ "copies_lost_total",
	    "Frames queued for links that ended before they were written.",
	    ENGINE(ENGINE_PACKETS_LOST) },
	{ "copies_refused_total",
	    "Copies of forks and broadcasts that were refused.",
	    ONE(RELAY_COPIES_REFUSED) },
	{ "bytes_read_total", "Bytes read from sockets.",
	    ENGINE(ENGINE_BYTES_READ) },
	{ "bytes_written_total", "Bytes written to sockets.",
	    ENGINE(ENGINE_BYTES_WRITTEN) },
	{ "reads_total", "Reads that brought bytes.", ENGINE(ENGINE_READS) },
	{ "writes_total", "Writes of frames to sockets.",
	    ENGINE(ENGINE_WRITES) },
	{ "turns_total", "Turns of the workers' loops.",
	    ENGINE(ENGINE_TURNS) },
	{ "handovers_total", "Hand-overs of frames to another worker.",
	    ENGINE(ENGINE_HANDOVERS) },
	{ "handover_packets_total", "Frames that were handed over.",
	    ENGINE(ENGINE_HANDOVER_PACKETS) },
	{ "wakeups_total", "Wake-ups of another worker.",
	    ENGINE(ENGINE_WAKEUPS) },
	{ "wakeups_saved_total", "Hand-overs that found the worker awake.",
	    ENGINE(ENGINE_WAKEUPS_SAVED) },
	{ "inbox_packets_total", "Packets for the application's thread.",
	    ENGINE(ENGINE_INBOX_PACKETS) },
	{ "inflated_for_peer_total",
	    "Payloads inflated for a peer without the codec.",
	    ONE(RELAY_INFLATED_FOR_PEER) },
	{ "reordered_for_peer_total",
	    "Zlib sizes turned into the byte order of the peer.",
	    ONE(RELAY_REORDERED_FOR_PEER) },
	{ "errors_sent_total", "bluenet.error sent, by code.",
	    OF(RELAY_ERRORS_SENT, "code", codes) },
	{ "errors_not_sent_total",
	    "bluenet.error that did not fit the sender's own queue.",
	    ONE(RELAY_ERRORS_NOT_SENT) },
	{ "pings_sent_total", "Header pings sent.", ONE(RELAY_PINGS_SENT) },
	{ "pongs_received_total", "Pongs that answered a ping of ours.",
	    ONE(RELAY_PONGS_RECEIVED) },
	{ "pongs_not_sent_total", "Pings that could not be answered.",
	    ONE(RELAY_PONGS_NOT_SENT) },
	{ "pauses_total", "Times that reading a link was paused.",
	    ENGINE(ENGINE_PAUSES) },
	{ "resumes_total", "Times that it went on.", ENGINE(ENGINE_RESUMES) },
	{ "starved_total",
	    "Reads and writes put off because the memory budget was used up.",
	    ENGINE(ENGINE_STARVED) },
	{ "sockets_accepted_total", "Sockets accepted, before any limit.",
	    ENGINE(ENGINE_ACCEPTS) },
	{ "sockets_no_memory_total",
	    "Sockets closed for want of memory or descriptors.",
	    ENGINE(ENGINE_ACCEPTS_NO_MEMORY) },
	{ "accepts_total", "Connections let in.", ONE(RELAY_ADMITTED) },
	{ "accepts_refused_total", "Connections not let in, by limit.",
	    OF(RELAY_NOT_ADMITTED_TOTAL, "reason", admissions) },
	{ "links_opened_total", "Connections that became links, by role.",
	    OF(RELAY_OPENED_CLIENT, "role", roles) },
	{ "connections_closed_total",
	    "Connections that ended, by reason; also before they were links.",
	    OF(RELAY_CLOSED_PEER, "reason", closings) },
	{ "tls_handshakes_total", "TLS handshakes done.",
	    ENGINE_OF(ENGINE_TLS_1_2, "version", versions) },
	{ "reloads_total", "Reloads of the configuration.",
	    OF(RELAY_RELOADS_OK, "result", results) },
};
/* clang-format on */

const char *
metrics_closed_word(enum relay_counter why)
{
	return why >= RELAY_CLOSED_PEER && why <= RELAY_CLOSED_LIMIT
	    ? closings[why - RELAY_CLOSED_PEER]
	    : "unknown";
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
counter_family(
    struct text *out, const struct family *family, const uint64_t *sums)
{
	head(out, family->name, "counter", family->help);
	if (family->label == NULL)
		sample(out, family->name, sums[family->first]);
	for (size_t i = 0; i < family->n_words; i++)
		labelled(out, family->name, family->label, family->words[i],
		    sums[family->first + i]);
}

static void
one(struct text *out, const char *name, const char *type, uint64_t v,
    const char *help)
{
	head(out, name, type, help);
	sample(out, name, v);
}

/*
 * A label's value: only quotes, backslashes and line feeds are escaped there.
 * Other control characters, and what is no UTF-8, become U+FFFD.
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
	one(out, "queue_bytes", "gauge", m->queue_bytes,
	    "Queued for all links together, not yet written.");
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
capture(struct text *out, const struct metrics *m)
{
	one(out, "capture_dropped_total", "counter", m->capture_dropped,
	    "Segments that the capture could not take.");
}

/* Buckets are by power of two: 1, 2-3, 4-7, ..., and the last has no end. */
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
	for (size_t i = 0; i < ROWS(families); i++)
		counter_family(out, &families[i],
		    families[i].engine ? m->engine : m->relay);
	packets_per_write(out, m->engine);
	capture(out, m);
}
