/* SPDX-License-Identifier: MIT */
/*
 * hdr_log - the log format of HdrHistogram, version 1.3: comments, a legend,
 * and a line an interval:
 *
 *	#[StartTime: 1221494400.000 (seconds since epoch), ...]
 *	Tag=service,1221494400.000,3600.000,3220.001,HISTFAAA...
 *	            begin, s       length, s  max, ms  histogram (hdr_codec)
 *
 * Values are taken to be ns, so that the maximum is told in ms. Comments of
 * one's own may stand anywhere: the usual readers skip them.
 */
#ifndef STATS_HDR_LOG_H
#define STATS_HDR_LOG_H

#include "cmd/stats/hdr.h"

#include <stdint.h>
#include <stdio.h>

#define HDR_LOG_LINE_BYTES_MAX (8 * 1024 * 1024)
#define HDR_LOG_ERR_CHARS 256

/* The version and when it began. Look at ferror() after these. */
void hdr_log_head(FILE *file, int64_t start_ns);
void hdr_log_legend(FILE *file);

/* `tag` is without comma or blank; NULL: none. False: out of memory. */
bool hdr_log_line(FILE *file, const char *tag, int64_t start_ns,
    int64_t length_ns, const struct hdr *hdr);

enum hdr_log_what {
	HDR_LOG_END = 0,
	HDR_LOG_COMMENT, /* `text` is the line, from its # on */
	HDR_LOG_INTERVAL, /* all but `text` */
	HDR_LOG_BAD, /* err says what; reading may go on behind it */
	HDR_LOG_CUT, /* the last line has no end: left out */
};

struct hdr_log {
	FILE *file; /* the caller's */
	uint64_t n_lines; /* read so far: the number of the last one */
	double start_s, base_s;
	bool has_base;
	char *line; /* owned */
	size_t cap_bytes;
	/* Of the last line; borrowed until the next. */
	const char *text, *tag; /* tag NULL: none */
	int64_t start_ns, length_ns;
	struct hdr hdr; /* owned */
	char err[HDR_LOG_ERR_CHARS];
};

void hdr_log_open(struct hdr_log *log, FILE *file);
void hdr_log_free(struct hdr_log *log);
enum hdr_log_what hdr_log_next(struct hdr_log *log);

#endif
