/* SPDX-License-Identifier: MIT */
/*
 * handover - what one thread has for a worker: records in a parcel, parcels
 * in a queue (liburcu's wait-free one: many put, the worker takes all).
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
	RECORD_RESUME, /* `handle` may be read again */
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
	bool marker; /* of barrier.c, which owns it: no records, not freed */
	uint8_t word; /* of a marker: which word, modulo 2 */
};

struct handover_queue {
	struct __cds_wfcq_head head;
	struct cds_wfcq_tail tail;
	int wake_fd; /* eventfd */
};

/* False: errno. */
bool handover_init(struct handover_queue *queue);
void handover_free(struct handover_queue *queue, struct budget *budget);

/* NULL when out of memory, or of budget. */
struct parcel *parcel_new(struct budget *budget);
void parcel_free(struct parcel *parcel, struct budget *budget); /* no marker */

/*
 * A place for a record with up to `room_bytes` more behind it: the last one
 * where that is RECORD_FRAMES too and alike in all but lengths, or a new one. False:
 * no memory or budget, nothing changed.
 */
bool parcel_record(struct parcel *parcel, struct budget *budget,
    const struct record *record, size_t room_bytes);

/* `n_frames` frames of `n_bytes` were appended to the bytes of the parcel. */
void parcel_added(struct parcel *parcel, uint32_t n_frames, size_t n_bytes);

/* A whole record at once. False as above. */
bool parcel_put(struct parcel *parcel, struct budget *budget,
    const struct record *record, struct bnet_slice bytes);

/*
 * A parcel of one record, of `n` pieces, to the owner of the queue. Any
 * thread. False: no memory or budget.
 */
bool handover_post(struct handover_queue *queue, struct budget *budget,
    const struct record *record, const struct bnet_slice *pieces, size_t n);

/*
 * Give a node (that of a parcel, for a worker) to the owner of the queue.
 * True: the queue was empty, and the owner was woken.
 */
bool handover_push(struct handover_queue *queue, struct cds_wfcq_node *node);

/* Wake the worker in any case. */
void handover_wake(struct handover_queue *queue);

/*
 * All there is, in order, to be gone through with parcels_next(). Not to be
 * copied or moved.
 */
struct parcels {
	struct __cds_wfcq_head head;
	struct cds_wfcq_tail tail;
};
void handover_take(struct handover_queue *queue, struct parcels *parcels);
struct cds_wfcq_node *parcels_next_node(struct parcels *parcels);
struct parcel *parcels_next(struct parcels *parcels); /* NULL: no more */

/* The wake-up was heard; before handover_take(). */
void handover_heard(struct handover_queue *queue);

/* The record at *at of a parcel, which moves on; false at the end. */
bool parcel_read(const struct parcel *parcel, size_t *at, struct record *record,
    struct bnet_slice *bytes);

/* ---- what a worker has for the others, a turn at a time ---- */

struct outbox {
	struct parcel **parcels; /* owned; one for each worker, or NULL */
	struct handover_queue *const *queues; /* of the workers, for pushing */
	unsigned n; /* workers */
	bool urgent; /* a record with `flush` waits */
	struct budget *budget;
	_Atomic uint64_t *counters; /* of the worker it belongs to */
};

/* The members behind `parcels` are set. False: no memory. */
bool outbox_init(struct outbox *outbox);
void outbox_free(struct outbox *outbox);

/* A place as by parcel_record() in the parcel for worker `to`; or NULL. */
struct parcel *outbox_record(struct outbox *outbox, unsigned to,
    const struct record *record, size_t room_bytes);

/* `n_frames` frames of `n_bytes` were appended to what that gave. */
void outbox_added(
    struct outbox *outbox, unsigned to, uint32_t n_frames, size_t n_bytes);

/*
 * A whole record at once; where the parcel can not grow, in one of its own,
 * for which there is always a little memory. False: not even that.
 */
bool outbox_put(struct outbox *outbox, unsigned to, const struct record *record,
    struct bnet_slice bytes);

/* Give the parcels to their workers: all, or those with `flush`. */
void outbox_push_all(struct outbox *outbox);
void outbox_push_urgent(struct outbox *outbox);

#endif
