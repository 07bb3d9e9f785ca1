/* SPDX-License-Identifier: MIT */
/* Bytes in: socket -> link -> the owner's packet hook. */
#include "cmd/engine/engine_impl.h"

#include <errno.h>
#include <string.h>

#define READ_FEW_BYTES \
	512 /* fewer are not asked for, however short memory is */

void
conn_list_ready(struct engine_conn *conn)
{
	if (conn->listed)
		return;
	conn->listed = true;
	conn->next_ready = conn->worker->ready;
	conn->worker->ready = conn;
}

/* ---- what the link tells ---- */

static void
tap_in(struct engine_conn *conn, const struct bnet_packet *packet)
{
	const struct engine_settings *set = &conn->worker->engine->set;
	enum bnet_order order = bnet_link_order(conn->link);
	uint8_t head[BNET_FRAME_WORD_BYTES + BNET_FRAME_OOB_BYTES];
	uint32_t word = packet->size_bytes;
	struct bnet_slice pieces[3];

	if (order == BNET_ORDER_AUTO)
		order = BNET_ORDER_LITTLE;
	if (packet->has_oob)
		word |= BNET_FRAME_F_OOB;
	if (packet->codec == BNET_CODEC_ZLIB)
		word |= BNET_FRAME_F_ZLIB;
	if (packet->codec == BNET_CODEC_SNAPPY)
		word |= BNET_FRAME_F_SNAPPY;
	bnet_order_put_u32(order, head, word);
	bnet_order_put_u32(
	    order, head + BNET_FRAME_WORD_BYTES, (uint32_t)packet->oob.len);
	pieces[0] = (struct bnet_slice){ head,
		packet->has_oob ? sizeof(head) : BNET_FRAME_WORD_BYTES };
	pieces[1] =
	    packet->has_oob ? packet->oob : (struct bnet_slice){ NULL, 0 };
	pieces[2] = packet->wire_payload;
	set->hooks->tap(set->arg, conn, ENGINE_IN, pieces, 3);
}

/* Others answer in the order that the peer was found to speak. */
static void
note_order(struct engine_conn *conn)
{
	int order = (int)bnet_link_order(conn->link);

	if (order ==
	    atomic_load_explicit(&conn->outlet->order, memory_order_relaxed))
		return;
	if (conn->out.len > 0 && order == BNET_ORDER_NETWORK)
		conn->order_mixed = true;
	atomic_store_explicit(
	    &conn->outlet->order, order, memory_order_relaxed);
}

/* False: the owner wants no packet any more. */
static bool
before_packet(struct engine_conn *conn, const struct bnet_packet *packet)
{
	if (conn->state == CONN_OPENING)
		conn_ready(conn);
	if (conn->state != CONN_OPEN)
		return false;
	count(conn->worker, ENGINE_PACKETS_READ, 1);
	counter_add(&conn->outlet->packets_in, 1);
	note_order(conn);
	if (conn->worker->engine->set.hooks->tap != NULL)
		tap_in(conn, packet);
	return true;
}

/* Anything but BNET_OK stops the link behind this packet. */
static enum bnet_err
after_packet(const struct engine_conn *conn)
{
	return conn->paused || conn->state != CONN_OPEN ? BNET_CLOSED : BNET_OK;
}

static enum bnet_err
on_packet(void *arg, const struct bnet_packet *packet)
{
	struct engine_conn *conn = arg;
	const struct engine_settings *set = &conn->worker->engine->set;

	if (before_packet(conn, packet))
		set->hooks->packet(set->arg, conn, packet);
	return after_packet(conn);
}

static enum bnet_err
on_bad(void *arg, const struct bnet_packet *packet, enum bnet_err why)
{
	struct engine_conn *conn = arg;
	const struct engine_settings *set = &conn->worker->engine->set;

	if (before_packet(conn, packet) && set->hooks->bad != NULL)
		set->hooks->bad(set->arg, conn, packet, why);
	return after_packet(conn);
}

/* ---- what becomes of a connection after its bytes ---- */

/* The stream is lost: what is queued for the peer still goes out. */
static void
broken(struct engine_conn *conn, enum engine_end end)
{
	const struct engine_settings *set = &conn->worker->engine->set;

	if (conn->state == CONN_OPEN && set->hooks->broken != NULL)
		set->hooks->broken(set->arg, conn, end);
	if (conn->state == CONN_OPEN) {
		engine_conn_finish(conn);
		conn->end = end;
	} else {
		conn_end(conn, end);
	}
}

/* The peer sends no more: what is queued for it still goes out. */
static void
ended(struct engine_conn *conn)
{
	enum engine_end end = bnet_link_end(conn->link) == BNET_ECUT
	    ? ENGINE_END_CUT
	    : ENGINE_END_PEER;

	conn->eof = true;
	if (conn->state == CONN_LINGERING) {
		conn_end(conn, conn->end);
	} else if (conn->state == CONN_OPEN) {
		engine_conn_finish(conn);
		conn->end = end;
	} else if (conn->state == CONN_OPENING) {
		conn_set_reason(conn, "the peer closed during the handshake");
		conn_end(conn, conn->is_tls ? ENGINE_END_TLS : ENGINE_END_PEER);
	}
}

