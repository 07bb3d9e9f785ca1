/* SPDX-License-Identifier: MIT */
/* What is wrong with an expression, and where: said, and shown. */
#include "cmd/capture/filter_impl.h"

#include <stdarg.h>
#include <string.h>

#define SHOWN_CHARS 76 /* of an expression that is longer */
#define SHOWN_BEFORE 50 /* of them before the caret */
#define INDENT "  "
#define CUT "..."

/* Characters that take no cell or two on a terminal; the others take one. */
static const struct {
	uint32_t from, to;
	unsigned cells;
} widths[] = {
	{ 0x0300, 0x036f, 0 }, /* combining */
	{ 0x1100, 0x115f, 2 }, /* Hangul */
	{ 0x200b, 0x200f, 0 }, /* zero width, and marks */
	{ 0x2e80, 0xa4cf, 2 }, /* CJK */
	{ 0xac00, 0xd7a3, 2 }, /* Hangul */
	{ 0xf900, 0xfaff, 2 }, /* CJK */
	{ 0xfe00, 0xfe0f, 0 }, /* variation selectors */
	{ 0xfe30, 0xfe6f, 2 }, /* CJK */
	{ 0xff00, 0xff60, 2 }, /* full width */
	{ 0x1f300, 0x1faff, 2 }, /* pictures */
	{ 0x20000, 0x3fffd, 2 }, /* CJK */
};

static unsigned
cells_of(uint32_t code)
{
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
		if (code >= widths[i].from && code <= widths[i].to)
			return widths[i].cells;
	return 1;
}

size_t
filter_utf8(const char *s, size_t len, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t b = (uint8_t)s[0];
	size_t n = b < 0x80 ? 1
	    : b < 0xc0      ? 0
	    : b < 0xe0      ? 2
	    : b < 0xf0      ? 3
			    : 4;
	uint32_t c = n < 2 ? b : b & (0x7fu >> n);

	*code = '?';
	if (n == 0 || n > len || b > 0xf4)
		return 1;
	for (size_t i = 1; i < n; i++) {
		b = (uint8_t)s[i];
		if ((b & 0xc0) != 0x80)
			return 1;
		c = c << 6 | (b & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 1;
	*code = c;
	return n;
}

static size_t
count_chars(const char *s, size_t len)
{
	size_t n = 0;
	uint32_t code;

	for (size_t i = 0; i < len; n++)
		i += filter_utf8(s + i, len - i, &code);
	return n;
}

/* Where the character number `n` starts. */
static size_t
skip_chars(const char *s, size_t len, size_t n)
{
	size_t i = 0;
	uint32_t code;

	for (; n > 0 && i < len; n--)
		i += filter_utf8(s + i, len - i, &code);
	return i;
}

size_t
filter_column(const struct filter_parse *p, size_t at)
{
	return count_chars(p->text, at) + 1;
}

bool
filter_fail(struct filter_parse *p, size_t at, const char *fmt, ...)
{
	struct filter_error *err = p->err;
	va_list ap;

	err->at_bytes = at;
	err->column = filter_column(p, at);
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return false;
}

bool
filter_fail_memory(struct filter_parse *p)
{
	*p->err = (struct filter_error){ .text = "out of memory" };
	return false;
}

/* Text cut to fit, and its whole length. */
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

/* Each character as it is, or in `blank` as space as wide. */
static void
put_chars(struct out *o, const char *s, size_t len, bool blank)
{
	uint32_t code;
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = filter_utf8(s + i, len - i, &code);
		if (code == '\t')
			puts_to(o, "\t");
		else if (blank)
			put(o, INDENT, cells_of(code));
		else if (code == '\n' || code == '\r')
			puts_to(o, " ");
		else if (code < 0x20 || (code >= 0x7f && code < 0xa0) ||
		    code == '?')
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
	size_t before = count_chars(text, at);
	size_t from = 0, to = len;

	if (before + count_chars(text + at, len - at) > SHOWN_CHARS) {
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
