/* SPDX-License-Identifier: MIT */
/*
 * Header pings and pongs, the keepalive traffic that carries our pings, and
 * the latency of a link that they measure.
 */
#include "cmd/relay/ping.h"

#include "cmd/relay/reply.h"

#define SMOOTH 3 /* moves by 1/3 of the difference */
#define JUMP_US 75000
#define TIMESTAMP_MASK ((UINT64_C(1) << 62) - 1)

bool
latency_due(const struct latency *latency, uint64_t now_us)
{
	return now_us >= latency->next_us;
}

uint64_t
latency_ask(struct latency *latency, uint64_t now_us, uint64_t interval_us)
{
	latency->asked_us = now_us & TIMESTAMP_MASK;
	if (latency->asked_us == 0)
		latency->asked_us = 1;
	latency->next_us = now_us + interval_us;
	return latency->asked_us;
}

bool
latency_answer(struct latency *latency, uint64_t timestamp, uint64_t now_us)
{
	uint64_t half_us;
	int64_t change_us;

	if (latency->asked_us == 0 || timestamp != latency->asked_us ||
	    (now_us & TIMESTAMP_MASK) < timestamp)
		return false;
	half_us = ((now_us & TIMESTAMP_MASK) - timestamp) / 2;
	if (half_us > UINT32_MAX)
		half_us = UINT32_MAX;
	latency->asked_us = 0;
	if (!latency->known) {
		latency->known = true;
		latency->smooth_us = (uint32_t)half_us;
		return true;
	}
	change_us = (int64_t)half_us - (int64_t)latency->smooth_us;
	latency->smooth_us =
	    (uint32_t)((int64_t)latency->smooth_us + change_us / SMOOTH);
	if (change_us > JUMP_US || change_us < -JUMP_US)
		latency->next_us = now_us;
	return true;
}

/*
 * Periods of --keepalive: a ping at least every PING_PERIODS, so that a live
 * peer is heard in time. By default that is --ping-interval, too.
 */
#define PING_PERIODS 1.5
#define SILENT_PERIODS 2 /* ANY passes it over */
#define CUT_PERIODS 3
#define PONG_BYTES 4 /* arbitrary ones: what stock peers send */
#define US_NS 1000

/* At most one ping in this time. */
static uint64_t
interval_us(struct relay *relay, const struct peer *peer)
{
	const struct relay_options *opt = &config_of(relay)->opt;
	int64_t most_ns = (int64_t)((double)opt->keepalive_ns * PING_PERIODS);

	if (!peer->hello || opt->ping_interval_ns < most_ns)
		most_ns = opt->ping_interval_ns;
	return (uint64_t)most_ns / US_NS;
}

/* ---- pings of the peer ---- */

static void
send_pong(struct relay *relay, struct engine_conn *conn, uint64_t timestamp)
{
	static const uint8_t bytes[PONG_BYTES];
	struct engine_worker *worker = engine_conn_worker(conn);
	const struct bnet_packet pong = {
		.has_header = true,
		.header = { .source = (int64_t)relay->id,
		    .key = BNET_KEY_PONG,
		    .priority = true,
		    .timestamp = timestamp },
		.payload = { bytes, sizeof(bytes) },
	};

	if (engine_send(worker, engine_conn_sendq(conn), &pong, true) !=
	    ENGINE_QUEUED)
		relay_count(worker_of(relay, worker), RELAY_PONGS_NOT_SENT);
}

/* A keepalive, with a ping or without. */
static void
send_keepalive(struct relay *relay, struct engine_conn *conn, bool ping)
{
	struct engine_worker *worker = engine_conn_worker(conn);
	struct peer *peer = peer_of(conn);
	struct bnet_message message = { .type = BNET_MSG_KEEPALIVE };
	struct bnet_header header = { .priority = true };

	if (ping) {
		header.timestamp = latency_ask(&peer->latency,
		    relay_now_us(worker), interval_us(relay, peer));
		relay_count(worker_of(relay, worker), RELAY_PINGS_SENT);
	}
	peer->keepalive_at_ns =
	    engine_worker_now_ns(worker) + config_of(relay)->opt.keepalive_ns;
	/* a full queue already gives the peer something to read */
	(void)reply_send(
	    relay, worker, engine_conn_sendq(conn), &message, &header);
}

/*
 * Ping a link now, with a keepalive after a hello; a stock peer gets the ping
 * with its next packet.
 */
static void
ask(struct relay *relay, struct engine_conn *conn)
{
	struct peer *peer = peer_of(conn);

	if (!peer->hello)
		atomic_store_explicit(
		    &peer->ping_wanted, true, memory_order_relaxed);
	else if (peer->latency.asked_us == 0)
		send_keepalive(relay, conn, true);
}

void
ping_answer(struct relay *relay, struct engine_conn *conn,
    const struct bnet_header *header)
{
	send_pong(relay, conn, header->timestamp & ~BNET_TIMESTAMP_PING_BACK);
	if ((header->timestamp & BNET_TIMESTAMP_PING_BACK) != 0)
		ask(relay, conn);
}

