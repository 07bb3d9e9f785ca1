/* SPDX-License-Identifier: MIT */
/* The comments of series_log: a row as text, and back. */
#ifndef PING_SERIES_LOG_ROW_H
#define PING_SERIES_LOG_ROW_H

#include "cmd/ping/series.h"

#include <stdio.h>

#define ROW_HEAD "#[bluenet-ping log: "
#define ROW_START "#[bluenet-ping row: "

struct row_head {
	int64_t bucket_ns, zone_ns;
};

void row_print_head(FILE *file, const struct row_head *head);
void row_print(FILE *file, const struct series_row *row, const char *name);

/*
 * From a line that starts so. NULL, or what is wrong in it. `name` is "" where
 * there is none. Fields that are not known are skipped.
 */
const char *row_parse_head(const char *line, struct row_head *head);
const char *row_parse(
    const char *line, struct series_row *row, char name[SERIES_NAME_CHARS]);

#endif
