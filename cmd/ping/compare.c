/* SPDX-License-Identifier: MIT */
/*
 * In this order: pairs of rows; confidence intervals by bootstrap; the
 * comparison as JSON and CSV, then as text; the verdict.
 */
#include "cmd/ping/compare.h"

#include "cmd/ping/report.h"
#include "cmd/stats/summary.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Two rows side by side. Starts out zeroed. */
struct compare_pair {
	const char *time; /* NULL: the times of the rows */
	const struct series_row *before, *after; /* NULL: none */
	struct compare_factor factors[CLUSTER_COLUMNS];
	size_t before_at, after_at; /* positions of compare_next() */
};

static const char *const compare_names[CLUSTER_COLUMNS] = { "minimum",
	"maximum", "average", "stddev" };

/* The factor between two rows or runs: values, without an interval. */
static struct compare_factor
compare_of(const struct hdr_sums *before, const struct hdr_sums *after,
    enum cluster_column column)
{
	struct compare_factor factor = { 0 };
	double b = cluster_value(before, column);
	double a = cluster_value(after, column);

	factor.known = before->count > 0 && after->count > 0 && a > 0 && b > 0;
	if (factor.known)
		factor.value = b / a;
	return factor;
}

/*
 * The next row of all nodes at that layer from *at (0 at first), which then is
 * after that row; NULL: there is none.
 */
static const struct series_row *
compare_next(const struct series *series, enum ping_layer layer, size_t *at)
{
	const struct series_row *row;

	while (*at < series_n_rows(series)) {
		row = series_row(series, (*at)++);
		if (row->node != SERIES_ALL)
			return NULL; /* the rows of all nodes come first */
		if (row->layer == layer)
			return row;
	}
	return NULL;
}

/* Make the next pair of a layer; false: neither run has another row. */
static bool
compare_next_pair(const struct series *before, const struct series *after,
    enum ping_layer layer, struct compare_pair *pair)
{
	bool both;

	pair->before = compare_next(before, layer, &pair->before_at);
	pair->after = compare_next(after, layer, &pair->after_at);
	both = pair->before != NULL && pair->after != NULL;
	memset(pair->factors, 0, sizeof(pair->factors));
	for (unsigned i = 0; both && i < CLUSTER_COLUMNS; i++)
		pair->factors[i] = compare_of(&pair->before->due,
		    &pair->after->due, (enum cluster_column)i);
	return pair->before != NULL || pair->after != NULL;
}

/* The start of the row as text; "" for no row. */
static void
compare_time(char text[CLUSTER_CELL_CHARS], const struct series *series,
    const struct series_row *row)
{
	text[0] = '\0';
	if (row != NULL)
		cluster_time(text, series_settings(series), row->start_ns);
}

#define N_ROUNDS 1000
#define TAIL 0.025 /* per side: 95 % lie between */
#define POISSON_NORMAL 30 /* from here on, draw from a normal distribution */

/* Values and their frequencies; or whole buckets. */
struct draws {
	const struct series_row **rows; /* owned; NULL: values */
	double *values, *counts; /* owned */
	size_t n;
};

/* The result of one round for one run. */
struct drawn {
	double mean, stddev;
};

/* splitmix64, mapped to a number above 0 and below 1. */
static double
uniform(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return ((double)(z >> 12) + 0.5) / (double)(UINT64_C(1) << 52);
}

/* Draw how often a value seen n times would be seen in a repetition. */
static double
poisson(uint64_t *state, double n)
{
	double left, product = 1, count = -1;

	if (n >= POISSON_NORMAL) {
		left = sqrt(-2 * log(uniform(state))) *
		    cos(2 * M_PI * uniform(state));
		return fmax(0, rint(n + sqrt(n) * left));
	}
	for (left = exp(-n); product > left; count++)
		product *= uniform(state);
	return count;
}

static size_t
count_rows(const struct series *series, enum ping_layer layer)
{
	size_t n = 0, at = 0;

	while (compare_next(series, layer, &at) != NULL)
		n++;
	return n;
}

static bool
draws_of_rows(struct draws *draws, const struct series *series,
    enum ping_layer layer, size_t n)
{
	size_t at = 0;

	draws->rows = calloc(n, sizeof(*draws->rows));
	draws->n = n;
	for (size_t i = 0; draws->rows != NULL && i < n; i++)
		draws->rows[i] = compare_next(series, layer, &at);
	return draws->rows != NULL;
}

