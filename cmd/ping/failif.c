/* SPDX-License-Identifier: MIT */
#include "cmd/ping/failif.h"

#include "cmd/common/cli.h"
#include "cmd/common/options.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_NS_MAX (24 * HDR_HOUR_NS)

enum kind {
	KIND_MIN,
	KIND_MAX,
	KIND_AVG,
	KIND_STDDEV,
	KIND_QUANTILE,
	KIND_LOST,
	KIND_LOST_PERCENT,
};

/* A longer name comes before a name that is its prefix. */
static const struct metric {
	const char *name;
	enum kind kind;
	double q;
} metrics[] = {
	{ "min", KIND_MIN, 0 },
	{ "max", KIND_MAX, 0 },
	{ "avg", KIND_AVG, 0 },
	{ "stddev", KIND_STDDEV, 0 },
	{ "p50", KIND_QUANTILE, 0.5 },
	{ "p90", KIND_QUANTILE, 0.9 },
	{ "p99.9", KIND_QUANTILE, 0.999 },
	{ "p99", KIND_QUANTILE, 0.99 },
	{ "lost%", KIND_LOST_PERCENT, 0 },
	{ "lost", KIND_LOST, 0 },
};

#define N_METRICS (sizeof(metrics) / sizeof(metrics[0]))

static bool
fail(char *err, const char *text, const char *at, const char *expected)
{
	snprintf(err, CLI_ERR_CHARS, "'%.100s', column %d: expected %s", text,
	    (int)(at - text) + 1, expected);
	return false;
}

static const char *
skip_blanks(const char *at)
{
	return at + strspn(at, " ");
}

static bool
take_metric(const char **at, unsigned *metric)
{
	size_t n;

	for (unsigned i = 0; i < N_METRICS; i++) {
		n = strlen(metrics[i].name);
		if (strncmp(*at, metrics[i].name, n) != 0)
			continue;
		*metric = i;
		*at = skip_blanks(*at + n);
		return true;
	}
	return false;
}

static bool
take_test(const char **at, struct failif *test)
{
	if (**at != '<' && **at != '>')
		return false;
	test->below = **at == '<';
	(*at)++;
	test->equal = **at == '=';
	*at = skip_blanks(*at + test->equal);
	return true;
}

/* Parse to the end of the text. */
static bool
take_number(const char *at, double *v)
{
	char *end;

	*v = strtod(at, &end);
	if (end == at || !isfinite(*v) || *v < 0)
		return false;
	end += *end == '%';
	return *end == '\0';
}

bool
failif_parse(const char *text, struct failif *test, char err[CLI_ERR_CHARS])
{
	const char *at = skip_blanks(text);
	char ignored[OPTION_ERR_CHARS];
	int64_t limit_ns;

	*test = (struct failif){ .text = text };
	if (!take_metric(&at, &test->metric))
		return fail(err, text, at,
		    "min, max, avg, stddev, p50, p90, p99, p99.9, lost or"
		    " lost%");
	if (!take_test(&at, test))
		return fail(err, text, at, ">, >=, < or <=");
	if (metrics[test->metric].kind >= KIND_LOST) {
		if (!take_number(at, &test->limit))
			return fail(err, text, at, "a number");
		return true;
	}
	if (!option_time(at, 0, LIMIT_NS_MAX, &limit_ns, ignored))
		return fail(err, text, at, "a time to 24h, such as 5ms");
	test->limit = (double)limit_ns;
	return true;
}

static double
measured(const struct metric *metric, const struct series_cell *cell)
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

static bool
holds(const struct failif *test, double v)
{
	if (test->equal && v >= test->limit && v <= test->limit)
		return true;
	return test->below ? v < test->limit : v > test->limit;
}

static void
say(const struct failif *test, enum ping_layer layer, double v, char *what)
{
	const struct metric *metric = &metrics[test->metric];
	const char *unit = "";

	if (metric->kind < KIND_LOST) {
		v /= 1e6;
		unit = " ms";
	}
	snprintf(what, CLI_ERR_CHARS, "%.100s: %s is %.6g%s at layer %s",
	    test->text, metric->name, v, unit, ping_layer_names[layer]);
}

bool
failif_true(const struct failif *test, const struct series *series,
    char what[CLI_ERR_CHARS])
{
	bool of_time = metrics[test->metric].kind < KIND_LOST, any = false;
	const struct series_cell *cell;
	double v;

	for (unsigned i = 0; i < PING_LAYERS; i++) {
		cell = series_total(series, SERIES_ALL, (enum ping_layer)i);
		if (cell == NULL || (of_time && cell->due.sums.count == 0))
			continue;
		any = true;
		v = measured(&metrics[test->metric], cell);
		if (!holds(test, v))
			continue;
		say(test, (enum ping_layer)i, v, what);
		return true;
	}
	if (!of_time || any)
		return false;
	snprintf(what, CLI_ERR_CHARS, "%.100s: there was no answer at all",
	    test->text);
	return true;
}
