/* SPDX-License-Identifier: MIT */
/*
 * local - the applications of the relay itself. For hooks.c; main.c starts
 * their thread.
 */
#ifndef RELAY_LOCAL_H
#define RELAY_LOCAL_H

#include "cmd/relay/relay.h"

/* Before engine_start(). False: out of memory. */
bool local_register(struct relay *relay);

/* A packet for the relay itself: inflated, then to whoever has the key. */
void local_packet(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet);

/*
 * `out` becomes the packet with our hop in it, uncompressed; borrowed until
 * the next packet. False: it is none that wants it, pass it on as it is.
 */
bool local_trace(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, struct bnet_packet *out);

/* Of the thread that answers service echoes; `arg` is the relay. */
void *local_thread(void *arg);

#endif
