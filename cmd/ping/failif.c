/* SPDX-License-Identifier: MIT */
#include "cmd/ping/failif.h"

#include <stdio.h>

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

bool
failif_true(const struct threshold *test, const struct series *series,
    char what[CLI_ERR_CHARS])
{
	bool of_time = test->metric->unit == THRESHOLD_TIME, any = false;
	char value[THRESHOLD_VALUE_CHARS];
	const struct series_cell *cell;
	double v;

	for (unsigned i = 0; i < PING_LAYERS; i++) {
		cell = series_total(series, SERIES_ALL, (enum ping_layer)i);
		if (cell == NULL || (of_time && cell->due.sums.count == 0))
			continue;
		any = true;
		v = measured(test->metric, cell);
		if (!threshold_holds(test, v))
			continue;
		snprintf(what, CLI_ERR_CHARS, "%.100s: %s is %s at layer %s",
		    test->text, test->metric->name,
		    threshold_value(test, v, value), ping_layer_names[i]);
		return true;
	}
	if (!of_time || any)
		return false;
	snprintf(what, CLI_ERR_CHARS, "%.100s: there was no answer at all",
	    test->text);
	return true;
}
