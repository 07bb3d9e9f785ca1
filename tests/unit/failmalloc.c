/* SPDX-License-Identifier: MIT */
#include "tests/unit/failmalloc.h"

#include <check.h>

static struct {
	bool on;
	bool onward;
	unsigned long nth; /* to fail; 0: none */
	unsigned long seen;
	size_t largest_bytes;
} state;

/* The names are the linker's. */
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *p, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes);

static bool
fails(size_t bytes)
{
	if (!state.on)
		return false;
	state.seen++;
	if (bytes > state.largest_bytes)
		state.largest_bytes = bytes;
	return state.nth != 0 &&
	    (state.seen == state.nth ||
		(state.onward && state.seen > state.nth));
}

void *
__wrap_malloc(size_t bytes)
{
	return fails(bytes) ? NULL : __real_malloc(bytes);
}

void *
__wrap_calloc(size_t n, size_t bytes)
{
	return fails(n * bytes) ? NULL : __real_calloc(n, bytes);
}

void *
__wrap_realloc(void *p, size_t bytes)
{
	return fails(bytes) ? NULL : __real_realloc(p, bytes);
}

void
failmalloc_arm(unsigned long nth, bool onward)
{
	state.nth = nth;
	state.onward = onward;
	state.seen = 0;
	state.largest_bytes = 0;
	state.on = true;
}

void
failmalloc_watch(void)
{
	failmalloc_arm(0, false);
}

unsigned long
failmalloc_stop(void)
{
	state.on = false;
	return state.seen;
}

size_t
failmalloc_largest_bytes(void)
{
	return state.largest_bytes;
}

static unsigned long
each(enum bnet_err (*op)(void *arg), void *arg, bool onward)
{
	unsigned long nth = 0, seen;
	enum bnet_err err;

	for (;;) {
		nth++;
		failmalloc_arm(nth, onward);
		err = op(arg);
		seen = failmalloc_stop();
		if (seen < nth)
			break;
		ck_assert_msg(err == BNET_ENOMEM,
		    "allocation %lu failed, got: %s", nth, bnet_strerror(err));
	}
	ck_assert_msg(
	    err == BNET_OK, "nothing failed, got: %s", bnet_strerror(err));
	ck_assert_msg(seen > 0, "nothing was allocated");
	return seen;
}

unsigned long
failmalloc_each(enum bnet_err (*op)(void *arg), void *arg)
{
	unsigned long once = each(op, arg, false);

	ck_assert_uint_eq(each(op, arg, true), once);
	return once;
}
