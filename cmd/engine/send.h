/* SPDX-License-Identifier: MIT */
/*
 * send - the send queue of a connection, for the module that writes it and for
 * the loop that brings frames of other workers. On the connection's worker.
 *
 *	engine_send(), sendq_append() --> [ frames ] --> sendq_take()
 *	                                 queued_bytes    sendq_written()
 *
 * queued_bytes counts bytes from sending to writing, those in TLS too; only
 * then are they written, so taking and counting are two steps.
 */
#ifndef ENGINE_SEND_H
#define ENGINE_SEND_H

#include "cmd/engine/worker.h"

/* What frames for it are encoded in: LITTLE or NETWORK. */
static inline enum bnet_order
outlet_order(struct engine_outlet *outlet)
{
	int order = atomic_load_explicit(&outlet->order, memory_order_relaxed);

	return order == BNET_ORDER_NETWORK ? BNET_ORDER_NETWORK
					   : BNET_ORDER_LITTLE;
}

/* It has something to write at the end of the turn. */
void sendq_mark_dirty(struct engine_conn *conn);

/* Frames that another worker counted. False: no memory or budget. */
bool sendq_append(struct engine_conn *conn, const struct record *record,
    struct bnet_slice frames);

/* The next `n` bytes of the queue leave it; how many frames were they? */
uint64_t sendq_take(struct engine_conn *conn, size_t n);

/* Bytes and frames that were taken are written. */
void sendq_written(struct engine_conn *conn, size_t n_bytes, uint64_t n_frames);

/* What is queued will not be written. */
void sendq_lose(struct engine_conn *conn);

/* Resume `waiter` when the queue is shorter. False: no memory. */
bool sendq_watch(struct engine_conn *conn, uint64_t waiter);

/* Resume those that wait, if it is short enough, or gone. */
void sendq_notify(struct engine_conn *conn, bool gone);

/* A record to the worker of handle `to`. False: no memory. */
bool send_control(struct engine_worker *from, uint64_t to,
    enum record_kind kind, struct bnet_slice bytes);

#endif
