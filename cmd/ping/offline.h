/* SPDX-License-Identifier: MIT */
/*
 * offline - bluenet-ping without a relay: --from and --compare; and --fail-if
 * and --plot, which also follow a measurement. For main.c and run.c.
 */
#ifndef PING_OFFLINE_H
#define PING_OFFLINE_H

#include "cmd/ping/options.h"
#include "cmd/ping/series.h"

/* Check --fail-if and --plot first: invalid values are bad usage. */
void offline_check(const struct ping_options *opt);

/* Run --from or --compare, by the mode. Returns the exit status. */
int offline_run(const struct ping_options *opt);

/*
 * After a measurement, or after reading one back: apply --fail-if and draw
 * --plot. Returns CLI_OK, or CLI_FAILED after printing why.
 */
int offline_end(const struct ping_options *opt, const struct series *series);

#endif
