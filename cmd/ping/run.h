/* SPDX-License-Identifier: MIT */
/*
 * run - a measurement from beginning to end: collects the results of measure
 * and hiccups in a series, and prints it meanwhile. For main.c.
 */
#ifndef PING_RUN_H
#define PING_RUN_H

#include "cmd/ping/options.h"

/* Exit codes beside those of cli.h. */
#define PING_EXIT_UNREACHABLE 3

/* Measure; returns the exit code. */
int ping_run(const struct ping_options *opt);

#endif
