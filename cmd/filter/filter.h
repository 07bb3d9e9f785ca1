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
 *	FIELD		a name of fields.h; of bytes and strings also a part,
 *			such as payload[0:4]
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

#include "cmd/filter/error.h"
#include "cmd/filter/eval.h"

#define FILTER_DEPTH_MAX 100 /* nesting of ( and ! */

/*
 * Compiles `text`. Returns NULL and sets *err if it is not an expression, too
 * long or nested too deep, or when out of memory (err->column is 0).
 */
struct filter *filter_compile(const char *text, struct filter_error *err);

/* NULL is allowed. */
void filter_free(struct filter *filter);

/* Warns about comparisons that took too many steps; NULL is allowed. */
void filter_warn_over(const struct filter *filter);

#endif
