/* SPDX-License-Identifier: MIT */
#include "cmd/stats/table.h"

#include "cmd/common/json.h"

#include <inttypes.h>
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

/* Returns false and drops the cell if the row is full or was never started. */
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

/* Reserves the whole row, so that its cells always fit. */
void
table_row(struct table *table)
{
	fill_row(table);
	if (!make_room(table, (table->n_rows + 1) * table->n_columns))
		return;
	table->n_rows++;
	/* null cells, as the table may be printed before the row is complete */
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

/* Takes ownership of `str`; NULL means a failed allocation. */
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

/* ---- as aligned text ---- */

#define LINE_CHARS 80
#define GAP_CHARS 2 /* 1 if the table then fits in a line */
#define BAR_CHARS 30 /* maximum length */
#define INDENT_CHARS 2

struct layout {
	const struct table *table;
	size_t width[TABLE_COLUMNS_MAX];
	size_t head_lines[TABLE_COLUMNS_MAX];
	char head[TABLE_COLUMNS_MAX][64]; /* including the unit */
	uint64_t bar_max[TABLE_COLUMNS_MAX];
	size_t gap;
};

/* A part of a string: a line of a wrapped heading, or a cell. */
struct part {
	const char *p;
	size_t n_chars;
};

static bool
in_text(const struct table_column *column)
{
	return column->in != TABLE_JSON;
}

/* The width of `c` in plain ASCII: itself, or \xNN. */
static size_t
char_width(char c)
{
	return c >= ' ' && c <= '~' ? 1 : 4;
}

static size_t
string_width(const char *str)
{
	size_t n = 0;

	for (; *str != '\0'; str++)
		n += char_width(*str);
	return n;
}

static void
print_ascii(FILE *out, const char *str)
{
	for (; *str != '\0'; str++) {
		if (char_width(*str) == 1)
			fputc(*str, out);
		else
			fprintf(out, "\\x%02x", (unsigned char)*str);
	}
}

/* Formats a number; returns its length. */
static size_t
format_number(const struct table_cell *cell, unsigned decimals, char *text,
    size_t text_bytes)
{
	int n = 0;

	if (cell->type == TABLE_U64)
		n = snprintf(text, text_bytes, "%" PRIu64, cell->v.u64);
	else if (cell->type == TABLE_I64)
		n = snprintf(text, text_bytes, "%" PRId64, cell->v.i64);
	else if (cell->type == TABLE_F64)
		n = snprintf(
		    text, text_bytes, "%.*f", (int)decimals, cell->v.f64);
	else
		text[0] = '\0';
	return (size_t)n < text_bytes ? (size_t)n : text_bytes - 1;
}

static size_t
bar_width(const struct layout *lay, size_t column, uint64_t value)
{
	double part = 0;

	if (lay->bar_max[column] > 0)
		part = (double)value / (double)lay->bar_max[column];
	if (value > 0 && part < 1.0 / BAR_CHARS)
		return 1; /* a value above 0 is always visible */
	return (size_t)(part * BAR_CHARS + 0.5);
}

static size_t
cell_width(const struct layout *lay, size_t column, const struct table_cell *c)
{
	char text[512];

	if (lay->table->columns[column].bar && c->type == TABLE_U64)
		return bar_width(lay, column, c->v.u64);
	if (c->type == TABLE_STR)
		return string_width(c->v.str);
	return format_number(
	    c, lay->table->columns[column].decimals, text, sizeof(text));
}

/* The next line of a heading: as many words as fit in `width`. */
static struct part
next_line(const char **rest, size_t width)
{
	const char *start = *rest, *end = start, *word;
	size_t n;

	while (*end != '\0') {
		word = end + (*end == ' ');
		n = strcspn(word, " ");
		if (end != start && (size_t)(word + n - start) > width)
			break;
		end = word + n;
	}
	*rest = end + (*end == ' ');
	return (struct part){ start, (size_t)(end - start) };
}

/* A heading is as wide as its longest word, or as the cells below it. */
static void
measure_head(struct layout *lay, size_t column)
{
	const struct table_column *col = &lay->table->columns[column];
	const char *rest = lay->head[column];
	size_t n;

	snprintf(lay->head[column], sizeof(lay->head[column]), "%s%s%s",
	    col->head, col->unit == NULL ? "" : " ",
	    col->unit == NULL ? "" : col->unit);
	while (*rest != '\0') {
		n = strcspn(rest, " ");
		if (n > lay->width[column])
			lay->width[column] = n;
		rest += n + (rest[n] == ' ');
	}
	for (rest = lay->head[column]; *rest != '\0'; lay->head_lines[column]++)
		next_line(&rest, lay->width[column]);
}

static void
measure(struct layout *lay)
{
	const struct table *table = lay->table;
	const struct table_cell *cell;
	size_t n;

	for (size_t i = 0; i < table->n_columns; i++) {
		for (size_t row = 0; row < table->n_rows; row++) {
			cell = &table->cells[row * table->n_columns + i];
			if (cell->type == TABLE_U64 &&
			    cell->v.u64 > lay->bar_max[i])
				lay->bar_max[i] = cell->v.u64;
		}
		for (size_t row = 0; row < table->n_rows; row++) {
			cell = &table->cells[row * table->n_columns + i];
			n = cell_width(lay, i, cell);
			if (n > lay->width[i])
				lay->width[i] = n;
		}
		measure_head(lay, i);
	}
}

static void
choose_gap(struct layout *lay)
{
	size_t width = INDENT_CHARS, n = 0;

	for (size_t i = 0; i < lay->table->n_columns; i++) {
		if (!in_text(&lay->table->columns[i]))
			continue;
		width += lay->width[i];
		n++;
	}
	lay->gap = GAP_CHARS;
	if (width + (n - 1) * GAP_CHARS > LINE_CHARS &&
	    width + (n - 1) <= LINE_CHARS)
		lay->gap = 1;
}

static void
pad(FILE *out, size_t *owed)
{
	for (; *owed > 0; (*owed)--)
		fputc(' ', out);
}

static void
print_content(const struct layout *lay, size_t column,
    const struct table_cell *cell, FILE *out)
{
	char text[512];

	if (lay->table->columns[column].bar && cell->type == TABLE_U64) {
		for (size_t n = bar_width(lay, column, cell->v.u64); n > 0; n--)
			fputc('#', out);
	} else if (cell->type == TABLE_STR) {
		print_ascii(out, cell->v.str);
	} else {
		format_number(cell, lay->table->columns[column].decimals, text,
		    sizeof(text));
		fputs(text, out);
	}
}

/*
 * Line `line` (from the top) of the headings, which are aligned at the bottom.
 */
static struct part
head_line(const struct layout *lay, size_t column, size_t line, size_t n_lines)
{
	size_t empty = n_lines - lay->head_lines[column];
	const char *rest = lay->head[column];
	struct part part = { "", 0 };

	for (size_t i = empty; i <= line; i++)
		part = next_line(&rest, lay->width[column]);
	return part;
}

/*
 * Prints one line of a block: the headings (cells NULL) or a row. Delays blanks
 * until more text follows, so that no line ends in blanks.
 */
static void
print_line(const struct layout *lay, const bool *in_block,
    const struct table_cell *cells, size_t line, size_t n_lines, FILE *out)
{
	const struct table *table = lay->table;
	size_t owed = INDENT_CHARS, n, blank;
	struct part part = { NULL, 0 };

	for (size_t i = 0; i < table->n_columns; i++) {
		if (!in_block[i])
			continue;
		if (cells == NULL)
			part = head_line(lay, i, line, n_lines);
		n = cells == NULL ? part.n_chars
				  : cell_width(lay, i, &cells[i]);
		blank = lay->width[i] - n;
		if (!table->columns[i].left && !table->columns[i].bar)
			owed += blank;
		if (n > 0)
			pad(out, &owed);
		if (cells == NULL)
			fwrite(part.p, 1, n, out);
		else
			print_content(lay, i, &cells[i], out);
		if (table->columns[i].left || table->columns[i].bar)
			owed += blank;
		owed += lay->gap;
	}
	fputc('\n', out);
}

static void
print_block(const struct layout *lay, const bool *in_block, FILE *out)
{
	const struct table *table = lay->table;
	size_t n_lines = 0;

	for (size_t i = 0; i < table->n_columns; i++)
		if (in_block[i] && lay->head_lines[i] > n_lines)
			n_lines = lay->head_lines[i];
	for (size_t line = 0; line < n_lines; line++)
		print_line(lay, in_block, NULL, line, n_lines, out);
	for (size_t row = 0; row < table->n_rows; row++)
		print_line(lay, in_block, table->cells + row * table->n_columns,
		    0, 0, out);
}

/*
 * Selects the first column, and from *next on as many columns as fit beside it,
 * at least one.
 */
static void
choose_block(const struct layout *lay, size_t *next, bool *in_block)
{
	const struct table *table = lay->table;
	size_t width = INDENT_CHARS + lay->width[0] + lay->gap, n_in = 0, i;

	memset(in_block, 0, TABLE_COLUMNS_MAX * sizeof(*in_block));
	in_block[0] = true;
	for (i = *next; i < table->n_columns; i++) {
		if (!in_text(&table->columns[i]))
			continue;
		if (n_in > 0 && width + lay->width[i] > LINE_CHARS)
			break;
		in_block[i] = true;
		width += lay->width[i] + lay->gap;
		n_in++;
	}
	*next = i;
}

static void
table_print_text(const struct table *table, FILE *out)
{
	struct layout lay = { .table = table };
	bool in_block[TABLE_COLUMNS_MAX];
	size_t next = 1, n_shown = table->n_columns;

	if (table->title != NULL)
		fprintf(out, "%s\n", table->title);
	measure(&lay);
	choose_gap(&lay);
	while (n_shown > 1 && !in_text(&table->columns[n_shown - 1]))
		n_shown--;
	if (table->n_rows > 0) {
		do {
			if (next > 1)
				fputc('\n', out);
			choose_block(&lay, &next, in_block);
			print_block(&lay, in_block, out);
		} while (next < n_shown);
	}
	for (size_t i = 0; i < table->n_notes; i++) {
		fputs("  ", out);
		print_ascii(out, table->notes[i]);
		fputc('\n', out);
	}
}

/* ---- as one line of JSON ---- */

static void
print_escaped(FILE *out, const char *str, const char *quote)
{
	char text[JSON_CHAR_BYTES];
	size_t n = strlen(str), used, text_bytes;

	for (; n > 0; str += used, n -= used) {
		used = json_char(str, n, text, &text_bytes);
		if (*str == '"')
			fputs(quote, out);
		else
			fwrite(text, 1, text_bytes, out);
	}
}

static void
print_string(FILE *out, const char *str)
{
	fputc('"', out);
	print_escaped(out, str, "\\\"");
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
in_json(const struct table_column *column)
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
		if (!in_json(&table->columns[i]))
			continue;
		fputs(comma, out);
		print_cell(out, &cells[i], table->columns[i].decimals);
		comma = ",";
	}
	fputc(']', out);
}

