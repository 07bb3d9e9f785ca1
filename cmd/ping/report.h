/* SPDX-License-Identifier: MIT */
/*
 * report - a series as tables, for people and for programs.
 *
 *	Time  Minimum Maximum Average Stddev
 *	16:00 0.00065    3.22   0.042  0.032
 *	 sent 0.00065    1.10   0.030  0.020
 *
 * Text is one table per layer, then, on request, one per node. A row counts
 * from when pings were due; a second row counts from when they were sent, if
 * that differs. Columns for lost, late, duplicate, reordered and missed pings
 * appear if there were any; the column Hiccup is the longest stall of this
 * machine itself, Outage how long there was no relay. A line of totals ends the table, then one with the ways up
 * and down, if the nodes' clock offsets could be estimated.
 *
 * A text table that is printed during the run covers all nodes together.
 *
 * JSON is one object per row, CSV one line per row. Both have all values, in
 * seconds; "total" stands for the time in the rows of the whole run.
 *
 * Owns nothing. For run.c and offline.c.
 */
#ifndef PING_REPORT_H
#define PING_REPORT_H

#include "cmd/ping/series.h"

#include <stdio.h>

enum report_format {
	REPORT_TEXT = 0, /* in the order of enum ping_output */
	REPORT_JSON,
	REPORT_CSV,
};

struct report_settings {
	int format; /* enum report_format */
	int unit; /* enum cluster_unit, of the text */
	bool per_node, percentiles;
};

/* Print the closed buckets and the totals. False: writing failed. */
bool report_print(FILE *file, const struct series *series,
    const struct report_settings *settings);

/*
 * For a long run, called as each bucket is closed (series_settings.closed):
 * prints one line; as text, with the headings before it if they changed.
 * *state starts as 0. Rows of single nodes are printed if per_node is set.
 */
bool report_row(FILE *file, const struct series *series,
    const struct report_settings *settings, const struct series_row *row,
    unsigned *state);

#endif
