/* SPDX-License-Identifier: MIT */
/* A table as one line of JSON. */
#include "cmd/stats/table.h"

#include "cmd/common/json.h"

#include <inttypes.h>
#include <string.h>

static void
print_string(FILE *out, const char *str)
{
	char text[JSON_CHAR_BYTES];
	size_t n = strlen(str), used, text_bytes;

	fputc('"', out);
	for (; n > 0; str += used, n -= used) {
		used = json_char(str, n, text, &text_bytes);
		fwrite(text, 1, text_bytes, out);
	}
	fputc('"', out);
}

static void
print_cell(FILE *out, const struct table_cell *cell, unsigned decimals)
{
	switch (cell->type) {
	case TABLE_U64:
		fprintf(out, "%" PRIu64, cell->v.u64);
		break;
	case TABLE_I64:
		fprintf(out, "%" PRId64, cell->v.i64);
		break;
	case TABLE_F64:
		fprintf(out, "%.*f", (int)decimals, cell->v.f64);
		break;
	case TABLE_STR:
		print_string(out, cell->v.str);
		break;
	case TABLE_NULL:
		fputs("null", out);
		break;
	}
}

static bool
shown(const struct table_column *column)
{
	return column->in != TABLE_TEXT && !column->bar;
}

static void
print_row(const struct table *table, FILE *out, size_t row)
{
	const struct table_cell *cells = table->cells + row * table->n_columns;
	const char *comma = "";

	fputs(row == 0 ? "[" : ",[", out);
	for (size_t i = 0; i < table->n_columns; i++) {
		if (!shown(&table->columns[i]))
			continue;
		fputs(comma, out);
		print_cell(out, &cells[i], table->columns[i].decimals);
		comma = ",";
	}
	fputc(']', out);
}

void
table_print_json(const struct table *table, FILE *out)
{
	const char *comma = "";

	fputs("{\"type\":\"statistics\",\"name\":", out);
	print_string(out, table->name);
	fputs(",\"columns\":[", out);
	for (size_t i = 0; i < table->n_columns; i++) {
		if (!shown(&table->columns[i]))
			continue;
		fputs(comma, out);
		print_string(out, table->columns[i].name);
		comma = ",";
	}
	fputs("],\"rows\":[", out);
	for (size_t i = 0; i < table->n_rows; i++)
		print_row(table, out, i);
	fputc(']', out);
	for (size_t i = 0; i < table->n_notes; i++) {
		fputs(i == 0 ? ",\"notes\":[" : ",", out);
		print_string(out, table->notes[i]);
	}
	fputs(table->n_notes == 0 ? "}\n" : "]}\n", out);
}
