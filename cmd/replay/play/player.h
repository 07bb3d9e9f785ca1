/* SPDX-License-Identifier: MIT */
/*
 * player - one connection of one round, and what it sends when. Made by the
 * starter, then its worker's: all but player_begin() is called there.
 */
#ifndef REPLAY_PLAYER_H
#define REPLAY_PLAYER_H

#include "cmd/replay/play/state.h"
#include "cmd/replay/tape/pairing.h"

enum player_state {
	PLAYER_CONNECTING = 0,
	PLAYER_GREETED, /* hello sent, no welcome yet */
	PLAYER_PLAYING,
	PLAYER_ENDING, /* all is sent: answers, and the captured end */
	PLAYER_CLOSING,
};

/* One connection of one round. Made by the starter, then its worker's. */
struct player {
	struct play *play;
	const struct plan_player *plan;
	const struct tape_session *session;
	uint32_t index; /* in the plan */
	struct live_who who;
	struct player *before, *after; /* in play->players, under its lock */
	enum player_state state;
	size_t address; /* of play->set.addresses, that is tried */
	struct engine_conn *conn;
	struct play_worker *worker;
	int64_t start_ns; /* due to connect; all times CLOCK_MONOTONIC */
	int64_t ready_ns;
	const struct tape_record *next; /* to be sent; NULL: nothing */
	struct plan_cursor cursor;
	int64_t due_ns; /* of `next` by the clock; 0: not yet asked */
	int64_t end_due_ns; /* the captured end; 0: not yet asked */
	int64_t last_sent_ns, last_answer_ns;
	int64_t last_compared_ns; /* --diff: something came */
	int64_t held_until_ns; /* the peer took no more until then */
	int64_t keepalive_ns, keepalive_at_ns; /* 0: none */
	uint32_t n_answers;
	struct pairing pairing;
	struct rewrite rewrite;
	struct diff_player diff;
	bool refused;
	bool opened; /* it was let in */
	bool gave_up; /* no welcome came in time */
	bool draining; /* it is to end soon: told to */
	bool stopped; /* and it was not done yet */
	bool waits; /* `next` is for somebody who is not here yet */
};

/* It connects. False: out of memory. */
bool player_begin(
    struct play *play, uint32_t index, uint32_t round, int64_t start_ns);

/* Those that are left when the engine has stopped. */
void player_free_all(struct play *play);

/* ---- what the engine says of its connection ---- */

void player_ready(struct player *p, struct engine_conn *conn);
void player_packet(struct player *p, const struct bnet_packet *packet);
void player_timer(struct player *p, int64_t now_ns);
/* The cluster took everything at last. */
void player_drained(struct player *p);
void player_closed(struct player *p, enum engine_end end);
/* No memory or descriptor, so there was no connection at all. */
void player_no_conn(struct player *p);

/* Send no more. */
void player_stop(struct player *p);

#endif
