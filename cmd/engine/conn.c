/* SPDX-License-Identifier: MIT */
/* The life of a connection: its slot, its deadlines, its end. */
#include "cmd/engine/engine_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define GENERATION_MASK UINT32_C(0xffffff)

/* ---- slots and handles ---- */

static bool
slots_grow(struct engine_worker *worker)
{
	uint32_t cap = worker->cap_slots == 0 ? 64 : 2 * worker->cap_slots;
	struct slot *slots = realloc(worker->slots, cap * sizeof(*slots));

	if (slots == NULL)
		return false;
	worker->slots = slots;
	worker->cap_slots = cap;
	return true;
}

static bool
slot_take(struct engine_worker *worker, struct engine_conn *conn)
{
	struct slot *slot;

	if (worker->free_slot != 0) {
		conn->slot = worker->free_slot - 1;
		worker->free_slot = worker->slots[conn->slot].next_free;
	} else {
		if (worker->n_slots == worker->cap_slots && !slots_grow(worker))
			return false;
		conn->slot = worker->n_slots++;
		worker->slots[conn->slot] = (struct slot){ 0 };
	}
	slot = &worker->slots[conn->slot];
	slot->conn = conn;
	slot->generation = (slot->generation + 1) & GENERATION_MASK;
	conn->outlet->handle = (uint64_t)worker->index << 56 |
	    (uint64_t)slot->generation << 32 | conn->slot;
	return true;
}

static void
slot_release(struct engine_conn *conn)
{
	struct slot *slot = &conn->worker->slots[conn->slot];

	slot->conn = NULL;
	slot->next_free = conn->worker->free_slot;
	conn->worker->free_slot = conn->slot + 1;
}

struct engine_conn *
conn_find(struct engine_worker *worker, uint64_t handle)
{
	uint32_t at = (uint32_t)handle;
	struct slot *slot;

	if (at >= worker->n_slots)
		return NULL;
	slot = &worker->slots[at];
	if (slot->conn == NULL || slot->conn->outlet->handle != handle)
		return NULL;
	return slot->conn;
}

struct engine_conn *
engine_conn_find(struct engine_worker *worker, uint64_t handle)
{
	return handle_worker(handle) == worker->index
	    ? conn_find(worker, handle)
	    : NULL;
}

void
engine_each_conn(struct engine_worker *worker,
    void (*each)(void *arg, struct engine_conn *conn), void *arg)
{
	for (uint32_t i = 0; i < worker->n_slots; i++)
		if (worker->slots[i].conn != NULL)
			each(arg, worker->slots[i].conn);
}

/* ---- beginning ---- */

static struct engine_outlet *
outlet_new(struct engine_worker *worker)
{
	const struct engine_settings *set = &worker->engine->set;
	struct outlet_box *box = calloc(1, sizeof(*box) + set->user_bytes);

	if (box == NULL)
		return NULL;
	box->outlet.worker = worker->index;
	box->outlet.queue_max_bytes =
	    atomic_load(&worker->engine->queue_max_bytes);
	atomic_init(&box->outlet.frame_max_bytes, set->frame_max_bytes);
	return &box->outlet;
}

