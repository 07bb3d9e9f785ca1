/* SPDX-License-Identifier: MIT */
/* listen - the listeners of an engine, for the loops of its workers. */
#ifndef ENGINE_LISTEN_H
#define ENGINE_LISTEN_H

#include "cmd/engine/worker.h"

/* Have epoll report what comes to all listeners. */
void listen_watch_all(struct engine_worker *worker);

/* Accept what came to the listener of `source`. */
void listen_accept(struct source *source, struct engine_worker *worker);

/* Accept again once a rest is over: at the start of a turn. */
void listen_rested(struct engine_worker *worker);

/* No new connections on this worker any more. */
void listen_close_all(struct engine_worker *worker);

void listen_free_all(struct engine *engine);

#endif
