/* SPDX-License-Identifier: MIT */
/*
 * series_log - a series as a file in the log format of HdrHistogram, and back.
 *
 * Viewers of that format show the histograms: all nodes at the network layer
 * without a tag, otherwise tagged "service", "hop", or for a node "net.7". A
 * comment before each histogram has what the histogram does not hold; viewers
 * skip it:
 *
 *	#[bluenet-ping log: version=1 bucket_ns=3600000000000 zone_ns=0]
 *	#[bluenet-ping row: start_ns=... node=all layer=net
 *	 due=COUNT,MIN,MAX,SUM,SUM_OF_SQUARES sent=... lost=3 ... name=...]
 *
 *	#[bluenet-ping outage: start_ns=... end_ns=...]
 *
 * (each in one line), in ns. The last one is a time without a relay; one that
 * goes on is written again as it grows. So averages and deviations are restored exactly, and
 * several logs of the same time, from parts of a cluster, add up to what one
 * run would have reported. Logs of other programs are read, too: lines without
 * a tag, in ns. run.c writes logs, offline.c reads them.
 */
#ifndef PING_SERIES_LOG_H
#define PING_SERIES_LOG_H

#include "cmd/common/cli.h"
#include "cmd/ping/series.h"

#include <stdio.h>

#define SERIES_LOG_FILES_MAX 256

/* Write the head. The caller checks ferror(). */
void series_log_head(
    FILE *file, const struct series_settings *settings, int64_t start_ns);

/* Write and flush an outage. The caller checks ferror(). */
void series_log_outage(FILE *file, const struct series_outage *outage);

/*
 * Write and flush a closed row and its histogram, as series_settings.closed
 * gets them; `name` is the node's, or "". False: out of memory, or writing
 * failed.
 */
bool series_log_row(FILE *file, const struct series_settings *settings,
    const struct series_row *row, const struct hdr *due, const char *name);

/*
 * Read and merge logs, all in parallel in the order of their buckets, so that
 * memory does not grow with their length. bucket_ns 0: that of the logs.
 * settings (or NULL) adds what logs do not have: closed, ctx, limits. NULL:
 * err names the file, the position and what is wrong. Harmless omissions (a
 * truncated last line) get a warning.
 */
struct series *
series_log_read(char *const *paths, size_t n_paths, int64_t bucket_ns,
    const struct series_settings *settings, char err[CLI_ERR_CHARS]);

#endif
