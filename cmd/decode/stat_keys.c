/* SPDX-License-Identifier: MIT */
/* -z keys: the frames by application key, and by direction. */
#include "cmd/common/map.h"
#include "cmd/decode/stat.h"
#include "cmd/stats/summary.h"

#include <stdlib.h>

struct row {
	uint64_t key; /* its 32 bits */
	const char *name; /* borrowed; or NULL */
	uint64_t frames[2], bytes[2]; /* by enum cap_dir */
	struct tally payload;
	uint64_t latency_sum_ms, latency_max_ms;
};

struct keys {
	struct map rows;
	struct row *last; /* the last one used, or NULL */
	struct row none; /* frames without a header */
};

static void
keys_free(void *state)
{
	struct keys *st = state;

	map_free(&st->rows);
	free(st);
}

static void *
keys_new(const char *arg, char *err, size_t err_bytes)
{
	struct keys *st = calloc(1, sizeof(*st));

	(void)arg, (void)err, (void)err_bytes;
	if (st != NULL &&
	    !map_init(&st->rows, sizeof(struct row), 1, MAP_ENTRIES_MAX)) {
		free(st);
		return NULL;
	}
	return st;
}

/* The row of a key other than the one used last. */
static struct row *
find(struct keys *st, const struct record *record, uint64_t key)
{
	struct row *row = map_get(&st->rows, &key);

	if (row == st->rows.others)
		return row;
	if (row->name == NULL)
		row->name = record->key_name;
	st->last = row;
	return row;
}

static void
keys_record(void *state, const struct record *record)
{
	struct keys *st = state;
	const struct bnet_packet *frame = record->event->frame;
	struct row *row = st->last;
	uint64_t key;

	if (record->event->type != CAP_FRAME)
		return;
	if (!frame->has_header) {
		row = &st->none;
	} else {
		key = (uint32_t)frame->header.key;
		if (row == NULL || row->key != key)
			row = find(st, record, key);
		row->latency_sum_ms += frame->header.latency_ms;
		if (frame->header.latency_ms > row->latency_max_ms)
			row->latency_max_ms = frame->header.latency_ms;
	}
	row->frames[record->event->dir]++;
	row->bytes[record->event->dir] += stat_wire_bytes(frame);
	tally_add(&row->payload, frame->payload.len);
}

/* Orders by number of frames, then by key. */
static int
by_frames(const void *a, const void *b)
{
	const struct row *x = *(void *const *)a, *y = *(void *const *)b;

	if (x->payload.count != y->payload.count)
		return x->payload.count < y->payload.count ? 1 : -1;
	return (x->key > y->key) - (x->key < y->key);
}

/*
 * As text, a line of 80 characters has room for a key of 20. A relay's capture
 * has a packet in both directions: as it came and as it went.
 */
static const struct table_column columns[] = {
	{ .name = "key_name", .head = "key", .left = true },
	{ .name = "", .head = "frames up", .in = TABLE_TEXT },
	{ .name = "", .head = "frames down", .in = TABLE_TEXT },
	{ .name = "key", .head = "", .in = TABLE_JSON },
	{ .name = "frames", .head = "", .in = TABLE_JSON },
	{ .name = "bytes", .head = "bytes" },
	{ .name = "bytes_percent",
	    .head = "share",
	    .unit = "%",
	    .decimals = 1 },
	{ .name = "payload_min", .head = "", .in = TABLE_JSON },
	{ .name = "payload_avg", .head = "size avg", .decimals = 1 },
	{ .name = "payload_max", .head = "size max" },
	{ .name = "latency_avg_ms",
	    .head = "latency avg",
	    .unit = "ms",
	    .decimals = 1 },
	{ .name = "latency_max_ms", .head = "latency max", .unit = "ms" },
	{ .name = "frames_up", .head = "", .in = TABLE_JSON },
	{ .name = "frames_down", .head = "", .in = TABLE_JSON },
	{ .name = "bytes_up", .head = "", .in = TABLE_JSON },
	{ .name = "bytes_down", .head = "", .in = TABLE_JSON },
};

static uint64_t
bytes_of(const struct row *row)
{
	return row->bytes[CAP_UP] + row->bytes[CAP_DOWN];
}

