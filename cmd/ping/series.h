/* SPDX-License-Identifier: MIT */
/*
 * series - the results of pings: in all and per node, per bucket of the wall
 * clock, in bounded memory however long the run is.
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
 * A series belongs to one thread; measuring threads hand samples over.
 * No clock is read here: all times are passed in.
 *
 * A sample belongs to the bucket of the time when it was due, however late the
 * answer came. So a bucket stays open for grace_ns after its end, besides the
 * next. A sample of a closed bucket counts in the oldest open one. If the wall
 * clock is set back by a bucket or more, the open buckets are closed, and a
 * second row of the same time begins. Durations never use the wall clock.
 *
 * Histograms have 2 digits for nodes and 3 for all nodes together: at most
 * about 110 KiB of memory per node and layer, of which a few pages are
 * resident.
 */
#ifndef PING_SERIES_H
#define PING_SERIES_H

#include "cmd/stats/hdr.h"
#include "cmd/stats/summary.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIES_NAME_CHARS 64 /* with the NUL; longer ones are cut */
#define SERIES_ALL UINT64_MAX /* stands for all nodes together */
#define SERIES_OTHERS (UINT64_MAX - 1) /* nodes beyond nodes_max */
#define SERIES_QUANTILES 4
#define SERIES_OUTAGES_MAX 4096 /* more are refused */

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
	PING_LATE, /* an answer after it; already counted as lost */
	PING_DUPLICATE, /* a second answer */
	PING_REORDERED, /* answered after a later ping */
	PING_MISSED_SLOT, /* never sent: its slot had passed */
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
	int64_t sent_ns; /* the round trip, from when it was sent */
	bool has_clock; /* the next three are known */
	int64_t up_ns, down_ns; /* there and back, corrected by the offset */
	int64_t clock_error_ns; /* error bound of each */
};

/* Distributions of one node (or of all) at one layer, over a period. */
struct series_cell {
	struct hdr due; /* with exact sums */
	struct hdr_sums sent;
	uint64_t counts[PING_COUNTS];
	struct summary up, down, clock_error; /* in ns */
};

/* The part of a cell that is kept when its bucket is closed. */
struct series_row {
	int64_t start_ns; /* unix time of the bucket's start */
	/* The part of the bucket that was measured; 0: all of it. */
	int64_t begin_ns, length_ns;
	uint64_t node; /* SERIES_ALL: all nodes together */
	enum ping_layer layer;
	struct hdr_sums due, sent;
	int64_t quantiles_ns[SERIES_QUANTILES]; /* of due */
	uint64_t counts[PING_COUNTS];
	struct summary up, down, clock_error;
	/* Stalls of this machine, in the first row of SERIES_ALL only. */
	struct hdr_sums hiccups;
};

struct series;

struct series_settings {
	int64_t bucket_ns; /* 0: an hour */
	int64_t grace_ns; /* how long a bucket waits for answers */
	int64_t zone_ns; /* how far local time is ahead of UTC */
	size_t nodes_max; /* 0: 1,024; the rest is SERIES_OTHERS */
	size_t rows_max; /* 0: 65,536; then the oldest are dropped */
	/*
	 * NULL, or called for each cell of a bucket as it is closed: first
	 * SERIES_ALL at each layer with samples, then the nodes. `cell` and
	 * `row` are borrowed for the call.
	 */
	void (*closed)(void *ctx, const struct series_row *row,
	    const struct series_cell *cell);
	void *ctx;
};

/* NULL: out of memory. The settings are copied; the caller owns the series. */
struct series *series_new(const struct series_settings *settings);
void series_free(struct series *series);
const struct series_settings *series_settings(const struct series *series);

/* Set the name of a node, for tables; copied. It need not have samples. */
void series_name(struct series *series, uint64_t node, const char *name);

/* "" if it has none; borrowed until series_free(). */
const char *series_name_of(const struct series *series, uint64_t node);

void series_add(struct series *series, const struct ping_sample *sample);

/*
 * Count a ping of that node that was due at wall_ns as lost, late, ... A late
 * answer counts as late in addition to lost, and is not a sample.
 */
void series_count(struct series *series, uint64_t node, enum ping_layer layer,
    enum ping_count what, int64_t wall_ns);

/* Add a stall of this machine by stall_ns (0: it woke in time) at wall_ns. */
void series_hiccup(struct series *series, int64_t wall_ns, int64_t stall_ns);

/*
 * There was no relay in this time; an outage that touches another one extends
 * it, so that a long one may be reported as it grows.
 */
void series_outage(struct series *series, int64_t start_ns, int64_t end_ns);

/* The outages, in order of time, apart from each other. */
struct series_outage {
	int64_t start_ns, end_ns; /* unix time */
};

const struct series_outage *
series_outages(const struct series *series, size_t *n);

/* How much of that time was outage. */
int64_t
series_outage_ns(const struct series *series, int64_t start_ns, int64_t end_ns);

/*
 * Something was measured from begin_ns until now; what is outside is no part
 * of a row. Without this call, buckets were measured whole.
 */
void series_measured(struct series *series, int64_t begin_ns, int64_t now_ns);

/*
 * Call `each` for the cells of the buckets that are open, the oldest bucket
 * first, as series_settings.closed when they are closed.
 */
void series_open_rows(const struct series *series,
    void (*each)(void *ctx, const struct series_row *row,
	const struct series_cell *cell),
    void *ctx);

/* Close the buckets that ended grace_ns ago. True: one was closed. */
bool series_tick(struct series *series, int64_t wall_now_ns);

/* Close all open buckets. */
void series_finish(struct series *series);

/*
 * The rows of the closed buckets: first those of all nodes together, then
 * those of single nodes, each oldest first, at most rows_max of either. i is
 * below series_n_rows(). Valid until the next call that closes a bucket.
 */
size_t series_n_rows(const struct series *series);
const struct series_row *series_row(const struct series *series, size_t i);
uint64_t series_n_dropped(const struct series *series); /* by rows_max */

/* How many times something was not counted because memory had run out. */
uint64_t series_n_refused(const struct series *series);

/*
 * Add a closed row of another series, and the histogram that it was made from,
 * if there is one (then its sums are those of the row). Rows have to come in
 * the order of their start; an earlier one starts anew. A row of a single node
 * adds nothing to all nodes together.
 */
void series_merge(
    struct series *series, const struct series_row *row, const struct hdr *due);

/* A cell as a row, without time, node, layer and hiccups. */
struct series_row series_row_of(const struct series_cell *cell);

/*
 * The whole run, open buckets included, for a node or SERIES_ALL; NULL if there
 * are no samples at that layer. Valid until the next call that changes it.
 */
const struct series_cell *
series_total(const struct series *series, uint64_t node, enum ping_layer layer);
const struct hdr_sums *series_total_hiccups(const struct series *series);

/* The nodes named or seen, in that order; i is below series_n_nodes(). */
size_t series_n_nodes(const struct series *series);
uint64_t series_node(const struct series *series, size_t i);

/*
 * Do the times from when pings were sent differ enough to print? (The averages
 * by a hundredth, and by more than 1 us.)
 */
bool
series_sent_differs(const struct hdr_sums *due, const struct hdr_sums *sent);

/* The start of the bucket of a time. */
int64_t series_bucket_start(const struct series *series, int64_t wall_ns);

#endif
