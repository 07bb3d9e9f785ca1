/* SPDX-License-Identifier: MIT */
/*
 * session - the beginning of a link: hello and what follows. For hooks.c and
 * local.c.
 */
#ifndef RELAY_SESSION_H
#define RELAY_SESSION_H

#include "cmd/relay/relay.h"

/*
 * Handle the first packet of a link. The first packet of a stock client is also
 * an ordinary packet: if the state is PEER_UP afterwards, hooks.c goes on with
 * `packet`.
 */
void session_first(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet);

/* bluenet.register of a node: an engine_app. */
void session_register(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet);

/* Send the reason, count the link as closed for `why`, and end it. */
void session_refuse(struct relay *relay, struct engine_conn *conn,
    enum bnet_code code, const char *reason, enum relay_counter why);

/* After a reload: refuse the link if its token is gone from the file. */
void session_reloaded(struct relay *relay, struct engine_conn *conn);

/* Send bluenet.drain to a link with a hello. */
void session_drain(struct relay *relay, struct engine_conn *conn);

#endif
