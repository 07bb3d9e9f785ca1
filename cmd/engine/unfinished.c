/* SPDX-License-Identifier: MIT */
/*
 * The rules for a frame whose end has not come: how much memory it may hold,
 * and how long it may take. Works on the fields of struct engine_conn that
 * begin with frame, rate and part; conn.c calls it and acts on the answers.
 */
#include "cmd/engine/unfinished.h"

/*
 * What an unfinished frame may hold outside the share of all of them: enough
 * for most, so that they pass while long ones wait for their turn.
 */
#define FRAME_FIRST_BYTES ((size_t)16 << 10)
/* A longer one has to grow by this, which is looked at so often. */
#define FRAME_BYTES_A_S 1024
#define FRAME_LOOKS 4 /* in the time that a frame has */

void
unfinished_holds(struct engine_conn *conn, uint64_t n_bytes)
{
	if (conn->part_bytes == n_bytes)
		return;
	if (conn->part_bytes == 0)
		conn->place = budget_place(&conn->peer);
	budget_frame_holds(&conn->worker->engine->budget, conn->place,
	    conn->part_bytes, n_bytes);
	conn->part_bytes = n_bytes;
}

void
unfinished_weigh(struct engine_conn *conn)
{
	size_t frame = bnet_link_frame_memory_bytes(conn->link);

	unfinished_holds(conn,
	    frame > FRAME_FIRST_BYTES && !conn->trusted
		? frame - FRAME_FIRST_BYTES
		: 0);
}

int64_t
unfinished_look_ns(const struct engine_conn *conn)
{
	int64_t timeout_ns = frame_timeout(conn->worker), late_ns, look_ns;

	if (conn->frame_since_ns == 0)
		return 0;
	if (conn->stood_ns != 0)
		return conn->worker->now_ns + timeout_ns / FRAME_LOOKS;
	late_ns = conn->frame_since_ns + timeout_ns;
	look_ns = conn->rate_at_ns + timeout_ns / FRAME_LOOKS;
	return look_ns < late_ns ? look_ns : late_ns;
}

void
unfinished_reads_on(struct engine_conn *conn)
{
	int64_t stood_ns;

	if (conn->stood_ns == 0)
		return;
	stood_ns = conn->worker->now_ns - conn->stood_ns;
	conn->stood_ns = 0;
	if (conn->frame_since_ns == 0)
		return;
	conn->frame_since_ns += stood_ns;
	conn->rate_at_ns += stood_ns;
}

/* What for, if its incomplete frame comes to hold `bytes` of memory. */
static enum budget_for
purpose_of(const struct engine_conn *conn, size_t bytes)
{
	if (conn->trusted)
		return BUDGET_NODE;
	return bytes > FRAME_FIRST_BYTES ? BUDGET_FRAME : BUDGET_FIRST;
}

bool
unfinished_reserve(struct engine_conn *conn, size_t n)
{
	struct budget *budget = &conn->worker->engine->budget;
	size_t need = bnet_link_memory_for(conn->link, n);
	size_t has = bnet_link_frame_memory_bytes(conn->link);
	size_t more = need - bnet_link_memory_bytes(conn->link);
	enum budget_for purpose = purpose_of(conn, has + more);

	if (more > 0 && purpose == BUDGET_FRAME &&
	    !budget_frame_may_grow(budget,
		conn->part_bytes != 0 ? conn->place
				      : budget_place(&conn->peer)))
		return false;
	if (need <= conn->link_bytes)
		return true;
	if (!budget_take(budget, need - conn->link_bytes, purpose))
		return false;
	conn->link_bytes = need;
	return true;
}

bool
unfinished_note(struct engine_conn *conn, uint64_t n_packets_before)
{
	bool more = counter_get(&conn->sendq->packets_in) != n_packets_before;

	if (conn->state != CONN_OPEN ||
	    bnet_link_pending(conn->link).len == 0) {
		conn->frame_since_ns = 0;
		return false;
	}
	if (conn->frame_since_ns != 0 && !more)
		return false;
	conn->frame_since_ns = conn->worker->now_ns;
	conn->rate_at_ns = conn->worker->now_ns;
	conn->rate_bytes = bnet_link_pending(conn->link).len;
	return true;
}

bool
unfinished_is_late(struct engine_conn *conn, int64_t now_ns, const char **why)
{
	int64_t timeout_ns = frame_timeout(conn->worker);
	size_t len = bnet_link_pending(conn->link).len;
	uint64_t want;

	if (conn->frame_since_ns == 0 || conn->stood_ns != 0)
		return false;
	if (conn->frame_since_ns + timeout_ns <= now_ns)
		return true;
	if (conn->rate_at_ns + timeout_ns / FRAME_LOOKS > now_ns)
		return false;
	want = (uint64_t)(now_ns - conn->rate_at_ns) * FRAME_BYTES_A_S /
	    1000000000;
	if (conn->part_bytes > 0 && len < conn->rate_bytes + want) {
		*why = "the frame hardly grows";
		return true;
	}
	conn->rate_at_ns = now_ns;
	conn->rate_bytes = len;
	return false;
}
