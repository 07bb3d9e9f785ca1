/* SPDX-License-Identifier: MIT */
/*
 * table - rows of typed cells, printed as text, as one line of JSON or as CSV.
 *
 *	table_init(&table, "keys", "Keys", columns, n_columns);
 *	for (...) {
 *		table_row(&table);
 *		table_str(&table, name);
 *		table_u64(&table, frames);
 *	}
 *	ok = table_print(&table, stdout, TABLE_AS_TEXT);
 *	table_free(&table);
 *
 * Text is plain ASCII; columns are as wide as their contents, numbers aligned
 * to the right. Columns beyond 80 characters continue in further blocks, which
 * repeat the first column. JSON:
 *
 *	{"type":"statistics","name":"keys","columns":["key","frames"],
 *	 "rows":[["chat::line",7]],"notes":["..."]}
 *
 * "notes" is present only if there are any; more members can follow. CSV has the
 * same columns, and before them the name, so that one kind of row is found among
 * others:
 *
 *	statistic,key,frames
 *	keys,chat::line,7
 *	keys,"..."
 *
 * The last is a note; null is nothing between the commas. Out of memory is
 * recorded, and
 * reported by table_print(). Owns the cells; used wherever statistics are
 * printed.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 32

enum table_in {
	TABLE_BOTH = 0,
	TABLE_TEXT, /* in the text only */
	TABLE_JSON, /* and in CSV */
};

enum table_format {
	TABLE_AS_TEXT = 0,
	TABLE_AS_JSON,
	TABLE_AS_CSV,
};

struct table_column {
	const char *name; /* in JSON, including the unit: "latency_avg_ms" */
	const char *head; /* in text, wrapped at spaces: "latency avg" */
	const char *unit; /* after the head, or NULL */
	unsigned decimals; /* of table_f64() */
	enum table_in in; /* not TABLE_JSON for the first column */
	bool left; /* for strings; numbers are aligned to the right */
	bool bar; /* table_u64() as a bar relative to the largest; text only */
};

enum table_cell_type {
	TABLE_NULL = 0,
	TABLE_U64,
	TABLE_I64,
	TABLE_F64,
	TABLE_STR,
};

struct table_cell {
	enum table_cell_type type;
	union {
		uint64_t u64;
		int64_t i64;
		double f64;
		char *str; /* owned */
	} v;
};

struct table {
	const char *name, *title; /* borrowed, like the columns */
	const struct table_column *columns;
	size_t n_columns;
	struct table_cell *cells; /* owned; row by row */
	size_t n_cells, cap_cells, n_rows;
	char **notes; /* owned */
	size_t n_notes;
	const char *more_json; /* borrowed: more members, "\"a\":1"; or NULL */
	bool failed; /* out of memory: cells or notes are missing */
};

/* n_columns is at most TABLE_COLUMNS_MAX; `title` may be NULL. */
void table_init(struct table *table, const char *name, const char *title,
    const struct table_column *columns, size_t n_columns);
void table_free(struct table *table);

/* Starts a row; missing cells of the previous row are null. */
void table_row(struct table *table);

/* Add the next cell of the row. Excess cells are dropped. */
void table_null(struct table *table);
void table_u64(struct table *table, uint64_t v);
void table_i64(struct table *table, int64_t v);
void table_f64(struct table *table, double v); /* NaN, infinite: null */
void table_str(struct table *table, const char *v); /* copied; NULL: null */
void table_fmt(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds a line below the table. */
void table_note(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Returns false if writing failed, or if memory ran out before. */
bool
table_print(const struct table *table, FILE *out, enum table_format format);

#endif
