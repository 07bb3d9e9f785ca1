/* SPDX-License-Identifier: MIT */
/*
 * Relief when memory is short. A holder weighs what it holds, times how long it
 * has held it without moving: half a frame whose rest does not come, or a queue
 * that the peer does not read. The clock of a frame stands while it is we who
 * do not read, so a peer that only waits for memory weighs little.
 *
 * Workers cannot look at each other's connections. The one that was refused
 * asks all to weigh theirs, and the next time the one with the heaviest to end
 * it.
 */
#include "cmd/engine/relief.h"

#include "cmd/engine/conn.h"
#include "cmd/engine/send.h"

#include <linux/sock_diag.h>
#include <stdio.h>
#include <sys/socket.h>

#define EVERY_NS INT64_C(100000000) /* between two reliefs */
#define MOVES_NS INT64_C(500000000) /* younger than this it is no holder, */
#define DESPERATE_NS INT64_C(2000000000) /* unless that did not help so long */
#define FORGET_NS INT64_C(1000000000) /* not refused for so long: it is over */
#define HEAVIEST 16 /* ended at once, at most */
#define FREE_QUOTIENT 32 /* or until 1 / this of the budget is free again */

struct holder {
	struct engine_conn *conn;
	uint64_t weight;
};

static uint64_t
weigh(uint64_t n_bytes, int64_t since_ns, int64_t now_ns, bool desperate)
{
	int64_t age_ns = now_ns - since_ns;

	if (n_bytes == 0 || since_ns == 0 || (age_ns < MOVES_NS && !desperate))
		return 0;
	return n_bytes * (uint64_t)(age_ns / 1000000 + 1);
}

static uint64_t
weight_of(const struct engine_conn *conn, bool desperate)
{
	int64_t now_ns =
	    conn->stood_ns != 0 ? conn->stood_ns : conn->worker->now_ns;

	if (conn->trusted || conn->state != CONN_OPEN)
		return 0;
	return weigh(
		   conn->part_bytes, conn->frame_since_ns, now_ns, desperate) +
	    weigh(sendq_memory_bytes(conn), conn->blocked_since_ns,
		conn->worker->now_ns, desperate);
}

/* The heaviest ones, in order. */
static size_t
find_heaviest(
    struct engine_worker *worker, bool desperate, struct holder top[HEAVIEST])
{
	size_t n = 0, at;

	for (uint32_t i = 0; i < worker->n_slots; i++) {
		struct engine_conn *conn = worker->slots[i].conn;
		uint64_t weight = conn != NULL ? weight_of(conn, desperate) : 0;

		if (weight == 0 ||
		    (n == HEAVIEST && weight <= top[n - 1].weight))
			continue;
		at = n < HEAVIEST ? n++ : n - 1;
		for (; at > 0 && top[at - 1].weight < weight; at--)
			top[at] = top[at - 1];
		top[at] = (struct holder){ conn, weight };
	}
	return n;
}

/* A peer that may still read is told. */
static void
end_holder(struct engine_conn *conn)
{
	uint64_t queue = sendq_memory_bytes(conn);
	bool part = conn->part_bytes > queue;
	char text[96];

	(void)snprintf(text, sizeof(text),
	    "memory is short, and it held %llu bytes of %s",
	    (unsigned long long)(part ? conn->part_bytes : queue),
	    part ? "a frame that is not complete" : "what it does not read");
	conn_set_reason(conn, text);
	if (conn->blocked_since_ns != 0)
		conn_end(conn, ENGINE_END_PRESSURE);
	else
		conn_give_up(conn, ENGINE_END_PRESSURE);
}

static void
end_heaviest(struct engine_worker *worker, const struct holder *top, size_t n)
{
	uint64_t goal =
	    atomic_load(&worker->engine->budget.max_bytes) / FREE_QUOTIENT;
	uint64_t freed = 0;

	for (size_t i = 0; i < n && freed < goal; i++) {
		freed +=
		    top[i].conn->part_bytes + sendq_memory_bytes(top[i].conn);
		end_holder(top[i].conn);
	}
}

