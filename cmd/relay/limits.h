/* SPDX-License-Identifier: MIT */
/*
 * limits - how many connections are allowed: in all, per address (as
 * address_key() groups them), and new ones per second; none from addresses that
 * are blocked; and how soon an address may present a token again after wrong
 * ones.
 *
 * Only addresses with a connection take memory, so LIMITS_OPEN_MAX connections
 * bound it, however many addresses try; and at most LIMITS_FAILED_MAX addresses
 * with wrong tokens are remembered.
 * Any thread may call anything at any time; a mutex guards it. Called per
 * connection, never per packet. For hooks.c, session.c
 * and control.c.
 */
#ifndef RELAY_LIMITS_H
#define RELAY_LIMITS_H

#include "cmd/common/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMITS_OPEN_MAX (1 << 20) /* connections, whatever the settings */
#define LIMITS_FAILED_MAX 65536 /* addresses; with more, all are forgotten */
#define LIMITS_BLOCKS_MAX 256

/* 0 everywhere: no limit. */
struct limits_settings {
	uint32_t open_max; /* connections in all */
	uint32_t address_max; /* connections from one address */
	uint32_t rate_per_s; /* new connections */
	uint32_t burst; /* the most at once; 0: rate_per_s */
};

enum limits_verdict {
	LIMITS_OK,
	LIMITS_TOTAL, /* open_max reached, or out of memory */
	LIMITS_ADDRESS, /* address_max reached */
	LIMITS_RATE, /* too many in too short a time */
	LIMITS_BLOCKED, /* limits_block() of its address */
	LIMITS_N_VERDICTS
};

struct limits;

/* NULL when out of memory. */
struct limits *limits_new(const struct limits_settings *settings);
void limits_free(struct limits *limits); /* NULL is allowed */

/* Replace the settings. Open connections stay open, even over the limit. */
void limits_set(struct limits *limits, const struct limits_settings *settings);

/*
 * Admit a new connection at now_ns, by a clock that starts at 0 or above.
 * `addr` is NULL if a proxy is yet to name it: then only the total and the
 * rate are checked, and limits_locate() must follow.
 *	LIMITS_OK	it counts until limits_leave()
 *	others		the limit that it exceeds; it was not counted
 */
enum limits_verdict
limits_admit(struct limits *limits, const struct address *addr, int64_t now_ns);

/*
 * Set the address of a connection that was admitted without one.
 *	LIMITS_OK	pass `addr` to limits_leave()
 *	LIMITS_ADDRESS, LIMITS_TOTAL, LIMITS_BLOCKED
 *			the limit that it exceeds; it still counts, and leaves
 *			with NULL
 */
enum limits_verdict
limits_locate(struct limits *limits, const struct address *addr);

/* An admitted connection was closed; `addr` as it was admitted or set. */
void limits_leave(struct limits *limits, const struct address *addr);

/*
 * An address presented a wrong token at now_ns. Returns how long it has to wait
 * before its next token is looked at: 0 for the first ten, then a second, which
 * doubles with each wrong one up to a minute. Ten minutes without a wrong token
 * are forgiven.
 */
int64_t limits_failed(
    struct limits *limits, const struct address *addr, int64_t now_ns);

/* How long it has to wait still; 0: it may present a token. */
int64_t limits_wait_ns(
    struct limits *limits, const struct address *addr, int64_t now_ns);

/*
 * Admit nobody from this block of addresses; open connections stay open. False:
 * there are LIMITS_BLOCKS_MAX. One that is there already is not added again.
 */
bool limits_block(struct limits *limits, const struct cidr *block);

/* Undo that. False: the same block is not there. */
bool limits_unblock(struct limits *limits, const struct cidr *block);

/* NULL, an address that is not known yet, is not blocked. */
bool limits_is_blocked(struct limits *limits, const struct address *addr);

/* What is blocked, in the order in which it was. Returns the number. */
size_t
limits_blocks(struct limits *limits, struct cidr blocks[LIMITS_BLOCKS_MAX]);

/* The number of open connections. */
uint32_t limits_open(struct limits *limits);

/* One word, for a log line or a label: "ok", "total" or similar. */
const char *limits_word(enum limits_verdict verdict);

#endif
