/* SPDX-License-Identifier: MIT */
/*
 * map - entries found by a key, with a ceiling on how many there are.
 *
 * An entry is a struct of the caller's whose first member is the key: one or
 * more 64-bit words, without padding. Open addressing over an index; the
 * entries themselves never move, so a pointer to one stays good (and a
 * caller can remember the last one it used). What does not fit any more is
 * what map_get() gives the one entry `others` for, and is counted.
 *
 * Keys come from the peer: they are hashed with a secret drawn at start, so
 * nobody can choose keys that all fall on one place. Owns the entries; used
 * wherever peers say the keys.
 */
#ifndef COMMON_MAP_H
#define COMMON_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAP_ENTRIES_MAX 65536 /* the ceiling that most want */

struct map_slot {
	uint32_t hash; /* its upper half */
	uint32_t at; /* entry number + 1; 0: free */
};

struct map {
	size_t entry_bytes, key_words, max;
	struct map_slot *slots; /* owned; n_slots, a power of two */
	size_t n_slots;
	size_t n; /* entries in use */
	size_t n_made; /* and those ever made: removed ones are reused */
	uint32_t free_at; /* first removed entry + 1; 0: none */
	unsigned char **chunks; /* owned */
	void *others; /* owned; zeroed at first, key 0 */
	uint64_t n_refused; /* how often map_get() gave `others` */
};

/*
 * For at most `max` entries (under 2^31) of entry_bytes, a multiple of 8,
 * that start with key_words words of key. False when out of memory.
 */
bool
map_init(struct map *map, size_t entry_bytes, size_t key_words, size_t max);
void map_free(struct map *map);

/* The entry with that key, or NULL. */
void *map_find(const struct map *map, const uint64_t *key);

/*
 * The entry with that key, made (zeroed but for the key) where there is none.
 * Never NULL: map->others, where the ceiling or the memory's end is reached.
 */
void *map_get(struct map *map, const uint64_t *key);

/* Take out the entry with that key, if it is there. Its memory is reused. */
void map_remove(struct map *map, const uint64_t *key);

/* Entry `i` of map->n in the order made; only where none was removed. */
void *map_at(const struct map *map, size_t i);

/*
 * All entries, sorted as qsort() does with pointers to entries; map->n of
 * them. To be freed by the caller; NULL when out of memory or empty.
 */
void **
map_sorted(const struct map *map, int (*compare)(const void *, const void *));

#endif
