/* SPDX-License-Identifier: MIT */
/* The hooks of the engine: they call the relay's stages in order. */
#include "cmd/relay/hooks.h"

#include "cmd/common/clock.h"
#include "cmd/common/log.h"
#include "cmd/relay/admin.h"
#include "cmd/relay/express.h"
#include "cmd/relay/forward.h"
#include "cmd/relay/local.h"
#include "cmd/relay/ping.h"
#include "cmd/relay/reply.h"
#include "cmd/relay/session.h"

#include <string.h>

#define KEPT_SEAT_NS INT64_C(2000000000)
#define FLOODED_NS INT64_C(2000000000) /* it took nothing for so long */

/* ---- connections ---- */

static bool
on_admit(void *arg, void *listener_user, const struct address *from)
{
	static const enum relay_counter why[LIMITS_N_VERDICTS] = {
		[LIMITS_OK] = RELAY_ADMITTED,
		[LIMITS_TOTAL] = RELAY_NOT_ADMITTED_TOTAL,
		[LIMITS_ADDRESS] = RELAY_NOT_ADMITTED_ADDRESS,
		[LIMITS_RATE] = RELAY_NOT_ADMITTED_RATE,
		[LIMITS_BLOCKED] = RELAY_NOT_ADMITTED_BLOCKED,
	};
	struct relay *relay = arg;
	enum limits_verdict verdict;
	char text[ADDRESS_CHARS];

	(void)listener_user;
	verdict = limits_admit(relay->limits, from, clock_now_ns());
	/* several workers accept, so these counters are shared */
	atomic_fetch_add_explicit(
	    &relay->admissions[why[verdict]], 1, memory_order_relaxed);
	if (verdict == LIMITS_OK)
		return true;
	log_warn("connection not admitted",
	    LOG_STR("limit", limits_word(verdict)),
	    LOG_STR("peer", from != NULL ? address_format(from, text) : NULL));
	return false;
}

static bool
on_locate(void *arg, struct engine_conn *conn)
{
	struct relay *relay = arg;
	enum limits_verdict verdict =
	    limits_locate(relay->limits, engine_conn_peer(conn));

	if (verdict == LIMITS_BLOCKED)
		relay_leave(conn, RELAY_CLOSED_BLOCKED);
	return verdict == LIMITS_OK;
}

static void
on_no_conn(void *arg, void *user, const struct address *from)
{
	struct relay *relay = arg;

	(void)user;
	limits_leave(relay->limits, from);
	atomic_fetch_add_explicit(&relay->admissions[RELAY_NOT_ADMITTED_MEMORY],
	    1, memory_order_relaxed);
	atomic_fetch_sub_explicit(
	    &relay->admissions[RELAY_ADMITTED], 1, memory_order_relaxed);
}

/*
 * In a seat that is kept for nodes, a connection has to say soon that it is
 * one, so that silent ones do not keep nodes out.
 */
static int64_t
hello_timeout(struct relay *relay)
{
	const struct relay_options *opt = &config_of(relay)->opt;

	if (opt->hello_timeout_ns > KEPT_SEAT_NS &&
	    limits_open(relay->limits) >
		opt->max_connections - opt->reserve_nodes)
		return KEPT_SEAT_NS;
	return opt->hello_timeout_ns;
}

static void
on_ready(void *arg, struct engine_conn *conn)
{
	struct relay *relay = arg;
	struct peer *peer = peer_of(conn);
	struct bnet_tls *tls = bnet_link_tls(engine_conn_link(conn));
	const struct address *from = engine_conn_peer(conn);

	if (from != NULL)
		(void)address_format(from, peer->address);
	peer->since_s = clock_unix_ns() / 1000000000;
	if (tls != NULL)
		peer->tls = (uint8_t)bnet_tls_version(tls);
	if (relay->record != NULL)
		admin_open(relay, conn);
	engine_conn_set_timer(conn,
	    engine_worker_now_ns(engine_conn_worker(conn)) +
		hello_timeout(relay));
}

static const enum relay_counter of_end[ENGINE_N_ENDS] = {
	[ENGINE_END_PEER] = RELAY_CLOSED_PEER,
	[ENGINE_END_CUT] = RELAY_CLOSED_CUT,
	[ENGINE_END_MALFORMED] = RELAY_CLOSED_MALFORMED,
	[ENGINE_END_OVERSIZE] = RELAY_CLOSED_OVERSIZE,
	[ENGINE_END_TLS] = RELAY_CLOSED_TLS,
	[ENGINE_END_PROXY] = RELAY_CLOSED_PROXY,
	[ENGINE_END_HANDSHAKE_TIMEOUT] = RELAY_CLOSED_HANDSHAKE_TIMEOUT,
	[ENGINE_END_CONNECT] = RELAY_CLOSED_IO,
	[ENGINE_END_FRAME_TIMEOUT] = RELAY_CLOSED_FRAME_TIMEOUT,
	[ENGINE_END_IO] = RELAY_CLOSED_IO,
	[ENGINE_END_MEMORY] = RELAY_CLOSED_MEMORY,
	[ENGINE_END_PRESSURE] = RELAY_CLOSED_PRESSURE,
	[ENGINE_END_WRITE_TIMEOUT] = RELAY_CLOSED_WRITE_TIMEOUT,
	[ENGINE_END_NOT_ADMITTED] = RELAY_CLOSED_LIMIT,
	[ENGINE_END_OWNER] = RELAY_CLOSED_SHUTTING_DOWN,
};