static bool
draws_of_values(struct draws *draws, const struct hdr *hdr)
{
	for (uint32_t i = hdr->first; i <= hdr->last; i++)
		draws->n += hdr->counts[i] > 0;
	draws->values = calloc(draws->n + 1, sizeof(*draws->values));
	draws->counts = calloc(draws->n + 1, sizeof(*draws->counts));
	if (draws->values == NULL || draws->counts == NULL)
		return false;
	draws->n = 0;
	for (uint32_t i = hdr->first; i <= hdr->last; i++) {
		if (hdr->counts[i] == 0)
			continue;
		draws->values[draws->n] =
		    ((double)hdr_low(hdr, i) + (double)hdr_high(hdr, i)) / 2;
		draws->counts[draws->n++] = (double)hdr->counts[i];
	}
	return true;
}

static void
draws_free(struct draws *draws)
{
	free(draws->rows);
	free(draws->values);
	free(draws->counts);
}

/* Draw as many buckets as there were, with replacement. */
static struct drawn
draw_rows(const struct draws *draws, uint64_t *state)
{
	struct hdr_sums sums = { 0 };
	size_t at;

	for (size_t i = 0; i < draws->n; i++) {
		at = (size_t)(uniform(state) * (double)draws->n);
		hdr_sums_merge(&sums, &draws->rows[at]->due);
	}
	return (struct drawn){ hdr_sums_mean(&sums), hdr_sums_stddev(&sums) };
}

static struct drawn
draw_values(const struct draws *draws, uint64_t *state)
{
	double n = 0, mean = 0, m2 = 0, weight, delta;

	for (size_t i = 0; i < draws->n; i++) {
		weight = poisson(state, draws->counts[i]);
		if (weight <= 0)
			continue;
		delta = draws->values[i] - mean;
		n += weight;
		mean += delta * weight / n;
		m2 += weight * delta * (draws->values[i] - mean);
	}
	return (struct drawn){ mean, n > 0 ? sqrt(m2 / n) : 0 };
}

static struct drawn
draw(const struct draws *draws, uint64_t *state)
{
	return draws->rows != NULL ? draw_rows(draws, state)
				   : draw_values(draws, state);
}

static int
by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
set_interval(struct compare_factor *factor, double *ratios, size_t n)
{
	if (!factor->known || n < N_ROUNDS / 2)
		return;
	qsort(ratios, n, sizeof(*ratios), by_size);
	factor->has_interval = true;
	factor->low = ratios[(size_t)(TAIL * (double)n)];
	factor->high = ratios[(size_t)((1 - TAIL) * (double)n)];
}

static void
run_rounds(const struct draws *before, const struct draws *after, uint64_t seed,
    struct compare_layer *result)
{
	double means[N_ROUNDS], stddevs[N_ROUNDS];
	size_t n_means = 0, n_stddevs = 0;
	struct drawn b, a;

	for (size_t i = 0; i < N_ROUNDS; i++) {
		b = draw(before, &seed);
		a = draw(after, &seed);
		if (a.mean > 0)
			means[n_means++] = b.mean / a.mean;
		if (a.stddev > 0)
			stddevs[n_stddevs++] = b.stddev / a.stddev;
	}
	set_interval(&result->factors[CLUSTER_AVERAGE], means, n_means);
	set_interval(&result->factors[CLUSTER_STDDEV], stddevs, n_stddevs);
}

/* Set the intervals of average and deviation, if they are known. */
static void
compare_bootstrap(const struct series *before, const struct series *after,
    enum ping_layer layer, uint64_t seed, struct compare_layer *result)
{
	size_t n_before = count_rows(before, layer);
	size_t n_after = count_rows(after, layer);
	struct draws b = { 0 }, a = { 0 };
	bool made;

	if (n_before >= COMPARE_BLOCKS && n_after >= COMPARE_BLOCKS)
		made = draws_of_rows(&b, before, layer, n_before) &&
		    draws_of_rows(&a, after, layer, n_after);
	else
		made = draws_of_values(&b, result->before) &&
		    draws_of_values(&a, result->after);
	if (made && b.n > 0 && a.n > 0)
		run_rounds(&b, &a, seed, result);
	draws_free(&b);
	draws_free(&a);
}

