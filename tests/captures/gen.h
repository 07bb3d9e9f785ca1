/* SPDX-License-Identifier: MIT */
/*
 * gen - a capture of connections that never were, for benchmarks and tests.
 * Full segments of small frames by default; the same --seed gives the same
 * file. What cannot be made ends the program.
 */
#ifndef TESTS_CAPTURES_GEN_H
#define TESTS_CAPTURES_GEN_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What a decoder should find of --echo. */
struct gen_echoes {
	uint64_t n;
	int64_t min_ns, max_ns, sum_ns;
};

/*
 * `words`: the options as on a command line. `jsonl`: where every frame is
 * listed in the form of fixtures/captures/X.jsonl, or NULL.
 */
void gen(char *const *words, size_t n_words, FILE *out, FILE *jsonl,
    struct gen_echoes *echoes);

/* The options, a line each. */
void gen_usage(FILE *f);

#endif
