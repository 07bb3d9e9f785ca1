/* SPDX-License-Identifier: MIT */
/*
 * play - the virtual clients of a plan on an engine: connections, what they
 * send and when, what comes back.
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
#include "cmd/session/target.h"

#include <stdbool.h>
#include <stdint.h>

struct play_settings {
	const struct replay_options *opt;
	const struct tape *tape;
	const struct plan *plan;
	const struct session_target *target;
	const char *token; /* NUL-ended; "": none */
	const struct diff_masks *masks; /* NULL: no --diff */
};

struct play;

/* Borrows everything in it. NULL: errno. */
struct play *play_new(const struct play_settings *set);

/*
 * Start; the first session is due at start_ns of CLOCK_MONOTONIC. Returns at
 * once: the connector and the workers are threads of their own. False: errno.
 */
bool play_start(struct play *play, int64_t start_ns);

/* Slightly out of date, and cheap to get. */
struct play_progress {
	uint64_t sessions_planned; /* of all rounds so far begun */
	uint64_t begun, ready, done, failed; /* sessions */
	uint64_t sent, received, errors; /* frames; bluenet.error */
	uint64_t held; /* sends that the peer held up */
	int64_t late_p99_ns, late_max_ns; /* since last asked */
	bool production; /* a welcome says so: nothing more is sent */
	bool over; /* nothing is left to do */
};

void play_progress(struct play *play, struct play_progress *progress);

/* Stop sending; wait for answers that are due, then close. Any thread. */
void play_drain(struct play *play);

/* Wait until it is over, at most timeout_ns. True: it is over. */
bool play_wait(struct play *play, int64_t timeout_ns);

/* Stop everything. Afterwards the results are complete. */
void play_stop(struct play *play);

/* After play_stop(): those of all workers, merged. False: out of memory. */
bool play_results(struct play *play, struct results *results);
struct diff *play_diff(struct play *play); /* NULL without --diff; owned */
/* The environment of the welcome, or "". */
const char *play_environment(const struct play *play);
/* Why the first failed session failed; or "". */
const char *play_reason(const struct play *play);

void play_free(struct play *play); /* NULL is allowed */

#endif
