/* SPDX-License-Identifier: MIT */
/*
 * What the owner of the engine may ask and say about a connection in its hooks
 * (engine.h). None of it changes the state of the connection.
 */
#include "cmd/engine/conn.h"
#include "cmd/engine/unfinished.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define PROBES 3 /* of a connection that is idle, before it is given up */

void
engine_conn_set_patience(struct engine_conn *conn, int64_t patience_ns)
{
	unsigned ms = (unsigned)(patience_ns / 1000000);
	int between_s = (int)(patience_ns / PROBES / 1000000000), n = PROBES;

	if (between_s < 1)
		between_s = 1;
	(void)setsockopt(
	    conn->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	(void)setsockopt(
	    conn->fd, IPPROTO_TCP, TCP_KEEPIDLE, &between_s, sizeof(between_s));
	(void)setsockopt(conn->fd, IPPROTO_TCP, TCP_KEEPINTVL, &between_s,
	    sizeof(between_s));
	(void)setsockopt(conn->fd, IPPROTO_TCP, TCP_KEEPCNT, &n, sizeof(n));
}

struct engine_sendq *
engine_conn_sendq(struct engine_conn *conn)
{
	return conn->sendq;
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
	    &conn->sendq->codec, (int)codec, memory_order_relaxed);
	atomic_store_explicit(&conn->sendq->frame_max_bytes, frame_max_bytes,
	    memory_order_relaxed);
}

void
engine_conn_trust(struct engine_conn *conn)
{
	conn->trusted = true;
	unfinished_holds(conn, 0);
	atomic_store_explicit(
	    &conn->sendq->trusted, true, memory_order_relaxed);
}

bool
engine_conn_is_blocked(const struct engine_conn *conn)
{
	return conn->blocked;
}

int64_t
engine_conn_stalled_ns(const struct engine_conn *conn)
{
	return conn->write_since_ns == 0
	    ? 0
	    : conn->worker->now_ns - conn->write_since_ns;
}

int
engine_conn_errno(const struct engine_conn *conn)
{
	return conn->error;
}

const char *
engine_conn_reason(struct engine_conn *conn)
{
	return conn->reason;
}
