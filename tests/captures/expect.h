/* SPDX-License-Identifier: MIT */
/*
 * expect - are the frames that came out of a capture those that were sent?
 *
 *	struct expect *x = expect_new(sent, &set, report);
 *	expect_lost(x, &lost);			of mangle, each
 *	expect_event(x, &event);		or expect_line(), each
 *	same = expect_end(x);			`report` says why not
 *
 * In each direction of each connection the frames have to be equal, in order.
 * A frame may be missing if bytes of it are lost, or if it is one of too few
 * between two holes to be told from chance. The gaps that are reported have to
 * be as long as the holes.
 */
#ifndef TESTS_CAPTURES_EXPECT_H
#define TESTS_CAPTURES_EXPECT_H

#include "cmd/capture/capture.h"
#include "tests/captures/lost.h"

#include <stdio.h>

/* Frames as in fixtures/captures/X.jsonl; one that is not ends the program. */
struct sent;

struct sent *sent_load(FILE *f, const char *name);
void sent_free(struct sent *sent); /* NULL is allowed */

struct expect_settings {
	uint32_t tls; /* connection whose offsets are of ciphertext, or 0 */
	uint32_t again; /* connection that is there twice; 0: none */
	size_t n_streams; /* 0: any number */
};

struct expect;

/* `sent` and `report` are borrowed, *set is copied. */
struct expect *expect_new(
    const struct sent *sent, const struct expect_settings *set, FILE *report);
void expect_free(struct expect *x); /* NULL is allowed */

void expect_lost(struct expect *x, const struct lost *lost);

/* What the decoder tells, of any type. */
void expect_event(struct expect *x, const struct cap_event *event);

/* The same as `-o json --payload hex` prints it; `where`: for the report. */
void expect_line(struct expect *x, const char *line, const char *where);

/*
 * After all of them, once: is all as expected? Reports a line of counts and
 * every difference.
 */
bool expect_end(struct expect *x);

#endif
