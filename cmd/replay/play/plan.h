/* SPDX-License-Identifier: MIT */
/*
 * plan - decides which sessions of a tape are played, how often, and when.
 *
 *	tape -> roles -> --clients (sample or clone) -> --shard -> starts
 *
 * The same tape and options give the same plan on every machine: the hash of a
 * session and the clone number select the shard of a virtual client, and starts
 * are computed for the whole plan, not for the shard.
 */
#ifndef REPLAY_PLAN_H
#define REPLAY_PLAN_H

#include "cmd/replay/options.h"
#include "cmd/replay/tape/tape.h"

#include <stdbool.h>
#include <stdint.h>

/* One connection to make. */
struct plan_vclient {
	uint32_t session; /* in the tape */
	uint32_t clone; /* 0: the captured client itself */
	uint32_t n_frames; /* frames that it sends; see struct plan */
	int64_t start_ns; /* since the start of the run: it begins to connect */
	int64_t length_ns; /* by the clock, from start to end */
	/* --rate: frame k is due at phase_ns + k x gap_ns; see below */
	int64_t phase_ns;
	double gap_ns;
};

struct plan {
	struct plan_vclient *vclients; /* n entries, by start; owned */
	uint32_t n;
	uint32_t n_whole; /* over all shards */
	uint32_t n_clones; /* of a session at most, over all shards */
	/*
	 * The length of a round over all shards; the next round starts then.
	 * --asap: when the last connection starts.
	 */
	int64_t length_ns;
	/*
	 * Frames that this shard sends in a round. Exact, except for tapes of
	 * 64 MiB or more: these are read in advance only if --rate, --max-idle
	 * or --dry-run need it. Otherwise it is the number from the index,
	 * which includes captured keepalives that are not sent.
	 */
	uint64_t n_frames;
	uint64_t left_out_roles; /* sessions whose role is not played */
	int64_t ramp_ns; /* as used; 0: none */
};

/*
 * Makes a plan.
 *
 * Who: sessions are ordered by their hashes; --clients N takes them from the
 * front, cyclically, until there are N. So each is played as often as any
 * other, or once more, and a smaller sample is part of a larger one.
 *
 * When: as captured, scaled by --connect-speed (by default --speed; all at once
 * with --rate and --asap), with each clone of a session --stagger after the
 * previous one. Without --stagger the clones of a session are spread evenly
 * over the length of the capture at that speed, but over at most ten seconds.
 * With a ramp the k-th of n connections starts no sooner than after k/n of it;
 * the default ramp is a millisecond per connection if there are more than a
 * thousand.
 *
 * Returns false if there is no session to play, or when out of memory; err says
 * which. An empty shard of a non-empty plan is not an error.
 */
bool plan_make(struct plan *plan, const struct tape *tape,
    const struct replay_options *opt, char err[TAPE_ERR_CHARS]);
void plan_free(struct plan *plan);

/*
 * How many sessions are open at once, by the schedule; all of them if there is
 * none. Later answers keep sessions open for longer. UINT32_MAX: no memory.
 */
uint32_t plan_peak(const struct plan *plan, const struct replay_options *opt);

/* Is this record of a client sent on replay? */
bool plan_is_sent(const struct tape_record *record);

/*
 * The position of a virtual client in its schedule. It only moves forward,
 * record by record. Start with a zeroed cursor.
 */
struct plan_cursor {
	int64_t at_ns; /* capture time of the last record */
	int64_t played_ns; /* capture time since ready, silence cut */
	uint64_t k; /* number of records to send so far */
};

/*
 * Returns when `record` is due, in ns after the session was ready: never before
 * its predecessor, never after INT64_MAX / 4. The end of the session is due as
 * a record at session->end_ns would be; with --rate, when all virtual clients
 * end.
 *
 * Times of frames count from when the session was ready (welcomed, or else
 * connected), because the time until then is the cluster's, not the schedule's.
 * session->ready_ns is that moment in the capture. Earlier records (the hello)
 * are due at 0.
 */
int64_t plan_due_ns(const struct plan_vclient *vclient,
    const struct tape_session *session, const struct replay_options *opt,
    const struct tape_record *record, struct plan_cursor *cursor);

#endif
