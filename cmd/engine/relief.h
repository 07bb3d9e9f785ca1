/* SPDX-License-Identifier: MIT */
/*
 * relief - what a worker does when memory is short for longer than a moment:
 * end the connections that hold the most and do not move. And what the kernel
 * holds for its connections. Owns nothing; worker.c calls it once a turn.
 */
#ifndef ENGINE_RELIEF_H
#define ENGINE_RELIEF_H

#include "cmd/engine/worker.h"

/* At the end of a turn: if memory was refused, see to it. */
void relief_turn(struct engine_worker *worker);

#endif
