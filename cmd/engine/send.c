/* SPDX-License-Identifier: MIT */
/*
 * The send queue of a connection, and the ways to it: from a hook on its own
 * worker, from a hook on another one (a batch), from any thread (a message).
 *
 * Owns the bytes that wait to be written, the accounting of them, and the
 * list of connections that are paused until the queue is shorter. The owner's
 * hooks call it to send; conn.c takes what it writes from here.
 */
#include "cmd/engine/send.h"

#include "cmd/engine/conn.h"

#include <stdlib.h>

#define HEADER_MAX_BYTES 128 /* word, oob_len and header, without forks */
#define FORK_MAX_BYTES 9
#define SPARE_MIN_BYTES 1024 /* malloc() gives smaller ones as fast */
#define SPARE_MAX_BYTES ((size_t)1 << 20)
#define WATCH_QUOTIENT 4 /* a queue below 1 / this of its limit is short */
#define SIZE_MASK ((UINT32_C(1) << 28) - 1)

/* ---- the bytes that wait ---- */

void
sendq_mark_dirty(struct engine_conn *conn)
{
	if (conn->dirty)
		return;
	conn->dirty = true;
	conn->next_dirty = conn->worker->dirty;
	conn->worker->dirty = conn;
}

static void
mark_urgent(struct engine_conn *conn)
{
	if (conn->urgent)
		return;
	conn->urgent = true;
	conn->next_urgent = conn->worker->urgent;
	conn->worker->urgent = conn;
}

/* An empty queue gives its buffer to the next queue that needs one. */
static void
out_unused(struct engine_conn *conn)
{
	struct engine_worker *worker = conn->worker;
	struct bnet_buf *out = &conn->out;

	if (out->len > 0)
		return;
	if (out->cap < SPARE_MIN_BYTES || out->cap > SPARE_MAX_BYTES ||
	    worker->n_spare == ENGINE_SPARES) {
		budget_free_buf(&worker->engine->budget, out);
		return;
	}
	worker->spare[worker->n_spare++] =
	    (struct bnet_buf){ .p = out->p, .cap = out->cap };
	bnet_buf_init(out, out->max);
}

/*
 * Make room for `n_bytes` more. An empty queue gets a spare buffer of another
 * one. False: no memory or budget.
 */
static bool
out_room(struct engine_conn *conn, size_t n_bytes, enum budget_for purpose)
{
	struct engine_worker *worker = conn->worker;
	struct budget *budget = &worker->engine->budget;
	struct bnet_buf *spare;

	if (conn->out.p == NULL && worker->n_spare > 0) {
		spare = &worker->spare[--worker->n_spare];
		conn->out.p = spare->p;
		conn->out.cap = spare->cap;
		*spare = (struct bnet_buf){ 0 };
	}
	if (budget_buf_room(budget, &conn->out, n_bytes, purpose))
		return true;
	out_unused(conn);
	return false;
}

static void
queued_bytes_sub(struct engine_conn *conn, size_t n_bytes)
{
	atomic_fetch_sub_explicit(
	    &conn->sendq->queued_bytes, n_bytes, memory_order_relaxed);
}

/* Frames were appended to `out`; queued_bytes already counts them. */
static void
out_added(struct engine_conn *conn, uint64_t n_frames)
{
	conn->out_frames += n_frames;
	sendq_mark_dirty(conn);
}

static void
out_done(struct engine_conn *conn)
{
	conn->order_mixed = false;
	conn->frame_left_bytes = 0;
	out_unused(conn);
}

bool
sendq_append(struct engine_conn *conn, const struct record *record,
    struct bnet_slice frames)
{
	/* the batch that they are in has taken as much, and gives it back */
	if (!out_room(conn, frames.len, BUDGET_NODE) ||
	    bnet_buf_append(&conn->out, frames) != BNET_OK)
		return false;
	if (sendq_order(conn->sendq) != record->type)
		conn->order_mixed = true;
	out_added(conn, record->n_frames);
	if (record->flush)
		mark_urgent(conn);
	return true;
}

/* ---- what is written, or lost ---- */

/* How many frames end within the next `n` bytes of the queue. */
static uint64_t
frames_ended(struct engine_conn *conn, size_t n)
{
	struct bnet_slice out = bnet_buf_slice(&conn->out);
	enum bnet_order order = sendq_order(conn->sendq);
	uint64_t ended = 0;

	if (n == out.len)
		return conn->out_frames;
	if (conn->order_mixed)
		return 0; /* counted when the queue is empty */
	while (n > 0) {
		size_t step = conn->frame_left_bytes;

		if (step == 0)
			step = BNET_FRAME_WORD_BYTES +
			    (bnet_order_get_u32(order, out.p) & SIZE_MASK);
		conn->frame_left_bytes = step > n ? step - n : 0;
		if (step > n)
			break;
		ended++;
		n -= step;
		out = bnet_slice_from(out, step);
	}
	return ended;
}

