/* SPDX-License-Identifier: MIT */
#include "cmd/ping/compare_impl.h"
#include "cmd/ping/report.h"

#include <string.h>

const char *const compare_names[ARTICLE_COLUMNS] = { "minimum", "maximum",
	"average", "stddev" };

void
compare_time(char text[ARTICLE_CELL_CHARS], const struct series *series,
    const struct series_row *row)
{
	text[0] = '\0';
	if (row != NULL)
		article_time(text, series_settings(series), row->start_ns);
}

bool
compare_next_pair(const struct series *before, const struct series *after,
    enum ping_layer layer, struct compare_pair *pair)
{
	bool both;

	pair->before = compare_next(before, layer, &pair->before_at);
	pair->after = compare_next(after, layer, &pair->after_at);
	both = pair->before != NULL && pair->after != NULL;
	memset(pair->factors, 0, sizeof(pair->factors));
	for (unsigned i = 0; both && i < ARTICLE_COLUMNS; i++)
		pair->factors[i] = compare_of(&pair->before->due,
		    &pair->after->due, (enum article_column)i);
	return pair->before != NULL || pair->after != NULL;
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
	return fflush(file) == 0 && ferror(file) == 0;
}
