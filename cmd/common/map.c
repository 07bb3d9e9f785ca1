/* SPDX-License-Identifier: MIT */
#include "cmd/common/map.h"

#include "cmd/common/u128.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_ENTRIES 256
#define SLOTS_FIRST 64

static uint64_t secret[2];

static void
draw_secret(void)
{
	if (secret[1] != 0)
		return;
	if (getentropy(secret, sizeof(secret)) != 0)
		secret[0] = (uint64_t)time(NULL) * UINT64_C(0x9e3779b97f4a7c15);
	secret[1] |= 1;
}

/* Folded 128-bit product: every bit of the key affects every bit of it. */
static inline uint64_t
mix(uint64_t a, uint64_t b)
{
	struct u128 product = u128_mul(a, b);

	return product.lo ^ product.hi;
}

static inline uint64_t
hash_key(const struct map *map, const uint64_t *key)
{
	uint64_t hash = secret[1];

	for (size_t i = 0; i < map->key_words; i++)
		hash = mix(key[i] ^ secret[0] ^ hash,
		    UINT64_C(0xd6e8feb86659fd93) ^ secret[1]);
	return hash;
}

bool
map_init(struct map *map, size_t entry_bytes, size_t key_words, size_t max)
{
	size_t n_chunks = (max + CHUNK_ENTRIES - 1) / CHUNK_ENTRIES;

	draw_secret();
	*map = (struct map){ .entry_bytes = entry_bytes,
		.key_words = key_words,
		.max = max,
		.n_slots = SLOTS_FIRST };
	map->slots = calloc(SLOTS_FIRST, sizeof(*map->slots));
	map->chunks = calloc(n_chunks, sizeof(*map->chunks));
	map->others = calloc(1, entry_bytes);
	if (map->slots != NULL && map->chunks != NULL && map->others != NULL)
		return true;
	map_free(map);
	return false;
}

void
map_free(struct map *map)
{
	size_t n_chunks = (map->n_made + CHUNK_ENTRIES - 1) / CHUNK_ENTRIES;

	for (size_t i = 0; map->chunks != NULL && i < n_chunks; i++)
		free(map->chunks[i]);
	free(map->chunks);
	free(map->slots);
	free(map->others);
	*map = (struct map){ 0 };
}

static inline void *
entry_at(const struct map *map, size_t i)
{
	return map->chunks[i / CHUNK_ENTRIES] +
	    i % CHUNK_ENTRIES * map->entry_bytes;
}

static inline bool
same_key(const struct map *map, const void *entry, const uint64_t *key)
{
	const uint64_t *own = entry;

	for (size_t i = 0; i < map->key_words; i++)
		if (own[i] != key[i])
			return false;
	return true;
}

/* The slot of the key, or the free slot where it belongs. */
static inline size_t
slot_of(const struct map *map, const uint64_t *key, uint64_t hash)
{
	size_t mask = map->n_slots - 1, i = (size_t)hash & mask;

	for (; map->slots[i].at != 0; i = (i + 1) & mask)
		if (map->slots[i].hash == hash >> 32 &&
		    same_key(map, entry_at(map, map->slots[i].at - 1), key))
			break;
	return i;
}

void *
map_find(const struct map *map, const uint64_t *key)
{
	size_t i = slot_of(map, key, hash_key(map, key));

	if (map->slots[i].at == 0)
		return NULL;
	return entry_at(map, map->slots[i].at - 1);
}

/* Doubles the slots when three quarters are used. */
static bool
make_slots(struct map *map)
{
	struct map_slot *old = map->slots;
	size_t n_old = map->n_slots, mask = n_old * 2 - 1, to;

	if (map->n + 1 <= n_old / 4 * 3)
		return true;
	map->slots = calloc(n_old * 2, sizeof(*old));
	if (map->slots == NULL) {
		map->slots = old;
		return false;
	}
	map->n_slots = n_old * 2;
	for (size_t i = 0; i < n_old; i++) {
		if (old[i].at == 0)
			continue;
		to = (size_t)hash_key(map, entry_at(map, old[i].at - 1)) & mask;
		while (map->slots[to].at != 0)
			to = (to + 1) & mask;
		map->slots[to] = old[i];
	}
	free(old);
	return true;
}

/* Allocates one entry; returns its number + 1, or 0 when out of memory. */
static uint32_t
make_entry(struct map *map)
{
	uint32_t at = map->free_at;
	size_t chunk = map->n_made / CHUNK_ENTRIES;

	if (at != 0) {
		memcpy(&map->free_at, entry_at(map, at - 1), sizeof(at));
		return at;
	}
	if (map->n_made % CHUNK_ENTRIES == 0) {
		map->chunks[chunk] = malloc(CHUNK_ENTRIES * map->entry_bytes);
		if (map->chunks[chunk] == NULL)
			return 0;
	}
	return (uint32_t)++map->n_made;
}

static void *
make(struct map *map, const uint64_t *key, uint64_t hash)
{
	void *entry;
	uint32_t at = 0;

	if (map->n < map->max && make_slots(map))
		at = make_entry(map);
	if (at == 0) {
		map->n_refused++;
		return map->others;
	}
	map->n++;
	map->slots[slot_of(map, key, hash)] =
	    (struct map_slot){ (uint32_t)(hash >> 32), at };
	entry = entry_at(map, at - 1);
	memset(entry, 0, map->entry_bytes);
	memcpy(entry, key, map->key_words * sizeof(*key));
	return entry;
}

void *
map_get(struct map *map, const uint64_t *key)
{
	uint64_t hash = hash_key(map, key);
	size_t i = slot_of(map, key, hash);

	if (map->slots[i].at != 0)
		return entry_at(map, map->slots[i].at - 1);
	return make(map, key, hash);
}

/*
 * No tombstones: later entries of the same run that could not be found across a
 * hole move into it.
 */
void
map_remove(struct map *map, const uint64_t *key)
{
	size_t mask = map->n_slots - 1, home, i, next;
	uint32_t at;

	i = slot_of(map, key, hash_key(map, key));
	at = map->slots[i].at;
	if (at == 0)
		return;
	for (next = (i + 1) & mask; map->slots[next].at != 0;
	     next = (next + 1) & mask) {
		home = (size_t)hash_key(
			   map, entry_at(map, map->slots[next].at - 1)) &
		    mask;
		if (((next - home) & mask) < ((next - i) & mask))
			continue;
		map->slots[i] = map->slots[next];
		i = next;
	}
	map->slots[i] = (struct map_slot){ 0 };
	map->n--;
	memcpy(entry_at(map, at - 1), &map->free_at, sizeof(at));
	map->free_at = at;
}

void *
map_at(const struct map *map, size_t i)
{
	return entry_at(map, i);
}

void **
map_sorted(const struct map *map, int (*compare)(const void *, const void *))
{
	void **all = map->n == 0 ? NULL : calloc(map->n, sizeof(*all));

	if (all == NULL)
		return NULL;
	for (size_t i = 0; i < map->n; i++)
		all[i] = entry_at(map, i);
	qsort(all, map->n, sizeof(*all), compare);
	return all;
}