uint64_t
sendq_take(struct engine_conn *conn, size_t n)
{
	uint64_t ended = frames_ended(conn, n);

	conn->out_frames -= ended;
	bnet_buf_consume(&conn->out, n);
	if (conn->out.len == 0)
		out_done(conn);
	return ended;
}

void
sendq_written(struct engine_conn *conn, size_t n_bytes, uint64_t n_frames)
{
	struct engine_worker *worker = conn->worker;

	queued_bytes_sub(conn, n_bytes);
	count(worker, ENGINE_PACKETS_WRITTEN, n_frames);
	counter_add(&conn->sendq->packets_out, n_frames);
}

void
sendq_lose(struct engine_conn *conn)
{
	queued_bytes_sub(conn, conn->out.len + conn->wire_bytes);
	count(conn->worker, ENGINE_PACKETS_LOST,
	    conn->out_frames + conn->wire_frames);
	conn->out_frames = 0;
	conn->wire_frames = 0;
	conn->wire_bytes = 0;
	budget_free_buf(&conn->worker->engine->budget, &conn->out);
}

/* ---- control ---- */

bool
send_control(struct engine_worker *from, uint64_t to, enum record_kind kind,
    struct bnet_slice bytes)
{
	const struct record record = { .handle = to, .kind = kind };

	return outbox_put(&from->outbox, handle_worker(to), &record, bytes);
}

/* ---- those who wait for the queue to shrink ---- */

void
sendq_notify(struct engine_conn *conn, bool gone)
{
	static const struct bnet_slice nothing = { NULL, 0 };
	size_t queued = atomic_load_explicit(
	    &conn->sendq->queued_bytes, memory_order_relaxed);

	if (conn->n_watchers == 0 ||
	    (!gone && queued > queue_max(conn->worker) / WATCH_QUOTIENT))
		return;
	while (conn->n_watchers > 0 &&
	    send_control(conn->worker, conn->watchers[conn->n_watchers - 1],
		RECORD_RESUME, nothing))
		conn->n_watchers--;
	/* without memory the rest is resumed at the next write, or the end */
}

bool
sendq_watch(struct engine_conn *conn, uint64_t waiter)
{
	uint64_t *watchers =
	    realloc(conn->watchers, (conn->n_watchers + 1) * sizeof(*watchers));

	if (watchers == NULL)
		return false;
	conn->watchers = watchers;
	watchers[conn->n_watchers++] = waiter;
	sendq_notify(conn, false);
	return true;
}

void
engine_conn_drop_queue(struct engine_conn *conn)
{
	size_t keep = conn->frame_left_bytes;
	uint64_t lost = conn->out_frames - (keep > 0);

	/* where frames of two byte orders are mixed, no end is known */
	if (conn->out.len == 0 || conn->order_mixed)
		return;
	queued_bytes_sub(conn, conn->out.len - keep);
	count(conn->worker, ENGINE_PACKETS_LOST, lost);
	conn->out.len = keep;
	conn->out_frames -= lost;
	if (keep == 0)
		out_done(conn);
	sendq_notify(conn, false);
}

/* ---- packets from hooks ---- */

static enum engine_sent
sent_of(enum bnet_err err)
{
	return err == BNET_ESIZE ? ENGINE_TOO_LARGE : ENGINE_MEMORY;
}

/* An upper bound of the frame of a packet. */
static size_t
frame_bytes_max(const struct bnet_packet *packet)
{
	size_t payload = packet->codec == BNET_CODEC_NONE
	    ? packet->payload.len
	    : packet->wire_payload.len;

	return HEADER_MAX_BYTES + payload +
	    (packet->has_header ? (size_t)packet->header.forks * FORK_MAX_BYTES
				: packet->oob.len);
}

static struct bnet_wire
wire_of(struct engine_worker *worker, struct engine_sendq *to)
{
	return (struct bnet_wire){
		.order = sendq_order(to),
		.codec = (enum bnet_codec_id)atomic_load_explicit(
		    &to->codec, memory_order_relaxed),
		.frame_max_bytes = atomic_load_explicit(
		    &to->frame_max_bytes, memory_order_relaxed),
		.threshold_bytes = worker->engine->set.threshold_bytes,
	};
}

static void
queued(struct engine_worker *worker, struct engine_sendq *to, size_t n_bytes)
{
	atomic_fetch_add_explicit(
	    &to->queued_bytes, n_bytes, memory_order_relaxed);
	count(worker, ENGINE_PACKETS_QUEUED, 1);
}

