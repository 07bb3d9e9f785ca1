/* SPDX-License-Identifier: MIT */
/*
 * call - the calls of machoNet and what answers them: one rule for all who
 * pair them.
 *
 * An answer has the call's id and goes the other way, to the client that
 * called. Who that is, the call says itself, or its header (of a relay, towards
 * a node); where neither does, it is nobody in particular. Called by the
 * decoder's -z calls, and by the replay for captured and live frames.
 */
#ifndef COMMON_CALL_H
#define COMMON_CALL_H

#include "cmd/common/payload.h"
#include "proto/link.h"

#include <stdbool.h>
#include <stdint.h>

#define CALL_NAME_BYTES 96 /* "service::method"; of a longer one, the start */
#define CALL_NAME_WORDS (CALL_NAME_BYTES / sizeof(uint64_t))

/* Printable ASCII (the names are a peer's), filled up with NULs. */
union call_name {
	uint64_t words[CALL_NAME_WORDS]; /* a key of a map */
	char text[CALL_NAME_BYTES];
};

enum call_kind {
	CALL_NONE = 0, /* neither a call nor an answer with an id */
	CALL_MADE, /* with or without an id */
	CALL_RESULT,
	CALL_ERROR,
};

struct call {
	enum call_kind kind;
	bool has_id;
	int64_t id;
	int64_t client; /* that calls or is answered; 0: not said */
};

/* What the payload of this frame is; `payload` may be NULL. */
void call_of(const struct payload *payload, const struct bnet_packet *frame,
    struct call *call);

/* The name of a call. */
void call_name_of(const struct bnet_brief *brief, union call_name *name);

#endif
