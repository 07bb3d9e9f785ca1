/* SPDX-License-Identifier: MIT */
/*
 * budget - how much memory all buffers of an engine may take together.
 *
 * Take before allocating, give back after freeing: so what is taken is never
 * less than what is allocated. Any thread. All of the engine that allocates
 * for a peer calls it.
 */
#ifndef ENGINE_BUDGET_H
#define ENGINE_BUDGET_H

#include "proto/buf.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct budget {
	_Atomic uint64_t used_bytes;
	_Atomic uint64_t max_bytes;
	uint64_t kept_bytes; /* of that, for budget_take_kept() only */
};

/* False: the limit would be exceeded; nothing is taken. */
bool budget_take(struct budget *budget, uint64_t n_bytes);
void budget_give(struct budget *budget, uint64_t n_bytes);

/*
 * The same, also from what is kept: for the few bytes that say what to do
 * when memory is short.
 */
bool budget_take_kept(struct budget *budget, uint64_t n_bytes);

/* budget_buf_room() where `buf` has to grow, or to be moved to its front. */
bool budget_buf_grow(
    struct budget *budget, struct bnet_buf *buf, size_t n, bool kept);

/*
 * Make room for `n` more bytes at the tail of `buf`, and take what that
 * allocates; `kept`: as budget_take_kept(). False: no budget, no memory or the
 * ceiling of `buf`; nothing changed.
 */
static inline bool
budget_buf_room(
    struct budget *budget, struct bnet_buf *buf, size_t n, bool kept)
{
	return (buf->p != NULL && buf->cap - buf->at - buf->len >= n &&
		   buf->max - buf->len >= n) ||
	    budget_buf_grow(budget, buf, n, kept);
}

/* Free what the buffer holds and give it back. */
void budget_free_buf(struct budget *budget, struct bnet_buf *buf);

#endif
