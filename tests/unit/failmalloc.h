/* SPDX-License-Identifier: MIT */
/*
 * Allocations that fail on order. Link failmalloc.o, and let the linker turn
 * every malloc(), calloc() and realloc() of the objects that are linked in
 * (not of shared libraries) over to it:
 *
 *	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
 */
#ifndef UNIT_FAILMALLOC_H
#define UNIT_FAILMALLOC_H

#include "proto/err.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * From here on count allocations, and fail none. Assert only once they are
 * no longer counted: check allocates too.
 */
void failmalloc_watch(void);

/*
 * From here on count allocations, and fail the `nth` (from 1); with `onward`
 * also all that come after it.
 */
void failmalloc_arm(unsigned long nth, bool onward);

/* Stop counting and failing. Returns how many allocations were asked for. */
unsigned long failmalloc_stop(void);

/* The largest that was asked for since the counting last began. */
size_t failmalloc_largest_bytes(void);

/*
 * Run `op` with its first allocation failing, then with its second, and so on
 * until it needs no more; then all again with everything after it failing
 * too. Each time it must return BNET_ENOMEM, at last BNET_OK. It has to leave
 * nothing behind that a next run, or the leak checker, would stumble over,
 * and must not assert: check's own allocations would fail.
 * Returns how many allocations `op` makes; fails the test where that is 0.
 */
unsigned long failmalloc_each(enum bnet_err (*op)(void *arg), void *arg);

#endif
