/* SPDX-License-Identifier: MIT */
/* The comparison for programs: JSON and CSV. */
#include "cmd/ping/compare_impl.h"

#include <inttypes.h>

static void
json_side(FILE *file, const char *name, const struct series_row *row)
{
	if (row == NULL || row->due.count == 0)
		return;
	fprintf(file, ",\"%s\":{\"count\":%" PRIu64, name, row->due.count);
	for (unsigned i = 0; i < ARTICLE_COLUMNS; i++)
		fprintf(file, ",\"%s_s\":%.9f", compare_names[i],
		    article_value(&row->due, (enum article_column)i));
	fputc('}', file);
}

static void
json_factors(FILE *file, const struct compare_factor *factors)
{
	const char *comma = "";

	fputs(",\"factor\":{", file);
	for (unsigned i = 0; i < ARTICLE_COLUMNS; i++) {
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

void
compare_json_pair(FILE *file, const struct series *before,
    enum ping_layer layer, const struct compare_pair *pair,
    const struct compare_layer *result)
{
	char time[ARTICLE_CELL_CHARS];

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

void
compare_csv_head(FILE *file)
{
	static const char *const groups[] = { "before_", "after_", "factor_" };

	fputs("time,layer", file);
	for (unsigned g = 0; g < 3; g++)
		for (unsigned i = 0; i < ARTICLE_COLUMNS; i++)
			fprintf(file, ",%s%s%s", groups[g], compare_names[i],
			    g < 2 ? "_s" : "");
	fputs(",average_low,average_high,stddev_low,stddev_high\n", file);
}

static void
csv_side(FILE *file, const struct series_row *row)
{
	for (unsigned i = 0; i < ARTICLE_COLUMNS; i++) {
		fputc(',', file);
		if (row != NULL && row->due.count > 0)
			fprintf(file, "%.9f",
			    article_value(&row->due, (enum article_column)i));
	}
}

void
compare_csv_pair(FILE *file, const struct series *before, enum ping_layer layer,
    const struct compare_pair *pair)
{
	const struct compare_factor *factor;
	char time[ARTICLE_CELL_CHARS];

	compare_time(time, before, pair->before);
	fprintf(file, "%s,%s", pair->time == NULL ? time : pair->time,
	    ping_layer_names[layer]);
	csv_side(file, pair->before);
	csv_side(file, pair->after);
	for (unsigned i = 0; i < ARTICLE_COLUMNS; i++) {
		fputc(',', file);
		if (pair->factors[i].known)
			fprintf(file, "%.4f", pair->factors[i].value);
	}
	for (unsigned i = ARTICLE_AVERAGE; i <= ARTICLE_STDDEV; i++) {
		factor = &pair->factors[i];
		if (factor->has_interval)
			fprintf(file, ",%.4f,%.4f", factor->low, factor->high);
		else
			fputs(",,", file);
	}
	fputc('\n', file);
}
