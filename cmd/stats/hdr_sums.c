/* SPDX-License-Identifier: MIT */
/* The exact sums beside a histogram: whole numbers, so that order is free. */
#include "cmd/stats/hdr.h"

#include <math.h>

void
hdr_sums_add(struct hdr_sums *sums, int64_t value)
{
	hdr_u128 v = value < 0 ? 0 : (hdr_u128)value;

	if (sums->count == 0 || (int64_t)v < sums->min)
		sums->min = (int64_t)v;
	if ((int64_t)v > sums->max)
		sums->max = (int64_t)v;
	sums->count++;
	sums->sum += v;
	sums->sum_squares += v * v;
}

void
hdr_sums_merge(struct hdr_sums *sums, const struct hdr_sums *from)
{
	if (from->count == 0)
		return;
	if (sums->count == 0 || from->min < sums->min)
		sums->min = from->min;
	if (from->max > sums->max)
		sums->max = from->max;
	sums->count += from->count;
	sums->sum += from->sum;
	sums->sum_squares += from->sum_squares;
}

double
hdr_sums_mean(const struct hdr_sums *sums)
{
	if (sums->count == 0)
		return 0;
	return (double)sums->sum / (double)sums->count;
}

/*
 * The sum of squares less sum^2 / n, where the latter is mean * sum and what
 * is left of the division: in whole numbers, as both are large and close.
 */
double
hdr_sums_stddev(const struct hdr_sums *sums)
{
	hdr_u128 mean, less;

	if (sums->count < 2)
		return 0;
	mean = sums->sum / sums->count;
	less = mean * sums->sum +
	    (sums->sum % sums->count) * sums->sum / sums->count;
	if (sums->sum_squares < less)
		return 0; /* only where somebody made the sums up */
	return sqrt((double)(sums->sum_squares - less) / (double)sums->count);
}
