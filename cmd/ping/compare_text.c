/* SPDX-License-Identifier: MIT */
/* Two tables side by side, and what the article says of them. */
#include "cmd/ping/compare_impl.h"

#include <math.h>
#include <string.h>

#define TIME_CHARS 5
#define FACTOR_CHARS 4
#define SAME 0.005 /* a factor so close to 1 is none */

/* How wide the columns of the two tables are; the headings are short. */
static const int widths[ARTICLE_COLUMNS] = { 7, 5, 5, 5 };
static const char *const heads[ARTICLE_COLUMNS] = { "Min", "Max", "Avg",
	"Std" };
static void
print_heads(FILE *file, bool two_times)
{
	fprintf(
	    file, "%-*s %25s ", TIME_CHARS, "", "---- before, seconds ----");
	fprintf(file, "%*s%25s  %19s\n", two_times ? TIME_CHARS + 1 : 0, "",
	    "---- after, seconds -----", "--- lower by x ----");
	fprintf(file, "%-*s", TIME_CHARS, "Time");
	for (unsigned i = 0; i < ARTICLE_COLUMNS; i++)
		fprintf(file, " %*s", widths[i], heads[i]);
	if (two_times)
		fprintf(file, " %-*s", TIME_CHARS, "Time");
	for (unsigned i = 0; i < ARTICLE_COLUMNS; i++)
		fprintf(file, " %*s", widths[i], heads[i]);
	for (unsigned i = 0; i < ARTICLE_COLUMNS; i++)
		fprintf(file, " %*s", FACTOR_CHARS, heads[i]);
	fputc('\n', file);
}

static void
print_side(FILE *file, const struct series_row *row)
{
	char text[ARTICLE_CELL_CHARS];

	for (unsigned i = 0; i < ARTICLE_COLUMNS; i++) {
		text[0] = '\0';
		if (row != NULL && row->due.count > 0)
			article_cell(text,
			    article_value(&row->due, (enum article_column)i),
			    article_decimals[i]);
		fprintf(file, " %*s", widths[i], text);
	}
}

static bool
times_differ(const struct series *before, const struct series *after,
    enum ping_layer layer)
{
	char b[ARTICLE_CELL_CHARS], a[ARTICLE_CELL_CHARS];
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
	char b[ARTICLE_CELL_CHARS], a[ARTICLE_CELL_CHARS];

	compare_time(b, before, pair->before);
	compare_time(a, after, pair->after);
	fprintf(file, "%-*s", TIME_CHARS, pair->time == NULL ? b : pair->time);
	print_side(file, pair->before);
	if (two_times)
		fprintf(file, " %-*s", TIME_CHARS, pair->time == NULL ? a : "");
	print_side(file, pair->after);
	for (unsigned i = 0; i < ARTICLE_COLUMNS; i++)
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

void
compare_text(FILE *file, const struct series *before,
    const struct series *after, enum ping_layer layer,
    const struct compare_pair *overall, const struct compare_layer *result,
    bool title)
{
	bool two_times = times_differ(before, after, layer);
	struct compare_pair pair = { 0 };

	if (title)
		fprintf(file, "%sLayer: %s\n", layer == PING_NET ? "" : "\n",
		    ping_layer_names[layer]);
	print_heads(file, two_times);
	while (compare_next_pair(before, after, layer, &pair))
		print_pair(file, before, after, &pair, two_times);
	print_pair(file, before, after, overall, two_times);
	fputc('\n', file);
	for (unsigned i = 0; i < ARTICLE_COLUMNS; i++)
		print_statement(file, compare_names[i], &result->factors[i]);
	if (result->lost_before > 0 || result->lost_after > 0)
		fprintf(file, "lost %.3g %% before, %.3g %% after\n",
		    100 * result->lost_before, 100 * result->lost_after);
	if (result->worse)
		fputs("after is worse, by more than the tolerance\n", file);
}
