/* SPDX-License-Identifier: MIT */
#include "cmd/stats/summary.h"

#include <math.h>
#include <stdio.h>

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

const char *
summary_percent(char text[SUMMARY_PERCENT_CHARS], double share)
{
	double percent = 100 * share;
	int decimals = percent >= 9.95 ? 0 : 1;

	if (percent > 0 && percent < 0.0001)
		(void)snprintf(text, SUMMARY_PERCENT_CHARS, "<0.0001 %%");
	else if (percent > 99 && percent < 100)
		(void)snprintf(text, SUMMARY_PERCENT_CHARS, "%.1f %%",
		    percent < 99.9 ? percent : 99.9);
	else {
		for (double p = percent; p > 0 && p < 0.995; p *= 10)
			decimals++;
		(void)snprintf(text, SUMMARY_PERCENT_CHARS, "%.*f %%",
		    percent > 0 ? decimals : 0, percent);
	}
	return text;
}

void
tally_merge(struct tally *tally, const struct tally *from)
{
	if (from->count == 0)
		return;
	if (from->max > tally->max)
		tally->max = from->max;
	if (from->min < tally->min || tally->count == 0)
		tally->min = from->min;
	tally->sum += from->sum;
	tally->count += from->count;
}

double
tally_mean(const struct tally *tally)
{
	if (tally->count == 0)
		return 0;
	return (double)tally->sum / (double)tally->count;
}
