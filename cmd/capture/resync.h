/* SPDX-License-Identifier: MIT */
/*
 * resync - find where frames start in bytes whose beginning is lost.
 *
 * The answer is the first place from which several well-formed frames follow
 * each other. A frame with a plausible BlueNet header is worth more than one
 * that is merely within the limits; empty frames (zeros) are worth nothing.
 * What looks like frames inside a longer frame is not it: where one with such a
 * header is open, later places wait for it. Owns the places that are still open,
 * not the bytes; called by flow.c.
 */
#ifndef CAPTURE_RESYNC_H
#define CAPTURE_RESYNC_H

#include "proto/buf.h"
#include "proto/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resync {
	enum bnet_order order; /* AUTO: either */
	uint32_t frame_max_bytes;
	bool at_start; /* only the first byte will do */
	size_t scanned; /* places judged so far */
	struct resync_chain *chain; /* those still open */
	size_t n_chains, cap_chains;
	uint64_t n_steps; /* frames looked at: what it cost */
};

void resync_init(struct resync *resync, enum bnet_order order,
    uint32_t frame_max_bytes, bool at_start);
void resync_free(struct resync *resync);

enum resync_result {
	RESYNC_FOUND, /* *at and *order are set */
	RESYNC_OPEN, /* more bytes may tell; *at: no frame starts before */
	RESYNC_NONE, /* none starts in these bytes */
};

/*
 * Judge `bytes`, which start where those of the call before did, and hold at
 * least as many. `last`: no more will follow, so fewer frames are enough if
 * they end with the bytes. Out of memory, places are passed over.
 */
enum resync_result resync_step(struct resync *resync, struct bnet_slice bytes,
    bool last, size_t *at, enum bnet_order *order);

/* What it holds itself, in bytes. */
size_t resync_held_bytes(const struct resync *resync);

/* The first `n` bytes, in which no frame starts, were dropped. */
void resync_dropped(struct resync *resync, size_t n);

#endif