static void
table_print_json(const struct table *table, FILE *out)
{
	const char *comma = "";

	fputs("{\"type\":\"statistics\",\"name\":", out);
	print_string(out, table->name);
	fputs(",\"columns\":[", out);
	for (size_t i = 0; i < table->n_columns; i++) {
		if (!in_json(&table->columns[i]))
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
	if (table->n_notes > 0)
		fputc(']', out);
	if (table->more_json != NULL)
		fprintf(out, ",%s", table->more_json);
	fputs("}\n", out);
}

/* ---- as CSV ---- */

/* In quotes where RFC 4180 wants them; the escapes are those of JSON. */
static void
print_csv_string(FILE *out, const char *str)
{
	const size_t n = strlen(str);
	const char *quote = n > 0 && strpbrk(str, ",\"") == NULL &&
		str[0] != ' ' && str[n - 1] != ' '
	    ? ""
	    : "\"";

	fputs(quote, out);
	print_escaped(out, str, "\"\"");
	fputs(quote, out);
}

static void
print_csv_row(const struct table *table, FILE *out, size_t row)
{
	const struct table_cell *cells = table->cells + row * table->n_columns;

	print_csv_string(out, table->name);
	for (size_t i = 0; i < table->n_columns; i++) {
		if (!in_json(&table->columns[i]))
			continue;
		fputc(',', out);
		if (cells[i].type == TABLE_STR)
			print_csv_string(out, cells[i].v.str);
		else if (cells[i].type != TABLE_NULL)
			print_cell(out, &cells[i], table->columns[i].decimals);
	}
	fputc('\n', out);
}

static void
table_print_csv(const struct table *table, FILE *out)
{
	fputs("statistic", out);
	for (size_t i = 0; i < table->n_columns; i++) {
		if (!in_json(&table->columns[i]))
			continue;
		fputc(',', out);
		print_csv_string(out, table->columns[i].name);
	}
	fputc('\n', out);
	for (size_t i = 0; i < table->n_rows; i++)
		print_csv_row(table, out, i);
	for (size_t i = 0; i < table->n_notes; i++) {
		print_csv_string(out, table->name);
		fputc(',', out);
		print_csv_string(out, table->notes[i]);
		fputc('\n', out);
	}
}

bool
table_print(const struct table *table, FILE *out, enum table_format format)
{
	if (format == TABLE_AS_JSON)
		table_print_json(table, out);
	else if (format == TABLE_AS_CSV)
		table_print_csv(table, out);
	else
		table_print_text(table, out);
	return !table->failed && !ferror(out);
}
