/* SPDX-License-Identifier: MIT */
/* inbox - what waits for engine_take(), and who gets which key. */
#ifndef ENGINE_INBOX_H
#define ENGINE_INBOX_H

#include "cmd/engine/budget.h"

struct inbox;

/* NULL: out of memory or of descriptors. */
struct inbox *inbox_new(void);
void inbox_free(struct inbox *inbox, struct budget *budget); /* NULL: nothing */

#endif
