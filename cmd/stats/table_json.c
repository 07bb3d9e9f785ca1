/* SPDX-License-Identifier: MIT */
/* A table as one line of JSON. */
#include "cmd/stats/table.h"

#include <inttypes.h>
#include <string.h>

/*
 * How many bytes the UTF-8 character at `p` takes; 0 where it is none: cut,
 * overlong, a surrogate or past the last one.
 */
static size_t
utf8_bytes(const unsigned char *p)
{
	static const struct {
		unsigned char mask, lead, bytes, second_low, second_high;
	} kinds[] = {
		{ 0x80, 0x00, 1, 0, 0 },
		{ 0xff, 0xe0, 3, 0xa0, 0xbf },
		{ 0xff, 0xed, 3, 0x80, 0x9f },
		{ 0xf0, 0xe0, 3, 0x80, 0xbf },
		{ 0xff, 0xf0, 4, 0x90, 0xbf },
		{ 0xff, 0xf4, 4, 0x80, 0x8f },
		{ 0xfc, 0xf0, 4, 0x80, 0xbf },
		{ 0xe0, 0xc0, 2, 0x80, 0xbf },
	};
	size_t k = 0, i;

	while (k < sizeof(kinds) / sizeof(kinds[0]) &&
	    (*p & kinds[k].mask) != kinds[k].lead)
		k++;
	if (k == sizeof(kinds) / sizeof(kinds[0]) || *p == 0xc0 || *p == 0xc1)
		return 0;
	if (kinds[k].bytes > 1 &&
	    (p[1] < kinds[k].second_low || p[1] > kinds[k].second_high))
		return 0;
	for (i = 2; i < kinds[k].bytes; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return kinds[k].bytes;
}

static void
print_string(FILE *out, const char *str)
{
	const unsigned char *p = (const unsigned char *)str;
	size_t n;

	fputc('"', out);
	for (; *p != '\0'; p += n) {
		n = utf8_bytes(p);
		if (n == 0) {
			fputs("\\ufffd", out);
			n = 1;
		} else if (*p < 0x20 || *p == 0x7f) {
			fprintf(out, "\\u%04x", *p);
		} else {
			if (*p == '"' || *p == '\\')
				fputc('\\', out);
			fwrite(p, 1, n, out);
		}
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
