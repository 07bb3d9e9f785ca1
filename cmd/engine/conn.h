/* SPDX-License-Identifier: MIT */
/*
 * conn - the connections of a worker: what its loop does with them, and what
 * a listener needs to make one. All on the worker of the connection.
 *
 *	CONNECTING --.
 *	PROXY -------+--> OPENING --> OPEN --> FINISHING --> LINGERING
 *	                     |          |          |             |
 *	                     '----------+----------+-------------'--> DEAD
 */
#ifndef ENGINE_CONN_H
#define ENGINE_CONN_H

#include "cmd/engine/worker.h"

enum conn_state {
	CONN_CONNECTING, /* TCP */
	CONN_PROXY, /* its PROXY header is awaited */
	CONN_OPENING, /* TLS handshake */
	CONN_OPEN,
	CONN_FINISHING, /* the queue is written, then it closes */
	CONN_LINGERING, /* all is written; the peer's end is awaited */
	CONN_DEAD, /* freed at the end of the turn */
};

struct engine_conn {
	struct source source;
	int fd;
	enum conn_state state;
	struct engine_worker *worker;
	struct engine_sendq *sendq;
	struct bnet_link *link;
	void *user; /* of the listener, or of engine_connect() */
	uint64_t base_bytes, link_bytes; /* reserved for it, and for its link */
	uint64_t part_bytes; /* of the share of unfinished frames */
	size_t told_bytes; /* in sendq->held_bytes */
	uint32_t place; /* of its address in the budget */
	uint32_t slot;
	bool admitted, dirty, urgent, listed, paused, is_tls;
	bool proxied, located; /* has a PROXY header; it arrived */
	bool starved; /* listed because there was no budget */
	bool yielded; /* paused, until the next turn */
	bool hung_up; /* epoll reported an end or an error: read up to it */
	bool eof; /* the peer will send no more */
	bool trusted; /* engine_conn_trust() */
	bool blocked; /* the socket did not take all of the last write */
	bool sharing; /* the queue is long, and sendq->fair is used */
	bool order_mixed; /* frames of two byte orders in `out` */
	struct bnet_buf out; /* frames to be written */
	struct bnet_buf held; /* read, and not fed when it was paused */
	uint64_t out_frames; /* in `out`, the one in writing too */
	uint64_t wire_frames, wire_bytes; /* in the link, being encrypted */
	size_t frame_left_bytes; /* of the one in writing */
	struct engine_conn *next_dirty, *next_urgent;
	struct engine_conn *next_ready, *next_dead;
	uint64_t *watchers; /* handles that wait for this queue; owned */
	size_t n_watchers;
	struct timer timer;
	int64_t deadline_ns; /* of the state; 0: none */
	int64_t frame_since_ns; /* incomplete without progress; 0: none */
	int64_t rate_at_ns; /* when its length was looked at, and what it was */
	size_t rate_bytes;
	int64_t stood_ns; /* we do not read, for want of memory; 0: we do */
	int64_t write_since_ns; /* nothing could be written; 0: it could */
	int64_t
	    write_look_ns; /* when `unread_bytes` was; 0: not since a write */
	int unread_bytes; /* that the kernel has for it */
	int64_t blocked_since_ns; /* not all could; 0: it could */
	int64_t user_timer_ns; /* 0: none */
	int64_t last_in_ns;
	int64_t rx_ns, unix_ahead_ns; /* of the kernel's stamps */
	enum engine_end end; /* while finishing: for closed() */
	const char *reason; /* static, or reason_text */
	char *reason_text; /* owned */
	int error; /* errno of the reason; 0: none */
	int64_t connect_timeout_ns;
	struct address peer;
};

/* The connection of a handle of this worker, or NULL. */
static inline struct engine_conn *
conn_find(struct engine_worker *worker, uint64_t handle)
{
	uint32_t at = (uint32_t)handle;
	struct slot *slot;

	if (at >= worker->n_slots)
		return NULL;
	slot = &worker->slots[at];
	if (slot->conn == NULL || slot->conn->sendq->handle != handle)
		return NULL;
	return slot->conn;
}

/*
 * A connection of the socket `fd`, which it closes in the end; its state is
 * the caller's to set. NULL: no memory or budget, and `fd` stays open.
 */
struct engine_conn *conn_new(struct engine_worker *worker, int fd,
    struct bnet_tls_ctx *tls, const char *tls_host, void *user);

/* Have epoll report it. False: errno. */
bool conn_watch_fd(struct engine_conn *conn);

/* Its state must end by this time; 0: no limit. */
void conn_set_deadline(struct engine_conn *conn, int64_t at_ns);

/* It is open: call ready(). */
void conn_ready(struct engine_conn *conn);

/* Call closed() and close the socket; it is freed by conn_free_dead(). */
void conn_end(struct engine_conn *conn, enum engine_end end);

/*
 * The stream is given up: the owner may say why, what is queued goes out, then
 * it ends with `end`. What was read of its frame is discarded at once.
 */
void conn_give_up(struct engine_conn *conn, enum engine_end end);

/* The text that engine_conn_reason() gives; copied. */
void conn_set_reason(struct engine_conn *conn, const char *text);

/* RECORD_CONNECT: begin to connect, or forget it where no worker runs. */
void connect_begin(struct engine_worker *worker, struct bnet_slice bytes);
void connect_forget(struct bnet_slice bytes);

/* RECORD_RESUME: the send queue that it waited for is short again. */
void conn_resume(struct engine_conn *conn);

/* ---- the steps of a turn ---- */

/* Read the connections that had more to read, or are resumed. */
void conn_read_ready(struct engine_worker *worker);

/* Handle what epoll reports for the connection of `source`. */
void conn_event(struct source *source, uint32_t events);

/* The timer of a connection expired. */
void conn_timer(struct timer *timer, int64_t now_ns);

/* Write what was sent with `flush`. */
void conn_flush_urgent(struct engine_worker *worker);

/*
 * Write everything at the end of a turn. Hooks that run meanwhile may add to
 * both lists; both are empty afterwards, so that they hold no connection that
 * conn_free_dead() frees.
 */
void conn_flush_all(struct engine_worker *worker);

void conn_free_dead(struct engine_worker *worker);

#endif
