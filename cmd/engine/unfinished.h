/* SPDX-License-Identifier: MIT */
/*
 * unfinished - the rules for a frame whose end has not come: unfinished frames
 * together have a share of the budget, and each has a limit of time and a rate
 * at which it must grow. On the worker of the connection.
 */
#ifndef ENGINE_UNFINISHED_H
#define ENGINE_UNFINISHED_H

#include "cmd/engine/conn.h"

/*
 * Reserve, in advance, what feeding `n` bytes may leave in the link. False: the
 * budget, or the share of unfinished frames, is used up.
 */
bool unfinished_reserve(struct engine_conn *conn, size_t n);

/* Its frame holds `n_bytes` of the share of all unfinished ones. */
void unfinished_holds(struct engine_conn *conn, uint64_t n_bytes);

/* The same, by what the link holds now. */
void unfinished_weigh(struct engine_conn *conn);

/*
 * After a feed, before which `n_packets_before` packets had come: begin, keep
 * or end the time limit. Slow growth does not extend it. True: it began, so
 * the timer is to be set.
 */
bool unfinished_note(struct engine_conn *conn, uint64_t n_packets_before);

/* We read again, after a lack of memory: the clock of its frame stood. */
void unfinished_reads_on(struct engine_conn *conn);

/* When its frame is to be looked at; 0: there is none. */
int64_t unfinished_look_ns(const struct engine_conn *conn);

/*
 * Its frame is not complete in time, or it hardly grows: then `*why` says so,
 * else it is left as it is.
 */
bool
unfinished_is_late(struct engine_conn *conn, int64_t now_ns, const char **why);

#endif
