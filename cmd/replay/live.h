/* SPDX-License-Identifier: MIT */
/*
 * live - which id the cluster gave to each player, and whose it was.
 *
 * Ids change as players come and go; each is one atomic word, read by any
 * thread. The way back (live -> captured) is only kept where it is asked for.
 */
#ifndef REPLAY_LIVE_H
#define REPLAY_LIVE_H

#include "cmd/replay/plan.h"
#include "cmd/stats/map.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LIVE_GONE UINT64_MAX

struct live_place { /* of a player in the plan */
	uint64_t session_clone; /* session << 32 | clone */
	uint32_t player;
};

struct live {
	uint32_t n;
	/* n, by player; 0: not yet known, LIVE_GONE: no more; owned */
	_Atomic uint64_t *ids;
	struct live_place *places; /* n, sorted; owned */
	/* It moves whenever an id does, so what was looked up is looked up
	 * again. */
	_Atomic uint64_t generation;
	bool both_ways;
	pthread_mutex_t lock; /* of `captured` */
	struct map captured; /* of live id -> captured id */
};

/* False when out of memory. */
bool live_init(struct live *live, const struct plan *plan, bool both_ways);
void live_free(struct live *live);

/* The player has that id now (or LIVE_GONE), which was `captured`. */
void
live_set(struct live *live, uint32_t player, uint64_t id, uint64_t captured);

/* The id of the player that is this clone of the session; 0: there is none. */
uint64_t live_id(const struct live *live, uint32_t session, uint32_t clone);

/* That player is part of the plan, and has not come yet. */
bool live_is_coming(const struct live *live, uint32_t session, uint32_t clone);

/* A new round: who is gone is to come again. */
void live_again(struct live *live);

/* What a live id was in the capture; the id itself where that is not known. */
uint64_t live_captured(struct live *live, uint64_t id);

static inline uint64_t
live_generation(const struct live *live)
{
	return atomic_load_explicit(&live->generation, memory_order_acquire);
}

#endif
