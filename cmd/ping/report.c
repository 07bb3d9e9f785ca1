/* SPDX-License-Identifier: MIT */
/*
 * In this order: the cluster table as text; rows as JSON and CSV; the choice of
 * what to print.
 */
#include "cmd/ping/report.h"

#include "cmd/common/cli.h"
#include "cmd/common/json.h"
#include "cmd/ping/cluster_table.h"
#include "cmd/stats/summary.h"

#include <inttypes.h>
#include <string.h>

#define TIME_CHARS 5 /* HH:MM; longer times shift the row */
#define CELL_CHARS 7
#define NAMED_CHARS 128

static const char *const layer_titles[PING_LAYERS] = { "Network layer",
	"Service layer", "The relay itself" };
static const char *const count_heads[PING_COUNTS] = { "Lost", "Late", "Twice",
	"Disorder", "Missed" };

/* Bits: which columns to print. */
#define COLUMN_COUNT(what) (1u << (what))
#define COLUMN_HICCUPS (1u << PING_COUNTS)
#define COLUMN_OUTAGE (1u << (PING_COUNTS + 1))
#define COLUMN_ANY (1u << (PING_COUNTS + 2)) /* so that no set is 0 */
#define COLUMNS_OF_RUN (COLUMN_HICCUPS | COLUMN_OUTAGE) /* not of a node */

/* The columns that have a value at any layer. */
static unsigned
columns_of(const struct series *series)
{
	const struct series_cell *cell;
	unsigned columns = COLUMN_ANY;
	size_t n_outages;

	if (series_total_hiccups(series)->count > 0)
		columns |= COLUMN_HICCUPS;
	(void)series_outages(series, &n_outages);
	if (n_outages > 0)
		columns |= COLUMN_OUTAGE;
	for (unsigned layer = 0; layer < PING_LAYERS; layer++) {
		cell = series_total(series, SERIES_ALL, (enum ping_layer)layer);
		for (unsigned i = 0; cell != NULL && i < PING_COUNTS; i++)
			if (cell->counts[i] > 0)
				columns |= COLUMN_COUNT(i);
	}
	return columns;
}

/* How many of the layers below that one (PING_LAYERS: all) were measured? */
static unsigned
layers_below(const struct series *series, unsigned layer)
{
	unsigned n = 0;

	while (layer-- > 0)
		n += series_total(series, SERIES_ALL, (enum ping_layer)layer) !=
		    NULL;
	return n;
}

/* With several layers, a table says which one it is of. */
static bool
several_layers(const struct series *series)
{
	return layers_below(series, PING_LAYERS) > 1;
}

/* The width of a column: that of its heading, but at least a cell. */
static int
width_of(const char *head)
{
	size_t n = strlen(head);

	return (int)(n > CELL_CHARS ? n : CELL_CHARS);
}

static void
print_heads(
    FILE *file, unsigned columns, const struct report_settings *settings)
{
	const bool percentiles = settings->percentiles;

	if (settings->unit != CLUSTER_S)
		fprintf(file, "in %s\n", cluster_units[settings->unit]);
	fprintf(file, "%-*s", TIME_CHARS, "Time");
	for (unsigned i = 0; i < CLUSTER_COLUMNS; i++)
		fprintf(file, " %*s", CELL_CHARS, cluster_heads[i]);
	for (unsigned i = 0; percentiles && i < SERIES_QUANTILES; i++)
		fprintf(file, " %*s", CELL_CHARS, cluster_quantile_heads[i]);
	for (unsigned i = 0; i < PING_COUNTS; i++)
		if (columns & COLUMN_COUNT(i))
			fprintf(file, " %*s", width_of(count_heads[i]),
			    count_heads[i]);
	if (columns & COLUMN_HICCUPS)
		fprintf(file, " %*s", CELL_CHARS, "Hiccup");
	if (columns & COLUMN_OUTAGE)
		fprintf(file, " %*s", CELL_CHARS, "Outage");
	fputc('\n', file);
}

static void
time_cell(char text[CLUSTER_CELL_CHARS], enum cluster_unit unit, double seconds,
    unsigned decimals)
{
	double value = cluster_in(unit, seconds, &decimals);

	cluster_cell(text, value, decimals);
}

