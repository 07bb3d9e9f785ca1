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

#endif