static void
log_closed(struct engine_conn *conn, enum relay_counter why)
{
	struct peer *peer = peer_of(conn);
	const struct address *from = engine_conn_peer(conn);
	const char *reason = engine_conn_reason(conn);
	const char *word = metrics_closed_word(why);

	if (reason[0] == '\0')
		reason = NULL;
	/* one that failed during the handshake was never ready */
	if (peer->address[0] == '\0' && from != NULL)
		(void)address_format(from, peer->address);
	if (peer->entry.id == 0)
		log_info("connection closed", LOG_STR("peer", peer->address),
		    LOG_STR("why", word), LOG_STR("reason", reason));
	else
		log_info("link down", LOG_U64("id", peer->entry.id),
		    LOG_STR("role",
			peer->entry.role == BNET_ROLE_NODE ? "node" : "client"),
		    LOG_STR("name", peer->name), LOG_STR("peer", peer->address),
		    LOG_STR("why", word), LOG_STR("reason", reason));
}

static void
on_closed(void *arg, struct engine_conn *conn, enum engine_end end)
{
	struct relay *relay = arg;
	struct peer *peer = peer_of(conn);
	enum relay_counter why =
	    peer->leaving != 0 ? peer->leaving : of_end[end];

	routes_remove(relay->routes, &peer->entry);
	limits_leave(relay->limits, engine_conn_peer(conn));
	relay_count(worker_of(relay, engine_conn_worker(conn)), why);
	if (relay->record != NULL)
		admin_close(relay, conn);
	log_closed(conn, why);
	peer->state = PEER_LEAVING;
}

/* ---- packets ---- */

static bool
is_ping(const struct bnet_packet *packet)
{
	return packet->has_header && packet->header.timestamp != 0 &&
	    packet->header.key != 0 && packet->header.key != BNET_KEY_PONG;
}

static bool
is_pong(const struct bnet_packet *packet)
{
	return packet->has_header && packet->header.key == BNET_KEY_PONG;
}

static void
route(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet)
{
	struct relay_config *config = config_of(relay);
	enum route_verdict verdict =
	    route_decide(&config->rules, peer_of(conn)->entry.role, packet);
	struct bnet_packet traced;

	if (verdict == ROUTE_LOCAL)
		local_packet(relay, conn, packet);
	else if (config->opt.trace && packet->has_header &&
	    local_trace(relay, conn, packet, &traced))
		forward(relay, conn, &traced, verdict);
	else
		forward(relay, conn, packet, verdict);
}

/* Is a packet of a client within its rates? It is refused if not. */
static bool
within_rates(struct relay *relay, struct relay_worker *own,
    struct engine_conn *conn, const struct bnet_packet *packet)
{
	static const struct {
		enum relay_counter counter;
		const char *reason;
	} refusals[RATES_N_VERDICTS] = {
		[RATES_PACKETS] = { RELAY_REFUSED_CLIENT_RATE,
		    "more packets a second than a client may send" },
		[RATES_BYTES] = { RELAY_REFUSED_CLIENT_BYTES,
		    "more bytes a second than a client may send" },
		[RATES_KEY] = { RELAY_REFUSED_KEY_RATE,
		    "more packets a second of this key than a client may "
		    "send" },
	};
	enum rates_verdict verdict;
	int64_t until_ns;

	verdict = rates_take(&peer_of(conn)->rates, &config_of(relay)->rates,
	    &packet->header, packet->size_bytes,
	    engine_worker_now_ns(engine_conn_worker(conn)), &until_ns);
	if (verdict != RATES_OK) {
		reply_refuse(relay, conn, packet, refusals[verdict].counter,
		    BNET_CODE_OVERLOADED, refusals[verdict].reason);
		return false;
	}
	if (until_ns != 0) {
		relay_count(own, RELAY_RATE_PAUSES);
		engine_conn_pause_until(conn, until_ns);
	}
	return true;
}