/* Blank if there is nothing to report. */
static void
print_cell(FILE *file, enum cluster_unit unit, bool known, double seconds,
    unsigned decimals)
{
	char text[CLUSTER_CELL_CHARS] = "";

	if (known)
		time_cell(text, unit, seconds, decimals);
	fprintf(file, " %*s", CELL_CHARS, text);
}

static void
print_sums(FILE *file, enum cluster_unit unit, const char *time,
    const struct hdr_sums *sums)
{
	fprintf(file, "%-*s", TIME_CHARS, time);
	for (unsigned i = 0; i < CLUSTER_COLUMNS; i++)
		print_cell(file, unit, sums->count > 0,
		    cluster_value(sums, (enum cluster_column)i),
		    cluster_decimals[i]);
}

/* The part of the row's bucket without a relay. */
static double
outage_s(const struct series *series, const struct series_row *row)
{
	int64_t end_ns = row->start_ns + series_settings(series)->bucket_ns;

	return (double)series_outage_ns(series, row->start_ns, end_ns) / 1e9;
}

static void
text_row(FILE *file, const struct series *series, const struct series_row *row,
    unsigned columns, const struct report_settings *settings)
{
	const enum cluster_unit unit = (enum cluster_unit)settings->unit;
	const bool percentiles = settings->percentiles;
	char time[CLUSTER_CELL_CHARS];

	cluster_time(time, series_settings(series), row->start_ns);
	print_sums(file, unit, time, &row->due);
	for (unsigned i = 0; percentiles && i < SERIES_QUANTILES; i++)
		print_cell(file, unit,
		    hdr_quantile_known(row->due.count, series_quantiles[i]),
		    (double)row->quantiles_ns[i] / 1e9,
		    CLUSTER_QUANTILE_DECIMALS);
	for (unsigned i = 0; i < PING_COUNTS; i++)
		if (columns & COLUMN_COUNT(i))
			fprintf(file, " %*" PRIu64, width_of(count_heads[i]),
			    row->counts[i]);
	if (columns & COLUMN_HICCUPS)
		print_cell(file, unit, row->hiccups.count > 0,
		    (double)row->hiccups.max / 1e9,
		    cluster_decimals[CLUSTER_AVERAGE]);
	if (columns & COLUMN_OUTAGE)
		fprintf(file, " %*.1f", CELL_CHARS, outage_s(series, row));
	fputc('\n', file);
	if (series_sent_differs(&row->due, &row->sent)) {
		print_sums(file, unit, " sent", &row->sent);
		fputc('\n', file);
	}
}

static void
print_counts(FILE *file, const struct series_cell *cell)
{
	static const char *const said[PING_COUNTS] = { NULL, "late", "twice",
		"out of order", "never sent" };
	uint64_t n_lost = cell->counts[PING_LOST];
	uint64_t n_asked = cell->due.sums.count + n_lost;
	char percent[SUMMARY_PERCENT_CHARS];

	fprintf(file, "%" PRIu64 " answered, %" PRIu64 " lost",
	    cell->due.sums.count, n_lost);
	if (n_lost > 0)
		fprintf(file, " (%s)",
		    summary_percent(percent, (double)n_lost / (double)n_asked));
	for (unsigned i = PING_LATE; i < PING_COUNTS; i++)
		if (cell->counts[i] > 0)
			fprintf(
			    file, ", %" PRIu64 " %s", cell->counts[i], said[i]);
	fputc('\n', file);
}

static void
print_named(FILE *file, enum cluster_unit unit, const char *what, double ns)
{
	char text[CLUSTER_CELL_CHARS];

	time_cell(text, unit, ns / 1e9, cluster_decimals[CLUSTER_AVERAGE]);
	fprintf(file, "%s %s", what, text);
}

/* The ways up and down, always with their error bound. */
static void
print_clock(FILE *file, enum cluster_unit unit, const struct series_cell *cell)
{
	if (cell->up.count == 0)
		return;
	print_named(file, unit, "on the way up", cell->up.mean);
	print_named(file, unit, ", down", cell->down.mean);
	print_named(file, unit, " on average, each +-", cell->clock_error.mean);
	fputs(" by the clocks\n", file);
}

