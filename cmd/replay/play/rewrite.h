/* SPDX-License-Identifier: MIT */
/*
 * rewrite - the header of a captured frame, made to fit the live cluster.
 *
 *	source		the own captured id becomes the live one
 *	dest, CLIENT	captured ids become those of the players who have them
 *	dest, NODE	as --map-node says; the relay's own id; played nodes
 *	forks		as CLIENT
 *	timestamp	a ping becomes a ping of now (the cookie of its pong)
 *
 * Everything else, bytes behind the header too, and a header in which nothing
 * of this is to be changed, stays as it was. Payloads are not touched.
 */
#ifndef REPLAY_REWRITE_H
#define REPLAY_REWRITE_H

#include "cmd/replay/live.h"
#include "cmd/replay/options.h"
#include "cmd/replay/tape/tape.h"
#include "proto/header.h"

#include <stdbool.h>
#include <stdint.h>

#define REWRITE_MEMO_BYTES 40

/* Of a thread. Zeroed, then rewrite_scratch_init(). */
struct rewrite_scratch {
	struct bnet_buf oob; /* the last result */
	uint64_t *fork_ids; /* owned; room for n_fork_ids */
	uint32_t n_fork_ids;
};

void rewrite_scratch_init(struct rewrite_scratch *scratch);
void rewrite_scratch_free(struct rewrite_scratch *scratch);

/*
 * Of one player. Headers in a row are mostly the same: the last one that
 * needed no time of its own is remembered.
 */
struct rewrite {
	uint64_t id, relay_id; /* live; 0: not known */
	uint64_t memo_generation;
	uint32_t memo_ref;
	uint8_t memo_in_bytes, memo_out_bytes; /* 0: no memo */
	uint8_t memo_in[REWRITE_MEMO_BYTES], memo_out[REWRITE_MEMO_BYTES];
	struct bnet_header memo_header; /* as it is sent */
};

struct rewrite_context {
	const struct replay_options *opt;
	const struct live *live;
	const struct tape_session *session;
	uint32_t clone, round;
	uint64_t now_us; /* what a ping carries; not 0 */
};

/*
 * The out-of-band bytes to send for a record with TAPE_R_HEADER, and its header
 * as it will be. *oob is borrowed from the tape, `rewrite` or `scratch`, until
 * the next call. False: it is no header, or memory is out; send it as it was.
 */
bool rewrite_header(struct rewrite *rewrite, struct rewrite_scratch *scratch,
    const struct rewrite_context *context, const struct tape_record *record,
    struct bnet_slice *oob, struct bnet_header *header);

#endif