static void
take(struct relay *relay, struct relay_worker *own, struct engine_conn *conn,
    const struct bnet_packet *packet)
{
	struct peer *peer = peer_of(conn);
	bool first = peer->state == PEER_NEW;

	if (peer->state == PEER_LEAVING || own->closing) {
		relay_count(own, RELAY_DROPPED_LEAVING);
		return;
	}
	if (first)
		session_first(relay, conn, packet);
	if (peer->state != PEER_UP)
		return;
	ping_heard(peer);
	if (is_pong(packet)) {
		/* whatever its destination: it is about this link */
		ping_pong(relay, conn, &packet->header);
		return;
	}
	if (is_ping(packet))
		ping_answer(relay, conn, &packet->header);
	if (first && peer->hello)
		return; /* it was the hello */
	if (config_of(relay)->rates.any &&
	    peer->entry.role == BNET_ROLE_CLIENT &&
	    !within_rates(relay, own, conn, packet))
		return;
	route(relay, conn, packet);
}

static bool
on_run(void *arg, struct engine_conn *conn, const struct bnet_run *run)
{
	return express_run(arg, conn, run);
}

/* Heavy packets take turns: one link must not keep others waiting. */
static void
on_packet(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct relay *relay = arg;
	struct relay_worker *own = worker_of(relay, engine_conn_worker(conn));

	own->heavy = false;
	take(relay, own, conn, packet);
	if (own->heavy)
		engine_conn_yield(conn);
}

/* Report the error before the link ends, to a peer that can read it. */
static void
on_broken(void *arg, struct engine_conn *conn, enum engine_end end)
{
	static const struct bnet_packet nothing;
	struct relay *relay = arg;

	if (end == ENGINE_END_OVERSIZE)
		reply_error(relay, conn, &nothing, BNET_CODE_TOO_LARGE, 0,
		    "the frame is longer than the limit");
	else if (end == ENGINE_END_PRESSURE)
		reply_error(relay, conn, &nothing, BNET_CODE_OVERLOADED, 0,
		    engine_conn_reason(conn));
	else
		reply_error(relay, conn, &nothing, BNET_CODE_MALFORMED, 0,
		    engine_conn_reason(conn));
}

static void
on_timer(void *arg, struct engine_conn *conn, int64_t now_ns)
{
	struct relay *relay = arg;

	switch (peer_of(conn)->state) {
	case PEER_NEW:
		relay_leave(conn, RELAY_CLOSED_HELLO_TIMEOUT);
		engine_conn_cut(conn);
		break;
	case PEER_UP:
		if (peer_of(conn)->drain_at_ns != 0 &&
		    peer_of(conn)->drain_at_ns <= now_ns) {
			peer_of(conn)->drain_at_ns = 0;
			session_drain(relay, conn);
		}
		if (peer_of(conn)->finish_at_ns != 0 &&
		    peer_of(conn)->finish_at_ns <= now_ns) {
			relay_leave(conn, RELAY_CLOSED_KICKED);
			engine_conn_finish(conn);
			break;
		}
		ping_timer(relay, conn, now_ns);
		break;
	case PEER_LEAVING:
		break;
	}
}

/* ---- messages between workers ---- */

static void
replaced(struct relay *relay, struct engine_conn *conn)
{
	session_refuse(relay, conn, BNET_CODE_REPLACED,
	    "replaced by a newer connection of the same id",
	    RELAY_CLOSED_REPLACED);
}

static void
overloaded(struct relay *relay, struct engine_conn *conn)
{
	(void)relay;
	relay_leave(conn, RELAY_CLOSED_OVERLOAD);
	engine_conn_cut(conn);
}

/* Clients filled its queue: only that it takes nothing is its own fault. */
static void
flooded(struct relay *relay, struct engine_conn *conn)
{
	if (engine_conn_stalled_ns(conn) > FLOODED_NS)
		overloaded(relay, conn);
}

/* A peer without a hello takes no session messages. */
static void
dismiss(struct relay *relay, struct engine_conn *conn, enum bnet_code code,
    const char *reason, enum relay_counter why)
{
	if (peer_of(conn)->hello) {
		session_refuse(relay, conn, code, reason, why);
		return;
	}
	relay_leave(conn, why);
	engine_conn_finish(conn);
}

static void
kick(struct relay *relay, struct engine_conn *conn)
{
	dismiss(relay, conn, BNET_CODE_REFUSED, "the operator ended this link",
	    RELAY_CLOSED_KICKED);
}

/* Tell it to leave; what is still here at the time of the message is ended. */
static void
drain_link(struct relay *relay, struct engine_conn *conn)
{
	int64_t now_ns = engine_worker_now_ns(engine_conn_worker(conn));

	session_drain(relay, conn);
	peer_of(conn)->finish_at_ns =
	    now_ns + config_of(relay)->opt.drain_timeout_ns;
	ping_timer(relay, conn, now_ns);
}