static void
print_all(FILE *file, enum cluster_unit unit, const char *title,
    const struct hdr_sums *sums)
{
	char text[CLUSTER_CELL_CHARS];

	fputs(title, file);
	for (unsigned i = 0; sums->count > 0 && i < CLUSTER_COLUMNS; i++) {
		time_cell(text, unit,
		    cluster_value(sums, (enum cluster_column)i),
		    cluster_decimals[i]);
		fprintf(file, " %s", text);
	}
}

static void
text_total(FILE *file, enum cluster_unit unit, const struct series_cell *cell)
{
	const struct hdr_sums *due = &cell->due.sums;

	print_all(file, unit, "in all", due);
	fputs(due->count > 0 ? ": " : " ", file);
	print_counts(file, cell);
	if (series_sent_differs(due, &cell->sent)) {
		print_all(file, unit, "  sent", &cell->sent);
		fputs(", counted from when they were sent\n", file);
	}
	print_clock(file, unit, cell);
}

/* The table of a node (or of all) at a layer. */
static void
print_table(FILE *file, const struct series *series, uint64_t node,
    enum ping_layer layer, const struct report_settings *settings)
{
	const struct series_cell *cell = series_total(series, node, layer);
	unsigned columns = columns_of(series);
	const struct series_row *row;

	/* the stalls are this machine's, the outages the relay's: once */
	if (node != SERIES_ALL || layers_below(series, layer) > 0)
		columns &= ~COLUMNS_OF_RUN;
	print_heads(file, columns, settings);
	for (size_t i = 0; i < series_n_rows(series); i++) {
		row = series_row(series, i);
		if (row->node == node && row->layer == layer)
			text_row(file, series, row, columns, settings);
	}
	fputc('\n', file);
	text_total(file, (enum cluster_unit)settings->unit, cell);
}

static void
node_title(char text[NAMED_CHARS], const struct series *series, uint64_t node)
{
	const char *name = series_name_of(series, node);

	if (node == SERIES_OTHERS)
		snprintf(text, NAMED_CHARS, "Other nodes");
	else if (name[0] == '\0')
		snprintf(text, NAMED_CHARS, "Node %" PRIu64, node);
	else
		snprintf(text, NAMED_CHARS, "Node %" PRIu64 ", %s", node, name);
	cli_plain(text); /* it may be of a log */
}

/* The tables of a node at all layers; *first: no table was printed before. */
static void
print_node(FILE *file, const struct series *series, uint64_t node,
    const struct report_settings *settings, bool *first)
{
	bool several = several_layers(series);
	char title[NAMED_CHARS] = "";

	if (node != SERIES_ALL)
		node_title(title, series, node);
	for (unsigned i = 0; i < PING_LAYERS; i++) {
		if (series_total(series, node, (enum ping_layer)i) == NULL)
			continue;
		if (!*first)
			fputc('\n', file);
		*first = false;
		if (title[0] != '\0' || several)
			fprintf(file, "%s%s%s\n", title,
			    title[0] != '\0' && several ? ": " : "",
			    several ? layer_titles[i] : "");
		print_table(file, series, node, (enum ping_layer)i, settings);
	}
}

static void
print_outages(FILE *file, const struct series *series)
{
	size_t n;

	(void)series_outages(series, &n);
	if (n > 0)
		fprintf(file, "no relay: %zu time%s, %.1f s in all\n", n,
		    n == 1 ? "" : "s",
		    (double)series_outage_ns(series, INT64_MIN, INT64_MAX) /
			1e9);
}

static void
report_text(FILE *file, const struct series *series,
    const struct report_settings *settings)
{
	bool first = true;

	print_node(file, series, SERIES_ALL, settings, &first);
	print_outages(file, series);
	for (size_t i = 0; settings->per_node && i < series_n_nodes(series);
	     i++)
		print_node(
		    file, series, series_node(series, i), settings, &first);
	if (series_n_dropped(series) > 0)
		fprintf(file, "%" PRIu64 " rows are left out: too many\n",
		    series_n_dropped(series));
	if (series_n_refused(series) > 0)
		fprintf(file,
		    "%" PRIu64 " samples are missing: out of memory\n",
		    series_n_refused(series));
}

