/* SPDX-License-Identifier: MIT */
/*
 * An engine on loopback for the tests: hooks that count and do one simple
 * thing with each packet, and waits with a bound.
 */
#ifndef UNIT_ENGINE_FIXTURE_H
#define UNIT_ENGINE_FIXTURE_H

#include "cmd/engine/engine.h"
#include "tests/unit/engine_peer.h"

#include <time.h>

#define FIX_CONNS_MAX 512

/* What the packet hook does. */
enum fix_mode {
	FIX_COUNT,
	FIX_ECHO,
	FIX_TO_TARGET, /* what comes from others goes to the target */
	FIX_PAUSE, /* the same; where its queue is full, pause for it */
	FIX_FINISH, /* engine_conn_finish() */
	FIX_CUT,
	FIX_DELIVER, /* engine_deliver() */
	FIX_DROP, /* engine_conn_drop_queue() */
	FIX_YIELD, /* echo, then engine_conn_yield() */
};

struct fix {
	struct engine *engine;
	struct engine_listener *listener;
	struct address at; /* of the listener */
	pthread_mutex_t lock; /* of all below, which `moved` tells about */
	pthread_cond_t moved;
	unsigned n_admitted, n_ready, n_closed, n_packets, n_bad, n_broken;
	unsigned n_timers, n_messages, n_no_conn, n_tapped[2];
	unsigned n_gone; /* closed, or no_conn */
	unsigned ends[ENGINE_N_ENDS];
	unsigned sent[ENGINE_GONE + 1]; /* results of engine_send() */
	uint64_t handles[FIX_CONNS_MAX]; /* in the order of ready() */
	uint64_t payload_bytes; /* of all packets */
	char reason[128]; /* of the last that ended */
	unsigned
	    delivered[ENGINE_INBOX_FULL + 1]; /* what engine_deliver() said */
	/* set before the start, or by hooks */
	_Atomic(struct engine_sendq *) target;
	atomic_int mode;
	atomic_bool flush, refuse, refuse_located;
	enum bnet_codec_id codec; /* to send with */
};

static inline void
fix_lock(struct fix *fix)
{
	pthread_mutex_lock(&fix->lock);
}

static inline void
fix_unlock(struct fix *fix)
{
	pthread_cond_broadcast(&fix->moved);
	pthread_mutex_unlock(&fix->lock);
}

static inline void
fix_count(struct fix *fix, unsigned *n)
{
	fix_lock(fix);
	(*n)++;
	fix_unlock(fix);
}

/* ---- hooks ---- */

static inline bool
fix_admit(void *arg, void *user, const struct address *from)
{
	struct fix *fix = arg;

	(void)user;
	(void)from;
	if (fix->refuse)
		return false;
	fix_count(fix, &fix->n_admitted);
	return true;
}

static inline bool
fix_locate(void *arg, struct engine_conn *conn)
{
	const struct fix *fix = arg;

	return engine_conn_peer(conn) != NULL && !fix->refuse_located;
}

static inline void
fix_ready(void *arg, struct engine_conn *conn)
{
	struct fix *fix = arg;
	struct engine_sendq *none = NULL, *me = engine_conn_sendq(conn);

	engine_conn_set_peer(conn, fix->codec, BNET_FRAME_MAX_BYTES);
	if (fix->mode == FIX_TO_TARGET || fix->mode == FIX_PAUSE)
		(void)atomic_compare_exchange_strong(&fix->target, &none, me);
	fix_lock(fix);
	if (fix->n_ready < FIX_CONNS_MAX)
		fix->handles[fix->n_ready] = me->handle;
	fix->n_ready++;
	fix_unlock(fix);
}

