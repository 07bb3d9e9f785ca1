/* SPDX-License-Identifier: MIT */
/* The PROXY protocol header that a connection begins with. */
#include "cmd/engine/engine_impl.h"
#include "cmd/engine/proxy_protocol.h"

#include <errno.h>
#include <string.h>

/* Who connects is known now: may they stay? */
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

/* Looked at in the socket, and taken out when it is whole. */
void
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
