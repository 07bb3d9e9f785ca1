/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a row of frames, after a byte of settings: each step takes at
 * least a word and no more than there is, a frame put together again is the
 * same bytes, and every prefix of one is a valid prefix.
 */
#include "proto/frame.h"

#include "tests/fuzz/fuzz.h"

static const uint32_t limits[] = { 0, 1, 3, 4, 64, 4096, BNET_FRAME_MAX_BYTES,
	BNET_FRAME_MAX_BYTES_TOP };

static bool
is_lost(enum bnet_err err)
{
	return err == BNET_ERESERVED || err == BNET_ECODECS ||
	    err == BNET_EOOB || err == BNET_ESIZE;
}

static enum bnet_err
first_error(struct bnet_slice in, enum bnet_order order, uint32_t max)
{
	struct bnet_frame frame;
	size_t used;

	return bnet_frame_decode(in, order, max, &frame, &used);
}

/* An order that is found is possible, and the only one where one is. */
static void
check_detect(struct bnet_slice in, uint32_t max)
{
	enum bnet_order order;
	enum bnet_err err = bnet_frame_detect(in, max, &order);
	enum bnet_err little = first_error(in, BNET_ORDER_LITTLE, max);
	enum bnet_err network = first_error(in, BNET_ORDER_NETWORK, max);

	if (err == BNET_MORE) {
		MUST_HOLD(in.len < 8);
		MUST_HOLD(!is_lost(little) || !is_lost(network));
	} else if (err == BNET_OK) {
		MUST_HOLD(order == BNET_ORDER_NETWORK || !is_lost(little));
		MUST_HOLD(order == BNET_ORDER_LITTLE || !is_lost(network));
	} else {
		MUST_HOLD(err == little && is_lost(network));
	}
}

/* The frame less its last bytes is one that is not there yet. */
static void
check_prefix(
    struct bnet_slice whole, enum bnet_order order, uint32_t max, size_t n)
{
	struct bnet_slice cut = fuzz_copy((struct bnet_slice){ whole.p, n });
	struct bnet_frame frame;
	size_t used;

	MUST_HOLD(
	    bnet_frame_decode(cut, order, max, &frame, &used) == BNET_MORE);
	MUST_HOLD(used == 0);
	MUST_HOLD(frame.size_bytes ==
	    (n < BNET_FRAME_WORD_BYTES ? 0
				       : whole.len - BNET_FRAME_WORD_BYTES));
	fuzz_free(cut);
}

static void
check_encode(const struct bnet_frame *frame, struct bnet_slice whole,
    enum bnet_order order, uint32_t max)
{
	struct bnet_buf out;

	bnet_buf_init(&out, whole.len);
	MUST_HOLD(bnet_frame_encode(frame, order, max, &out) == BNET_OK);
	MUST_HOLD(fuzz_same(bnet_buf_slice(&out), whole));
	MUST_HOLD(bnet_frame_encode(frame, order, max, &out) == BNET_ELIMIT);
	MUST_HOLD(out.len == whole.len);
	if (frame->size_bytes > 0)
		MUST_HOLD(bnet_frame_encode(frame, order, frame->size_bytes - 1,
			      &out) == BNET_ESIZE);
	MUST_HOLD(fuzz_same(bnet_buf_slice(&out), whole));
	bnet_buf_free(&out);
}

static void
check_frame(const struct bnet_frame *frame, struct bnet_slice whole,
    enum bnet_order order, uint32_t max, uint8_t cut)
{
	const uint8_t *end = whole.p + whole.len;
	bool has_oob = (frame->flags & BNET_FRAME_F_OOB) != 0;

	MUST_HOLD(frame->size_bytes <= max);
	MUST_HOLD(whole.len == BNET_FRAME_WORD_BYTES + frame->size_bytes);
	MUST_HOLD(has_oob || frame->oob.len == 0);
	MUST_HOLD(frame->size_bytes ==
	    frame->payload.len + frame->oob.len +
		(has_oob ? BNET_FRAME_OOB_BYTES : 0));
	MUST_HOLD(frame->payload.p + frame->payload.len == end);
	MUST_HOLD(!(frame->flags & BNET_FRAME_F_RESERVED));
	check_encode(frame, whole, order, max);
	check_prefix(whole, order, max, cut % whole.len);
	check_prefix(whole, order, max, whole.len - 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bnet_slice rest = { data, size };
	uint8_t set = fuzz_byte(&rest);
	enum bnet_order order =
	    set & 1 ? BNET_ORDER_NETWORK : BNET_ORDER_LITTLE;
	uint32_t max = limits[set >> 1 & 7];
	struct bnet_frame frame;
	enum bnet_err err;
	size_t used;

	for (;;) {
		check_detect(rest, max);
		err = bnet_frame_decode(rest, order, max, &frame, &used);
		if (err != BNET_OK)
			break;
		MUST_HOLD(used >= BNET_FRAME_WORD_BYTES && used <= rest.len);
		check_frame(&frame, (struct bnet_slice){ rest.p, used }, order,
		    max, set >> 4);
		rest = bnet_slice_from(rest, used);
	}
	MUST_HOLD(used == 0);
	MUST_HOLD(err == BNET_MORE || is_lost(err));
	return 0;
}
