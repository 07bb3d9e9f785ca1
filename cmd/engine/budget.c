/* SPDX-License-Identifier: MIT */
#include "cmd/engine/budget.h"

static bool
take(struct budget *budget, uint64_t n_bytes, uint64_t kept_bytes)
{
	uint64_t used =
	    atomic_load_explicit(&budget->used_bytes, memory_order_relaxed);
	uint64_t max =
	    atomic_load_explicit(&budget->max_bytes, memory_order_relaxed);

	max = max > kept_bytes ? max - kept_bytes : 0;
	do
		if (used > max || n_bytes > max - used)
			return false;
	while (!atomic_compare_exchange_weak_explicit(&budget->used_bytes,
	    &used, used + n_bytes, memory_order_relaxed, memory_order_relaxed));
	return true;
}

bool
budget_take(struct budget *budget, uint64_t n_bytes)
{
	return take(budget, n_bytes, budget->kept_bytes);
}

bool
budget_take_kept(struct budget *budget, uint64_t n_bytes)
{
	return take(budget, n_bytes, 0);
}

void
budget_give(struct budget *budget, uint64_t n_bytes)
{
	atomic_fetch_sub_explicit(
	    &budget->used_bytes, n_bytes, memory_order_relaxed);
}

bool
budget_buf_grow(
    struct budget *budget, struct bnet_buf *buf, size_t n, bool kept)
{
	size_t more = bnet_buf_cap_for(buf, n) - buf->cap;
	uint8_t *tail;

	if (!take(budget, more, kept ? 0 : budget->kept_bytes))
		return false;
	if (bnet_buf_room(buf, n, &tail) == BNET_OK)
		return true;
	budget_give(budget, more);
	return false;
}

void
budget_free_buf(struct budget *budget, struct bnet_buf *buf)
{
	size_t cap = buf->cap;

	bnet_buf_free(buf);
	if (cap > 0)
		budget_give(budget, cap);
}
