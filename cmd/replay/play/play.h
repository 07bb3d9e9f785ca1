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

#include "cmd/common/address.h"
#include "cmd/replay/options.h"
#include "cmd/replay/play/diff.h"
#include "cmd/replay/play/plan.h"
#include "cmd/replay/play/results.h"
#include "cmd/replay/tape/tape.h"

#include <stdbool.h>
#include <stdint.h>

struct play_settings {
	const struct replay_options *opt;
	const struct tape *tape;
	const struct plan *plan;
	const struct address *addresses; /* n of them, tried in turn */
	size_t n_addresses;
	struct bnet_tls_ctx *tls; /* NULL: plain; borrowed */
	const char *tls_host; /* or NULL */
	const char *token; /* NUL-ended; "": none */
	const struct diff_masks *masks; /* NULL: no --diff */
};

struct play;

/* All in it is borrowed. NULL: errno. */
struct play *play_new(const struct play_settings *set);

/*
 * Begin; the first is due at start_ns of CLOCK_MONOTONIC. False: errno. An
 * own thread each; returns at once.
 */
bool play_start(struct play *play, int64_t start_ns);

/* A little out of date, and cheap. */
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

/* Send no more; wait for answers that are due, close. Any thread. */
void play_drain(struct play *play);

/* Wait until it is over, at most so long; true: it is. */
bool play_wait(struct play *play, int64_t timeout_ns);

/* Ends what there is. Afterwards the results are complete. */
void play_stop(struct play *play);

/* After play_stop(): those of all workers, merged. False: out of memory. */
bool play_results(struct play *play, struct results *results);
struct diff *play_diff(struct play *play); /* NULL without --diff; owned */
/* The environment of the welcome, or "". */
const char *play_environment(const struct play *play);
/* Why the first session that failed did; or "". */
const char *play_reason(const struct play *play);

void play_free(struct play *play); /* NULL is allowed */

#endif
