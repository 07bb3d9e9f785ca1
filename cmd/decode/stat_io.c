/* SPDX-License-Identifier: MIT */
/* -z io,INTERVAL: the traffic in each interval of time. */
#include "cmd/common/map.h"
#include "cmd/decode/stat.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S INT64_C(1000000000)
#define INTERVAL_MAX_NS (366 * 86400 * NS_PER_S)
#define EMPTY_SHOWN 5 /* a longer run of empty intervals becomes one row */

struct row {
	uint64_t at; /* the key: bits of the i64 number of the interval */
	uint64_t frames[2], bytes[2];
	uint64_t losses, lost_bytes;
};

struct io {
	struct map rows;
	struct row *row; /* the last one used, or NULL */
	int64_t from_ns, to_ns; /* its start, and the start of the next */
	int64_t start_ns; /* of interval 0 */
	int64_t interval_ns;
	bool by_clock; /* intervals start at multiples of theirs since 1970 */
	bool started; /* start_ns is set */
	int64_t first; /* the interval that 0 s is in */
};

static const struct {
	const char *name;
	int64_t ns;
} units[] = {
	{ "", NS_PER_S },
	{ "s", NS_PER_S },
	{ "ms", 1000000 },
	{ "us", 1000 },
	{ "ns", 1 },
	{ "m", 60 * NS_PER_S },
	{ "h", 3600 * NS_PER_S },
};

#define N_UNITS (sizeof(units) / sizeof(units[0]))

/*
 * Parses "1s", "500ms", "1.5m" or "0.5" (seconds), from 1 ns to
 * INTERVAL_MAX_NS. Returns false if it is invalid.
 */
static bool
parse_interval(const char *arg, int64_t *ns)
{
	size_t n_digits = strspn(arg, "0123456789."), u = 0;
	char number[32], *end;
	double value;

	if (n_digits == 0 || n_digits >= sizeof(number))
		return false;
	while (u < N_UNITS && strcmp(arg + n_digits, units[u].name) != 0)
		u++;
	if (u == N_UNITS)
		return false;
	memcpy(number, arg, n_digits);
	number[n_digits] = '\0';
	value = strtod(number, &end) * (double)units[u].ns;
	if (*end != '\0' || value < 1 || value > (double)INTERVAL_MAX_NS)
		return false;
	*ns = (int64_t)(value + 0.5);
	return true;
}

static void
io_free(void *state)
{
	struct io *st = state;

	map_free(&st->rows);
	free(st);
}

static void *
io_new(const char *arg, char *err, size_t err_bytes)
{
	static const char clock[] = ",clock";
	struct io *st;
	int64_t interval_ns;
	char text[32] = "";
	size_t n = arg == NULL ? 0 : strcspn(arg, ",");
	bool by_clock = arg != NULL && strcmp(arg + n, clock) == 0;

	if (arg != NULL && n < sizeof(text) && (by_clock || arg[n] == '\0'))
		memcpy(text, arg, n);
	if (!parse_interval(text, &interval_ns)) {
		snprintf(err, err_bytes,
		    "io: '%s' is no interval; such as io,1s io,500ms io,1m "
		    "io,0.5 io,1s,clock",
		    arg == NULL ? "" : arg);
		return NULL;
	}
	st = calloc(1, sizeof(*st));
	if (st == NULL)
		return NULL;
	st->interval_ns = interval_ns;
	st->by_clock = by_clock;
	if (!map_init(&st->rows, sizeof(struct row), 1, MAP_ENTRIES_MAX)) {
		free(st);
		return NULL;
	}
	return st;
}

/* The number of the interval of a time; negative before the first one. */
static int64_t
interval_of(const struct io *st, int64_t time_ns)
{
	int64_t since_ns = stat_since_ns(time_ns, st->start_ns);

	return since_ns / st->interval_ns - (since_ns % st->interval_ns < 0);
}