static void
report_text_row(FILE *file, const struct series *series,
    const struct report_settings *settings, const struct series_row *row,
    unsigned *state)
{
	unsigned columns = columns_of(series);

	if (row->node != SERIES_ALL)
		return;
	if (*state != columns)
		print_heads(file, columns, settings);
	*state = columns;
	text_row(file, series, row, columns, settings);
	if (several_layers(series))
		fprintf(file, " (%s)\n", layer_titles[row->layer]);
}

/* Rows as JSON and CSV. */

#define NODE_CHARS 24

/* The names in both formats for the values of a distribution. */
static const char *const value_names[CLUSTER_COLUMNS] = { "minimum_s",
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

/* ,"due":{...}; null if there are no samples, as a quantile of too few. */
static void
json_sums(FILE *file, const char *name, const struct hdr_sums *sums,
    const int64_t *quantiles_ns)
{
	fprintf(file, ",\"%s\":", name);
	if (sums->count == 0) {
		fputs("null", file);
		return;
	}
	fprintf(file, "{\"count\":%" PRIu64, sums->count);
	for (unsigned i = 0; i < CLUSTER_COLUMNS; i++)
		fprintf(file, ",\"%s\":%.9f", value_names[i],
		    cluster_value(sums, (enum cluster_column)i));
	for (unsigned i = 0; quantiles_ns != NULL && i < SERIES_QUANTILES; i++)
		if (hdr_quantile_known(sums->count, series_quantiles[i]))
			fprintf(file, ",\"%s\":%.9f", quantile_names[i],
			    (double)quantiles_ns[i] / 1e9);
		else
			fprintf(file, ",\"%s\":null", quantile_names[i]);
	fputc('}', file);
}

/* The ways up and down, always with their error bound. */
static void
json_clock(FILE *file, const struct series_row *row)
{
	if (row->up.count == 0) {
		fputs(",\"clock\":null", file);
		return;
	}
	fprintf(file,
	    ",\"clock\":{\"count\":%" PRIu64 ",\"up_average_s\":%.9f"
	    ",\"down_average_s\":%.9f,\"error_average_s\":%.9f"
	    ",\"error_maximum_s\":%.9f}",
	    row->up.count, row->up.mean / 1e9, row->down.mean / 1e9,
	    row->clock_error.mean / 1e9, row->clock_error.max / 1e9);
}

/* `time`: NULL for the time of the row. */
static void
report_json_row(FILE *file, const struct series *series,
    const struct series_row *row, const char *time)
{
	char at[CLUSTER_CELL_CHARS], node[NODE_CHARS];

	node_text(node, row->node);
	cluster_time(at, series_settings(series), row->start_ns);
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
	json_sums(file, "hiccups", &row->hiccups, NULL);
	if (time == NULL && row->node == SERIES_ALL)
		fprintf(file, ",\"outage_s\":%.3f", outage_s(series, row));
	json_clock(file, row);
	fputs("}\n", file);
}

static void
report_csv_head(FILE *file)
{
	fputs("time,start_s,layer,node,name,count", file);
	for (unsigned i = 0; i < CLUSTER_COLUMNS; i++)
		fprintf(file, ",%s", value_names[i]);
	for (unsigned i = 0; i < SERIES_QUANTILES; i++)
		fprintf(file, ",%s", quantile_names[i]);
	for (unsigned i = 0; i < CLUSTER_COLUMNS; i++)
		fprintf(file, ",sent_%s", value_names[i]);
	for (unsigned i = 0; i < PING_COUNTS; i++)
		fprintf(file, ",%s", ping_count_names[i]);
	fputs(",hiccups_maximum_s,up_average_s,down_average_s"
	      ",clock_error_average_s,clock_error_maximum_s,outage_s\n",
	    file);
}

/* Write a quoted field; quotes inside are doubled. */
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
	for (unsigned i = 0; i < CLUSTER_COLUMNS; i++)
		csv_number(file, sums->count > 0,
		    cluster_value(sums, (enum cluster_column)i) * 1e9);
}

