/* SPDX-License-Identifier: MIT */
/*
 * series - what became of the samples: in all and node by node, bucket by
 * bucket of the wall clock, in memory that is fixed however long it runs.
 *
 *	series = series_new(&settings);
 *	series_name(series, 7, "sol-7");
 *	series_add(series, &sample);	... series_count(...)
 *	series_tick(series, wall_now_ns);	at least each second
 *	series_finish(series);	closes what is open
 *	... report_print(series, ...)
 *	series_free(series);
 *
 * Below: cmd/stats/hdr. Above: report, series_log, compare, fail-if, plot.
 * A series belongs to one thread; who measures in several hands over.
 * No clock is read here: all times are passed in.
 *
 * The bucket of a sample is that of when it was due, however late the answer
 * came. So a bucket stays open for grace_ns after its end, beside the next.
 * What comes for a bucket that is closed counts in the oldest open one. When
 * the wall clock is set back by a bucket or more, what is open is closed, and
 * a second row of the same time begins. Durations are never taken from the
 * wall clock.
 *
 * Nodes have histograms of 2 digits, all together one of 3: memory is about
 * 110 KiB a node and layer at most, a few pages of which are resident.
 */
#ifndef PING_SERIES_H
#define PING_SERIES_H

#include "cmd/stats/hdr.h"
#include "cmd/stats/summary.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIES_NAME_CHARS 64 /* with the NUL; longer ones are cut */
#define SERIES_ALL UINT64_MAX /* the node that is all of them */
#define SERIES_OTHERS (UINT64_MAX - 1) /* those beyond nodes_max */
#define SERIES_QUANTILES 4

/* p50 p90 p99 p99.9 */
extern const double series_quantiles[SERIES_QUANTILES];

enum ping_layer {
	PING_NET = 0,
	PING_SERVICE,
	PING_HOP,
	PING_LAYERS,
};

enum ping_count {
	PING_LOST = 0, /* no answer before the deadline */
	PING_LATE, /* an answer after it: was counted as lost before */
	PING_DUPLICATE, /* a second answer */
	PING_REORDERED, /* answered after one that was sent later */
	PING_MISSED_SLOT, /* never sent: its time had passed */
	PING_COUNTS,
};

/* "net", "service", "hop"; "lost", "late", "duplicate", ... for output. */
extern const char *const ping_layer_names[PING_LAYERS];
extern const char *const ping_count_names[PING_COUNTS];

/* One answered ping. */
struct ping_sample {
	uint64_t node;
	enum ping_layer layer;
	int64_t wall_ns; /* unix time when it was due */
	int64_t due_ns; /* the round trip, from when it was due */
	int64_t sent_ns; /* and from when it was sent */
	bool has_clock; /* the next three are known */
	int64_t up_ns, down_ns; /* there and back, less the offset */
	int64_t clock_error_ns; /* each may be wrong by that much */
};

/* Distributions of one node (or all) at one layer, over one time. */
struct series_cell {
	struct hdr due; /* with exact sums */
	struct hdr_sums sent;
	uint64_t counts[PING_COUNTS];
	struct summary up, down, clock_error; /* in ns */
};

/* What is kept of a cell when its bucket is closed. */
struct series_row {
	int64_t start_ns; /* unix time of the bucket's start */
	uint64_t node; /* SERIES_ALL: all together */
	enum ping_layer layer;
	struct hdr_sums due, sent;
	int64_t quantiles_ns[SERIES_QUANTILES]; /* of due */
	uint64_t counts[PING_COUNTS];
	struct summary up, down, clock_error;
	/* Stalls of this machine: in the first row of SERIES_ALL. */
	struct hdr_sums hiccups;
};

struct series;

struct series_settings {
	int64_t bucket_ns; /* 0: an hour */
	int64_t grace_ns; /* how long answers are waited for; 0: 0 */
	int64_t zone_ns; /* local time is that much ahead of UTC */
	size_t nodes_max; /* 0: 1,024; more are SERIES_OTHERS */
	size_t rows_max; /* 0: 65,536; the oldest go first */
	/*
	 * NULL, or called for each cell of a bucket as it is closed, first
	 * that of SERIES_ALL and each layer that saw something, then the
	 * nodes'. `cell` and `row` are borrowed for the call.
	 */
	void (*closed)(void *ctx, const struct series_row *row,
	    const struct series_cell *cell);
	void *ctx;
};

/* NULL: out of memory. The settings are copied; the series is owned. */
struct series *series_new(const struct series_settings *settings);
void series_free(struct series *series);
const struct series_settings *series_settings(const struct series *series);

/* The name of a node, for tables; copied. It need not have been seen. */
void series_name(struct series *series, uint64_t node, const char *name);

/* "" where it has none; borrowed until series_free(). */
const char *series_name_of(const struct series *series, uint64_t node);

void series_add(struct series *series, const struct ping_sample *sample);

/*
 * One more lost, late, ... ping of that node, that was due at wall_ns. A late
 * answer is counted as late besides lost, and is no sample.
 */
void series_count(struct series *series, uint64_t node, enum ping_layer layer,
    enum ping_count what, int64_t wall_ns);

/* This machine itself stood still for stall_ns (or did not: 0) then. */
void series_hiccup(struct series *series, int64_t wall_ns, int64_t stall_ns);

/* Close the buckets that ended grace_ns before now. True: one was closed. */
bool series_tick(struct series *series, int64_t wall_now_ns);

/* Close all that is open. */
void series_finish(struct series *series);

/*
 * The closed buckets' rows: first those of all nodes together, then those of
 * single nodes, each oldest first. There are rows_max of either at most, i is
 * below series_n_rows(). Good until the next call that closes a bucket.
 */
size_t series_n_rows(const struct series *series);
const struct series_row *series_row(const struct series *series, size_t i);
uint64_t series_n_dropped(const struct series *series); /* rows too many */

/* How often something could not be counted because memory had run out. */
uint64_t series_n_refused(const struct series *series);

/*
 * Add what another series has closed: a row, and the histogram that it was
 * made from, if there is one (then its sums are those of the row). Rows are
 * to come in the order of their start; an older one begins anew. Nothing is
 * counted for all together when the row is of a node.
 */
void series_merge(
    struct series *series, const struct series_row *row, const struct hdr *due);

/*
 * The whole run, open buckets included: of a node or SERIES_ALL; NULL where
 * it saw nothing at that layer. Good until the next call that changes it.
 */
const struct series_cell *
series_total(const struct series *series, uint64_t node, enum ping_layer layer);
const struct hdr_sums *series_total_hiccups(const struct series *series);

/* The nodes named or seen, in that order, i below series_n_nodes(). */
size_t series_n_nodes(const struct series *series);
uint64_t series_node(const struct series *series, size_t i);

/*
 * Did anything differ when counted from when pings were sent, so that it is
 * worth a line? (The averages by a hundredth, and by more than 1 us.)
 */
bool
series_sent_differs(const struct hdr_sums *due, const struct hdr_sums *sent);

/* The start of the bucket that a time lies in. */
int64_t series_bucket_start(const struct series *series, int64_t wall_ns);

#endif
