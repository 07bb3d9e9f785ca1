/* SPDX-License-Identifier: MIT */
/* What the files of report share, and nobody else. */
#ifndef PING_REPORT_IMPL_H
#define PING_REPORT_IMPL_H

#include "cmd/ping/report.h"

/* The total of a cell, as a row; noise is that of the whole run. */
struct series_row report_total(const struct series *series, uint64_t node,
    enum ping_layer layer, const struct series_cell *cell);

void report_text(FILE *file, const struct series *series,
    const struct report_settings *settings);
void report_text_row(FILE *file, const struct series *series,
    const struct report_settings *settings, const struct series_row *row,
    unsigned *state);

/* `time`: NULL for the row's own. */
void report_json_row(FILE *file, const struct series *series,
    const struct series_row *row, const char *time);
void report_csv_head(FILE *file);
void report_csv_row(FILE *file, const struct series *series,
    const struct series_row *row, const char *time);

#endif
