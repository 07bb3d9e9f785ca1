/* SPDX-License-Identifier: MIT */
/*
 * virtual client - one connection of one round, and what it sends when. Made by
 * the connector, then its worker's: all but vclient_begin() is called there.
 */
#ifndef REPLAY_VIRTUAL_CLIENT_H
#define REPLAY_VIRTUAL_CLIENT_H

#include "cmd/replay/play/state.h"

struct vclient;

/* It connects. False: out of memory. */
bool vclient_begin(
    struct play *play, uint32_t index, uint32_t round, int64_t start_ns);

/* Those that are left when the engine has stopped. */
void vclient_free_all(struct play *play);

/* ---- what the engine says of its connection ---- */

void vclient_ready(struct vclient *vc, struct engine_conn *conn);
void vclient_packet(struct vclient *vc, const struct bnet_packet *packet);
/* A frame came whose payload is bad. */
void vclient_bad(struct vclient *vc);
void vclient_timer(struct vclient *vc, int64_t now_ns);
/* The cluster took everything at last. */
void vclient_drained(struct vclient *vc);
void vclient_closed(
    struct vclient *vc, struct engine_conn *conn, enum engine_end end);
/* No memory or descriptor, so there was no connection at all. */
void vclient_no_conn(struct vclient *vc);

/* ---- what play asks of it ---- */

/* Send no more. */
void vclient_stop(struct vclient *vc);
/* At once, whatever is open: production is left alone. */
void vclient_cut(struct vclient *vc, struct engine_conn *conn);

#endif
