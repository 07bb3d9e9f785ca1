/* SPDX-License-Identifier: MIT */
/*
 * run - a measurement from its beginning to its end: takes what measure and
 * hiccups have seen into a series, and shows it as it comes. For main.c.
 */
#ifndef PING_RUN_H
#define PING_RUN_H

#include "cmd/ping/options.h"

/* Exit codes beside those of cli.h. */
#define PING_EXIT_UNREACHABLE 3

/* Measure; returns the exit code. */
int ping_run(const struct ping_options *opt);

#endif
