/* SPDX-License-Identifier: MIT */
/*
 * play_impl - what the files of play share.
 *
 *	play.c		the workers: hooks, beginning and end
 *	play_starter.c	the thread that connects players when they are due
 *	play_watch.c	what others see of it
 *	player.c	one player: states, what is due, the timer
 *	player_life.c	how it comes and goes
 *	player_send.c	a record of the tape onto the wire
 *	player_in.c	what comes back
 *	rewrite.c	captured ids -> live ids, in headers
 *	live.c		which live id each player has
 */
#ifndef REPLAY_PLAY_IMPL_H
#define REPLAY_PLAY_IMPL_H

#include "cmd/engine/engine.h"
#include "cmd/replay/play/play.h"
#include "cmd/replay/play/rewrite.h"
#include "cmd/replay/tape/pairing.h"
#include "proto/message.h"

#include <pthread.h>
#include <stdatomic.h>

#define PLAY_REASON_CHARS 256
#define PLAY_OWN_PING UINT64_C(1) /* of a timestamp, us: not of the capture */
#define PLAY_ENVIRONMENT_CHARS 64

/* Of one worker of the engine, and its alone, but for `seen`. */
struct play_worker {
	struct play *play;
	struct engine_worker *engine;
	struct results results;
	struct diff *diff; /* NULL: without --diff */
	struct bnet_buf body; /* a message to be sent */
	struct bnet_buf store; /* a message that came */
	struct bnet_buf plain; /* a payload, decompressed */
	struct rewrite_scratch scratch;
	struct hdr window; /* lateness since last looked at */
	int64_t window_max_ns;
	struct play_progress seen; /* under play->lock */
};

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

struct play {
	struct play_settings set;
	struct engine *engine;
	struct play_worker *workers; /* n_workers */
	unsigned n_workers;
	struct live live;
	int64_t start_ns;
	pthread_t starter;
	bool starter_runs;
	pthread_mutex_t lock; /* of all below, and workers[].seen */
	pthread_cond_t changed;
	bool stop; /* the starter is to end */
	bool starter_done;
	uint64_t n_planned; /* of the rounds begun */
	struct player *players; /* all that have not ended */
	char environment[PLAY_ENVIRONMENT_CHARS];
	char reason[PLAY_REASON_CHARS];
	_Atomic uint64_t n_live; /* players that have not ended */
	atomic_bool production;
	atomic_bool stopping; /* players that get ready now end at once */
};

enum { /* engine_message() */
	PLAY_SAY_STOP = 1,
	PLAY_SAY_CUT,
	PLAY_SAY_PUBLISH,
};

/* ---- play.c ---- */
void play_tell_all(struct play *play, uint32_t what);
void play_ended(struct play *play); /* a player is no more */
void play_set_reason(struct play *play, const char *why);
void play_set_environment(struct play *play, const struct bnet_string *name);

/* ---- play_starter.c, play_watch.c ---- */
void *play_starter(void *play);
void play_publish(struct play_worker *worker);

/* ---- player.c ---- */
void player_skip_unsent(struct player *p); /* `next` is one to be sent */
void player_advance(struct player *p); /* to the one behind it */
/* The request that is open longest is not waited for any longer. */
void player_give_up(struct player *p, int64_t now_ns);
void player_ready(struct player *p, struct engine_conn *conn);
void player_up(struct player *p, int64_t now_ns);
void player_pump(struct player *p);
void player_arm(struct player *p, int64_t now_ns);
void player_timer(struct player *p, int64_t now_ns);
void player_drained(struct player *p);
void player_stop(struct player *p); /* send no more */

/* ---- player_life.c ---- */
bool player_begin(
    struct play *play, uint32_t index, uint32_t round, int64_t start_ns);
/* Those that are left when the engine has stopped. */
void player_free_all(struct play *play);
void player_closed(struct player *p, enum engine_end end);
void player_no_conn(struct player *p);

/* ---- player_send.c ---- */
enum player_sent {
	PLAYER_SENT,
	PLAYER_SKIPPED, /* it is not to be sent, or can not be */
	PLAYER_LATER, /* no room now */
};
enum player_sent player_send(struct player *p, const struct tape_record *record,
    int64_t due_ns, int64_t now_ns);
void player_hello(struct player *p);
void player_keepalive(struct player *p, int64_t now_ns);
void player_say(struct player *p, const struct bnet_header *header,
    struct bnet_slice payload);

/* ---- player_in.c ---- */
void player_packet(struct player *p, const struct bnet_packet *packet);
void player_answered(struct player *p, int64_t now_ns);

#endif
