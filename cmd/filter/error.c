/* SPDX-License-Identifier: MIT */
#include "cmd/filter/error.h"

#include <stdbool.h>
#include <string.h>

#define SHOWN_CHARS 76 /* of a longer expression */
#define SHOWN_BEFORE 50 /* of these, before the caret */
#define INDENT "  "
#define CUT "..."

/*
 * Reads one character in the encoding of the locale. Invalid bytes, and those
 * that a terminal would interpret, become '?', one by one.
 */
size_t
error_next_char(const char *s, size_t len, wchar_t *c)
{
	mbstate_t start = { 0 };
	size_t n = mbrtowc(c, s, len, &start);

	if (n != 0 && n <= len && (wcwidth(*c) >= 0 || strchr("\t\r\n", *s)))
		return n;
	*c = '?';
	return n != 0 && n <= len ? n : 1;
}

size_t
error_count_chars(const char *s, size_t len)
{
	size_t n = 0;
	wchar_t code;

	for (size_t i = 0; i < len; n++)
		i += error_next_char(s + i, len - i, &code);
	return n;
}

/* The start of character number `n`. */
static size_t
skip_chars(const char *s, size_t len, size_t n)
{
	size_t i = 0;
	wchar_t code;

	for (; n > 0 && i < len; n--)
		i += error_next_char(s + i, len - i, &code);
	return i;
}

/* Text truncated to fit, and its full length. */
struct out {
	char *buf;
	size_t size, len;
};

static void
put(struct out *o, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++, o->len++)
		if (o->len + 1 < o->size)
			o->buf[o->len] = s[i];
}

static void
puts_to(struct out *o, const char *s)
{
	put(o, s, strlen(s));
}

/* Copies each character; with `blank`, a space of the same width. */
static void
put_chars(struct out *o, const char *s, size_t len, bool blank)
{
	wchar_t code;
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = error_next_char(s + i, len - i, &code);
		if (code == '\t')
			puts_to(o, "\t");
		else if (code == '\n' || code == '\r')
			puts_to(o, " ");
		else if (blank)
			put(o, INDENT, (size_t)wcwidth(code));
		else if (code == '?')
			puts_to(o, "?");
		else
			put(o, s + i, n);
	}
}

static void
put_place(struct out *o, const char *text, const struct filter_error *err)
{
	size_t len = strnlen(text, FILTER_TEXT_MAX_BYTES);
	size_t at = err->at_bytes < len ? err->at_bytes : len;
	size_t before = error_count_chars(text, at);
	size_t from = 0, to = len;

	if (before + error_count_chars(text + at, len - at) > SHOWN_CHARS) {
		if (before > SHOWN_BEFORE)
			from = skip_chars(text, len, before - SHOWN_BEFORE);
		to = from + skip_chars(text + from, len - from, SHOWN_CHARS);
	}
	puts_to(o, INDENT);
	puts_to(o, from > 0 ? CUT : "");
	put_chars(o, text + from, to - from, false);
	puts_to(o, to < len ? CUT "\n" INDENT : "\n" INDENT);
	puts_to(o, from > 0 ? "   " : "");
	put_chars(o, text + from, at - from, true);
	puts_to(o, "^\n");
}

size_t
filter_error_format(
    char *buf, size_t size, const char *text, const struct filter_error *err)
{
	struct out o = { buf, size, 0 };
	char column[40];

	if (err->column > 0) {
		snprintf(column, sizeof(column), "column %zu: ", err->column);
		puts_to(&o, column);
	}
	puts_to(&o, err->text);
	puts_to(&o, "\n");
	if (err->column > 0)
		put_place(&o, text, err);
	if (size > 0)
		buf[o.len < size ? o.len : size - 1] = '\0';
	return o.len;
}

void
filter_error_print(FILE *f, const char *text, const struct filter_error *err)
{
	char buf[FILTER_REPORT_CHARS];

	filter_error_format(buf, sizeof(buf), text, err);
	fputs(buf, f);
}
