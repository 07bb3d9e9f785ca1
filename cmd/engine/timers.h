/* SPDX-License-Identifier: MIT */
/*
 * timers - what is due next: a binary heap of timers that their users own.
 * Used by one thread: a worker, or the schedule of a program.
 */
#ifndef ENGINE_TIMERS_H
#define ENGINE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
	int64_t at_ns; /* CLOCK_MONOTONIC */
	size_t place; /* in the heap, from 1; 0: not in it */
};

struct timers {
	struct timer **heap; /* owned; n of cap */
	size_t n, cap;
};

void timers_free(struct timers *timers);

/* Set, or set anew. False when out of memory; then it is not set. */
bool timers_set(struct timers *timers, struct timer *timer, int64_t at_ns);

void timers_cancel(struct timers *timers, struct timer *timer);

/* Take out one that is due; NULL where none is. */
struct timer *timers_due(struct timers *timers, int64_t now_ns);

/* When the first is due; INT64_MAX where there is none. */
int64_t timers_next_ns(const struct timers *timers);

#endif
