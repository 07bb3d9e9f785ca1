/* SPDX-License-Identifier: MIT */
/*
 * In this order: open buckets of the wall clock, and the rows kept of them;
 * counting; reading a series, and merging.
 */
#include "cmd/ping/series.h"

#include "cmd/common/map.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERIES_OPEN 2 /* buckets open at a time: the current and the previous */
#define SERIES_FIRST_NODE 2 /* after the entries for all and others */

/* One node at one layer. */
struct series_slot {
	struct series_cell open[SERIES_OPEN];
	struct series_cell total;
};

struct series_node {
	uint64_t id; /* the key */
	char name[SERIES_NAME_CHARS];
	struct series_slot *slots[PING_LAYERS]; /* owned; NULL: nothing seen */
};

struct series_bucket {
	bool open;
	int64_t start_ns;
	struct hdr_sums hiccups;
};

/* Rows; when full, the oldest are discarded. */
struct series_ring {
	struct series_row *rows; /* owned; cap */
	size_t cap, max, at, n;
	uint64_t n_dropped;
};

struct series {
	struct series_settings settings;
	struct map nodes; /* of struct series_node */
	struct series_bucket buckets[SERIES_OPEN];
	int64_t closed_ns; /* start of the newest closed bucket */
	int64_t begin_ns, now_ns; /* of what was measured; 0: not said */
	struct hdr_sums hiccups;
	struct series_ring all, single;
	struct series_outage *outages; /* owned; n of cap; in order */
	size_t n_outages, outages_cap;
	uint64_t n_refused;
};

static void series_close(struct series *series, unsigned bucket);

#define ROWS_AT_FIRST 64

int64_t
series_bucket_start(const struct series *series, int64_t wall_ns)
{
	int64_t bucket_ns = series->settings.bucket_ns, into_ns;

	into_ns = (wall_ns + series->settings.zone_ns) % bucket_ns;
	if (into_ns < 0)
		into_ns += bucket_ns;
	return wall_ns - into_ns;
}

/* The open bucket that began first; -1: none is open. */
static int
oldest(const struct series *series)
{
	const struct series_bucket *b = series->buckets;

	if (b[0].open && b[1].open)
		return b[0].start_ns < b[1].start_ns ? 0 : 1;
	return b[0].open ? 0 : b[1].open ? 1 : -1;
}

static unsigned
open_bucket(struct series *series, int64_t start_ns)
{
	unsigned i = series->buckets[0].open ? 1 : 0;

	if (series->buckets[i].open) {
		i = (unsigned)oldest(series);
		series_close(series, i);
	}
	series->buckets[i] = (struct series_bucket){
		.open = true,
		.start_ns = start_ns,
	};
	return i;
}

/* The open bucket of a time; opens it if necessary. */
static unsigned
series_bucket_of(struct series *series, int64_t wall_ns)
{
	int64_t start_ns = series_bucket_start(series, wall_ns);
	int first = oldest(series);

	for (unsigned i = 0; i < SERIES_OPEN; i++)
		if (series->buckets[i].open &&
		    series->buckets[i].start_ns == start_ns)
			return i;
	if (first < 0 && start_ns <= series->closed_ns)
		return open_bucket(
		    series, series->closed_ns + series->settings.bucket_ns);
	if (first < 0 || start_ns > series->buckets[first].start_ns)
		return open_bucket(series, start_ns);
	/* Earlier than the oldest: allowed if that was not closed before. */
	if (start_ns > series->closed_ns &&
	    !(series->buckets[0].open && series->buckets[1].open))
		return open_bucket(series, start_ns);
	return (unsigned)first;
}

/* Close the oldest open bucket; false if none is open. */
static bool
series_close_oldest(struct series *series)
{
	int i = oldest(series);

	if (i < 0)
		return false;
	series_close(series, (unsigned)i);
	return true;
}

/* Was the clock set back by a bucket or more since the oldest was opened? */
static bool
set_back(const struct series *series, int64_t wall_now_ns)
{
	int64_t bucket_ns = series->settings.bucket_ns;

	for (unsigned i = 0; i < SERIES_OPEN; i++)
		if (series->buckets[i].open &&
		    wall_now_ns < series->buckets[i].start_ns - bucket_ns)
			return true;
	return false;
}

