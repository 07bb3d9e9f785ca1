/* SPDX-License-Identifier: MIT */
/*
 * noise - how long this machine itself stood still.
 *
 * A thread that asks to be woken each NOISE_PERIOD_NS, and notes how late it
 * was. What held it up would have held up a measurement as well, and is not
 * to be blamed on a node.
 */
#ifndef PING_NOISE_H
#define PING_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOISE_PERIOD_NS INT64_C(5000000)
#define NOISE_HELD_MAX 4096 /* of those beyond that, the longest */

struct noise_stall {
	int64_t at_ns; /* when it should have woken; CLOCK_MONOTONIC */
	int64_t stall_ns; /* how much later it did */
};

struct noise;

/* Starts the thread. NULL: errno says why. */
struct noise *noise_start(void);

/*
 * Ends it; what was not taken is lost. NULL is allowed. False: the thread did
 * not end in time (cmd/common/ending.h); it may be tried again.
 */
bool noise_stop(struct noise *noise);

/*
 * Every wake-up since the last call, in order. Any thread but its own, one at
 * a time. Returns how many of `stalls` are set.
 */
size_t
noise_take(struct noise *noise, struct noise_stall stalls[NOISE_HELD_MAX]);

#endif
