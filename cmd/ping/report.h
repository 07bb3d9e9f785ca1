/* SPDX-License-Identifier: MIT */
/*
 * report - a series as tables, for people and for programs.
 *
 *	Time  Minimum Maximum Average Stddev
 *	16:00 0.00065    3.22   0.042  0.032
 *	 sent 0.00065    1.10   0.030  0.020
 *
 * Text is a table a layer, then, if asked for, a table a node. A row counts
 * from when pings were due; where counting from when they were sent
 * differs, a second row does. Columns for what was lost, late, twice,
 * out of order or never sent are there where something was; the column Noise
 * is the longest stall of this machine itself. A line of totals ends it, and
 * one of the ways up and down, where the nodes' clocks could be estimated.
 *
 * A text table that is printed while it runs is of all nodes together.
 *
 * JSON is one object a row, CSV one line, both with everything that is known,
 * in seconds; "total" stands for the time in the rows of the whole run.
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
	bool per_node, percentiles;
};

/* All of it, of the closed buckets and the totals. False: writing failed. */
bool report_print(FILE *file, const struct series *series,
    const struct report_settings *settings);

/*
 * For a long run, as each bucket is closed (series_settings.closed): a line,
 * in text with the headings before it where they have changed. *state starts
 * as 0. Rows of single nodes are printed where per_node is set.
 */
bool report_row(FILE *file, const struct series *series,
    const struct report_settings *settings, const struct series_row *row,
    unsigned *state);

#endif
