/* SPDX-License-Identifier: MIT */
#include "cmd/ping/flight.h"

#include <stdlib.h>

#define ROOM_MIN 4096
#define ROOM_MAX (UINT64_C(1) << 22) /* far below the mask of cookies */

bool
flights_init(struct flights *flights, uint64_t room)
{
	uint64_t n = ROOM_MIN;

	while (n < room && n < ROOM_MAX)
		n *= 2;
	flights->ring = calloc(n, sizeof(*flights->ring));
	flights->mask = n - 1;
	flights->oldest = flights->next = 1;
	return flights->ring != NULL;
}

void
flights_free(struct flights *flights)
{
	free(flights->ring);
	flights->ring = NULL;
}

static struct flight *
place(struct flights *flights, uint64_t n)
{
	return &flights->ring[n & flights->mask];
}

struct flight *
flights_in_the_way(struct flights *flights)
{
	struct flight *flight = place(flights, flights->next);

	return flight->state == FLIGHT_WAITING ? flight : NULL;
}

struct flight *
flights_open(struct flights *flights)
{
	struct flight *flight = place(flights, flights->next);

	*flight = (struct flight){ .n = flights->next++ };
	return flight;
}

struct flight *
flights_find(struct flights *flights, uint64_t cookie)
{
	struct flight *flight = place(flights, cookie);

	if (flight->state == FLIGHT_FREE || flight_cookie(flight) != cookie)
		return NULL;
	return flight;
}

struct flight *
flights_overdue(struct flights *flights, int64_t before_ns)
{
	for (; flights->oldest < flights->next; flights->oldest++) {
		struct flight *flight = place(flights, flights->oldest);

		if (flight->n != flights->oldest ||
		    flight->state != FLIGHT_WAITING)
			continue;
		return flight->sent_ns < before_ns ? flight : NULL;
	}
	return NULL;
}
