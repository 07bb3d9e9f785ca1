/* SPDX-License-Identifier: MIT */
/*
 * hiccups - stalls of this machine itself, measured like jHiccup does.
 *
 * A thread asks to be woken each HICCUPS_PERIOD_NS, and records how late it
 * was. The same stall would delay a measurement, and must not be blamed on a
 * node, nor on the program. For run.c of bluenet-ping and of bluenet-replay.
 */
#ifndef COMMON_HICCUPS_H
#define COMMON_HICCUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HICCUPS_PERIOD_NS INT64_C(5000000)
#define HICCUPS_HELD_MAX 4096 /* beyond that, only the longest is kept */

struct hiccup {
	int64_t at_ns; /* when it should have woken; CLOCK_MONOTONIC */
	int64_t stall_ns; /* how much later it woke */
};

struct hiccups;

/* Starts the thread. NULL: errno says why. */
struct hiccups *hiccups_start(void);

/*
 * Ends the thread; stalls that were not taken are lost. NULL is allowed.
 * False: the thread did not end in time (cmd/common/ending.h); call it again.
 */
bool hiccups_stop(struct hiccups *hiccups);

/*
 * Take every wake-up since the last call, in order. For any thread but its own,
 * one at a time. Returns how many of `stalls` are set.
 */
size_t
hiccups_take(struct hiccups *hiccups, struct hiccup stalls[HICCUPS_HELD_MAX]);

#endif
