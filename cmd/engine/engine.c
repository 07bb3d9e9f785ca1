/* SPDX-License-Identifier: MIT */
/* The engine as a whole: settings, threads, sums. */
#include "cmd/engine/engine.h"
#include "cmd/engine/engine_impl.h"

#include "cmd/common/ending.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MEMORY_MAX_BYTES ((uint64_t)1 << 30)
#define QUEUE_MAX_BYTES ((size_t)4 << 20)
#define KEPT_QUOTIENT 16 /* 1 / so much of the budget is for control */
#define KEPT_MAX_BYTES ((uint64_t)64 << 10)
#define INBOX_MAX_BYTES ((size_t)16 << 20)
#define HANDSHAKE_TIMEOUT_NS INT64_C(15000000000)
#define FRAME_TIMEOUT_NS INT64_C(30000000000)

static void
set_defaults(struct engine_settings *set)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (set->n_workers == 0)
		set->n_workers = cores > 0 ? (unsigned)cores : 1;
	if (set->n_workers > ENGINE_WORKERS_MAX)
		set->n_workers = ENGINE_WORKERS_MAX;
	if (set->memory_max_bytes == 0)
		set->memory_max_bytes = MEMORY_MAX_BYTES;
	if (set->queue_max_bytes == 0)
		set->queue_max_bytes = QUEUE_MAX_BYTES;
	if (set->inbox_max_bytes == 0)
		set->inbox_max_bytes = INBOX_MAX_BYTES;
	if (set->frame_max_bytes == 0)
		set->frame_max_bytes = BNET_FRAME_MAX_BYTES;
	if (set->payload_max_bytes == 0)
		set->payload_max_bytes = BNET_PAYLOAD_MAX_BYTES;
	if (set->threshold_bytes == 0)
		set->threshold_bytes = BNET_THRESHOLD_BYTES;
	if (set->handshake_timeout_ns == 0)
		set->handshake_timeout_ns = HANDSHAKE_TIMEOUT_NS;
	if (set->frame_timeout_ns == 0)
		set->frame_timeout_ns = FRAME_TIMEOUT_NS;
}

static bool
make_workers(struct engine *engine)
{
	struct engine_worker *workers;

	/* so that each owns its cache lines: counters are written all the time */
	workers = aligned_alloc(
	    64, (engine->n_workers * sizeof(*workers) + 63) / 64 * 64);
	if (workers == NULL)
		return false;
	for (unsigned i = 0; i < engine->n_workers; i++) {
		workers[i] = (struct engine_worker){ .engine = engine,
			.epoll_fd = -1,
			.spare_fd = -1,
			.queue.wake_fd = -1 };
	}
	engine->workers = workers;
	for (unsigned i = 0; i < engine->n_workers; i++)
		if (!handover_init(&workers[i].queue) ||
		    !worker_init(&workers[i], engine, i))
			return false;
	return true;
}

struct engine *
engine_new(const struct engine_settings *set)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	if (engine == NULL)
		return NULL;
	engine->set = *set;
	set_defaults(&engine->set);
	engine->n_workers = engine->set.n_workers;
	atomic_init(&engine->budget.max_bytes, engine->set.memory_max_bytes);
	engine->budget.kept_bytes =
	    engine->set.memory_max_bytes / KEPT_QUOTIENT < KEPT_MAX_BYTES
	    ? engine->set.memory_max_bytes / KEPT_QUOTIENT
	    : KEPT_MAX_BYTES;
	(void)pthread_mutex_init(&engine->barrier.lock, NULL);
	atomic_init(&engine->queue_max_bytes, engine->set.queue_max_bytes);
	engine->inbox = inbox_new();
	if (engine->inbox != NULL && make_workers(engine))
		return engine;
	engine_free(engine);
	return NULL;
}

/* Signals are for the threads of the owner. */
bool
engine_start(struct engine *engine)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	while (engine->n_started < engine->n_workers) {
		struct engine_worker *w = &engine->workers[engine->n_started];

		errno = pthread_create(&w->thread, NULL, worker_run, w);
		if (errno != 0)
			break;
		engine->n_started++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return engine->n_started == engine->n_workers;
}

