/* SPDX-License-Identifier: MIT */
/*
 * A word for all workers that overtakes nothing.
 *
 * The word itself is a number that goes up, and every worker looks at it once
 * a turn. Who finds it raised puts a marker behind all that it has for each
 * other worker, in the same queues; who has the marker of everybody hands the
 * word to its owner's hook. So nothing is told while a packet is between two
 * workers.
 *
 *	A	takes the word ... [ parcel | marker of A ] --> B
 *	B	takes the word ... marker of A: message()
 *
 * Nothing here can fail for want of memory: the markers are part of the
 * workers. Two for each pair are enough. A takes word n + 1 when it has all
 * markers of word n; it takes n + 2 when it has the one that B sent for n + 1,
 * so B had all of n by then, that of A too, which may go out again.
 */
#include "cmd/engine/engine_impl.h"

#include <stdlib.h>

bool
barrier_init(struct engine_worker *worker)
{
	size_t n = 2 * (size_t)worker->engine->n_workers;

	worker->markers = calloc(n, sizeof(*worker->markers));
	for (size_t i = 0; worker->markers != NULL && i < n; i++)
		worker->markers[i] =
		    (struct parcel){ .marker = true, .word = i % 2 };
	return worker->markers != NULL;
}

void
barrier_free(struct engine_worker *worker)
{
	free(worker->markers);
}

bool
engine_barrier(struct engine *engine, uint32_t type)
{
	struct barrier *b = &engine->barrier;
	unsigned done, n;

	pthread_mutex_lock(&b->lock);
	n = atomic_load_explicit(&b->n_raised, memory_order_relaxed);
	for (unsigned i = 0; i < engine->n_workers; i++) {
		done = atomic_load(&engine->workers[i].n_words_told);
		if (n - done >= ENGINE_BARRIERS_MAX) {
			pthread_mutex_unlock(&b->lock);
			return false;
		}
	}
	b->types[n % ENGINE_BARRIERS_MAX] = type;
	atomic_store(&b->n_raised, n + 1);
	pthread_mutex_unlock(&b->lock);
	for (unsigned i = 0; i < engine->n_workers; i++)
		handover_wake(&engine->workers[i].queue);
	return true;
}

/* A marker of word `word` came, maybe our own: if it is the last, tell. */
static void
marker_came(struct engine_worker *worker, unsigned word)
{
	static const struct bnet_slice nothing = { NULL, 0 };
	const struct engine_settings *set = &worker->engine->set;
	unsigned n =
	    atomic_load_explicit(&worker->n_words_told, memory_order_relaxed);
	uint32_t type = worker->engine->barrier.types[n % ENGINE_BARRIERS_MAX];

	if (++worker->n_markers[word % 2] < worker->engine->n_workers)
		return;
	worker->n_markers[word % 2] = 0;
	atomic_store(&worker->n_words_told, n + 1);
	if (set->hooks->message != NULL)
		set->hooks->message(set->arg, worker, type, nothing);
	if (worker->urgent != NULL)
		conn_flush_urgent(worker);
}

void
barrier_marker(struct engine_worker *worker, const struct parcel *marker)
{
	marker_came(worker, marker->word);
}

/* At the end of a turn: its packets are in the parcels. */
void
barrier_look(struct engine_worker *worker)
{
	struct engine *engine = worker->engine;
	unsigned n;

	while ((n = worker->n_words_taken) !=
		atomic_load(&engine->barrier.n_raised) &&
	    n ==
		atomic_load_explicit(
		    &worker->n_words_told, memory_order_relaxed)) {
		worker->n_words_taken = n + 1;
		send_push_all(worker);
		for (unsigned i = 0; i < engine->n_workers; i++)
			if (i != worker->index)
				(void)handover_push(&engine->workers[i].queue,
				    &worker->markers[2 * i + n % 2].node);
		marker_came(worker, n);
	}
}
