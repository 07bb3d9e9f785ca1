/* SPDX-License-Identifier: MIT */
/*
 * The connections of a worker, from accept or connect to the end: deadlines,
 * the PROXY protocol header, reading (socket -> link -> the owner's hooks),
 * writing (send queue -> link -> socket), and pausing. The rules for frames
 * whose end has not come are in unfinished.c.
 *
 * Owns struct engine_conn, its socket and its link. The worker's loop calls
 * it, listen.c makes connections with it, and the owner's hooks ask it.
 */
#include "cmd/engine/conn.h"

#include "cmd/common/looks_like.h"
#include "cmd/common/proxy_protocol.h"
#include "cmd/engine/fair.h"
#include "cmd/engine/rx_time.h"
#include "cmd/engine/send.h"
#include "cmd/engine/slots.h"
#include "cmd/engine/unfinished.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define HUNG_UP ((uint32_t)EPOLLRDHUP | EPOLLHUP | EPOLLERR)

/* What a connection costs beside its buffers; measured, rounded up. */
#define CONN_BYTES 2048
#define TLS_BYTES 17408

#define LINGER_NS INT64_C(2000000000) /* for the peer's end of file */
#define CONNECT_TIMEOUT_NS INT64_C(15000000000)
/* A pause ends after this, in case its RECORD_RESUME was lost. */
#define PAUSE_NS INT64_C(30000000000)

/* Reads for handshakes in a turn: one costs as much as many packets. */
#define HANDSHAKES_A_TURN 4
#define STARVED_NS INT64_C(5000000) /* before we ask for budget again */

#define READ_FEW_BYTES 512 /* the smallest read, when memory is short */
#define WIRE_BYTES ((size_t)64 << 10) /* encrypted at a time */
#define WIRE_FEW_BYTES ((size_t)4 << 10) /* the same, when memory is short */
/* What encrypting n bytes may take in the link's buffers. */
#define WIRE_NEED(n) (4 * (n) + 1024)

struct sendq_box {
	struct rcu_head rcu;
	struct engine_sendq sendq; /* ends in user[] */
};

/* ---- making and freeing ---- */

static struct engine_sendq *
sendq_new(struct engine_worker *worker)
{
	const struct engine_settings *set = &worker->engine->set;
	struct sendq_box *box = calloc(1, sizeof(*box) + set->user_bytes);

	if (box == NULL)
		return NULL;
	box->sendq.worker = worker->index;
	atomic_init(&box->sendq.frame_max_bytes, set->frame_max_bytes);
	return &box->sendq;
}

static void
sendq_after_grace(struct rcu_head *rcu)
{
	struct sendq_box *box;

	rcu_after_grace();
	box = container_of(rcu, struct sendq_box, rcu);
	fair_free(atomic_load(&box->sendq.fair));
	free(box);
	rcu_freed();
}

static bool
conn_make_link(
    struct engine_conn *conn, struct bnet_tls_ctx *tls, const char *tls_host)
{
	const struct engine_settings *set = &conn->worker->engine->set;
	struct bnet_link_settings link = {
		.frame_max_bytes = set->frame_max_bytes,
		.payload_max_bytes = set->payload_max_bytes,
		.threshold_bytes = set->threshold_bytes,
		.out_max_bytes = 2 * WIRE_BYTES,
		.no_inflate = set->no_inflate,
		.tls = tls,
		.tls_host = tls_host,
	};

	if (bnet_link_new(&link, conn->worker->codecs, &conn->link) != BNET_OK)
		return false;
	conn->link_bytes = bnet_link_memory_bytes(conn->link);
	return true;
}

static void
conn_free(struct engine_conn *conn, bool published)
{
	struct budget *budget = &conn->worker->engine->budget;
	struct sendq_box *box;

	bnet_link_free(conn->link);
	unfinished_holds(conn, 0);
	budget_free_buf(budget, &conn->held);
	budget_give(budget, conn->base_bytes + conn->link_bytes);
	free(conn->watchers);
	free(conn->reason_text);
	if (conn->sendq != NULL) {
		sendq_clear(conn);
		box = container_of(conn->sendq, struct sendq_box, sendq);
		if (published)
			rcu_later(&box->rcu, sendq_after_grace);
		else
			free(box);
	}
	free(conn);
}

