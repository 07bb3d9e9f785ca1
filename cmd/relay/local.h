/* SPDX-License-Identifier: MIT */
/*
 * local - the relay's own applications. For hooks.c; main.c starts their
 * thread.
 */
#ifndef RELAY_LOCAL_H
#define RELAY_LOCAL_H

#include "cmd/relay/relay.h"

/* Before engine_start(). False: out of memory. */
bool local_register(struct relay *relay);

/* Handle a packet for the relay itself: inflate it, then dispatch by key. */
void local_packet(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet);

/*
 * Set `out` to the packet with our hop added, uncompressed; borrowed until the
 * next packet. False: it is not a traced echo; forward it unchanged.
 */
bool local_trace(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, struct bnet_packet *out);

/* The thread that answers service echoes; `arg` is the relay. */
void *local_thread(void *arg);

#endif