static inline void
fix_send(struct fix *fix, struct engine_conn *conn, struct engine_sendq *to,
    const struct bnet_packet *in)
{
	struct bnet_packet out = { .has_oob = in->has_oob,
		.has_header = in->has_header,
		.header = in->header,
		.oob = in->oob,
		.payload = in->payload };
	enum engine_sent sent;

	if (to == NULL)
		return;
	out.header.forks = 0;
	sent = engine_send_from(engine_conn_worker(conn), to, &out, fix->flush,
	    engine_conn_sendq(conn)->handle);
	fix_count(fix, &fix->sent[sent]);
	if (sent == ENGINE_QUEUED && fix->mode == FIX_PAUSE &&
	    to->queued_bytes > engine_queue_max_bytes(fix->engine) / 2)
		engine_conn_pause_for(conn, to);
}

static inline void
fix_packet(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct fix *fix = arg;
	struct engine_sendq *me = engine_conn_sendq(conn);
	struct engine_sendq *target = fix->target;

	switch ((enum fix_mode)fix->mode) {
	case FIX_COUNT:
		break;
	case FIX_ECHO:
		fix_send(fix, conn, me, packet);
		break;
	case FIX_TO_TARGET:
	case FIX_PAUSE:
		if (target != me)
			fix_send(fix, conn, target, packet);
		break;
	case FIX_FINISH:
		fix_send(fix, conn, me, packet);
		engine_conn_finish(conn);
		break;
	case FIX_CUT:
		engine_conn_cut(conn);
		break;
	case FIX_DELIVER:
		fix_count(fix, &fix->delivered[engine_deliver(conn, packet)]);
		break;
	case FIX_DROP:
		engine_conn_drop_queue(conn);
		break;
	case FIX_YIELD:
		fix_send(fix, conn, me, packet);
		engine_conn_yield(conn);
	}
	fix_lock(fix);
	fix->n_packets++;
	fix->payload_bytes += packet->payload.len;
	fix_unlock(fix);
}

static inline void
fix_bad(void *arg, struct engine_conn *conn, const struct bnet_packet *packet,
    enum bnet_err why)
{
	struct fix *fix = arg;

	(void)conn;
	(void)packet;
	(void)why;
	fix_count(fix, &fix->n_bad);
}

/* The last word: a packet "sorry". */
static inline void
fix_broken(void *arg, struct engine_conn *conn, enum engine_end end)
{
	struct fix *fix = arg;
	struct bnet_packet out = { .payload = { (const uint8_t *)"sorry", 5 } };

	(void)end;
	fix_send(fix, conn, engine_conn_sendq(conn), &out);
	fix_count(fix, &fix->n_broken);
}

static inline void
fix_timer(void *arg, struct engine_conn *conn, int64_t now_ns)
{
	struct fix *fix = arg;

	(void)conn;
	(void)now_ns;
	fix_count(fix, &fix->n_timers);
}

static inline void
fix_closed(void *arg, struct engine_conn *conn, enum engine_end end)
{
	struct fix *fix = arg;
	struct engine_sendq *me = engine_conn_sendq(conn);

	(void)atomic_compare_exchange_strong(&fix->target, &me, NULL);
	fix_lock(fix);
	fix->n_closed++;
	fix->n_gone++;
	fix->ends[end]++;
	(void)snprintf(
	    fix->reason, sizeof(fix->reason), "%s", engine_conn_reason(conn));
	fix_unlock(fix);
}

static inline void
fix_no_conn(void *arg, void *user, const struct address *from)
{
	struct fix *fix = arg;

	(void)user;
	(void)from;
	fix_lock(fix);
	fix->n_no_conn++;
	fix->n_gone++;
	fix_unlock(fix);
}

static inline void
fix_message(void *arg, struct engine_worker *worker, uint32_t type,
    struct bnet_slice bytes)
{
	struct fix *fix = arg;

	(void)worker;
	(void)type;
	(void)bytes;
	fix_count(fix, &fix->n_messages);
}

static inline void
fix_tap(void *arg, struct engine_conn *conn, enum engine_way way,
    const struct bnet_slice *pieces, size_t n)
{
	struct fix *fix = arg;

	(void)conn;
	fix_lock(fix);
	for (size_t i = 0; i < n; i++)
		fix->n_tapped[way] += (unsigned)pieces[i].len;
	fix_unlock(fix);
}

