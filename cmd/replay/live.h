/* SPDX-License-Identifier: MIT */
/*
 * live - which id the cluster gave to each player, and whose it was.
 *
 * Ids change as players come and go; each is one atomic word, read by any
 * thread. The way back (live -> captured) is only kept where it is asked for.
 */
#ifndef REPLAY_LIVE_H
#define REPLAY_LIVE_H

#include "cmd/common/map.h"
#include "cmd/replay/plan.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct live_place { /* of a player in the plan */
	uint64_t session_clone; /* session << 32 | clone */
	uint32_t player;
};

struct live {
	uint32_t n;
	/*
	 * id << 1 | it has left; 0: it is to come. n by player, and n more:
	 * a round begins while the last one may still be there. Owned.
	 */
	_Atomic uint64_t *ids;
	_Atomic uint32_t round; /* the last that began */
	struct live_place *places; /* n, sorted; owned */
	/* It moves whenever an id does, so what was looked up is looked up
	 * again. */
	_Atomic uint64_t generation;
	bool both_ways;
	pthread_mutex_t lock; /* of `captured` */
	struct map captured; /* of live id and kind -> captured id */
};

/* False when out of memory. */
bool live_init(struct live *live, const struct plan *plan, bool both_ways);
void live_free(struct live *live);

/* A client or a node; they are numbered apart. */
struct live_who {
	uint32_t player; /* in the plan */
	uint32_t round; /* live_again() when it began */
	bool node;
	uint64_t captured; /* its id there; 0: not known */
};

/* It has that id now. */
void live_set(struct live *live, const struct live_who *who, uint64_t id);

/*
 * It has left; `id` is what it had, 0: none. What is sent to it all the same
 * goes to that id, which is nobody's now.
 */
void live_left(struct live *live, const struct live_who *who, uint64_t id);

/*
 * The id of the player that is this clone of the session, the last one it had
 * where it has left; 0: there is none.
 */
uint64_t live_id(
    const struct live *live, uint32_t round, uint32_t session, uint32_t clone);

/* That player is part of the plan, and has not come yet. */
bool live_is_coming(
    const struct live *live, uint32_t round, uint32_t session, uint32_t clone);

/* Where in the plan it is; UINT32_MAX: it is not played. */
uint32_t live_player(const struct live *live, uint32_t session, uint32_t clone);

/* A new round begins; its number. Of the last but one nobody is left. */
uint32_t live_again(struct live *live);

/* What a live id was in the capture; the id itself where that is not known. */
uint64_t live_captured(struct live *live, bool node, uint64_t id);

static inline uint64_t
live_generation(const struct live *live)
{
	return atomic_load_explicit(&live->generation, memory_order_acquire);
}

#endif
