/* SPDX-License-Identifier: MIT */
/*
 * eval - the program that an expression of -Y becomes, and running it.
 *
 * The program has one truth value and no stack: tests set it, AND and OR
 * jump on it, NOT turns it. Every number test is "in one of these ranges".
 * filter.c makes it.
 */
#ifndef FILTER_EVAL_H
#define FILTER_EVAL_H

#include "cmd/filter/fields.h"

#include <regex.h>

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

/* Does the record pass? No recursion, and no allocation but regexec()'s. */
bool filter_match(const struct filter *filter, const struct record *record);

#endif