bool
series_tick(struct series *series, int64_t wall_now_ns)
{
	int64_t ends_ns =
	    series->settings.bucket_ns + series->settings.grace_ns;
	bool closed = false;
	int i;

	if (set_back(series, wall_now_ns)) {
		series_finish(series);
		return true;
	}
	while ((i = oldest(series)) >= 0 &&
	    series->buckets[i].start_ns + ends_ns <= wall_now_ns) {
		series_close(series, (unsigned)i);
		closed = true;
	}
	return closed;
}

/* Samples added after this may be of any time. */
void
series_finish(struct series *series)
{
	while (series_close_oldest(series))
		;
	series->closed_ns = INT64_MIN;
}

static void
ring_push(struct series_ring *ring, const struct series_row *row)
{
	size_t cap = ring->cap == 0 ? ROWS_AT_FIRST : ring->cap * 2;
	struct series_row *rows = NULL;

	if (cap > ring->max)
		cap = ring->max;
	if (ring->n == ring->cap && ring->cap < ring->max)
		rows = realloc(ring->rows, cap * sizeof(*rows));
	if (rows != NULL) {
		ring->rows = rows;
		ring->cap = cap;
	}
	if (ring->cap == 0) {
		ring->n_dropped++;
		return;
	}
	/* At the ceiling, or out of memory: discard the oldest. */
	if (ring->n == ring->cap) {
		ring->max = ring->cap;
		ring->rows[ring->at] = *row;
		ring->at = (ring->at + 1) % ring->cap;
		ring->n_dropped++;
		return;
	}
	ring->rows[ring->n++] = *row;
}

static bool
cell_used(const struct series_cell *cell)
{
	uint64_t n = cell->due.sums.count;

	for (unsigned i = 0; i < PING_COUNTS; i++)
		n |= cell->counts[i];
	return n != 0;
}

static void
cell_clear(struct series_cell *cell)
{
	struct hdr due = cell->due;

	hdr_clear(&due);
	*cell = (struct series_cell){ .due = due };
}

struct series_row
series_row_of(const struct series_cell *cell)
{
	struct series_row row = {
		.due = cell->due.sums,
		.sent = cell->sent,
		.up = cell->up,
		.down = cell->down,
		.clock_error = cell->clock_error,
	};

	for (unsigned i = 0; i < SERIES_QUANTILES; i++)
		row.quantiles_ns[i] =
		    hdr_quantile(&cell->due, series_quantiles[i]);
	memcpy(row.counts, cell->counts, sizeof(row.counts));
	return row;
}

static void
set_measured(const struct series *series, struct series_row *row)
{
	int64_t end_ns = row->start_ns + series->settings.bucket_ns;

	if (series->now_ns == 0)
		return;
	row->begin_ns =
	    row->start_ns > series->begin_ns ? row->start_ns : series->begin_ns;
	row->length_ns =
	    (end_ns < series->now_ns ? end_ns : series->now_ns) - row->begin_ns;
	if (row->length_ns <= 0)
		row->length_ns = 1;
}

typedef void each_row(
    void *ctx, const struct series_row *row, const struct series_cell *cell);

/* All rows of a bucket; the first one of all nodes has the hiccups. */
static void
bucket_rows(
    const struct series *series, unsigned bucket, each_row *each, void *ctx)
{
	struct series_bucket b = series->buckets[bucket];

	for (size_t i = 0; i < series->nodes.n * PING_LAYERS; i++) {
		const struct series_node *node =
		    map_at(&series->nodes, i / PING_LAYERS);
		const struct series_slot *slot = node->slots[i % PING_LAYERS];
		struct series_row row;

		if (slot == NULL || !cell_used(&slot->open[bucket]))
			continue;
		row = series_row_of(&slot->open[bucket]);
		row.start_ns = b.start_ns;
		row.node = node->id;
		row.layer = (enum ping_layer)(i % PING_LAYERS);
		set_measured(series, &row);
		if (node->id == SERIES_ALL) {
			row.hiccups = b.hiccups;
			b.hiccups = (struct hdr_sums){ 0 };
		}
		each(ctx, &row, &slot->open[bucket]);
	}
}

static void
keep_row(
    void *ctx, const struct series_row *row, const struct series_cell *cell)
{
	struct series *series = ctx;

	ring_push(
	    row->node == SERIES_ALL ? &series->all : &series->single, row);
	if (series->settings.closed != NULL)
		series->settings.closed(series->settings.ctx, row, cell);
}

