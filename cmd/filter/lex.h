/* SPDX-License-Identifier: MIT */
/*
 * lex - the text of an expression as tokens, and the program that grows from
 * them. values.c and filter.c parse with it.
 *
 * A function that returns bool returns false after setting *p->err to what is
 * wrong, and where; or, with *p->err unset, when out of memory.
 */
#ifndef FILTER_LEX_H
#define FILTER_LEX_H

#include "cmd/filter/error.h"
#include "cmd/filter/eval.h"

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

#define FILTER_SHOW_CHARS 48 /* of a token, in messages */

/* Reads the next token into p->tok. */
bool lex_next(struct filter_parse *p);

/* The characters of p->tok: an atom as written, a string's value. */
struct bnet_slice lex_value(const struct filter_parse *p);

/* p->tok for a message, in quotes; or "the end". */
const char *lex_show(const struct filter_parse *p, char buf[FILTER_SHOW_CHARS]);

/* The column, in characters from 1, of a byte of the source. */
size_t lex_column(const struct filter_parse *p, size_t at);

/* Sets *p->err for a byte of the source. Always returns false. */
bool lex_fail(struct filter_parse *p, size_t at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- the program ---- */

bool lex_emit(struct filter_parse *p, const struct filter_insn *insn);

/* Adds one more value to `insn`, which is emitted later. */
bool lex_range(
    struct filter_parse *p, struct filter_insn *insn, uint64_t lo, uint64_t hi);
bool lex_text(
    struct filter_parse *p, struct filter_insn *insn, struct filter_text text);

/* Appends to the bytes that texts refer to. */
bool lex_push(struct filter_parse *p, const void *bytes, size_t len);

/* The same, with a NUL behind them; *text refers to them. */
bool lex_push_text(struct filter_parse *p, const void *bytes, size_t len,
    struct filter_text *text);

#endif
