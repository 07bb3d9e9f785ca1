/* SPDX-License-Identifier: MIT */
/*
 * relay_load, fifth part: many users, each with one packet on the way.
 *
 * A user sends a packet to the node, the node answers it with one of the same
 * payload, and only then the user sends the next: two packets through the
 * peer a turn. Through what only copies bytes each user has a connection of
 * its own to the sink, which sends back what it gets; else one node answers
 * them all over one connection.
 */
#ifndef TESTS_LOAD_USERS_H
#define TESTS_LOAD_USERS_H

#include "cmd/stats/hdr.h"
#include "tests/bench/load_stream.h"

#include <sys/epoll.h>

#define WARM_UP_NS INT64_C(500000000)
#define EVENTS_MAX 256
#define NODE_OUT_MAX_BYTES (1U << 24)

enum end {
	END_USER,
	END_NODE,
	END_ECHO,
};

/* Packets encoded before, that of user i in [at[i], at[i + 1]). */
struct packets {
	struct bnet_buf buf;
	size_t *at;
};

struct users {
	const struct setup *set;
	uint32_t n;
	int epoll;
	struct conn *user, *echo; /* n each; echo: raw only */
	struct conn node;
	struct packets questions, answers;
	struct bnet_buf node_out;
	int64_t *asked_ns; /* when user i sent its last question */
	uint64_t n_asked, n_answered;
	bool stopping;
	struct hdr turns;
};

static void *
array(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		err(1, "memory for the users");
	return p;
}

static void
watch(struct users *users, struct conn *conn, enum end end, uint32_t i)
{
	struct epoll_event event = { .events = EPOLLIN,
		.data.u64 = (uint64_t)end << 32 | i };

	conn_nonblocking(conn);
	if (epoll_ctl(users->epoll, EPOLL_CTL_ADD, conn->fd, &event) != 0)
		err(1, "epoll_ctl");
}

/* Every user; *ids, n of them, are what the relay calls them. */
static void
users_connect(struct users *users, int64_t *ids)
{
	const struct setup *set = users->set;
	int listener = -1;

	if (set->wire == WIRE_RAW)
		listener = listen_on(set->node_port);
	for (uint32_t i = 0; i < users->n; i++) {
		ids[i] = connect_user(&users->user[i], set, i);
		watch(users, &users->user[i], END_USER, i);
		if (listener < 0)
			continue;
		conn_accept(&users->echo[i], listener, USER_CAP_BYTES);
		watch(users, &users->echo[i], END_ECHO, i);
	}
	if (listener >= 0)
		close(listener);
}

static void
users_encode(struct users *users, int64_t node, const int64_t *ids)
{
	const struct setup *set = users->set;
	struct packets *q = &users->questions, *a = &users->answers;
	size_t max = ((size_t)users->n + 1) * RECORD_MAX_BYTES;

	bnet_buf_init(&q->buf, max);
	bnet_buf_init(&a->buf, max);
	q->at = array(users->n + 1, sizeof(*q->at));
	a->at = array(users->n + 1, sizeof(*a->at));
	for (uint32_t i = 0; i < users->n; i++) {
		put_question(
		    &q->buf, set->wire, i, node, 0, set->payload_bytes);
		put_answer(&a->buf, set->wire, i, ids[i], set->payload_bytes);
		q->at[i + 1] = q->buf.len;
		a->at[i + 1] = a->buf.len;
	}
}

static void
users_open(struct users *users, const struct setup *set, uint32_t n)
{
	int64_t node = 0, *ids = array(n, sizeof(*ids));

	*users = (struct users){ .set = set, .n = n };
	users->epoll = epoll_create1(EPOLL_CLOEXEC);
	users->user = array(n, sizeof(*users->user));
	users->echo = array(n, sizeof(*users->echo));
	users->asked_ns = array(n, sizeof(*users->asked_ns));
	bnet_buf_init(&users->node_out, NODE_OUT_MAX_BYTES);
	if (users->epoll < 0 || !hdr_init(&users->turns, 2, 0))
		err(1, "epoll, histogram");
	if (set->wire != WIRE_RAW) {
		node = connect_node(&users->node, set, SINK_CAP_BYTES);
		watch(users, &users->node, END_NODE, 0);
	}
	users_connect(users, ids);
	users_encode(users, node, ids);
	free(ids);
}

static void
user_ask(struct users *users, uint32_t i)
{
	const struct packets *q = &users->questions;

	users->asked_ns[i] = clock_now_ns();
	conn_send(&users->user[i], bnet_buf_slice(&q->buf).p + q->at[i],
	    q->at[i + 1] - q->at[i]);
	users->n_asked++;
}

