/* SPDX-License-Identifier: MIT */
/*
 * hiccups - how long this machine itself stood still, as jHiccup measures it.
 *
 * A thread that asks to be woken each HICCUPS_PERIOD_NS, and notes how late it
 * was. What held it up would have held up a measurement as well, and is not
 * to be blamed on a node. In what is printed the column is "Noise". For run.c.
 */
#ifndef PING_HICCUPS_H
#define PING_HICCUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HICCUPS_PERIOD_NS INT64_C(5000000)
#define HICCUPS_HELD_MAX 4096 /* of those beyond that, the longest */

struct hiccup {
	int64_t at_ns; /* when it should have woken; CLOCK_MONOTONIC */
	int64_t stall_ns; /* how much later it did */
};

struct hiccups;

/* Starts the thread. NULL: errno says why. */
struct hiccups *hiccups_start(void);

/*
 * Ends it; what was not taken is lost. NULL is allowed. False: the thread did
 * not end in time (cmd/common/ending.h); it may be tried again.
 */
bool hiccups_stop(struct hiccups *hiccups);

/*
 * Every wake-up since the last call, in order. Any thread but its own, one at
 * a time. Returns how many of `stalls` are set.
 */
size_t
hiccups_take(struct hiccups *hiccups, struct hiccup stalls[HICCUPS_HELD_MAX]);

#endif