/* The columns after the name: of a key, or of what has none. */
static void
print_numbers(struct table *table, const struct row *row, uint64_t total_bytes,
    bool has_key, bool latency)
{
	uint64_t n = row->payload.count;

	for (int dir = CAP_UP; dir <= CAP_DOWN; dir++)
		table_u64(table, row->frames[dir]);
	if (has_key)
		table_i64(table, (int32_t)(uint32_t)row->key);
	else
		table_null(table);
	table_u64(table, n);
	table_u64(table, bytes_of(row));
	table_f64(table, stat_percent(bytes_of(row), total_bytes));
	table_u64(table, row->payload.min);
	table_f64(table, tally_mean(&row->payload));
	table_u64(table, row->payload.max);
	if (latency) {
		table_f64(table, (double)row->latency_sum_ms / (double)n);
		table_u64(table, row->latency_max_ms);
	} else {
		table_null(table);
		table_null(table);
	}
	for (int dir = CAP_UP; dir <= CAP_DOWN; dir++)
		table_u64(table, row->frames[dir]);
	for (int dir = CAP_UP; dir <= CAP_DOWN; dir++)
		table_u64(table, row->bytes[dir]);
}

static void
print_key(struct table *table, const struct row *row, uint64_t total_bytes)
{
	table_row(table);
	if (row->name != NULL)
		table_str(table, row->name);
	else if (row->key == 0)
		table_str(table, "(no key)");
	else
		table_fmt(table, "0x%08x", (unsigned)row->key);
	/* the latency of a pong is a ping */
	print_numbers(
	    table, row, total_bytes, true, row->key != (uint32_t)BNET_KEY_PONG);
}

/* Prints a row for frames without a key, if there were any. */
static void
print_rest(struct table *table, const char *name, const struct row *row,
    uint64_t total_bytes, bool latency)
{
	if (row->payload.count == 0)
		return;
	table_row(table);
	table_str(table, name);
	print_numbers(table, row, total_bytes, false, latency);
}

static uint64_t
total_bytes_of(const struct keys *st)
{
	const struct row *others = st->rows.others, *row;
	uint64_t total = bytes_of(&st->none) + bytes_of(others);

	for (size_t i = 0; i < st->rows.n; i++) {
		row = map_at(&st->rows, i);
		total += bytes_of(row);
	}
	return total;
}

static void
keys_print(const void *state, struct stat_out *to)
{
	const struct keys *st = state;
	void **rows = map_sorted(&st->rows, by_frames);
	const uint64_t total_bytes = total_bytes_of(st);
	struct table table;

	table_init(&table, "keys", "Keys", columns,
	    sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; rows != NULL && i < st->rows.n; i++)
		print_key(&table, rows[i], total_bytes);
	print_rest(&table, "(others)", st->rows.others, total_bytes, true);
	print_rest(&table, "(no header)", &st->none, total_bytes, false);
	if (st->rows.n_refused > 0)
		table_note(
		    &table, "only the first %zu keys have a row", st->rows.n);
	if (rows == NULL && st->rows.n > 0)
		to->failed = true;
	free(rows);
	stat_print(to, &table);
}

static const struct stat_field row_fields[] = {
	STAT_ONE("name", STAT_NAME, struct row, name),
	STAT_MANY("frames", struct row, frames, 2),
	STAT_MANY("bytes", struct row, bytes, 2),
	STAT_ONE("payload", STAT_TALLY, struct row, payload),
	STAT_ONE("latency_sum_ms", STAT_SUM, struct row, latency_sum_ms),
	STAT_ONE("latency_max_ms", STAT_MAX, struct row, latency_max_ms),
	{ .name = NULL },
};

static const struct stat_field fields[] = {
	{ .name = "no_header",
	    .type = STAT_PART,
	    .at = offsetof(struct keys, none),
	    .fields = row_fields },
	{ .name = NULL },
};

static const struct stat_rows merged_rows = {
	.at = offsetof(struct keys, rows),
	.fields = row_fields,
};

const struct stat_ops stat_keys = {
	.info = { .name = "keys",
	    .about = "frames, bytes, payload sizes and latency of each key" },
	.needs = STATISTICS_NEEDS_PAYLOAD | STATISTICS_NEEDS_KEY_NAME,
	.make = keys_new,
	.record = keys_record,
	.print = keys_print,
	.destroy = keys_free,
	.fields = fields,
	.rows = &merged_rows,
};
