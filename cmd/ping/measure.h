/* SPDX-License-Identifier: MIT */
/*
 * measure - one connection to a relay that pings what is behind it.
 *
 *	worker	  session, roster, slots, answers --> events
 *	caller	  measure_take(): the events, for statistics and to be shown
 *
 * The worker only keeps time. What it sees goes to a list that the caller
 * takes in whole: no statistics, no output and no file ever hold a ping up.
 * Durations and the schedule are of CLOCK_MONOTONIC. The wall clock is read
 * once, at the start; later times follow from it, so that setting it changes
 * nothing.
 *
 * It owns the engine, the targets and the events. For run.c; screen.c looks at
 * the targets.
 */
#ifndef PING_MEASURE_H
#define PING_MEASURE_H

#include "cmd/ping/clock_offset.h"
#include "cmd/ping/options.h"
#include "cmd/ping/target.h"

#include <stdbool.h>
#include <stdint.h>

#define MEASURE_REASON_CHARS 256

enum measure_kind {
	MEASURE_SAMPLE, /* an answer; late or twice: a count and this */
	MEASURE_COUNT,
	MEASURE_SEEN, /* a target is new, or has another name */
	MEASURE_LEFT, /* it is not in the roster any more */
};

struct measure_event {
	enum measure_kind kind;
	enum ping_count what; /* of MEASURE_COUNT */
	uint64_t n; /* so many, a schedule's interval apart */
	uint32_t cause; /* of a loss: enum bnet_code; 0: time ran out */
	uint64_t slot; /* number of the ping, from 0 */
	struct ping_sample sample; /* SAMPLE; node, layer and wall_ns: all */
	char name[SERIES_NAME_CHARS]; /* SEEN, LEFT */
};

enum measure_state {
	MEASURE_CONNECTING,
	MEASURE_GREETED, /* hello is sent */
	MEASURE_UP,
	MEASURE_DONE, /* all slots are taken, and answered or lost */
	MEASURE_FAILED, /* the relay; `reason` says why */
};

/* Its state at one moment. */
struct measure_view {
	enum measure_state state;
	char reason[MEASURE_REASON_CHARS]; /* MEASURE_FAILED */
	bool was_up;
	bool roster_known; /* a whole one came */
	size_t n_targets; /* pinged */
	uint64_t n_waiting; /* pings neither answered nor lost */
	uint64_t n_overflow; /* events that there was no room for */
};

struct measure;

/*
 * Starts threads and begins to connect; all is borrowed until
 * measure_free(). NULL: `why` says why.
 */
struct measure *measure_start(const struct ping_options *opt,
    const struct client_files *files, char why[MEASURE_REASON_CHARS]);

/*
 * Stop the worker. Then everything may be looked at without a lock. False: it
 * did not end in time (cmd/common/ending.h) and may hold the lock; nothing may
 * be looked at, and measure_free() does nothing.
 */
bool measure_stop(struct measure *measure);
void measure_free(struct measure *measure);

/* A descriptor that can be read when there is something to take. */
int measure_fd(const struct measure *measure);

/*
 * The events since the last call, *n of them, in order; borrowed until the
 * next call. One thread, before measure_stop() and once after. None, and *view
 * stays, where the worker does not end its turn in time (cmd/common/ending.h).
 */
const struct measure_event *
measure_take(struct measure *measure, size_t *n, struct measure_view *view);

/*
 * Hold the worker still, to look at the targets; briefly. NULL: it did not end
 * its turn in time.
 */
struct targets *measure_lock(struct measure *measure);
void measure_unlock(struct measure *measure);

/* Under the lock, or after measure_stop(). */
struct targets *measure_targets(struct measure *measure);
const struct trace *measure_traced(struct measure *measure);

/* Unix time of a time of CLOCK_MONOTONIC, by the clock at the start. */
int64_t measure_wall_ns(const struct measure *measure, int64_t at_ns);

#endif
