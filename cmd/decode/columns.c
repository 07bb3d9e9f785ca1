/* SPDX-License-Identifier: MIT */
#include "cmd/decode/columns.h"

#include "cmd/common/json.h"
#include "cmd/filter/eval.h"

#include <stdlib.h>
#include <string.h>

struct columns {
	struct filter_ref refs[OPTION_TEXTS_MAX];
	const char *names[OPTION_TEXTS_MAX]; /* as given; borrowed */
	size_t n;
	bool header;
	char separator, aggregator;
	char quote; /* '\0': where it is needed; 'n': never */
	enum option_occurrence occurrence;
	bool time_given; /* times as -t says; otherwise as in JSON */
};

/* One column of one record. */
struct cell {
	struct output *output;
	const struct columns *columns;
	const struct filter_row *row;
	int64_t clock_ns; /* of the record, without the steps of the clock */
	size_t n; /* values so far */
	bool special; /* one holds what makes quotes necessary */
	struct filter_value last; /* OCCURRENCE_LAST */
};

struct columns *
columns_new(const struct decode_options *opt, const char **bad, char *err)
{
	struct columns *c = calloc(1, sizeof(*c));
	const struct option_columns *set = &opt->columns;
	size_t at;

	*bad = NULL;
	if (c == NULL)
		return NULL;
	c->header = set->header;
	c->separator = set->separator != '\0' ? set->separator
	    : opt->output == OUTPUT_CSV       ? ','
					      : '\t';
	c->aggregator = set->aggregator != '\0' ? set->aggregator : ',';
	c->quote = set->quote;
	c->occurrence = set->occurrence;
	c->time_given = opt->time_given;
	for (; c->n < opt->fields.n; c->n++) {
		const char *name = opt->fields.at[c->n];

		c->names[c->n] = name;
		if (!filter_ref_parse(
			name, strlen(name), &c->refs[c->n], err, &at)) {
			*bad = name;
			free(c);
			return NULL;
		}
	}
	return c;
}

bool
columns_need_payload(const struct columns *columns)
{
	for (size_t i = 0; i < columns->n; i++)
		if (filter_ref_payload(&columns->refs[i]))
			return true;
	return false;
}

void
columns_free(struct columns *columns)
{
	free(columns);
}

/* ---- one value ---- */

/* The word of a value; NULL: none, such as an order that is not known yet. */
static const char *
word_of(const struct filter_row *row, uint64_t value)
{
	const struct filter_word *w = row->field.words;

	while (w->name != NULL && w->value != value)
		w++;
	return w->name;
}

static bool
is_word(const struct filter_row *row)
{
	return row->field.type == FILTER_WORD || row->field.type == FILTER_BOOL;
}

static bool
is_missing(const struct filter_row *row, const struct filter_value *v)
{
	return is_word(row) && word_of(row, v->number) == NULL;
}

/* Must a value with this text be in quotes, where these are not always? */
static bool
is_special(const struct columns *c, struct bnet_slice s)
{
	if (s.len == 0 || c->quote != '\0' || c->separator == '\t')
		return false;
	return memchr(s.p, c->separator, s.len) != NULL ||
	    memchr(s.p, '"', s.len) != NULL || s.p[0] == ' ' ||
	    s.p[s.len - 1] == ' ';
}

/*
 * Writes text with the escapes of JSON, so that a line stays a line; but quotes
 * are doubled inside quotes, and a separator without them is escaped, too.
 */
static void
put_text(struct outbuf *out, const struct columns *c, char quote,
    struct bnet_slice s)
{
	const char *p = (const char *)s.p;
	char text[JSON_CHAR_BYTES];
	size_t used, n;

	for (size_t at = 0; at < s.len; at += used) {
		used = json_char(p + at, s.len - at, text, &n);
		if (p[at] == '"' || p[at] == quote) {
			out_short(out, p + at, 1);
			if (p[at] == quote)
				out_short(out, p + at, 1);
		} else if (p[at] == c->separator && quote == '\0' &&
		    c->separator != '\t') {
			out_printf(out, "\\u%04x", (unsigned)p[at]);
		} else {
			out_short(out, text, n);
		}
	}
}

static void
put_time(
    struct output *output, bool as_given, int64_t time_ns, int64_t clock_ns)
{
	if (as_given)
		output_time(output, time_ns, clock_ns);
	else
		output_epoch(output, time_ns);
	if (!as_given || output->opt->time != TIME_NONE)
		out_short(output->out, output->time, output->time_chars);
}

