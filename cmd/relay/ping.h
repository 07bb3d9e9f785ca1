/* SPDX-License-Identifier: MIT */
/*
 * ping - the latency of one link, by header pings (bluenet-wire.5, RELAY): half
 * the round trip, smoothed. struct latency uses no clock: times are passed in,
 * in microseconds. For ping.c; each peer has one.
 */
#ifndef RELAY_PING_H
#define RELAY_PING_H

#include <stdbool.h>
#include <stdint.h>

struct latency {
	uint64_t asked_us; /* the outstanding timestamp; 0: none */
	uint64_t next_us; /* the earliest time of the next ping */
	uint32_t smooth_us;
	bool known; /* smooth_us was measured */
};

/* May a ping be sent now? */
bool latency_due(const struct latency *latency, uint64_t now_us);

/*
 * A ping is sent: returns its timestamp, never 0 and without bit 63. The next
 * is not due for interval_us.
 */
uint64_t
latency_ask(struct latency *latency, uint64_t now_us, uint64_t interval_us);

/*
 * A pong came with that timestamp. False: it answers none of our pings. After
 * a jump of the latency the next ping is due at once.
 */
bool
latency_answer(struct latency *latency, uint64_t timestamp, uint64_t now_us);

/* ---- pings and keepalive traffic; for hooks.c, session.c, forward.c ---- */

struct bnet_header;
struct engine_conn;
struct engine_worker;
struct peer;
struct relay;

/* A packet with a timestamp came. */
void ping_answer(struct relay *relay, struct engine_conn *conn,
    const struct bnet_header *header);

/* A packet came: the link is not silent. */
void ping_heard(struct peer *peer);

/* A pong came. One that answers no ping of ours is counted, and no more. */
void ping_pong(struct relay *relay, struct engine_conn *conn,
    const struct bnet_header *header);

/* A link came up: send its first ping. */
void ping_start(struct relay *relay, struct engine_conn *conn);

void ping_timer(struct relay *relay, struct engine_conn *conn, int64_t now_ns);

/* On any worker: the timestamp for a packet to a stock peer, or 0. */
uint64_t ping_timestamp(
    struct relay *relay, struct engine_worker *worker, struct peer *to);

#endif
