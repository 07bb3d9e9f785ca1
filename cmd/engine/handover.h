/* SPDX-License-Identifier: MIT */
/*
 * handover - the mailbox of a worker: other threads put in batches of records,
 * the worker takes them all (liburcu's wait-free queue).
 *
 *	parcel	[ record | bytes ] [ record | bytes ] ...
 *
 * Frames for one connection that follow each other share a record. A worker
 * collects the records of a turn in its outbox, one parcel for each worker.
 */
#ifndef ENGINE_HANDOVER_H
#define ENGINE_HANDOVER_H

#include "cmd/engine/budget.h"
#include "cmd/engine/counters.h"
#include "cmd/engine/rcu.h"
#include "proto/header.h"

#include <stdbool.h>
#include <stdint.h>

enum record_kind {
	RECORD_FRAMES, /* encoded, to be written to `handle` */
	RECORD_PACKET, /* struct record_packet, fork ids, payload */
	RECORD_FINISH, /* engine_conn_finish() of `handle` */
	RECORD_WATCH, /* bytes: a handle that waits for the queue of `handle` */
	RECORD_RESUME, /* read `handle` again */
	RECORD_CONNECT, /* struct engine_connect; tls_host is the record's */
	RECORD_MESSAGE, /* `type` and bytes for the owner's hook */
};

struct record {
	uint64_t handle;
	uint64_t n_bytes; /* that follow */
	uint32_t kind; /* enum record_kind */
	uint32_t type; /* RECORD_FRAMES: their enum bnet_order */
	uint32_t n_frames;
	bool flush; /* write before reading on */
};

struct record_packet {
	struct bnet_header header;
	uint64_t payload_bytes;
};

struct parcel {
	struct cds_wfcq_node node;
	struct bnet_buf bytes;
	size_t last; /* where the last record starts */
	uint32_t n_frames;
	bool flush;
	bool marker; /* of a barrier: no records, part of its worker */
	uint8_t parity; /* of a marker: the number of the barrier, modulo 2 */
};

struct handover_queue {
	struct __cds_wfcq_head head;
	struct cds_wfcq_tail tail;
	int wake_fd; /* eventfd */
};

/* False: errno. */
bool handover_init(struct handover_queue *queue);
void handover_free(struct handover_queue *queue, struct budget *budget);

/* NULL: no memory or budget. */
struct parcel *parcel_new(struct budget *budget);
void parcel_free(struct parcel *parcel, struct budget *budget); /* no marker */

/*
 * Make a record with room for `room_bytes` more after it, or take the last one
 * if both are RECORD_FRAMES and differ in lengths only. False: no memory or
 * budget; nothing changed.
 */
bool parcel_record(struct parcel *parcel, struct budget *budget,
    const struct record *record, size_t room_bytes);

/* `n_frames` frames of `n_bytes` were appended to the bytes of the parcel. */
void parcel_added(struct parcel *parcel, uint32_t n_frames, size_t n_bytes);

/* A whole record at once. False as above. */
bool parcel_put(struct parcel *parcel, struct budget *budget,
    const struct record *record, struct bnet_slice bytes);

/*
 * Put a batch of one record, made of `n` pieces, into the mailbox. Any thread.
 * False: no memory or budget.
 */
bool handover_post(struct handover_queue *queue, struct budget *budget,
    const struct record *record, const struct bnet_slice *pieces, size_t n);

/*
 * Put a node (of a batch, for a worker) into the mailbox. True: it was empty,
 * and its owner was woken.
 */
bool handover_push(struct handover_queue *queue, struct cds_wfcq_node *node);

/* Wake the owner in any case. */
void handover_wake(struct handover_queue *queue);

/* All that was in a mailbox, in order. It must not be copied or moved. */
struct parcels {
	struct __cds_wfcq_head head;
	struct cds_wfcq_tail tail;
};
void handover_take(struct handover_queue *queue, struct parcels *parcels);
struct cds_wfcq_node *parcels_next_node(struct parcels *parcels);
struct parcel *parcels_next(struct parcels *parcels); /* NULL: no more */

/* Reset the wake-up; call it before handover_take(). */
void handover_heard(struct handover_queue *queue);

/* Read the record at *at and advance *at. False: the end. */
bool parcel_read(const struct parcel *parcel, size_t *at, struct record *record,
    struct bnet_slice *bytes);

/* ---- outbox: what a worker has for the others in this turn ---- */

struct outbox {
	struct parcel **parcels; /* owned; one for each worker, or NULL */
	struct handover_queue *const *queues; /* of the workers, for pushing */
	unsigned n; /* workers */
	bool urgent; /* a record with `flush` waits */
	struct budget *budget;
	_Atomic uint64_t *counters; /* of the worker it belongs to */
};

/* The other members are set already. False: no memory. */
bool outbox_init(struct outbox *outbox);
void outbox_free(struct outbox *outbox);

/* parcel_record() in the batch for worker `to`. NULL: no memory or budget. */
struct parcel *outbox_record(struct outbox *outbox, unsigned to,
    const struct record *record, size_t room_bytes);

/* `n_frames` frames of `n_bytes` were appended to what that gave. */
void outbox_added(
    struct outbox *outbox, unsigned to, uint32_t n_frames, size_t n_bytes);

/*
 * A whole record at once. If the batch cannot grow, the record gets a batch of
 * its own, for which some budget is kept. False: no memory.
 */
bool outbox_put(struct outbox *outbox, unsigned to, const struct record *record,
    struct bnet_slice bytes);

/* Push the batches to their workers: all, or those with `flush`. */
void outbox_push_all(struct outbox *outbox);
void outbox_push_urgent(struct outbox *outbox);

#endif
