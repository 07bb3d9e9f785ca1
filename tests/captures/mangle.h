/* SPDX-License-Identifier: MIT */
/*
 * mangle - the same connections, in a capture that is harder to read.
 *
 *	recording -> streams -> segments -> packets -> a file
 *
 * Every option is one transformation; they combine, and the same --seed gives
 * the same file. Whatever cannot be done ends the program: a test that asks
 * for it is wrong.
 */
#ifndef TESTS_CAPTURES_MANGLE_H
#define TESTS_CAPTURES_MANGLE_H

#include "tests/captures/lost.h"

#include <stddef.h>
#include <stdio.h>

struct recording;

/* A clean capture: TCP over IPv4 over Ethernet, without gaps. */
struct recording *recording_load(const char *path);
void recording_free(struct recording *rec); /* NULL is allowed */

struct mangled {
	size_t file_bytes; /* where the file is to be cut off */
	struct lost *lost; /* what it does not hold of the streams */
	size_t n_lost;
};

/*
 * `words`: the options as on a command line, "--segment" "7" "--ipv6". The
 * recording stays as it is. The capture is written to `f`.
 */
void mangle(const struct recording *rec, char *const *words, size_t n_words,
    FILE *f, struct mangled *out);
void mangled_free(struct mangled *out);

/* The options, a line each. */
void mangle_usage(FILE *f);

#endif
