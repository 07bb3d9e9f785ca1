/* SPDX-License-Identifier: MIT */
/* -z events: notifications of machoNet and BatchPackets, by their name. */
#include "cmd/common/map.h"
#include "cmd/decode/stat.h"
#include "cmd/stats/summary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 96 /* of a longer one, the start */
#define NAME_WORDS (NAME_BYTES / sizeof(uint64_t))
#define EVENTS_MAX 4096
#define NS_PER_S 1e9

struct row {
	uint64_t name[NAME_WORDS]; /* the key: text, filled up with NULs */
	uint64_t bytes; /* with the words */
	struct tally payload;
	struct stat_span times;
};

struct events {
	struct map rows;
};

static void
events_free(void *state)
{
	struct events *st = state;

	map_free(&st->rows);
	free(st);
}

static void *
events_new(const char *arg, char *err, size_t err_bytes)
{
	struct events *st = calloc(1, sizeof(*st));

	(void)arg, (void)err, (void)err_bytes;
	if (st != NULL &&
	    !map_init(&st->rows, sizeof(struct row), NAME_WORDS, EVENTS_MAX)) {
		free(st);
		return NULL;
	}
	return st;
}

/* The name of an event; p NULL: it is none. */
static struct bnet_string
event_name(const struct payload *p)
{
	if (p != NULL && p->kind == PAYLOAD_BATCH)
		return (struct bnet_string){ (const char *)p->root[1].v.p,
			p->root[1].n };
	if (p != NULL && p->kind == PAYLOAD_MACHO)
		return p->brief.event;
	return (struct bnet_string){ NULL, 0 };
}

static void
events_record(void *state, const struct record *record)
{
	struct events *st = state;
	const struct cap_event *event = record->event;
	const struct bnet_string text = event_name(record->payload);
	union {
		uint64_t words[NAME_WORDS];
		char text[NAME_BYTES];
	} name = { .words = { 0 } };
	struct row *row;

	if (text.p == NULL)
		return;
	memcpy(name.text, text.p,
	    text.len_bytes < NAME_BYTES - 1 ? text.len_bytes : NAME_BYTES - 1);
	row = map_get(&st->rows, name.words);
	if (!row->times.any)
		row->times.first_ns = event->time_ns;
	row->times.last_ns = event->time_ns;
	row->times.any = true;
	row->bytes += stat_wire_bytes(event->frame);
	tally_add(&row->payload, event->frame->payload.len);
}

static int
by_count(const void *a, const void *b)
{
	const struct row *x = *(void *const *)a, *y = *(void *const *)b;

	if (x->payload.count != y->payload.count)
		return x->payload.count < y->payload.count ? 1 : -1;
	return memcmp(x->name, y->name, NAME_BYTES);
}

static const struct table_column columns[] = {
	{ .name = "event", .head = "event", .left = true },
	{ .name = "events", .head = "events" },
	{ .name = "per_s", .head = "each second", .decimals = 1 },
	{ .name = "bytes", .head = "bytes" },
	{ .name = "payload_min", .head = "payload min" },
	{ .name = "payload_avg", .head = "payload avg", .decimals = 1 },
	{ .name = "payload_max", .head = "payload max" },
};

/* Printable ASCII: the names are a peer's. */
static void
print_name(struct table *table, const char *name)
{
	char text[NAME_BYTES];
	size_t n = 0;

	for (; name[n] != '\0'; n++)
		text[n] =
		    (char)(name[n] >= 0x20 && name[n] < 0x7f ? name[n] : '?');
	text[n] = '\0';
	table_str(table, text);
}

static void
print_row(struct table *table, const char *name, const struct row *row)
{
	const int64_t ns =
	    stat_since_ns(row->times.last_ns, row->times.first_ns);
	const uint64_t n = row->payload.count;

	table_row(table);
	print_name(table, name);
	table_u64(table, n);
	if (n > 1 && ns > 0)
		table_f64(table, (double)(n - 1) / ((double)ns / NS_PER_S));
	else
		table_null(table);
	table_u64(table, row->bytes);
	table_u64(table, row->payload.min);
	table_f64(table, tally_mean(&row->payload));
	table_u64(table, row->payload.max);
}

static void
events_print(const void *state, struct stat_out *to)
{
	const struct events *st = state;
	const struct row *others = st->rows.others;
	void **rows = map_sorted(&st->rows, by_count);
	struct table table;

	table_init(&table, "events", "Events", columns,
	    sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; rows != NULL && i < st->rows.n; i++) {
		const struct row *row = rows[i];

		print_row(&table, (const char *)row->name, row);
	}
	if (others->payload.count > 0)
		print_row(&table, "(others)", others);
	if (st->rows.n_refused > 0)
		table_note(
		    &table, "only the first %zu events have a row", st->rows.n);
	if (rows == NULL && st->rows.n > 0)
		to->failed = true;
	free(rows);
	stat_print(to, &table);
}

static const struct stat_field row_fields[] = {
	STAT_ONE("bytes", STAT_SUM, struct row, bytes),
	STAT_ONE("payload", STAT_TALLY, struct row, payload),
	STAT_ONE("times_ns", STAT_SPAN, struct row, times),
	{ .name = NULL },
};

static const struct stat_rows merged_rows = {
	.at = offsetof(struct events, rows),
	.text = true,
	.fields = row_fields,
};

const struct stat_ops stat_events = {
	.info = { .name = "events",
	    .about = "machoNet's notifications and BlueNet's events, by name" },
	.needs = STATISTICS_NEEDS_OBJECT,
	.make = events_new,
	.record = events_record,
	.print = events_print,
	.destroy = events_free,
	.rows = &merged_rows,
};
