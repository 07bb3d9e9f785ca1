/* SPDX-License-Identifier: MIT */
/*
 * The send queue of a connection, and the ways to it: from a hook on its own
 * worker, from a hook on another one (a batch), from any thread (a message).
 *
 * Owns the bytes that wait to be written, the accounting of them, and the
 * list of connections that are paused until the queue is shorter. The owner's
 * hooks call it to send; conn.c takes what it writes from here.
 *
 * A long queue is shared by the sources of its packets (fair.c). `shared` of
 * its sendq tells senders on other workers so: from then on they name their
 * source. What arrives without a source may belong to any of them; to keep
 * their order, what waits for a turn is put in line before it. That happens
 * only just after a queue became long, when little waits.
 */
#include "cmd/engine/send.h"

#include "cmd/engine/conn.h"
#include "cmd/engine/fair.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define HEADER_MAX_BYTES 128 /* word, oob_len and header, without forks */
#define FORK_MAX_BYTES 9
#define SPARE_MIN_BYTES 1024 /* malloc() gives smaller ones as fast */
#define SPARE_MAX_BYTES ((size_t)1 << 20)
#define WATCH_QUOTIENT 4 /* a queue below 1 / this of its limit is short */
#define SIZE_MASK ((UINT32_C(1) << 28) - 1)
#define HEAD_BYTES (BNET_FRAME_WORD_BYTES + BNET_FRAME_OOB_BYTES)
#define RUN_GROWS_BYTES 32 /* so much longer may the header of a run get */
#define RUN_QUOTIENT 2 /* a queue below 1 / this of its limit takes runs */

/* A source may have so many times on its way what is still free. */
#define SHARE_TIMES 4
#define SHARE_OWN FAIR_SHARES /* not forwarded: it takes no turns */
#define NO_SOURCE 0 /* no handle is 0 */
#define SHARE_NONE (FAIR_SHARES + 1) /* the sender saw a short queue */

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

/* ---- a long queue, shared by its sources ---- */

static struct fair *
fair_of(const struct engine_sendq *sendq)
{
	return atomic_load_explicit(&sendq->fair, memory_order_acquire);
}

static unsigned
share_of(const struct engine *engine, uint64_t from)
{
	return ((uint32_t)from * engine->n_workers + handle_worker(from)) %
	    FAIR_SHARES;
}

static void
held_add(struct engine_sendq *sendq, unsigned share, size_t n_bytes)
{
	atomic_fetch_add_explicit(
	    fair_held(fair_of(sendq), share), n_bytes, memory_order_relaxed);
}

static void
held_sub(struct engine_sendq *sendq, unsigned share, size_t n_bytes)
{
	atomic_fetch_sub_explicit(
	    fair_held(fair_of(sendq), share), n_bytes, memory_order_relaxed);
}

static void
set_sharing(struct engine_conn *conn, bool sharing)
{
	conn->sharing = sharing;
	atomic_store_explicit(
	    &conn->sendq->shared, sharing, memory_order_release);
}

/*
 * The queue has become long. The kernel is to take no more ahead than we would
 * keep in line. Without memory it stays first in, first out.
 */
static void
start_sharing(struct engine_conn *conn)
{
	struct fair *fair = fair_of(conn->sendq);
	int unsent = (int)FAIR_MARK_BYTES;

	if (fair == NULL) {
		fair = fair_new(&conn->worker->engine->budget);
		if (fair == NULL)
			return;
		(void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT,
		    &unsent, sizeof(unsent));
		atomic_store_explicit(
		    &conn->sendq->fair, fair, memory_order_release);
	}
	count(conn->worker, ENGINE_QUEUES_SHARED, 1);
	set_sharing(conn, true);
}

/* Do its sources take turns? `ahead_bytes` are in line. */
static inline bool
takes_turns(struct engine_conn *conn, size_t ahead_bytes)
{
	if (!conn->blocked)
		return false;
	if (!conn->sharing && ahead_bytes >= FAIR_MARK_BYTES)
		start_sharing(conn);
	return conn->sharing;
}

