/* SPDX-License-Identifier: MIT */
/* What the files of series share, and nobody else. */
#ifndef PING_SERIES_IMPL_H
#define PING_SERIES_IMPL_H

#include "cmd/common/map.h"
#include "cmd/ping/series.h"

#define SERIES_OPEN 2 /* buckets at a time: the present, and the one before */
#define SERIES_FIRST_NODE 2 /* entries before it: all, others */

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
	struct hdr_sums noise;
};

/* Rows, of which the oldest make room. */
struct series_ring {
	struct series_row *rows; /* owned; cap */
	size_t cap, max, at, n;
	uint64_t n_dropped;
};

struct series {
	struct series_settings settings;
	struct map nodes; /* of struct series_node */
	struct series_bucket buckets[SERIES_OPEN];
	int64_t closed_ns; /* start of the newest that was closed */
	struct hdr_sums noise;
	struct series_ring all, single;
	uint64_t n_refused;
};

/* Which open bucket a time belongs to; makes one where it has to. */
unsigned series_bucket_of(struct series *series, int64_t wall_ns);

/* The entry of a node, or of SERIES_OTHERS where there are too many. */
struct series_node *series_node_of(struct series *series, uint64_t id);

/* Its slot for that layer; NULL where memory has run out (counted). */
struct series_slot *series_slot_of(
    struct series *series, struct series_node *node, enum ping_layer layer);

/* Make rows of what is in the bucket, and empty it. */
void series_close(struct series *series, unsigned bucket);

/* Close the open bucket that began first; false where none is open. */
bool series_close_oldest(struct series *series);

#endif
