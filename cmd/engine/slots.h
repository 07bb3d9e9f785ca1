/* SPDX-License-Identifier: MIT */
/*
 * slots - where a worker finds its connections by handle. On the worker.
 *
 *	handle = | worker 8 | generation 24 | slot 32 |
 */
#ifndef ENGINE_SLOTS_H
#define ENGINE_SLOTS_H

#include "cmd/engine/conn.h"

/* Give it a slot and its send queue a handle. False: no memory. */
bool slot_take(struct engine_worker *worker, struct engine_conn *conn);

/* Its handle finds nothing from now on. */
void slot_release(struct engine_conn *conn);

#endif