/* Any worker may have sent the packet with the ping of a stock peer. */
static void
heard_stock(struct relay *relay, struct peer *peer)
{
	uint64_t asked_us =
	    atomic_exchange_explicit(&peer->ping_us, 0, memory_order_relaxed);

	if (asked_us != 0)
		(void)latency_ask(
		    &peer->latency, asked_us, interval_us(relay, peer));
}

void
ping_heard(struct peer *peer)
{
	if (atomic_load_explicit(&peer->silent, memory_order_relaxed))
		atomic_store_explicit(
		    &peer->silent, false, memory_order_relaxed);
}

void
ping_pong(struct relay *relay, struct engine_conn *conn,
    const struct bnet_header *header)
{
	struct engine_worker *worker = engine_conn_worker(conn);
	struct relay_worker *own = worker_of(relay, worker);
	struct peer *peer = peer_of(conn);
	uint64_t now_us = relay_now_us(worker);

	relay_count(own, RELAY_LOCAL_PONG);
	if (!peer->hello)
		heard_stock(relay, peer);
	if (!latency_answer(&peer->latency, header->timestamp, now_us)) {
		relay_count(own, RELAY_PONGS_UNASKED);
		return;
	}
	relay_count(own, RELAY_PONGS_RECEIVED);
	atomic_store_explicit(
	    &peer->latency_us, peer->latency.smooth_us, memory_order_relaxed);
	if (latency_due(&peer->latency, now_us))
		ask(relay, conn);
	/* a pong carries a ping here; our reply has none, which ends this */
	if (header->latency_ms != 0)
		send_pong(relay, conn, header->latency_ms);
}

/* ---- our pings ---- */

uint64_t
ping_timestamp(
    struct relay *relay, struct engine_worker *worker, struct peer *to)
{
	uint64_t now_us;

	if (to->hello ||
	    !atomic_load_explicit(&to->ping_wanted, memory_order_relaxed) ||
	    !atomic_exchange_explicit(
		&to->ping_wanted, false, memory_order_relaxed))
		return 0;
	now_us = relay_now_us(worker) & ~BNET_TIMESTAMP_PING_BACK;
	atomic_store_explicit(&to->ping_us, now_us, memory_order_relaxed);
	relay_count(worker_of(relay, worker), RELAY_PINGS_SENT);
	return now_us;
}

/* The earliest of these times that is not over. */
static int64_t
earliest_ns(const int64_t *times_ns, size_t n, int64_t now_ns)
{
	int64_t next_ns = INT64_MAX;

	for (size_t i = 0; i < n; i++)
		if (times_ns[i] > now_ns && times_ns[i] < next_ns)
			next_ns = times_ns[i];
	return next_ns;
}

/* Keepalive, ping, and the two steps of silence. */
static int64_t
next_tick_ns(struct relay *relay, struct engine_conn *conn, int64_t now_ns)
{
	const struct relay_options *opt = &config_of(relay)->opt;
	const struct peer *peer = peer_of(conn);
	int64_t heard_ns = engine_conn_last_in_ns(conn);
	const int64_t times_ns[] = {
		peer->keepalive_at_ns,
		peer->drain_at_ns,
		peer->finish_at_ns,
		(int64_t)peer->latency.next_us * US_NS,
		heard_ns + SILENT_PERIODS * opt->keepalive_ns,
		heard_ns + CUT_PERIODS * opt->keepalive_ns,
		now_ns + opt->keepalive_ns,
	};

	if (!peer->hello)
		return now_ns + opt->ping_interval_ns;
	return earliest_ns(
	    times_ns, sizeof(times_ns) / sizeof(times_ns[0]), now_ns);
}

void
ping_start(struct relay *relay, struct engine_conn *conn)
{
	int64_t now_ns = engine_worker_now_ns(engine_conn_worker(conn));

	ask(relay, conn);
	engine_conn_set_timer(conn, next_tick_ns(relay, conn, now_ns));
}

/* Of a peer that said hello. False: it was silent for too long, and is cut. */
static bool
tick(struct relay *relay, struct engine_conn *conn, int64_t now_ns)
{
	int64_t keepalive_ns = config_of(relay)->opt.keepalive_ns;
	int64_t silent_ns = now_ns - engine_conn_last_in_ns(conn);
	struct peer *peer = peer_of(conn);
	bool ping = latency_due(&peer->latency, (uint64_t)now_ns / US_NS);

	if (silent_ns >= CUT_PERIODS * keepalive_ns) {
		relay_leave(conn, RELAY_CLOSED_SILENT);
		engine_conn_cut(conn);
		return false;
	}
	if (silent_ns >= SILENT_PERIODS * keepalive_ns)
		atomic_store_explicit(
		    &peer->silent, true, memory_order_relaxed);
	if (ping || now_ns >= peer->keepalive_at_ns)
		send_keepalive(relay, conn, ping);
	return true;
}

void
ping_timer(struct relay *relay, struct engine_conn *conn, int64_t now_ns)
{
	if (!peer_of(conn)->hello)
		ask(relay, conn);
	else if (!tick(relay, conn, now_ns))
		return;
	engine_conn_set_timer(conn, next_tick_ns(relay, conn, now_ns));
}
