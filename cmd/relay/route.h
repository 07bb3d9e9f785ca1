/* SPDX-License-Identifier: MIT */
/*
 * route - the destination of a packet (bluenet-wire.5, RELAY), decided from its
 * contents and its sender. No table, no socket, no state. For hooks.c.
 */
#ifndef RELAY_ROUTE_H
#define RELAY_ROUTE_H

#include "proto/link.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stdint.h>

enum route_verdict {
	ROUTE_LOCAL, /* the relay's own application of its key */
	ROUTE_NODE,
	ROUTE_CLIENT,
	ROUTE_FORKS, /* a copy for each client id after the header */
	ROUTE_BROADCAST, /* a copy for every client */
	ROUTE_ANY, /* one node that registered the key */
	ROUTE_REFUSED, /* not allowed for this sender */
	ROUTE_UNKNOWN, /* no such kind of destination */
	ROUTE_NO_HEADER, /* not BlueNet: no destination */
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

/* ---- the policy of a full queue ---- */

enum route_policy {
	ROUTE_REFUSE,
	ROUTE_PAUSE,
	ROUTE_CUT
};

/* What a sender just added to. */
struct route_load {
	size_t queued_bytes, queue_max_bytes; /* of the destination */
	size_t waits_bytes; /* of that, the sender's; SIZE_MAX: not known */
	size_t share_bytes; /* what does not fill a queue */
	int64_t now_ns, elsewhere_ns; /* when it last changed its destination */
};

/*
 * Should the sender pause? One that fills a queue should, unless it speaks to
 * others too: they would hear nothing meanwhile.
 */
bool route_should_pause(const struct route_load *load);

#endif
