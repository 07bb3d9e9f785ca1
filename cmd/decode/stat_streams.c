/* SPDX-License-Identifier: MIT */
/* -z streams: every TCP stream, its traffic each way, duration, and losses. */
#include "cmd/common/map.h"
#include "cmd/decode/stat.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1e9

struct row {
	uint64_t number; /* the key */
	uint64_t frames[2], bytes[2];
	uint64_t losses, lost_bytes;
	int64_t first_ns, last_ns; /* as the clock showed */
	int64_t first_clock_ns, last_clock_ns; /* without its steps */
	char end[2][CAP_END_CHARS];
	enum bnet_order order;
	bool tls;
	bool seen; /* ends and times are set */
};

struct streams {
	struct map rows;
	struct row *last; /* the last one used, or NULL */
	struct row whole; /* limits that concern no single stream */
};

static void
streams_free(void *state)
{
	struct streams *st = state;

	map_free(&st->rows);
	free(st);
}

static void *
streams_new(const char *arg, char *err, size_t err_bytes)
{
	struct streams *st = calloc(1, sizeof(*st));

	(void)arg, (void)err, (void)err_bytes;
	if (st != NULL &&
	    !map_init(&st->rows, sizeof(struct row), 1, MAP_ENTRIES_MAX)) {
		free(st);
		return NULL;
	}
	return st;
}

/* The row of a stream other than the one used last. */
static struct row *
find(struct streams *st, const struct cap_event *event)
{
	const struct cap_stream *stream = event->stream;
	struct row *row;

	if (stream == NULL)
		return &st->whole;
	row = map_get(&st->rows, &stream->number);
	if (row == st->rows.others)
		return row;
	if (!row->seen) {
		memcpy(row->end, stream->end, sizeof(row->end));
		row->first_ns = row->last_ns = event->time_ns;
		row->first_clock_ns = row->last_clock_ns = event->clock_ns;
		row->seen = true;
	}
	st->last = row;
	return row;
}

static void
streams_record(void *state, const struct record *record)
{
	struct streams *st = state;
	const struct cap_event *event = record->event;
	struct row *row = st->last;

	if (row == NULL || event->stream == NULL ||
	    row->number != event->stream->number)
		row = find(st, event);
	if (event->clock_ns > row->last_clock_ns) {
		row->last_ns = event->time_ns;
		row->last_clock_ns = event->clock_ns;
	} else if (event->clock_ns < row->first_clock_ns) {
		row->first_ns = event->time_ns;
		row->first_clock_ns = event->clock_ns;
	}
	if (event->type == CAP_FRAME) {
		row->frames[event->dir]++;
		row->bytes[event->dir] += stat_wire_bytes(event->frame);
		row->order = event->stream->order;
		row->tls = event->stream->tls;
	} else if (stat_is_loss(event->type)) {
		row->losses++;
		row->lost_bytes += event->bytes;
	}
}

static int
by_number(const void *a, const void *b)
{
	const struct row *x = *(void *const *)a, *y = *(void *const *)b;

	return (x->number > y->number) - (x->number < y->number);
}

static void
print_numbers(struct table *table, const struct row *row)
{
	for (int dir = 0; dir < 2; dir++) {
		table_u64(table, row->frames[dir]);
		table_u64(table, row->bytes[dir]);
	}
	table_u64(table, row->losses);
	table_u64(table, row->lost_bytes);
}

static void
print_since(struct table *table, int64_t time_ns, int64_t start_ns)
{
	table_f64(table, (double)stat_since_ns(time_ns, start_ns) / NS_PER_S);
}

static void
print_stream(struct table *table, const struct row *row, int64_t start_ns)
{
	static const char *const orders[] = { NULL, "little", "network" };

	table_row(table);
	table_u64(table, row->number);
	table_fmt(table, "%s -> %s", row->end[0], row->end[1]);
	table_str(table, row->end[0]);
	table_str(table, row->end[1]);
	table_str(table, orders[row->order]);
	table_str(table, row->tls ? "yes" : "no");
	stat_time(table, row->first_ns);
	stat_time(table, row->last_ns);
	print_since(table, row->first_clock_ns, start_ns);
	print_since(table, row->last_clock_ns, start_ns);
	print_since(table, row->last_clock_ns, row->first_clock_ns);
	print_numbers(table, row);
}

/* Prints what belongs to no stream, or to one without a row. */
static void
print_rest(struct table *table, const char *name, const struct row *row)
{
	table_row(table);
	table_str(table, name);
	for (int i = 1; i < 11; i++) /* up to the numbers */
		table_null(table);
	print_numbers(table, row);
}

static const struct table_column columns[] = {
	{ .name = "stream", .head = "stream" },
	{ .name = "ends", .head = "ends", .left = true, .in = TABLE_TEXT },
	{ .name = "opener", .head = "", .in = TABLE_JSON },
	{ .name = "listener", .head = "", .in = TABLE_JSON },
	{ .name = "order", .head = "byte order", .left = true },
	{ .name = "tls", .head = "TLS", .left = true },
	{ .name = "first_time", .head = "", .in = TABLE_JSON },
	{ .name = "last_time", .head = "", .in = TABLE_JSON },
	{ .name = "first_s", .head = "first", .unit = "s", .decimals = 3 },
	{ .name = "last_s", .head = "last", .unit = "s", .decimals = 3 },
	{ .name = "duration_s",
	    .head = "duration",
	    .unit = "s",
	    .decimals = 3 },
	{ .name = "frames_up", .head = "frames up" },
	{ .name = "bytes_up", .head = "bytes up" },
	{ .name = "frames_down", .head = "frames down" },
	{ .name = "bytes_down", .head = "bytes down" },
	{ .name = "losses", .head = "losses" },
	{ .name = "lost_bytes", .head = "bytes lost" },
};

static void
streams_print(const void *state, struct stat_out *to)
{
	const struct streams *st = state;
	void **rows = map_sorted(&st->rows, by_number);
	const struct row *row;
	int64_t start_ns = INT64_MAX;
	struct table table;

	table_init(&table, "streams", "Streams", columns,
	    sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < st->rows.n; i++) {
		row = map_at(&st->rows, i);
		if (row->first_clock_ns < start_ns)
			start_ns = row->first_clock_ns;
	}
	for (size_t i = 0; rows != NULL && i < st->rows.n; i++)
		print_stream(&table, rows[i], start_ns);
	if (st->rows.n_refused > 0) {
		print_rest(&table, "(others)", st->rows.others);
		table_note(&table, "only the first %zu streams have a row",
		    st->rows.n);
	}
	if (st->whole.losses > 0)
		print_rest(&table, "(no stream)", &st->whole);
	if (rows == NULL && st->rows.n > 0)
		to->failed = true;
	free(rows);
	stat_print(to, &table);
}

const struct stat_ops stat_streams = {
	.info = { .name = "streams",
	    .about =
		"ends, byte order, TLS, frames and bytes each way, losses" },
	.make = streams_new,
	.record = streams_record,
	.print = streams_print,
	.destroy = streams_free,
};
