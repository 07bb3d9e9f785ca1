/* SPDX-License-Identifier: MIT */
/*
 * failif - the tests of --fail-if for a measurement; see cmd/stats/threshold.
 *
 *	METRIC  min max avg stddev p50 p90 p99 p99.9: a time; lost: a number;
 *	        loss, lost%: a percentage of the pings
 *
 * A test is applied to the whole run, all nodes together, at each measured
 * layer, with times from when pings were due. Times are of the answers only:
 * loss is a test of its own. A quantile that is not known (hdr_quantile_known())
 * leaves a test undecided. Without any answer, every test of a time is true.
 *
 * For offline.c.
 */
#ifndef PING_FAILIF_H
#define PING_FAILIF_H

#include "cmd/common/cli.h"
#include "cmd/ping/series.h"
#include "cmd/stats/threshold.h"

/* False: err gives the column, what is wrong there, and what is expected. */
bool
failif_parse(const char *text, struct threshold *test, char err[CLI_ERR_CHARS]);

/*
 * Is it true at any layer, or else undecided at any? `what` describes the
 * measured value, or what is missing; it is unset for THRESHOLD_FALSE.
 */
enum threshold_result failif_result(const struct threshold *test,
    const struct series *series, char what[CLI_ERR_CHARS]);

#endif