/* The comparison as JSON and CSV. */

static void
json_side(FILE *file, const char *name, const struct series_row *row)
{
	if (row == NULL || row->due.count == 0)
		return;
	fprintf(file, ",\"%s\":{\"count\":%" PRIu64, name, row->due.count);
	for (unsigned i = 0; i < CLUSTER_COLUMNS; i++)
		fprintf(file, ",\"%s_s\":%.9f", compare_names[i],
		    cluster_value(&row->due, (enum cluster_column)i));
	fputc('}', file);
}

static void
json_factors(FILE *file, const struct compare_factor *factors)
{
	const char *comma = "";

	fputs(",\"factor\":{", file);
	for (unsigned i = 0; i < CLUSTER_COLUMNS; i++) {
		if (!factors[i].known)
			continue;
		fprintf(file, "%s\"%s\":%.4f", comma, compare_names[i],
		    factors[i].value);
		comma = ",";
		if (factors[i].has_interval)
			fprintf(file, ",\"%s_95\":[%.4f,%.4f]",
			    compare_names[i], factors[i].low, factors[i].high);
	}
	fputc('}', file);
}

/* result: NULL except for the pair of the whole runs. */
static void
compare_json_pair(FILE *file, const struct series *before,
    enum ping_layer layer, const struct compare_pair *pair,
    const struct compare_layer *result)
{
	char time[CLUSTER_CELL_CHARS];

	compare_time(time, before, pair->before);
	fprintf(file, "{\"type\":\"compare\",\"time\":\"%s\",\"layer\":\"%s\"",
	    pair->time == NULL ? time : pair->time, ping_layer_names[layer]);
	json_side(file, "before", pair->before);
	json_side(file, "after", pair->after);
	json_factors(file, pair->factors);
	if (result != NULL)
		fprintf(file,
		    ",\"lost_before\":%.6f,\"lost_after\":%.6f,\"worse\":%s",
		    result->lost_before, result->lost_after,
		    result->worse ? "true" : "false");
	fputs("}\n", file);
}

static void
compare_csv_head(FILE *file)
{
	static const char *const groups[] = { "before_", "after_", "factor_" };

	fputs("time,layer", file);
	for (unsigned g = 0; g < 3; g++)
		for (unsigned i = 0; i < CLUSTER_COLUMNS; i++)
			fprintf(file, ",%s%s%s", groups[g], compare_names[i],
			    g < 2 ? "_s" : "");
	fputs(",average_low,average_high,stddev_low,stddev_high\n", file);
}

static void
csv_side(FILE *file, const struct series_row *row)
{
	for (unsigned i = 0; i < CLUSTER_COLUMNS; i++) {
		fputc(',', file);
		if (row != NULL && row->due.count > 0)
			fprintf(file, "%.9f",
			    cluster_value(&row->due, (enum cluster_column)i));
	}
}

static void
compare_csv_pair(FILE *file, const struct series *before, enum ping_layer layer,
    const struct compare_pair *pair)
{
	const struct compare_factor *factor;
	char time[CLUSTER_CELL_CHARS];

	compare_time(time, before, pair->before);
	fprintf(file, "%s,%s", pair->time == NULL ? time : pair->time,
	    ping_layer_names[layer]);
	csv_side(file, pair->before);
	csv_side(file, pair->after);
	for (unsigned i = 0; i < CLUSTER_COLUMNS; i++) {
		fputc(',', file);
		if (pair->factors[i].known)
			fprintf(file, "%.4f", pair->factors[i].value);
	}
	for (unsigned i = CLUSTER_AVERAGE; i <= CLUSTER_STDDEV; i++) {
		factor = &pair->factors[i];
		if (factor->has_interval)
			fprintf(file, ",%.4f,%.4f", factor->low, factor->high);
		else
			fputs(",,", file);
	}
	fputc('\n', file);
}

/* Two cluster tables side by side, and the verdict. */

#define TIME_CHARS 5
#define FACTOR_CHARS 4
#define SAME 0.005 /* a factor this close to 1 counts as equal */

/* The column widths of the two tables; the headings are short. */
static const int widths[CLUSTER_COLUMNS] = { 7, 5, 5, 5 };
static const char *const heads[CLUSTER_COLUMNS] = { "Min", "Max", "Avg",
	"Std" };
