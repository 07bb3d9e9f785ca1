/* SPDX-License-Identifier: MIT */
/*
 * filter - the expressions of -Y: text in, a flat program out, yes or no for
 * each record.
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
 * A field alone is true when it is there and neither 0, empty, false nor
 * none. A comparison with a field that is not there is false, also with !=.
 * Of a field of several values (fork_ids) any may fit; != is true when none
 * equals.
 *
 * Owns the program; called by the decoder and the replay.
 */
#ifndef FILTER_H
#define FILTER_H

#include "cmd/filter/eval.h"

#include <stddef.h>
#include <stdio.h>

#define FILTER_TEXT_MAX_BYTES 65536
#define FILTER_DEPTH_MAX 100 /* of ( and ! within each other */
#define FILTER_ERROR_CHARS 256
#define FILTER_REPORT_CHARS 1024 /* always holds filter_error_format()'s */

struct filter_error {
	size_t column; /* in characters of LC_CTYPE, from 1; 0: no memory */
	size_t at_bytes; /* the same place, in bytes, from 0 */
	char text[FILTER_ERROR_CHARS]; /* what is wrong, and expected */
};

/*
 * Returns NULL with *err set where `text` is no expression or is too long or
 * nested too deep, or when out of memory (err->column is 0).
 */
struct filter *filter_compile(const char *text, struct filter_error *err);

/* NULL is allowed. */
void filter_free(struct filter *filter);

/*
 * Three lines: what is wrong, the expression (a part of it where it is long),
 * and a caret under the column. NUL-ended where size > 0, cut to fit.
 * Returns the length that it has uncut, below FILTER_REPORT_CHARS.
 */
size_t filter_error_format(
    char *buf, size_t size, const char *text, const struct filter_error *err);

/* The same to `f`. */
void
filter_error_print(FILE *f, const char *text, const struct filter_error *err);

/* Warn of the comparisons that took too many steps; NULL is allowed. */
void filter_warn_over(const struct filter *filter);

#endif
