/* SPDX-License-Identifier: MIT */
/*
 * resync - find where frames start in bytes whose beginning is lost.
 *
 * The answer is the first place from which several well-formed frames follow
 * each other. A frame with a plausible BlueNet header is worth more than one
 * that is merely within the limits; empty frames (zeros) are worth nothing.
 * What looks like frames inside a longer frame is not it: where one with such a
 * header is open, later places wait for it.
 */
#ifndef CAPTURE_RESYNC_H
#define CAPTURE_RESYNC_H

#include "proto/buf.h"
#include "proto/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hunt {
	enum bnet_order order; /* AUTO: either */
	uint32_t frame_max_bytes;
	bool at_start; /* only the first byte will do */
	size_t scanned; /* places judged so far */
	struct hunt_chain *chain; /* those still open */
	size_t n_chains, cap_chains;
	uint64_t n_steps; /* frames looked at: what it cost */
};

void hunt_init(struct hunt *hunt, enum bnet_order order,
    uint32_t frame_max_bytes, bool at_start);
void hunt_free(struct hunt *hunt);

enum hunt_result {
	HUNT_FOUND, /* *at and *order are set */
	HUNT_OPEN, /* more bytes may tell; *at: no frame starts before */
	HUNT_NONE, /* none starts in these bytes */
};

/*
 * Judge `bytes`, which start where those of the call before did, and hold at
 * least as many. `last`: no more will follow, so fewer frames are enough if
 * they end with the bytes. Out of memory, places are passed over.
 */
enum hunt_result hunt_step(struct hunt *hunt, struct bnet_slice bytes,
    bool last, size_t *at, enum bnet_order *order);

/* What it holds itself, in bytes. */
size_t hunt_held_bytes(const struct hunt *hunt);

/* The first `n` bytes, in which no frame starts, were dropped. */
void hunt_dropped(struct hunt *hunt, size_t n);

#endif
