/* SPDX-License-Identifier: MIT */
/*
 * macho - a server application of machoNet: it answers calls as its file of
 * services says (bluenet-node(1), SERVICES). No clock and no I/O: a packet in,
 * packets out, each with its delay. For node.c, on one thread.
 */
#ifndef NODE_MACHO_H
#define NODE_MACHO_H

#include "cmd/node/services.h"
#include "proto/header.h"

struct macho;

enum macho_kind {
	MACHO_RESULT,
	MACHO_ERROR,
	MACHO_EVENT,
	MACHO_PONG,
};

/* A packet to send: to the source of the packet that was taken. */
struct macho_reply {
	enum macho_kind kind;
	bool to_node; /* the caller is a node, not a client */
	int64_t delay_ns;
	struct bnet_slice payload; /* borrowed for the call */
};

typedef void macho_emit(void *arg, const struct macho_reply *reply);

enum macho_taken {
	MACHO_FOREIGN, /* no machoNet packet, or none that is answered */
	MACHO_CALLED, /* what it answers was emitted */
	MACHO_SILENT, /* a call that is not answered */
	MACHO_FAILED, /* out of memory, or an answer that is too large */
};

/*
 * Takes over `services`, in any case. NULL: out of memory.
 */
struct macho *macho_new(struct services *services);
void macho_free(struct macho *macho); /* NULL is allowed */

/* Emits the events of a call, then its answer. */
enum macho_taken macho_take(struct macho *macho, struct bnet_slice payload,
    macho_emit *emit, void *arg);

#endif
