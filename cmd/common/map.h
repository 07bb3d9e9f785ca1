/* SPDX-License-Identifier: MIT */
/*
 * map - a hash map with a limit on the number of entries.
 *
 * An entry is a struct of the caller whose first member is the key: one or more
 * 64-bit words, without padding. Open addressing over an index; the entries
 * never move, so pointers to them stay valid (and a caller can cache the last
 * one). Beyond the limit, map_get() returns the shared entry `others`, and
 * counts that.
 *
 * Keys come from peers: they are hashed with a secret chosen at start, so that
 * nobody can force collisions. Owns the entries; used wherever peers choose
 * keys.
 */
#ifndef COMMON_MAP_H
#define COMMON_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAP_ENTRIES_MAX 65536 /* the usual limit */

struct map_slot {
	uint32_t hash; /* upper half of the hash */
	uint32_t at; /* entry number + 1; 0: free */
};

struct map {
	size_t entry_bytes, key_words, max;
	struct map_slot *slots; /* owned; n_slots, a power of two */
	size_t n_slots;
	size_t n; /* entries in use */
	size_t n_made; /* entries ever made; removed ones are reused */
	uint32_t free_at; /* first removed entry + 1; 0: none */
	unsigned char **chunks; /* owned */
	void *others; /* owned; starts zeroed, key 0 */
	uint64_t n_refused; /* how often map_get() returned `others` */
};

/*
 * Initialises a map for at most `max` entries (below 2^31) of entry_bytes, a
 * multiple of 8, that start with key_words words of key. Returns false when out
 * of memory.
 */
bool
map_init(struct map *map, size_t entry_bytes, size_t key_words, size_t max);
void map_free(struct map *map);

/* Returns the entry of the key, or NULL. */
void *map_find(const struct map *map, const uint64_t *key);

/*
 * Returns the entry of the key; creates it, zeroed except for the key, if
 * missing. Never NULL: returns map->others at the limit or when out of memory.
 */
void *map_get(struct map *map, const uint64_t *key);

/* Removes the entry of the key, if present. Its memory is reused. */
void map_remove(struct map *map, const uint64_t *key);

/* Entry `i` of map->n in creation order; valid only if none was removed. */
void *map_at(const struct map *map, size_t i);

/*
 * Returns pointers to all map->n entries, sorted by qsort(). The caller frees
 * the array; NULL when out of memory or empty.
 */
void **
map_sorted(const struct map *map, int (*compare)(const void *, const void *));

#endif
