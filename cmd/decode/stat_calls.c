/* SPDX-License-Identifier: MIT */
/*
 * -z calls: the calls of machoNet by service and method, and the time from a
 * call to its answer, by the clock of the capture.
 *
 * An answer goes the other way in the same stream (cmd/common/call); where
 * nobody says who called, the stream is the client's own. So a call that passes
 * a relay counts on both sides if both are captured.
 */
#include "cmd/common/call.h"
#include "cmd/common/map.h"
#include "cmd/decode/stat.h"
#include "cmd/stats/hdr.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define METHODS_MAX 4096
#define OUTSTANDING_MAX 65536
#define WAITING_KEY_WORDS 4
#define TIME_DIGITS 3
#define SLOWEST 10
#define NS_PER_S 1e9

struct row {
	uint64_t name[CALL_NAME_WORDS]; /* the key: union call_name */
	uint64_t calls, errors;
	uint64_t call_bytes, answer_bytes; /* with the words */
	struct hdr time_ns; /* of the answers; without counts: none came */
};

struct waiting {
	uint64_t stream, dir, call_id, client; /* the key */
	int64_t time_ns;
	uint64_t frame;
	struct row *row;
	struct waiting *older, *newer;
};

struct slow {
	int64_t ns, time_ns; /* how long, and when it was called */
	uint64_t stream, frame, answer_frame;
	const struct row *row;
};

struct calls {
	bool tree;
	struct map rows, waiting;
	struct waiting *oldest, *newest;
	struct slow slowest[SLOWEST]; /* the slowest first */
	size_t n_slowest;
	uint64_t n_given_up; /* for lack of room */
	uint64_t n_repeated; /* the same id again before an answer */
	uint64_t n_stray; /* answers to calls that were not seen */
};

static void
calls_free(void *state)
{
	struct calls *st = state;
	struct row *row;

	for (size_t i = 0; i < st->rows.n; i++) {
		row = map_at(&st->rows, i);
		hdr_free(&row->time_ns);
	}
	row = st->rows.others;
	if (row != NULL)
		hdr_free(&row->time_ns);
	map_free(&st->rows);
	map_free(&st->waiting);
	free(st);
}

static void *
calls_new(const char *arg, char *err, size_t err_bytes)
{
	struct calls *st;

	if (arg != NULL && strcmp(arg, "tree") != 0) {
		snprintf(err, err_bytes, "calls,%s: expected calls,tree", arg);
		return NULL;
	}
	st = calloc(1, sizeof(*st));
	if (st == NULL)
		return NULL;
	st->tree = arg != NULL;
	if (!map_init(
		&st->rows, sizeof(struct row), CALL_NAME_WORDS, METHODS_MAX) ||
	    !map_init(&st->waiting, sizeof(struct waiting), WAITING_KEY_WORDS,
		OUTSTANDING_MAX)) {
		calls_free(st);
		return NULL;
	}
	return st;
}

/* ---- who calls ---- */

static void
set_key(uint64_t key[WAITING_KEY_WORDS], const struct record *record,
    const struct call *call)
{
	const struct cap_event *event = record->event;

	key[0] = event->stream->number;
	/* the direction of the call */
	key[1] = (event->dir == CAP_DOWN) == (call->kind == CALL_MADE);
	key[2] = (uint64_t)call->id;
	key[3] = (uint64_t)call->client;
}

/* ---- calls and answers ---- */

static struct row *
row_of(struct calls *st, const struct bnet_brief *b)
{
	union call_name name;

	call_name_of(b, &name);
	return map_get(&st->rows, name.words);
}

static void
unlink_waiting(struct calls *st, struct waiting *w)
{
	*(w->older == NULL ? &st->oldest : &w->older->newer) = w->newer;
	*(w->newer == NULL ? &st->newest : &w->newer->older) = w->older;
}

static void
forget(struct calls *st, struct waiting *w)
{
	uint64_t key[WAITING_KEY_WORDS];

	memcpy(key, w, sizeof(key));
	unlink_waiting(st, w);
	map_remove(&st->waiting, key);
}

