/* SPDX-License-Identifier: MIT */
/*
 * live - a measurement from its beginning to its end: takes what measure and
 * noise have seen into a series, and shows it as it comes.
 */
#ifndef PING_RUN_H
#define PING_RUN_H

#include "cmd/ping/options.h"

/* Exit codes beside those of cli.h. */
#define PING_EXIT_UNREACHABLE 3

/* Measure; returns the exit code. */
int live_run(const struct ping_options *opt);

#endif
