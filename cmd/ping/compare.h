/* SPDX-License-Identifier: MIT */
/*
 * compare - is one run better than another, and by how much?
 *
 * Both tables stand side by side, bucket by bucket in their order (the first
 * with the first), with the factor before / after of each column: above 1 is
 * better. "overall" takes all samples of a run together.
 *
 * The interval of a factor is where it would be in 95 of 100 repetitions, by
 * bootstrap: where both runs have COMPARE_BLOCKS buckets or more, buckets are
 * drawn anew, since samples of one time resemble each other; else samples.
 * Minimum and maximum are each one sample, of which nothing can be drawn.
 *
 * After is worse where its average or its deviation overall is more than the
 * tolerance higher, and the interval does not hold that to be chance; or
 * where it lost more pings, by more than the tolerance as a part of all.
 *
 * Owns nothing: two series are borrowed. For offline.c.
 */
#ifndef PING_COMPARE_H
#define PING_COMPARE_H

#include "cmd/ping/cluster_table.h"
#include "cmd/ping/series.h"

#include <stdio.h>

#define COMPARE_BLOCKS 10

struct compare_settings {
	int format; /* enum report_format */
	double tolerance; /* a part: 0.05 */
	uint64_t seed;
};

struct compare_factor {
	bool known; /* false: one of the two is 0, or has no samples */
	double value; /* before / after */
	bool has_interval;
	double low, high;
};

struct compare_layer {
	const struct hdr *before, *after; /* borrowed */
	struct compare_factor factors[CLUSTER_COLUMNS];
	double lost_before, lost_after; /* a part of what was asked */
	bool worse;
};

/*
 * Overall, at one layer. False: one of the two did not measure it. Where
 * memory runs out, the intervals are missing.
 */
bool compare_overall(const struct series *before, const struct series *after,
    enum ping_layer layer, const struct compare_settings *settings,
    struct compare_layer *result);

/*
 * Print all of it. *worse: at any layer; *n_layers: how many both measured.
 * False: writing failed.
 */
bool compare_print(FILE *file, const struct series *before,
    const struct series *after, const struct compare_settings *settings,
    bool *worse, unsigned *n_layers);

#endif
