/* SPDX-License-Identifier: MIT */
#include "cmd/engine/budget.h"

bool
budget_take(struct budget *budget, uint64_t n_bytes)
{
	uint64_t before = atomic_fetch_add_explicit(
	    &budget->used_bytes, n_bytes, memory_order_relaxed);

	if (before + n_bytes <= budget->max_bytes)
		return true;
	budget_give(budget, n_bytes);
	return false;
}

void
budget_give(struct budget *budget, uint64_t n_bytes)
{
	atomic_fetch_sub_explicit(
	    &budget->used_bytes, n_bytes, memory_order_relaxed);
}

bool
budget_room(struct budget *budget, const struct bnet_buf *buf, size_t n)
{
	size_t cap = bnet_buf_cap_for(buf, n);

	return cap == buf->cap || budget_take(budget, cap - buf->cap);
}

void
budget_free_buf(struct budget *budget, struct bnet_buf *buf)
{
	size_t cap = buf->cap;

	bnet_buf_free(buf);
	if (cap > 0)
		budget_give(budget, cap);
}
