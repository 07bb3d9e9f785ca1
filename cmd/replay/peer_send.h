/* SPDX-License-Identifier: MIT */
/* What a script tells the peer to send. */
#ifndef REPLAY_PEER_SEND_H
#define REPLAY_PEER_SEND_H

#include "cmd/replay/peer_connect.h"

#include <time.h>

#define PEER_FORKS_MAX 4096
#define PEER_PAYLOAD_MAX (1u << 28)

/* ---- values --------------------------------------------------------------- */

/* TEXT, hex:.., size:N (letters, compressible); the caller frees it. */
struct bnet_slice peer_payload(const char *text);

void peer_payload_free(struct bnet_slice payload);

/* ---- sending -------------------------------------------------------------- */

/* Queue it, compressed with `codec` whatever its size, and write. */
void peer_send_packet(
    struct peer_conn *c, struct bnet_packet *p, enum bnet_codec_id codec);

/*
 * send NAME, or flood NAME count=N: the latter with serials from 1. Without
 * dest, key and noheader it has no out-of-band section.
 */
void peer_send(struct peer_args *args);

/* raw NAME HEX... | file=F */
void peer_raw(struct peer_args *args);

/* ---- session messages ----------------------------------------------------- */

void peer_send_message(
    struct peer_conn *c, const struct bnet_message *m, struct bnet_packet *p);

uint64_t peer_now_ns(void);

/* hello, register, roster, echo, keepalive NAME ... */
void peer_message_send(struct peer_args *args);

#endif
