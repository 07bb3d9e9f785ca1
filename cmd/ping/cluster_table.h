/* SPDX-License-Identifier: MIT */
/*
 * cluster_table - the columns of the cluster table, which an article of 2008
 * printed, and how it wrote numbers: Minimum Maximum Average Stddev, in
 * seconds. For report, compare and plot.
 */
#ifndef PING_CLUSTER_TABLE_H
#define PING_CLUSTER_TABLE_H

#include "cmd/ping/series.h"

#define CLUSTER_CELL_CHARS 32
#define CLUSTER_COLUMNS 4
#define CLUSTER_QUANTILE_DECIMALS 3
#define CLUSTER_TAIL 10 /* samples beyond a quantile that make it worth one */

enum cluster_column {
	CLUSTER_MINIMUM = 0,
	CLUSTER_MAXIMUM,
	CLUSTER_AVERAGE,
	CLUSTER_STDDEV,
};

extern const char *const cluster_heads[CLUSTER_COLUMNS]; /* "Minimum" ... */
extern const char *const cluster_quantile_heads[SERIES_QUANTILES]; /* "p50" */
extern const unsigned cluster_decimals[CLUSTER_COLUMNS]; /* 5 2 3 3 */

/*
 * Seconds with at least that many decimals, and with so many more that two
 * significant digits are seen; unless those more are all zero (the table
 * has 0.009).
 */
void
cluster_cell(char text[CLUSTER_CELL_CHARS], double seconds, unsigned decimals);

/* A column of the sums, in seconds. */
double cluster_value(const struct hdr_sums *sums, enum cluster_column column);

/*
 * Is that quantile of so many samples more than chance? At least CLUSTER_TAIL
 * of them have to lie beyond it: 20 for p50, 10,000 for p99.9.
 */
bool cluster_quantile_known(uint64_t count, double q);

/*
 * When a bucket began: HH:MM, with seconds where buckets are shorter than a
 * minute, the day where they are a day or longer.
 */
void cluster_time(char text[CLUSTER_CELL_CHARS],
    const struct series_settings *settings, int64_t start_ns);

#endif
