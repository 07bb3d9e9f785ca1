/* SPDX-License-Identifier: MIT */
/*
 * hdr - a histogram of times with the layout of HdrHistogram, plus the
 * exact count, minimum, maximum, mean and deviation.
 *
 * Values below sub_buckets (2,048 at 3 digits) have a count each; each power
 * of two above has sub_buckets / 2. So a value is known to `digits` decimal
 * digits, at any size. The lowest value is 1 (0 counts too). Merging adds
 * counts and sums, which are integers: in any order, the result is exactly
 * that of one histogram of all values.
 *
 * Memory is fixed at creation: 33,792 counts for 3 digits up to an hour in ns;
 * only the pages in use become resident. Owns the counts;
 * used by decode (sizes), ping and replay (times).
 */
#ifndef STATS_HDR_H
#define STATS_HDR_H

#include "cmd/common/u128.h"
#include "proto/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HDR_DIGITS_MAX 5
#define HDR_COUNTS_MAX (UINT32_C(1) << 22) /* limit: 32 MiB */
#define HDR_HOUR_NS INT64_C(3600000000000)
#define HDR_LOG_LINE_BYTES_MAX (8 * 1024 * 1024)
#define HDR_LOG_ERR_CHARS 256

/* The exact values of a histogram. Start zeroed. */
struct hdr_sums {
	uint64_t count;
	int64_t min, max; /* 0 while count is 0 */
	struct u128 sum, sum_squares;
};

struct hdr {
	unsigned digits; /* 1 to HDR_DIGITS_MAX */
	unsigned sub_bits; /* sub_buckets is 2^sub_bits */
	int64_t highest; /* larger values count as this one */
	uint32_t n_counts;
	uint32_t first, last; /* all counts outside are 0 */
	uint64_t *counts; /* n_counts; owned */
	struct hdr_sums sums;
};

/*
 * Initialises a histogram for values up to `highest`, at least 2 (0: no limit).
 * Returns false when out of memory, or if it needed more than HDR_COUNTS_MAX
 * counts.
 */
bool hdr_init(struct hdr *hdr, unsigned digits, int64_t highest);
void hdr_free(struct hdr *hdr);

/* Sets the layout only: allocates nothing, and counts is NULL. */
bool hdr_layout(struct hdr *hdr, unsigned digits, int64_t highest);

/* Resets all counts and sums to zero. */
void hdr_clear(struct hdr *hdr);

/* Adds one value; a negative value counts as 0. */
void hdr_add(struct hdr *hdr, int64_t value);

/*
 * Adds `n` to the count at an index below n_counts; the caller sets the sums.
 */
void hdr_count(struct hdr *hdr, uint32_t index, uint64_t n);

/*
 * Adds all values of `from`. Exact if both have the same digits; otherwise each
 * count goes to the bucket of its middle value.
 */
void hdr_merge(struct hdr *hdr, const struct hdr *from);

/* The index of a value's count; the lowest and highest values of an index. */
uint32_t hdr_index(const struct hdr *hdr, int64_t value);
int64_t hdr_low(const struct hdr *hdr, uint32_t index);
int64_t hdr_high(const struct hdr *hdr, uint32_t index);

/*
 * The value that a share q (0 to 1) of all values does not exceed: the highest
 * of its bucket, limited to the exact minimum and maximum. 0 if empty.
 */
int64_t hdr_quantile(const struct hdr *hdr, double q);

#define HDR_TAIL 10 /* samples beyond a quantile that make it meaningful */

/*
 * Is that quantile of `count` samples more than chance? At least HDR_TAIL
 * samples have to lie beyond it: 20 for p50, 1,000 for p99, 10,000 for p99.9.
 */
bool hdr_quantile_known(uint64_t count, double q);

/*
 * Derives the sums from the counts, with the middle of each bucket. For a
 * histogram whose source kept no sums.
 */
void hdr_sums_of_counts(const struct hdr *hdr, struct hdr_sums *sums);

void hdr_sums_add(struct hdr_sums *sums, int64_t value);
void hdr_sums_merge(struct hdr_sums *sums, const struct hdr_sums *from);

/* Can values have these sums; and can those that a histogram has counted? */
bool hdr_sums_possible(const struct hdr_sums *sums);
bool hdr_sums_fit(const struct hdr *hdr, const struct hdr_sums *sums);

/* 0 if empty; the deviation is that of the population. */
double hdr_sums_mean(const struct hdr_sums *sums);
double hdr_sums_stddev(const struct hdr_sums *sums);

/* ---- text encoding ---- */

/*
 * A histogram as HdrHistogram's "compressed V2" text: base64 of
 *
 *	| cookie u32 0x1c849314 | bytes u32 | zlib stream of: ... |
 *	... | cookie u32 0x1c849313 | bytes u32 | index offset u32 0 |
 *	  | digits u32 | lowest u64 1 | highest u64 | ratio f64 1 | counts ... |
 *
 * all big-endian. The counts are in ZigZag LEB128 of at most 9 bytes each; a
 * negative number stands for that many zeros; the last count is not 0. Offset
 * and ratio have no meaning here, and other writers use other values, so they
 * are skipped. Text from outside is not trusted: claimed sizes are checked
 * before memory is allocated.
 */

/* NUL-terminated; the caller frees it. Returns NULL when out of memory. */
char *hdr_encode(const struct hdr *hdr);

/*
 * Decodes into *hdr and returns NULL; the caller frees *hdr, whose sums are
 * derived from the counts. On failure zeroes *hdr and returns what is wrong. If
 * the lowest value is above 1, counts go where the source would have put them.
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

/*
 * Writes the version and the start time. Check ferror() after these functions.
 */
void hdr_log_head(FILE *file, int64_t start_ns);
void hdr_log_legend(FILE *file);

/*
 * `tag` must not contain a comma or a blank; NULL: none. Returns false when out
 * of memory.
 */
bool hdr_log_line(FILE *file, const char *tag, int64_t start_ns,
    int64_t length_ns, const struct hdr *hdr);

enum hdr_log_what {
	HDR_LOG_END = 0,
	HDR_LOG_COMMENT, /* `text` is the line, from its # */
	HDR_LOG_INTERVAL, /* all members but `text` */
	HDR_LOG_BAD, /* err says what is wrong; reading may continue */
	HDR_LOG_CUT, /* the last line has no end: left out */
};

struct hdr_log {
	FILE *file; /* owned by the caller */
	uint64_t n_lines; /* lines read; the number of the last one */
	double start_s, base_s;
	bool has_base;
	char *line; /* owned */
	size_t cap_bytes;
	/* From the last line; borrowed until the next call. */
	const char *text, *tag; /* tag NULL: none */
	int64_t start_ns, length_ns;
	struct hdr hdr; /* owned */
	char err[HDR_LOG_ERR_CHARS];
};

void hdr_log_open(struct hdr_log *log, FILE *file);
void hdr_log_free(struct hdr_log *log);
enum hdr_log_what hdr_log_next(struct hdr_log *log);

#endif
