/* SPDX-License-Identifier: MIT */
/*
 * plot - pictures of runs, through gnuplot where it is there.
 *
 * One run: the averages over time, a line a layer; and below, where clocks
 * could be estimated, the ways up and down with what they may be wrong by.
 * Two runs: the averages of both, bucket by bucket in their order.
 * Nothing of the path is ever read by gnuplot: it writes to its output.
 *
 * For offline.c.
 */
#ifndef PING_PLOT_H
#define PING_PLOT_H

#include "cmd/common/cli.h"
#include "cmd/ping/series.h"

/* Does the name end in .svg or .png? To be asked before measuring. */
bool plot_check(const char *path, char err[CLI_ERR_CHARS]);

/* False: err says why; what there is of the file is removed. */
bool plot_run(
    const char *path, const struct series *series, char err[CLI_ERR_CHARS]);
bool plot_two(const char *path, const struct series *before,
    const struct series *after, char err[CLI_ERR_CHARS]);

#endif
