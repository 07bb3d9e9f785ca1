/* SPDX-License-Identifier: MIT */
/* Rows for programs: JSON and CSV. */
#include "cmd/ping/article.h"
#include "cmd/ping/report_impl.h"

#include "cmd/common/json.h"

#include <inttypes.h>
#include <string.h>

#define NODE_CHARS 24

/* The names of what both formats tell of a distribution. */
static const char *const value_names[ARTICLE_COLUMNS] = { "minimum_s",
	"maximum_s", "average_s", "stddev_s" };
static const char *const quantile_names[SERIES_QUANTILES] = { "p50_s", "p90_s",
	"p99_s", "p999_s" };

static void
node_text(char text[NODE_CHARS], uint64_t node)
{
	if (node == SERIES_ALL)
		snprintf(text, NODE_CHARS, "all");
	else if (node == SERIES_OTHERS)
		snprintf(text, NODE_CHARS, "others");
	else
		snprintf(text, NODE_CHARS, "%" PRIu64, node);
}

static void
json_string(FILE *file, const char *s)
{
	size_t n = strlen(s), used, text_bytes;
	char text[JSON_CHAR_BYTES];

	fputc('"', file);
	for (; n > 0; s += used, n -= used) {
		used = json_char(s, n, text, &text_bytes);
		fwrite(text, 1, text_bytes, file);
	}
	fputc('"', file);
}

/* ,"due":{...}: nothing where there are no samples. */
static void
json_sums(FILE *file, const char *name, const struct hdr_sums *sums,
    const int64_t *quantiles_ns)
{
	if (sums->count == 0)
		return;
	fprintf(file, ",\"%s\":{\"count\":%" PRIu64, name, sums->count);
	for (unsigned i = 0; i < ARTICLE_COLUMNS; i++)
		fprintf(file, ",\"%s\":%.9f", value_names[i],
		    article_value(sums, (enum article_column)i));
	for (unsigned i = 0; quantiles_ns != NULL && i < SERIES_QUANTILES; i++)
		if (article_quantile_known(sums->count, series_quantiles[i]))
			fprintf(file, ",\"%s\":%.9f", quantile_names[i],
			    (double)quantiles_ns[i] / 1e9);
	fputc('}', file);
}

/* The ways up and down, never without what they may be wrong by. */
static void
json_clock(FILE *file, const struct series_row *row)
{
	if (row->up.count == 0)
		return;
	fprintf(file,
	    ",\"clock\":{\"count\":%" PRIu64 ",\"up_average_s\":%.9f"
	    ",\"down_average_s\":%.9f,\"error_average_s\":%.9f"
	    ",\"error_maximum_s\":%.9f}",
	    row->up.count, row->up.mean / 1e9, row->down.mean / 1e9,
	    row->clock_error.mean / 1e9, row->clock_error.max / 1e9);
}

void
report_json_row(FILE *file, const struct series *series,
    const struct series_row *row, const char *time)
{
	char at[ARTICLE_CELL_CHARS], node[NODE_CHARS];

	node_text(node, row->node);
	article_time(at, series_settings(series), row->start_ns);
	fprintf(file, "{\"type\":\"%s\"", time == NULL ? "row" : time);
	if (time == NULL)
		fprintf(file, ",\"time\":\"%s\",\"start_s\":%.3f", at,
		    (double)row->start_ns / 1e9);
	fprintf(file, ",\"layer\":\"%s\",\"node\":\"%s\",\"name\":",
	    ping_layer_names[row->layer], node);
	json_string(file, series_name_of(series, row->node));
	for (unsigned i = 0; i < PING_COUNTS; i++)
		fprintf(file, ",\"%s\":%" PRIu64, ping_count_names[i],
		    row->counts[i]);
	json_sums(file, "due", &row->due, row->quantiles_ns);
	json_sums(file, "sent", &row->sent, NULL);
	json_sums(file, "noise", &row->noise, NULL);
	json_clock(file, row);
	fputs("}\n", file);
}

void
report_csv_head(FILE *file)
{
	fputs("time,start_s,layer,node,name,count", file);
	for (unsigned i = 0; i < ARTICLE_COLUMNS; i++)
		fprintf(file, ",%s", value_names[i]);
	for (unsigned i = 0; i < SERIES_QUANTILES; i++)
		fprintf(file, ",%s", quantile_names[i]);
	for (unsigned i = 0; i < ARTICLE_COLUMNS; i++)
		fprintf(file, ",sent_%s", value_names[i]);
	for (unsigned i = 0; i < PING_COUNTS; i++)
		fprintf(file, ",%s", ping_count_names[i]);
	fputs(",noise_maximum_s,up_average_s,down_average_s"
	      ",clock_error_average_s,clock_error_maximum_s\n",
	    file);
}

/* Always in quotes, which are doubled in it. */
static void
csv_string(FILE *file, const char *s)
{
	fputc('"', file);
	for (; *s != '\0'; s++) {
		if (*s == '"')
			fputc('"', file);
		fputc((unsigned char)*s < ' ' ? '?' : *s, file);
	}
	fputc('"', file);
}

static void
csv_number(FILE *file, bool known, double ns)
{
	if (known)
		fprintf(file, ",%.9f", ns / 1e9);
	else
		fputc(',', file);
}

static void
csv_values(FILE *file, const struct hdr_sums *sums)
{
	for (unsigned i = 0; i < ARTICLE_COLUMNS; i++)
		csv_number(file, sums->count > 0,
		    article_value(sums, (enum article_column)i) * 1e9);
}

void
report_csv_row(FILE *file, const struct series *series,
    const struct series_row *row, const char *time)
{
	char at[ARTICLE_CELL_CHARS], node[NODE_CHARS];
	bool clock = row->up.count > 0;

	node_text(node, row->node);
	article_time(at, series_settings(series), row->start_ns);
	fprintf(file, "%s,", time == NULL ? at : time);
	if (time == NULL)
		fprintf(file, "%.3f", (double)row->start_ns / 1e9);
	fprintf(file, ",%s,%s,", ping_layer_names[row->layer], node);
	csv_string(file, series_name_of(series, row->node));
	fprintf(file, ",%" PRIu64, row->due.count);
	csv_values(file, &row->due);
	for (unsigned i = 0; i < SERIES_QUANTILES; i++)
		csv_number(file,
		    article_quantile_known(row->due.count, series_quantiles[i]),
		    (double)row->quantiles_ns[i]);
	csv_values(file, &row->sent);
	for (unsigned i = 0; i < PING_COUNTS; i++)
		fprintf(file, ",%" PRIu64, row->counts[i]);
	csv_number(file, row->noise.count > 0, (double)row->noise.max);
	csv_number(file, clock, row->up.mean);
	csv_number(file, clock, row->down.mean);
	csv_number(file, clock, row->clock_error.mean);
	csv_number(file, clock, row->clock_error.max);
	fputc('\n', file);
}
