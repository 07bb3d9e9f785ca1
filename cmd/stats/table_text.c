/* SPDX-License-Identifier: MIT */
/* A table as aligned text. */
#include "cmd/stats/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LINE_CHARS 80
#define GAP_CHARS 2 /* 1, where the whole then fits in a line */
#define BAR_CHARS 30 /* the longest */
#define INDENT_CHARS 2

struct layout {
	const struct table *table;
	size_t width[TABLE_COLUMNS_MAX];
	size_t head_lines[TABLE_COLUMNS_MAX];
	char head[TABLE_COLUMNS_MAX][64]; /* with the unit */
	uint64_t bar_max[TABLE_COLUMNS_MAX];
	size_t gap;
};

/* A part of a string: a line of a wrapped heading, or a cell. */
struct part {
	const char *p;
	size_t n_chars;
};

static bool
shown(const struct table_column *column)
{
	return column->in != TABLE_JSON;
}

/* How wide is `c` when it is shown in plain ASCII: itself, or \xNN? */
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
print_string(FILE *out, const char *str)
{
	for (; *str != '\0'; str++) {
		if (char_width(*str) == 1)
			fputc(*str, out);
		else
			fprintf(out, "\\x%02x", (unsigned char)*str);
	}
}

/* A number as text; its length. */
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
		return 1; /* whatever is there is seen */
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

/* A heading is as wide as its longest word, or what is under it. */
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
		if (!shown(&lay->table->columns[i]))
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
		print_string(out, cell->v.str);
	} else {
		format_number(cell, lay->table->columns[column].decimals, text,
		    sizeof(text));
		fputs(text, out);
	}
}

/* Line `line` (from the top) of the headings; they stand on the bottom. */
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
 * One line of the columns of a block: of the headings (cells NULL) or a row.
 * Blanks are owed until something follows, so that no line ends in them.
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
 * The first column, and of those from *next on as many as fit in a line
 * beside it, at least one.
 */
static void
choose_block(const struct layout *lay, size_t *next, bool *in_block)
{
	const struct table *table = lay->table;
	size_t width = INDENT_CHARS + lay->width[0] + lay->gap, n_in = 0, i;

	memset(in_block, 0, TABLE_COLUMNS_MAX * sizeof(*in_block));
	in_block[0] = true;
	for (i = *next; i < table->n_columns; i++) {
		if (!shown(&table->columns[i]))
			continue;
		if (n_in > 0 && width + lay->width[i] > LINE_CHARS)
			break;
		in_block[i] = true;
		width += lay->width[i] + lay->gap;
		n_in++;
	}
	*next = i;
}

void
table_print_text(const struct table *table, FILE *out)
{
	struct layout lay = { .table = table };
	bool in_block[TABLE_COLUMNS_MAX];
	size_t next = 1, n_shown = table->n_columns;

	if (table->title != NULL)
		fprintf(out, "%s\n", table->title);
	measure(&lay);
	choose_gap(&lay);
	while (n_shown > 1 && !shown(&table->columns[n_shown - 1]))
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
		print_string(out, table->notes[i]);
		fputc('\n', out);
	}
}