/* Move up to `mark_bytes` in line, as the turns say. */
static void
line_up(struct engine_conn *conn, size_t mark_bytes)
{
	struct fair *fair = fair_of(conn->sendq);
	enum bnet_order order = fair_order(fair);

	if (order == BNET_ORDER_AUTO)
		return;
	if (order != sendq_order(conn->sendq))
		conn->order_mixed = true;
	conn->out_frames += fair_take(fair, &conn->out, mark_bytes);
}

void
engine_conn_line_up(struct engine_conn *conn)
{
	if (conn->sharing)
		line_up(conn, SIZE_MAX);
}

/* Frames of a source, in fair_held(), wait for its turn. False: no memory. */
static bool
wait_turn(struct engine_conn *conn, unsigned share, enum bnet_order order,
    struct bnet_slice frames, uint64_t n_frames, enum budget_for purpose)
{
	struct fair *fair = fair_of(conn->sendq);

	if (fair_order(fair) != BNET_ORDER_AUTO && fair_order(fair) != order)
		line_up(conn, SIZE_MAX); /* once, as the order is found out */
	if (fair_order(fair) != BNET_ORDER_AUTO && fair_order(fair) != order)
		return false;
	return fair_put(fair, share, order, frames, n_frames, purpose);
}

/* The line got shorter: others follow, or sources need not take turns. */
static void
next_in_line(struct engine_conn *conn)
{
	line_up(conn, FAIR_MARK_BYTES);
	if (conn->out.len < FAIR_MARK_BYTES / 2 &&
	    fair_bytes(fair_of(conn->sendq)) == 0)
		set_sharing(conn, false);
}

/* Frames of another worker that go straight in line. */
static bool
append_in_line(struct engine_conn *conn, const struct record *record,
    struct bnet_slice frames)
{
	if (conn->sharing && record->share == SHARE_NONE) {
		line_up(conn, SIZE_MAX);
		if (fair_bytes(fair_of(conn->sendq)) > 0)
			return false;
	}
	/* the batch that they are in has taken as much, and gives it back */
	if (!out_room(conn, frames.len, BUDGET_NODE) ||
	    bnet_buf_append(&conn->out, frames) != BNET_OK)
		return false;
	if (sendq_order(conn->sendq) != record->type)
		conn->order_mixed = true;
	conn->out_frames += record->n_frames;
	if (record->share < FAIR_SHARES)
		held_sub(conn->sendq, record->share, frames.len);
	return true;
}

bool
sendq_append(struct engine_conn *conn, const struct record *record,
    struct bnet_slice frames)
{
	bool turns =
	    takes_turns(conn, conn->out.len) && record->share < FAIR_SHARES;

