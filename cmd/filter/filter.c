/* SPDX-License-Identifier: MIT */
/*
 * Compiles text to tokens, tokens to values of the field's type, and those to a
 * program (eval.h). A function that can fail returns false after setting
 * *p->err to what is wrong, and where.
 */
#include "cmd/filter/filter.h"

#include "cmd/common/cli.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

enum filter_tok {
	TOK_END,
	TOK_ATOM, /* name, word, number, address, bytes */
	TOK_STRING,
	TOK_EQ,
	TOK_NE,
	TOK_LT,
	TOK_LE,
	TOK_GT,
	TOK_GE,
	TOK_CONTAINS,
	TOK_MATCHES,
	TOK_IN,
	TOK_AND,
	TOK_OR,
	TOK_NOT,
	TOK_OPEN,
	TOK_CLOSE,
	TOK_SET_OPEN,
	TOK_SET_CLOSE,
	TOK_COMMA,
	TOK_RANGE,
};

struct filter_token {
	enum filter_tok type;
	size_t at, len; /* in the source */
	struct filter_text text; /* value of a string */
};

struct filter_parse {
	const char *text;
	size_t len;
	size_t at; /* after tok */
	struct filter_token tok;
	struct filter *out;
	struct filter_error *err;
	unsigned depth;
	bool bare; /* the last test was a field alone */
};

#define FILTER_LIST_CHARS 128 /* for the words of a field */
#define FILTER_SHOW_CHARS 48 /* of a token, in messages */

/* ---- errors ---- */

#define SHOWN_CHARS 76 /* of a longer expression */
#define SHOWN_BEFORE 50 /* of these, before the caret */
#define INDENT "  "
#define CUT "..."

/*
 * Reads one character in the encoding of the locale. Invalid bytes, and those
 * that a terminal would interpret, become '?', one by one.
 */
static size_t
next_char(const char *s, size_t len, wchar_t *c)
{
	mbstate_t start = { 0 };
	size_t n = mbrtowc(c, s, len, &start);

	if (n != 0 && n <= len && (wcwidth(*c) >= 0 || strchr("\t\r\n", *s)))
		return n;
	*c = '?';
	return n != 0 && n <= len ? n : 1;
}

static size_t
count_chars(const char *s, size_t len)
{
	size_t n = 0;
	wchar_t code;

	for (size_t i = 0; i < len; n++)
		i += next_char(s + i, len - i, &code);
	return n;
}

/* The start of character number `n`. */
static size_t
skip_chars(const char *s, size_t len, size_t n)
{
	size_t i = 0;
	wchar_t code;

	for (; n > 0 && i < len; n--)
		i += next_char(s + i, len - i, &code);
	return i;
}

/* The column, in characters from 1, of a byte of the source. */
static size_t
column_of(const struct filter_parse *p, size_t at)
{
	return count_chars(p->text, at) + 1;
}

/* Sets *p->err for a byte of the source. Always returns false. */
static bool
fail(struct filter_parse *p, size_t at, const char *fmt, ...)
{
	struct filter_error *err = p->err;
	va_list ap;

	err->at_bytes = at;
	err->column = column_of(p, at);
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return false;
}

