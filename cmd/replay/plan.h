/* SPDX-License-Identifier: MIT */
/*
 * plan - which sessions of a tape are played, how often, and when each begins.
 *
 *	tape -> roles -> --clients (sample or clone) -> --shard -> starts
 *
 * The same tape and options give the same plan on every machine: what shard a
 * player belongs to is decided by the hash of its session and its clone
 * number, and starts are those of the whole plan, not of the shard's.
 */
#ifndef REPLAY_PLAN_H
#define REPLAY_PLAN_H

#include "cmd/replay/options.h"
#include "cmd/replay/tape.h"

#include <stdbool.h>
#include <stdint.h>

/* One connection that is to be made. */
struct plan_player {
	uint32_t session; /* of the tape */
	uint32_t clone; /* 0: the captured one itself */
	int64_t start_ns; /* since the run's start: it begins to connect */
	/* --rate: its frame k is due at start_ns + phase_ns + k x gap_ns */
	int64_t phase_ns;
	double gap_ns;
};

struct plan {
	struct plan_player *players; /* n of them, by start; owned */
	uint32_t n;
	uint32_t n_whole; /* of all shards */
	int64_t length_ns; /* of a round, all shards: the next starts then */
	uint64_t n_frames; /* that will be sent in a round, by this shard */
	uint64_t left_out_roles; /* sessions whose role is not played */
	int64_t ramp_ns; /* in use; 0: none */
};

/*
 * False, and err says why: no session to be played, or out of memory. An
 * empty shard of a plan that is not empty is no error.
 */
bool plan_make(struct plan *plan, const struct tape *tape,
    const struct replay_options *opt, char err[TAPE_ERR_CHARS]);
void plan_free(struct plan *plan);

/*
 * When after the player's start record `record` is due by the clock, where
 * the frame of its session before it was due at *cursor. Of use in one
 * direction only, record by record: start with a zeroed cursor.
 */
struct plan_cursor {
	int64_t at_ns; /* in the capture, the last record */
	int64_t due_ns; /* since ready (see below) */
	uint64_t k; /* records so far */
};

/*
 * Times of frames count from when the session was ready (welcomed, or else
 * connected): the cluster's time for that is not the schedule's.
 * session->ready_ns is that moment in the capture. What was sent before it
 * (the hello) is due at 0.
 */
int64_t plan_due_ns(const struct plan_player *player,
    const struct tape_session *session, const struct replay_options *opt,
    const struct tape_record *record, struct plan_cursor *cursor);

#endif
