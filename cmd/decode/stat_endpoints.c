/* SPDX-License-Identifier: MIT */
/*
 * -z endpoints: the ids that headers name.
 *
 * A destination has a kind (node, client, ...); a frame with forks goes to each
 * of its fork ids, which are clients. A source is only an id: the header does
 * not say whether it is a node or a client. Each row tells the directions
 * apart: a capture at a relay has a forwarded packet on its way in and out.
 */
#include "cmd/common/map.h"
#include "cmd/decode/output.h"
#include "cmd/decode/stat.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum role {
	ROLE_DEST = 0,
	ROLE_SOURCE,
};

struct key {
	uint64_t role; /* enum role */
	uint64_t dest_type; /* bits of the i64; 0 for a source */
	uint64_t id; /* bits of the i64 */
};

struct row {
	struct key key;
	uint64_t frames[2], bytes[2]; /* by enum cap_dir */
};

struct endpoints {
	struct map rows;
	struct row *last[2]; /* by role: the last one used, or NULL */
};

static void
endpoints_free(void *state)
{
	struct endpoints *st = state;

	map_free(&st->rows);
	free(st);
}

static void *
endpoints_new(const char *arg, char *err, size_t err_bytes)
{
	struct endpoints *st = calloc(1, sizeof(*st));

	(void)arg, (void)err, (void)err_bytes;
	if (st != NULL &&
	    !map_init(&st->rows, sizeof(struct row),
		sizeof(struct key) / sizeof(uint64_t), MAP_ENTRIES_MAX)) {
		free(st);
		return NULL;
	}
	return st;
}

static void
count(struct endpoints *st, const struct key *key, enum cap_dir dir,
    uint64_t bytes)
{
	uint64_t words[3] = { key->role, key->dest_type, key->id };
	struct row *row = st->last[key->role];

	if (row == NULL || row->key.id != key->id ||
	    row->key.dest_type != key->dest_type) {
		row = map_get(&st->rows, words);
		if (row != st->rows.others)
			st->last[key->role] = row;
	}
	row->frames[dir]++;
	row->bytes[dir] += bytes;
}

static void
endpoints_record(void *state, const struct record *record)
{
	struct endpoints *st = state;
	const struct bnet_packet *frame = record->event->frame;
	const enum cap_dir dir = record->event->dir;
	struct bnet_bits_rd forks;
	uint64_t bytes;

	if (record->event->type != CAP_FRAME || !frame->has_header)
		return;
	bytes = stat_wire_bytes(frame);
	count(st,
	    &(struct key){ ROLE_SOURCE, 0, (uint64_t)frame->header.source },
	    dir, bytes);
	if (frame->header.forks == 0)
		count(st,
		    &(struct key){ ROLE_DEST, (uint64_t)frame->header.dest_type,
			(uint64_t)frame->header.dest },
		    dir, bytes);
	forks = frame->forks;
	for (uint32_t i = 0; i < frame->header.forks && !forks.bad; i++)
		count(st,
		    &(struct key){
			ROLE_DEST, BNET_DEST_CLIENT, bnet_bits_u64(&forks) },
		    dir, bytes);
}

/* Orders sources first, then destinations by kind, then by id. */
static int
by_id(const void *a, const void *b)
{
	const struct row *x = *(void *const *)a, *y = *(void *const *)b;
	int64_t i, j;

	if (x->key.role != y->key.role)
		return x->key.role == ROLE_SOURCE ? -1 : 1;
	i = (int64_t)x->key.dest_type;
	j = (int64_t)y->key.dest_type;
	if (i == j) {
		i = (int64_t)x->key.id;
		j = (int64_t)y->key.id;
	}
	return (i > j) - (i < j);
}

static const struct table_column columns[] = {
	{ .name = "kind", .head = "kind", .left = true },
	{ .name = "id", .head = "id" },
	{ .name = "frames_sent", .head = "frames sent" },
	{ .name = "bytes_sent", .head = "bytes sent" },
	{ .name = "frames_received", .head = "frames received" },
	{ .name = "bytes_received", .head = "bytes received" },
	/* a relay's capture has a packet in both: as it came and as it went */
	{ .name = "frames_up", .head = "frames up" },
	{ .name = "frames_down", .head = "frames down" },
	{ .name = "bytes_up", .head = "", .in = TABLE_JSON },
	{ .name = "bytes_down", .head = "", .in = TABLE_JSON },
};

/* Both directions together, in two columns. */
static void
print_sums(struct table *table, const struct row *row)
{
	table_u64(table, row->frames[CAP_UP] + row->frames[CAP_DOWN]);
	table_u64(table, row->bytes[CAP_UP] + row->bytes[CAP_DOWN]);
}

/* The last four columns. */
static void
print_ways(struct table *table, const struct row *row)
{
	table_u64(table, row->frames[CAP_UP]);
	table_u64(table, row->frames[CAP_DOWN]);
	table_u64(table, row->bytes[CAP_UP]);
	table_u64(table, row->bytes[CAP_DOWN]);
}

static void
print_row(struct table *table, const struct row *row)
{
	const char *name = output_dest_name((int64_t)row->key.dest_type);

	table_row(table);
	if (row->key.role == ROLE_SOURCE)
		table_str(table, "source");
	else if (name != NULL)
		table_str(table, name);
	else
		table_fmt(table, "type %" PRId64, (int64_t)row->key.dest_type);
	/* in a fork, a client's id may be any u64 */
	if (row->key.role == ROLE_DEST &&
	    row->key.dest_type == BNET_DEST_CLIENT)
		table_u64(table, row->key.id);
	else
		table_i64(table, (int64_t)row->key.id);
	if (row->key.role == ROLE_DEST) {
		table_null(table);
		table_null(table);
	}
	print_sums(table, row);
	if (row->key.role == ROLE_SOURCE) {
		table_null(table);
		table_null(table);
	}
	print_ways(table, row);
}

static void
print_others(struct table *table, const struct map *rows)
{
	const struct row *others = rows->others;

	if (rows->n_refused == 0)
		return;
	table_row(table);
	table_str(table, "(others)");
	table_null(table);
	table_null(table);
	table_null(table);
	print_sums(table, others);
	print_ways(table, others);
	table_note(table,
	    "only the first %zu endpoints have a row; (others) counts frames "
	    "from and to the rest",
	    rows->n);
}

static void
endpoints_print(const void *state, struct stat_out *to)
{
	const struct endpoints *st = state;
	void **rows = map_sorted(&st->rows, by_id);
	struct table table;

	table_init(&table, "endpoints", "Endpoints", columns,
	    sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; rows != NULL && i < st->rows.n; i++)
		print_row(&table, rows[i]);
	print_others(&table, &st->rows);
	if (rows == NULL && st->rows.n > 0)
		to->failed = true;
	free(rows);
	stat_print(to, &table);
}

static const struct stat_field row_fields[] = {
	STAT_MANY("frames", struct row, frames, 2),
	STAT_MANY("bytes", struct row, bytes, 2),
	{ .name = NULL },
};

static const struct stat_rows merged_rows = {
	.at = offsetof(struct endpoints, rows),
	.fields = row_fields,
};

const struct stat_ops stat_endpoints = {
	.info = { .name = "endpoints",
	    .about = "frames and bytes of each source, node and client id" },
	.make = endpoints_new,
	.record = endpoints_record,
	.print = endpoints_print,
	.destroy = endpoints_free,
	.rows = &merged_rows,
};
