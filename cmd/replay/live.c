/* SPDX-License-Identifier: MIT */
#include "cmd/replay/live.h"

#include <stdlib.h>

#define CAPTURED_MAX (1 << 20)

struct captured {
	uint64_t key; /* live id << 1 | it is a node */
	uint64_t id;
};

static int
compare_places(const void *a, const void *b)
{
	uint64_t x = ((const struct live_place *)a)->session_clone;
	uint64_t y = ((const struct live_place *)b)->session_clone;

	return (x > y) - (x < y);
}

static uint64_t
session_clone(uint32_t session, uint32_t clone)
{
	return (uint64_t)session << 32 | clone;
}

bool
live_init(struct live *live, const struct plan *plan, bool both_ways)
{
	*live = (struct live){ .n = plan->n, .both_ways = both_ways };
	pthread_mutex_init(&live->lock, NULL);
	live->ids = calloc(2 * (size_t)plan->n + 1, sizeof(*live->ids));
	live->places = calloc((size_t)plan->n + 1, sizeof(*live->places));
	if (live->ids == NULL || live->places == NULL)
		return false;
	for (uint32_t i = 0; i < plan->n; i++)
		live->places[i] = (struct live_place){
			session_clone(
			    plan->players[i].session, plan->players[i].clone),
			i,
		};
	qsort(live->places, plan->n, sizeof(*live->places), compare_places);
	return !both_ways ||
	    map_init(&live->captured, sizeof(struct captured), 1, CAPTURED_MAX);
}

void
live_free(struct live *live)
{
	free(live->ids);
	free(live->places);
	if (live->both_ways)
		map_free(&live->captured);
	pthread_mutex_destroy(&live->lock);
}

static _Atomic uint64_t *
slot(const struct live *live, uint32_t round, uint32_t player)
{
	return &live->ids[(size_t)(round & 1) * live->n + player];
}

/* Not so late that its place is somebody else's. */
static bool
has_slot(const struct live *live, const struct live_who *who)
{
	return atomic_load(&live->round) - who->round <= 1;
}

static void
remember(struct live *live, const struct live_who *who, uint64_t id)
{
	const uint64_t key = id << 1 | who->node;
	struct captured *entry;

	pthread_mutex_lock(&live->lock);
	entry = map_get(&live->captured, &key);
	if (entry != NULL && entry != live->captured.others)
		entry->id = who->captured;
	pthread_mutex_unlock(&live->lock);
}

/* Somebody else may have got the id meanwhile: then it is theirs. */
static void
forget(struct live *live, const struct live_who *who, uint64_t id)
{
	const uint64_t key = id << 1 | who->node;
	const struct captured *entry;

	pthread_mutex_lock(&live->lock);
	entry = map_find(&live->captured, &key);
	if (entry != NULL && entry->id == who->captured &&
	    atomic_load(slot(live, 0, who->player)) != id << 1 &&
	    atomic_load(slot(live, 1, who->player)) != id << 1)
		map_remove(&live->captured, &key);
	pthread_mutex_unlock(&live->lock);
}

static void
moved(struct live *live)
{
	atomic_fetch_add_explicit(&live->generation, 1, memory_order_release);
}

void
live_set(struct live *live, const struct live_who *who, uint64_t id)
{
	if (has_slot(live, who))
		atomic_store(slot(live, who->round, who->player), id << 1);
	if (live->both_ways && who->captured != 0)
		remember(live, who, id);
	moved(live);
}

void
live_left(struct live *live, const struct live_who *who, uint64_t id)
{
	uint64_t here = id << 1;

	if (has_slot(live, who))
		(void)atomic_compare_exchange_strong(
		    slot(live, who->round, who->player), &here, id << 1 | 1);
	if (live->both_ways && who->captured != 0 && id != 0)
		forget(live, who, id);
	moved(live);
}

static const struct live_place *
place_of(const struct live *live, uint32_t session, uint32_t clone)
{
	const struct live_place wanted = { session_clone(session, clone), 0 };

	return bsearch(&wanted, live->places, live->n, sizeof(*live->places),
	    compare_places);
}

uint32_t
live_player(const struct live *live, uint32_t session, uint32_t clone)
{
	const struct live_place *place = place_of(live, session, clone);

	return place == NULL ? UINT32_MAX : place->player;
}

bool
live_is_coming(
    const struct live *live, uint32_t round, uint32_t session, uint32_t clone)
{
	uint32_t player = live_player(live, session, clone);

	return player != UINT32_MAX &&
	    atomic_load(slot(live, round, player)) == 0;
}

uint32_t
live_again(struct live *live)
{
	uint32_t round = atomic_fetch_add(&live->round, 1) + 1;

	for (uint32_t i = 0; i < live->n; i++)
		atomic_store(slot(live, round, i), 0);
	moved(live);
	return round;
}

uint64_t
live_id(
    const struct live *live, uint32_t round, uint32_t session, uint32_t clone)
{
	uint32_t player = live_player(live, session, clone);

	return player == UINT32_MAX
	    ? 0
	    : atomic_load(slot(live, round, player)) >> 1;
}

uint64_t
live_captured(struct live *live, bool node, uint64_t id)
{
	const uint64_t key = id << 1 | node;
	struct captured *entry;
	uint64_t captured = id;

	if (!live->both_ways)
		return id;
	pthread_mutex_lock(&live->lock);
	entry = map_find(&live->captured, &key);
	if (entry != NULL)
		captured = entry->id;
	pthread_mutex_unlock(&live->lock);
	return captured;
}
