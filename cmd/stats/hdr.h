/* SPDX-License-Identifier: MIT */
/*
 * hdr - a histogram of times with the layout of HdrHistogram, and with the
 * exact count, minimum, maximum, mean and deviation beside it.
 *
 * Values below sub_buckets (2,048 at 3 digits) have a count each; each power
 * of two above has sub_buckets / 2. So a value is known to `digits` decimal
 * digits, at any size. The lowest value is 1 (0 counts too). Merging two adds
 * their counts, and their sums, which are whole numbers: the result is
 * exactly that of one histogram that saw everything, in any order.
 *
 * Memory is fixed when it is made: 33,792 counts at 3 digits to an hour in
 * ns, of which only the pages that are used become resident. Owns the counts;
 * used by decode (sizes), ping and replay (times).
 */
#ifndef STATS_HDR_H
#define STATS_HDR_H

#include "proto/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HDR_DIGITS_MAX 5
#define HDR_COUNTS_MAX (UINT32_C(1) << 22) /* a ceiling: 32 MiB */
#define HDR_HOUR_NS INT64_C(3600000000000)
#define HDR_LOG_LINE_BYTES_MAX (8 * 1024 * 1024)
#define HDR_LOG_ERR_CHARS 256

__extension__ typedef unsigned __int128 hdr_u128;

/* What a histogram does not know exactly. Starts out zeroed. */
struct hdr_sums {
	uint64_t count;
	int64_t min, max; /* 0 while count is 0 */
	hdr_u128 sum, sum_squares;
};

struct hdr {
	unsigned digits; /* 1 to HDR_DIGITS_MAX */
	unsigned sub_bits; /* sub_buckets is 2^sub_bits */
	int64_t highest; /* larger values count as this one */
	uint32_t n_counts;
	uint32_t first, last; /* no count outside of them is set */
	uint64_t *counts; /* n_counts; owned */
	struct hdr_sums sums;
};

/*
 * For values to `highest` (0: all that there are), at least 2. False when
 * out of memory, or where that would need more than HDR_COUNTS_MAX.
 */
bool hdr_init(struct hdr *hdr, unsigned digits, int64_t highest);
void hdr_free(struct hdr *hdr);

/* The same without the counts: no memory is taken, counts is NULL. */
bool hdr_layout(struct hdr *hdr, unsigned digits, int64_t highest);

/* All counts and sums to zero. */
void hdr_clear(struct hdr *hdr);

/* One value; below 0 it counts as 0. */
void hdr_add(struct hdr *hdr, int64_t value);

/* That often at an index below n_counts; the sums are the caller's then. */
void hdr_count(struct hdr *hdr, uint32_t index, uint64_t n);

/*
 * Add all that `from` has seen. Exact where both have the same digits;
 * otherwise each count goes where the middle of its bucket belongs.
 */
void hdr_merge(struct hdr *hdr, const struct hdr *from);

/* Which count a value goes to; the lowest and highest that go to one. */
uint32_t hdr_index(const struct hdr *hdr, int64_t value);
int64_t hdr_low(const struct hdr *hdr, uint32_t index);
int64_t hdr_high(const struct hdr *hdr, uint32_t index);

/*
 * The value that the q-th part (0 to 1) of all does not exceed: the highest
 * of its bucket, but never beyond the exact minimum and maximum. 0 where
 * there are none.
 */
int64_t hdr_quantile(const struct hdr *hdr, double q);

/*
 * As if only the counts were known: the sums that they give, from the middle
 * of each bucket. For a histogram from somebody who kept no sums.
 */
void hdr_sums_of_counts(const struct hdr *hdr, struct hdr_sums *sums);

void hdr_sums_add(struct hdr_sums *sums, int64_t value);
void hdr_sums_merge(struct hdr_sums *sums, const struct hdr_sums *from);

/* 0 where there are none; the deviation is of the population. */
double hdr_sums_mean(const struct hdr_sums *sums);
double hdr_sums_stddev(const struct hdr_sums *sums);

/* ---- as text ---- */

/*
 * A histogram as HdrHistogram's "compressed V2" text: base64 of
 *
 *	| cookie u32 0x1c849314 | bytes u32 | zlib stream of: ... |
 *	... | cookie u32 0x1c849313 | bytes u32 | index offset u32 0 |
 *	    | digits u32 | lowest u64 1 | highest u64 | ratio f64 1 | counts ... |
 *
 * all big-endian. The counts are in ZigZag LEB128 of at most 9 bytes each, a
 * negative one being so many zeros, and end with the last that is not 0.
 * Offset and ratio mean nothing here, and others write other values: skipped.
 * Text from outside is not trusted: what it claims is bounded before memory
 * is taken for it.
 */

/* NUL-terminated, to be freed by the caller; NULL when out of memory. */
char *hdr_encode(const struct hdr *hdr);

/*
 * NULL, and *hdr made, which the caller frees; its sums are those of the
 * counts. Otherwise *hdr is zeroed, and what is returned says what is wrong.
 * Where the lowest value is above 1, counts go where it would have put them.
 */
const char *hdr_decode(struct bnet_slice text, struct hdr *hdr);

/* ---- logs ---- */

/*
 * The log format of HdrHistogram, version 1.3: comments, a legend,
 * and a line an interval:
 *
 *	#[StartTime: 1221494400.000 (seconds since epoch), ...]
 *	Tag=service,1221494400.000,3600.000,3220.001,HISTFAAA...
 *	            begin, s       length, s  max, ms  histogram, as above
 *
 * Values are taken to be ns, so that the maximum is in ms. Comments of
 * one's own may stand anywhere: the usual readers skip them.
 */

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
	HDR_LOG_BAD, /* err says what; reading may go on after it */
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
