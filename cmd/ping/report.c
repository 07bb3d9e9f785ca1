/* SPDX-License-Identifier: MIT */
#include "cmd/ping/report_impl.h"

#include <string.h>

struct series_row
report_total(const struct series *series, uint64_t node, enum ping_layer layer,
    const struct series_cell *cell)
{
	struct series_row row = {
		.node = node,
		.layer = layer,
		.due = cell->due.sums,
		.sent = cell->sent,
		.up = cell->up,
		.down = cell->down,
		.clock_error = cell->clock_error,
	};

	for (unsigned i = 0; i < SERIES_QUANTILES; i++)
		row.quantiles_ns[i] =
		    hdr_quantile(&cell->due, series_quantiles[i]);
	memcpy(row.counts, cell->counts, sizeof(row.counts));
	if (node == SERIES_ALL)
		row.noise = *series_total_noise(series);
	return row;
}

static void
print_row(FILE *file, const struct series *series,
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
print_total(FILE *file, const struct series *series,
    const struct report_settings *settings, uint64_t node)
{
	const struct series_cell *cell;
	struct series_row row;

	for (unsigned layer = 0; layer < PING_LAYERS; layer++) {
		cell = series_total(series, node, (enum ping_layer)layer);
		if (cell == NULL)
			continue;
		row = report_total(series, node, (enum ping_layer)layer, cell);
		print_row(file, series, settings, &row, "total");
	}
}

static void
print_rows(FILE *file, const struct series *series,
    const struct report_settings *settings)
{
	if (settings->format == REPORT_CSV)
		report_csv_head(file);
	for (size_t i = 0; i < series_n_rows(series); i++)
		print_row(file, series, settings, series_row(series, i), NULL);
	print_total(file, series, settings, SERIES_ALL);
	for (size_t i = 0; i < series_n_nodes(series); i++)
		print_total(file, series, settings, series_node(series, i));
}

bool
report_print(FILE *file, const struct series *series,
    const struct report_settings *settings)
{
	if (settings->format == REPORT_TEXT)
		report_text(file, series, settings);
	else
		print_rows(file, series, settings);
	return fflush(file) == 0 && ferror(file) == 0;
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
		print_row(file, series, settings, row, NULL);
	}
	return fflush(file) == 0 && ferror(file) == 0;
}