/* Make rows of the bucket, and empty it. */
static void
series_close(struct series *series, unsigned bucket)
{
	struct series_bucket *b = &series->buckets[bucket];

	bucket_rows(series, bucket, keep_row, series);
	for (size_t i = 0; i < series->nodes.n * PING_LAYERS; i++) {
		struct series_node *node =
		    map_at(&series->nodes, i / PING_LAYERS);
		struct series_slot *slot = node->slots[i % PING_LAYERS];

		if (slot != NULL && cell_used(&slot->open[bucket]))
			cell_clear(&slot->open[bucket]);
	}
	if (b->start_ns > series->closed_ns)
		series->closed_ns = b->start_ns;
	b->open = false;
}

void
series_open_rows(const struct series *series, each_row *each, void *ctx)
{
	int first = oldest(series);

	if (first < 0)
		return;
	bucket_rows(series, (unsigned)first, each, ctx);
	if (series->buckets[!first].open)
		bucket_rows(series, !first, each, ctx);
}

void
series_measured(struct series *series, int64_t begin_ns, int64_t now_ns)
{
	series->begin_ns = begin_ns;
	series->now_ns = now_ns;
}

/* Counting. */

#define NODES_MAX 1024
#define ROWS_MAX 65536
#define ALL_DIGITS 3
#define NODE_DIGITS 2
#define DIFFERS_PART 0.01 /* of the mean */
#define DIFFERS_NS 1000.0

const double series_quantiles[SERIES_QUANTILES] = { 0.5, 0.9, 0.99, 0.999 };
const char *const ping_layer_names[PING_LAYERS] = { "net", "service", "hop" };
const char *const ping_count_names[PING_COUNTS] = { "lost", "late", "duplicate",
	"reordered", "missed_slot" };

static void
set_defaults(struct series_settings *settings)
{
	if (settings->bucket_ns <= 0)
		settings->bucket_ns = HDR_HOUR_NS;
	if (settings->nodes_max == 0)
		settings->nodes_max = NODES_MAX;
	if (settings->rows_max == 0)
		settings->rows_max = ROWS_MAX;
}

struct series *
series_new(const struct series_settings *settings)
{
	struct series *series = calloc(1, sizeof(*series));
	uint64_t all = SERIES_ALL, others = SERIES_OTHERS;

	if (series == NULL)
		return NULL;
	series->settings = *settings;
	set_defaults(&series->settings);
	series->closed_ns = INT64_MIN;
	series->all.max = series->single.max = series->settings.rows_max;
	if (!map_init(&series->nodes, sizeof(struct series_node), 1,
		series->settings.nodes_max + SERIES_FIRST_NODE)) {
		free(series);
		return NULL;
	}
	map_get(&series->nodes, &all);
	map_get(&series->nodes, &others);
	if (series->nodes.n != SERIES_FIRST_NODE) {
		series_free(series);
		return NULL;
	}
	return series;
}

static void
slot_free(struct series_slot *slot)
{
	if (slot == NULL)
		return;
	for (unsigned i = 0; i < SERIES_OPEN; i++)
		hdr_free(&slot->open[i].due);
	hdr_free(&slot->total.due);
	free(slot);
}

void
series_free(struct series *series)
{
	struct series_node *node;

	if (series == NULL)
		return;
	for (size_t i = 0; i < series->nodes.n; i++) {
		node = map_at(&series->nodes, i);
		for (unsigned layer = 0; layer < PING_LAYERS; layer++)
			slot_free(node->slots[layer]);
	}
	map_free(&series->nodes);
	free(series->all.rows);
	free(series->single.rows);
	free(series->outages);
	free(series);
}

static struct series_slot *
slot_new(unsigned digits)
{
	struct series_slot *slot = calloc(1, sizeof(*slot));
	bool made = slot != NULL;

	for (unsigned i = 0; made && i < SERIES_OPEN; i++)
		made = hdr_init(&slot->open[i].due, digits, HDR_HOUR_NS);
	if (made && hdr_init(&slot->total.due, digits, HDR_HOUR_NS))
		return slot;
	slot_free(slot);
	return NULL;
}

/* The entry of a node; that of SERIES_OTHERS beyond the limit. */
static struct series_node *
series_node_of(struct series *series, uint64_t id)
{
	struct series_node *node = map_get(&series->nodes, &id);

	if (node == series->nodes.others)
		return map_at(&series->nodes, 1);
	return node;
}