	if (turns
		? !wait_turn(conn, record->share, (enum bnet_order)record->type,
		      frames, record->n_frames, BUDGET_NODE)
		: !append_in_line(conn, record, frames))
		return false;
	sendq_mark_dirty(conn);
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
	if (conn->out.len == 0) {
		conn->order_mixed = false;
		conn->frame_left_bytes = 0;
	}
	if (conn->sharing)
		next_in_line(conn);
	out_unused(conn);
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

size_t
sendq_memory_bytes(const struct engine_conn *conn)
{
	struct fair *fair = fair_of(conn->sendq);

	return conn->out.cap + (fair != NULL ? fair_bytes(fair) : 0);
}

/* Discard what waits for a turn. */
static void
lose_turns(struct engine_conn *conn)
{
	struct fair *fair = fair_of(conn->sendq);

	if (fair == NULL)
		return;
	queued_bytes_sub(conn, fair_bytes(fair));
	count(conn->worker, ENGINE_PACKETS_LOST, fair_drop(fair));
	set_sharing(conn, false);
}

void
sendq_clear(struct engine_conn *conn)
{
	struct fair *fair = fair_of(conn->sendq);

	budget_free_buf(&conn->worker->engine->budget, &conn->out);
	if (fair != NULL)
		fair_clear(fair);
}

void
sendq_lose(struct engine_conn *conn)
{
	lose_turns(conn);
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

size_t
engine_share_bytes(const struct engine *engine)
{
	return atomic_load_explicit(
		   &engine->queue_max_bytes, memory_order_relaxed) /
	    (2 * FAIR_SHARES);
}

size_t
engine_waits_of(
    struct engine_worker *worker, const struct engine_sendq *to, uint64_t from)
{
	if (!atomic_load_explicit(&to->shared, memory_order_acquire))
		return SIZE_MAX;
	return atomic_load_explicit(
	    fair_held(fair_of(to), share_of(worker->engine, from)),
	    memory_order_relaxed);
}

/* May this one send again, though the queue is long? */
static bool
has_little(const struct engine_conn *conn, uint64_t waiter)
{
	return engine_waits_of(conn->worker, conn->sendq, waiter) <=
	    engine_share_bytes(conn->worker->engine) / 2;
}

void
sendq_notify(struct engine_conn *conn, bool gone)
{
	static const struct bnet_slice nothing = { NULL, 0 };
	size_t queued = atomic_load_explicit(
	    &conn->sendq->queued_bytes, memory_order_relaxed);
	size_t n = conn->n_watchers;

	gone |= queued <= queue_max(conn->worker) / WATCH_QUOTIENT;
	conn->n_watchers = 0;
	for (size_t i = 0; i < n; i++)
		/* without memory: at the next write, or the end */
		if ((!gone && !has_little(conn, conn->watchers[i])) ||
		    !send_control(conn->worker, conn->watchers[i],
			RECORD_RESUME, nothing))
			conn->watchers[conn->n_watchers++] = conn->watchers[i];
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

	lose_turns(conn);
	/* where frames of two byte orders are mixed, no end is known */
	if (conn->out.len == 0 || conn->order_mixed)
		return;
	queued_bytes_sub(conn, conn->out.len - keep);
	count(conn->worker, ENGINE_PACKETS_LOST, lost);
	conn->out.len = keep;
	conn->out_frames -= lost;
	out_unused(conn);
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
queued(struct engine_worker *worker, struct engine_sendq *to, size_t n_bytes,
    size_t n_frames)
{
	atomic_fetch_add_explicit(
	    &to->queued_bytes, n_bytes, memory_order_relaxed);
	count(worker, ENGINE_PACKETS_QUEUED, n_frames);
}

/* The last frame in line, of `n_bytes`, has to wait for its turn instead. */
static bool
leave_line(struct engine_conn *conn, uint64_t from, size_t n_bytes,
    enum budget_for purpose)
{
	unsigned share = share_of(conn->worker->engine, from);
	struct bnet_slice frame;

	conn->out.len -= n_bytes;
	frame = (struct bnet_slice){ conn->out.p + conn->out.at + conn->out.len,
		n_bytes };
	if (!wait_turn(
		conn, share, sendq_order(conn->sendq), frame, 1, purpose))
		return false;
	held_add(conn->sendq, share, n_bytes);
	return true;
}

static enum engine_sent
send_here(struct engine_worker *worker, struct engine_sendq *to,
    const struct bnet_packet *packet, size_t room, enum budget_for purpose,
    bool flush, uint64_t from)
{
	struct bnet_wire wire = wire_of(worker, to);
	struct engine_conn *conn = conn_find(worker, to->handle);
	enum bnet_err err;
	size_t before, n_bytes;

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
	n_bytes = conn->out.len - before;
	if (from != NO_SOURCE && takes_turns(conn, before)) {
		if (!leave_line(conn, from, n_bytes, purpose))
			return ENGINE_MEMORY;
	} else {
		conn->out_frames++;
	}
	queued(worker, to, n_bytes, 1);
	sendq_mark_dirty(conn);
	if (flush)
		mark_urgent(conn);
	return ENGINE_QUEUED;
}

static enum engine_sent
send_there(struct engine_worker *worker, struct engine_sendq *to,
    const struct bnet_packet *packet, size_t room, enum budget_for purpose,
    bool flush, unsigned share)
{
	struct bnet_wire wire = wire_of(worker, to);
	const struct record record = { .handle = to->handle,
		.purpose = (uint8_t)purpose,
		.kind = RECORD_FRAMES,
		.type = (uint32_t)wire.order,
		.flush = flush,
		.share = (uint16_t)share };
	struct batch *batch =
	    outbox_record(&worker->outbox, to->worker, &record, room);
	enum bnet_err err;
	size_t before, n_bytes;

	if (batch == NULL)
		return ENGINE_MEMORY;
	before = batch->bytes.len;
	err = bnet_packet_encode(&wire, worker->codecs, packet, &batch->bytes);
	if (err != BNET_OK)
		return sent_of(err);
	n_bytes = batch->bytes.len - before;
	if (share < FAIR_SHARES)
		held_add(to, share, n_bytes);
	queued(worker, to, n_bytes, 1);
	outbox_added(&worker->outbox, to->worker, 1, n_bytes);
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

/* Would a source have more than its share if `room` more were on its way? */
static bool
fills(const struct engine_sendq *to, unsigned share, size_t room,
    size_t free_bytes)
{
	return atomic_load_explicit(
		   fair_held(fair_of(to), share), memory_order_relaxed) +
	    room >
	    SHARE_TIMES * free_bytes;
}

/* `from` is the source, or NO_SOURCE. */
static enum engine_sent
send_from(struct engine_worker *worker, struct engine_sendq *to,
    const struct bnet_packet *packet, bool flush, uint64_t from)
{
	size_t room = frame_bytes_max(packet);
	size_t waiting =
	    atomic_load_explicit(&to->queued_bytes, memory_order_relaxed);
	size_t max = queue_max(worker);
	bool shared = from != NO_SOURCE &&
	    atomic_load_explicit(&to->shared, memory_order_acquire);
	enum budget_for purpose;
	enum engine_sent sent;

	if (room > max || waiting > max - room ||
	    (shared &&
		fills(to, share_of(worker->engine, from), room, max - waiting)))
		return ENGINE_FULL;
	purpose = purpose_of(to, waiting);
	if (to->worker == worker->index)
		sent =
		    send_here(worker, to, packet, room, purpose, flush, from);
	else
		sent = send_there(worker, to, packet, room, purpose, flush,
		    from == NO_SOURCE ? SHARE_OWN
			: shared      ? share_of(worker->engine, from)
				      : SHARE_NONE);
	if (sent == ENGINE_MEMORY)
		worker->pressed = true;
	return sent;
}

enum engine_sent
engine_send(struct engine_worker *worker, struct engine_sendq *to,
    const struct bnet_packet *packet, bool flush)
{
	return send_from(worker, to, packet, flush, NO_SOURCE);
}

enum engine_sent
engine_send_from(struct engine_worker *worker, struct engine_sendq *to,
    const struct bnet_packet *packet, bool flush, uint64_t from)
{
	return send_from(worker, to, packet, flush, from);
}

/* ---- runs of packets ---- */

/* A run as it is sent. */
struct run_out {
	const struct bnet_run *in;
	enum bnet_order order;
	struct bnet_slice oob;
	size_t n_bytes; /* of all its frames */
};

/* Write its frames; there is room. */
static void
put_run(const struct run_out *run, struct bnet_buf *buf)
{
	const uint8_t *in = run->in->bytes.p;
	uint8_t *out = buf->p + buf->at + buf->len;
	uint8_t head[HEAD_BYTES + BNET_RUN_OOB_MAX_BYTES + RUN_GROWS_BYTES];
	size_t head_bytes = HEAD_BYTES + run->oob.len, payload_bytes = 0;
	size_t in_head_bytes = HEAD_BYTES + run->in->oob.len;
	uint32_t word, last = 0; /* no frame that has a header */

	bnet_order_put_u32(
	    run->order, head + BNET_FRAME_WORD_BYTES, (uint32_t)run->oob.len);
	memcpy(head + HEAD_BYTES, run->oob.p, run->oob.len);
	for (size_t i = 0; i < run->in->n_frames; i++) {
		word = bnet_order_get_u32(run->in->order, in);
		if (word != last) {
			last = word;
			payload_bytes = BNET_FRAME_WORD_BYTES +
			    (word & SIZE_MASK) - in_head_bytes;
			bnet_order_put_u32(run->order, head,
			    (word & ~SIZE_MASK) |
				(uint32_t)(head_bytes + payload_bytes -
				    BNET_FRAME_WORD_BYTES));
		}
		memcpy(out, head, head_bytes);
		memcpy(out + head_bytes, in + in_head_bytes, payload_bytes);
		in += in_head_bytes + payload_bytes;
		out += head_bytes + payload_bytes;
	}
	bnet_buf_added(buf, run->n_bytes);
}

static bool
run_here(struct engine_worker *worker, struct engine_sendq *to,
    const struct run_out *run, enum budget_for purpose)
{
	struct engine_conn *conn = conn_find(worker, to->handle);

	if (conn == NULL || conn->state > CONN_OPEN)
		return false;
	/* as long as none of them would be where sources take turns */
	if (conn->blocked && conn->out.len + run->n_bytes > FAIR_MARK_BYTES)
		return false;
	if (!out_room(conn, run->n_bytes, purpose))
		return false;
	put_run(run, &conn->out);
	conn->out_frames += run->in->n_frames;
	sendq_mark_dirty(conn);
	return true;
}

static bool
run_there(struct engine_worker *worker, struct engine_sendq *to,
    const struct run_out *run, enum budget_for purpose)
{
	const struct record record = { .handle = to->handle,
		.purpose = (uint8_t)purpose,
		.kind = RECORD_FRAMES,
		.type = (uint32_t)run->order,
		.share = SHARE_NONE };
	struct batch *batch =
	    outbox_record(&worker->outbox, to->worker, &record, run->n_bytes);

	if (batch == NULL)
		return false;
	put_run(run, &batch->bytes);
	outbox_added(&worker->outbox, to->worker, (uint32_t)run->in->n_frames,
	    run->n_bytes);
	return true;
}

/* Would each of its packets be queued at once, whatever comes before it? */
static bool
run_fits(struct engine_worker *worker, struct engine_sendq *to,
    const struct run_out *run)
{
	size_t waiting =
	    atomic_load_explicit(&to->queued_bytes, memory_order_relaxed);
	size_t longest = run->in->size_max_bytes - run->in->oob.len;

	return !atomic_load_explicit(&to->shared, memory_order_acquire) &&
	    atomic_load_explicit(&to->codec, memory_order_relaxed) ==
	    BNET_CODEC_NONE &&
	    longest + run->oob.len <=
	    atomic_load_explicit(&to->frame_max_bytes, memory_order_relaxed) &&
	    waiting + run->n_bytes + HEADER_MAX_BYTES <=
	    queue_max(worker) / RUN_QUOTIENT;
}

bool
engine_send_run(struct engine_worker *worker, struct engine_sendq *to,
    const struct bnet_run *in, struct bnet_slice oob)
{
	const struct run_out run = { .in = in,
		.order = sendq_order(to),
		.oob = oob,
		.n_bytes = in->bytes.len + in->n_frames * oob.len -
		    in->n_frames * in->oob.len };
	enum budget_for purpose = purpose_of(to, run.n_bytes);

	if (oob.len > BNET_RUN_OOB_MAX_BYTES + RUN_GROWS_BYTES ||
	    !run_fits(worker, to, &run) ||
	    !(to->worker == worker->index
		    ? run_here(worker, to, &run, purpose)
		    : run_there(worker, to, &run, purpose)))
		return false;
	queued(worker, to, run.n_bytes, in->n_frames);
	return true;
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
