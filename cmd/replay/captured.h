/* SPDX-License-Identifier: MIT */
/*
 * captured - the streams of a capture as they become sessions of a tape: what
 * is known of each so far, and whose ids are whose at the moment.
 */
#ifndef REPLAY_CAPTURED_H
#define REPLAY_CAPTURED_H

#include "cmd/common/map.h"
#include "cmd/replay/pairing.h"
#include "cmd/replay/tape_write.h"

struct captured {
	struct tape_session session;
	uint32_t index; /* of the session; TAPE_NONE: no frame came yet */
	uint64_t server; /* hash of the address that it connected to */
	uint64_t last[2]; /* offset of the last record of a chain; 0: none */
	int64_t last_answer_ns, last_up_ns; /* since start_ns; -1: none */
	uint32_t n_answered;
	uint64_t frame_bytes[2]; /* on the wire */
	uint64_t n_upkeep;
	uint64_t n_taken; /* UP frames that -Y took, and that are sent */
	struct pairing pairing;
};

struct captured_all {
	struct captured **list; /* n of cap, by index; owned */
	uint32_t n, cap;
	struct bnet_buf texts;
	struct map ids; /* (server, id and space) -> session */
};

/* Which ids: clients and nodes are numbered apart. */
enum captured_space {
	CAPTURED_CLIENT,
	CAPTURED_NODE
};

/* False when out of memory. */
bool captured_init(struct captured_all *all);
void captured_free(struct captured_all *all);

/* A stream of which the first packet came at at_ns after the capture's. */
struct captured *captured_new(const struct cap_stream *stream, int64_t at_ns);

/* It has a frame: it becomes a session. False when out of memory. */
bool captured_add(struct captured_all *all, struct captured *captured,
    const struct cap_stream *stream);

/* Offset of a copy of the text; 0, which is "", when there is no room. */
uint32_t
captured_text(struct captured_all *all, const char *text, size_t n_chars);

/* From now on it has that id. */
void captured_set_id(
    struct captured_all *all, struct captured *captured, uint64_t id);

/* The session that has it at its server now; TAPE_NONE: nobody known. */
uint32_t captured_whose(const struct captured_all *all, uint64_t server,
    enum captured_space space, uint64_t id);

/* It has left, and its id with it. */
void captured_gone(struct captured_all *all, struct captured *captured);

#endif
