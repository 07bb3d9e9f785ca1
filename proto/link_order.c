/* SPDX-License-Identifier: MIT */
/*
 * The byte order of a stream whose first bytes are a frame in both orders: a
 * network frame of 256 bytes with a header (10000100) is also a little one of
 * 65,552 bytes without a header.
 */
#include "link_order_impl.h"

#include "header.h"

#include <stdbool.h>

#define HEAD_BYTES (BNET_FRAME_WORD_BYTES + BNET_FRAME_OOB_BYTES)

/* A first frame as read in one order. */
struct reading {
	size_t whole_bytes; /* with the word */
	size_t oob_end_bytes; /* where the out-of-band bytes end, or 0 */
};

/* `in` is well formed in that order, and holds oob_len where there is one. */
static struct reading
read_as(enum bnet_order order, struct bnet_slice in, uint32_t frame_max_bytes)
{
	struct reading as = { 0, 0 };
	struct bnet_frame frame;
	enum bnet_err err;
	size_t used;

	err = bnet_frame_decode(in, order, frame_max_bytes, &frame, &used);
	if (err != BNET_OK && err != BNET_MORE)
		return as;
	as.whole_bytes = BNET_FRAME_WORD_BYTES + (size_t)frame.size_bytes;
	if (frame.flags & BNET_FRAME_F_OOB)
		as.oob_end_bytes = HEAD_BYTES +
		    (size_t)bnet_order_get_u32(
			order, in.p + BNET_FRAME_WORD_BYTES);
	return as;
}

static bool
is_header(struct bnet_slice in, size_t oob_end_bytes)
{
	struct bnet_header header;
	size_t trailing_bytes;

	if (oob_end_bytes == 0)
		return false;
	in.len = oob_end_bytes;
	return bnet_header_decode(bnet_slice_from(in, HEAD_BYTES), &header,
		   NULL, &trailing_bytes) == BNET_OK &&
	    trailing_bytes == 0;
}

enum bnet_err
bnet_link_find_order(struct bnet_slice in, uint32_t frame_max_bytes,
    enum bnet_order *order, size_t *need_bytes)
{
	struct reading little, network;
	bool is_little, is_network;
	enum bnet_err err;

	*need_bytes =
	    in.len < BNET_FRAME_WORD_BYTES ? BNET_FRAME_WORD_BYTES : HEAD_BYTES;
	err = bnet_frame_detect(in, frame_max_bytes, order);
	if (err != BNET_OK || *order != BNET_ORDER_AUTO)
		return err;
	little = read_as(BNET_ORDER_LITTLE, in, frame_max_bytes);
	network = read_as(BNET_ORDER_NETWORK, in, frame_max_bytes);
	/*
	 * Bytes beyond the other frame may never come: the peer may wait for
	 * our answer. Ignore them even if they are there, or the answer would
	 * depend on how the stream was split into reads.
	 */
	if (little.oob_end_bytes > network.whole_bytes)
		little.oob_end_bytes = 0;
	if (network.oob_end_bytes > little.whole_bytes)
		network.oob_end_bytes = 0;
	*need_bytes = little.oob_end_bytes > network.oob_end_bytes
	    ? little.oob_end_bytes
	    : network.oob_end_bytes;
	if (in.len < *need_bytes)
		return BNET_MORE;
	is_little = is_header(in, little.oob_end_bytes);
	is_network = is_header(in, network.oob_end_bytes);
	if (is_little != is_network)
		*order = is_little ? BNET_ORDER_LITTLE : BNET_ORDER_NETWORK;
	return BNET_OK;
}
