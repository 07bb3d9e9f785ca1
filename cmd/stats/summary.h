/* SPDX-License-Identifier: MIT */
/*
 * summary - count, minimum, maximum, mean and standard deviation of values that
 * are not stored.
 *
 *	struct summary	of doubles, with deviation; numerically stable
 *	struct tally	of integers, without; a few instructions per value
 *
 * Both start zeroed. Summaries can be merged in any order; the result is that
 * of all values together. Used by decode and ping.
 */
#ifndef SUMMARY_H
#define SUMMARY_H

#include <stdint.h>

struct summary {
	uint64_t count;
	double min, max; /* 0 while count is 0 */
	double mean;
	double m2; /* sum of squared distances from the mean */
};

void summary_add(struct summary *sum, double value);

/* Adds all values of `from`. */
void summary_merge(struct summary *sum, const struct summary *from);

/* Of the population, as ping's mdev; 0 if count is below 2. */
double summary_stddev(const struct summary *sum);

#define SUMMARY_PERCENT_CHARS 16

/*
 * "33 %", "0.12 %", "99.9 %": a share of 0 to 1 with two digits and no
 * exponent; "0 %" and "100 %" only where it is exactly that. Returns `text`.
 */
const char *summary_percent(char text[SUMMARY_PERCENT_CHARS], double share);

struct tally {
	uint64_t count;
	uint64_t sum;
	uint64_t min, max; /* 0 while count is 0 */
};

static inline void
tally_add(struct tally *tally, uint64_t value)
{
	if (value > tally->max)
		tally->max = value;
	if (value < tally->min || tally->count == 0)
		tally->min = value;
	tally->sum += value;
	tally->count++;
}

/* Adds all values of `from`. */
void tally_merge(struct tally *tally, const struct tally *from);

/* 0 if count is 0. */
double tally_mean(const struct tally *tally);

#endif
