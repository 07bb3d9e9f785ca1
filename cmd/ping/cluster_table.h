/* SPDX-License-Identifier: MIT */
/*
 * cluster_table - the columns of the cluster table, as an article of 2008
 * printed them, and its number format: Minimum Maximum Average Stddev, in
 * seconds. For report, compare and plot.
 */
#ifndef PING_CLUSTER_TABLE_H
#define PING_CLUSTER_TABLE_H

#include "cmd/ping/series.h"

#define CLUSTER_CELL_CHARS 32
#define CLUSTER_COLUMNS 4
#define CLUSTER_QUANTILE_DECIMALS 3

enum cluster_column {
	CLUSTER_MINIMUM = 0,
	CLUSTER_MAXIMUM,
	CLUSTER_AVERAGE,
	CLUSTER_STDDEV,
};

extern const char *const cluster_heads[CLUSTER_COLUMNS]; /* "Minimum" ... */
extern const char *const cluster_quantile_heads[SERIES_QUANTILES]; /* "p50" */
extern const unsigned cluster_decimals[CLUSTER_COLUMNS]; /* 5 2 3 3 */

/* The unit of a view; its name is that of --unit. */
enum cluster_unit {
	CLUSTER_S = 0,
	CLUSTER_MS,
	CLUSTER_US,
	CLUSTER_UNITS,
};

extern const char *const cluster_units[CLUSTER_UNITS + 1]; /* NULL at its end */

/* Seconds in a unit, and the decimals there of `decimals` of seconds. */
double cluster_in(enum cluster_unit unit, double seconds, unsigned *decimals);

/*
 * Format a value with at least `decimals` decimals, and more if they are needed
 * for two significant digits, unless the additional ones are all zero (the
 * table has 0.009).
 */
void
cluster_cell(char text[CLUSTER_CELL_CHARS], double value, unsigned decimals);

/* The value of a column, in seconds. */
double cluster_value(const struct hdr_sums *sums, enum cluster_column column);

/*
 * Format the start of a bucket: HH:MM, with seconds if buckets are shorter than
 * a minute, with the day if they are a day or longer.
 */
void cluster_time(char text[CLUSTER_CELL_CHARS],
    const struct series_settings *settings, int64_t start_ns);

#endif