static enum engine_sent
send_here(struct engine_worker *worker, struct engine_sendq *to,
    const struct bnet_packet *packet, size_t room, enum budget_for purpose,
    bool flush)
{
	struct bnet_wire wire = wire_of(worker, to);
	struct engine_conn *conn = conn_find(worker, to->handle);
	enum bnet_err err;
	size_t before;

	if (conn == NULL || conn->state > CONN_OPEN)
		return ENGINE_GONE;
	if (!out_room(conn, room, purpose))
		return ENGINE_MEMORY;
	before = conn->out.len;
	err = bnet_packet_encode(&wire, worker->codecs, packet, &conn->out);
	if (err != BNET_OK) {
		out_unused(conn);
		return sent_of(err);
	}
	queued(worker, to, conn->out.len - before);
	out_added(conn, 1);
	if (flush)
		mark_urgent(conn);
	return ENGINE_QUEUED;
}

static enum engine_sent
send_there(struct engine_worker *worker, struct engine_sendq *to,
    const struct bnet_packet *packet, size_t room, enum budget_for purpose,
    bool flush)
{
	struct bnet_wire wire = wire_of(worker, to);
	const struct record record = { .handle = to->handle,
		.purpose = (uint8_t)purpose,
		.kind = RECORD_FRAMES,
		.type = (uint32_t)wire.order,
		.flush = flush };
	struct batch *batch =
	    outbox_record(&worker->outbox, to->worker, &record, room);
	enum bnet_err err;
	size_t before;

	if (batch == NULL)
		return ENGINE_MEMORY;
	before = batch->bytes.len;
	err = bnet_packet_encode(&wire, worker->codecs, packet, &batch->bytes);
	if (err != BNET_OK)
		return sent_of(err);
	queued(worker, to, batch->bytes.len - before);
	outbox_added(&worker->outbox, to->worker, 1, batch->bytes.len - before);
	return ENGINE_QUEUED;
}

/*
 * A link that reads what it gets has an empty queue, and goes on being served
 * when those that do not read have used up what queues may take.
 */
static enum budget_for
purpose_of(struct engine_sendq *to, size_t waiting_bytes)
{
	bool trusted = atomic_load_explicit(&to->trusted, memory_order_relaxed);

	if (waiting_bytes == 0)
		return trusted ? BUDGET_NODE : BUDGET_FIRST;
	return trusted ? BUDGET_FRAME : BUDGET_QUEUE;
}

enum engine_sent
engine_send(struct engine_worker *worker, struct engine_sendq *to,
    const struct bnet_packet *packet, bool flush)
{
	size_t room = frame_bytes_max(packet);
	size_t waiting =
	    atomic_load_explicit(&to->queued_bytes, memory_order_relaxed);
	size_t max = queue_max(worker);
	enum budget_for purpose;
	enum engine_sent sent;

	if (room > max || waiting > max - room)
		return ENGINE_FULL;
	purpose = purpose_of(to, waiting);
	if (to->worker == worker->index)
		sent = send_here(worker, to, packet, room, purpose, flush);
	else
		sent = send_there(worker, to, packet, room, purpose, flush);
	if (sent == ENGINE_MEMORY)
		worker->pressed = true;
	return sent;
}

bool
engine_worker_message(struct engine_worker *from, unsigned worker,
    uint32_t type, struct bnet_slice bytes)
{
	const struct record record = { .kind = RECORD_MESSAGE, .type = type };

	return outbox_put(&from->outbox, worker, &record, bytes);
}

/* ---- from any thread ---- */

bool
engine_message(struct engine *engine, unsigned worker, uint32_t type,
    struct bnet_slice bytes)
{
	const struct record record = { .kind = RECORD_MESSAGE, .type = type };

	return mailbox_post(
	    engine->mailboxes[worker], &engine->budget, &record, &bytes, 1);
}

enum engine_sent
engine_post(
    struct engine *engine, uint64_t handle, const struct bnet_packet *packet)
{
	const struct record record = {
		.handle = handle, .kind = RECORD_PACKET, .purpose = BUDGET_FIRST
	};
	struct record_packet head = { .header = packet->header,
		.payload_bytes = packet->payload.len };
	struct bnet_slice pieces[] = {
		{ (const uint8_t *)&head, sizeof(head) },
		{ (const uint8_t *)packet->fork_ids,
		    packet->header.forks * sizeof(uint64_t) },
		packet->payload,
	};

	return mailbox_post(engine->mailboxes[handle_worker(handle)],
		   &engine->budget, &record, pieces, 3)
	    ? ENGINE_QUEUED
	    : ENGINE_MEMORY;
}

void
engine_post_finish(struct engine *engine, uint64_t handle)
{
	const struct record record = { .handle = handle,
		.kind = RECORD_FINISH };

	(void)mailbox_post(engine->mailboxes[handle_worker(handle)],
	    &engine->budget, &record, NULL, 0);
}
