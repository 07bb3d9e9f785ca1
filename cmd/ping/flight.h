/* SPDX-License-Identifier: MIT */
/*
 * flight - the pings that are on their way, and those that were: a ring, so
 * memory is fixed. A ping stays known after it was answered or given up, until
 * its place is needed again, so that a second or a late answer is known for
 * what it is. For the worker of measure.c.
 */
#ifndef PING_FLIGHT_H
#define PING_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Cookies are below that: then they take less than the first 8 bytes of an
 * echo, which is all of it that bluenet.error brings back.
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
	uint64_t n; /* its number, from 1 on */
	struct target *target;
	int64_t due_ns, sent_ns; /* CLOCK_MONOTONIC */
	uint64_t slot; /* of the target's schedule */
	uint8_t layer; /* enum ping_layer */
	uint8_t state; /* enum flight_state */
};

struct flights {
	struct flight *ring; /* owned; mask + 1 */
	uint64_t mask;
	uint64_t oldest, next; /* numbers: none before oldest waits */
};

/* For at least `room` pings at once. False: out of memory. */
bool flights_init(struct flights *flights, uint64_t room);
void flights_free(struct flights *flights);

/* The next one, zeroed but for its number; its place must not be waiting. */
struct flight *flights_open(struct flights *flights);

/* The one whose place flights_open() takes, where that waits; or NULL. */
struct flight *flights_in_the_way(struct flights *flights);

/* NULL: nothing that we remember has that cookie. */
struct flight *flights_find(struct flights *flights, uint64_t cookie);

/* The oldest that waits and was sent before before_ns; or NULL. */
struct flight *flights_overdue(struct flights *flights, int64_t before_ns);

static inline uint64_t
flight_cookie(const struct flight *flight)
{
	return flight->n & FLIGHT_COOKIE_MASK;
}

#endif
