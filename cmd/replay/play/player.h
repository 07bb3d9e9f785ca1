/* SPDX-License-Identifier: MIT */
/*
 * player - one connection of one round, and what it sends when. Made by the
 * starter, then its worker's: all but player_begin() is called there.
 */
#ifndef REPLAY_PLAYER_H
#define REPLAY_PLAYER_H

#include "cmd/replay/play/state.h"

struct player;

/* It connects. False: out of memory. */
bool player_begin(
    struct play *play, uint32_t index, uint32_t round, int64_t start_ns);

/* Those that are left when the engine has stopped. */
void player_free_all(struct play *play);

/* ---- what the engine says of its connection ---- */

void player_ready(struct player *p, struct engine_conn *conn);
void player_packet(struct player *p, const struct bnet_packet *packet);
/* A frame came whose payload is bad. */
void player_bad(struct player *p);
void player_timer(struct player *p, int64_t now_ns);
/* The cluster took everything at last. */
void player_drained(struct player *p);
void
player_closed(struct player *p, struct engine_conn *conn, enum engine_end end);
/* No memory or descriptor, so there was no connection at all. */
void player_no_conn(struct player *p);

/* ---- what play asks of it ---- */

/* Send no more. */
void player_stop(struct player *p);
/* At once, whatever is open: production is left alone. */
void player_cut(struct player *p, struct engine_conn *conn);

#endif
