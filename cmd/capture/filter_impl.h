/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the filter share.
 *
 *	lex -> parse -> value, regex -> program -> eval
 *
 * The program has one truth value and no stack: tests set it, AND and OR
 * jump on it, NOT turns it. Every number test is "in one of these ranges".
 */
#ifndef CAPTURE_FILTER_IMPL_H
#define CAPTURE_FILTER_IMPL_H

#include "cmd/capture/filter.h"

#include <regex.h>

/* Where a field is found; it is not there where that is not. */
enum filter_base {
	BASE_EVENT,
	BASE_EVENT_FRAME, /* the event, if it is a frame */
	BASE_EVENT_LOSS, /* the event, if it is not */
	BASE_EVENT_STREAM, /* the event, if it is of a stream */
	BASE_STREAM,
	BASE_FRAME, /* the packet */
	BASE_HEADER,
	BASE_RECORD,
};

enum filter_load {
	LOAD_BOOL,
	LOAD_ENUM,
	LOAD_U32,
	LOAD_U64,
	LOAD_SIZE,
	LOAD_KEY, /* int32_t; hexadecimal is unsigned */
	LOAD_I64,
	LOAD_PORT_SRC, /* number of the event's end */
	LOAD_PORT_DST,
	LOAD_IDS, /* the fork ids */
	LOAD_CSTR,
	LOAD_SLICE,
	LOAD_END_SRC,
	LOAD_END_DST,
};

struct filter_row {
	struct filter_field field;
	enum filter_base base;
	enum filter_load load;
	size_t offset; /* in what `base` gives */
};

const struct filter_row *filter_row_find(const char *name, size_t len);

/* The name that `name` was most likely meant to be, or NULL. */
const char *filter_row_nearest(const char *name, size_t len);

/* Signed numbers are kept with the top bit turned, so as to sort. */
#define FILTER_BIAS (UINT64_C(1) << 63)

static inline bool
filter_row_signed(const struct filter_row *row)
{
	return row->load == LOAD_I64 || row->load == LOAD_KEY;
}

enum filter_op {
	OP_AND, /* go to `first` if false */
	OP_OR, /* go to `first` if true */
	OP_NOT,
	OP_WORDS, /* bit `value` of `words` */
	OP_RANGES,
	OP_EQUAL, /* one of the texts */
	OP_CONTAINS,
	OP_REGEX,
};

struct filter_range {
	uint64_t lo, hi; /* both included */
};

struct filter_text {
	size_t at, len; /* in filter->bytes; a NUL follows */
	bool prefix; /* whatever follows it is equal */
};

struct filter_insn {
	enum filter_op op;
	bool negate; /* of a field that is there */
	const struct filter_row *row;
	size_t first, n; /* ranges or texts */
	uint64_t words;
	regex_t *regex; /* owned */
};

struct filter {
	struct filter_insn *code;
	size_t n_code, cap_code;
	struct filter_range *ranges; /* sorted and apart, for each test */
	size_t n_ranges, cap_ranges;
	struct filter_text *texts;
	size_t n_texts, cap_texts;
	char *bytes;
	size_t n_bytes, cap_bytes;
};

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
	struct filter_text text; /* of a string */
};

struct filter_parse {
	const char *text;
	size_t len;
	size_t at; /* behind tok */
	struct filter_token tok;
	struct filter *out;
	struct filter_error *err;
	unsigned depth;
	bool bare; /* the last test was a field alone */
	size_t regex_nodes; /* of all expressions so far */
};

/* All of these: false once *p->err is set. */

bool filter_next(struct filter_parse *p); /* the next token into p->tok */

bool filter_parse_all(struct filter_parse *p);
bool filter_is_operator(enum filter_tok tok); /* of a comparison */

/* A field alone; or with the operator that is p->tok, and its values. */
bool filter_bare(struct filter_parse *p, const struct filter_row *row);
bool filter_compare(struct filter_parse *p, const struct filter_row *row);

/* The number or range at p->tok; `op` EQ, LT, ...; RANGE: c..d allowed. */
bool filter_add_number(
    struct filter_parse *p, struct filter_insn *insn, enum filter_tok op);
bool filter_add_range(
    struct filter_parse *p, struct filter_insn *insn, uint64_t lo, uint64_t hi);
void filter_sort_ranges(struct filter *f, struct filter_insn *insn);

bool filter_add_address(struct filter_parse *p, struct filter_insn *insn);
bool filter_add_text(
    struct filter_parse *p, struct filter_insn *insn, struct filter_text text);
bool filter_add_bytes(struct filter_parse *p, struct filter_insn *insn);

/* The word of the field that p->tok is; NULL, without an error, if none. */
const struct filter_word *
filter_find_word(const struct filter_parse *p, const struct filter_row *row);

/* "none, zlib or snappy": the words of the field. */
#define FILTER_LIST_CHARS 128
void
filter_list_words(const struct filter_row *row, char buf[FILTER_LIST_CHARS]);

/* *regex from the string p->tok; the caller frees it. */
bool filter_regex(struct filter_parse *p, regex_t **regex);
void filter_regex_free(regex_t *regex); /* NULL is allowed */

bool filter_emit(struct filter_parse *p, const struct filter_insn *insn);
bool filter_push(struct filter_parse *p, const void *bytes, size_t len);
bool filter_push_text(struct filter_parse *p, const void *bytes, size_t len,
    struct filter_text *text);

/* The characters of p->tok: of an atom as written, of a string its value. */
struct bnet_slice filter_token_value(const struct filter_parse *p);

/* What p->tok is, for messages; borrowed `buf`. */
#define FILTER_SHOW_CHARS 48
const char *
filter_show(const struct filter_parse *p, char buf[FILTER_SHOW_CHARS]);

/* Sets *p->err, at a byte of the source. All return false. */
bool filter_fail(struct filter_parse *p, size_t at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool filter_fail_memory(struct filter_parse *p);

/* The column, in characters from 1, of a byte of the source. */
size_t filter_column(const struct filter_parse *p, size_t at);

/* One character of UTF-8; bytes that are none are '?', one by one. */
size_t filter_utf8(const char *s, size_t len, uint32_t *code);

#endif
