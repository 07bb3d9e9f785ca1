/* SPDX-License-Identifier: MIT */
/*
 * session - the beginning of a link: hello and what follows. For hooks.c and
 * local.c.
 */
#ifndef RELAY_SESSION_H
#define RELAY_SESSION_H

#include "cmd/relay/relay.h"

/*
 * The first packet of a link. A stock client's counts like any other after it,
 * which hooks.c sees to: then the state is PEER_UP and `packet` is to go on.
 */
void session_first(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet);

/* bluenet.register of a node: an engine_app. */
void session_register(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet);

/* Say why, count the link as closed because of `why`, and end it. */
void session_refuse(struct relay *relay, struct engine_conn *conn,
    enum bnet_code code, const char *reason, enum relay_counter why);

/* Send bluenet.drain to a link that said hello. */
void session_drain(struct relay *relay, struct engine_conn *conn);

#endif