/* The entry for a call that begins; NULL when out of memory. */
static struct waiting *
new_waiting(struct calls *st, const uint64_t *key)
{
	struct waiting *w = map_find(&st->waiting, key);

	if (w != NULL) {
		st->n_repeated++;
		unlink_waiting(st, w);
		return w;
	}
	if (st->waiting.n == OUTSTANDING_MAX) {
		st->n_given_up++;
		forget(st, st->oldest);
	}
	w = map_get(&st->waiting, key);
	if (w != st->waiting.others)
		return w;
	st->n_given_up++;
	return NULL;
}

static void
called(struct calls *st, const struct record *record, const struct call *call)
{
	struct row *row = row_of(st, &record->payload->brief);
	uint64_t key[WAITING_KEY_WORDS];
	struct waiting *w;

	row->calls++;
	row->call_bytes += stat_wire_bytes(record->event->frame);
	if (!call->has_id)
		return;
	set_key(key, record, call);
	w = new_waiting(st, key);
	if (w == NULL)
		return;
	w->time_ns = record->event->time_ns;
	w->frame = record->event->number;
	w->row = row;
	w->older = st->newest;
	w->newer = NULL;
	*(w->older == NULL ? &st->oldest : &w->older->newer) = w;
	st->newest = w;
}

/* Keeps it if it is one of the slowest. */
static void
add_slow(struct calls *st, const struct slow *slow)
{
	size_t at = st->n_slowest;

	if (at == SLOWEST && st->slowest[at - 1].ns >= slow->ns)
		return;
	at -= at == SLOWEST;
	for (; at > 0 && st->slowest[at - 1].ns < slow->ns; at--)
		st->slowest[at] = st->slowest[at - 1];
	st->slowest[at] = *slow;
	st->n_slowest += st->n_slowest < SLOWEST;
}

static void
timed(struct calls *st, const struct record *record, const struct waiting *w)
{
	const struct slow slow = {
		.ns = stat_since_ns(record->event->time_ns, w->time_ns),
		.time_ns = w->time_ns,
		.stream = record->event->stream->number,
		.frame = w->frame,
		.answer_frame = record->event->number,
		.row = w->row,
	};

	if (w->row->time_ns.counts != NULL ||
	    hdr_init(&w->row->time_ns, TIME_DIGITS, HDR_HOUR_NS))
		hdr_add(&w->row->time_ns, slow.ns);
	add_slow(st, &slow);
}

static void
answered(struct calls *st, const struct record *record, const struct call *call)
{
	uint64_t key[WAITING_KEY_WORDS];
	struct waiting *w;

	set_key(key, record, call);
	w = map_find(&st->waiting, key);
	if (w == NULL && key[3] != 0) {
		key[3] = 0; /* the call did not say who called */
		w = map_find(&st->waiting, key);
	}
	if (w == NULL) {
		st->n_stray++;
		return;
	}
	w->row->answer_bytes += stat_wire_bytes(record->event->frame);
	if (call->kind == CALL_ERROR)
		w->row->errors++;
	else
		timed(st, record, w);
	forget(st, w);
}

static void
calls_record(void *state, const struct record *record)
{
	struct calls *st = state;
	struct call call;

	call_of(record->payload, record->event->frame, &call);
	if (call.kind == CALL_MADE)
		called(st, record, &call);
	else if (call.kind != CALL_NONE)
		answered(st, record, &call);
}

/* ---- printing ---- */

static const struct table_column columns[] = {
	{ .name = "method", .head = "method", .left = true },
	{ .name = "calls", .head = "calls" },
	{ .name = "answers", .head = "answers" },
	{ .name = "errors", .head = "errors" },
	{ .name = "unanswered", .head = "un- answered" },
	{ .name = "min_ms", .head = "min", .unit = "ms", .decimals = 3 },
	{ .name = "avg_ms", .head = "avg", .unit = "ms", .decimals = 3 },
	{ .name = "max_ms", .head = "max", .unit = "ms", .decimals = 3 },
	{ .name = "stddev_ms", .head = "stddev", .unit = "ms", .decimals = 3 },
	{ .name = "p99_ms", .head = "p99", .unit = "ms", .decimals = 3 },
	{ .name = "call_bytes", .head = "call bytes" },
	{ .name = "answer_bytes", .head = "answer bytes" },
};

