/* SPDX-License-Identifier: MIT */
/* What is counted, and where. */
#include "cmd/ping/series_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

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

struct series_node *
series_node_of(struct series *series, uint64_t id)
{
	struct series_node *node = map_get(&series->nodes, &id);

	if (node == series->nodes.others)
		return map_at(&series->nodes, 1);
	return node;
}

struct series_slot *
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
series_noise(struct series *series, int64_t wall_ns, int64_t stall_ns)
{
	unsigned bucket = series_bucket_of(series, wall_ns);

	hdr_sums_add(&series->buckets[bucket].noise, stall_ns);
	hdr_sums_add(&series->noise, stall_ns);
}

bool
series_sent_differs(const struct hdr_sums *due, const struct hdr_sums *sent)
{
	double mean = hdr_sums_mean(due);
	double apart = fabs(mean - hdr_sums_mean(sent));

	return due->count > 0 && sent->count > 0 && apart > DIFFERS_NS &&
	    apart > DIFFERS_PART * mean;
}
