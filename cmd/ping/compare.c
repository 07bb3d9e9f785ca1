/* SPDX-License-Identifier: MIT */
#include "cmd/ping/compare_impl.h"

const struct series_row *
compare_next(const struct series *series, enum ping_layer layer, size_t *at)
{
	const struct series_row *row;

	while (*at < series_n_rows(series)) {
		row = series_row(series, (*at)++);
		if (row->node != SERIES_ALL)
			return NULL; /* those of all come first */
		if (row->layer == layer)
			return row;
	}
	return NULL;
}

struct compare_factor
compare_of(const struct hdr_sums *before, const struct hdr_sums *after,
    enum article_column column)
{
	struct compare_factor factor = { 0 };
	double b = article_value(before, column);
	double a = article_value(after, column);

	factor.known = before->count > 0 && after->count > 0 && a > 0 && b > 0;
	if (factor.known)
		factor.value = b / a;
	return factor;
}

static double
lost_part(const struct series_cell *cell)
{
	double lost = (double)cell->counts[PING_LOST];
	double asked = lost + (double)cell->due.sums.count;

	return asked > 0 ? lost / asked : 0;
}

/* Higher by more than the tolerance, and not by chance. */
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
	for (unsigned i = 0; i < ARTICLE_COLUMNS; i++)
		result->factors[i] = compare_of(
		    &b->due.sums, &a->due.sums, (enum article_column)i);
	result->lost_before = lost_part(b);
	result->lost_after = lost_part(a);
	compare_bootstrap(before, after, layer, settings->seed, result);
	result->worse = factor_worse(&result->factors[ARTICLE_AVERAGE],
			    settings->tolerance) ||
	    factor_worse(
		&result->factors[ARTICLE_STDDEV], settings->tolerance) ||
	    result->lost_after > result->lost_before + settings->tolerance ||
	    (b->due.sums.count > 0 && a->due.sums.count == 0);
	return true;
}
