/* SPDX-License-Identifier: MIT */
/*
 * failif - the tests of --fail-if: "p99>5ms", "lost%>=0.1".
 *
 *	METRIC  min max avg stddev p50 p90 p99 p99.9: a time (5ms, 0.2s; no
 *	        unit: s); lost: so many; lost%: so many of a hundred asked
 *	TEST    > >= < <=
 *
 * Judged over the whole run, all nodes together, at each layer measured, from
 * when pings were due. Quantiles of few samples are judged too: as the
 * nearest one that there is. With no answer at all, any test of a time fails.
 *
 * For offline.c.
 */
#ifndef PING_FAILIF_H
#define PING_FAILIF_H

#include "cmd/common/cli.h"
#include "cmd/ping/series.h"

struct failif {
	const char *text; /* borrowed: as it was given */
	unsigned metric; /* as failif.c has them */
	bool below, equal; /* < and not >; or equal, too */
	double limit; /* ns, pings, or percent */
};

/* False: err says in which column what is wrong, and what is expected. */
bool
failif_parse(const char *text, struct failif *test, char err[CLI_ERR_CHARS]);

/* Is it so, at any layer? Then `what` says what was measured. */
bool failif_true(const struct failif *test, const struct series *series,
    char what[CLI_ERR_CHARS]);

#endif
