/* SPDX-License-Identifier: MIT */
/*
 * compare - is one run better than another, and by how much?
 *
 * The two tables are printed side by side, bucket by bucket in order (the first
 * with the first), with the factor before / after of each column: above 1 is
 * better. "overall" combines all samples of a run.
 *
 * The interval of a factor holds it in 95 of 100 repetitions, by bootstrap. If
 * both runs have COMPARE_BLOCKS buckets or more, buckets are resampled, since
 * samples close in time resemble each other; otherwise samples are. Minimum
 * and maximum depend on a single sample, so they have no interval.
 *
 * After is worse if its average or deviation overall is higher by more than
 * the tolerance, and the interval excludes chance; or if it lost more pings,
 * by more than the tolerance as a fraction of all pings.
 *
 * Owns nothing: the two series are borrowed. For offline.c.
 */
#ifndef PING_COMPARE_H
#define PING_COMPARE_H

#include "cmd/ping/cluster_table.h"
#include "cmd/ping/series.h"

#include <stdio.h>

#define COMPARE_BLOCKS 10

struct compare_settings {
	int format; /* enum report_format */
	double tolerance; /* a fraction: 0.05 */
	uint64_t seed;
};

struct compare_factor {
	bool known; /* false: a value is 0 or has no samples */
	double value; /* before / after */
	bool has_interval;
	double low, high;
};

struct compare_layer {
	const struct hdr *before, *after; /* borrowed */
	struct compare_factor factors[CLUSTER_COLUMNS];
	double lost_before, lost_after; /* fractions of the pings sent */
	bool worse;
};

/*
 * Compare overall, at one layer. False: one of the two did not measure it. If
 * memory runs out, the intervals are missing.
 */
bool compare_overall(const struct series *before, const struct series *after,
    enum ping_layer layer, const struct compare_settings *settings,
    struct compare_layer *result);

/*
 * Print the comparison. *worse: at any layer; *n_layers: the number of layers
 * that both measured. False: writing failed.
 */
bool compare_print(FILE *file, const struct series *before,
    const struct series *after, const struct compare_settings *settings,
    bool *worse, unsigned *n_layers);

#endif
