/* SPDX-License-Identifier: MIT */
/*
 * diff - did the cluster answer the same? Frames received against frames
 * captured, for each player, in the order of each key.
 *
 * Only what comes from applications and relays on purpose is compared: the
 * session messages that a relay sends of itself (welcome, keepalive, roster,
 * ...; dest_type HOP) are not, but bluenet.error is. Of echo-reply and error
 * the payloads are compared field by field, without clocks and reason texts.
 *
 * Ids are those of the capture: the caller maps live ones back. Each worker
 * has a diff of its own; at the end they are merged.
 */
#ifndef REPLAY_DIFF_H
#define REPLAY_DIFF_H

#include "cmd/common/cli.h"
#include "cmd/common/keys.h"
#include "cmd/replay/tape/tape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define DIFF_MASKS_MAX 64
#define DIFF_EXAMPLES_MAX 10 /* shown in full */

/* A part of a frame that --ignore leaves out. */
struct diff_mask {
	int field; /* row of the table of fields */
	uint64_t from, to; /* payload[from:to]; to 0: to its end */
};

struct diff_masks {
	struct diff_mask masks[DIFF_MASKS_MAX];
	size_t n;
};

/*
 * "serial,payload[0:8]": names of header fields, header (that there is one),
 * trailing (bytes behind it), codec, payload, missing, extra, order. In any
 * case, and alone where `text` is NULL: latency_ms and timestamp. False: err
 * says what, where, and what there is.
 */
bool diff_masks_parse(
    struct diff_masks *masks, const char *text, char err[CLI_ERR_CHARS]);

enum diff_kind {
	DIFF_MISSING = 0, /* captured, not received */
	DIFF_EXTRA, /* received, not captured */
	DIFF_ORDER, /* received, but not in that place */
	DIFF_HEADER,
	DIFF_CODEC, /* compressed otherwise */
	DIFF_PAYLOAD,
	DIFF_N_KINDS
};

struct diff;

/* Borrows both. NULL when out of memory. */
struct diff *diff_new(const struct tape *tape, const struct diff_masks *masks);
void diff_free(struct diff *diff); /* NULL is allowed */

/* What is remembered of a player; zeroed, then diff's own. */
struct diff_player {
	void *state; /* owned by diff */
};

/* What an id of the cluster, a node's or a client's, was in the capture. */
struct diff_ids {
	int64_t (*captured)(void *arg, bool node, int64_t id);
	void *arg;
};

/*
 * A frame came. `payload` is decompressed; its codec is how it came. Memory is
 * bounded, in each player and in all: what is not looked at because of that is
 * counted (diff_unlooked()), and told. `ids` NULL: they are the captured ones.
 * False: it is one that is never compared, such as a keepalive.
 */
bool
diff_received(struct diff *diff, struct diff_player *player, uint32_t session,
    const struct bnet_packet *packet, const struct diff_ids *ids);

/*
 * It is over: what is missing is counted, `player` is zeroed. Where the
 * player was stopped early (`sent_to`: the record that it would have sent
 * next; NULL: all was sent) frames captured later than that are not missed.
 */
void diff_ended(struct diff *diff, struct diff_player *player, uint32_t session,
    const struct tape_record *sent_to);

/* NULL adds nothing. False when out of memory. */
bool diff_merge(struct diff *diff, const struct diff *from);

uint64_t diff_compared(const struct diff *diff);
uint64_t diff_count(const struct diff *diff, enum diff_kind kind);
uint64_t diff_total(const struct diff *diff);
uint64_t diff_unlooked(const struct diff *diff);

/* The summary by kind and key, and the first few differences in full. */
void diff_print(const struct diff *diff, const struct keys *keys, FILE *out);

#endif
