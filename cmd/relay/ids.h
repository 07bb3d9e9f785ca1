/* SPDX-License-Identifier: MIT */
/*
 * ids - the ids of a relay's block: which are taken, which rest, which are free.
 *
 * Small ids make small headers, so the lowest free id is given out. An id that
 * is released rests first, or an answer to whoever left would reach the next
 * one; while no id is free, the one that has rested longest is given out.
 *
 * Memory grows with the most ids in use at a time: at most 17 bytes per id of
 * the block. Ids outside of the block, which a node may ask for, are not
 * tracked. Not thread-safe: routes.c calls it under its lock.
 */
#ifndef RELAY_IDS_H
#define RELAY_IDS_H

#include <stdbool.h>
#include <stdint.h>

#define IDS_MAX (1 << 20) /* ids per block */

struct ids;

/*
 * The block [from, from + n): from is at least 1, n is 1 to IDS_MAX, and every
 * id fits an i64. No id rests until ids_set_rest() is called. NULL if that does
 * not hold, or when out of memory.
 */
struct ids *ids_new(uint64_t from, uint32_t n);
void ids_free(struct ids *ids); /* NULL is allowed */

/* How long an id rests that is released from now on; 0: not at all. */
void ids_set_rest(struct ids *ids, int64_t rest_ns);

/* Is the id in the block, taken or not? */
bool ids_cover(const struct ids *ids, uint64_t id);

/*
 * Take the lowest free id at now_ns, or the one that has rested longest. 0: all
 * are taken, or out of memory.
 */
uint64_t ids_take_lowest(struct ids *ids, int64_t now_ns);

/*
 * Take that id, at now_ns. False: it is taken, it rests and may_rest is false,
 * it is not in the block, or out of memory.
 */
bool ids_take(struct ids *ids, uint64_t id, bool may_rest, int64_t now_ns);

/* Release an id; does nothing if it is not taken or not in the block. */
void ids_release(struct ids *ids, uint64_t id, int64_t now_ns);

#endif
