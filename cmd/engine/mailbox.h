/* SPDX-License-Identifier: MIT */
/*
 * mailbox - the mailbox of a worker: other threads put in batches of records,
 * the worker takes them all (liburcu's wait-free queue).
 *
 *	batch	[ record | bytes ] [ record | bytes ] ...
 *
 * Frames for one connection that follow each other share a record. A worker
 * collects the records of a turn in its outbox, one batch for each worker.
 */
#ifndef ENGINE_MAILBOX_H
#define ENGINE_MAILBOX_H

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
	uint8_t purpose; /* enum budget_for; control records have theirs */
	uint16_t share; /* RECORD_FRAMES: of their source; see send.c */
};

struct record_packet {
	struct bnet_header header;
	uint64_t payload_bytes;
};

struct batch {
	struct cds_wfcq_node node;
	struct bnet_buf bytes;
	size_t last; /* where the last record starts */
	uint32_t n_frames;
	bool flush;
	bool marker; /* of a barrier: no records, part of its worker */
	uint8_t parity; /* of a marker: the number of the barrier, modulo 2 */
};

struct mailbox {
	struct __cds_wfcq_head head;
	struct cds_wfcq_tail tail;
	int wake_fd; /* eventfd */
};

/* False: errno. */
bool mailbox_init(struct mailbox *mailbox);
void mailbox_free(struct mailbox *mailbox, struct budget *budget);

/* NULL: no memory or budget. */
struct batch *batch_new(struct budget *budget);
void batch_free(struct batch *batch, struct budget *budget); /* no marker */

/*
 * Make a record with room for `room_bytes` more after it, or take the last one
 * if both are RECORD_FRAMES and differ in lengths only. False: no memory or
 * budget; nothing changed.
 */
bool batch_record(struct batch *batch, struct budget *budget,
    const struct record *record, size_t room_bytes);

/* `n_frames` frames of `n_bytes` were appended to the bytes of the batch. */
void batch_added(struct batch *batch, uint32_t n_frames, size_t n_bytes);

/* A whole record at once. False as above. */
bool batch_put(struct batch *batch, struct budget *budget,
    const struct record *record, struct bnet_slice bytes);

/*
 * Put a batch of one record, made of `n` pieces, into the mailbox. Any thread.
 * False: no memory or budget.
 */
bool mailbox_post(struct mailbox *mailbox, struct budget *budget,
    const struct record *record, const struct bnet_slice *pieces, size_t n);

/*
 * Put a node (of a batch, for a worker) into the mailbox. True: it was empty,
 * and its owner was woken.
 */
bool mailbox_push(struct mailbox *mailbox, struct cds_wfcq_node *node);

/* Wake the owner in any case. */
void mailbox_wake(struct mailbox *mailbox);

/* All that was in a mailbox, in order. It must not be copied or moved. */
struct batches {
	struct __cds_wfcq_head head;
	struct cds_wfcq_tail tail;
};
void mailbox_take(struct mailbox *mailbox, struct batches *batches);
struct cds_wfcq_node *batches_next_node(struct batches *batches);
struct batch *batches_next(struct batches *batches); /* NULL: no more */

/* Reset the wake-up; call it before mailbox_take(). */
void mailbox_heard(struct mailbox *mailbox);

/* Read the record at *at and advance *at. False: the end. */
bool batch_read(const struct batch *batch, size_t *at, struct record *record,
    struct bnet_slice *bytes);

/* ---- outbox: what a worker has for the others in this turn ---- */

struct outbox {
	struct batch **batches; /* owned; one for each worker, or NULL */
	struct mailbox *const *mailboxes; /* of the workers, for pushing */
	unsigned n; /* workers */
	bool urgent; /* a record with `flush` waits */
	struct budget *budget;
	_Atomic uint64_t *counters; /* of the worker it belongs to */
};

/* The other members are set already. False: no memory. */
bool outbox_init(struct outbox *outbox);
void outbox_free(struct outbox *outbox);

/* batch_record() in the batch for worker `to`. NULL: no memory or budget. */
struct batch *outbox_record(struct outbox *outbox, unsigned to,
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