static void
report_csv_row(FILE *file, const struct series *series,
    const struct series_row *row, const char *time)
{
	char at[CLUSTER_CELL_CHARS], node[NODE_CHARS];
	bool clock = row->up.count > 0;

	node_text(node, row->node);
	cluster_time(at, series_settings(series), row->start_ns);
	fprintf(file, "%s,", time == NULL ? at : time);
	if (time == NULL)
		fprintf(file, "%.3f", (double)row->start_ns / 1e9);
	fprintf(file, ",%s,%s,", ping_layer_names[row->layer], node);
	csv_string(file, series_name_of(series, row->node));
	fprintf(file, ",%" PRIu64, row->due.count);
	csv_values(file, &row->due);
	for (unsigned i = 0; i < SERIES_QUANTILES; i++)
		csv_number(file,
		    hdr_quantile_known(row->due.count, series_quantiles[i]),
		    (double)row->quantiles_ns[i]);
	csv_values(file, &row->sent);
	for (unsigned i = 0; i < PING_COUNTS; i++)
		fprintf(file, ",%" PRIu64, row->counts[i]);
	csv_number(file, row->hiccups.count > 0, (double)row->hiccups.max);
	csv_number(file, clock, row->up.mean);
	csv_number(file, clock, row->down.mean);
	csv_number(file, clock, row->clock_error.mean);
	csv_number(file, clock, row->clock_error.max);
	if (time == NULL && row->node == SERIES_ALL)
		fprintf(file, ",%.3f", outage_s(series, row));
	else
		fputc(',', file);
	fputc('\n', file);
}

/* The total of a cell as a row; the hiccups are those of the whole run. */
static struct series_row
report_total(const struct series *series, uint64_t node, enum ping_layer layer,
    const struct series_cell *cell)
{
	struct series_row row = series_row_of(cell);

	row.node = node;
	row.layer = layer;
	if (node == SERIES_ALL)
		row.hiccups = *series_total_hiccups(series);
	return row;
}

static void
data_row(FILE *file, const struct series *series,
    const struct report_settings *settings, const struct series_row *row,
    const char *time)
{
	if (row->node != SERIES_ALL && !settings->per_node)
		return;
	if (settings->format == REPORT_JSON)
		report_json_row(file, series, row, time);
	else
		report_csv_row(file, series, row, time);
}

static void
data_total(FILE *file, const struct series *series,
    const struct report_settings *settings, uint64_t node)
{
	const struct series_cell *cell;
	struct series_row row;

	for (unsigned layer = 0; layer < PING_LAYERS; layer++) {
		cell = series_total(series, node, (enum ping_layer)layer);
		if (cell == NULL)
			continue;
		row = report_total(series, node, (enum ping_layer)layer, cell);
		data_row(file, series, settings, &row, "total");
	}
}

/* {"type":"outage",...}, one for each, before the totals. */
static void
json_outages(FILE *file, const struct series *series)
{
	const struct series_outage *list;
	size_t n;

	list = series_outages(series, &n);
	for (size_t i = 0; i < n; i++)
		fprintf(file,
		    "{\"type\":\"outage\",\"start_s\":%.3f,\"end_s\":%.3f}\n",
		    (double)list[i].start_ns / 1e9,
		    (double)list[i].end_ns / 1e9);
}

static void
data_rows(FILE *file, const struct series *series,
    const struct report_settings *settings)
{
	if (settings->format == REPORT_CSV)
		report_csv_head(file);
	for (size_t i = 0; i < series_n_rows(series); i++)
		data_row(file, series, settings, series_row(series, i), NULL);
	if (settings->format == REPORT_JSON)
		json_outages(file, series);
	data_total(file, series, settings, SERIES_ALL);
	for (size_t i = 0; i < series_n_nodes(series); i++)
		data_total(file, series, settings, series_node(series, i));
}

bool
report_print(FILE *file, const struct series *series,
    const struct report_settings *settings)
{
	if (settings->format == REPORT_TEXT)
		report_text(file, series, settings);
	else
		data_rows(file, series, settings);
	return ferror(file) == 0;
}

bool
report_row(FILE *file, const struct series *series,
    const struct report_settings *settings, const struct series_row *row,
    unsigned *state)
{
	if (settings->format == REPORT_TEXT) {
		report_text_row(file, series, settings, row, state);
	} else {
		if (settings->format == REPORT_CSV && *state == 0)
			report_csv_head(file);
		*state = 1;
		data_row(file, series, settings, row, NULL);
	}
	return ferror(file) == 0;
}