/* Its thread is gone: what others had for it is lost, and counted. */
static void
drop_handovers(struct engine_worker *worker)
{
	struct parcels parcels;
	struct parcel *parcel;

	handover_take(&worker->queue, &parcels);
	while ((parcel = parcels_next(&parcels)) != NULL) {
		if (parcel->marker)
			continue;
		send_drop(worker, parcel);
		parcel_free(parcel, &worker->engine->budget);
	}
}

static bool
join_workers(struct engine *engine)
{
	char what[32];
	bool all = true;

	for (unsigned i = 0; i < engine->n_started; i++) {
		struct engine_worker *w = &engine->workers[i];

		(void)snprintf(what, sizeof(what), "network thread %u", i);
		w->ended = w->ended || ending_join(w->thread, what);
		all = all && w->ended;
	}
	return all;
}

bool
engine_stop(struct engine *engine)
{
	atomic_store(&engine->stop, true);
	for (unsigned i = 0; i < engine->n_started; i++)
		handover_wake(&engine->workers[i].queue);
	engine->stuck = true;
	if (!join_workers(engine))
		return false;
	engine->n_started = 0;
	for (unsigned i = 0; i < engine->n_workers; i++)
		drop_handovers(&engine->workers[i]);
	engine->stuck = !rcu_wait_all(); /* outlets: their grace period */
	return !engine->stuck;
}

bool
engine_ended(const struct engine *engine, unsigned worker)
{
	return worker >= engine->n_started || engine->workers[worker].ended;
}

void
engine_free(struct engine *engine)
{
	struct engine_listener *listener;

	if (engine == NULL || engine->stuck)
		return;
	while ((listener = engine->listeners) != NULL) {
		engine->listeners = listener->next;
		listen_free(listener);
	}
	for (unsigned i = 0; engine->workers != NULL && i < engine->n_workers;
	     i++)
		handover_free(&engine->workers[i].queue, &engine->budget);
	for (unsigned i = 0; engine->workers != NULL && i < engine->n_workers;
	     i++)
		worker_free(&engine->workers[i]);
	inbox_free(engine->inbox, &engine->budget);
	pthread_mutex_destroy(&engine->barrier.lock);
	free(engine->workers);
	free(engine);
}

unsigned
engine_n_workers(const struct engine *engine)
{
	return engine->n_workers;
}

void
engine_counters(struct engine *engine, uint64_t sums[ENGINE_N_COUNTERS])
{
	for (unsigned i = 0; i < ENGINE_N_COUNTERS; i++) {
		sums[i] = 0;
		for (unsigned w = 0; w < engine->n_workers; w++)
			sums[i] += counter_get(&engine->workers[w].counters[i]);
	}
}

void
engine_set_limits(
    struct engine *engine, uint64_t memory_max_bytes, size_t queue_max_bytes)
{
	atomic_store(&engine->budget.max_bytes, memory_max_bytes);
	atomic_store(&engine->queue_max_bytes, queue_max_bytes);
}

uint64_t
engine_memory_reserved(struct engine *engine)
{
	return atomic_load_explicit(
	    &engine->budget.used_bytes, memory_order_relaxed);
}

int64_t
engine_oldest_turn_ns(struct engine *engine)
{
	int64_t oldest_ns = worker_clock_ns(), since_ns;

	for (unsigned i = 0; i < engine->n_workers; i++) {
		since_ns = atomic_load_explicit(
		    &engine->workers[i].turn_since_ns, memory_order_relaxed);
		if (since_ns != 0 && since_ns < oldest_ns)
			oldest_ns = since_ns;
	}
	return oldest_ns;
}

void
engine_stop_listening(struct engine *engine)
{
	atomic_store(&engine->stop_listening, true);
	for (unsigned i = 0; i < engine->n_started; i++)
		handover_wake(&engine->workers[i].queue);
}

void
engine_read_lock(void)
{
	rcu_register_thread();
}

void
engine_read_unlock(void)
{
	rcu_tsan_release(&rcu_grace);
	rcu_unregister_thread();
}
