/* SPDX-License-Identifier: MIT */
/*
 * The table of a worker's connections. A slot is used again; the generation in
 * the handle tells its holders apart. Only conn.c takes and releases slots.
 */
#include "cmd/engine/slots.h"

#include <stdlib.h>

#define GENERATION_MASK UINT32_C(0xffffff)

static bool
slots_grow(struct engine_worker *worker)
{
	uint32_t cap = worker->cap_slots == 0 ? 64 : 2 * worker->cap_slots;
	struct slot *slots = realloc(worker->slots, cap * sizeof(*slots));

	if (slots == NULL)
		return false;
	worker->slots = slots;
	worker->cap_slots = cap;
	return true;
}

bool
slot_take(struct engine_worker *worker, struct engine_conn *conn)
{
	struct slot *slot;

	if (worker->free_slot != 0) {
		conn->slot = worker->free_slot - 1;
		worker->free_slot = worker->slots[conn->slot].next_free;
	} else {
		if (worker->n_slots == worker->cap_slots && !slots_grow(worker))
			return false;
		conn->slot = worker->n_slots++;
		worker->slots[conn->slot] = (struct slot){ 0 };
	}
	slot = &worker->slots[conn->slot];
	slot->conn = conn;
	slot->generation = (slot->generation + 1) & GENERATION_MASK;
	conn->sendq->handle = (uint64_t)worker->index << 56 |
	    (uint64_t)slot->generation << 32 | conn->slot;
	return true;
}

void
slot_release(struct engine_conn *conn)
{
	struct slot *slot = &conn->worker->slots[conn->slot];

	slot->conn = NULL;
	slot->next_free = conn->worker->free_slot;
	conn->worker->free_slot = conn->slot + 1;
}

struct engine_conn *
engine_conn_find(struct engine_worker *worker, uint64_t handle)
{
	return handle_worker(handle) == worker->index
	    ? conn_find(worker, handle)
	    : NULL;
}

void
engine_each_conn(struct engine_worker *worker,
    void (*each)(void *arg, struct engine_conn *conn), void *arg)
{
	for (uint32_t i = 0; i < worker->n_slots; i++)
		if (worker->slots[i].conn != NULL)
			each(arg, worker->slots[i].conn);
}
