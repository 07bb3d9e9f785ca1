/* SPDX-License-Identifier: MIT */
/*
 * express - passing on packets whose header is known: nothing is parsed or
 * packed again. For hooks.c, before a packet is taken apart.
 *
 *	out-of-band bytes, link --> [ to whom | out-of-band bytes to send ]
 *
 * What it does has the outcome of the way through forward.c, for the plain
 * case: from one link to one other, without priority, ping or fork ids, to a
 * queue with room. All else is left to that way.
 */
#ifndef RELAY_EXPRESS_H
#define RELAY_EXPRESS_H

#include "cmd/relay/relay.h"

/* True: every packet of the run is queued and counted. False: none is. */
bool express_run(
    struct relay *relay, struct engine_conn *conn, const struct bnet_run *run);

#endif
