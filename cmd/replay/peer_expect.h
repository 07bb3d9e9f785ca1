/* SPDX-License-Identifier: MIT */
/* What a script expects of the other side. */
#ifndef REPLAY_PEER_EXPECT_H
#define REPLAY_PEER_EXPECT_H

#include "cmd/replay/peer_send.h"

/* Comes when it comes: passed over unless it is what is expected. */
#define PEER_NOISE "keepalive|pong"
#define PEER_FENCE_TIMESTAMP UINT64_C(0x7e0000000)

_Noreturn void
peer_expected(const struct peer_args *args, const char *what, const char *got);

/*
 * expect NAME KIND FIELD...: the next event is that. await NAME ...: passes
 * over others.
 */
void peer_expect(struct peer_args *args);

/* The next echo, answered as a node does: to whom the relay says it is from. */
void peer_answer(struct peer_args *args);

/* ---- nothing -------------------------------------------------------------- */

/*
 * fence NAME [via=FROM]: the relay has done what it was sent before over
 * NAME (or FROM, and it is at NAME). expect-none: and nothing came before.
 */
void peer_fence(struct peer_args *args);

/* ---- counting ------------------------------------------------------------- */

/*
 * collect total=N NAME:KIND...: N events of those kinds and no other, in the
 * order of their serials; sets $NAME.KIND to how many.
 */
void peer_collect(struct peer_args *args);

#endif