static const struct engine_hooks fix_hooks = {
	.admit = fix_admit,
	.locate = fix_locate,
	.ready = fix_ready,
	.packet = fix_packet,
	.bad = fix_bad,
	.broken = fix_broken,
	.timer = fix_timer,
	.closed = fix_closed,
	.no_conn = fix_no_conn,
	.message = fix_message,
	.tap = fix_tap,
};

/* ---- an engine and its end ---- */

/* An engine that is not started; hooks and arg of *set are filled in. */
static inline void
fix_new(struct fix *fix, struct engine_settings *set, enum fix_mode mode)
{
	*fix = (struct fix){ .mode = (int)mode };
	pthread_mutex_init(&fix->lock, NULL);
	pthread_cond_init(&fix->moved, NULL);
	if (set->hooks == NULL)
		set->hooks = &fix_hooks;
	set->arg = fix;
	fix->engine = engine_new(set);
	ck_assert_ptr_nonnull(fix->engine);
}

static inline void
fix_listen(struct fix *fix, struct engine_listen *listen, const char *where)
{
	struct address address;

	ck_assert(address_parse(where, ADDRESS_PORT_NONE, &address));
	listen->address = &address;
	fix->listener = engine_listen(fix->engine, listen);
	ck_assert_ptr_nonnull(fix->listener);
	fix->at = engine_listener_address(fix->listener);
}

/* One with a plain listener, running. */
static inline void
fix_start(struct fix *fix, struct engine_settings *set, enum fix_mode mode)
{
	struct engine_listen listen = { 0 };

	fix_new(fix, set, mode);
	fix_listen(fix, &listen, "127.0.0.1:0");
	ck_assert(engine_start(fix->engine));
}

/* The books after the end: every packet and every byte accounted for. */
static inline void
fix_stop(struct fix *fix)
{
	uint64_t sums[ENGINE_N_COUNTERS];

	ck_assert(engine_stop(fix->engine));
	engine_counters(fix->engine, sums);
	ck_assert_uint_eq(sums[ENGINE_PACKETS_QUEUED],
	    sums[ENGINE_PACKETS_WRITTEN] + sums[ENGINE_PACKETS_LOST]);
	ck_assert_uint_eq(engine_memory_reserved(fix->engine), 0);
	engine_free(fix->engine);
	pthread_mutex_destroy(&fix->lock);
	pthread_cond_destroy(&fix->moved);
}

/* Until the counter (of the fixture) is at least that. */
static inline void
fix_wait(struct fix *fix, const char *what, const unsigned *n, unsigned want)
{
	struct timespec until;
	int err = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&fix->lock);
	while (*n < want && err == 0)
		err = pthread_cond_timedwait(&fix->moved, &fix->lock, &until);
	ck_assert_msg(*n >= want, "%s: %u, not %u", what, *n, want);
	pthread_mutex_unlock(&fix->lock);
}
#define FIX_WAIT(fix, member, want) fix_wait(fix, #member, &(fix)->member, want)

static inline uint64_t
fix_counter(struct fix *fix, enum engine_counter which)
{
	uint64_t sums[ENGINE_N_COUNTERS];

	engine_counters(fix->engine, sums);
	return sums[which];
}

/* Poll until a counter of the engine is at least that. */
static inline void
fix_wait_counter(struct fix *fix, enum engine_counter which, uint64_t want)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int ms = 0; fix_counter(fix, which) < want; ms++) {
		ck_assert_msg(ms < WAIT_S * 1000, "counter %d: %lu, not %lu",
		    (int)which, (unsigned long)fix_counter(fix, which),
		    (unsigned long)want);
		nanosleep(&pause, NULL);
	}
}

static inline int
peer_connect(const struct fix *fix)
{
	return peer_connect_to(&fix->at, 0);
}

#endif
