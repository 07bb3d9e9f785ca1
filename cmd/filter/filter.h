/* SPDX-License-Identifier: MIT */
/*
 * filter - the expressions of -Y: compiles text to a flat program that accepts
 * or rejects each record.
 *
 *	expression	and-terms joined by || (or)
 *	and-term	terms joined by && (and)
 *	term		! term, ( expression ), or a test; so ! (not) applies
 *			to a whole comparison, as in Wireshark
 *	test		FIELD
 *			FIELD == != < <= > >= VALUE (eq ne lt le gt ge)
 *			FIELD contains VALUE, FIELD matches "REGEX"
 *			FIELD in { VALUE, VALUE..VALUE, ... }
 *
 * A field alone is true if it exists and is not 0, empty, false or none. A
 * comparison with a missing field is false, even with !=. If a field has
 * several values (fork_ids), any of them may match; != is true if none is
 * equal.
 *
 * Owns the program; called by the decoder and the replay.
 */
#ifndef FILTER_H
#define FILTER_H

#include "cmd/filter/eval.h"

#include <stddef.h>
#include <stdio.h>

#define FILTER_TEXT_MAX_BYTES 65536
#define FILTER_DEPTH_MAX 100 /* nesting of ( and ! */
#define FILTER_ERROR_CHARS 256
#define FILTER_REPORT_CHARS 1024 /* fits any filter_error_format() */

struct filter_error {
	size_t column; /* in characters of LC_CTYPE, from 1; 0: out of memory */
	size_t at_bytes; /* the same position in bytes, from 0 */
	char text[FILTER_ERROR_CHARS]; /* what is wrong, and expected */
};

/*
 * Compiles `text`. Returns NULL and sets *err if it is not an expression, too
 * long or nested too deep, or when out of memory (err->column is 0).
 */
struct filter *filter_compile(const char *text, struct filter_error *err);

/* NULL is allowed. */
void filter_free(struct filter *filter);

/*
 * Formats three lines: the error, the expression (part of a long one), and a
 * caret below the column. Truncates to fit; NUL-terminated if size > 0. Returns
 * the full length, below FILTER_REPORT_CHARS.
 */
size_t filter_error_format(
    char *buf, size_t size, const char *text, const struct filter_error *err);

/* Prints the same to `f`. */
void
filter_error_print(FILE *f, const char *text, const struct filter_error *err);

/* Warns about comparisons that took too many steps; NULL is allowed. */
void filter_warn_over(const struct filter *filter);

#endif