/* The alert tells the peer why; that it arrives can not be waited for. */
static void
tls_failed(struct engine_conn *conn)
{
	struct bnet_slice alert;

	conn_set_reason(conn, bnet_tls_reason(bnet_link_tls(conn->link)));
	if (bnet_link_output(conn->link, &alert) == BNET_OK && alert.len > 0)
		(void)send(conn->fd, alert.p, alert.len, MSG_NOSIGNAL);
	conn_end(conn, ENGINE_END_TLS);
}

static void
link_failed(struct engine_conn *conn, enum bnet_err err)
{
	switch (err) {
	case BNET_CLOSED:
		ended(conn);
		break;
	case BNET_ESIZE:
		broken(conn, ENGINE_END_OVERSIZE);
		break;
	case BNET_ERESERVED:
	case BNET_ECODECS:
	case BNET_EOOB:
		conn_set_reason(conn, bnet_strerror(err));
		broken(conn, ENGINE_END_MALFORMED);
		break;
	case BNET_ETLS:
		tls_failed(conn);
		break;
	default:
		conn_set_reason(conn, bnet_strerror(err));
		conn_end(conn, ENGINE_END_MEMORY);
	}
}

/* A frame may stand incomplete so long, however slowly it grows. */
static void
note_incomplete(struct engine_conn *conn, uint64_t n_packets_before)
{
	bool more = counter_get(&conn->outlet->packets_in) != n_packets_before;

	if (conn->state != CONN_OPEN ||
	    bnet_link_pending(conn->link).len == 0) {
		conn->frame_since_ns = 0;
	} else if (conn->frame_since_ns == 0 || more) {
		conn->frame_since_ns = conn->worker->now_ns;
		conn_arm(conn);
	}
}

static void
hold(struct engine_conn *conn, struct bnet_slice rest)
{
	struct budget *budget = &conn->worker->engine->budget;

	if (rest.len == 0)
		return;
	if (!budget_room(budget, &conn->held, rest.len) ||
	    bnet_buf_append(&conn->held, rest) != BNET_OK)
		conn_end(conn, ENGINE_END_MEMORY);
}

static void
feed(struct engine_conn *conn, struct bnet_slice in)
{
	struct engine_worker *worker = conn->worker;
	const struct bnet_link_sink sink = {
		.packet = on_packet, .bad = on_bad, .arg = conn
	};
	uint64_t n_packets = counter_get(&conn->outlet->packets_in);
	enum bnet_err err;
	size_t used;

	err = bnet_link_feed(conn->link, in, &sink, &used);
	if (conn->state == CONN_OPENING &&
	    (!conn->is_tls || bnet_tls_ready(bnet_link_tls(conn->link))))
		conn_ready(conn);
	if (conn->state == CONN_OPEN && conn->paused) {
		conn->frame_since_ns = 0;
		hold(conn, bnet_slice_from(in, used));
	} else if (err != BNET_OK &&
	    (conn->state == CONN_OPEN || conn->state == CONN_OPENING)) {
		link_failed(conn, err);
	} else {
		note_incomplete(conn, n_packets);
	}
	/* TLS may have something to say whatever came */
	if (conn->is_tls && conn->state != CONN_DEAD)
		conn_mark_dirty(conn);
	if (worker->urgent != NULL)
		conn_flush_urgent(worker);
	if (worker->urgent_parcels)
		send_push_urgent(worker);
}

/* ---- reading ---- */

/* What feeding `n` bytes may leave in the link is reserved before. */
static bool
reserve(struct engine_conn *conn, size_t n)
{
	size_t need = bnet_link_memory_for(conn->link, n);

	if (need <= conn->link_bytes)
		return true;
	if (!budget_take(
		&conn->worker->engine->budget, need - conn->link_bytes))
		return false;
	conn->link_bytes = need;
	return true;
}

/*
 * How much to read; 0: nothing, the budget is used up. Less when it is short:
 * the rest of a frame may fit where its beginning is, and sets all of it free.
 */
static size_t
read_bytes(struct engine_conn *conn)
{
	size_t n = ENGINE_READ_BYTES;

	/* else it is thrown away */
	if (conn->state != CONN_OPEN && conn->state != CONN_OPENING)
		return n;
	while (n >= READ_FEW_BYTES && !reserve(conn, n))
		n /= 4;
	return n >= READ_FEW_BYTES ? n : 0;
}

static void
settle(struct engine_conn *conn)
{
	size_t now = bnet_link_memory_bytes(conn->link);

	if (conn->state == CONN_DEAD || now >= conn->link_bytes)
		return;
	budget_give(&conn->worker->engine->budget, conn->link_bytes - now);
	conn->link_bytes = now;
}