/* Its slot for that layer; NULL if memory has run out (counted). */
static struct series_slot *
series_slot_of(
    struct series *series, struct series_node *node, enum ping_layer layer)
{
	struct series_slot **slot = &node->slots[layer];

	if (*slot == NULL)
		*slot =
		    slot_new(node->id == SERIES_ALL ? ALL_DIGITS : NODE_DIGITS);
	if (*slot == NULL)
		series->n_refused++;
	return *slot;
}

void
series_name(struct series *series, uint64_t id, const char *name)
{
	struct series_node *node = series_node_of(series, id);

	if (node->id == id)
		snprintf(node->name, sizeof(node->name), "%s", name);
}

static void
cell_add(struct series_cell *cell, const struct ping_sample *sample)
{
	hdr_add(&cell->due, sample->due_ns);
	hdr_sums_add(&cell->sent, sample->sent_ns);
	if (!sample->has_clock)
		return;
	summary_add(&cell->up, (double)sample->up_ns);
	summary_add(&cell->down, (double)sample->down_ns);
	summary_add(&cell->clock_error, (double)sample->clock_error_ns);
}

void
series_add(struct series *series, const struct ping_sample *sample)
{
	const uint64_t ids[] = { sample->node, SERIES_ALL };
	unsigned bucket = series_bucket_of(series, sample->wall_ns);
	struct series_slot *slot;

	for (unsigned i = 0; i < 2; i++) {
		slot = series_slot_of(
		    series, series_node_of(series, ids[i]), sample->layer);
		if (slot == NULL)
			continue;
		cell_add(&slot->open[bucket], sample);
		cell_add(&slot->total, sample);
	}
}

void
series_count(struct series *series, uint64_t id, enum ping_layer layer,
    enum ping_count what, int64_t wall_ns)
{
	const uint64_t ids[] = { id, SERIES_ALL };
	unsigned bucket = series_bucket_of(series, wall_ns);
	struct series_slot *slot;

	for (unsigned i = 0; i < 2; i++) {
		slot = series_slot_of(
		    series, series_node_of(series, ids[i]), layer);
		if (slot == NULL)
			continue;
		slot->open[bucket].counts[what]++;
		slot->total.counts[what]++;
	}
}

void
series_hiccup(struct series *series, int64_t wall_ns, int64_t stall_ns)
{
	unsigned bucket = series_bucket_of(series, wall_ns);

	hdr_sums_add(&series->buckets[bucket].hiccups, stall_ns);
	hdr_sums_add(&series->hiccups, stall_ns);
}

/* ---- outages of the relay ---- */

static bool
outage_room(struct series *series)
{
	size_t cap = series->outages_cap == 0 ? 16 : 2 * series->outages_cap;
	struct series_outage *more;

	if (series->n_outages < series->outages_cap)
		return true;
	if (cap > SERIES_OUTAGES_MAX)
		return false;
	more = realloc(series->outages, cap * sizeof(*more));
	if (more == NULL)
		return false;
	series->outages = more;
	series->outages_cap = cap;
	return true;
}

void
series_outage(struct series *series, int64_t start_ns, int64_t end_ns)
{
	struct series_outage *list = series->outages;
	size_t first = series->n_outages, after = series->n_outages;

	/* those from `first`, before `after`, touch it */
	while (first > 0 && list[first - 1].end_ns >= start_ns)
		first--;
	while (after > first && list[after - 1].start_ns > end_ns)
		after--;
	if (first == after) {
		if (!outage_room(series)) {
			series->n_refused++;
			return;
		}
		list = series->outages;
		memmove(&list[first + 1], &list[first],
		    (series->n_outages++ - first) * sizeof(*list));
		list[first] = (struct series_outage){ start_ns, end_ns };
		return;
	}
	if (list[first].start_ns > start_ns)
		list[first].start_ns = start_ns;
	list[first].end_ns =
	    list[after - 1].end_ns > end_ns ? list[after - 1].end_ns : end_ns;
	memmove(&list[first + 1], &list[after],
	    (series->n_outages - after) * sizeof(*list));
	series->n_outages -= after - first - 1;
}

const struct series_outage *
series_outages(const struct series *series, size_t *n)
{
	*n = series->n_outages;
	return series->outages;
}

