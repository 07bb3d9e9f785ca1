/* SPDX-License-Identifier: MIT */
/*
 * article - the columns of the table that the article of 2008 printed, and
 * how it wrote numbers: Minimum Maximum Average Stddev, in seconds.
 */
#ifndef PING_ARTICLE_H
#define PING_ARTICLE_H

#include "cmd/ping/series.h"

#define ARTICLE_CELL_CHARS 32
#define ARTICLE_COLUMNS 4
#define ARTICLE_QUANTILE_DECIMALS 3
#define ARTICLE_TAIL 10 /* samples beyond a quantile that make it worth one */

enum article_column {
	ARTICLE_MINIMUM = 0,
	ARTICLE_MAXIMUM,
	ARTICLE_AVERAGE,
	ARTICLE_STDDEV,
};

extern const char *const article_heads[ARTICLE_COLUMNS]; /* "Minimum" ... */
extern const char *const article_quantile_heads[SERIES_QUANTILES]; /* "p50" */
extern const unsigned article_decimals[ARTICLE_COLUMNS]; /* 5 2 3 3 */

/*
 * Seconds with at least that many decimals, and with so many more that two
 * significant digits are seen; unless those more are all zero (the article
 * writes 0.009).
 */
void
article_cell(char text[ARTICLE_CELL_CHARS], double seconds, unsigned decimals);

/* A column of the sums, in seconds. */
double article_value(const struct hdr_sums *sums, enum article_column column);

/*
 * Is that quantile of so many samples more than chance? At least ARTICLE_TAIL
 * of them have to lie beyond it: 20 for p50, 10,000 for p99.9.
 */
bool article_quantile_known(uint64_t count, double q);

/*
 * When a bucket began: HH:MM, with seconds where buckets are shorter than a
 * minute, the day where they are a day or longer.
 */
void article_time(char text[ARTICLE_CELL_CHARS],
    const struct series_settings *settings, int64_t start_ns);

#endif
