/* SPDX-License-Identifier: MIT */
/*
 * plot - pictures of runs, through gnuplot if it is installed.
 *
 * One run: the averages over time, one line per layer; below, if clock offsets
 * could be estimated, the ways up and down with their error bounds. Two runs:
 * the averages of both, bucket by bucket in order. gnuplot never parses the
 * path: it writes to its standard output.
 *
 * For offline.c.
 */
#ifndef PING_PLOT_H
#define PING_PLOT_H

#include "cmd/common/cli.h"
#include "cmd/ping/series.h"

/* Does the name end in .svg or .png? Call it before measuring. */
bool plot_check(const char *path, char err[CLI_ERR_CHARS]);

/* False: err says why; a partial file is removed. */
bool plot_run(
    const char *path, const struct series *series, char err[CLI_ERR_CHARS]);
bool plot_two(const char *path, const struct series *before,
    const struct series *after, char err[CLI_ERR_CHARS]);

#endif
