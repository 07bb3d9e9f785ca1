/* SPDX-License-Identifier: MIT */
/* Connections that we make. */
#include "cmd/engine/engine_impl.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_NS INT64_C(15000000000)

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

/* The socket is made first, so that there is a connection to tell about. */
static struct engine_conn *
make(struct engine_worker *worker, const struct engine_connect *set)
{
	int fd = open_socket(&set->address);
	struct engine_conn *conn;

	if (fd < 0)
		return NULL;
	conn = conn_new(worker, fd, set->tls, set->tls_host, set->user);
	if (conn == NULL) {
		close(fd);
		return NULL;
	}
	if (worker->engine->set.rx_times)
		rx_time_enable(fd);
	conn->admitted = true;
	conn->peer = set->address;
	conn->connect_timeout_ns =
	    set->timeout_ns != 0 ? set->timeout_ns : TIMEOUT_NS;
	if (set->order != BNET_ORDER_AUTO) {
		bnet_link_set_order(conn->link, set->order);
		atomic_store_explicit(&conn->outlet->order, (int)set->order,
		    memory_order_relaxed);
	}
	return conn;
}

static void
failed(struct engine_conn *conn, int error)
{
	conn_set_reason(conn, strerror(error));
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

	memcpy(&want, bytes.p, sizeof(want));
	conn = make(worker, &want);
	connect_forget(bytes);
	if (conn == NULL) {
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

/* An event: it is up, or it failed. */
void
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
		conn_mark_dirty(conn); /* the first flight */
	if (conn->state == CONN_OPEN || conn->state == CONN_OPENING)
		conn_list_ready(conn);
}
