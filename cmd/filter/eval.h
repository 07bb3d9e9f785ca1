/* SPDX-License-Identifier: MIT */
/*
 * eval - runs the program that filter.c compiles from an expression of -Y.
 *
 * The program has one truth value and no stack: tests set it, AND and OR jump
 * on it, NOT inverts it. Every test of a number is "in one of these ranges".
 */
#ifndef FILTER_EVAL_H
#define FILTER_EVAL_H

#include "cmd/filter/fields.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum filter_op {
	OP_AND, /* go to `first` if false */
	OP_OR, /* go to `first` if true */
	OP_NOT,
	OP_WORDS, /* bit `value` of `words` */
	OP_RANGES,
	OP_EQUAL, /* one of the texts */
	OP_LESS, /* than the text, which can be a number, */
	OP_LESS_EQUAL,
	OP_GREATER,
	OP_GREATER_EQUAL,
	OP_TRUTH, /* neither none, false, 0 nor empty */
	OP_CONTAINS,
	OP_REGEX,
};

struct filter_range {
	uint64_t lo, hi; /* both inclusive */
};

struct filter_text {
	size_t at, len; /* in filter->bytes; followed by a NUL */
	bool prefix; /* anything may follow it */
	bool block; /* it is a struct filter_block */
	bool is_number; /* for values: compared as that */
	long double number;
};

/* Addresses from lo to hi; IPv4 as ::ffff:a.b.c.d. */
struct filter_block {
	uint8_t lo[16], hi[16];
};

struct filter_insn {
	enum filter_op op;
	bool negate; /* inverts, but only if the field exists */
	struct filter_ref ref;
	size_t first, n; /* ranges or texts */
	uint64_t words;
	pcre2_code *regex; /* owned */
};

/*
 * Shared by all regular expressions of a filter. PCRE2 limits compiling (64 KiB
 * each); these limits apply to matching: a match that reaches one is false, and
 * counted.
 */
#define REGEX_TOTAL_MAX_BYTES (1 << 20) /* compiled size, per filter */
#define REGEX_STEPS_MAX 100000 /* from one place of the subject, */
#define REGEX_STEPS_MIN 500
#define REGEX_STEPS_ALL_MAX 1000000000 /* and roughly from all of them */
#define REGEX_DEPTH_MAX 10000
#define REGEX_HEAP_MAX_KIB 4096

struct filter_regexes {
	pcre2_general_context *memory; /* all owned */
	pcre2_compile_context *compile;
	pcre2_match_context *limits;
	pcre2_match_data *data; /* of the current match */
	size_t n_bytes; /* compiled size of all */
	uint64_t n_over;
};

struct filter {
	struct filter_insn *code;
	size_t n_code, cap_code;
	struct filter_range *ranges; /* sorted and disjoint within each test */
	size_t n_ranges, cap_ranges;
	struct filter_text *texts;
	size_t n_texts, cap_texts;
	char *bytes;
	size_t n_bytes, cap_bytes;
	struct filter_regexes *regexes; /* owned; NULL: none yet */
};

/* Returns NULL when out of memory. */
struct filter_regexes *filter_regexes_new(void);
void filter_regexes_free(struct filter_regexes *regexes); /* or NULL */

/* Returns NULL on failure: *code of PCRE2 says why, and *offset where. */
pcre2_code *filter_regex_new(struct filter_regexes *regexes,
    struct bnet_slice text, int *code, size_t *offset);

bool filter_regex_match(struct filter_regexes *regexes, const pcre2_code *regex,
    struct bnet_slice subject);

/* The number of matches that reached a limit, and so were false. */
static inline uint64_t
filter_n_over(const struct filter *filter)
{
	return filter->regexes == NULL ? 0 : filter->regexes->n_over;
}

/* A value of a field: a number, bytes, or none. */
struct filter_value {
	uint64_t number; /* top bit flipped if filter_row_signed() */
	struct bnet_slice bytes; /* of strings, addresses and bytes */
};

/*
 * Calls visit() with each value that the field has in the record, in order,
 * until it returns true. Returns whether it did. The bytes are borrowed from
 * the record.
 */
bool filter_each(const struct filter_ref *ref, const struct record *record,
    bool (*visit)(void *arg, const struct filter_value *value), void *arg);

/* Are the values of the row numbers, or else bytes? */
static inline bool
filter_row_number(const struct filter_row *row)
{
	return row->field.type <= FILTER_WORD;
}

/*
 * Reads an address, without a port, as IPv6. Returns false if it is none.
 */
bool filter_address_read(struct bnet_slice text, uint8_t ip[16]);

/* Does any test read record->payload? */
bool filter_needs_payload(const struct filter *filter);

/* Does the record pass? Uses no recursion, and no memory except PCRE2's. */
bool filter_match(const struct filter *filter, const struct record *record);

#endif