static void
print_heads(FILE *file, bool two_times)
{
	fprintf(
	    file, "%-*s %25s ", TIME_CHARS, "", "---- before, seconds ----");
	fprintf(file, "%*s%25s  %19s\n", two_times ? TIME_CHARS + 1 : 0, "",
	    "---- after, seconds -----", "--- lower by x ----");
	fprintf(file, "%-*s", TIME_CHARS, "Time");
	for (unsigned i = 0; i < CLUSTER_COLUMNS; i++)
		fprintf(file, " %*s", widths[i], heads[i]);
	if (two_times)
		fprintf(file, " %-*s", TIME_CHARS, "Time");
	for (unsigned i = 0; i < CLUSTER_COLUMNS; i++)
		fprintf(file, " %*s", widths[i], heads[i]);
	for (unsigned i = 0; i < CLUSTER_COLUMNS; i++)
		fprintf(file, " %*s", FACTOR_CHARS, heads[i]);
	fputc('\n', file);
}

static void
print_side(FILE *file, const struct series_row *row)
{
	char text[CLUSTER_CELL_CHARS];

	for (unsigned i = 0; i < CLUSTER_COLUMNS; i++) {
		text[0] = '\0';
		if (row != NULL && row->due.count > 0)
			cluster_cell(text,
			    cluster_value(&row->due, (enum cluster_column)i),
			    cluster_decimals[i]);
		fprintf(file, " %*s", widths[i], text);
	}
}

static bool
times_differ(const struct series *before, const struct series *after,
    enum ping_layer layer)
{
	char b[CLUSTER_CELL_CHARS], a[CLUSTER_CELL_CHARS];
	struct compare_pair pair = { 0 };

	while (compare_next_pair(before, after, layer, &pair)) {
		compare_time(b, before, pair.before);
		compare_time(a, after, pair.after);
		if (strcmp(b, a) != 0)
			return true;
	}
	return false;
}

static void
print_pair(FILE *file, const struct series *before, const struct series *after,
    const struct compare_pair *pair, bool two_times)
{
	char b[CLUSTER_CELL_CHARS], a[CLUSTER_CELL_CHARS];

	compare_time(b, before, pair->before);
	compare_time(a, after, pair->after);
	fprintf(file, "%-*s", TIME_CHARS, pair->time == NULL ? b : pair->time);
	print_side(file, pair->before);
	if (two_times)
		fprintf(file, " %-*s", TIME_CHARS, pair->time == NULL ? a : "");
	print_side(file, pair->after);
	for (unsigned i = 0; i < CLUSTER_COLUMNS; i++)
		if (pair->factors[i].known)
			fprintf(file, " %*.1f", FACTOR_CHARS,
			    pair->factors[i].value);
		else
			fprintf(file, " %*s", FACTOR_CHARS, "");
	fputc('\n', file);
}

/* "average lower by a factor of 3.0 (95 %: 2.98 to 3.05)" */
static void
print_statement(
    FILE *file, const char *name, const struct compare_factor *factor)
{
	bool higher = factor->value < 1;

	if (!factor->known)
		return;
	if (fabs(factor->value - 1) < SAME)
		fprintf(file, "%s the same", name);
	else
		fprintf(file, "%s %s by a factor of %.1f", name,
		    higher ? "higher" : "lower",
		    higher ? 1 / factor->value : factor->value);
	if (factor->has_interval)
		fprintf(file, " (95 %%: %.2f to %.2f)",
		    higher ? 1 / factor->high : factor->low,
		    higher ? 1 / factor->low : factor->high);
	fputc('\n', file);
}

/* `title`: print the name of the layer. */
static void
compare_text(FILE *file, const struct series *before,
    const struct series *after, enum ping_layer layer,
    const struct compare_pair *overall, const struct compare_layer *result,
    bool title)
{
	bool two_times = times_differ(before, after, layer);
	struct compare_pair pair = { 0 };
	char lost[2][SUMMARY_PERCENT_CHARS];

	if (title)
		fprintf(file, "%sLayer: %s\n", layer == PING_NET ? "" : "\n",
		    ping_layer_names[layer]);
	print_heads(file, two_times);
	while (compare_next_pair(before, after, layer, &pair))
		print_pair(file, before, after, &pair, two_times);
	print_pair(file, before, after, overall, two_times);
	fputc('\n', file);
	for (unsigned i = 0; i < CLUSTER_COLUMNS; i++)
		print_statement(file, compare_names[i], &result->factors[i]);
	if (result->lost_before > 0 || result->lost_after > 0)
		fprintf(file, "lost %s before, %s after\n",
		    summary_percent(lost[0], result->lost_before),
		    summary_percent(lost[1], result->lost_after));
	if (result->worse)
		fputs("after is worse, by more than the tolerance\n", file);
}

