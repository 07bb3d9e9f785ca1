/* SPDX-License-Identifier: MIT */
/*
 * route - where a packet goes (bluenet-wire.5, RELAY), decided from what is
 * in it and who sent it. No table, no socket, no state. For hooks.c.
 */
#ifndef RELAY_ROUTE_H
#define RELAY_ROUTE_H

#include "proto/link.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stdint.h>

enum route_verdict {
	ROUTE_LOCAL, /* the application here, by its key */
	ROUTE_NODE,
	ROUTE_CLIENT,
	ROUTE_FORKS, /* a copy for each client id behind the header */
	ROUTE_BROADCAST, /* a copy for every client */
	ROUTE_ANY, /* one node that registered the key */
	ROUTE_REFUSED, /* not allowed for this sender */
	ROUTE_UNKNOWN, /* no such kind of destination */
	ROUTE_NO_HEADER, /* not BlueNet's: nowhere to send it */
	ROUTE_NO_KEY,
	ROUTE_N_VERDICTS
};

struct route_rules {
	int64_t relay_id;
	bool no_client_to_client;
};

enum route_verdict route_decide(const struct route_rules *rules,
    enum bnet_role sender, const struct bnet_packet *packet);

/* The first 8 bytes of an uncompressed payload, for bluenet.error; or 0. */
uint64_t route_cookie(const struct bnet_packet *packet);

/* ---- what a queue that is full does ---- */

enum route_policy {
	ROUTE_REFUSE,
	ROUTE_PAUSE,
	ROUTE_CUT
};

/* Should the sender wait, now that so much is queued at its destination? */
bool route_should_pause(
    enum route_policy policy, size_t queued_bytes, size_t queue_max_bytes);

#endif
