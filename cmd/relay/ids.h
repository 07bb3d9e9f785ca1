/* SPDX-License-Identifier: MIT */
/*
 * ids - which ids of a relay's block are taken.
 *
 * Small ids make small headers, so the lowest free one is given out. One bit
 * an id, for as many as were in use at a time: at most IDS_MAX / 8 bytes.
 *
 * Ids outside of the block (a node may want any) are not its business.
 * Not thread-safe: the caller holds a lock.
 */
#ifndef RELAY_IDS_H
#define RELAY_IDS_H

#include <stdbool.h>
#include <stdint.h>

#define IDS_MAX (1 << 20) /* ids of a block */

struct ids;

/*
 * The block [from, from + n): from is at least 1, n is 1 to IDS_MAX, and all
 * of it fits an i64. NULL when that is not so, or out of memory.
 */
struct ids *ids_new(uint64_t from, uint32_t n);
void ids_free(struct ids *ids); /* NULL is allowed */

/* The id is in the block, taken or not. */
bool ids_cover(const struct ids *ids, uint64_t id);

/* The lowest free one. 0: none is free, or out of memory. */
uint64_t ids_take_lowest(struct ids *ids);

/* That one. False: it is taken, not in the block, or out of memory. */
bool ids_take(struct ids *ids, uint64_t id);

/* Give one back; nothing happens where it is free or not in the block. */
void ids_release(struct ids *ids, uint64_t id);

uint32_t ids_taken(const struct ids *ids);

#endif