int64_t
series_outage_ns(const struct series *series, int64_t start_ns, int64_t end_ns)
{
	int64_t sum_ns = 0;

	for (size_t i = 0; i < series->n_outages; i++) {
		int64_t from_ns = series->outages[i].start_ns;
		int64_t to_ns = series->outages[i].end_ns;

		from_ns = from_ns > start_ns ? from_ns : start_ns;
		to_ns = to_ns < end_ns ? to_ns : end_ns;
		sum_ns += to_ns > from_ns ? to_ns - from_ns : 0;
	}
	return sum_ns;
}

bool
series_sent_differs(const struct hdr_sums *due, const struct hdr_sums *sent)
{
	double mean = hdr_sums_mean(due);
	double apart = fabs(mean - hdr_sums_mean(sent));

	return due->count > 0 && sent->count > 0 && apart > DIFFERS_NS &&
	    apart > DIFFERS_PART * mean;
}

/* Reading a series, and adding one to another. */

const struct series_settings *
series_settings(const struct series *series)
{
	return &series->settings;
}

const char *
series_name_of(const struct series *series, uint64_t id)
{
	const struct series_node *node = map_find(&series->nodes, &id);

	return node == NULL ? "" : node->name;
}

size_t
series_n_rows(const struct series *series)
{
	return series->all.n + series->single.n;
}

const struct series_row *
series_row(const struct series *series, size_t i)
{
	const struct series_ring *ring = &series->all;

	if (i >= ring->n) {
		i -= ring->n;
		ring = &series->single;
	}
	return &ring->rows[(ring->at + i) % ring->cap];
}

uint64_t
series_n_dropped(const struct series *series)
{
	return series->all.n_dropped + series->single.n_dropped;
}

uint64_t
series_n_refused(const struct series *series)
{
	return series->n_refused;
}

const struct series_cell *
series_total(const struct series *series, uint64_t id, enum ping_layer layer)
{
	const struct series_node *node = map_find(&series->nodes, &id);

	if (node == NULL || node->slots[layer] == NULL)
		return NULL;
	return &node->slots[layer]->total;
}

const struct hdr_sums *
series_total_hiccups(const struct series *series)
{
	return &series->hiccups;
}

/* Nodes beyond the limit come last, if there are any. */
static bool
has_others(const struct series *series)
{
	const struct series_node *others = map_at(&series->nodes, 1);

	for (unsigned layer = 0; layer < PING_LAYERS; layer++)
		if (others->slots[layer] != NULL)
			return true;
	return false;
}

size_t
series_n_nodes(const struct series *series)
{
	return series->nodes.n - SERIES_FIRST_NODE + has_others(series);
}

uint64_t
series_node(const struct series *series, size_t i)
{
	const struct series_node *node;

	i += SERIES_FIRST_NODE;
	node = map_at(&series->nodes, i < series->nodes.n ? i : 1);
	return node->id;
}

static void
cell_merge(struct series_cell *cell, const struct series_row *row,
    const struct hdr *due)
{
	if (due != NULL)
		hdr_merge(&cell->due, due);
	hdr_sums_merge(&cell->sent, &row->sent);
	for (unsigned i = 0; i < PING_COUNTS; i++)
		cell->counts[i] += row->counts[i];
	summary_merge(&cell->up, &row->up);
	summary_merge(&cell->down, &row->down);
	summary_merge(&cell->clock_error, &row->clock_error);
}

/* The newest bucket that was ever opened. */
static int64_t
newest_ns(const struct series *series)
{
	int64_t newest = series->closed_ns;

	for (unsigned i = 0; i < SERIES_OPEN; i++)
		if (series->buckets[i].open &&
		    series->buckets[i].start_ns > newest)
			newest = series->buckets[i].start_ns;
	return newest;
}

void
series_merge(
    struct series *series, const struct series_row *row, const struct hdr *due)
{
	struct series_slot *slot;
	unsigned bucket;

	if (series_bucket_start(series, row->start_ns) < newest_ns(series))
		series_finish(series);
	series_tick(series, row->start_ns);
	bucket = series_bucket_of(series, row->start_ns);
	slot = series_slot_of(
	    series, series_node_of(series, row->node), row->layer);
	if (slot == NULL)
		return;
	cell_merge(&slot->open[bucket], row, due);
	cell_merge(&slot->total, row, due);
	if (row->node != SERIES_ALL)
		return;
	hdr_sums_merge(&series->buckets[bucket].hiccups, &row->hiccups);
	hdr_sums_merge(&series->hiccups, &row->hiccups);
}
