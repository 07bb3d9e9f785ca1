/* SPDX-License-Identifier: MIT */
#include "cmd/ping/cluster_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MIN (60 * NS_PER_S)
#define NS_PER_DAY (24 * 60 * NS_PER_MIN)
#define DECIMALS_MAX 9 /* ns */

const char *const cluster_heads[CLUSTER_COLUMNS] = { "Minimum", "Maximum",
	"Average", "Stddev" };
const char *const cluster_quantile_heads[SERIES_QUANTILES] = { "p50", "p90",
	"p99", "p99.9" };
const unsigned cluster_decimals[CLUSTER_COLUMNS] = { 5, 2, 3, 3 };

const char *const cluster_units[CLUSTER_UNITS + 1] = { "s", "ms", "us", NULL };

double
cluster_in(enum cluster_unit unit, double seconds, unsigned *decimals)
{
	const unsigned less = 3 * (unsigned)unit;

	*decimals = *decimals > less ? *decimals - less : 0;
	return seconds *
	    (unit == CLUSTER_MS          ? 1e3
		    : unit == CLUSTER_US ? 1e6
					 : 1);
}

void
cluster_cell(char text[CLUSTER_CELL_CHARS], double value, unsigned decimals)
{
	double size = fabs(value), low = decimals > 0 ? 1 : 10;
	unsigned shown = decimals;
	char *more;

	/* The n-th decimal is the second digit of 10^(1-n) and above. */
	for (unsigned i = 1; i < decimals; i++)
		low /= 10;
	while (size > 0 && size < low && shown < DECIMALS_MAX) {
		low /= 10;
		shown++;
	}
	snprintf(text, CLUSTER_CELL_CHARS, "%.*f", (int)shown, value);
	more = text + strlen(text) - (shown - decimals);
	if (strspn(more, "0") == shown - decimals)
		*more = '\0';
	more = text + strlen(text) - 1;
	if (*more == '.') /* no decimals were asked for, and none are needed */
		*more = '\0';
}

double
cluster_value(const struct hdr_sums *sums, enum cluster_column column)
{
	switch (column) {
	case CLUSTER_MINIMUM:
		return (double)sums->min / 1e9;
	case CLUSTER_MAXIMUM:
		return (double)sums->max / 1e9;
	case CLUSTER_AVERAGE:
		return hdr_sums_mean(sums) / 1e9;
	default:
		return hdr_sums_stddev(sums) / 1e9;
	}
}

void
cluster_time(char text[CLUSTER_CELL_CHARS],
    const struct series_settings *settings, int64_t start_ns)
{
	time_t local_s = (time_t)((start_ns + settings->zone_ns) / NS_PER_S);
	const char *format = "%H:%M";
	struct tm tm;

	if (settings->bucket_ns % NS_PER_MIN != 0)
		format = "%H:%M:%S";
	else if (settings->bucket_ns >= NS_PER_DAY)
		format = "%Y-%m-%d";
	text[0] = '\0';
	if (gmtime_r(&local_s, &tm) != NULL)
		strftime(text, CLUSTER_CELL_CHARS, format, &tm);
}
