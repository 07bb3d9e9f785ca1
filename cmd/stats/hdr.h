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
 * ns, of which only the pages that are used become resident.
 */
#ifndef STATS_HDR_H
#define STATS_HDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HDR_DIGITS_MAX 5
#define HDR_COUNTS_MAX (UINT32_C(1) << 22) /* a ceiling: 32 MiB */
#define HDR_HOUR_NS INT64_C(3600000000000)

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

#endif