/* The last multiple of an interval that is not after it. */
static int64_t
whole_ns(const struct io *st, int64_t time_ns)
{
	const int64_t over_ns = time_ns % st->interval_ns;

	return stat_since_ns(
	    time_ns, over_ns < 0 ? over_ns + st->interval_ns : over_ns);
}

/* The row of a time outside the interval used last. */
static struct row *
find(struct io *st, int64_t time_ns)
{
	struct row *row;
	uint64_t key;
	int64_t at;

	if (!st->started)
		st->start_ns = st->by_clock ? whole_ns(st, time_ns) : time_ns;
	st->started = true;
	at = interval_of(st, time_ns);
	key = (uint64_t)at;
	row = map_get(&st->rows, &key);
	if (row == st->rows.others)
		return row;
	/*
	 * an end that overflows makes an empty range, so that we come here
	 * again
	 */
	st->row = row;
	if (__builtin_mul_overflow(at, st->interval_ns, &st->from_ns) ||
	    __builtin_add_overflow(st->from_ns, st->start_ns, &st->from_ns) ||
	    __builtin_add_overflow(st->from_ns, st->interval_ns, &st->to_ns))
		st->to_ns = st->from_ns = 0;
	return row;
}

static void
io_record(void *state, const struct record *record)
{
	struct io *st = state;
	const struct cap_event *event = record->event;
	struct row *row = st->row;

	if (row == NULL || event->clock_ns < st->from_ns ||
	    event->clock_ns >= st->to_ns)
		row = find(st, event->clock_ns);
	if (event->type == CAP_FRAME) {
		row->frames[event->dir]++;
		row->bytes[event->dir] += stat_wire_bytes(event->frame);
	} else if (stat_is_loss(event->type)) {
		row->losses++;
		row->lost_bytes += event->bytes;
	}
}

static int
by_time(const void *a, const void *b)
{
	const struct row *x = *(void *const *)a, *y = *(void *const *)b;
	int64_t i = (int64_t)x->at, j = (int64_t)y->at;

	return (i > j) - (i < j);
}

static const struct table_column columns[] = {
	{ .name = "start_s", .head = "start", .unit = "s", .decimals = 6 },
	{ .name = "time", .head = "", .in = TABLE_JSON },
	{ .name = "intervals", .head = "", .in = TABLE_JSON },
	{ .name = "frames_up", .head = "frames up" },
	{ .name = "bytes_up", .head = "bytes up" },
	{ .name = "frames_down", .head = "frames down" },
	{ .name = "bytes_down", .head = "bytes down" },
	{ .name = "losses", .head = "losses" },
	{ .name = "lost_bytes", .head = "bytes lost" },
	{ .name = "remark", .head = "", .left = true, .in = TABLE_TEXT },
};

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

/* Prints a row for `n` intervals from `at` on. */
static void
print_row(const struct io *st, struct table *table, int64_t at, uint64_t n,
    const struct row *row)
{
	double interval_s = (double)st->interval_ns / (double)NS_PER_S;
	int64_t time_ns = 0;

	table_row(table);
	table_f64(table, ((double)at - (double)st->first) * interval_s);
	if (__builtin_mul_overflow(at, st->interval_ns, &time_ns) ||
	    __builtin_add_overflow(time_ns, st->start_ns, &time_ns))
		table_null(table);
	else
		stat_time(table, time_ns);
	table_u64(table, n);
	print_numbers(table, row);
	if (n > 1)
		table_fmt(table, "%" PRIu64 " empty intervals", n);
}

/* Prints the empty intervals between two rows. */
static void
print_empty(const struct io *st, struct table *table, int64_t at, int64_t next)
{
	static const struct row empty;
	uint64_t n = (uint64_t)next - (uint64_t)at;

	if (n > EMPTY_SHOWN) {
		print_row(st, table, at, n, &empty);
		return;
	}
	for (; at < next; at++)
		print_row(st, table, at, 1, &empty);
}

