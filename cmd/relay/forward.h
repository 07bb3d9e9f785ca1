/* SPDX-License-Identifier: MIT */
/*
 * forward - a packet on its way to other links. For hooks.c.
 */
#ifndef RELAY_FORWARD_H
#define RELAY_FORWARD_H

#include "cmd/relay/relay.h"

void forward(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, enum route_verdict verdict);

/* On the other workers. What fails here is counted, and not reported. */
void forward_broadcast_here(
    struct relay *relay, struct engine_worker *worker, struct bnet_slice bytes);

#endif
