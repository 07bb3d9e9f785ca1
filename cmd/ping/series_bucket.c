/* SPDX-License-Identifier: MIT */
/* Buckets of the wall clock: which are open, and what is kept of them. */
#include "cmd/ping/series_impl.h"

#include <stdlib.h>
#include <string.h>

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

/* Of those that are open, the one that began first; -1: none is. */
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

unsigned
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
	/* Before the oldest: still possible where there was none before. */
	if (start_ns > series->closed_ns &&
	    !(series->buckets[0].open && series->buckets[1].open))
		return open_bucket(series, start_ns);
	return (unsigned)first;
}

bool
series_close_oldest(struct series *series)
{
	int i = oldest(series);

	if (i < 0)
		return false;
	series_close(series, (unsigned)i);
	return true;
}

/* Has the clock gone back by a bucket, since what is open was opened? */
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

/* What is added after that may be of any time. */
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
	/* At the ceiling, or no memory for more: the oldest goes. */
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

static struct series_row
row_of(const struct series_cell *cell)
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
close_cell(struct series *series, unsigned bucket,
    const struct series_node *node, enum ping_layer layer)
{
	struct series_cell *cell = &node->slots[layer]->open[bucket];
	struct series_bucket *b = &series->buckets[bucket];
	struct series_row row;

	if (!cell_used(cell))
		return;
	row = row_of(cell);
	row.start_ns = b->start_ns;
	row.node = node->id;
	row.layer = layer;
	if (node->id == SERIES_ALL) {
		row.noise = b->noise;
		b->noise = (struct hdr_sums){ 0 };
	}
	ring_push(
	    node->id == SERIES_ALL ? &series->all : &series->single, &row);
	if (series->settings.closed != NULL)
		series->settings.closed(series->settings.ctx, &row, cell);
	cell_clear(cell);
}

void
series_close(struct series *series, unsigned bucket)
{
	struct series_bucket *b = &series->buckets[bucket];
	const struct series_node *node;

	for (size_t i = 0; i < series->nodes.n; i++) {
		node = map_at(&series->nodes, i);
		for (unsigned layer = 0; layer < PING_LAYERS; layer++)
			if (node->slots[layer] != NULL)
				close_cell(series, bucket, node,
				    (enum ping_layer)layer);
	}
	if (b->start_ns > series->closed_ns)
		series->closed_ns = b->start_ns;
	b->open = false;
}
