/* SPDX-License-Identifier: MIT */
/* hooks - what the engine calls: the order of the stages. For main.c. */
#ifndef RELAY_HOOKS_H
#define RELAY_HOOKS_H

#include "cmd/engine/engine.h"

/* The second where there is a capture. */
extern const struct engine_hooks relay_hooks, relay_hooks_recording;

#endif
