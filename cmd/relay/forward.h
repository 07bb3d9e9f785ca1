/* SPDX-License-Identifier: MIT */
/*
 * forward - send a packet on to other links. For hooks.c.
 */
#ifndef RELAY_FORWARD_H
#define RELAY_FORWARD_H

#include "cmd/relay/relay.h"

void forward(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, enum route_verdict verdict);

/* On the other workers. Failures here are counted, but not reported. */
void forward_broadcast_here(
    struct relay *relay, struct engine_worker *worker, struct bnet_slice bytes);

#endif
