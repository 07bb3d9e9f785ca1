/* SPDX-License-Identifier: MIT */
/*
 * forward - send a packet on to other links. For hooks.c.
 */
#ifndef RELAY_FORWARD_H
#define RELAY_FORWARD_H

#include "cmd/relay/relay.h"

void forward(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, enum route_verdict verdict);

/*
 * Make the header of a packet from `from` what is sent over a link of that
 * latency, for ROUTE_NODE and ROUTE_CLIENT.
 */
void forward_header(struct bnet_header *header, enum route_verdict verdict,
    const struct peer *from, uint32_t latency_us);

/* A packet of `from` goes to `entry`, found in the turn of that time. */
void
forward_found(struct peer *from, struct route_entry *entry, int64_t now_ns);

/* RELAY_MESSAGE_BROADCAST: on the other workers. */
void forward_broadcast_here(
    struct relay *relay, struct engine_worker *worker, struct bnet_slice bytes);

/* RELAY_MESSAGE_BROADCAST_DONE: what another worker's part came to. */
void forward_broadcast_done(
    struct relay *relay, struct engine_worker *worker, struct bnet_slice bytes);

#endif
