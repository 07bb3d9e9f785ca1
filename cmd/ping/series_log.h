/* SPDX-License-Identifier: MIT */
/*
 * series_log - a series as a file in the log format of HdrHistogram, and back.
 *
 * Viewers of that format see the histograms: all nodes at the network layer
 * without a tag, else tagged "service", "hop", and for one node "net.7". What
 * a histogram does not hold stands before each in a comment, which they skip:
 *
 *	#[bluenet-ping log: version=1 bucket_ns=3600000000000 zone_ns=0]
 *	#[bluenet-ping row: start_ns=... node=all layer=net
 *	 due=COUNT,MIN,MAX,SUM,SUM_OF_SQUARES sent=... lost=3 ... name=...]
 *
 * (in one line), in ns. So averages and deviations come back exactly, and
 * several logs of one time, of parts of a cluster, add up to what one run
 * would have reported. Logs of others are read too: lines without a tag, as
 * ns. run.c writes logs, offline.c reads them.
 */
#ifndef PING_SERIES_LOG_H
#define PING_SERIES_LOG_H

#include "cmd/common/cli.h"
#include "cmd/ping/series.h"

#include <stdio.h>

#define SERIES_LOG_FILES_MAX 256

/* The head. Look at ferror() after these. */
void series_log_head(
    FILE *file, const struct series_settings *settings, int64_t start_ns);

/*
 * A closed row and its histogram, as series_settings.closed gets them; `name`
 * is the node's, or "". Flushed. False: out of memory, or writing failed.
 */
bool series_log_row(FILE *file, const struct series_settings *settings,
    const struct series_row *row, const struct hdr *due, const char *name);

/*
 * Read and merge logs, all at a time, in the order of their buckets, so that
 * memory does not grow with their length. bucket_ns 0: as long as in them.
 * settings (or NULL) gives what the logs do not: closed, ctx, ceilings.
 * NULL: err says which file, where in it, and what is wrong. What was left
 * out without harm (a last line that was cut) is warned of.
 */
struct series *
series_log_read(char *const *paths, size_t n_paths, int64_t bucket_ns,
    const struct series_settings *settings, char err[CLI_ERR_CHARS]);

#endif
