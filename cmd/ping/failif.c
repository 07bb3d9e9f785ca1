/* SPDX-License-Identifier: MIT */
#include "cmd/ping/failif.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum kind {
	KIND_MIN,
	KIND_MAX,
	KIND_AVG,
	KIND_STDDEV,
	KIND_QUANTILE,
	KIND_LOST,
	KIND_LOST_PERCENT,
};

static const struct threshold_metric metrics[] = {
	{ "min", THRESHOLD_TIME, KIND_MIN, 0 },
	{ "max", THRESHOLD_TIME, KIND_MAX, 0 },
	{ "avg", THRESHOLD_TIME, KIND_AVG, 0 },
	{ "stddev", THRESHOLD_TIME, KIND_STDDEV, 0 },
	{ "p50", THRESHOLD_TIME, KIND_QUANTILE, 0.5 },
	{ "p90", THRESHOLD_TIME, KIND_QUANTILE, 0.9 },
	{ "p99", THRESHOLD_TIME, KIND_QUANTILE, 0.99 },
	{ "p99.9", THRESHOLD_TIME, KIND_QUANTILE, 0.999 },
	{ "lost", THRESHOLD_COUNT, KIND_LOST, 0 },
	{ "lost%", THRESHOLD_PERCENT, KIND_LOST_PERCENT, 0 },
	{ "loss", THRESHOLD_PERCENT, KIND_LOST_PERCENT, 0 },
};

static const struct threshold_table table = {
	.metrics = metrics,
	.n = sizeof(metrics) / sizeof(metrics[0]),
};

bool
failif_parse(const char *text, struct threshold *test, char err[CLI_ERR_CHARS])
{
	return threshold_parse(&table, text, test, err);
}

static double
measured(const struct threshold_metric *metric, const struct series_cell *cell)
{
	const struct hdr_sums *sums = &cell->due.sums;
	double lost = (double)cell->counts[PING_LOST];
	double asked = lost + (double)sums->count;

	switch (metric->kind) {
	case KIND_MIN:
		return (double)sums->min;
	case KIND_MAX:
		return (double)sums->max;
	case KIND_AVG:
		return hdr_sums_mean(sums);
	case KIND_STDDEV:
		return hdr_sums_stddev(sums);
	case KIND_QUANTILE:
		return (double)hdr_quantile(&cell->due, metric->q);
	case KIND_LOST:
		return lost;
	default:
		return asked > 0 ? 100 * lost / asked : 0;
	}
}

static enum threshold_result
undecided(const struct threshold *test, enum ping_layer layer, uint64_t count,
    char *what)
{
	snprintf(what, CLI_ERR_CHARS,
	    "%.100s: undecided: %llu answered at layer %s, and %s needs %.0f",
	    test->text, (unsigned long long)count, ping_layer_names[layer],
	    test->metric->name, ceil(HDR_TAIL / (1 - test->metric->q) - 1e-6));
	return THRESHOLD_UNDECIDED;
}

static enum threshold_result
result_of(const struct threshold *test, enum ping_layer layer,
    const struct series_cell *cell, char *what)
{
	char value[THRESHOLD_VALUE_CHARS];
	uint64_t count = cell->due.sums.count;
	double v;

	if (test->metric->kind == KIND_QUANTILE &&
	    !hdr_quantile_known(count, test->metric->q))
		return undecided(test, layer, count, what);
	v = measured(test->metric, cell);
	if (!threshold_holds(test, v))
		return THRESHOLD_FALSE;
	snprintf(what, CLI_ERR_CHARS, "%.100s: %s is %s at layer %s",
	    test->text, test->metric->name, threshold_value(test, v, value),
	    ping_layer_names[layer]);
	return THRESHOLD_TRUE;
}

enum threshold_result
failif_result(const struct threshold *test, const struct series *series,
    char what[CLI_ERR_CHARS])
{
	enum threshold_result result = THRESHOLD_FALSE, of_layer;
	bool of_time = test->metric->unit == THRESHOLD_TIME, any = false;
	const struct series_cell *cell;
	char reason[CLI_ERR_CHARS];

	for (unsigned i = 0; i < PING_LAYERS; i++) {
		cell = series_total(series, SERIES_ALL, (enum ping_layer)i);
		if (cell == NULL || (of_time && cell->due.sums.count == 0))
			continue;
		any = true;
		of_layer = result_of(test, (enum ping_layer)i, cell, reason);
		if (of_layer == THRESHOLD_FALSE || result == THRESHOLD_TRUE)
			continue;
		result = of_layer;
		memcpy(what, reason, sizeof(reason));
	}
	if (!of_time || any)
		return result;
	snprintf(what, CLI_ERR_CHARS, "%.100s: there was no answer at all",
	    test->text);
	return THRESHOLD_TRUE;
}
