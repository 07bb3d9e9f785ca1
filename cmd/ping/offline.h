/* SPDX-License-Identifier: MIT */
/*
 * offline - bluenet-ping without a relay: --from and --compare; and what
 * follows a measurement as well: --fail-if and --plot. For main.c and run.c.
 */
#ifndef PING_OFFLINE_H
#define PING_OFFLINE_H

#include "cmd/ping/options.h"
#include "cmd/ping/series.h"

/* Before anything is done: --fail-if and --plot that are wrong are bad usage. */
void offline_check(const struct ping_options *opt);

/* --from, --compare: all of it, as the mode says. Returns the exit status. */
int offline_run(const struct ping_options *opt);

/*
 * After a measurement, or reading one back: judge it by --fail-if, and draw it
 * where --plot is given. CLI_OK; or CLI_FAILED, and why was printed.
 */
int offline_end(const struct ping_options *opt, const struct series *series);

#endif