#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))
#define MS(ns) ((double)(ns) / 1e6)

static void
print_name(struct table *table, const char *indent, const char *name, size_t n)
{
	table_fmt(table, "%s%.*s", indent, (int)n, name);
}

static void
print_numbers(struct table *table, const struct row *row)
{
	const struct hdr *t = &row->time_ns;
	uint64_t answers = t->sums.count;

	table_u64(table, row->calls);
	table_u64(table, answers);
	table_u64(table, row->errors);
	table_u64(table, row->calls - answers - row->errors);
	if (answers > 0) {
		table_f64(table, MS(t->sums.min));
		table_f64(table, MS(hdr_sums_mean(&t->sums)));
		table_f64(table, MS(t->sums.max));
		table_f64(table, MS(hdr_sums_stddev(&t->sums)));
		table_f64(table, MS(hdr_quantile(t, 0.99)));
	} else {
		for (int i = 0; i < 5; i++)
			table_null(table);
	}
	table_u64(table, row->call_bytes);
	table_u64(table, row->answer_bytes);
}

/* By number of calls, then by name. */
static int
by_calls(const void *a, const void *b)
{
	const struct row *x = *(void *const *)a, *y = *(void *const *)b;

	if (x->calls != y->calls)
		return x->calls < y->calls ? 1 : -1;
	return memcmp(x->name, y->name, CALL_NAME_BYTES);
}

static int
by_name(const void *a, const void *b)
{
	const struct row *x = *(void *const *)a, *y = *(void *const *)b;

	return memcmp(x->name, y->name, CALL_NAME_BYTES);
}

static void
print_row(struct table *table, const struct row *row)
{
	table_row(table);
	print_name(table, "", (const char *)row->name, CALL_NAME_BYTES);
	print_numbers(table, row);
}

/* The length of the service's name: all of it, where there is no "::". */
static size_t
service_bytes(const struct row *row)
{
	const char *text = (const char *)row->name;
	const char *end = strstr(text, "::");

	return end == NULL ? strlen(text) : (size_t)(end - text);
}

static void
add_row(struct row *sum, const struct row *row)
{
	sum->calls += row->calls;
	sum->errors += row->errors;
	sum->call_bytes += row->call_bytes;
	sum->answer_bytes += row->answer_bytes;
	if (row->time_ns.counts != NULL && sum->time_ns.counts != NULL)
		hdr_merge(&sum->time_ns, &row->time_ns);
}

/* A service, and below it its methods. Returns how many there are. */
static size_t
print_service(struct table *table, void **rows, size_t n)
{
	const struct row *first = rows[0], *row;
	const size_t bytes = service_bytes(first);
	struct row sum = { .calls = 0 };
	size_t n_rows = 0;

	(void)!hdr_init(&sum.time_ns, TIME_DIGITS, HDR_HOUR_NS);
	for (; n_rows < n; n_rows++) {
		row = rows[n_rows];
		if (service_bytes(row) != bytes ||
		    memcmp(row->name, first->name, bytes) != 0)
			break;
		add_row(&sum, row);
	}
	table_row(table);
	print_name(table, "", (const char *)first->name, bytes);
	print_numbers(table, &sum);
	for (size_t i = 0; i < n_rows; i++) {
		const char *text = (const char *)((struct row *)rows[i])->name;

		table_row(table);
		print_name(table, "  ", text + bytes + (text[bytes] ? 2 : 0),
		    CALL_NAME_BYTES - bytes - 2);
		print_numbers(table, rows[i]);
	}
	hdr_free(&sum.time_ns);
	return n_rows;
}

