/* SPDX-License-Identifier: MIT */
/*
 * -z health: are the other statistics reliable? Shows what the capture
 * contained and lacked, from the totals, and by reason, from the recorded
 * events.
 */
#include "cmd/capture/left_out.h"
#include "cmd/decode/stat.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define REASONS_MAX 32

struct reason {
	const char *text; /* static */
	enum cap_event_type type;
	uint64_t count, bytes;
};

struct health {
	struct reason reasons[REASONS_MAX];
	size_t n;
	struct reason others[CAP_N_EVENTS];
};

static void *
health_new(const char *arg, char *err, size_t err_bytes)
{
	(void)arg, (void)err, (void)err_bytes;
	return calloc(1, sizeof(struct health));
}

static struct reason *
find(struct health *st, enum cap_event_type type, const char *text)
{
	for (size_t i = 0; i < st->n; i++)
		if (st->reasons[i].type == type &&
		    strcmp(st->reasons[i].text, text) == 0)
			return &st->reasons[i];
	if (st->n == REASONS_MAX)
		return &st->others[type];
	st->reasons[st->n].type = type;
	st->reasons[st->n].text = text;
	return &st->reasons[st->n++];
}

static void
health_record(void *state, const struct record *record)
{
	const struct cap_event *event = record->event;
	struct reason *reason;

	if (event->type == CAP_FRAME)
		return;
	reason = find(state, event->type,
	    event->reason == NULL ? "(no reason)" : event->reason);
	reason->count++;
	reason->bytes += event->bytes;
}

static void
print_row(
    struct table *table, const char *what, const char *reason, uint64_t count)
{
	table_row(table);
	table_str(table, what);
	table_str(table, reason);
	table_u64(table, count);
}

#define NO_BYTES SIZE_MAX
#define AT(field) offsetof(struct cap_counters, field)

static uint64_t
counter(const struct cap_counters *counters, size_t at)
{
	uint64_t v;

	memcpy(&v, (const char *)counters + at, sizeof(v));
	return v;
}

static void
print_counters(struct table *table, const struct cap_counters *counters)
{
	static const struct {
		const char *what;
		size_t count, bytes;
	} rows[] = {
		{ "packets", AT(packets), AT(packet_bytes) },
		{ "not TCP", AT(not_tcp), NO_BYTES },
		{ "TCP on other ports", AT(other_ports), NO_BYTES },
		{ "packets cut short", AT(cut_packets), NO_BYTES },
		{ "packets dropped", AT(dropped_packets), NO_BYTES },
		{ "bad packets", AT(bad_packets), NO_BYTES },
		{ "IP fragments", AT(fragments), NO_BYTES },
		{ "made whole of them", AT(datagrams), NO_BYTES },
		{ "TCP segments", AT(segments), AT(segment_bytes) },
		{ "retransmissions", AT(retransmissions),
		    AT(retransmitted_bytes) },
		{ "out of order", AT(out_of_order), NO_BYTES },
		{ "resets", AT(resets), NO_BYTES },
		{ "streams", AT(streams), NO_BYTES },
		{ "streams decoded", AT(streams_selected), NO_BYTES },
		{ "streams without start", AT(streams_no_start), NO_BYTES },
		{ "TLS without secrets", AT(keyless_streams), NO_BYTES },
		{ "frames cut short", AT(cut_frames), NO_BYTES },
		{ "frames shown late", AT(late_frames), NO_BYTES },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_row(table, rows[i].what, NULL,
		    counter(counters, rows[i].count));
		if (rows[i].bytes != NO_BYTES)
			table_u64(table, counter(counters, rows[i].bytes));
	}
}

static const char *const event_names[CAP_N_EVENTS] = {
	[CAP_FRAME] = "frames",
	[CAP_GAP] = "gaps",
	[CAP_SKIP] = "skips",
	[CAP_OVERLAP] = "overlaps that conflict",
	[CAP_MALFORMED] = "malformed",
	[CAP_LIMIT] = "limits",
	[CAP_PROXY] = "PROXY headers",
	[CAP_NOTE] = "notes",
	[CAP_CLOCK] = "steps of the clock",
};

static void
print_reasons(
    struct table *table, const struct health *st, enum cap_event_type type)
{
	for (size_t i = 0; i < st->n; i++) {
		if (st->reasons[i].type != type)
			continue;
		print_row(table, event_names[type], st->reasons[i].text,
		    st->reasons[i].count);
		table_u64(table, st->reasons[i].bytes);
	}
	if (st->others[type].count == 0)
		return;
	print_row(table, event_names[type], "(others)", st->others[type].count);
	table_u64(table, st->others[type].bytes);
}

static void
print_events(struct table *table, const struct health *st,
    const struct cap_counters *counters)
{
	for (int i = 0; i < CAP_N_EVENTS; i++) {
		print_row(table, event_names[i], NULL, counters->events[i]);
		table_u64(table, counters->event_bytes[i]);
		if (i == CAP_SKIP || i == CAP_MALFORMED || i == CAP_LIMIT ||
		    i == CAP_NOTE || i == CAP_CLOCK)
			print_reasons(table, st, (enum cap_event_type)i);
	}
}

