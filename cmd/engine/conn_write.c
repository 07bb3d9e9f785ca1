/* SPDX-License-Identifier: MIT */
/* Bytes out: the queue of a connection -> link -> socket. */
#include "cmd/engine/engine_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPARE_MIN_BYTES 1024 /* smaller ones malloc() gives as fast */
#define SPARE_MAX_BYTES ((size_t)1 << 20)
#define WIRE_FEW_BYTES ((size_t)4 << 10) /* the same, when memory is short */
/* What encrypting n bytes may take in the link's buffers. */
#define WIRE_NEED(n) (4 * (n) + 1024)
#define WATCH_QUOTIENT 4 /* a queue below 1 / so many of its ceiling is free */
#define SIZE_MASK ((UINT32_C(1) << 28) - 1)

void
conn_mark_dirty(struct engine_conn *conn)
{
	if (conn->dirty)
		return;
	conn->dirty = true;
	conn->next_dirty = conn->worker->dirty;
	conn->worker->dirty = conn;
}

/* ---- the queue ---- */

/* An empty queue keeps no buffer: it goes to the next that needs one. */
void
conn_out_unused(struct engine_conn *conn)
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
 * Make room for `n_bytes` more. A queue that was empty gets a buffer that
 * another has done with. False: no memory or budget.
 */
bool
conn_out_room(struct engine_conn *conn, size_t n_bytes)
{
	struct engine_worker *worker = conn->worker;
	struct budget *budget = &worker->engine->budget;
	struct bnet_buf *spare;
	uint8_t *tail;

	if (conn->out.p == NULL && worker->n_spare > 0) {
		spare = &worker->spare[--worker->n_spare];
		conn->out.p = spare->p;
		conn->out.cap = spare->cap;
		*spare = (struct bnet_buf){ 0 };
	}
	if (budget_room(budget, &conn->out, n_bytes)) {
		if (bnet_buf_room(&conn->out, n_bytes, &tail) == BNET_OK)
			return true;
		budget_give(budget,
		    bnet_buf_cap_for(&conn->out, n_bytes) - conn->out.cap);
	}
	conn_out_unused(conn);
	return false;
}

static void
queued_bytes_sub(struct engine_conn *conn, size_t n_bytes)
{
	atomic_fetch_sub_explicit(
	    &conn->outlet->queued_bytes, n_bytes, memory_order_relaxed);
}

/* Frames were appended to `out`; queued_bytes already counts them. */
void
conn_out_added(struct engine_conn *conn, uint64_t n_frames)
{
	conn->out_frames += n_frames;
	conn_mark_dirty(conn);
}

static void
out_done(struct engine_conn *conn)
{
	conn->order_mixed = false;
	conn->frame_left_bytes = 0;
	conn_out_unused(conn);
}