void
conn_starve(struct engine_conn *conn)
{
	count(conn->worker, ENGINE_STARVED, 1);
	conn->starved = true;
	conn->worker->starved = true;
	conn_list_ready(conn);
}

static void
recv_failed(struct engine_conn *conn)
{
	if (errno == EAGAIN || errno == EINTR)
		return;
	if (conn->state > CONN_OPEN) {
		conn_end(conn, conn->end);
		return;
	}
	conn_set_reason(conn, strerror(errno));
	if (conn->state == CONN_OPENING && conn->is_tls)
		conn_end(conn, ENGINE_END_TLS);
	else
		conn_end(conn,
		    bnet_link_pending(conn->link).len > 0 ? ENGINE_END_CUT
							  : ENGINE_END_IO);
}

static void
read_socket(struct engine_conn *conn)
{
	struct engine_worker *worker = conn->worker;
	size_t want = read_bytes(conn);
	ssize_t n;

	if (want == 0) {
		conn_starve(conn);
		return;
	}
	n = worker->engine->set.rx_times
	    ? rx_time_recv(conn, worker->read_buf, want)
	    : recv(conn->fd, worker->read_buf, want, 0);
	if (n < 0) {
		recv_failed(conn);
	} else if (n == 0) {
		ended(conn);
	} else {
		count(worker, ENGINE_READS, 1);
		count(worker, ENGINE_BYTES_READ, (uint64_t)n);
		counter_add(&conn->outlet->bytes_in, (uint64_t)n);
		conn->last_in_ns = worker->now_ns;
		if (conn->state == CONN_OPEN || conn->state == CONN_OPENING)
			feed(conn,
			    (struct bnet_slice){ worker->read_buf, (size_t)n });
		if (conn->state != CONN_DEAD &&
		    ((size_t)n == want || conn->hung_up))
			conn_list_ready(conn);
	}
	settle(conn);
}

/* What was read before the pause comes first, in pieces as large as a read. */
static void
read_held(struct engine_conn *conn)
{
	struct budget *budget = &conn->worker->engine->budget;
	struct bnet_buf held = conn->held;

	if (!reserve(conn, held.len)) {
		conn_starve(conn);
		return;
	}
	bnet_buf_init(&conn->held, held.max);
	feed(conn, bnet_buf_slice(&held)); /* may hold the rest again */
	budget_free_buf(budget, &held);
	settle(conn);
	if (conn->state == CONN_OPEN && !conn->paused)
		conn_list_ready(conn);
}

void
conn_read(struct engine_conn *conn)
{
	switch (conn->state) {
	case CONN_CONNECTING:
		connect_go_on(conn);
		break;
	case CONN_PROXY:
		conn_proxy_header(conn);
		break;
	case CONN_DEAD:
		break;
	default:
		if (conn->state == CONN_OPEN && conn->paused)
			break;
		if (conn->held.len > 0)
			read_held(conn);
		else if (!conn->eof)
			read_socket(conn);
	}
}

/* ---- pausing ---- */

static void
go_on(struct engine_conn *conn)
{
	static const struct bnet_slice nothing = { NULL, 0 };

	conn->paused = false;
	conn->yielded = false;
	if (conn->state == CONN_OPEN)
		conn->deadline_ns = 0;
	conn->last_in_ns = conn->worker->now_ns;
	if (conn->state != CONN_OPEN)
		return;
	/* what the link kept comes before anything else */
	feed(conn, nothing);
	if (conn->state != CONN_DEAD)
		conn_list_ready(conn);
}

void
conn_resume(struct engine_conn *conn)
{
	if (!conn->paused || conn->yielded)
		return;
	count(conn->worker, ENGINE_RESUMES, 1);
	go_on(conn);
}

/* It is its turn, of those in the list of the ready. */
void
conn_read_again(struct engine_conn *conn)
{
	if (conn->yielded)
		go_on(conn); /* which lists it again */
	else
		conn_read(conn);
}

void
engine_conn_yield(struct engine_conn *conn)
{
	if (conn->state != CONN_OPEN || conn->paused)
		return;
	conn->paused = true;
	conn->yielded = true;
	conn_list_ready(conn);
}

void
engine_conn_pause_for(
    struct engine_conn *conn, const struct engine_outlet *full)
{
	struct bnet_slice me = { (const uint8_t *)&conn->outlet->handle,
		sizeof(conn->outlet->handle) };

	if (conn->state != CONN_OPEN || conn->paused)
		return;
	if (!send_control(conn->worker, full->handle, RECORD_WATCH, me))
		return; /* no memory to pause with: the ceiling holds */
	conn->paused = true;
	conn_set_deadline(conn, conn->worker->now_ns + ENGINE_PAUSE_NS);
	count(conn->worker, ENGINE_PAUSES, 1);
}
