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
	const char *text; /* static, or of a loaded state */
	enum cap_event_type type;
	uint64_t count, bytes;
};

struct health {
	struct reason reasons[REASONS_MAX];
	size_t n;
	struct reason others[CAP_N_EVENTS];
	struct cap_counters merged; /* of loaded states */
	struct left_out *left_out; /* of these; owned */
};

static void
health_free(void *state)
{
	struct health *st = state;

	left_out_free(st->left_out);
	free(st);
}

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
print_left_out(struct stat_out *to, const struct cap_counters *counters)
{
	static const struct table_column columns[] = {
		{ .name = "what", .head = "what", .left = true },
		{ .name = "packets", .head = "packets" },
		{ .name = "looks", .head = "looks", .left = true },
	};
	struct table table;

	if (counters->not_tcp + counters->other_ports == 0)
		return;
	table_init(&table, "health.left_out", "Left out", columns, 3);
	left_out_rows(counters->left_out, add_left_out, &table);
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
	const struct health *st = state;
	const struct cap_counters *counters =
	    to->counters != NULL ? to->counters : &st->merged;
	struct table table;

	table_init(&table, "health", "Health", columns, 4);
	print_counters(&table, counters);
	print_events(&table, st, counters);
	add_verdict(&table, counters);
	add_remarks(&table, counters);
	left_out_lines(counters, add_line, &table);
	stat_print(to, &table);
	print_left_out(to, counters);
}

/* ---- saving and loading ---- */

#define COUNTER(name) STAT_ONE(#name, STAT_SUM, struct cap_counters, name)
#define EVENTS(name) STAT_MANY(#name, struct cap_counters, name, CAP_N_EVENTS)

static const struct stat_field counter_fields[] = {
	COUNTER(packets),
	COUNTER(packet_bytes),
	COUNTER(not_tcp),
	COUNTER(other_ports),
	COUNTER(bad_packets),
	COUNTER(cut_packets),
	COUNTER(dropped_packets),
	COUNTER(fragments),
	COUNTER(datagrams),
	COUNTER(segments),
	COUNTER(segment_bytes),
	COUNTER(retransmissions),
	COUNTER(retransmitted_bytes),
	COUNTER(out_of_order),
	COUNTER(streams),
	COUNTER(streams_selected),
	COUNTER(streams_no_start),
	COUNTER(resets),
	COUNTER(keyless_streams),
	COUNTER(cut_frames),
	COUNTER(late_frames),
	STAT_ONE("late_ns", STAT_MAX, struct cap_counters, late_ns),
	EVENTS(events),
	EVENTS(event_bytes),
	{ .name = NULL },
};

/* All but the pointer at its end. */
_Static_assert(AT(left_out) ==
	(sizeof(counter_fields) / sizeof(counter_fields[0]) - 3 +
	    2 * CAP_N_EVENTS) *
	    sizeof(uint64_t),
    "each counter has a field");

static const struct stat_field reason_fields[] = {
	STAT_ONE("reason", STAT_NAME, struct reason, text),
	STAT_ONE("count", STAT_SUM, struct reason, count),
	STAT_ONE("bytes", STAT_SUM, struct reason, bytes),
	{ .name = NULL },
};

/* The name of an event is the key of its list of reasons. */
static bool
save_reason(json_t *into, enum cap_event_type type, const struct reason *reason)
{
	json_t *list = json_object_get(into, event_names[type]);
	json_t *object;

	if (list == NULL) {
		list = json_array();
		if (json_object_set_new(into, event_names[type], list) != 0)
			list = NULL;
	}
	object = json_object();
	return json_array_append_new(list, object) == 0 &&
	    stat_fields_save(object, reason, reason_fields);
}

static void
save_left_out(void *arg, uint64_t key, uint64_t packets, uint32_t likely)
{
	json_t *row = json_pack("[I, I, I]", (json_int_t)key,
	    (json_int_t)packets, (json_int_t)likely);

	(void)!json_array_append_new(arg, row);
}

static bool
health_save(const void *state, const struct stat_out *to, json_t *into)
{
	const struct health *st = state;
	const struct cap_counters *counters =
	    to->counters != NULL ? to->counters : &st->merged;
	json_t *reasons = json_object(), *left_out = json_array();
	bool ok = json_object_set_new(into, "reasons", reasons) == 0 &&
	    json_object_set_new(into, "left_out", left_out) == 0 &&
	    stat_fields_save(into, counters, counter_fields);

	for (size_t i = 0; ok && i < st->n; i++)
		ok = save_reason(reasons, st->reasons[i].type, &st->reasons[i]);
	for (int i = 0; ok && i < CAP_N_EVENTS; i++)
		ok = st->others[i].count == 0 ||
		    save_reason(
			reasons, (enum cap_event_type)i, &st->others[i]);
	left_out_kinds(counters->left_out, save_left_out, left_out);
	return ok;
}

/* A reason without a text is of (others). */
static bool
load_reasons(struct health *st, json_t *from, enum cap_event_type type,
    char err[STAT_STATE_ERR_CHARS])
{
	json_t *list = json_object_get(from, event_names[type]), *object;
	struct reason *reason, got;
	size_t i;

	json_array_foreach(list, i, object)
	{
		got = (struct reason){ .text = NULL };
		if (!stat_fields_load(object, &got, reason_fields, err))
			return false;
		reason = got.text == NULL ? &st->others[type]
					  : find(st, type, got.text);
		reason->count += got.count;
		reason->bytes += got.bytes;
	}
	return true;
}

static bool
load_left_out(struct health *st, json_t *from)
{
	json_t *row;
	size_t i;

	if (st->left_out == NULL)
		st->left_out = left_out_new(0);
	st->merged.left_out = st->left_out;
	json_array_foreach(json_object_get(from, "left_out"), i, row)
	{
		json_int_t v[3];

		for (size_t j = 0; j < 3; j++)
			v[j] = json_integer_value(json_array_get(row, j));
		if (st->left_out != NULL && v[1] > 0 && v[2] >= 0 &&
		    v[2] <= INT32_MAX)
			left_out_add(st->left_out, (uint64_t)v[0],
			    (uint64_t)v[1], (uint32_t)v[2]);
	}
	return st->left_out != NULL;
}

static bool
health_load(
    void *state, json_t *from, int64_t *shift, char err[STAT_STATE_ERR_CHARS])
{
	struct health *st = state;
	json_t *reasons = json_object_get(from, "reasons");

	(void)shift;
	for (int i = 0; i < CAP_N_EVENTS; i++)
		if (!load_reasons(st, reasons, (enum cap_event_type)i, err))
			return false;
	return stat_fields_load(from, &st->merged, counter_fields, err) &&
	    load_left_out(st, from);
}

const struct stat_ops stat_health = {
	.info = { .name = "health",
	    .about = "packets, retransmissions, losses; one line of verdict" },
	.make = health_new,
	.record = health_record,
	.print = health_print,
	.destroy = health_free,
	.save = health_save,
	.load = health_load,
};
