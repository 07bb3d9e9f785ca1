/* SPDX-License-Identifier: MIT */
#include "cmd/stats/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define CELLS_FIRST 64

void
table_init(struct table *table, const char *name, const char *title,
    const struct table_column *columns, size_t n_columns)
{
	*table = (struct table){ .name = name,
		.title = title,
		.columns = columns,
		.n_columns = n_columns };
}

void
table_free(struct table *table)
{
	for (size_t i = 0; i < table->n_cells; i++)
		if (table->cells[i].type == TABLE_STR)
			free(table->cells[i].v.str);
	for (size_t i = 0; i < table->n_notes; i++)
		free(table->notes[i]);
	free(table->cells);
	free(table->notes);
	*table = (struct table){ 0 };
}

static bool
make_room(struct table *table, size_t n_cells)
{
	size_t cap = table->cap_cells == 0 ? CELLS_FIRST : table->cap_cells;
	struct table_cell *cells;

	while (cap < n_cells)
		cap *= 2;
	if (cap == table->cap_cells)
		return true;
	cells = realloc(table->cells, cap * sizeof(*cells));
	if (cells == NULL) {
		table->failed = true;
		return false;
	}
	table->cells = cells;
	table->cap_cells = cap;
	return true;
}

/* False, and the cell is dropped, where the row is full or never started. */
static bool
add_cell(struct table *table, struct table_cell cell)
{
	if (table->n_cells >= table->n_rows * table->n_columns)
		return false;
	table->cells[table->n_cells++] = cell;
	return true;
}

static void
fill_row(struct table *table)
{
	while (add_cell(table, (struct table_cell){ .type = TABLE_NULL }))
		;
}

/* Room for the whole row is made here, so that its cells always fit. */
void
table_row(struct table *table)
{
	fill_row(table);
	if (!make_room(table, (table->n_rows + 1) * table->n_columns))
		return;
	table->n_rows++;
	/* print may come before the row is complete: it is from the start */
	for (size_t i = 0; i < table->n_columns; i++)
		table->cells[table->n_cells + i] =
		    (struct table_cell){ .type = TABLE_NULL };
}

void
table_null(struct table *table)
{
	add_cell(table, (struct table_cell){ .type = TABLE_NULL });
}

void
table_u64(struct table *table, uint64_t v)
{
	add_cell(table, (struct table_cell){ .type = TABLE_U64, .v.u64 = v });
}

void
table_i64(struct table *table, int64_t v)
{
	add_cell(table, (struct table_cell){ .type = TABLE_I64, .v.i64 = v });
}

void
table_f64(struct table *table, double v)
{
	struct table_cell cell = { .type = TABLE_F64, .v.f64 = v };

	if (!isfinite(v))
		cell.type = TABLE_NULL;
	add_cell(table, cell);
}

/* Takes over `str`; NULL is a failed allocation. */
static void
add_owned(struct table *table, char *str)
{
	struct table_cell cell = { .type = TABLE_STR, .v.str = str };

	if (str == NULL) {
		table->failed = true;
		table_null(table);
	} else if (!add_cell(table, cell)) {
		free(str);
	}
}

void
table_str(struct table *table, const char *v)
{
	if (v == NULL)
		table_null(table);
	else
		add_owned(table, strdup(v));
}

void
table_fmt(struct table *table, const char *format, ...)
{
	va_list args;
	char *str = NULL;

	va_start(args, format);
	if (vasprintf(&str, format, args) < 0)
		str = NULL;
	va_end(args);
	add_owned(table, str);
}

void
table_note(struct table *table, const char *format, ...)
{
	va_list args;
	char *str = NULL, **notes;

	va_start(args, format);
	if (vasprintf(&str, format, args) < 0)
		str = NULL;
	va_end(args);
	notes = realloc(table->notes, (table->n_notes + 1) * sizeof(*notes));
	if (notes != NULL)
		table->notes = notes;
	if (notes == NULL || str == NULL) {
		table->failed = true;
		free(str);
		return;
	}
	notes[table->n_notes++] = str;
}

bool
table_print(const struct table *table, FILE *out, bool json)
{
	if (json)
		table_print_json(table, out);
	else
		table_print_text(table, out);
	return !table->failed && !ferror(out);
}
