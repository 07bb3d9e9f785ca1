/* SPDX-License-Identifier: MIT */
#include "cmd/engine/budget.h"

#define STEPS 16 /* a purpose leaves so many sixteenths to those after it */
#define FRAMES_QUOTIENT 4 /* unfinished frames: 1 / this of the budget */
#define ADDRESS_QUOTIENT 2 /* those of an address: 1 / this of that */

/* How much a purpose leaves to those after it. */
static uint64_t
leaves(const struct budget *budget, uint64_t max, enum budget_for purpose)
{
	if (purpose == BUDGET_CONTROL)
		return 0;
	return budget->kept_bytes +
	    max / STEPS * (uint64_t)(BUDGET_NODE - purpose);
}

bool
budget_take(struct budget *budget, uint64_t n_bytes, enum budget_for purpose)
{
	uint64_t used =
	    atomic_load_explicit(&budget->used_bytes, memory_order_relaxed);
	uint64_t max =
	    atomic_load_explicit(&budget->max_bytes, memory_order_relaxed);
	uint64_t left = leaves(budget, max, purpose);

	max = max > left ? max - left : 0;
	do
		if (used > max || n_bytes > max - used)
			return false;
	while (!atomic_compare_exchange_weak_explicit(&budget->used_bytes,
	    &used, used + n_bytes, memory_order_relaxed, memory_order_relaxed));
	return true;
}

void
budget_give(struct budget *budget, uint64_t n_bytes)
{
	atomic_fetch_sub_explicit(
	    &budget->used_bytes, n_bytes, memory_order_relaxed);
}

uint32_t
budget_place(const struct address *addr)
{
	struct address_key key = address_key(addr);
	uint64_t x =
	    (key.words[0] + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ key.words[1];

	x = (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)(x >> 32) % BUDGET_ADDRESSES;
}

/* A small budget is not divided: a share holds at least two long frames. */
static uint64_t
share(uint64_t of_bytes, unsigned quotient, uint64_t frame_bytes)
{
	uint64_t bytes = of_bytes / quotient;

	return bytes > 2 * frame_bytes ? bytes : 2 * frame_bytes;
}

bool
budget_frame_may_grow(struct budget *budget, uint32_t place)
{
	uint64_t max = share(
	    atomic_load_explicit(&budget->max_bytes, memory_order_relaxed),
	    FRAMES_QUOTIENT, budget->frame_bytes);

	return atomic_load_explicit(
		   &budget->frames_bytes, memory_order_relaxed) < max &&
	    atomic_load_explicit(
		&budget->of_address[place], memory_order_relaxed) <
	    share(max, ADDRESS_QUOTIENT, budget->frame_bytes);
}

void
budget_frame_holds(
    struct budget *budget, uint32_t place, uint64_t was, uint64_t is)
{
	atomic_fetch_add_explicit(
	    &budget->frames_bytes, is - was, memory_order_relaxed);
	atomic_fetch_add_explicit(
	    &budget->of_address[place], is - was, memory_order_relaxed);
}

bool
budget_buf_grow(struct budget *budget, struct bnet_buf *buf, size_t n,
    enum budget_for purpose)
{
	size_t more = bnet_buf_cap_for(buf, n) - buf->cap;
	uint8_t *tail;

	if (!budget_take(budget, more, purpose))
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