/* Appends to a line; truncates when there is no room. */
static void __attribute__((format(printf, 3, 4)))
append(char *line, size_t line_bytes, const char *format, ...)
{
	size_t at = strlen(line);
	va_list args;

	va_start(args, format);
	vsnprintf(line + at, line_bytes - at, format, args);
	va_end(args);
}

/*
 * Prints what makes the numbers incomplete, or "clean": something was decoded,
 * nothing was lost, and nothing left out.
 */
static void
add_verdict(struct table *table, const struct cap_counters *counters)
{
	uint64_t left_out = counters->not_tcp + counters->other_ports;
	char line[512] = "";

	for (int i = CAP_GAP; i < CAP_N_LOSSES; i++)
		if (counters->events[i] > 0)
			append(line, sizeof(line),
			    "%s %s: %" PRIu64 " (%" PRIu64 " bytes)",
			    line[0] == '\0' ? "" : ",", event_names[i],
			    counters->events[i], counters->event_bytes[i]);
	if (counters->cut_frames > 0)
		append(line, sizeof(line), "%s frames cut short: %" PRIu64,
		    line[0] == '\0' ? "" : ",", counters->cut_frames);
	if (counters->bad_packets > 0)
		append(line, sizeof(line), "%s bad packets: %" PRIu64,
		    line[0] == '\0' ? "" : ",", counters->bad_packets);
	if (line[0] != '\0')
		table_note(table, "verdict: not clean;%s", line);
	else if (counters->events[CAP_FRAME] == 0)
		table_note(table, "verdict: nothing decoded");
	else if (left_out > 0)
		table_note(table,
		    "verdict: nothing lost, but packets left out: %" PRIu64,
		    left_out);
	else if (counters->keyless_streams > 0)
		table_note(table,
		    "verdict: nothing lost, but TLS streams not read: %" PRIu64,
		    counters->keyless_streams);
	else if (counters->dropped_packets > 0)
		table_note(table,
		    "verdict: nothing missing, but packets dropped during the"
		    " capture: %" PRIu64,
		    counters->dropped_packets);
	else
		table_note(table, "verdict: clean");
}

/* Prints possible explanations, and what was not examined. */
static void
add_remarks(struct table *table, const struct cap_counters *counters)
{
	const struct {
		uint64_t n;
		const char *what;
	} remarks[] = {
		{ counters->keyless_streams,
		    "TLS streams not read, for want of their secrets" },
		{ counters->streams_no_start,
		    "streams that began before the capture" },
		{ counters->cut_packets,
		    "packets shorter in the capture than sent" },
		{ counters->events[CAP_CLOCK],
		    "steps of the clock, taken out of relative times" },
	};

	for (size_t i = 0; i < sizeof(remarks) / sizeof(remarks[0]); i++)
		if (remarks[i].n > 0)
			table_note(table, "%s: %" PRIu64, remarks[i].what,
			    remarks[i].n);
	if (counters->late_frames > 0)
		table_note(table,
		    "frames shown after later ones, because bytes before them"
		    " were awaited: %" PRIu64 ", by up to %.3f s",
		    counters->late_frames, (double)counters->late_ns / 1e9);
}

static void
add_line(void *arg, const char *text)
{
	table_note(arg, "%s", text);
}

static void
add_left_out(void *arg, const char *name, uint64_t packets, bool looks_like)
{
	struct table *table = arg;

	table_row(table);
	table_str(table, name);
	table_u64(table, packets);
	if (looks_like)
		table_str(table, "like BlueNet");
}

/* What the packets are that are not TCP, or on other ports. */
static void
print_left_out(struct stat_out *to)
{
	static const struct table_column columns[] = {
		{ .name = "what", .head = "what", .left = true },
		{ .name = "packets", .head = "packets" },
		{ .name = "looks", .head = "looks", .left = true },
	};
	struct table table;

	if (to->counters->not_tcp + to->counters->other_ports == 0)
		return;
	table_init(&table, "health.left_out", "Left out", columns, 3);
	left_out_rows(to->counters->left_out, add_left_out, &table);
	stat_print(to, &table);
}

static void
health_print(const void *state, struct stat_out *to)
{
	static const struct table_column columns[] = {
		{ .name = "what", .head = "", .left = true },
		{ .name = "reason", .head = "reason", .left = true },
		{ .name = "count", .head = "count" },
		{ .name = "bytes", .head = "bytes" },
	};
	struct table table;

	table_init(&table, "health", "Health", columns, 4);
	print_counters(&table, to->counters);
	print_events(&table, state, to->counters);
	add_verdict(&table, to->counters);
	add_remarks(&table, to->counters);
	left_out_lines(to->counters, add_line, &table);
	stat_print(to, &table);
	print_left_out(to);
}

const struct stat_ops stat_health = {
	.info = { .name = "health",
	    .about = "packets, retransmissions, losses; one line of verdict" },
	.make = health_new,
	.record = health_record,
	.print = health_print,
	.destroy = free,
};
