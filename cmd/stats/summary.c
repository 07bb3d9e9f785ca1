/* SPDX-License-Identifier: MIT */
#include "cmd/stats/summary.h"

#include <math.h>

/*
 * Welford's method: sums distances from a moving mean, so that large values
 * with a small spread (times) do not lose digits, as a sum of squares would.
 */
void
summary_add(struct summary *sum, double value)
{
	double delta = value - sum->mean;

	if (sum->count == 0 || value < sum->min)
		sum->min = value;
	if (sum->count == 0 || value > sum->max)
		sum->max = value;
	sum->count++;
	sum->mean += delta / (double)sum->count;
	sum->m2 += delta * (value - sum->mean);
}

void
summary_merge(struct summary *sum, const struct summary *from)
{
	double n = (double)sum->count, m = (double)from->count;
	double delta = from->mean - sum->mean;

	if (from->count == 0)
		return;
	if (sum->count == 0) {
		*sum = *from;
		return;
	}
	sum->min = fmin(sum->min, from->min);
	sum->max = fmax(sum->max, from->max);
	sum->count += from->count;
	sum->mean += delta * (m / (n + m));
	sum->m2 += from->m2 + delta * delta * (n * m / (n + m));
}

double
summary_stddev(const struct summary *sum)
{
	if (sum->count < 2)
		return 0;
	return sqrt(sum->m2 / (double)sum->count);
}

double
tally_mean(const struct tally *tally)
{
	if (tally->count == 0)
		return 0;
	return (double)tally->sum / (double)tally->count;
}
