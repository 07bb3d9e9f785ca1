/* SPDX-License-Identifier: MIT */
/*
 * ping - the latency of one link, by header pings (bluenet-wire.5, RELAY): half
 * the round trip, smoothed. No clock: times are passed in, in microseconds. For
 * ping.c; a struct latency is in each peer.
 */
#ifndef RELAY_PING_H
#define RELAY_PING_H

#include <stdbool.h>
#include <stdint.h>

struct latency {
	uint64_t asked_us; /* the timestamp that is out; 0: none */
	uint64_t next_us; /* when to ask again at the earliest */
	uint32_t smooth_us;
	bool known; /* smooth_us was measured */
};

/* May a ping go now? */
bool latency_due(const struct latency *latency, uint64_t now_us);

/*
 * A ping goes: the timestamp to send, never 0 nor with bit 63. Another is not
 * due for interval_us.
 */
uint64_t
latency_ask(struct latency *latency, uint64_t now_us, uint64_t interval_us);

/*
 * A pong came with that timestamp. False: it is none of ours. After a jump the
 * next ping is due at once.
 */
bool
latency_answer(struct latency *latency, uint64_t timestamp, uint64_t now_us);

/* ---- pings and keepalive traffic; for hooks.c, session.c, forward.c ---- */

struct bnet_header;
struct engine_conn;
struct peer;
struct relay;

/* A packet came with a timestamp. */
void ping_answer(struct relay *relay, struct engine_conn *conn,
    const struct bnet_header *header);

/* A pong came. */
void ping_pong(struct relay *relay, struct engine_conn *conn,
    const struct bnet_header *header);

/* A link is up: its first ping goes now. */
void ping_start(struct relay *relay, struct engine_conn *conn);

void ping_timer(struct relay *relay, struct engine_conn *conn, int64_t now_ns);

/* Any worker: the timestamp for a packet that goes to a stock peer. */
uint64_t ping_timestamp(struct relay *relay, struct peer *to, uint64_t now_us);

#endif
