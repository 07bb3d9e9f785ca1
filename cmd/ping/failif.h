/* SPDX-License-Identifier: MIT */
/*
 * failif - the tests of --fail-if: "p99>5ms", "lost%>=0.1".
 *
 *	METRIC  min max avg stddev p50 p90 p99 p99.9: a time (5ms, 0.2s; no
 *	        unit: s); lost: a number; lost%: a percentage of the pings
 *	TEST    > >= < <=
 *
 * A test is applied to the whole run, all nodes together, at each measured
 * layer, with times from when pings were due. Quantiles of few samples are
 * tested too, by the nearest sample. Without any answer, every test of a time
 * fails.
 *
 * For offline.c.
 */
#ifndef PING_FAILIF_H
#define PING_FAILIF_H

#include "cmd/common/cli.h"
#include "cmd/ping/series.h"

struct failif {
	const char *text; /* borrowed: as given */
	unsigned metric; /* index into the table of failif.c */
	bool below, equal; /* below: < instead of >; equal: or equal */
	double limit; /* ns, pings, or percent */
};

/* False: err gives the column, what is wrong there, and what is expected. */
bool
failif_parse(const char *text, struct failif *test, char err[CLI_ERR_CHARS]);

/* Is it true at any layer? If so, `what` describes the measured value. */
bool failif_true(const struct failif *test, const struct series *series,
    char what[CLI_ERR_CHARS]);

#endif