struct engine_conn *
conn_new(struct engine_worker *worker, int fd, struct bnet_tls_ctx *tls,
    const char *tls_host, void *user)
{
	struct budget *budget = &worker->engine->budget;
	uint64_t base = CONN_BYTES + worker->engine->set.user_bytes +
	    (tls != NULL ? TLS_BYTES : 0);
	struct engine_conn *conn;

	if (!budget_take(budget, base, BUDGET_FIRST))
		return NULL;
	conn = calloc(1, sizeof(*conn));
	if (conn == NULL) {
		budget_give(budget, base);
		return NULL;
	}
	conn->source.kind = SOURCE_CONN;
	conn->fd = fd;
	conn->worker = worker;
	conn->user = user;
	conn->base_bytes = base;
	conn->is_tls = tls != NULL;
	conn->reason = "";
	conn->last_in_ns = worker->now_ns;
	bnet_buf_init(&conn->out, SIZE_MAX / 4);
	bnet_buf_init(&conn->held, SIZE_MAX / 4);
	conn->sendq = sendq_new(worker);
	if (conn->sendq == NULL || !conn_make_link(conn, tls, tls_host) ||
	    !budget_take(budget, conn->link_bytes, BUDGET_FIRST)) {
		conn->link_bytes = 0;
		conn_free(conn, false);
		return NULL;
	}
	if (!slot_take(worker, conn)) {
		conn_free(conn, false);
		return NULL;
	}
	return conn;
}

bool
conn_watch_fd(struct engine_conn *conn)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = &conn->source,
	};

	return epoll_ctl(conn->worker->epoll_fd, EPOLL_CTL_ADD, conn->fd,
		   &event) == 0;
}

/* ---- the end ---- */

void
conn_set_reason(struct engine_conn *conn, const char *text)
{
	free(conn->reason_text);
	conn->reason_text = strdup(text);
	conn->reason = conn->reason_text != NULL ? conn->reason_text : "";
}

static void
set_error(struct engine_conn *conn, int error)
{
	conn->error = error;
	conn_set_reason(conn, strerror(error));
}

void
conn_end(struct engine_conn *conn, enum engine_end end)
{
	struct engine_worker *worker = conn->worker;
	const struct engine_settings *set = &worker->engine->set;

	if (conn->state == CONN_DEAD)
		return;
	conn->state = CONN_DEAD;
	conn->frame_since_ns = 0;
	sendq_lose(conn);
	sendq_notify(conn, true);
	timers_cancel(&worker->timers, &conn->timer);
	if (conn->admitted && set->hooks->closed != NULL)
		set->hooks->closed(set->arg, conn, end);
	close(conn->fd);
	slot_release(conn);
	conn->next_dead = worker->dead;
	worker->dead = conn;
}

void
engine_conn_cut(struct engine_conn *conn)
{
	conn_end(conn, ENGINE_END_OWNER);
}

/* These lists last into the next turn: they must not hold what is freed now. */
static void
forget_dead(struct engine_conn **at)
{
	while (*at != NULL) {
		if ((*at)->state == CONN_DEAD)
			*at = (*at)->next_ready;
		else
			at = &(*at)->next_ready;
	}
}

void
conn_free_dead(struct engine_worker *worker)
{
	struct engine_conn *conn;

	if (worker->dead == NULL)
		return;
	forget_dead(&worker->ready);
	forget_dead(&worker->starving);
	while ((conn = worker->dead) != NULL) {
		worker->dead = conn->next_dead;
		conn_free(conn, true);
	}
}

/* ---- deadlines ---- */

static int64_t
earlier(int64_t a_ns, int64_t b_ns)
{
	return b_ns != 0 && b_ns < a_ns ? b_ns : a_ns;
}

/* When its queue is to be looked at, twice in the limit; 0: it is short. */
static int64_t
write_look_ns(const struct engine_conn *conn)
{
	int64_t half_ns = conn->worker->engine->set.write_timeout_ns / 2;

	if (conn->write_since_ns == 0 || conn->state != CONN_OPEN)
		return 0;
	return half_ns +
	    (conn->write_look_ns != 0 ? conn->write_look_ns
				      : conn->write_since_ns);
}

/*
 * A timer that expires too early only costs a check. So a timer whose time
 * became later stays in its place, and a packet does not touch the heap.
 */
static void
conn_arm(struct engine_conn *conn)
{
	int64_t at_ns = INT64_MAX;

	at_ns = earlier(at_ns, conn->deadline_ns);
	at_ns = earlier(at_ns, unfinished_look_ns(conn));
	at_ns = earlier(at_ns, write_look_ns(conn));
	at_ns = earlier(at_ns, conn->user_timer_ns);
	if (at_ns == INT64_MAX ||
	    (conn->timer.place != 0 && conn->timer.at_ns <= at_ns))
		return;
	if (!timers_set(&conn->worker->timers, &conn->timer, at_ns))
		conn_end(conn, ENGINE_END_MEMORY);
}

