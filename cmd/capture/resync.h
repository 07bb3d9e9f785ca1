/* SPDX-License-Identifier: MIT */
/*
 * resync - finds the start of a frame in bytes whose beginning is lost.
 *
 * The result is the first position from which several well-formed frames follow
 * each other. A frame with a plausible BlueNet header counts more than one that
 * is merely within the limits; empty frames (zeros) count nothing. Bytes inside
 * a longer frame may look like frames: while a chain with such a header is
 * open, later positions wait for it. Owns the open positions, not the bytes;
 * called by
 * flow.c and left_out.c.
 */
#ifndef CAPTURE_RESYNC_H
#define CAPTURE_RESYNC_H

#include "proto/buf.h"
#include "proto/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resync {
	enum bnet_order order; /* AUTO: try both */
	uint32_t frame_max_bytes;
	size_t n_starts; /* only the first ones are accepted; 0: all */
	size_t scanned; /* positions judged so far */
	struct resync_chain *chain; /* the open ones */
	size_t n_chains, cap_chains;
	uint64_t cut_bytes; /* known to follow, but not captured; `last` only */
	uint64_t n_steps; /* frames examined: a measure of the cost */
};

void resync_init(struct resync *resync, enum bnet_order order,
    uint32_t frame_max_bytes, size_t n_starts);
void resync_free(struct resync *resync);

enum resync_result {
	RESYNC_FOUND, /* *at and *order are set */
	RESYNC_OPEN, /* more bytes are needed; *at: no frame starts before */
	RESYNC_NONE, /* no frame starts in these bytes */
};

/*
 * Judges `bytes`, which start where those of the previous call did and are at
 * least as many. `last`: no more will follow, so fewer frames are enough if
 * they end with the bytes. When out of memory, positions are skipped.
 */
enum resync_result resync_step(struct resync *resync, struct bnet_slice bytes,
    bool last, size_t *at, enum bnet_order *order);

/*
 * Do frames start with the first byte of `in`, the payload of a segment? Either
 * the first has a plausible header, or several end with the last byte.
 */
bool resync_starts_frame(
    struct bnet_slice in, uint32_t frame_max_bytes, bool *has_header);

/* The memory that it holds, in bytes. */
size_t resync_held_bytes(const struct resync *resync);

/* The first `n` bytes were dropped; no frame starts in them. */
void resync_dropped(struct resync *resync, size_t n);

#endif