static void
print_others(struct table *table, const struct map *rows)
{
	if (rows->n_refused == 0)
		return;
	table_row(table);
	table_str(table, "(others)");
	for (int i = 1; i < 3; i++) /* up to the numbers */
		table_null(table);
	print_numbers(table, rows->others);
	table_note(table,
	    "only the first %zu intervals with traffic have a row: the last "
	    "row is of all others",
	    rows->n);
}

static void
io_print(const void *state, struct stat_out *to)
{
	const struct io *st = state;
	void **rows = map_sorted(&st->rows, by_time);
	const struct row *row, *before = NULL;
	struct table table;
	char title[64];

	snprintf(title, sizeof(title), "Traffic in intervals of %g s",
	    (double)st->interval_ns / (double)NS_PER_S);
	table_init(
	    &table, "io", title, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; rows != NULL && i < st->rows.n; i++) {
		row = rows[i];
		if (before != NULL)
			print_empty(st, &table, (int64_t)before->at + 1,
			    (int64_t)row->at);
		print_row(st, &table, (int64_t)row->at, 1, row);
		before = row;
	}
	print_others(&table, &st->rows);
	if (rows == NULL && st->rows.n > 0)
		to->failed = true;
	free(rows);
	stat_print(to, &table);
}

static bool
io_save(const void *state, const struct stat_out *to, json_t *into)
{
	const struct io *st = state;
	int64_t start_ns = 0;

	(void)to;
	if (!st->started)
		return true;
	if (__builtin_mul_overflow(st->first, st->interval_ns, &start_ns) ||
	    __builtin_add_overflow(start_ns, st->start_ns, &start_ns))
		return false;
	return json_object_set_new(into, "start_ns", json_integer(start_ns)) ==
	    0 &&
	    json_object_set_new(into, "first", json_integer(st->first)) == 0;
}

/* Intervals of another start are others, unless some agree. */
static bool
io_load(
    void *state, json_t *from, int64_t *shift, char err[STAT_STATE_ERR_CHARS])
{
	struct io *st = state;
	json_t *start = json_object_get(from, "start_ns");
	const int64_t start_ns = json_integer_value(start);
	const int64_t first =
	    json_integer_value(json_object_get(from, "first"));
	int64_t since_ns, at;

	if (start == NULL)
		return true; /* no traffic */
	if (!st->started) {
		st->start_ns = start_ns;
		st->started = true;
	}
	since_ns = stat_since_ns(start_ns, st->start_ns);
	at = interval_of(st, start_ns);
	if (since_ns % st->interval_ns != 0) {
		snprintf(err, STAT_STATE_ERR_CHARS,
		    "its intervals start at other times than those before;"
		    " intervals by the clock do not: -z io,1s,clock");
		return false;
	}
	if (__builtin_sub_overflow(at, first, shift)) {
		snprintf(err, STAT_STATE_ERR_CHARS,
		    "start_ns, first: expected times of a capture");
		return false;
	}
	if (at < st->first)
		st->first = at;
	return true;
}

static const struct stat_field row_fields[] = {
	STAT_MANY("frames", struct row, frames, 2),
	STAT_MANY("bytes", struct row, bytes, 2),
	STAT_ONE("losses", STAT_SUM, struct row, losses),
	STAT_ONE("lost_bytes", STAT_SUM, struct row, lost_bytes),
	{ .name = NULL },
};

static const struct stat_rows merged_rows = {
	.at = offsetof(struct io, rows),
	.fields = row_fields,
};

const struct stat_ops stat_io = {
	.info = { .name = "io",
	    .arg = "INTERVAL[,clock]",
	    .about = "frames and bytes each way in each interval (1s, 500ms)" },
	.make = io_new,
	.record = io_record,
	.print = io_print,
	.destroy = io_free,
	.rows = &merged_rows,
	.save = io_save,
	.load = io_load,
};