void
conn_set_deadline(struct engine_conn *conn, int64_t at_ns)
{
	conn->deadline_ns = at_ns;
	conn_arm(conn);
}

void
engine_conn_set_timer(struct engine_conn *conn, int64_t at_ns)
{
	conn->user_timer_ns = at_ns;
	if (conn->state != CONN_DEAD)
		conn_arm(conn);
}

void
engine_conn_finish(struct engine_conn *conn)
{
	if (conn->state < CONN_OPEN) {
		conn_end(conn, ENGINE_END_OWNER);
		return;
	}
	if (conn->state != CONN_OPEN)
		return;
	conn->state = CONN_FINISHING;
	conn->end = ENGINE_END_OWNER;
	conn->frame_since_ns = 0;
	budget_free_buf(&conn->worker->engine->budget, &conn->held);
	conn_set_deadline(
	    conn, conn->worker->now_ns + handshake_timeout(conn->worker));
	sendq_mark_dirty(conn);
}

/* ---- for both directions ---- */

static void
conn_list_ready(struct engine_conn *conn)
{
	if (conn->listed)
		return;
	conn->listed = true;
	conn->next_ready = conn->worker->ready;
	conn->worker->ready = conn;
}

/*
 * No budget: it asks again in a while. Not in the next turn, or those that wait
 * would take the time of those that need no memory.
 */
static void
conn_starve(struct engine_conn *conn)
{
	struct engine_worker *worker = conn->worker;

	count(worker, ENGINE_STARVED, 1);
	if (conn->stood_ns == 0)
		conn->stood_ns = worker->now_ns;
	worker->pressed = true;
	conn->starved = true;
	if (conn->listed)
		return;
	if (worker->starving == NULL)
		worker->feed_at_ns = worker->now_ns + STARVED_NS;
	conn->listed = true;
	conn->next_ready = worker->starving;
	worker->starving = conn;
}

/* For /links, and for who holds the most. */
static void
tell_held(struct engine_conn *conn)
{
	size_t held = bnet_link_memory_bytes(conn->link) +
	    sendq_memory_bytes(conn) + conn->held.cap;

	if (held != conn->told_bytes)
		atomic_store_explicit(
		    &conn->sendq->held_bytes, held, memory_order_relaxed);
	conn->told_bytes = held;
}

static void
settle(struct engine_conn *conn)
{
	size_t now = bnet_link_memory_bytes(conn->link);

	if (conn->state == CONN_DEAD)
		return;
	unfinished_weigh(conn);
	tell_held(conn);
	if (now >= conn->link_bytes)
		return;
	budget_give(&conn->worker->engine->budget, conn->link_bytes - now);
	conn->link_bytes = now;
}

static void
count_handshake(struct engine_conn *conn)
{
	const struct bnet_tls *tls = bnet_link_tls(conn->link);

	count(conn->worker,
	    bnet_tls_version(tls) == BNET_TLS_1_3 ? ENGINE_TLS_1_3
						  : ENGINE_TLS_1_2,
	    1);
	if (bnet_tls_resumed(tls))
		count(conn->worker, ENGINE_TLS_RESUMED, 1);
}

void
conn_ready(struct engine_conn *conn)
{
	struct engine_worker *worker = conn->worker;
	const struct engine_hooks *hooks = worker->engine->set.hooks;

	conn->state = CONN_OPEN;
	conn->deadline_ns = 0;
	if (conn->is_tls)
		count_handshake(conn);
	if (hooks->ready != NULL)
		hooks->ready(worker->engine->set.arg, conn);
	if (conn->out.len > 0)
		sendq_mark_dirty(conn);
}

/* ---- writing ---- */

static void
count_write(struct engine_conn *conn, size_t n_bytes, uint64_t n_frames)
{
	struct engine_worker *worker = conn->worker;
	unsigned size = 0;

	count(worker, ENGINE_WRITES, 1);
	count(worker, ENGINE_BYTES_WRITTEN, n_bytes);
	counter_add(&conn->sendq->bytes_out, n_bytes);
	if (n_frames == 0)
		return;
	while (n_frames > 1 && size < 7) {
		n_frames /= 2;
		size++;
	}
	count(worker, ENGINE_WRITE_SIZES + size, 1);
}

