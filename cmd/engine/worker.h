/* SPDX-License-Identifier: MIT */
/*
 * worker - the state of an engine and of its workers. Types only: worker.c
 * owns them, and each group of members names the module that works on it. The
 * modules get the worker they run on with each call.
 */
#ifndef ENGINE_WORKER_H
#define ENGINE_WORKER_H

#include "cmd/engine/budget.h"
#include "cmd/engine/engine.h"
#include "cmd/engine/mailbox.h"
#include "cmd/engine/timers.h"

#define ENGINE_READ_BYTES ((size_t)128 << 10) /* of one connection a turn */
#define ENGINE_SPARES 8 /* buffers that a worker keeps for its next queue */

/* What an event of epoll is about: the first member of each. */
enum source_kind {
	SOURCE_WAKE,
	SOURCE_LISTENER,
	SOURCE_CONN
};
struct source {
	enum source_kind kind;
};

/* A place for a connection; its number and generation make the handle. */
struct slot {
	struct engine_conn *conn; /* NULL: free */
	uint32_t generation;
	uint32_t next_free; /* slot + 1 */
};

struct engine_worker {
	/* first; each worker owns its cache lines */
	_Alignas(64) struct source wake;
	struct engine *engine;
	unsigned index;
	pthread_t thread;
	bool ended; /* and joined */
	int epoll_fd;
	_Alignas(64) struct mailbox mailbox; /* for us; other threads write */
	_Alignas(64) struct outbox outbox; /* of this turn, for the others */
	int64_t now_ns;
	_Atomic int64_t turn_since_ns; /* 0: asleep */
	_Atomic uint64_t counters[ENGINE_N_COUNTERS];

	/* conn.c */
	struct slot *slots; /* owned */
	uint32_t n_slots, cap_slots, free_slot;
	struct engine_conn *ready, *dead;
	struct timers timers;
	bool starved; /* a connection waits for budget */
	unsigned n_handshakes; /* reads for TLS handshakes in this turn */
	uint8_t *read_buf;

	/* send.c */
	struct engine_conn *dirty, *urgent;
	struct bnet_codecs *codecs;
	struct bnet_buf spare[ENGINE_SPARES];
	unsigned n_spare;

	/* listen.c */
	int spare_fd; /* given up when no other descriptor is left */
	bool deaf; /* it has stopped listening */
	int64_t rest_until_ns; /* it accepts nothing until then; 0: it does */

	/* barriers */
	struct batch *markers; /* ours: two for each worker */
	unsigned n_markers[2]; /* that arrived, of even and odd barriers */
	unsigned n_barriers_seen;
	atomic_uint n_barriers_done; /* reported; all of these wrap around */
};

/* The barriers in progress. */
struct barrier {
	pthread_mutex_t lock; /* of engine_barrier() */
	uint32_t types[ENGINE_BARRIERS_MAX]; /* a ring */
	atomic_uint n_raised;
};

struct engine {
	struct engine_settings set;
	struct budget budget;
	struct engine_worker *workers;
	struct mailbox *mailboxes[ENGINE_WORKERS_MAX]; /* the workers' */
	unsigned n_workers, n_started;
	bool stuck; /* it could not be stopped: nothing is freed */
	struct engine_listener *listeners;
	atomic_bool stop, stop_listening;
	atomic_size_t queue_max_bytes;
	_Atomic int64_t handshake_timeout_ns, frame_timeout_ns;
	struct inbox *inbox;
	struct barrier barrier;
};

static inline void
count(struct engine_worker *worker, enum engine_counter which, uint64_t n)
{
	counter_add(&worker->counters[which], n);
}

static inline size_t
queue_max(const struct engine_worker *worker)
{
	return atomic_load_explicit(
	    &worker->engine->queue_max_bytes, memory_order_relaxed);
}

static inline int64_t
handshake_timeout(const struct engine_worker *worker)
{
	return atomic_load_explicit(
	    &worker->engine->handshake_timeout_ns, memory_order_relaxed);
}

static inline int64_t
frame_timeout(const struct engine_worker *worker)
{
	return atomic_load_explicit(
	    &worker->engine->frame_timeout_ns, memory_order_relaxed);
}

static inline unsigned
handle_worker(uint64_t handle)
{
	return (unsigned)(handle >> 56);
}

#endif