static void
user_answered(struct users *users, uint32_t i)
{
	hdr_add(&users->turns, clock_now_ns() - users->asked_ns[i]);
	users->n_answered++;
	if (!users->stopping)
		user_ask(users, i);
}

static void
node_answer(struct users *users, uint32_t i)
{
	const struct packets *a = &users->answers;

	put_bytes(&users->node_out, bnet_buf_slice(&a->buf).p + a->at[i],
	    a->at[i + 1] - a->at[i]);
}

/* What came in at `conn`: at user i, or at the node. */
static void
users_take(struct users *users, struct conn *conn, enum end end, uint32_t i)
{
	const struct setup *set = users->set;
	size_t at = 0, used;
	struct record record;

	while ((used = take_record(set->wire, conn->in + at, conn->have - at,
		    set->payload_bytes, &record)) != 0) {
		at += used;
		if (!record.ours)
			continue;
		if (record.user >= users->n ||
		    (end == END_USER && record.user != i))
			errx(1, "a packet of user %u came to the wrong end",
			    record.user);
		if (end == END_USER)
			user_answered(users, i);
		else
			node_answer(users, record.user);
	}
	conn_used(conn, at);
}

static void
users_event(struct users *users, uint64_t tag)
{
	enum end end = (enum end)(tag >> 32);
	uint32_t i = (uint32_t)tag;
	struct conn *conn = &users->node;

	if (end != END_NODE)
		conn = end == END_USER ? &users->user[i] : &users->echo[i];
	do {
		conn_fill(conn);
		if (end == END_ECHO) {
			conn_send(conn, conn->in, conn->have);
			conn->have = 0;
		} else {
			users_take(users, conn, end, i);
		}
	} while (conn->ssl != NULL && SSL_pending(conn->ssl) > 0);
}

/* One look at all sockets; the node's answers leave in one write. */
static void
users_turn(struct users *users)
{
	struct epoll_event events[EVENTS_MAX];
	struct bnet_buf *out = &users->node_out;
	int n = epoll_wait(users->epoll, events, EVENTS_MAX,
	    out->len != 0 ? 1 : PATIENCE_S * 1000);

	if (n == 0 && out->len == 0)
		errx(1, "stalled: %llu packets sent, %llu answered",
		    (unsigned long long)users->n_asked,
		    (unsigned long long)users->n_answered);
	for (int i = 0; i < n; i++)
		users_event(users, events[i].data.u64);
	if (out->len != 0)
		bnet_buf_consume(out,
		    conn_write(&users->node, bnet_buf_slice(out).p, out->len));
}

static void
users_close(struct users *users)
{
	for (uint32_t i = 0; i < users->n; i++) {
		conn_close(&users->user[i]);
		if (users->set->wire == WIRE_RAW)
			conn_close(&users->echo[i]);
	}
	if (users->set->wire != WIRE_RAW)
		conn_close(&users->node);
}

/* At least so long, and until each user had an answer on average. */
static void
users_run_for(struct users *users, int64_t for_ns)
{
	int64_t until_ns = clock_now_ns() + for_ns;
	uint64_t until = users->n_answered + users->n;

	while (clock_now_ns() < until_ns || users->n_answered < until)
		users_turn(users);
}

/* Of the middle `for_ns`; afterwards every question has its answer. */
static void
test_users(const struct setup *set, uint32_t n, int64_t for_ns, pid_t pid,
    struct result *result)
{
	struct users users;

	users_open(&users, set, n);
	for (uint32_t i = 0; i < n; i++)
		user_ask(&users, i);
	users_run_for(&users, WARM_UP_NS);
	hdr_free(&users.turns);
	if (!hdr_init(&users.turns, 2, 0))
		err(1, "histogram");
	result->n_frames = -users.n_answered;
	result->cpu_ns = -cpu_ns(pid);
	result->wall_ns = -clock_now_ns();
	users_run_for(&users, for_ns);
	result->wall_ns += clock_now_ns();
	result->cpu_ns += cpu_ns(pid);
	result->n_frames = 2 * (result->n_frames + users.n_answered);
	users.stopping = true;
	while (users.n_answered < users.n_asked)
		users_turn(&users);
	result->p50_ns = hdr_quantile(&users.turns, 0.5);
	result->p99_ns = hdr_quantile(&users.turns, 0.99);
	users_close(&users);
}

#endif
