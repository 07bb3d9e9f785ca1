/* SPDX-License-Identifier: MIT */
#include "cmd/filter/lex.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The column, in characters from 1, of a byte of the source. */
size_t
lex_column(const struct filter_parse *p, size_t at)
{
	return error_count_chars(p->text, at) + 1;
}

/* Sets *p->err for a byte of the source. Always returns false. */
bool
lex_fail(struct filter_parse *p, size_t at, const char *fmt, ...)
{
	struct filter_error *err = p->err;
	va_list ap;

	err->at_bytes = at;
	err->column = lex_column(p, at);
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return false;
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

bool
lex_emit(struct filter_parse *p, const struct filter_insn *insn)
{
	struct filter *f = p->out;
	void *grown = room(f->code, &f->cap_code, f->n_code + 1, sizeof(*insn));

	if (grown == NULL)
		return false;
	f->code = grown;
	f->code[f->n_code++] = *insn;
	return true;
}

bool
lex_range(
    struct filter_parse *p, struct filter_insn *insn, uint64_t lo, uint64_t hi)
{
	struct filter *f = p->out;
	void *grown = room(
	    f->ranges, &f->cap_ranges, f->n_ranges + 1, sizeof(*f->ranges));

	if (grown == NULL)
		return false;
	f->ranges = grown;
	if (insn->n++ == 0)
		insn->first = f->n_ranges;
	f->ranges[f->n_ranges++] = (struct filter_range){ lo, hi };
	return true;
}

bool
lex_text(
    struct filter_parse *p, struct filter_insn *insn, struct filter_text text)
{
	struct filter *f = p->out;
	void *grown =
	    room(f->texts, &f->cap_texts, f->n_texts + 1, sizeof(*f->texts));

	if (grown == NULL)
		return false;
	f->texts = grown;
	if (insn->n++ == 0)
		insn->first = f->n_texts;
	f->texts[f->n_texts++] = text;
	return true;
}

bool
lex_push(struct filter_parse *p, const void *bytes, size_t len)
{
	struct filter *f = p->out;
	void *grown = room(f->bytes, &f->cap_bytes, f->n_bytes + len, 1);

	if (grown == NULL)
		return false;
	f->bytes = grown;
	memcpy(f->bytes + f->n_bytes, bytes, len);
	f->n_bytes += len;
	return true;
}

bool
lex_push_text(struct filter_parse *p, const void *bytes, size_t len,
    struct filter_text *text)
{
	*text = (struct filter_text){ .at = p->out->n_bytes, .len = len };
	return (len == 0 || lex_push(p, bytes, len)) && lex_push(p, "", 1);
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
	    (c >= '0' && c <= '9') || (c != '\0' && strchr("_.:+-[]/", c));
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
			return lex_fail(p, p->at,
			    "expected two hexadecimal digits after \\x");
		*c = (char)(hi << 4 | lo);
		p->at += 2;
		break;
	default:
		return lex_fail(p, p->at,
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
			return lex_fail(
			    p, tok->at, "string without its closing \"");
		if (c != '\\')
			p->at++;
		else if (!lex_escape(p, &c))
			return false;
		if (!lex_push(p, &c, 1))
			return false;
	}
	p->at++;
	tok->len = p->at - tok->at;
	tok->text.len = p->out->n_bytes - tok->text.at;
	return lex_push(p, "", 1);
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
			return lex_fail(p, p->at, "%s", advices[i].advice);
	n = error_next_char(p->text + p->at, p->len - p->at, &code);
	if (code == '?' && c != '?')
		return lex_fail(
		    p, p->at, "unexpected byte 0x%02x", (unsigned char)c);
	return lex_fail(
	    p, p->at, "unexpected character \"%.*s\"", (int)n, p->text + p->at);
}

bool
lex_next(struct filter_parse *p)
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
struct bnet_slice
lex_value(const struct filter_parse *p)
{
	const struct filter_token *tok = &p->tok;
	const void *s = tok->type == TOK_STRING ? p->out->bytes + tok->text.at
						: p->text + tok->at;
	struct bnet_slice v = { s,
		tok->type == TOK_STRING ? tok->text.len : tok->len };

	return v;
}

const char *
lex_show(const struct filter_parse *p, char buf[FILTER_SHOW_CHARS])
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
		n = error_next_char(s + i, len - i, &code);
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
