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

#define SILENT_PERIODS 3
#define PONG_BYTES 4 /* arbitrary ones: what stock peers send */
#define US_NS 1000

static uint64_t
interval_us(struct relay *relay)
{
	return (uint64_t)config_of(relay)->opt.ping_interval_ns / US_NS;
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

/* A keepalive with a ping: a live peer is never silent for long. */
static void
send_keepalive(struct relay *relay, struct engine_conn *conn)
{
	struct engine_worker *worker = engine_conn_worker(conn);
	struct peer *peer = peer_of(conn);
	struct bnet_message message = { .type = BNET_MSG_KEEPALIVE };
	struct bnet_header header = { .priority = true };

	header.timestamp = latency_ask(
	    &peer->latency, relay_now_us(worker), interval_us(relay));
	relay_count(worker_of(relay, worker), RELAY_PINGS_SENT);
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
		send_keepalive(relay, conn);
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
		(void)latency_ask(&peer->latency, asked_us, interval_us(relay));
}

void
ping_pong(struct relay *relay, struct engine_conn *conn,
    const struct bnet_header *header)
{
	struct engine_worker *worker = engine_conn_worker(conn);
	struct peer *peer = peer_of(conn);
	uint64_t now_us = relay_now_us(worker);

	relay_count(worker_of(relay, worker), RELAY_PONGS_RECEIVED);
	if (!peer->hello)
		heard_stock(relay, peer);
	if (latency_answer(&peer->latency, header->timestamp, now_us)) {
		atomic_store_explicit(&peer->latency_us,
		    peer->latency.smooth_us, memory_order_relaxed);
		if (latency_due(&peer->latency, now_us))
			ask(relay, conn);
	}
	/* a pong carries a ping here; our reply has none, which ends this */
	if (header->latency_ms != 0)
		send_pong(relay, conn, header->latency_ms);
}

/* ---- our pings ---- */

uint64_t
ping_timestamp(struct relay *relay, struct peer *to, uint64_t now_us)
{
	(void)relay;
	if (to->hello ||
	    !atomic_load_explicit(&to->ping_wanted, memory_order_relaxed) ||
	    !atomic_exchange_explicit(
		&to->ping_wanted, false, memory_order_relaxed))
		return 0;
	now_us &= ~BNET_TIMESTAMP_PING_BACK;
	atomic_store_explicit(&to->ping_us, now_us, memory_order_relaxed);
	return now_us;
}

static int64_t
next_tick_ns(struct relay *relay, const struct peer *peer, int64_t now_ns)
{
	const struct relay_options *opt = &config_of(relay)->opt;

	if (!peer->hello)
		return now_ns + opt->ping_interval_ns;
	return now_ns +
	    (opt->ping_interval_ns < opt->keepalive_ns ? opt->ping_interval_ns
						       : opt->keepalive_ns);
}

void
ping_start(struct relay *relay, struct engine_conn *conn)
{
	int64_t now_ns = engine_worker_now_ns(engine_conn_worker(conn));

	ask(relay, conn);
	engine_conn_set_timer(conn, next_tick_ns(relay, peer_of(conn), now_ns));
}

void
ping_timer(struct relay *relay, struct engine_conn *conn, int64_t now_ns)
{
	const struct relay_options *opt = &config_of(relay)->opt;
	struct peer *peer = peer_of(conn);

	if (peer->hello) {
		if (now_ns - engine_conn_last_in_ns(conn) >
		    SILENT_PERIODS * opt->keepalive_ns) {
			relay_leave(conn, RELAY_CLOSED_SILENT);
			engine_conn_cut(conn);
			return;
		}
		send_keepalive(relay, conn);
	} else {
		ask(relay, conn);
	}
	engine_conn_set_timer(conn, next_tick_ns(relay, peer, now_ns));
}
