/* SPDX-License-Identifier: MIT */
/*
 * send - the send queue of a connection, for the module that writes it and for
 * the loop that brings frames of other workers. On the connection's worker.
 *
 *	engine_send(), sendq_append() -----------> [ frames ] --> sendq_take()
 *	                     |  where it is long       |          sendq_written()
 *	                     '---> by source (fair.h) -'
 *
 * queued_bytes counts bytes from sending until they are written, also those in
 * TLS: so taking bytes and counting them as written are two steps.
 */
#ifndef ENGINE_SEND_H
#define ENGINE_SEND_H

#include "cmd/engine/worker.h"

/* What frames for it are encoded in: LITTLE or NETWORK. */
static inline enum bnet_order
sendq_order(struct engine_sendq *sendq)
{
	int order = atomic_load_explicit(&sendq->order, memory_order_relaxed);

	return order == BNET_ORDER_NETWORK ? BNET_ORDER_NETWORK
					   : BNET_ORDER_LITTLE;
}

/* It has something to write at the end of this turn. */
void sendq_mark_dirty(struct engine_conn *conn);

/* Append frames that another worker encoded and counted as queued. False: no
 * memory or budget. */
bool sendq_append(struct engine_conn *conn, const struct record *record,
    struct bnet_slice frames);

/*
 * Remove the next `n` bytes; what waits for its turn follows. Returns how many
 * frames end in them.
 */
uint64_t sendq_take(struct engine_conn *conn, size_t n);

/* Count what was taken as written. */
void sendq_written(struct engine_conn *conn, size_t n_bytes, uint64_t n_frames);

/* Discard what is queued, and count it as lost. */
void sendq_lose(struct engine_conn *conn);

/* What its queue takes of memory. */
size_t sendq_memory_bytes(const struct engine_conn *conn);

/* It is empty and ends: give back what it took. */
void sendq_clear(struct engine_conn *conn);

/* Resume the connection `waiter` when the queue is short. False: no memory. */
bool sendq_watch(struct engine_conn *conn, uint64_t waiter);

/* Resume the waiting connections if the queue is short, or gone. */
void sendq_notify(struct engine_conn *conn, bool gone);

/* A record to the worker of handle `to`. False: no memory. */
bool send_control(struct engine_worker *from, uint64_t to,
    enum record_kind kind, struct bnet_slice bytes);

#endif
