/* SPDX-License-Identifier: MIT */
/*
 * flight - the pings in flight and recent ones: a ring, so that memory is
 * fixed. A ping stays in the ring after it was answered or given up, until its
 * place is reused, so that a duplicate or late answer is recognised. For the
 * worker of measure.c.
 */
#ifndef PING_FLIGHT_H
#define PING_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Cookies do not exceed this, so that they fit into the first 8 bytes of an
 * echo, which is all of it that bluenet.error returns.
 */
#define FLIGHT_COOKIE_MASK UINT64_C(0x3fffffff)

struct target;

enum flight_state {
	FLIGHT_FREE = 0,
	FLIGHT_WAITING,
	FLIGHT_ANSWERED,
	FLIGHT_LOST,
};

struct flight {
	uint64_t n; /* its number, from 1 */
	struct target *target;
	int64_t due_ns, sent_ns; /* CLOCK_MONOTONIC */
	uint64_t slot; /* of the target's schedule */
	uint8_t layer; /* enum ping_layer */
	uint8_t state; /* enum flight_state */
};

struct flights {
	struct flight *ring; /* owned; mask + 1 */
	uint64_t mask;
	uint64_t oldest, next; /* numbers; none before oldest waits */
};

/* Allocate for at least `room` pings at once. False: out of memory. */
bool flights_init(struct flights *flights, uint64_t room);
void flights_free(struct flights *flights);

/* The next entry, zeroed but for its number; its place must not be waiting. */
struct flight *flights_open(struct flights *flights);

/* The ping in the place of the next flights_open() if it waits; or NULL. */
struct flight *flights_in_the_way(struct flights *flights);

/* NULL: no ping in the ring has that cookie. */
struct flight *flights_find(struct flights *flights, uint64_t cookie);

/* The oldest waiting ping that was sent before before_ns; or NULL. */
struct flight *flights_overdue(struct flights *flights, int64_t before_ns);

static inline uint64_t
flight_cookie(const struct flight *flight)
{
	return flight->n & FLIGHT_COOKIE_MASK;
}

#endif