static void
put_value(const struct cell *cell, char quote, const struct filter_value *v)
{
	const struct filter_row *row = cell->row;
	struct outbuf *out = cell->output->out;

	if (row->field.type == FILTER_BYTES)
		out_hex(out, v->bytes.p, v->bytes.len);
	else if (!filter_row_number(row))
		put_text(out, cell->columns, quote, v->bytes);
	else if (is_word(row))
		out_str(out, word_of(row, v->number));
	else if (row->field.type == FILTER_TIME)
		put_time(cell->output, cell->columns->time_given,
		    (int64_t)(v->number ^ FILTER_BIAS), cell->clock_ns);
	else if (filter_row_signed(row))
		out_i64(out, (int64_t)(v->number ^ FILTER_BIAS));
	else
		out_u64(out, v->number);
}

/* ---- one column ---- */

/* Counts the values, and finds out whether they need quotes. */
static bool
count(void *arg, const struct filter_value *v)
{
	struct cell *cell = arg;

	if (is_missing(cell->row, v))
		return false;
	cell->n++;
	cell->last = *v;
	cell->special = cell->special ||
	    (cell->row->field.type != FILTER_BYTES &&
		is_special(cell->columns, v->bytes));
	return cell->columns->occurrence == OCCURRENCE_FIRST;
}

struct writing {
	struct cell *cell;
	char quote;
	size_t n;
};

static bool
write_one(void *arg, const struct filter_value *v)
{
	struct writing *w = arg;
	const struct columns *c = w->cell->columns;

	if (is_missing(w->cell->row, v))
		return false;
	if (w->n++ > 0)
		out_short(w->cell->output->out, &c->aggregator, 1);
	put_value(w->cell, w->quote, v);
	return c->occurrence == OCCURRENCE_FIRST;
}

/* As in JSON, a key without a name is shown as a number. */
static void
put_unnamed(const struct cell *cell, const struct record *record)
{
	const struct cap_event *event = record->event;
	const char quote = cell->columns->quote;
	const int quoted = quote != '\0' && quote != 'n';

	if (strcmp(cell->row->field.name, "key_name") == 0 &&
	    event->type == CAP_FRAME && event->frame->has_header &&
	    event->frame->header.key != 0)
		out_printf(cell->output->out, "%.*s0x%08x%.*s", quoted, &quote,
		    (unsigned)event->frame->header.key, quoted, &quote);
}

static void
put_cell(struct output *output, const struct filter_ref *ref,
    const struct record *record)
{
	const struct columns *c = output->columns;
	struct cell cell = { .output = output,
		.columns = c,
		.row = ref->row,
		.clock_ns = record->event->clock_ns };
	struct writing w = { &cell, c->quote, 0 };

	(void)filter_each(ref, record, count, &cell);
	if (cell.n == 0) {
		put_unnamed(&cell, record);
		return;
	}
	cell.special = cell.special ||
	    (cell.n > 1 && c->occurrence == OCCURRENCE_ALL &&
		c->quote == '\0' && c->separator == c->aggregator);
	if (w.quote == '\0' && cell.special)
		w.quote = '"';
	else if (w.quote == 'n')
		w.quote = '\0';
	if (w.quote != '\0')
		out_short(output->out, &w.quote, 1);
	if (c->occurrence == OCCURRENCE_LAST)
		put_value(&cell, w.quote, &cell.last);
	else
		(void)filter_each(ref, record, write_one, &w);
	if (w.quote != '\0')
		out_short(output->out, &w.quote, 1);
}

static void
columns_record(struct output *output, const struct record *record)
{
	const struct columns *c = output->columns;

	for (size_t i = 0; i < c->n; i++) {
		if (i > 0)
			out_short(output->out, &c->separator, 1);
		put_cell(output, &c->refs[i], record);
	}
	out_line(output->out);
}

void
columns_header(struct output *output)
{
	const struct columns *c = output->columns;

	for (size_t i = 0; c->header && i < c->n; i++) {
		const struct bnet_slice name = { (const void *)c->names[i],
			strlen(c->names[i]) };
		char quote = c->quote == 'n' ? '\0' : c->quote;

		if (is_special(c, name))
			quote = '"';
		if (i > 0)
			out_short(output->out, &c->separator, 1);
		if (quote != '\0')
			out_short(output->out, &quote, 1);
		put_text(output->out, c, quote, name);
		if (quote != '\0')
			out_short(output->out, &quote, 1);
	}
	if (c->header)
		out_line(output->out);
}

const struct output_format output_columns = { columns_record };