/* The socket took some, or nothing, of what was to be written. */
static void
note_written(struct engine_conn *conn, bool some, bool all)
{
	int64_t now_ns = conn->worker->now_ns;

	if (all) {
		conn->write_since_ns = 0;
		conn->blocked_since_ns = 0;
		return;
	}
	if (some || conn->write_since_ns == 0) {
		conn->write_since_ns = now_ns;
		conn->write_look_ns = 0;
	}
	if (conn->blocked_since_ns == 0)
		conn->blocked_since_ns = now_ns;
	conn_arm(conn);
}

/* How many bytes were sent; 0: none now. A failure ends the connection. */
static size_t
send_some(struct engine_conn *conn, struct bnet_slice bytes)
{
	ssize_t n;

	do
		n = send(conn->fd, bytes.p, bytes.len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0 || errno == EAGAIN)
		note_written(conn, n > 0, n == (ssize_t)bytes.len);
	if (n >= 0)
		return (size_t)n;
	if (errno != EAGAIN) {
		set_error(conn, errno);
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
	uint64_t n_frames;
	size_t n, len;

	while ((len = conn->out.len) > 0) {
		n = send_some(conn, bnet_buf_slice(&conn->out));
		if (n == 0)
			return false;
		tap_out(conn, n);
		n_frames = sendq_take(conn, n);
		sendq_written(conn, n, n_frames);
		count_write(conn, n, n_frames);
		if (n < len)
			return false; /* epoll will report */
	}
	return true;
}

/* Reserve what encrypting `n` bytes may take; fewer when memory is short. */
static size_t
wire_reserve(struct engine_conn *conn, size_t n)
{
	struct budget *budget = &conn->worker->engine->budget;

	if (n > WIRE_BYTES)
		n = WIRE_BYTES;
	if (!budget_take(budget, WIRE_NEED(n), BUDGET_FIRST)) {
		if (n > WIRE_FEW_BYTES)
			n = WIRE_FEW_BYTES;
		if (!budget_take(budget, WIRE_NEED(n), BUDGET_NODE))
			return 0;
	}
	conn->link_bytes += WIRE_NEED(n);
	return n;
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
	conn->wire_frames = sendq_take(conn, some.len);
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
	sendq_written(conn, conn->wire_bytes, conn->wire_frames);
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
		settle(conn);
	}
}

/* Everything is written: shut down, and wait for the peer's end. */
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
	conn->deadline_ns = conn->worker->now_ns + LINGER_NS;
	conn_arm(conn);
	conn_list_ready(conn); /* the end may have arrived already */
}

/* After a write; `empty`: nothing is left to be written. */
static void
report_drained(struct engine_conn *conn, bool empty)
{
	const struct engine_settings *set = &conn->worker->engine->set;
	bool was_blocked = conn->blocked;

	conn->blocked = !empty;
	if (empty && was_blocked && conn->state == CONN_OPEN &&
	    set->hooks->drained != NULL)
		set->hooks->drained(set->arg, conn);
}

static void
conn_flush(struct engine_conn *conn)
{
	bool empty;

	if (conn->state < CONN_OPENING || conn->state >= CONN_LINGERING)
		return;
	empty = conn->is_tls ? flush_tls(conn) : flush_plain(conn);
	if (conn->state == CONN_DEAD)
		return;
	if (conn->is_tls)
		settle(conn);
	else if (!empty || conn->blocked)
		tell_held(conn);
	if (conn->n_watchers > 0)
		sendq_notify(conn, false);
	if (empty && conn->state == CONN_FINISHING)
		finished(conn);
	report_drained(conn, empty);
}

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

/* ---- reading: packets of the link ---- */

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

/* Others answer in the byte order that the peer was found to use. */
static void
note_order(struct engine_conn *conn)
{
	int order = (int)bnet_link_order(conn->link);

	if (order ==
	    atomic_load_explicit(&conn->sendq->order, memory_order_relaxed))
		return;
	if (conn->out.len > 0 && order == BNET_ORDER_NETWORK)
		conn->order_mixed = true;
	atomic_store_explicit(&conn->sendq->order, order, memory_order_relaxed);
}

/* False: the owner takes no more packets. */
static bool
before_packet(struct engine_conn *conn, const struct bnet_packet *packet)
{
	if (conn->state == CONN_OPENING)
		conn_ready(conn);
	if (conn->state != CONN_OPEN)
		return false;
	count(conn->worker, ENGINE_PACKETS_READ, 1);
	counter_add(&conn->sendq->packets_in, 1);
	note_order(conn);
	if (conn->worker->engine->set.hooks->tap != NULL)
		tap_in(conn, packet);
	return true;
}

/* Anything but BNET_OK stops the link after this packet. */
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

