/* SPDX-License-Identifier: MIT */
/* What the fuzzers share: a claim that has to hold, and a little more. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "proto/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libFuzzer calls it with every input; in test_fuzz_found it has a name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* fixed.c. libFuzzer calls the first before all inputs. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
void fuzz_random_restart(void); /* the same random bytes again */

/* Say what did not hold, then stop: libFuzzer keeps the input. */
#define MUST_HOLD(claim) \
	do { \
		if (!(claim)) { \
			fprintf(stderr, "%s:%d: does not hold: %s\n", \
			    __FILE__, __LINE__, #claim); \
			__builtin_trap(); \
		} \
	} while (0)

static inline bool
fuzz_same(struct bnet_slice a, struct bnet_slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* The first byte of `in`, taken off; 0 where there is none. */
static inline uint8_t
fuzz_byte(struct bnet_slice *in)
{
	uint8_t v;

	if (in->len == 0)
		return 0;
	v = in->p[0];
	*in = bnet_slice_from(*in, 1);
	return v;
}

/* A copy in a block of just that size, so that one byte too many is seen. */
static inline struct bnet_slice
fuzz_copy(struct bnet_slice in)
{
	struct bnet_slice copy = { NULL, in.len };
	uint8_t *p;

	if (in.len == 0)
		return copy;
	p = malloc(in.len);
	MUST_HOLD(p != NULL);
	memcpy(p, in.p, in.len);
	copy.p = p;
	return copy;
}

static inline void
fuzz_free(struct bnet_slice copy)
{
	union {
		const uint8_t *theirs;
		void *ours;
	} p = { .theirs = copy.p };

	free(p.ours);
}

#endif