/* The other worker whose heaviest is heavier than `weight`, or NULL. */
static struct engine_worker *
heavier(struct engine_worker *worker, uint64_t weight)
{
	struct engine_worker *found = NULL, *other;
	uint64_t theirs;

	for (unsigned i = 0; i < worker->engine->n_workers; i++) {
		other = &worker->engine->workers[i];
		theirs = atomic_load(&other->heaviest);
		if (other == worker || theirs <= weight)
			continue;
		found = other;
		weight = theirs;
	}
	return found;
}

static void
ask(struct engine_worker *other, enum relief what)
{
	atomic_store(&other->relief, what);
	mailbox_wake(&other->mailbox);
}

static void
ask_others(struct engine_worker *worker)
{
	for (unsigned i = 0; i < worker->engine->n_workers; i++)
		if (i != worker->index &&
		    atomic_load(&worker->engine->workers[i].relief) ==
			RELIEF_NONE)
			ask(&worker->engine->workers[i], RELIEF_WEIGH);
}

/* Is it time for relief? The first time is for weighing. */
static bool
is_time(struct engine_worker *worker)
{
	int64_t now_ns = worker->now_ns;

	count(worker, ENGINE_PRESSED, 1);
	if (worker->pressed_last_ns == 0 ||
	    now_ns - worker->pressed_last_ns > FORGET_NS) {
		worker->pressed_since_ns = now_ns;
		worker->relief_at_ns = now_ns + EVERY_NS;
		ask_others(worker);
	}
	worker->pressed_last_ns = now_ns;
	atomic_store_explicit(
	    &worker->engine->short_ns, now_ns, memory_order_relaxed);
	if (now_ns < worker->relief_at_ns)
		return false;
	worker->relief_at_ns = now_ns + EVERY_NS;
	return true;
}

static void
relieve(struct engine_worker *worker, enum relief asked)
{
	bool desperate = asked == RELIEF_NONE &&
	    worker->now_ns - worker->pressed_since_ns > DESPERATE_NS;
	struct holder top[HEAVIEST];
	struct engine_worker *other;
	size_t n = find_heaviest(worker, desperate, top);
	uint64_t weight = n > 0 ? top[0].weight : 0;

	atomic_store(&worker->heaviest, weight);
	if (asked == RELIEF_WEIGH)
		return;
	other = asked == RELIEF_NONE ? heavier(worker, weight) : NULL;
	if (other != NULL) {
		ask(other, RELIEF_END);
		return;
	}
	end_heaviest(worker, top, n);
	atomic_store(&worker->heaviest, 0);
	if (asked == RELIEF_NONE)
		ask_others(worker);
}

/* ---- what the kernel holds ---- */

static uint64_t
socket_bytes(const struct engine_conn *conn)
{
	uint32_t mem[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(mem);

	if (getsockopt(conn->fd, SOL_SOCKET, SO_MEMINFO, mem, &len) != 0)
		return 0;
	return (uint64_t)mem[SK_MEMINFO_RMEM_ALLOC] +
	    mem[SK_MEMINFO_WMEM_QUEUED];
}

static void
measure(struct engine_worker *worker)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < worker->n_slots; i++)
		if (worker->slots[i].conn != NULL &&
		    worker->slots[i].conn->state != CONN_DEAD)
			sum += socket_bytes(worker->slots[i].conn);
	atomic_store_explicit(&worker->socket_bytes, sum, memory_order_relaxed);
}

void
relief_turn(struct engine_worker *worker)
{
	enum relief asked =
	    atomic_load_explicit(&worker->relief, memory_order_relaxed);
	unsigned n = atomic_load_explicit(
	    &worker->engine->n_measured, memory_order_relaxed);

	if (worker->n_measured != n) {
		worker->n_measured = n;
		measure(worker);
	}
	if (asked != RELIEF_NONE) {
		atomic_store(&worker->relief, RELIEF_NONE);
		relieve(worker, asked);
	}
	if (worker->pressed && is_time(worker))
		relieve(worker, RELIEF_NONE);
	worker->pressed = false;
	conn_flush_all(worker); /* what they are told */
}