static void
add_notes(struct table *table, const struct calls *st)
{
	const struct {
		uint64_t n;
		const char *what;
	} notes[] = {
		{ st->n_stray, "answers to calls that were not seen" },
		{ st->n_repeated, "calls with an id that awaits its answer" },
		{ st->n_given_up,
		    "calls given up, as too many were outstanding" },
		{ st->rows.n_refused,
		    "calls to (others), as there were too many methods" },
	};

	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++)
		if (notes[i].n > 0)
			table_note(
			    table, "%s: %" PRIu64, notes[i].what, notes[i].n);
}

static const struct table_column slow_columns[] = {
	{ .name = "method", .head = "method", .left = true },
	{ .name = "ms", .head = "time", .unit = "ms", .decimals = 3 },
	{ .name = "stream", .head = "stream" },
	{ .name = "frame", .head = "frame" },
	{ .name = "answer_frame", .head = "answer frame" },
	{ .name = "time", .head = "called at" },
};

static void
print_slowest(const struct calls *st, struct stat_out *to)
{
	struct table table;

	if (st->n_slowest == 0)
		return;
	table_init(&table, "slowest_calls", "Slowest calls", slow_columns,
	    sizeof(slow_columns) / sizeof(slow_columns[0]));
	for (size_t i = 0; i < st->n_slowest; i++) {
		const struct slow *slow = &st->slowest[i];

		table_row(&table);
		if (slow->row == st->rows.others)
			table_str(&table, "(others)");
		else
			print_name(&table, "", (const char *)slow->row->name,
			    CALL_NAME_BYTES);
		table_f64(&table, MS(slow->ns));
		table_u64(&table, slow->stream);
		table_u64(&table, slow->frame);
		table_u64(&table, slow->answer_frame);
		stat_time(&table, slow->time_ns);
	}
	stat_print(to, &table);
}

static void
calls_print(const void *state, struct stat_out *to)
{
	const struct calls *st = state;
	const struct row *others = st->rows.others;
	void **rows = map_sorted(&st->rows, st->tree ? by_name : by_calls);
	struct table table;

	table_init(
	    &table, "calls", "Calls and their answers", columns, N_COLUMNS);
	for (size_t i = 0; rows != NULL && i < st->rows.n;)
		if (st->tree)
			i += print_service(&table, rows + i, st->rows.n - i);
		else
			print_row(&table, rows[i++]);
	if (others->calls > 0) {
		table_row(&table);
		table_str(&table, "(others)");
		print_numbers(&table, others);
	}
	add_notes(&table, st);
	if (rows == NULL && st->rows.n > 0)
		to->failed = true;
	free(rows);
	stat_print(to, &table);
	print_slowest(st, to);
}

static const struct stat_field row_fields[] = {
	STAT_ONE("calls", STAT_SUM, struct row, calls),
	STAT_ONE("errors", STAT_SUM, struct row, errors),
	STAT_ONE("call_bytes", STAT_SUM, struct row, call_bytes),
	STAT_ONE("answer_bytes", STAT_SUM, struct row, answer_bytes),
	{ .name = "time_ns",
	    .type = STAT_HDR,
	    .at = offsetof(struct row, time_ns),
	    .digits = TIME_DIGITS,
	    .highest = HDR_HOUR_NS },
	{ .name = NULL },
};

/* Not the slowest: they are frames of one capture. */
static const struct stat_field fields[] = {
	STAT_ONE("given_up", STAT_SUM, struct calls, n_given_up),
	STAT_ONE("repeated", STAT_SUM, struct calls, n_repeated),
	STAT_ONE("stray", STAT_SUM, struct calls, n_stray),
	{ .name = NULL },
};

static const struct stat_rows merged_rows = {
	.at = offsetof(struct calls, rows),
	.text = true,
	.fields = row_fields,
};

const struct stat_ops stat_calls = {
	.info = { .name = "calls",
	    .arg = "tree",
	    .about = "machoNet calls, answers, errors, and the time between"
		     " them, by method; tree: by service" },
	.needs = STATISTICS_NEEDS_OBJECT,
	.make = calls_new,
	.record = calls_record,
	.print = calls_print,
	.destroy = calls_free,
	.fields = fields,
	.rows = &merged_rows,
};