/* How many frames end within the next `n` bytes of the queue. */
static uint64_t
frames_ended(struct engine_conn *conn, size_t n)
{
	struct bnet_slice out = bnet_buf_slice(&conn->out);
	enum bnet_order order = outlet_order(conn->outlet);
	uint64_t ended = 0;

	if (n == out.len)
		return conn->out_frames;
	if (conn->order_mixed)
		return 0; /* told when the queue is empty */
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

/* The next `n` bytes of the queue leave it; how many frames were they? */
static uint64_t
out_take(struct engine_conn *conn, size_t n)
{
	uint64_t ended = frames_ended(conn, n);

	conn->out_frames -= ended;
	bnet_buf_consume(&conn->out, n);
	if (conn->out.len == 0)
		out_done(conn);
	return ended;
}

static void
written(struct engine_conn *conn, size_t n_bytes, uint64_t n_frames)
{
	struct engine_worker *worker = conn->worker;

	queued_bytes_sub(conn, n_bytes);
	count(worker, ENGINE_PACKETS_WRITTEN, n_frames);
	counter_add(&conn->outlet->packets_out, n_frames);
}

static void
count_write(struct engine_conn *conn, size_t n_bytes, uint64_t n_frames)
{
	struct engine_worker *worker = conn->worker;
	unsigned size = 0;

	count(worker, ENGINE_WRITES, 1);
	count(worker, ENGINE_BYTES_WRITTEN, n_bytes);
	counter_add(&conn->outlet->bytes_out, n_bytes);
	if (n_frames == 0)
		return;
	while (n_frames > 1 && size < 7) {
		n_frames /= 2;
		size++;
	}
	count(worker, ENGINE_WRITE_SIZES + size, 1);
}

/* What is queued will not be written. */
void
conn_lose_queue(struct engine_conn *conn)
{
	queued_bytes_sub(conn, conn->out.len + conn->wire_bytes);
	count(conn->worker, ENGINE_PACKETS_LOST,
	    conn->out_frames + conn->wire_frames);
	conn->out_frames = 0;
	conn->wire_frames = 0;
	conn->wire_bytes = 0;
	budget_free_buf(&conn->worker->engine->budget, &conn->out);
}

void
engine_conn_drop_queue(struct engine_conn *conn)
{
	size_t keep = conn->frame_left_bytes;
	uint64_t lost = conn->out_frames - (keep > 0);

	/* where frames of two orders are mixed, none is known to end */
	if (conn->out.len == 0 || conn->order_mixed)
		return;
	queued_bytes_sub(conn, conn->out.len - keep);
	count(conn->worker, ENGINE_PACKETS_LOST, lost);
	conn->out.len = keep;
	conn->out_frames -= lost;
	if (keep == 0)
		out_done(conn);
	conn_notify_watchers(conn, false);
}

/* ---- the socket ---- */

/* How many bytes went; 0: none now. On failure the connection is over. */
static size_t
send_some(struct engine_conn *conn, struct bnet_slice bytes)
{
	ssize_t n;

	do
		n = send(conn->fd, bytes.p, bytes.len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return (size_t)n;
	if (errno != EAGAIN) {
		conn_set_reason(conn, strerror(errno));
		conn_end(conn,
		    conn->state == CONN_FINISHING ? conn->end : ENGINE_END_IO);
	}
	return 0;
}

static void
tap_out(struct engine_conn *conn, size_t n_bytes)
{
	const struct engine_settings *set = &conn->worker->engine->set;
	struct bnet_slice piece = { conn->out.p + conn->out.at, n_bytes };

	if (set->hooks->tap != NULL)
		set->hooks->tap(set->arg, conn, ENGINE_OUT, &piece, 1);
}

/* True: the queue is empty. */
static bool
flush_plain(struct engine_conn *conn)
{
	struct bnet_slice out = bnet_buf_slice(&conn->out);
	uint64_t n_frames;
	size_t n;

	if (out.len == 0)
		return true;
	n = send_some(conn, out);
	if (n == 0)
		return false;
	tap_out(conn, n);
	n_frames = out_take(conn, n);
	written(conn, n, n_frames);
	count_write(conn, n, n_frames);
	return n == out.len; /* a short write: epoll will tell */
}

/* Reserve what encrypting `n` bytes may take; fewer when memory is short. */
static size_t
wire_reserve(struct engine_conn *conn, size_t n)
{
	struct budget *budget = &conn->worker->engine->budget;

	if (n > ENGINE_WIRE_BYTES)
		n = ENGINE_WIRE_BYTES;
	if (!budget_take(budget, WIRE_NEED(n))) {
		if (n > WIRE_FEW_BYTES)
			n = WIRE_FEW_BYTES;
		if (!budget_take(budget, WIRE_NEED(n)))
			return 0;
	}
	conn->link_bytes += WIRE_NEED(n);
	return n;
}

static void
wire_settle(struct engine_conn *conn)
{
	size_t now = bnet_link_memory_bytes(conn->link);

	if (conn->state == CONN_DEAD || conn->link_bytes <= now)
		return;
	budget_give(&conn->worker->engine->budget, conn->link_bytes - now);
	conn->link_bytes = now;
}

/* Move some of the queue into the link, to be encrypted. */
static bool
wire_fill(struct engine_conn *conn)
{
	struct bnet_slice some = bnet_buf_slice(&conn->out);

	if (some.len == 0 || !bnet_tls_ready(bnet_link_tls(conn->link)))
		return false;
	some.len = wire_reserve(conn, some.len);
	if (some.len == 0) {
		conn_starve(conn);
		return false;
	}
	if (bnet_link_queue(conn->link, some) != BNET_OK) {
		conn_end(conn, ENGINE_END_MEMORY);
		return false;
	}
	tap_out(conn, some.len);
	conn->wire_bytes = some.len;
	conn->wire_frames = out_take(conn, some.len);
	return true;
}

static void
wire_written(struct engine_conn *conn, size_t n)
{
	struct bnet_slice left;

	bnet_link_output_done(conn->link, n);
	count_write(conn, n, conn->wire_frames);
	if (bnet_link_output(conn->link, &left) != BNET_OK || left.len > 0)
		return;
	written(conn, conn->wire_bytes, conn->wire_frames);
	conn->wire_bytes = 0;
	conn->wire_frames = 0;
}

static bool
flush_tls(struct engine_conn *conn)
{
	struct bnet_slice wire;
	size_t n;

	for (;;) {
		if (bnet_link_output(conn->link, &wire) != BNET_OK) {
			conn_end(conn, ENGINE_END_TLS);
			return false;
		}
		if (wire.len == 0) {
			if (!wire_fill(conn))
				return conn->out.len == 0;
			continue;
		}
		n = send_some(conn, wire);
		if (n > 0)
			wire_written(conn, n);
		if (n < wire.len)
			return false;
		wire_settle(conn);
	}
}

/* All is written: say so, and wait for the peer's end. */
static void
finished(struct engine_conn *conn)
{
	struct bnet_slice bye;

	if (conn->is_tls && bnet_link_close(conn->link) == BNET_OK &&
	    bnet_link_output(conn->link, &bye) == BNET_OK && bye.len > 0)
		(void)send(conn->fd, bye.p, bye.len, MSG_NOSIGNAL);
	if (conn->eof || shutdown(conn->fd, SHUT_WR) != 0) {
		conn_end(conn, conn->end);
		return;
	}
	conn->state = CONN_LINGERING;
	conn->deadline_ns = conn->worker->now_ns + ENGINE_LINGER_NS;
	conn_arm(conn);
	conn_list_ready(conn); /* the end may be here already */
}

/* After a write; `empty`: nothing is left to be written. */
static void
tell_drained(struct engine_conn *conn, bool empty)
{
	const struct engine_settings *set = &conn->worker->engine->set;
	bool was_blocked = conn->blocked;

	conn->blocked = !empty;
	if (empty && was_blocked && conn->state == CONN_OPEN &&
	    set->hooks->drained != NULL)
		set->hooks->drained(set->arg, conn);
}

void
conn_flush(struct engine_conn *conn)
{
	bool empty;

	if (conn->state < CONN_OPENING || conn->state >= CONN_LINGERING)
		return;
	empty = conn->is_tls ? flush_tls(conn) : flush_plain(conn);
	if (conn->state == CONN_DEAD)
		return;
	if (conn->is_tls)
		wire_settle(conn);
	if (conn->n_watchers > 0)
		conn_notify_watchers(conn, false);
	if (empty && conn->state == CONN_FINISHING)
		finished(conn);
	tell_drained(conn, empty);
}

/* ---- lists of a turn ---- */

void
conn_flush_urgent(struct engine_worker *worker)
{
	struct engine_conn *conn;

	while ((conn = worker->urgent) != NULL) {
		worker->urgent = conn->next_urgent;
		conn->urgent = false;
		conn_flush(conn);
	}
}

/*
 * The end of a turn. Hooks that run meanwhile may put more on both lists;
 * both are empty afterwards, so that they hold none of those freed now.
 */
void
conn_flush_all(struct engine_worker *worker)
{
	struct engine_conn *conn;

	do {
		conn_flush_urgent(worker);
		while ((conn = worker->dirty) != NULL) {
			worker->dirty = conn->next_dirty;
			conn->dirty = false;
			conn_flush(conn);
		}
	} while (worker->urgent != NULL);
}

/* ---- those who wait for the queue to shrink ---- */

void
conn_notify_watchers(struct engine_conn *conn, bool gone)
{
	static const struct bnet_slice nothing = { NULL, 0 };
	size_t queued = atomic_load_explicit(
	    &conn->outlet->queued_bytes, memory_order_relaxed);

	if (conn->n_watchers == 0 ||
	    (!gone && queued > conn->outlet->queue_max_bytes / WATCH_QUOTIENT))
		return;
	while (conn->n_watchers > 0 &&
	    send_control(conn->worker, conn->watchers[conn->n_watchers - 1],
		RECORD_RESUME, nothing))
		conn->n_watchers--;
	/* without memory the rest is told at the next write, or at the end */
}
