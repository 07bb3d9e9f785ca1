/* SPDX-License-Identifier: MIT */
/* What the unit tests share: bytes on the heap, and a main(). */
#ifndef UNIT_H
#define UNIT_H

#include "proto/buf.h"
#include "proto/err.h"

#include <check.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNIT_RETURNED 119 /* of a process that was to exit, and did not */
#define UNIT_ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* main() of a test: run the suite, tell what failed. */
#define UNIT_MAIN(make_suite) \
	int main(void) \
	{ \
		return unit_run(make_suite()); \
	}

static inline int
unit_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int n_failed;

	srunner_run_all(runner, CK_ENV);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* One test case of a suite, to which tests are then added. */
static inline TCase *
unit_case(Suite *suite, const char *name)
{
	TCase *tc = tcase_create(name);

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 600); /* what hangs has failed; no sooner */
	return tc;
}

/*
 * Run `body` in a process of its own, which has to end with `status`. The
 * exit tests of check need CK_FORK=yes, with which nobody can debug.
 */
static inline void
unit_exits(void (*body)(const void *arg), const void *arg, int status)
{
	int got = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		body(arg);
		_exit(UNIT_RETURNED);
	}
	ck_assert_int_eq(waitpid(pid, &got, 0), pid);
	ck_assert_msg(WIFEXITED(got) && WEXITSTATUS(got) == status,
	    "wait status %#x, not exit status %d", (unsigned)got, status);
}

/*
 * ck_assert_msg() for loops: check writes a message to a pipe for each of its
 * own that holds, too.
 */
#define UNIT_MUST(claim, ...) \
	do { \
		if (!(claim)) \
			ck_abort_msg(__VA_ARGS__); \
	} while (0)

/*
 * A copy of the first `n` bytes in a heap block of exactly that size, so that
 * the sanitizer sees one byte too many; of no bytes, NULL. For unit_free().
 */
static inline struct bnet_slice
unit_copy(const void *p, size_t n)
{
	struct bnet_slice copy = { NULL, n };
	uint8_t *bytes;

	if (n == 0)
		return copy;
	bytes = malloc(n);
	ck_assert_ptr_nonnull(bytes);
	memcpy(bytes, p, n);
	copy.p = bytes;
	return copy;
}

static inline void
unit_free(struct bnet_slice copy)
{
	union {
		const uint8_t *theirs;
		void *ours;
	} p = { .theirs = copy.p };

	free(p.ours);
}

static inline unsigned
unit_nibble(char c)
{
	static const char digits[] = "0123456789abcdef";
	unsigned v = 0;

	while (digits[v] != '\0' && digits[v] != c)
		v++;
	ck_assert_msg(digits[v] != '\0', "not a hex digit: %c", c);
	return v;
}

/* The bytes that `hex` spells (blanks are skipped), as unit_copy() of them. */
static inline struct bnet_slice
unit_hex(const char *hex)
{
	size_t n = 0, digits = 0, len = strlen(hex);
	uint8_t *bytes = calloc(1, len / 2 + 1);
	struct bnet_slice copy;

	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < len; i++) {
		if (hex[i] == ' ')
			continue;
		bytes[n] =
		    (uint8_t)((unsigned)bytes[n] << 4 | unit_nibble(hex[i]));
		if (++digits % 2 == 0)
			n++;
	}
	ck_assert_msg(digits % 2 == 0, "odd number of digits: %s", hex);
	copy = unit_copy(bytes, n);
	free(bytes);
	return copy;
}

/* Fails the test, with `what`, unless both hold the same bytes. */
static inline void
unit_same(const char *what, struct bnet_slice got, struct bnet_slice want)
{
	size_t i = 0;

	UNIT_MUST(got.len == want.len, "%s: %zu bytes, not %zu", what, got.len,
	    want.len);
	while (i < got.len && got.p[i] == want.p[i])
		i++;
	UNIT_MUST(i == got.len, "%s: byte %zu is %02x, not %02x", what, i,
	    got.p[i], want.p[i]);
}

/* Fails the test, with `what`, unless `got` is `want`. */
static inline void
unit_err(const char *what, enum bnet_err got, enum bnet_err want)
{
	UNIT_MUST(got == want, "%s: got \"%s\", not \"%s\"", what,
	    bnet_strerror(got), bnet_strerror(want));
}

/* The same numbers each time (Marsaglia's xorshift64); *seed is not 0. */
static inline uint64_t
unit_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

#endif