static void
check_blocked(void *arg, struct engine_conn *conn)
{
	struct relay *relay = arg;

	if (peer_of(conn)->state == PEER_LEAVING ||
	    !limits_is_blocked(relay->limits, engine_conn_peer(conn)))
		return;
	if (peer_of(conn)->state == PEER_UP) {
		dismiss(relay, conn, BNET_CODE_NOT_AUTHORISED,
		    "the operator blocked this address", RELAY_CLOSED_BLOCKED);
		return;
	}
	relay_leave(conn, RELAY_CLOSED_BLOCKED);
	engine_conn_cut(conn);
}

static void
with_conn(struct relay *relay, struct engine_worker *worker,
    struct bnet_slice bytes,
    void (*act)(struct relay *relay, struct engine_conn *conn))
{
	struct engine_conn *conn;
	uint64_t handle;

	memcpy(&handle, bytes.p, sizeof(handle));
	conn = engine_conn_find(worker, handle);
	if (conn != NULL && peer_of(conn)->state == PEER_UP)
		act(relay, conn);
}

/*
 * Tell it now, or at a time of its own within --drain-spread, so that not all
 * come to another relay at once. The number is scattered by Fibonacci hashing.
 */
static void
drain_one(void *arg, struct engine_conn *conn)
{
	struct relay *relay = arg;
	struct peer *peer = peer_of(conn);
	uint64_t spread_ns = (uint64_t)atomic_load(&relay->drain_spread_ns);
	uint64_t scattered =
	    peer->entry.id * UINT64_C(0x9e3779b97f4a7c15) >> 32;

	if (spread_ns == 0 || peer->state != PEER_UP || !peer->hello) {
		session_drain(relay, conn);
		return;
	}
	peer->drain_at_ns = engine_worker_now_ns(engine_conn_worker(conn)) + 1 +
	    (int64_t)(spread_ns / 1000 * scattered / (UINT32_MAX / 1000));
	ping_timer(relay, conn, engine_worker_now_ns(engine_conn_worker(conn)));
}

static void
check_one(void *arg, struct engine_conn *conn)
{
	session_reloaded(arg, conn);
}

static void
finish_one(void *arg, struct engine_conn *conn)
{
	if (peer_of(conn)->drain_at_ns != 0)
		session_drain(arg, conn); /* it was not its turn yet */
	peer_of(conn)->drain_at_ns = 0;
	relay_leave(conn, RELAY_CLOSED_SHUTTING_DOWN);
	engine_conn_finish(conn);
}

static void
drop_one(void *arg, struct engine_conn *conn)
{
	finish_one(arg, conn);
	engine_conn_drop_queue(conn);
}

static void
on_message(void *arg, struct engine_worker *worker, uint32_t type,
    struct bnet_slice bytes)
{
	struct relay *relay = arg;

	switch ((enum relay_message)type) {
	case RELAY_MESSAGE_BROADCAST:
		forward_broadcast_here(relay, worker, bytes);
		break;
	case RELAY_MESSAGE_BROADCAST_DONE:
		forward_broadcast_done(relay, worker, bytes);
		break;
	case RELAY_MESSAGE_REPLACED:
		with_conn(relay, worker, bytes, replaced);
		break;
	case RELAY_MESSAGE_OVERLOADED:
		with_conn(relay, worker, bytes, overloaded);
		break;
	case RELAY_MESSAGE_FLOODED:
		with_conn(relay, worker, bytes, flooded);
		break;
	case RELAY_MESSAGE_KICK:
		with_conn(relay, worker, bytes, kick);
		break;
	case RELAY_MESSAGE_DRAIN_LINK:
		with_conn(relay, worker, bytes, drain_link);
		break;
	case RELAY_MESSAGE_BLOCKED:
		engine_each_conn(worker, check_blocked, relay);
		break;
	case RELAY_MESSAGE_RELOADED:
		engine_each_conn(worker, check_one, relay);
		atomic_fetch_add(&relay->n_reloaded, 1);
		break;
	case RELAY_MESSAGE_DRAIN:
		engine_each_conn(worker, drain_one, relay);
		break;
	case RELAY_MESSAGE_CLOSE:
		worker_of(relay, worker)->closing = true;
		break;
	case RELAY_MESSAGE_FINISH:
		engine_each_conn(worker, finish_one, relay);
		break;
	case RELAY_MESSAGE_DROP:
		engine_each_conn(worker, drop_one, relay);
	}
}

#define HOOKS \
	.admit = on_admit, .locate = on_locate, .no_conn = on_no_conn, \
	.ready = on_ready, .run = on_run, .packet = on_packet, \
	.broken = on_broken, .timer = on_timer, .closed = on_closed, \
	.message = on_message

const struct engine_hooks relay_hooks = { HOOKS };
const struct engine_hooks relay_hooks_recording = { HOOKS, .tap = admin_tap };
