/* SPDX-License-Identifier: MIT */
/*
 * limits - how many connections there may be: in all, from one address (as
 * address_key() counts them), and how many new ones in a second.
 *
 * Memory is held for addresses that have a connection, so it is bounded by
 * LIMITS_OPEN_MAX connections and not by how many addresses try.
 * Any thread may call anything at any time: a mutex is inside. Connections
 * come and go here, packets do not pass. For hooks.c.
 */
#ifndef RELAY_LIMITS_H
#define RELAY_LIMITS_H

#include "cmd/common/address.h"

#include <stdint.h>

#define LIMITS_OPEN_MAX (1 << 20) /* connections, whatever the settings */

/* 0 everywhere: no limit. */
struct limits_settings {
	uint32_t open_max; /* connections in all */
	uint32_t address_max; /* connections from one address */
	uint32_t rate_per_s; /* new connections */
	uint32_t burst; /* that many at once; 0: rate_per_s */
};

enum limits_verdict {
	LIMITS_OK,
	LIMITS_TOTAL, /* open_max reached, or out of memory */
	LIMITS_ADDRESS, /* address_max reached */
	LIMITS_RATE, /* too many in too short a time */
	LIMITS_N_VERDICTS
};

struct limits;

/* NULL when out of memory. */
struct limits *limits_new(const struct limits_settings *settings);
void limits_free(struct limits *limits); /* NULL is allowed */

/* From now on these. Who is in stays in, also where that is too many. */
void limits_set(struct limits *limits, const struct limits_settings *settings);

/*
 * A new connection at now_ns of a clock that starts at 0 or above. `addr` is
 * NULL where it is not known yet, behind a proxy: then only the total and
 * the rate are judged, and limits_locate() is to follow.
 *	LIMITS_OK	it counts until limits_leave()
 *	others		why not; it was not counted
 */
enum limits_verdict
limits_admit(struct limits *limits, const struct address *addr, int64_t now_ns);

/*
 * A connection that was admitted without an address comes from `addr`.
 *	LIMITS_OK	it leaves as `addr`
 *	LIMITS_ADDRESS, LIMITS_TOTAL
 *			why not; it still counts, and leaves as NULL
 */
enum limits_verdict
limits_locate(struct limits *limits, const struct address *addr);

/* One that was admitted is closed; `addr` as it was admitted or named. */
void limits_leave(struct limits *limits, const struct address *addr);

/* Connections that are open. */
uint32_t limits_open(struct limits *limits);

/* One word, for a log line or a label: "ok", "total", "address", "rate". */
const char *limits_word(enum limits_verdict verdict);

#endif