static bool
fail_memory(struct filter_parse *p)
{
	*p->err = (struct filter_error){ .text = "out of memory" };
	return false;
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
		n = next_char(s + i, len - i, &code);
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

/* ---- the program ---- */

#define ROOM_MIN 8

/* Returns NULL when out of memory; `items` is then unchanged. */
static void *
room(void *items, size_t *cap, size_t need, size_t item_bytes)
{
	size_t want = *cap < ROOM_MIN ? ROOM_MIN : *cap;

	if (need <= *cap)
		return items;
	while (want < need)
		want *= 2;
	items = realloc(items, want * item_bytes);
	if (items != NULL)
		*cap = want;
	return items;
}

static bool
emit(struct filter_parse *p, const struct filter_insn *insn)
{
	struct filter *f = p->out;
	void *grown = room(f->code, &f->cap_code, f->n_code + 1, sizeof(*insn));

	if (grown == NULL)
		return fail_memory(p);
	f->code = grown;
	f->code[f->n_code++] = *insn;
	return true;
}

static bool
add_range(
    struct filter_parse *p, struct filter_insn *insn, uint64_t lo, uint64_t hi)
{
	struct filter *f = p->out;
	void *grown = room(
	    f->ranges, &f->cap_ranges, f->n_ranges + 1, sizeof(*f->ranges));

	if (grown == NULL)
		return fail_memory(p);
	f->ranges = grown;
	if (insn->n++ == 0)
		insn->first = f->n_ranges;
	f->ranges[f->n_ranges++] = (struct filter_range){ lo, hi };
	return true;
}

static bool
add_text(
    struct filter_parse *p, struct filter_insn *insn, struct filter_text text)
{
	struct filter *f = p->out;
	void *grown =
	    room(f->texts, &f->cap_texts, f->n_texts + 1, sizeof(*f->texts));

	if (grown == NULL)
		return fail_memory(p);
	f->texts = grown;
	if (insn->n++ == 0)
		insn->first = f->n_texts;
	f->texts[f->n_texts++] = text;
	return true;
}

static bool
push(struct filter_parse *p, const void *bytes, size_t len)
{
	struct filter *f = p->out;
	void *grown = room(f->bytes, &f->cap_bytes, f->n_bytes + len, 1);

	if (grown == NULL)
		return fail_memory(p);
	f->bytes = grown;
	memcpy(f->bytes + f->n_bytes, bytes, len);
	f->n_bytes += len;
	return true;
}

static bool
push_text(struct filter_parse *p, const void *bytes, size_t len,
    struct filter_text *text)
{
	*text = (struct filter_text){ .at = p->out->n_bytes, .len = len };
	return (len == 0 || push(p, bytes, len)) && push(p, "", 1);
}

static int
compare_ranges(const void *a, const void *b)
{
	const struct filter_range *x = a;
	const struct filter_range *y = b;

	return (x->lo > y->lo) - (x->lo < y->lo);
}

/* Sorts and merges the ranges of `insn`, which are the last ones. */
static void
sort_ranges(struct filter *f, struct filter_insn *insn)
{
	struct filter_range *r;
	size_t n = 0;

	if (insn->n < 2)
		return;
	r = f->ranges + insn->first;
	qsort(r, insn->n, sizeof(*r), compare_ranges);
	for (size_t i = 1; i < insn->n; i++) {
		if (r[i].lo <= r[n].hi)
			r[n].hi = r[i].hi > r[n].hi ? r[i].hi : r[n].hi;
		else
			r[++n] = r[i];
	}
	f->n_ranges -= insn->n - (n + 1);
	insn->n = n + 1;
}

/* ---- tokens ---- */

struct spelling {
	const char *text;
	enum filter_tok type;
};

/* Longer ones first. */
static const struct spelling symbols[] = {
	{ "==", TOK_EQ },
	{ "!=", TOK_NE },
	{ "<=", TOK_LE },
	{ "<", TOK_LT },
	{ ">=", TOK_GE },
	{ ">", TOK_GT },
	{ "&&", TOK_AND },
	{ "||", TOK_OR },
	{ "!", TOK_NOT },
	{ "(", TOK_OPEN },
	{ ")", TOK_CLOSE },
	{ "{", TOK_SET_OPEN },
	{ "}", TOK_SET_CLOSE },
	{ ",", TOK_COMMA },
	{ "..", TOK_RANGE },
};

static const struct spelling operator_words[] = {
	{ "eq", TOK_EQ },
	{ "ne", TOK_NE },
	{ "le", TOK_LE },
	{ "lt", TOK_LT },
	{ "ge", TOK_GE },
	{ "gt", TOK_GT },
	{ "and", TOK_AND },
	{ "or", TOK_OR },
	{ "not", TOK_NOT },
	{ "contains", TOK_CONTAINS },
	{ "matches", TOK_MATCHES },
	{ "in", TOK_IN },
};

/* Characters often used by mistake, and what was meant. */
static const struct {
	char c;
	const char *advice;
} advices[] = {
	{ '=', "\"=\" alone is no operator: write ==" },
	{ '&', "\"&\" alone is no operator: write &&" },
	{ '|', "\"|\" alone is no operator: write ||" },
	{ '\'', "strings are put in double quotes, not single ones" },
	{ '~', "\"~\" is no operator: write matches" },
};

#define N_OF(table) (sizeof(table) / sizeof((table)[0]))

static bool
is_atom(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || (c != '\0' && strchr("_.:+-[]", c));
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/*
 * Reads the escape at p->at, a backslash; advances, and sets *c to its value.
 */
static bool
lex_escape(struct filter_parse *p, char *c)
{
	const char *s = p->text + p->at;
	int hi, lo;

	switch (s[1]) { /* a NUL ends the source */
	case '"':
	case '\\':
		*c = s[1];
		break;
	case 'n':
		*c = '\n';
		break;
	case 'x':
		hi = hex_digit(s[2]);
		lo = hi < 0 ? -1 : hex_digit(s[3]);
		if (lo < 0)
			return fail(p, p->at,
			    "expected two hexadecimal digits after \\x");
		*c = (char)(hi << 4 | lo);
		p->at += 2;
		break;
	default:
		return fail(p, p->at,
		    "unknown escape: expected \\\" \\\\ \\n or \\xNN "
		    "(a backslash itself is \\\\)");
	}
	p->at += 2;
	return true;
}

static bool
lex_string(struct filter_parse *p)
{
	struct filter_token *tok = &p->tok;
	char c;

	tok->type = TOK_STRING;
	tok->text = (struct filter_text){ .at = p->out->n_bytes };
	for (p->at++; p->text[p->at] != '"';) {
		c = p->text[p->at];
		if (p->at == p->len ||
		    (c == '\\' && p->text[p->at + 1] == '\0'))
			return fail(
			    p, tok->at, "string without its closing \"");
		if (c != '\\')
			p->at++;
		else if (!lex_escape(p, &c))
			return false;
		if (!push(p, &c, 1))
			return false;
	}
	p->at++;
	tok->len = p->at - tok->at;
	tok->text.len = p->out->n_bytes - tok->text.at;
	return push(p, "", 1);
}

static void
lex_atom(struct filter_parse *p)
{
	struct filter_token *tok = &p->tok;
	const char *s = p->text;

	while ((is_atom(s[p->at]) || (s[p->at] & 0x80) != 0) &&
	    !(s[p->at] == '.' && s[p->at + 1] == '.'))
		p->at++;
	tok->type = TOK_ATOM;
	tok->len = p->at - tok->at;
	for (size_t i = 0; i < N_OF(operator_words); i++)
		if (strlen(operator_words[i].text) == tok->len &&
		    memcmp(operator_words[i].text, s + tok->at, tok->len) == 0)
			tok->type = operator_words[i].type;
}

static bool
lex_unknown(struct filter_parse *p)
{
	char c = p->text[p->at];
	wchar_t code;
	size_t n;

	for (size_t i = 0; i < N_OF(advices); i++)
		if (c == advices[i].c)
			return fail(p, p->at, "%s", advices[i].advice);
	n = next_char(p->text + p->at, p->len - p->at, &code);
	if (code == '?' && c != '?')
		return fail(
		    p, p->at, "unexpected byte 0x%02x", (unsigned char)c);
	return fail(
	    p, p->at, "unexpected character \"%.*s\"", (int)n, p->text + p->at);
}

static bool
next_token(struct filter_parse *p)
{
	const char *s;

	while (p->at < p->len && strchr(" \t\r\n", p->text[p->at]) != NULL)
		p->at++;
	p->tok = (struct filter_token){ .type = TOK_END, .at = p->at };
	if (p->at == p->len)
		return true;
	s = p->text + p->at;
	for (size_t i = 0; i < N_OF(symbols); i++) {
		p->tok.len = strlen(symbols[i].text);
		if (strncmp(s, symbols[i].text, p->tok.len) == 0) {
			p->tok.type = symbols[i].type;
			p->at += p->tok.len;
			return true;
		}
	}
	if (*s == '"')
		return lex_string(p);
	if (!is_atom(*s))
		return lex_unknown(p);
	lex_atom(p);
	return true;
}

/* The characters of p->tok: an atom as written, a string's value. */
static struct bnet_slice
token_value(const struct filter_parse *p)
{
	const struct filter_token *tok = &p->tok;
	const void *s = tok->type == TOK_STRING ? p->out->bytes + tok->text.at
						: p->text + tok->at;
	struct bnet_slice v = { s,
		tok->type == TOK_STRING ? tok->text.len : tok->len };

	return v;
}

static const char *
show_token(const struct filter_parse *p, char buf[FILTER_SHOW_CHARS])
{
	const size_t most = FILTER_SHOW_CHARS - sizeof("\"...\"");
	const char *s = p->text + p->tok.at;
	const char *quote = p->tok.type == TOK_STRING ? "" : "\"";
	size_t len = p->tok.len, i = 0, n, at = strlen(quote);
	wchar_t code;

	if (p->tok.type == TOK_END)
		return "the end";
	memcpy(buf, quote, at);
	for (; i < len; i += n) {
		n = next_char(s + i, len - i, &code);
		if (at + n > most)
			break;
		if (code == '?' || wcwidth(code) < 0)
			buf[at++] = '?';
		else
			for (size_t k = 0; k < n; k++)
				buf[at++] = s[i + k];
	}
	snprintf(buf + at, FILTER_SHOW_CHARS - at, "%s%s", i < len ? "..." : "",
	    quote);
	return buf;
}

/* ---- regular expressions ---- */

/* The position in the source of byte `n` of a string's value. */
static size_t
place_in_string(const struct filter_parse *p, size_t n)
{
	size_t at = p->tok.at + 1;

	for (; n > 0 && p->text[at] != '"'; n--)
		at += p->text[at] != '\\' ? 1 : p->text[at + 1] == 'x' ? 4 : 2;
	return at;
}

static bool
bad_regex(struct filter_parse *p, int code, size_t offset)
{
	PCRE2_UCHAR why[128];

	if (code == PCRE2_ERROR_HEAP_FAILED)
		return fail_memory(p);
	(void)pcre2_get_error_message(code, why, sizeof(why));
	return fail(p, place_in_string(p, offset), "bad regular expression: %s",
	    (const char *)why);
}

/* Compiles *regex from the string p->tok; the caller frees it. */
static bool
parse_regex(struct filter_parse *p, pcre2_code **regex)
{
	char buf[FILTER_SHOW_CHARS];
	struct bnet_slice s = token_value(p);
	size_t offset;
	int code;

	if (p->tok.type != TOK_STRING)
		return fail(p, p->tok.at,
		    "expected a regular expression in double quotes, not %s",
		    show_token(p, buf));
	if (p->out->regexes == NULL)
		p->out->regexes = filter_regexes_new();
	if (p->out->regexes == NULL)
		return fail_memory(p);
	*regex = filter_regex_new(p->out->regexes, s, &code, &offset);
	if (*regex == NULL)
		return bad_regex(p, code, offset);
	if (p->out->regexes->n_bytes > REGEX_TOTAL_MAX_BYTES)
		return fail(p, p->tok.at,
		    "the regular expressions take more than %d bytes compiled",
		    REGEX_TOTAL_MAX_BYTES);
	return true;
}

/* ---- words ---- */

#define MESSAGE_PREFIX "bluenet."

static bool
is_name(struct bnet_slice v, const char *name)
{
	return v.len == strlen(name) && memcmp(v.p, name, v.len) == 0;
}

/* Words may be quoted; for messages the full name is accepted, too. */
static const struct filter_word *
find_word(const struct filter_parse *p, const struct filter_row *row)
{
	struct bnet_slice v = token_value(p);
	const struct filter_word *w = row->field.words;
	const size_t n = strlen(MESSAGE_PREFIX);

	if (w == NULL || (p->tok.type != TOK_ATOM && p->tok.type != TOK_STRING))
		return NULL;
	if (strcmp(row->field.name, "message") == 0 && v.len > n &&
	    memcmp(v.p, MESSAGE_PREFIX, n) == 0)
		v = bnet_slice_from(v, n);
	for (; w->name != NULL; w++)
		if (is_name(v, w->name))
			return w;
	return NULL;
}

static void
list_words(const struct filter_row *row, char buf[FILTER_LIST_CHARS])
{
	const struct filter_word *w = row->field.words;
	size_t n = 0;

	for (; w->name != NULL && n < FILTER_LIST_CHARS; w++) {
		const char *join = w[1].name != NULL ? ", " : " or ";

		n += (size_t)snprintf(buf + n, FILTER_LIST_CHARS - n, "%s%s",
		    n == 0 ? "" : join, w->name);
	}
}

/* ---- numbers ---- */

#define NS_DIGITS 9
#define NS UINT64_C(1000000000)

struct number {
	bool negative, hex;
	uint64_t magnitude; /* at most 2^63 if negative */
};

enum reading {
	READ_OK,
	READ_NOT, /* not a number */
	READ_OVER, /* more than 64 bits */
};

/* Reads digits of `base` up to the end of `s`. */
static enum reading
read_digits(struct bnet_slice s, unsigned base, uint64_t *v)
{
	static const char digits[] = "0123456789abcdef";
	enum reading result = READ_OK;
	const char *d;

	*v = 0;
	for (size_t i = 0; i < s.len; i++) {
		int c = s.p[i] >= 'A' && s.p[i] <= 'F' ? s.p[i] | 0x20 : s.p[i];

		d = memchr(digits, c, base);
		if (d == NULL)
			return READ_NOT;
		if (__builtin_mul_overflow(*v, base, v) ||
		    __builtin_add_overflow(*v, (uint64_t)(d - digits), v))
			result = READ_OVER;
	}
	return s.len == 0 ? READ_NOT : result;
}

static enum reading
read_sign(struct bnet_slice *s, bool *negative)
{
	*negative = s->len > 0 && s->p[0] == '-';
	if (s->len > 0 && (s->p[0] == '-' || s->p[0] == '+'))
		*s = bnet_slice_from(*s, 1);
	return s->len == 0 ? READ_NOT : READ_OK;
}

static enum reading
read_number(struct bnet_slice s, struct number *n)
{
	enum reading result = read_sign(&s, &n->negative);

	if (result != READ_OK)
		return result;
	n->hex = s.len > 2 && s.p[0] == '0' && (s.p[1] | 0x20) == 'x';
	result = read_digits(bnet_slice_from(s, n->hex ? 2 : 0),
	    n->hex ? 16 : 10, &n->magnitude);
	if (result != READ_OK)
		return result;
	n->negative = n->negative && n->magnitude > 0;
	return n->negative && n->magnitude > FILTER_BIAS ? READ_OVER : READ_OK;
}

/* Reads seconds with up to nine decimals, as ns. */
static enum reading
read_time(struct bnet_slice s, struct number *n)
{
	struct bnet_slice whole, part = { NULL, 0 };
	const uint8_t *dot;
	uint64_t ns = 0;
	enum reading result = read_sign(&s, &n->negative);

	if (result != READ_OK)
		return result;
	whole = s;
	dot = memchr(s.p, '.', s.len);
	if (dot != NULL) {
		whole.len = (size_t)(dot - s.p);
		part = bnet_slice_from(s, whole.len + 1);
		if (part.len > NS_DIGITS ||
		    read_digits(part, 10, &ns) != READ_OK)
			return READ_NOT;
		for (size_t i = part.len; i < NS_DIGITS; i++)
			ns *= 10;
	}
	result = read_digits(whole, 10, &n->magnitude);
	if (result != READ_OK)
		return result;
	if (n->magnitude > (uint64_t)INT64_MAX / NS)
		return READ_OVER;
	n->magnitude = n->magnitude * NS + ns;
	if (n->magnitude > INT64_MAX)
		return READ_OVER;
	n->negative = n->negative && n->magnitude > 0;
	return READ_OK;
}

static bool
not_a_number(struct filter_parse *p, const struct filter_row *row)
{
	char buf[FILTER_SHOW_CHARS], words[FILTER_LIST_CHARS] = "";
	const char *name = row->field.name;

	if (row->field.type == FILTER_TIME)
		return fail(p, p->tok.at,
		    "%s is seconds since 1970 with at most %d decimals, not %s",
		    name, NS_DIGITS, show_token(p, buf));
	if (row->field.words != NULL)
		list_words(row, words);
	return fail(p, p->tok.at, "%s is a number%s%s, not %s", name,
	    *words != '\0' ? ", or " : "", words, show_token(p, buf));
}

static bool
out_of_range(struct filter_parse *p, const struct filter_row *row)
{
	char buf[FILTER_SHOW_CHARS];
	const char *range =
	    "numbers are -9223372036854775808 to 18446744073709551615";

	if (row->field.type == FILTER_TIME)
		range = "times are -9223372036.854775807 to "
			"9223372036.854775807";
	else if (row->load == LOAD_KEY)
		range = "keys are -2147483648 to 2147483647, "
			"or 0x0 to 0xffffffff";
	return fail(
	    p, p->tok.at, "%s is out of range: %s", show_token(p, buf), range);
}

/* A key of the wrong size never matches: probably a mistake. */
static bool
key_fits(const struct number *n)
{
	if (n->hex && !n->negative)
		return n->magnitude <= UINT32_MAX;
	return n->magnitude <= (uint64_t)INT32_MAX + n->negative;
}

static bool
take_number(
    struct filter_parse *p, const struct filter_row *row, struct number *n)
{
	const struct filter_word *word = find_word(p, row);
	enum reading result = READ_NOT;

	if (word != NULL) {
		*n = (struct number){ .magnitude = word->value };
		return next_token(p);
	}
	if (p->tok.type == TOK_ATOM)
		result = row->field.type == FILTER_TIME
		    ? read_time(token_value(p), n)
		    : read_number(token_value(p), n);
	if (result == READ_NOT)
		return not_a_number(p, row);
	if (result == READ_OVER || (row->load == LOAD_KEY && !key_fits(n)))
		return out_of_range(p, row);
	return next_token(p);
}

/* Is it below (-1), in (0) or above (1) the range of the type? Sets *v if 0. */
static int
place(const struct number *n, bool is_signed, uint64_t *v)
{
	if (n->negative) {
		*v = FILTER_BIAS - n->magnitude;
		return is_signed ? 0 : -1;
	}
	*v = n->magnitude;
	if (!is_signed)
		return 0;
	*v ^= FILTER_BIAS;
	return n->magnitude > INT64_MAX ? 1 : 0;
}

/* The least value >= n, or > n; returns false if there is none. */
static bool
lower_bound(const struct number *n, bool is_signed, bool above, uint64_t *lo)
{
	int where = place(n, is_signed, lo);

	if (where < 0)
		*lo = 0;
	else if (where == 0 && above)
		return (*lo)++ != UINT64_MAX;
	return where <= 0;
}

/* The greatest value <= n, or < n; returns false if there is none. */
static bool
upper_bound(const struct number *n, bool is_signed, bool below, uint64_t *hi)
{
	int where = place(n, is_signed, hi);

	if (where > 0)
		*hi = UINT64_MAX;
	else if (where == 0 && below)
		return (*hi)-- != 0;
	return where >= 0;
}

/* Unsigned keys lo..hi are at most two ranges of signed keys. */
static bool
add_hex_keys(
    struct filter_parse *p, struct filter_insn *insn, uint64_t lo, uint64_t hi)
{
	const uint64_t top = INT32_MAX, turn = UINT64_C(1) << 32;

	if (hi > UINT32_MAX)
		hi = UINT32_MAX;
	if (lo <= top && lo <= hi &&
	    !add_range(
		p, insn, FILTER_BIAS + lo, FILTER_BIAS + (hi < top ? hi : top)))
		return false;
	if (lo <= top)
		lo = top + 1;
	return lo > hi ||
	    add_range(
		p, insn, FILTER_BIAS - turn + lo, FILTER_BIAS - turn + hi);
}

static bool
add_span(struct filter_parse *p, struct filter_insn *insn,
    const struct number *from, const struct number *to, enum filter_tok op)
{
	bool hex =
	    insn->row->load == LOAD_KEY && (from != NULL ? from : to)->hex;
	bool is_signed = filter_row_signed(insn->row) && !hex;
	uint64_t lo = 0, hi = UINT64_MAX;

	if (from != NULL && !lower_bound(from, is_signed, op == TOK_GT, &lo))
		return true; /* no value is that large */
	if (to != NULL && !upper_bound(to, is_signed, op == TOK_LT, &hi))
		return true;
	if (hex)
		return add_hex_keys(p, insn, lo, hi);
	return add_range(p, insn, lo, hi);
}

static bool
number_less(const struct number *a, const struct number *b)
{
	if (a->negative != b->negative)
		return a->negative;
	return a->negative ? a->magnitude > b->magnitude
			   : a->magnitude < b->magnitude;
}

/* Reads the number or range at p->tok; `op` EQ, LT, ...; RANGE: allows c..d. */
static bool
add_number(struct filter_parse *p, struct filter_insn *insn, enum filter_tok op)
{
	const struct filter_row *row = insn->row;
	struct number from, to;
	size_t at = p->tok.at;

	if (!take_number(p, row, &from))
		return false;
	if (op == TOK_LT || op == TOK_LE)
		return add_span(p, insn, NULL, &from, op);
	if (op == TOK_GT || op == TOK_GE)
		return add_span(p, insn, &from, NULL, op);
	if (op != TOK_RANGE || p->tok.type != TOK_RANGE)
		return add_span(p, insn, &from, &from, TOK_EQ);
	if (!next_token(p) || !take_number(p, row, &to))
		return false;
	if (row->load == LOAD_KEY && from.hex != to.hex)
		return fail(p, at,
		    "both ends of a range of keys are to be 0x... or neither");
	if (number_less(&to, &from))
		return fail(p, at,
		    "the range is empty: its first end is above its last");
	return add_span(p, insn, &from, &to, TOK_EQ);
}

/* ---- addresses and bytes ---- */

#define END_CHARS (INET6_ADDRSTRLEN + sizeof("[]:65535"))

/* Cuts the port off the address, if `s` has one. */
static bool
cut_port(char *s, int *port)
{
	char *colon = strrchr(s, ':');
	const char *c;

	*port = -1;
	if (colon == NULL || (s[0] == '[' && colon[-1] != ']') ||
	    (s[0] != '[' && strchr(s, ':') != colon))
		return true; /* no port; the colons belong to IPv6 */
	c = colon + 1;
	if (*c == '\0' || strlen(c) > 5 || strspn(c, "0123456789") != strlen(c))
		return false;
	for (*port = 0; *c != '\0'; c++)
		*port = *port * 10 + (*c - '0');
	*colon = '\0';
	return *port <= 65535;
}

/*
 * Formats an address like the ends of streams; without a port, up to its colon.
 * Returns the length, 0 if it is not an address.
 */
static size_t
write_end(char *s, char end[END_CHARS])
{
	char host[INET6_ADDRSTRLEN];
	unsigned char addr[sizeof(struct in6_addr)];
	size_t n = strlen(s);
	int family = AF_INET, port, written;

	if (n == 0 || !cut_port(s, &port))
		return 0;
	n = strlen(s);
	if (strchr(s, ':') != NULL || s[0] == '[') {
		family = AF_INET6;
		if (s[0] == '[' && s[n - 1] != ']')
			return 0;
		if (s[0] == '[')
			s[n - 1] = '\0';
		s += s[0] == '[';
	}
	if (inet_pton(family, s, addr) != 1 ||
	    inet_ntop(family, addr, host, sizeof(host)) == NULL)
		return 0;
	written =
	    snprintf(end, END_CHARS, family == AF_INET ? "%s:" : "[%s]:", host);
	if (port >= 0)
		written += snprintf(
		    end + written, END_CHARS - (size_t)written, "%d", port);
	return (size_t)written;
}

static bool
add_address(struct filter_parse *p, struct filter_insn *insn)
{
	struct bnet_slice v = token_value(p);
	char buf[FILTER_SHOW_CHARS], copy[END_CHARS] = "", end[END_CHARS];
	struct filter_text text;
	size_t n = 0;

	if ((p->tok.type == TOK_ATOM || p->tok.type == TOK_STRING) &&
	    v.len < sizeof(copy) && memchr(v.p, '\0', v.len) == NULL) {
		memcpy(copy, v.p, v.len);
		n = write_end(copy, end);
	}
	if (n == 0)
		return fail(p, p->tok.at,
		    "%s is an address: expected \"ADDR\" or \"ADDR:PORT\", "
		    "not %s",
		    insn->row->field.name, show_token(p, buf));
	if (!push_text(p, end, n, &text))
		return false;
	text.prefix = end[n - 1] == ':';
	return add_text(p, insn, text) && next_token(p);
}

static int
nibble(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Is it pairs of digits separated by colons? */
static bool
is_pairs(struct bnet_slice v)
{
	if (v.len % 3 != 2)
		return false;
	for (size_t i = 0; i < v.len; i += 3)
		if (nibble(v.p[i]) < 0 || nibble(v.p[i + 1]) < 0 ||
		    (i + 2 < v.len && v.p[i + 2] != ':'))
			return false;
	return true;
}

static bool
push_pairs(struct filter_parse *p, struct filter_text *text)
{
	struct bnet_slice v = token_value(p);
	char byte;

	*text = (struct filter_text){ .at = p->out->n_bytes,
		.len = (v.len + 1) / 3 };
	for (size_t i = 0; i < v.len; i += 3) {
		byte = (char)(nibble(v.p[i]) << 4 | nibble(v.p[i + 1]));
		if (!push(p, &byte, 1))
			return false;
	}
	return true;
}

static bool
add_bytes(struct filter_parse *p, struct filter_insn *insn)
{
	struct filter_text text = p->tok.text;
	char buf[FILTER_SHOW_CHARS];

	if (p->tok.type == TOK_ATOM && is_pairs(token_value(p))) {
		if (!push_pairs(p, &text))
			return false;
	} else if (p->tok.type != TOK_STRING) {
		return fail(p, p->tok.at,
		    "%s is bytes: expected \"text\" or hexadecimal bytes such "
		    "as 0a:0b:0c, not %s",
		    insn->row->field.name, show_token(p, buf));
	}
	return add_text(p, insn, text) && next_token(p);
}

/* ---- values of a field ---- */

/* The operators of each type; filter_type_operators() returns them as text. */
#define BIT(tok) (1u << (tok))
#define IS (BIT(TOK_EQ) | BIT(TOK_NE))
#define SORTS (BIT(TOK_LT) | BIT(TOK_LE) | BIT(TOK_GT) | BIT(TOK_GE))
#define READS (BIT(TOK_CONTAINS) | BIT(TOK_MATCHES))

static const struct {
	unsigned operators;
	enum filter_op op; /* for == != in */
	const char *called; /* a field of this type */
} types[FILTER_N_TYPES] = {
	[FILTER_NUMBER] = { IS | SORTS | BIT(TOK_IN), OP_RANGES, "a number" },
	[FILTER_TIME] = { IS | SORTS | BIT(TOK_IN), OP_RANGES, "a time" },
	[FILTER_BOOL] = { IS, OP_WORDS, "true or false" },
	[FILTER_WORD] = { IS | READS | BIT(TOK_IN), OP_WORDS, "a word" },
	[FILTER_STRING] = { IS | READS | BIT(TOK_IN), OP_EQUAL, "a string" },
	[FILTER_ADDRESS] = { IS | READS | BIT(TOK_IN), OP_EQUAL, "an address" },
	[FILTER_BYTES] = { IS | BIT(TOK_CONTAINS) | BIT(TOK_IN), OP_EQUAL,
	    "bytes" },
};

static bool
not_a_word(struct filter_parse *p, const struct filter_row *row)
{
	char buf[FILTER_SHOW_CHARS], words[FILTER_LIST_CHARS];

	list_words(row, words);
	return fail(p, p->tok.at, "%s is %s, not %s", row->field.name, words,
	    show_token(p, buf));
}

static bool
add_word(struct filter_parse *p, struct filter_insn *insn)
{
	const struct filter_row *row = insn->row;
	const struct filter_word *w = find_word(p, row);
	struct bnet_slice v = token_value(p);

	if (row->field.type == FILTER_BOOL && p->tok.type != TOK_ATOM)
		w = NULL;
	else if (row->field.type == FILTER_BOOL && is_name(v, "1"))
		w = &row->field.words[0];
	else if (row->field.type == FILTER_BOOL && is_name(v, "0"))
		w = &row->field.words[1];
	if (w == NULL)
		return not_a_word(p, row);
	insn->words |= UINT64_C(1) << w->value;
	return next_token(p);
}

static bool
add_string(struct filter_parse *p, struct filter_insn *insn)
{
	char buf[FILTER_SHOW_CHARS];

	if (p->tok.type != TOK_STRING)
		return fail(p, p->tok.at,
		    "%s is %s: expected text in double quotes, not %s",
		    insn->row->field.name, types[insn->row->field.type].called,
		    show_token(p, buf));
	return add_text(p, insn, p->tok.text) && next_token(p);
}

/* Reads one value or, in a set, a range of numbers. */
static bool
add_value(struct filter_parse *p, struct filter_insn *insn, enum filter_tok op)
{
	switch (insn->row->field.type) {
	case FILTER_NUMBER:
	case FILTER_TIME:
		return add_number(p, insn, op);
	case FILTER_BOOL:
	case FILTER_WORD:
		return add_word(p, insn);
	case FILTER_ADDRESS:
		return add_address(p, insn);
	case FILTER_BYTES:
		return add_bytes(p, insn);
	default:
		return add_string(p, insn);
	}
}

static bool
add_set(struct filter_parse *p, struct filter_insn *insn)
{
	char buf[FILTER_SHOW_CHARS];
	const struct filter_field *field = &insn->row->field;
	bool more = true;

	if (p->tok.type != TOK_SET_OPEN)
		return fail(p, p->tok.at, "expected { after in, not %s",
		    show_token(p, buf));
	while (more) {
		if (!next_token(p) || !add_value(p, insn, TOK_RANGE))
			return false;
		more = p->tok.type == TOK_COMMA;
	}
	if (p->tok.type == TOK_RANGE)
		return fail(p, p->tok.at,
		    types[field->type].op == OP_RANGES
			? "expected a comma or }, not a third end of a range"
			: "%s is %s: ranges are for numbers",
		    field->name, types[field->type].called);
	if (p->tok.type != TOK_SET_CLOSE)
		return fail(p, p->tok.at, "expected a comma or }, not %s",
		    show_token(p, buf));
	return next_token(p);
}

/* Resolves the matching words at compile time. */
static bool
contains_words(struct filter_parse *p, struct filter_insn *insn)
{
	struct bnet_slice v = token_value(p);
	char buf[FILTER_SHOW_CHARS];

	if (p->tok.type != TOK_STRING)
		return fail(p, p->tok.at,
		    "expected text in double quotes, not %s",
		    show_token(p, buf));
	for (const struct filter_word *w = insn->row->field.words;
	     w->name != NULL; w++)
		if (memmem(w->name, strlen(w->name), v.p, v.len) != NULL)
			insn->words |= UINT64_C(1) << w->value;
	return next_token(p);
}

static bool
contains(struct filter_parse *p, struct filter_insn *insn)
{
	if (insn->op == OP_WORDS)
		return contains_words(p, insn);
	insn->op = OP_CONTAINS;
	if (insn->row->field.type == FILTER_BYTES)
		return add_bytes(p, insn);
	return add_string(p, insn);
}

static bool
matches(struct filter_parse *p, struct filter_insn *insn)
{
	if (!parse_regex(p, &insn->regex))
		return false;
	if (insn->op != OP_WORDS) {
		insn->op = OP_REGEX;
		return next_token(p);
	}
	for (const struct filter_word *w = insn->row->field.words;
	     w->name != NULL; w++)
		if (filter_regex_match(p->out->regexes, insn->regex,
			(struct bnet_slice){
			    (const void *)w->name, strlen(w->name) }))
			insn->words |= UINT64_C(1) << w->value;
	if (p->out->regexes->n_over > 0)
		return fail(p, p->tok.at,
		    "the regular expression takes too many steps");
	pcre2_code_free(insn->regex);
	insn->regex = NULL;
	return next_token(p);
}

static uint64_t
all_words(const struct filter_row *row, bool but_nothing)
{
	uint64_t all = 0;

	for (const struct filter_word *w = row->field.words; w->name != NULL;
	     w++)
		if (!but_nothing ||
		    (strcmp(w->name, "none") != 0 &&
			strcmp(w->name, "false") != 0))
			all |= UINT64_C(1) << w->value;
	return all;
}

static bool
add_operand(
    struct filter_parse *p, struct filter_insn *insn, enum filter_tok op)
{
	switch (op) {
	case TOK_IN:
		return add_set(p, insn);
	case TOK_CONTAINS:
		return contains(p, insn);
	case TOK_MATCHES:
		return matches(p, insn);
	case TOK_NE:
		if (!add_value(p, insn, op))
			return false;
		if (insn->op == OP_WORDS)
			insn->words =
			    all_words(insn->row, false) & ~insn->words;
		else
			insn->negate = true;
		return true;
	default:
		return add_value(p, insn, op);
	}
}

static bool
finish(struct filter_parse *p, struct filter_insn *insn)
{
	if (insn->op == OP_RANGES)
		sort_ranges(p->out, insn);
	return emit(p, insn);
}

static bool
parse_comparison(struct filter_parse *p, const struct filter_row *row)
{
	struct filter_insn insn = { .op = types[row->field.type].op,
		.row = row };
	enum filter_tok op = p->tok.type;
	char buf[FILTER_SHOW_CHARS];

	if ((types[row->field.type].operators & BIT(op)) == 0)
		return fail(p, p->tok.at,
		    "%s is %s: %s does not fit it, but %s do", row->field.name,
		    types[row->field.type].called, show_token(p, buf),
		    filter_type_operators(row->field.type));
	if (next_token(p) && add_operand(p, &insn, op) && finish(p, &insn))
		return true;
	pcre2_code_free(insn.regex);
	return false;
}

/* Reads a field alone, or with the operator p->tok and its values. */
static bool
parse_bare(struct filter_parse *p, const struct filter_row *row)
{
	struct filter_insn insn = { .op = types[row->field.type].op,
		.row = row };
	uint64_t zero = filter_row_signed(row) ? FILTER_BIAS : 0;
	struct filter_text empty;
	bool ok = true;

	if (insn.op == OP_WORDS) {
		insn.words = all_words(row, true);
	} else if (insn.op == OP_EQUAL) {
		insn.negate = true;
		ok = push_text(p, "", 0, &empty) && add_text(p, &insn, empty);
	} else if (row->load == LOAD_IDS) { /* an id of 0 counts, too */
		ok = add_range(p, &insn, 0, UINT64_MAX);
	} else {
		insn.negate = true;
		ok = add_range(p, &insn, zero, zero);
	}
	return ok && emit(p, &insn);
}

/* ---- the grammar: || over && over ! over tests ---- */

static bool parse_or(struct filter_parse *p);
static bool parse_term(struct filter_parse *p);

static bool
expected_test(struct filter_parse *p)
{
	char buf[FILTER_SHOW_CHARS];
	enum filter_tok type = p->tok.type;

	if (type == TOK_STRING)
		return fail(p, p->tok.at,
		    "expected a field, not %s: "
		    "a comparison is FIELD OPERATOR VALUE",
		    show_token(p, buf));
	return fail(p, p->tok.at, "expected a field, ! or (, not %s",
	    show_token(p, buf));
}

static bool
unknown_field(struct filter_parse *p)
{
	const char *s = p->text + p->tok.at, *near;
	char buf[FILTER_SHOW_CHARS];

	if ((*s >= '0' && *s <= '9') || *s == '-' || *s == '+')
		return fail(p, p->tok.at,
		    "expected a field, not %s: "
		    "a comparison is FIELD OPERATOR VALUE",
		    show_token(p, buf));
	near = filter_row_nearest(s, p->tok.len);
	if (near == NULL)
		return fail(p, p->tok.at,
		    "unknown field %s (-Y help lists them)",
		    show_token(p, buf));
	return fail(p, p->tok.at, "unknown field %s: did you mean \"%s\"?",
	    show_token(p, buf), near);
}

static bool
is_operator(enum filter_tok tok)
{
	return tok >= TOK_EQ && tok <= TOK_IN;
}

static bool
parse_test(struct filter_parse *p)
{
	const struct filter_row *row =
	    filter_row_find(p->text + p->tok.at, p->tok.len);

	if (row == NULL)
		return unknown_field(p);
	if (!next_token(p))
		return false;
	p->bare = !is_operator(p->tok.type);
	return p->bare ? parse_bare(p, row) : parse_comparison(p, row);
}

/* A test or an expression has ended, but something follows. */
static bool
expected_more(struct filter_parse *p, const char *end)
{
	char buf[FILTER_SHOW_CHARS];

	return fail(p, p->tok.at, "expected %s&&, || or %s, not %s",
	    p->bare ? "an operator, " : "", end, show_token(p, buf));
}

static bool
parse_parentheses(struct filter_parse *p)
{
	size_t open_at = p->tok.at;

	if (!next_token(p) || !parse_or(p))
		return false;
	if (p->tok.type == TOK_END)
		return fail(p, p->tok.at,
		    "expected ): the ( at column %zu is not closed",
		    column_of(p, open_at));
	if (p->tok.type != TOK_CLOSE)
		return expected_more(p, ")");
	p->bare = false;
	return next_token(p);
}

static bool
parse_not(struct filter_parse *p)
{
	static const struct filter_insn turn = { .op = OP_NOT };

	return next_token(p) && parse_term(p) && emit(p, &turn);
}

static bool
parse_term(struct filter_parse *p)
{
	bool ok;

	if (p->tok.type == TOK_ATOM)
		return parse_test(p);
	if (p->tok.type != TOK_OPEN && p->tok.type != TOK_NOT)
		return expected_test(p);
	if (p->depth == FILTER_DEPTH_MAX)
		return fail(
		    p, p->tok.at, "nested more than %d deep", FILTER_DEPTH_MAX);
	p->depth++;
	ok = p->tok.type == TOK_OPEN ? parse_parentheses(p) : parse_not(p);
	p->depth--;
	return ok;
}

/*
 * The operands of one operator. At each jump the truth value decides whether
 * the rest matters; until the end is known, the jumps form a list through their
 * targets.
 */
static bool
parse_joined(struct filter_parse *p, enum filter_tok tok, enum filter_op op,
    bool (*operand)(struct filter_parse *))
{
	const size_t none = SIZE_MAX;
	struct filter_insn jump = { .op = op, .first = none };
	size_t next;

	if (!operand(p))
		return false;
	while (p->tok.type == tok) {
		if (!emit(p, &jump))
			return false;
		jump.first = p->out->n_code - 1;
		if (!next_token(p) || !operand(p))
			return false;
	}
	for (size_t at = jump.first; at != none; at = next) {
		next = p->out->code[at].first;
		p->out->code[at].first = p->out->n_code;
	}
	return true;
}

static bool
parse_and(struct filter_parse *p)
{
	return parse_joined(p, TOK_AND, OP_AND, parse_term);
}

static bool
parse_or(struct filter_parse *p)
{
	return parse_joined(p, TOK_OR, OP_OR, parse_and);
}

static bool
parse_all(struct filter_parse *p)
{
	if (!next_token(p) || !parse_or(p))
		return false;
	return p->tok.type == TOK_END || expected_more(p, "the end");
}

void
filter_free(struct filter *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->n_code; i++)
		pcre2_code_free(f->code[i].regex);
	filter_regexes_free(f->regexes);
	free(f->code);
	free(f->ranges);
	free(f->texts);
	free(f->bytes);
	free(f);
}

void
filter_warn_over(const struct filter *f)
{
	uint64_t n = f == NULL ? 0 : filter_n_over(f);

	if (n > 0)
		cli_warn("-Y: %llu matches of regular expressions took too"
			 " many steps, and count as none",
		    (unsigned long long)n);
}

struct filter *
filter_compile(const char *text, struct filter_error *err)
{
	struct filter_parse p = { .text = text, .err = err };

	*err = (struct filter_error){ .column = 0 };
	p.len = strnlen(text, FILTER_TEXT_MAX_BYTES + 1);
	if (p.len > FILTER_TEXT_MAX_BYTES) {
		fail(&p, FILTER_TEXT_MAX_BYTES,
		    "the expression is longer than %d bytes",
		    FILTER_TEXT_MAX_BYTES);
		return NULL;
	}
	p.out = calloc(1, sizeof(*p.out));
	if (p.out == NULL) {
		fail_memory(&p);
		return NULL;
	}
	if (!parse_all(&p)) {
		filter_free(p.out);
		return NULL;
	}
	return p.out;
}
