/* SPDX-License-Identifier: MIT */
/*
 * budget - how much memory all buffers of an engine may take together.
 *
 * Take before allocating, give back after freeing: so what is taken is never
 * less than what is allocated. Any thread. All of the engine that allocates
 * for a peer calls it.
 *
 * Not everybody may take the last byte. Each purpose leaves something to those
 * after it, so that queues which nobody reads stop neither a frame that is
 * being read, nor a newcomer, nor a node, nor what ends the shortage:
 *
 *	0 ............................. 13/16 .. 14/16 .. 15/16 ........ max
 *	| queues                            | frames | first  | nodes | control
 *
 * Frames that are not complete have a share of the budget, and so has each
 * address in it.
 */
#ifndef ENGINE_BUDGET_H
#define ENGINE_BUDGET_H

#include "cmd/common/address.h"
#include "proto/buf.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BUDGET_ADDRESSES 4096 /* a power of two; some addresses share a place */

/* What memory is for; who comes later leaves less to others. */
enum budget_for {
	BUDGET_QUEUE, /* what waits to be written behind something else */
	BUDGET_FRAME, /* the rest of a long frame that is being read */
	BUDGET_FIRST, /* newcomers, a first few KiB, and an empty queue */
	BUDGET_NODE, /* the same for peers that the owner trusts */
	BUDGET_CONTROL, /* the few bytes that say what to do */
};

struct budget {
	_Atomic uint64_t used_bytes;
	_Atomic uint64_t max_bytes;
	uint64_t kept_bytes; /* of that, for BUDGET_CONTROL only */
	uint64_t frame_bytes; /* the longest frame: a share holds two */
	_Atomic uint64_t frames_bytes; /* of unfinished frames */
	_Atomic uint64_t of_address[BUDGET_ADDRESSES]; /* of these */
};

/* False: the limit of that purpose would be exceeded; nothing is taken. */
bool
budget_take(struct budget *budget, uint64_t n_bytes, enum budget_for purpose);
void budget_give(struct budget *budget, uint64_t n_bytes);

/* Where an address is counted: addresses that it groups, and a few others. */
uint32_t budget_place(const struct address *addr);

/*
 * May an unfinished frame of an address (its `place`) grow
 * beyond its first few KiB? The share is checked before a read and counted
 * after it, so each worker may exceed it by one read.
 */
bool budget_frame_may_grow(struct budget *budget, uint32_t place);

/* The frame held `was` bytes of the share, and holds `is` now. */
void budget_frame_holds(
    struct budget *budget, uint32_t place, uint64_t was, uint64_t is);

/* budget_buf_room() where `buf` has to grow, or to be moved to its front. */
bool budget_buf_grow(struct budget *budget, struct bnet_buf *buf, size_t n,
    enum budget_for purpose);

/*
 * Make room for `n` more bytes at the tail of `buf`, and take what that
 * allocates. False: no budget, no memory or the ceiling of `buf`; nothing
 * changed.
 */
static inline bool
budget_buf_room(struct budget *budget, struct bnet_buf *buf, size_t n,
    enum budget_for purpose)
{
	return (buf->p != NULL && buf->cap - buf->at - buf->len >= n &&
		   buf->max - buf->len >= n) ||
	    budget_buf_grow(budget, buf, n, purpose);
}

/* Free what the buffer holds and give it back. */
void budget_free_buf(struct budget *budget, struct bnet_buf *buf);

#endif
