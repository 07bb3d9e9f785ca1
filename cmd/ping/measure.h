/* SPDX-License-Identifier: MIT */
/*
 * measure - one connection to a relay, over which targets are pinged.
 *
 *	worker	  session, roster, slots, answers --> events
 *	caller	  measure_take(): the events, for statistics and display
 *
 * The worker only keeps time. It reports events in a list that the caller
 * takes as a whole: statistics, output and files never delay a ping.
 * Durations and the schedule use CLOCK_MONOTONIC. The wall clock is read once,
 * at the start; later times are derived from it, so that setting it has no
 * effect.
 *
 * A relay that is lost is connected to again, with back-off, and meanwhile
 * every slot that passes is lost; measure_take() drives this, because there is
 * no connection whose worker could.
 *
 * It owns the engine, and the pinger with the targets and the events. For run.c; screen.c reads
 * the targets.
 */
#ifndef PING_MEASURE_H
#define PING_MEASURE_H

#include "cmd/ping/options.h"
#include "cmd/ping/pinger.h"
#include "proto/frame.h"

#include <stdbool.h>
#include <stdint.h>

enum measure_state {
	MEASURE_CONNECTING,
	MEASURE_GREETED, /* the hello was sent */
	MEASURE_UP,
	MEASURE_DONE, /* all slots are taken, and answered or lost */
	MEASURE_FAILED, /* the relay is not there; `reason` says why */
	MEASURE_REFUSED, /* the id of --as-node is taken; `reason` says so */
};

/* A snapshot of its state. */
struct measure_view {
	enum measure_state state;
	char reason[MEASURE_REASON_CHARS]; /* FAILED, REFUSED, or `down` */
	bool was_up;
	bool down; /* it was up, is lost, and is connected to again */
	int64_t down_at_ns; /* since when; CLOCK_MONOTONIC */
	bool roster_known; /* a complete one came */
	enum bnet_order order; /* of the relay, if not the usual; or AUTO */
	size_t n_targets; /* being pinged */
	uint64_t n_waiting; /* pings neither answered nor lost */
	uint64_t n_overflow; /* events dropped for lack of room */
};

struct measure;

/*
 * Starts threads and begins to connect; the arguments are borrowed until
 * measure_free(). NULL: `why` says why.
 */
struct measure *measure_start(const struct ping_options *opt,
    const struct client_files *files, char why[MEASURE_REASON_CHARS]);

/*
 * Stop the worker. After that everything can be read without the lock. False:
 * it did not end in time (cmd/common/ending.h) and may hold the lock; read
 * nothing; measure_free() then does nothing.
 */
bool measure_stop(struct measure *measure);
void measure_free(struct measure *measure);

/* A descriptor that becomes readable when there are events to take. */
int measure_fd(const struct measure *measure);

/*
 * The events since the last call, *n of them, in order; borrowed until the
 * next call. For one thread, before measure_stop() and once after. If the
 * worker does not end its turn in time (cmd/common/ending.h) there are none,
 * and *view is unchanged.
 */
const struct measure_event *
measure_take(struct measure *measure, size_t *n, struct measure_view *view);

/*
 * Stop the worker briefly, to read the targets. NULL: it did not end its turn
 * in time.
 */
struct targets *measure_lock(struct measure *measure);
void measure_unlock(struct measure *measure);

/* After measure_stop(): as session_unheard(). */
const char *measure_unheard(const struct measure *measure);

/* Under the lock, or after measure_stop(). */
struct targets *measure_targets(struct measure *measure);
const struct trace *measure_traced(struct measure *measure);

/* The unix time of a CLOCK_MONOTONIC time, by the wall clock at the start. */
int64_t measure_wall_ns(const struct measure *measure, int64_t at_ns);

#endif
