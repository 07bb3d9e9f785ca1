/* SPDX-License-Identifier: MIT */
/*
 * play - runs the virtual clients of a plan on an engine: connects them, sends
 * their frames on schedule, and evaluates the answers.
 *
 * Data runs one way: tape -> plan -> vclient -> rewrite -> engine -> cluster ->
 * match -> results (and diff).
 */
#ifndef REPLAY_PLAY_H
#define REPLAY_PLAY_H

#include "cmd/replay/options.h"
#include "cmd/replay/play/diff.h"
#include "cmd/replay/play/plan.h"
#include "cmd/replay/play/results.h"
#include "cmd/replay/tape/tape.h"
#include "cmd/session/orders.h"
#include "cmd/replay/play/targets.h"

#include <stdbool.h>
#include <stdint.h>

struct play_settings {
	const struct replay_options *opt;
	const struct tape *tape;
	const struct plan *plan;
	const struct targets *targets; /* assigned to the plan */
	const char *token; /* NUL-terminated; "": none */
	struct orders *orders; /* of the target, as far as they are known */
	const struct diff_masks *masks; /* NULL: without --diff */
};

struct play;

/* Borrows everything in *set. Returns NULL and sets errno on failure. */
struct play *play_new(const struct play_settings *set);

/*
 * Starts the run; the first session is due at start_ns of CLOCK_MONOTONIC.
 * Returns at once: the connector and the workers have threads of their own.
 * Returns false and sets errno on failure.
 */
bool play_start(struct play *play, int64_t start_ns);

/* Slightly out of date, but cheap to get. */
struct play_progress {
	uint64_t sessions_planned; /* of all rounds begun so far */
	uint64_t begun, ready, done, failed; /* sessions */
	uint64_t sent, received, errors; /* frames; bluenet.error */
	uint64_t held; /* sends delayed by the peer */
	int64_t late_p99_ns, late_max_ns; /* since the last call */
	bool production; /* a welcome named production: nothing more is sent */
	enum bnet_order order; /* of the target, if not the captured; or AUTO */
	bool stock; /* a session found that the target is a stock peer */
	bool over; /* nothing is left to do */
};

void play_progress(struct play *play, struct play_progress *progress);

/*
 * Stops sending; connections close after the pending answers. Safe in any
 * thread.
 */
void play_drain(struct play *play);

/* Waits at most timeout_ns for the end. Returns true if the run is over. */
bool play_wait(struct play *play, int64_t timeout_ns);

/*
 * Asks all workers for what they have counted since the last time. They hand it
 * over at their leisure, in no time of theirs.
 */
void play_ask_results(struct play *play);

/*
 * Adds what was handed over to *results. Returns true if all that was asked for
 * is there; false if something is still to come, or when out of memory.
 */
bool play_take_results(struct play *play, struct results *results);

/* Stops everything. Afterwards the results are complete. */
void play_stop(struct play *play);

/*
 * Merges the results of all workers that were not taken yet; call it after
 * play_stop(). Returns false when out of memory.
 */
bool play_results(struct play *play, struct results *results);
struct diff *play_diff(struct play *play); /* NULL without --diff; owned */
/* The environment from the welcome, or "". */
const char *play_environment(const struct play *play);
/* Did any session get a connection, accepted or not? */
bool play_reached(const struct play *play);
/* The errno of what the injector lacked first; 0: nothing. */
int play_failure(const struct play *play);
/* The reason of the first failed session, or "". */
const char *play_reason(const struct play *play);

void play_free(struct play *play); /* NULL is allowed */

#endif