static bool
on_run(void *arg, const struct bnet_run *run)
{
	struct engine_conn *conn = arg;
	const struct engine_settings *set = &conn->worker->engine->set;

	if (conn->state != CONN_OPEN)
		return false;
	note_order(conn);
	if (!set->hooks->run(set->arg, conn, run))
		return false;
	count(conn->worker, ENGINE_PACKETS_READ, run->n_frames);
	counter_add(&conn->sendq->packets_in, run->n_frames);
	return true;
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

/* ---- reading: what the bytes do to the connection ---- */

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

void
conn_give_up(struct engine_conn *conn, enum engine_end end)
{
	broken(conn, end);
	if (conn->state == CONN_DEAD)
		return;
	bnet_link_reset(conn->link);
	settle(conn);
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

/*
 * The reason for a stream whose first bytes are no frame: it may be another
 * protocol. `in` was fed from its start, or from the byte that failed.
 */
static void
note_look(struct engine_conn *conn, struct bnet_slice in)
{
	struct bnet_slice pending = bnet_link_pending(conn->link);
	uint8_t bytes[LOOKS_LIKE_BYTES];
	char text[64];
	size_t n = 0;
	const char *look;

	if (counter_get(&conn->sendq->packets_in) != 0)
		return;
	for (; n < pending.len && n < sizeof(bytes); n++)
		bytes[n] = pending.p[n];
	for (size_t i = 0; i < in.len && n < sizeof(bytes); i++)
		bytes[n++] = in.p[i];
	look = looks_like((struct bnet_slice){ bytes, n });
	if (look == NULL || (conn->is_tls && strcmp(look, "TLS") == 0))
		return;
	/* that it is TLS is no news where we speak it: why it failed is */
	if (bnet_link_tls(conn->link) != NULL && strcmp(look, "TLS") == 0)
		return;
	snprintf(text, sizeof(text), "this looks like %s", look);
	conn_set_reason(conn, text);
}

/* The alert gives the peer the reason; we cannot wait until it arrives. */
static void
tls_failed(struct engine_conn *conn, struct bnet_slice in)
{
	struct bnet_slice alert;

	conn_set_reason(conn, bnet_tls_reason(bnet_link_tls(conn->link)));
	if (conn->state == CONN_OPENING)
		note_look(conn, in);
	if (bnet_link_output(conn->link, &alert) == BNET_OK && alert.len > 0)
		(void)send(conn->fd, alert.p, alert.len, MSG_NOSIGNAL);
	conn_end(conn, ENGINE_END_TLS);
}

static void
link_failed(struct engine_conn *conn, enum bnet_err err, struct bnet_slice in)
{
	switch (err) {
	case BNET_CLOSED:
		ended(conn);
		break;
	case BNET_ESIZE:
		note_look(conn, in);
		broken(conn, ENGINE_END_OVERSIZE);
		break;
	case BNET_ERESERVED:
	case BNET_ECODECS:
	case BNET_EOOB:
		conn_set_reason(conn, bnet_strerror(err));
		note_look(conn, in);
		broken(conn, ENGINE_END_MALFORMED);
		break;
	case BNET_ETLS:
		tls_failed(conn, in);
		break;
	default:
		conn_set_reason(conn, bnet_strerror(err));
		conn_end(conn, ENGINE_END_MEMORY);
	}
}

static void
hold(struct engine_conn *conn, struct bnet_slice rest)
{
	struct budget *budget = &conn->worker->engine->budget;

	if (rest.len == 0)
		return;
	if (!budget_buf_room(budget, &conn->held, rest.len, BUDGET_NODE) ||
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
	const struct engine_hooks *hooks = worker->engine->set.hooks;
	uint64_t n_packets = counter_get(&conn->sendq->packets_in);
	enum bnet_err err;
	size_t used;

	err = bnet_link_feed_runs(conn->link, in, &sink,
	    hooks->run != NULL && hooks->tap == NULL ? on_run : NULL, &used);
	if (conn->state == CONN_OPENING &&
	    (!conn->is_tls || bnet_tls_ready(bnet_link_tls(conn->link))))
		conn_ready(conn);
	if (conn->state == CONN_OPEN && conn->paused) {
		conn->frame_since_ns = 0;
		hold(conn, bnet_slice_from(in, used));
	} else if (err != BNET_OK &&
	    (conn->state == CONN_OPEN || conn->state == CONN_OPENING)) {
		/* TLS has taken what it did not like */
		link_failed(conn, err,
		    err == BNET_ETLS ? in : bnet_slice_from(in, used));
	} else if (unfinished_note(conn, n_packets)) {
		conn_arm(conn);
	}
	/* TLS may have something to send, whatever arrived */
	if (conn->is_tls && conn->state != CONN_DEAD)
		sendq_mark_dirty(conn);
	if (worker->urgent != NULL)
		conn_flush_urgent(worker);
	if (worker->outbox.urgent)
		outbox_push_urgent(&worker->outbox);
}

/* ---- reading: the socket ---- */

/*
 * How much to read; 0: nothing, the budget is used up. Less when it is short:
 * the rest of a frame may fit where its beginning is, and sets all of it free.
 */
static size_t
read_bytes(struct engine_conn *conn)
{
	size_t n = ENGINE_READ_BYTES;

	/* what is read then is discarded */
	if (conn->state != CONN_OPEN && conn->state != CONN_OPENING)
		return n;
	while (n >= READ_FEW_BYTES && !unfinished_reserve(conn, n))
		n /= 4;
	return n >= READ_FEW_BYTES ? n : 0;
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
	set_error(conn, errno);
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
	unfinished_reads_on(conn);
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
		counter_add(&conn->sendq->bytes_in, (uint64_t)n);
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

/* What was read before the pause comes first. */
static void
read_held(struct engine_conn *conn)
{
	struct budget *budget = &conn->worker->engine->budget;
	struct bnet_buf held = conn->held;

	if (!unfinished_reserve(conn, held.len)) {
		conn_starve(conn);
		return;
	}
	unfinished_reads_on(conn);
	bnet_buf_init(&conn->held, held.max);
	feed(conn, bnet_buf_slice(&held)); /* may hold the rest again */
	budget_free_buf(budget, &held);
	settle(conn);
	if (conn->state == CONN_OPEN && !conn->paused)
		conn_list_ready(conn);
}

/* ---- the PROXY protocol header that a connection begins with ---- */

/* The peer is known now: does the owner accept it? */
static void
known(struct engine_conn *conn)
{
	const struct engine_settings *set = &conn->worker->engine->set;

	conn->located = true;
	if (set->hooks->locate != NULL && !set->hooks->locate(set->arg, conn)) {
		conn->located = false;
		conn_end(conn, ENGINE_END_NOT_ADMITTED);
		return;
	}
	conn->state = CONN_OPENING;
	if (!conn->is_tls)
		conn_ready(conn);
	if (conn->state != CONN_DEAD)
		conn_list_ready(conn); /* what follows the header */
}

/* Peek at the header, and take it out of the socket when it is complete. */
static void
conn_proxy_header(struct engine_conn *conn)
{
	struct engine_worker *worker = conn->worker;
	struct address from = conn->peer;
	struct bnet_slice head;
	enum bnet_err err;
	size_t used;
	ssize_t n;

	n = recv(
	    conn->fd, worker->read_buf, PROXY_PROTOCOL_MAX_BYTES, MSG_PEEK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	head = (struct bnet_slice){ worker->read_buf, n > 0 ? (size_t)n : 0 };
	err = n <= 0 ? BNET_ECUT : proxy_protocol_parse(head, &from, &used);
	if (err == BNET_MORE && !conn->hung_up)
		return;
	if (err != BNET_OK ||
	    recv(conn->fd, worker->read_buf, used, 0) != (ssize_t)used) {
		conn_end(conn, ENGINE_END_PROXY);
		return;
	}
	conn->peer = from;
	known(conn);
}

/* ---- connections that we make ---- */

bool
engine_connect(struct engine *engine, const struct engine_connect *set)
{
	const struct record record = { .kind = RECORD_CONNECT,
		.purpose = BUDGET_FIRST };
	struct engine_connect copy = *set;
	struct engine_worker *worker =
	    &engine->workers[set->worker % engine->n_workers];
	char *host = NULL;
	struct bnet_slice bytes = { (const uint8_t *)&copy, sizeof(copy) };

	if (set->tls_host != NULL) {
		host = strdup(set->tls_host);
		if (host == NULL)
			return false;
	}
	copy.tls_host = host;
	if (mailbox_post(&worker->mailbox, &engine->budget, &record, &bytes, 1))
		return true;
	free(host);
	return false;
}

static int
open_socket(const struct address *address)
{
	int fd = socket(address->sa.ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	return fd;
}

/* The port is chosen by connect(): one for each pair of addresses. */
static bool
bind_source(int fd, const struct address *source)
{
	int on = 1;

	(void)setsockopt(
	    fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, (const struct sockaddr *)&source->sa,
		   source->len_bytes) == 0;
}

/* Close it and keep errno. */
static struct engine_conn *
unmade(int fd, int error)
{
	close(fd);
	errno = error;
	return NULL;
}

/*
 * Make the socket first: then there is a connection to report. NULL: errno says
 * what is missing.
 */
static struct engine_conn *
make(struct engine_worker *worker, const struct engine_connect *set)
{
	int fd = open_socket(&set->address);
	struct engine_conn *conn;

	if (fd < 0)
		return NULL;
	if (set->source.len_bytes > 0 && !bind_source(fd, &set->source))
		return unmade(fd, errno);
	conn = conn_new(worker, fd, set->tls, set->tls_host, set->user);
	if (conn == NULL)
		return unmade(fd, ENOMEM);
	if (worker->engine->set.rx_times)
		rx_time_enable(fd);
	conn->admitted = true;
	conn->peer = set->address;
	conn->connect_timeout_ns =
	    set->timeout_ns != 0 ? set->timeout_ns : CONNECT_TIMEOUT_NS;
	if (set->order != BNET_ORDER_AUTO) {
		bnet_link_set_order(conn->link, set->order);
		atomic_store_explicit(
		    &conn->sendq->order, (int)set->order, memory_order_relaxed);
	}
	return conn;
}

static void
failed(struct engine_conn *conn, int error)
{
	set_error(conn, error);
	conn_end(conn, ENGINE_END_CONNECT);
}

/* Free the copy of tls_host that engine_connect() made. */
void
connect_forget(struct bnet_slice bytes)
{
	struct engine_connect want;
	union {
		const char *theirs;
		char *ours;
	} host;

	memcpy(&want, bytes.p, sizeof(want));
	host.theirs = want.tls_host;
	free(host.ours);
}

void
connect_begin(struct engine_worker *worker, struct bnet_slice bytes)
{
	const struct engine_settings *set = &worker->engine->set;
	struct engine_connect want;
	struct engine_conn *conn;
	int error;

	memcpy(&want, bytes.p, sizeof(want));
	conn = make(worker, &want);
	error = errno;
	connect_forget(bytes);
	if (conn == NULL) {
		errno = error;
		if (set->hooks->no_conn != NULL)
			set->hooks->no_conn(set->arg, want.user, NULL);
		return;
	}
	conn->state = CONN_CONNECTING;
	conn_set_deadline(conn, worker->now_ns + conn->connect_timeout_ns);
	if (conn->state == CONN_DEAD)
		return; /* no memory for the timer; the descriptor is closed */
	if (connect(conn->fd, (struct sockaddr *)&want.address.sa,
		want.address.len_bytes) != 0 &&
	    errno != EINPROGRESS) {
		failed(conn, errno);
		return;
	}
	if (!conn_watch_fd(conn))
		failed(conn, errno);
}

/* An event while connecting: it is connected, or it failed. */
static void
connect_go_on(struct engine_conn *conn)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(int), peer_bytes = sizeof(peer);
	int error = 0;

	if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0) {
		failed(conn, error);
		return;
	}
	if (getpeername(conn->fd, (struct sockaddr *)&peer, &peer_bytes) != 0)
		return; /* not yet */
	conn->state = CONN_OPENING;
	if (!conn->is_tls)
		conn_ready(conn);
	else
		sendq_mark_dirty(conn); /* the first flight */
	if (conn->state == CONN_OPEN || conn->state == CONN_OPENING)
		conn_list_ready(conn);
}

/* ---- events and turns ---- */

static void
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
	/* what the link kept comes first */
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

/* The next one of the list of the ready. */
static void
conn_read_again(struct engine_conn *conn)
{
	if (conn->yielded)
		go_on(conn); /* which lists it again */
	else
		conn_read(conn);
}

/* Is it in a handshake whose turn it is not? Then it is ready in the next. */
static bool
put_off(struct engine_conn *conn)
{
	if (!conn->is_tls || conn->state != CONN_OPENING ||
	    conn->connect_timeout_ns != 0 ||
	    conn->worker->n_handshakes++ < HANDSHAKES_A_TURN)
		return false;
	conn_list_ready(conn);
	return true;
}

void
conn_event(struct source *source, uint32_t events)
{
	struct engine_conn *conn =
	    container_of(source, struct engine_conn, source);

	/* reported once, maybe along with bytes: a read alone misses it */
	if ((events & HUNG_UP) != 0)
		conn->hung_up = true;
	if (conn->state == CONN_CONNECTING) {
		connect_go_on(conn);
		return;
	}
	if ((events & EPOLLOUT) != 0 && (conn->out.len > 0 || conn->is_tls))
		sendq_mark_dirty(conn);
	if ((events & ~(uint32_t)EPOLLOUT) != 0 && !put_off(conn))
		conn_read(conn);
}

static void
read_list(struct engine_conn *conn)
{
	struct engine_conn *next;

	for (; conn != NULL; conn = next) {
		next = conn->next_ready;
		conn->listed = false;
		if (conn->starved)
			sendq_mark_dirty(conn); /* maybe in writing */
		conn->starved = false;
		if (!put_off(conn))
			conn_read_again(conn);
	}
}

void
conn_read_ready(struct engine_worker *worker)
{
	struct engine_conn *ready = worker->ready, *starving = NULL;

	worker->ready = NULL;
	if (worker->starving != NULL && worker->feed_at_ns <= worker->now_ns) {
		starving = worker->starving;
		worker->starving = NULL;
	}
	read_list(ready);
	read_list(starving);
}

static enum engine_end
end_of_deadline(const struct engine_conn *conn)
{
	switch (conn->state) {
	case CONN_CONNECTING:
		return ENGINE_END_CONNECT;
	case CONN_PROXY:
	case CONN_OPENING:
		return conn->connect_timeout_ns != 0
		    ? ENGINE_END_CONNECT
		    : ENGINE_END_HANDSHAKE_TIMEOUT;
	default:
		return conn->end;
	}
}

/*
 * Nothing could be written for so long, and the peer has read nothing of what
 * the kernel has for it: that wakes us only when there is room for a good deal.
 */
static bool
reads_nothing(struct engine_conn *conn, int64_t now_ns)
{
	int64_t look_ns = write_look_ns(conn);
	bool again = conn->write_look_ns != 0;
	int unread = 0;

	if (look_ns == 0 || look_ns > now_ns)
		return false;
	(void)ioctl(conn->fd, SIOCOUTQ, &unread);
	if (again && unread >= conn->unread_bytes)
		return true;
	conn->unread_bytes = unread;
	conn->write_look_ns = now_ns;
	return false;
}

void
conn_timer(struct timer *timer, int64_t now_ns)
{
	struct engine_conn *conn =
	    container_of(timer, struct engine_conn, timer);
	const struct engine_settings *set = &conn->worker->engine->set;
	const char *why = NULL;

	if (conn->state == CONN_OPEN && conn->deadline_ns != 0 &&
	    conn->deadline_ns <= now_ns) {
		conn->deadline_ns = 0;
		conn_resume(conn); /* no RECORD_RESUME; see PAUSE_NS */
	}
	if (conn->deadline_ns != 0 && conn->deadline_ns <= now_ns) {
		if (conn->state < CONN_OPEN)
			conn_set_reason(conn, "timed out");
		conn_end(conn, end_of_deadline(conn));
		return;
	}
	if (unfinished_is_late(conn, now_ns, &why)) {
		if (why != NULL)
			conn_set_reason(conn, why);
		conn_end(conn, ENGINE_END_FRAME_TIMEOUT);
		return;
	}
	if (reads_nothing(conn, now_ns)) {
		conn_end(conn, ENGINE_END_WRITE_TIMEOUT);
		return;
	}
	if (conn->user_timer_ns != 0 && conn->user_timer_ns <= now_ns) {
		conn->user_timer_ns = 0;
		if (set->hooks->timer != NULL && conn->state == CONN_OPEN)
			set->hooks->timer(set->arg, conn, now_ns);
	}
	if (conn->state != CONN_DEAD)
		conn_arm(conn);
}

/* ---- pausing ---- */

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
engine_conn_pause_until(struct engine_conn *conn, int64_t at_ns)
{
	if (conn->state != CONN_OPEN || conn->paused)
		return;
	conn->paused = true;
	conn_set_deadline(conn, at_ns);
	count(conn->worker, ENGINE_PAUSES, 1);
}

void
engine_conn_pause_for(struct engine_conn *conn, const struct engine_sendq *full)
{
	struct bnet_slice me = { (const uint8_t *)&conn->sendq->handle,
		sizeof(conn->sendq->handle) };

	if (conn->state != CONN_OPEN || conn->paused)
		return;
	if (!send_control(conn->worker, full->handle, RECORD_WATCH, me))
		return; /* no memory for pausing: the limit of the queue holds */
	conn->paused = true;
	conn_set_deadline(conn, conn->worker->now_ns + PAUSE_NS);
	count(conn->worker, ENGINE_PAUSES, 1);
}