static void
print_rows(FILE *file, const struct series *before, const struct series *after,
    enum ping_layer layer, const struct compare_pair *overall,
    const struct compare_layer *result, bool json)
{
	struct compare_pair pair = { 0 };

	while (compare_next_pair(before, after, layer, &pair))
		if (json)
			compare_json_pair(file, before, layer, &pair, NULL);
		else
			compare_csv_pair(file, before, layer, &pair);
	if (json)
		compare_json_pair(file, before, layer, overall, result);
	else
		compare_csv_pair(file, before, layer, overall);
}

static void
print_layer(FILE *file, const struct series *before, const struct series *after,
    enum ping_layer layer, const struct compare_settings *settings,
    const struct compare_layer *result, bool title)
{
	const struct series_row b = { .due = result->before->sums };
	const struct series_row a = { .due = result->after->sums };
	struct compare_pair overall = {
		.time = "total", .before = &b, .after = &a
	};

	memcpy(overall.factors, result->factors, sizeof(overall.factors));
	if (settings->format == REPORT_TEXT)
		compare_text(
		    file, before, after, layer, &overall, result, title);
	else
		print_rows(file, before, after, layer, &overall, result,
		    settings->format == REPORT_JSON);
}

bool
compare_print(FILE *file, const struct series *before,
    const struct series *after, const struct compare_settings *settings,
    bool *worse, unsigned *n_layers)
{
	struct compare_layer results[PING_LAYERS];
	bool both[PING_LAYERS];

	*worse = false;
	*n_layers = 0;
	for (unsigned i = 0; i < PING_LAYERS; i++) {
		both[i] = compare_overall(
		    before, after, (enum ping_layer)i, settings, &results[i]);
		*n_layers += both[i];
		*worse |= both[i] && results[i].worse;
	}
	if (settings->format == REPORT_CSV)
		compare_csv_head(file);
	for (unsigned i = 0; i < PING_LAYERS; i++)
		if (both[i])
			print_layer(file, before, after, (enum ping_layer)i,
			    settings, &results[i], *n_layers > 1);
	return ferror(file) == 0;
}

static double
lost_part(const struct series_cell *cell)
{
	double lost = (double)cell->counts[PING_LOST];
	double asked = lost + (double)cell->due.sums.count;

	return asked > 0 ? lost / asked : 0;
}

/* Higher by more than the tolerance, beyond the confidence interval. */
static bool
factor_worse(const struct compare_factor *factor, double tolerance)
{
	return factor->known && factor->value * (1 + tolerance) < 1 &&
	    !(factor->has_interval && factor->high >= 1);
}

bool
compare_overall(const struct series *before, const struct series *after,
    enum ping_layer layer, const struct compare_settings *settings,
    struct compare_layer *result)
{
	const struct series_cell *b = series_total(before, SERIES_ALL, layer);
	const struct series_cell *a = series_total(after, SERIES_ALL, layer);

	*result = (struct compare_layer){ 0 };
	if (b == NULL || a == NULL)
		return false;
	result->before = &b->due;
	result->after = &a->due;
	for (unsigned i = 0; i < CLUSTER_COLUMNS; i++)
		result->factors[i] = compare_of(
		    &b->due.sums, &a->due.sums, (enum cluster_column)i);
	result->lost_before = lost_part(b);
	result->lost_after = lost_part(a);
	compare_bootstrap(before, after, layer, settings->seed, result);
	result->worse = factor_worse(&result->factors[CLUSTER_AVERAGE],
			    settings->tolerance) ||
	    factor_worse(
		&result->factors[CLUSTER_STDDEV], settings->tolerance) ||
	    result->lost_after > result->lost_before + settings->tolerance ||
	    (b->due.sums.count > 0 && a->due.sums.count == 0);
	return true;
}