static void
outlet_after_grace(struct rcu_head *rcu)
{
	rcu_after_grace();
	free(container_of(rcu, struct outlet_box, rcu));
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
		.out_max_bytes = 2 * ENGINE_WIRE_BYTES,
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
	struct outlet_box *box;

	bnet_link_free(conn->link);
	budget_free_buf(budget, &conn->out);
	budget_free_buf(budget, &conn->held);
	budget_give(budget, conn->base_bytes + conn->link_bytes);
	free(conn->watchers);
	free(conn->reason_text);
	if (conn->outlet != NULL) {
		box = container_of(conn->outlet, struct outlet_box, outlet);
		if (published)
			rcu_later(&box->rcu, outlet_after_grace);
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
	uint64_t base = ENGINE_CONN_BYTES + worker->engine->set.user_bytes +
	    (tls != NULL ? ENGINE_TLS_BYTES : 0);
	struct engine_conn *conn;

	if (!budget_take(budget, base))
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
	conn->outlet = outlet_new(worker);
	if (conn->outlet == NULL || !conn_make_link(conn, tls, tls_host) ||
	    !budget_take(budget, conn->link_bytes)) {
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

void
conn_ready(struct engine_conn *conn)
{
	struct engine_worker *worker = conn->worker;
	const struct engine_hooks *hooks = worker->engine->set.hooks;

	conn->state = CONN_OPEN;
	conn->deadline_ns = 0;
	if (conn->is_tls)
		count(worker,
		    bnet_tls_version(bnet_link_tls(conn->link)) == BNET_TLS_1_3
			? ENGINE_TLS_1_3
			: ENGINE_TLS_1_2,
		    1);
	if (hooks->ready != NULL)
		hooks->ready(worker->engine->set.arg, conn);
	if (conn->out.len > 0)
		conn_mark_dirty(conn);
}

/* ---- deadlines ---- */

static int64_t
earlier(int64_t a_ns, int64_t b_ns)
{
	return b_ns != 0 && b_ns < a_ns ? b_ns : a_ns;
}

/*
 * A timer that goes off too early costs a look; so one that became later is
 * left where it is, and the path of a packet does not touch the heap.
 */
void
conn_arm(struct engine_conn *conn)
{
	int64_t at_ns = INT64_MAX, frame_ns = 0;

	if (conn->frame_since_ns != 0)
		frame_ns = conn->frame_since_ns +
		    conn->worker->engine->set.frame_timeout_ns;
	at_ns = earlier(at_ns, conn->deadline_ns);
	at_ns = earlier(at_ns, frame_ns);
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

void
conn_timer(struct engine_conn *conn, int64_t now_ns)
{
	const struct engine_settings *set = &conn->worker->engine->set;

	if (conn->state == CONN_OPEN && conn->deadline_ns != 0 &&
	    conn->deadline_ns <= now_ns) {
		conn->deadline_ns = 0;
		conn_resume(conn); /* nobody told; see ENGINE_PAUSE_NS */
	}
	if (conn->deadline_ns != 0 && conn->deadline_ns <= now_ns) {
		if (conn->state < CONN_OPEN)
			conn_set_reason(conn, "timed out");
		conn_end(conn, end_of_deadline(conn));
		return;
	}
	if (conn->frame_since_ns != 0 &&
	    conn->frame_since_ns + set->frame_timeout_ns <= now_ns) {
		conn_end(conn, ENGINE_END_FRAME_TIMEOUT);
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

/* ---- the end ---- */

void
conn_set_reason(struct engine_conn *conn, const char *text)
{
	free(conn->reason_text);
	conn->reason_text = strdup(text);
	conn->reason = conn->reason_text != NULL ? conn->reason_text : "";
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
	conn_lose_queue(conn);
	conn_notify_watchers(conn, true);
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
	conn_set_deadline(conn,
	    conn->worker->now_ns +
		conn->worker->engine->set.handshake_timeout_ns);
	conn_mark_dirty(conn);
}

/* A list that goes on into the next turn must not hold what is freed now. */
static void
forget_dead_ready(struct engine_worker *worker)
{
	struct engine_conn **at = &worker->ready;

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
	forget_dead_ready(worker);
	while ((conn = worker->dead) != NULL) {
		worker->dead = conn->next_dead;
		conn_free(conn, true);
	}
}

/* ---- what the owner may ask ---- */

struct engine_outlet *
engine_conn_outlet(struct engine_conn *conn)
{
	return conn->outlet;
}

struct engine_worker *
engine_conn_worker(struct engine_conn *conn)
{
	return conn->worker;
}

struct bnet_link *
engine_conn_link(struct engine_conn *conn)
{
	return conn->link;
}

void *
engine_conn_listener_user(struct engine_conn *conn)
{
	return conn->user;
}

const struct address *
engine_conn_peer(struct engine_conn *conn)
{
	return conn->proxied && !conn->located ? NULL : &conn->peer;
}

struct address
engine_conn_local(struct engine_conn *conn)
{
	struct address local = { .len_bytes = sizeof(local.sa) };

	if (getsockname(
		conn->fd, (struct sockaddr *)&local.sa, &local.len_bytes) != 0)
		local.len_bytes = 0;
	return local;
}

bool
engine_conn_proxied(struct engine_conn *conn)
{
	return conn->proxied;
}

int64_t
engine_conn_last_in_ns(struct engine_conn *conn)
{
	return conn->paused ? conn->worker->now_ns : conn->last_in_ns;
}

void
engine_conn_set_peer(struct engine_conn *conn, enum bnet_codec_id codec,
    uint32_t frame_max_bytes)
{
	atomic_store_explicit(
	    &conn->outlet->codec, (int)codec, memory_order_relaxed);
	atomic_store_explicit(&conn->outlet->frame_max_bytes, frame_max_bytes,
	    memory_order_relaxed);
}

bool
engine_conn_is_blocked(const struct engine_conn *conn)
{
	return conn->blocked;
}

const char *
engine_conn_reason(struct engine_conn *conn)
{
	return conn->reason;
}
