/* SPDX-License-Identifier: MIT */
/*
 * columns - the formats -o fields and -o csv: one line per record, with the
 * fields that -e names. Owns what it makes of the options; called by main.c
 * through the table.
 */
#ifndef DECODE_COLUMNS_H
#define DECODE_COLUMNS_H

#include "cmd/decode/output.h"

extern const struct output_format output_columns;

/*
 * Reads the names of opt->fields, which is borrowed. NULL: *bad is the one that
 * is none, NULL when out of memory, and `err` (FILTER_REF_ERR_CHARS) says why.
 */
struct columns *
columns_new(const struct decode_options *opt, const char **bad, char *err);
void columns_free(struct columns *columns); /* NULL is allowed */

/* Does a column show what a payload says? */
bool columns_need_payload(const struct columns *columns);

/* Writes the line of names if it was asked for. */
void columns_header(struct output *output);

#endif
