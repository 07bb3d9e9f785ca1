/* SPDX-License-Identifier: MIT */
/*
 * What is random in a program is the same each time in a fuzzer: else an
 * input that breaks one would break it once, and a fixed number of runs from
 * a fixed seed would not go the same way twice.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_METHOD: a provider is no shorter */

#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <openssl/rand.h>
#include <unistd.h>

#define SEED UINT64_C(0x9e3779b97f4a7c15)

static uint64_t state = SEED;

void
fuzz_random_restart(void)
{
	state = SEED;
}

/* Marsaglia's xorshift64. */
static void
fill(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		p[i] = (uint8_t)(state >> 32);
	}
}

static int
random_bytes(unsigned char *p, int n)
{
	fill(p, (size_t)n);
	return 1;
}

static int
random_status(void)
{
	return 1;
}

/* In place of the C library's. */
int
getentropy(void *p, size_t n)
{
	fill(p, n);
	return 0;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static RAND_METHOD method = { .bytes = random_bytes,
		.pseudorand = random_bytes,
		.status = random_status };

	(void)argc, (void)argv;
	MUST_HOLD(RAND_set_rand_method(&method) == 1);
	json_object_seed(1);
	return 0;
}
