/* SPDX-License-Identifier: MIT */
/*
 * state - a running replay as its threads share it: reports of the virtual
 * clients, and messages to all of them.
 */
#ifndef REPLAY_STATE_H
#define REPLAY_STATE_H

#include "cmd/engine/engine.h"
#include "cmd/replay/play/play.h"
#include "cmd/replay/play/rewrite.h"
#include "cmd/replay/play/rewrite_payload.h"
#include "cmd/session/session.h"
#include "proto/message.h"

#include <pthread.h>
#include <stdatomic.h>

#define PLAY_REASON_CHARS 256
#define PLAY_ENVIRONMENT_CHARS 64

/* Belongs to one worker of the engine; only `seen` is shared. */
struct play_worker {
	struct play *play;
	struct engine_worker *engine;
	struct results results; /* since they were last taken */
	uint64_t before[RESULTS_N_COUNTS]; /* until then, for the progress */
	uint64_t captured_before; /* errors as captured, likewise */
	/* protected by play->lock, as is the rest of this block */
	bool has_spare, has_taken;
	struct results spare; /* empty, to go on with */
	struct results taken; /* for the watcher */
	struct diff *diff; /* NULL: without --diff */
	struct session_scratch message;
	struct bnet_buf plain; /* a decompressed payload */
	struct payload_reader *payloads; /* of what is received */
	struct rewrite_scratch scratch;
	struct rewrite_payload *rewriter; /* NULL: --rewrite-payload is off */
	struct bnet_buf recoded; /* a rewritten payload, compressed again */
	struct hdr window; /* lateness since the last publication */
	int64_t window_max_ns;
	struct play_progress seen; /* protected by play->lock */
};

struct play {
	struct play_settings set;
	struct engine *engine;
	struct play_worker *workers; /* n_workers */
	unsigned n_workers;
	struct id_map ids;
	int64_t start_ns;
	int64_t behind_ns; /* by which the sessions begin later; connector's */
	pthread_t connector;
	bool connector_runs;
	pthread_mutex_t lock; /* for all below, and workers[].seen */
	pthread_cond_t changed;
	bool stop; /* the connector must end */
	bool connector_done;
	uint64_t n_planned; /* of the rounds begun */
	/* counts of the sessions of those that did not begin; connector's */
	uint64_t never[RESULTS_N_COUNTS];
	struct vclient *vclients; /* all that have not ended */
	enum bnet_order order; /* found, if not that of the capture; or AUTO */
	char environment[PLAY_ENVIRONMENT_CHARS];
	char reason[PLAY_REASON_CHARS];
	int failure; /* errno: what the injector lacked first; 0: nothing */
	_Atomic uint64_t n_running; /* virtual clients that have not ended */
	atomic_bool settled; /* the target's byte order is known, or never is */
	atomic_bool stock; /* the target is a stock peer, so has no ids */
	atomic_bool stock_found; /* by a session, not before the run */
	atomic_bool reached; /* a session got a connection */
	atomic_bool production;
	atomic_bool
	    stopping; /* virtual clients that become ready now end at once */
};

enum { /* engine_message() */
	PLAY_SAY_STOP = 1,
	PLAY_SAY_CUT,
	PLAY_SAY_PUBLISH,
	PLAY_SAY_RESULTS,
};

/* Sends PLAY_SAY_... to all workers. */
void play_message_all(struct play *play, uint32_t what);

/* Reports that a virtual client has ended. */
void play_ended(struct play *play);

/*
 * The byte order of the target is known, or was asked for in vain. If the first
 * session reports it, nothing was sent yet: the run begins late_ns later, as if
 * nobody had asked. False: it was reported before.
 */
bool play_settled(struct play *play, int64_t late_ns);

/* Reports the byte order of a target that does not speak the captured one. */
void play_set_order(struct play *play, enum bnet_order order);

/* Reports a failure; only the first reason is kept. */
void play_set_reason(struct play *play, const char *why);

/* Reports what the injector lacked; only the first is kept. */
void play_set_failure(struct play *play, int error);

/*
 * Reports the environment. In production everything stops at once, whatever the
 * options allow.
 */
void play_set_environment(struct play *play, const struct bnet_string *name);

#endif
