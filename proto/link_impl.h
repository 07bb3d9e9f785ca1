/* SPDX-License-Identifier: MIT */
/*
 * link_impl - runs of frames: what bnet_link does for an owner that passes on
 * frames as they are. For cmd/engine; not installed.
 */
#ifndef BNET_LINK_IMPL_H
#define BNET_LINK_IMPL_H

#include "link.h"

#define BNET_RUN_OOB_MAX_BYTES 32

/*
 * Whole frames in a row whose flags and out-of-band bytes are the same; there
 * are some of these. Their payloads are not looked at.
 */
struct bnet_run {
	enum bnet_order order; /* LITTLE or NETWORK */
	enum bnet_codec_id codec;
	struct bnet_slice oob; /* of each; at most BNET_RUN_OOB_MAX_BYTES */
	struct bnet_slice bytes; /* the frames; all of this is borrowed */
	size_t n_frames;
	uint32_t size_max_bytes; /* after the word, of the longest */
};

/* True: it is taken. False: the sink gets each of its packets. */
typedef bool bnet_link_run(void *arg, const struct bnet_run *run);

/*
 * bnet_link_feed(), but frames that arrive whole, once the byte order is
 * known, are first shown to `run` (its `arg` is the sink's). NULL: none are.
 */
BNET_MUST enum bnet_err
bnet_link_feed_runs(struct bnet_link *link, struct bnet_slice in,
    const struct bnet_link_sink *sink, bnet_link_run *run, size_t *used_bytes);

#endif
