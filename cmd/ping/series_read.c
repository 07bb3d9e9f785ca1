/* SPDX-License-Identifier: MIT */
/* What a series knows, and how one is added to another. */
#include "cmd/ping/series_impl.h"

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
series_total_noise(const struct series *series)
{
	return &series->noise;
}

/* Those beyond the ceiling come last, where there are any. */
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

/* The newest bucket that was ever begun. */
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
	hdr_sums_merge(&series->buckets[bucket].noise, &row->noise);
	hdr_sums_merge(&series->noise, &row->noise);
}
