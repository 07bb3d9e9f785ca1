/* SPDX-License-Identifier: MIT */
#include "cmd/replay/live.h"

#include <stdlib.h>

#define CAPTURED_MAX (1 << 20)

struct captured {
	uint64_t live; /* the key */
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
	live->ids = calloc((size_t)plan->n + 1, sizeof(*live->ids));
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

static void
remember(struct live *live, uint64_t old, uint64_t id, uint64_t captured)
{
	struct captured *entry;

	pthread_mutex_lock(&live->lock);
	entry = old != 0 && old != LIVE_GONE && old != id
	    ? map_find(&live->captured, &old)
	    : NULL;
	/* somebody else may have got the id meanwhile: then it is theirs */
	if (entry != NULL && entry->id == captured)
		map_remove(&live->captured, &old);
	entry = id != LIVE_GONE ? map_get(&live->captured, &id) : NULL;
	if (entry != NULL && entry != live->captured.others)
		entry->id = captured;
	pthread_mutex_unlock(&live->lock);
}

void
live_set(struct live *live, uint32_t player, uint64_t id, uint64_t captured)
{
	uint64_t old = atomic_exchange(&live->ids[player], id);

	if (live->both_ways && captured != 0)
		remember(live, old, id, captured);
	atomic_fetch_add_explicit(&live->generation, 1, memory_order_release);
}

static const struct live_place *
place_of(const struct live *live, uint32_t session, uint32_t clone)
{
	const struct live_place wanted = { session_clone(session, clone), 0 };

	return bsearch(&wanted, live->places, live->n, sizeof(*live->places),
	    compare_places);
}

bool
live_is_coming(const struct live *live, uint32_t session, uint32_t clone)
{
	const struct live_place *place = place_of(live, session, clone);

	return place != NULL && atomic_load(&live->ids[place->player]) == 0;
}

void
live_again(struct live *live)
{
	for (uint32_t i = 0; i < live->n; i++) {
		uint64_t gone = LIVE_GONE;

		(void)atomic_compare_exchange_strong(&live->ids[i], &gone, 0);
	}
}

uint64_t
live_id(const struct live *live, uint32_t session, uint32_t clone)
{
	const struct live_place *place = place_of(live, session, clone);
	uint64_t id =
	    place == NULL ? 0 : atomic_load(&live->ids[place->player]);

	return id == LIVE_GONE ? 0 : id;
}

uint64_t
live_captured(struct live *live, uint64_t id)
{
	struct captured *entry;
	uint64_t captured = id;

	if (!live->both_ways)
		return id;
	pthread_mutex_lock(&live->lock);
	entry = map_find(&live->captured, &id);
	if (entry != NULL)
		captured = entry->id;
	pthread_mutex_unlock(&live->lock);
	return captured;
}
