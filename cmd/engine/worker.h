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

/* What workers ask each other for when memory is short. */
enum relief {
	RELIEF_NONE,
	RELIEF_WEIGH, /* how heavy is your heaviest connection? */
	RELIEF_END, /* end it */
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

	/* relief.c */
	bool pressed; /* memory was refused in this turn */
	int64_t pressed_since_ns, pressed_last_ns, relief_at_ns;
	_Atomic uint64_t heaviest; /* the weight of the heaviest holder */
	_Atomic(enum relief) relief; /* that another worker asks for */
	_Atomic uint64_t socket_bytes; /* measured; see engine_socket_bytes() */
	unsigned n_measured;

	/* conn.c */
	struct slot *slots; /* owned */
	uint32_t n_slots, cap_slots, free_slot;
	struct engine_conn *ready, *dead;
	struct timers timers;
	unsigned n_handshakes; /* reads for TLS handshakes in this turn */
	struct engine_conn *starving; /* wait for budget: a list of its own */
	int64_t feed_at_ns; /* when they ask again */
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
	_Atomic int64_t short_ns; /* when memory was refused last; 0: never */
	atomic_uint n_measured; /* how often the sockets are to be measured */
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
