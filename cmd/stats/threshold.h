/* SPDX-License-Identifier: MIT */
/*
 * threshold - the tests of --fail-if: "p99>5ms", "answered<99%".
 *
 *	[OF:] METRIC TEST LIMIT
 *
 *	OF      what the metric is of, such as a key; not every tool takes it
 *	METRIC  a row of the tool's table
 *	TEST    > >= < <=
 *	LIMIT   of a time: 5ms, 0.2s (no unit: s); of a count: a number; of a
 *	        share: a number, or a percentage
 *
 * Owns nothing: the tool measures, and says what each metric is. For
 * cmd/ping/failif and cmd/replay/report/thresholds.
 */
#ifndef STATS_THRESHOLD_H
#define STATS_THRESHOLD_H

#include "cmd/common/cli.h"

#include <stdbool.h>
#include <stddef.h>

#define THRESHOLD_OF_CHARS 128
#define THRESHOLD_VALUE_CHARS 32

enum threshold_unit {
	THRESHOLD_TIME, /* ns */
	THRESHOLD_COUNT,
	THRESHOLD_SHARE, /* a count; with a "%", a part of all */
	THRESHOLD_PERCENT, /* always a part of all */
};

struct threshold_metric {
	const char *name;
	enum threshold_unit unit;
	int kind; /* the tool's */
	double q; /* of a quantile; otherwise 0 */
};

struct threshold_table {
	const struct threshold_metric *metrics;
	size_t n;
	bool of; /* takes "OF:" */
};

struct threshold {
	const char *text; /* borrowed: as given */
	char of[THRESHOLD_OF_CHARS]; /* "": of everything */
	const struct threshold_metric *metric; /* a row of the table */
	bool below, equal; /* below: < instead of >; equal: or equal */
	bool percent; /* the limit is a part of all */
	double limit; /* ns, a count, or percent */
};

enum threshold_result {
	THRESHOLD_FALSE,
	THRESHOLD_TRUE,
	THRESHOLD_UNDECIDED, /* there is too little to measure it by */
};

/* False: err gives the column, what is wrong there, and what is expected. */
bool threshold_parse(const struct threshold_table *table, const char *text,
    struct threshold *test, char err[CLI_ERR_CHARS]);

/* Is the test true of this value, in the unit of the limit? */
bool threshold_holds(const struct threshold *test, double v);

/* "5.25 ms", "3", "99.5 %". Returns `text`. */
const char *threshold_value(
    const struct threshold *test, double v, char text[THRESHOLD_VALUE_CHARS]);

#endif
