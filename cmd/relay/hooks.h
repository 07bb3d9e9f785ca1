/* SPDX-License-Identifier: MIT */
/* hooks - the engine's hooks: the order of the stages. For main.c. */
#ifndef RELAY_HOOKS_H
#define RELAY_HOOKS_H

#include "cmd/engine/engine.h"

/* Use the second if there is a capture. */
extern const struct engine_hooks relay_hooks, relay_hooks_recording;

#endif
