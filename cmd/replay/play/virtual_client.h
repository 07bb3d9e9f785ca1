/* SPDX-License-Identifier: MIT */
/*
 * virtual client - one connection of one round, and its schedule. The connector
 * creates it with vclient_begin(); from then on only its worker calls these
 * functions, until the engine has stopped.
 */
#ifndef REPLAY_VIRTUAL_CLIENT_H
#define REPLAY_VIRTUAL_CLIENT_H

#include "cmd/replay/play/state.h"

struct vclient;

/*
 * Creates a virtual client and connects it. Returns false when out of memory.
 */
bool vclient_begin(
    struct play *play, uint32_t index, uint32_t round, int64_t start_ns);

/* Frees the virtual clients that are left after the engine has stopped. */
void vclient_free_all(struct play *play);

/* ---- events of its connection, from the engine ---- */

void vclient_ready(struct vclient *vc, struct engine_conn *conn);
void vclient_packet(struct vclient *vc, const struct bnet_packet *packet);
/* A frame with a bad payload was received. */
void vclient_bad(struct vclient *vc);
void vclient_timer(struct vclient *vc, int64_t now_ns);
/* The send queue is empty again. */
void vclient_drained(struct vclient *vc);
void vclient_closed(
    struct vclient *vc, struct engine_conn *conn, enum engine_end end);
/* There was no connection at all: out of memory or descriptors. */
void vclient_no_conn(struct vclient *vc);

/* ---- requests from play ---- */

/* Stops sending. */
void vclient_stop(struct vclient *vc);
/* Cuts the connection at once, whatever is open. */
void vclient_cut(struct vclient *vc, struct engine_conn *conn);

#endif
