/* SPDX-License-Identifier: MIT */
#include "frame.h"

#include <stdbool.h>
#include <string.h>

#define SIZE_MASK ((UINT32_C(1) << 28) - 1)
#define CODECS (BNET_FRAME_F_ZLIB | BNET_FRAME_F_SNAPPY)
#define ZLIB_MIN_BYTES 12 /* the raw size, and a stream of nothing */
#define HEAD_BYTES (BNET_FRAME_WORD_BYTES + BNET_FRAME_OOB_BYTES)

uint32_t
bnet_order_get_u32(enum bnet_order order, const uint8_t p[4])
{
	if (order == BNET_ORDER_NETWORK)
		return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
		    (uint32_t)p[2] << 8 | p[3];
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[1] << 8 | p[0];
}

void
bnet_order_put_u32(enum bnet_order order, uint8_t p[4], uint32_t v)
{
	if (order == BNET_ORDER_NETWORK)
		v = v << 24 | (v & 0xff00) << 8 | (v >> 8 & 0xff00) | v >> 24;
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

/* Check the word and, once it has arrived, oob_len. Inlined for each frame. */
static inline __attribute__((always_inline)) enum bnet_err
judge(struct bnet_slice in, enum bnet_order order, uint32_t size_max_bytes,
    uint32_t *word, uint32_t *oob_bytes)
{
	*word = 0;
	*oob_bytes = 0;
	if (in.len < BNET_FRAME_WORD_BYTES)
		return BNET_MORE;
	*word = bnet_order_get_u32(order, in.p);
	if (*word & BNET_FRAME_F_RESERVED)
		return BNET_ERESERVED;
	if ((*word & CODECS) == CODECS)
		return BNET_ECODECS;
	if ((*word & SIZE_MASK) > size_max_bytes)
		return BNET_ESIZE;
	if (!(*word & BNET_FRAME_F_OOB))
		return BNET_OK;
	if ((*word & SIZE_MASK) < BNET_FRAME_OOB_BYTES)
		return BNET_EOOB;
	if (in.len < HEAD_BYTES)
		return BNET_MORE;
	*oob_bytes = bnet_order_get_u32(order, in.p + BNET_FRAME_WORD_BYTES);
	if (*oob_bytes > (*word & SIZE_MASK) - BNET_FRAME_OOB_BYTES)
		return BNET_EOOB;
	return BNET_OK;
}

enum bnet_err
bnet_frame_decode(struct bnet_slice in, enum bnet_order order,
    uint32_t size_max_bytes, struct bnet_frame *frame, size_t *used_bytes)
{
	uint32_t word, oob_bytes, head_bytes = BNET_FRAME_WORD_BYTES;
	enum bnet_err err;

	*used_bytes = 0;
	err = judge(in, order, size_max_bytes, &word, &oob_bytes);
	frame->flags = word & ~SIZE_MASK;
	frame->size_bytes = word & SIZE_MASK;
	if (err != BNET_OK)
		return err;
	if (in.len - BNET_FRAME_WORD_BYTES < frame->size_bytes)
		return BNET_MORE;
	if (frame->flags & BNET_FRAME_F_OOB)
		head_bytes = HEAD_BYTES;
	frame->oob = (struct bnet_slice){ in.p + head_bytes, oob_bytes };
	*used_bytes = BNET_FRAME_WORD_BYTES + (size_t)frame->size_bytes;
	frame->payload = (struct bnet_slice){ in.p + head_bytes + oob_bytes,
		*used_bytes - head_bytes - oob_bytes };
	return BNET_OK;
}

/*
 * A short frame in one order can be an empty compressed one in the other
 * (00000020 is 32 bytes, or zlib of nothing). So detection also looks at the
 * first bytes of a compressed payload without an out-of-band section. Waiting
 * for them never stalls: in the other order such a frame has at least 16 bytes.
 */
static enum bnet_err
judge_payload(struct bnet_slice in, enum bnet_order order, uint32_t word)
{
	uint32_t size = word & SIZE_MASK, raw_bytes;

	if ((word & CODECS) == 0 || (word & BNET_FRAME_F_OOB))
		return BNET_OK;
	if (size < (word & BNET_FRAME_F_ZLIB ? ZLIB_MIN_BYTES : 1))
		return BNET_EZLIB;
	if (size < BNET_FRAME_OOB_BYTES)
		return BNET_OK;
	if (in.len < HEAD_BYTES)
		return BNET_MORE;
	if (word & BNET_FRAME_F_SNAPPY) /* a length of 0 is one byte in all */
		return in.p[BNET_FRAME_WORD_BYTES] == 0 && size > 1
		    ? BNET_ESNAPPY
		    : BNET_OK;
	raw_bytes = bnet_order_get_u32(order, in.p + BNET_FRAME_WORD_BYTES);
	return raw_bytes / BNET_ZLIB_EXPANSION_MAX > size ? BNET_EZLIB
							  : BNET_OK;
}

/* Well formed in both orders: can the payloads distinguish them? */
static enum bnet_err
break_tie(struct bnet_slice in, uint32_t little_word, uint32_t network_word,
    enum bnet_order *order)
{
	enum bnet_err little, network;

	little = judge_payload(in, BNET_ORDER_LITTLE, little_word);
	network = judge_payload(in, BNET_ORDER_NETWORK, network_word);
	if (little == BNET_MORE || network == BNET_MORE)
		return BNET_MORE;
	if (little != BNET_OK && network == BNET_OK)
		*order = BNET_ORDER_NETWORK;
	else if (little == BNET_OK && network != BNET_OK)
		*order = BNET_ORDER_LITTLE;
	return BNET_OK;
}

enum bnet_err
bnet_frame_detect(
    struct bnet_slice in, uint32_t size_max_bytes, enum bnet_order *order)
{
	uint32_t little_word, network_word, oob_bytes;
	enum bnet_err little, network;

	*order = BNET_ORDER_AUTO;
	little = judge(
	    in, BNET_ORDER_LITTLE, size_max_bytes, &little_word, &oob_bytes);
	network = judge(
	    in, BNET_ORDER_NETWORK, size_max_bytes, &network_word, &oob_bytes);
	/*
	 * An undecided order waits for its oob_len only. No frame is so short
	 * that this wait would stall, and the answer does not depend on how
	 * the bytes were split into reads.
	 */
	if (little == BNET_MORE || network == BNET_MORE)
		return BNET_MORE;
	if (little == BNET_OK && network == BNET_OK)
		return break_tie(in, little_word, network_word, order);
	if (little != BNET_OK && network != BNET_OK)
		return little;
	*order = little == BNET_OK ? BNET_ORDER_LITTLE : BNET_ORDER_NETWORK;
	return BNET_OK;
}

enum bnet_err
bnet_frame_encode(const struct bnet_frame *frame, enum bnet_order order,
    uint32_t size_max_bytes, struct bnet_buf *out)
{
	size_t size, head_bytes = BNET_FRAME_WORD_BYTES;
	bool has_oob = (frame->flags & BNET_FRAME_F_OOB) != 0;
	uint8_t *p;
	enum bnet_err err;

	if (frame->flags & BNET_FRAME_F_RESERVED)
		return BNET_ERESERVED;
	if ((frame->flags & CODECS) == CODECS)
		return BNET_ECODECS;
	/* check each one alone first: the sum must not wrap */
	if (frame->payload.len > size_max_bytes ||
	    (has_oob && frame->oob.len > size_max_bytes))
		return BNET_ESIZE;
	size = frame->payload.len;
	if (has_oob) {
		size += BNET_FRAME_OOB_BYTES + frame->oob.len;
		head_bytes = HEAD_BYTES;
	}
	if (size > size_max_bytes || size > SIZE_MASK)
		return BNET_ESIZE;
	err = bnet_buf_room(out, BNET_FRAME_WORD_BYTES + size, &p);
	if (err != BNET_OK)
		return err;
	bnet_order_put_u32(
	    order, p, (uint32_t)size | (frame->flags & ~SIZE_MASK));
	if (has_oob) {
		bnet_order_put_u32(
		    order, p + BNET_FRAME_WORD_BYTES, (uint32_t)frame->oob.len);
		if (frame->oob.len > 0)
			memcpy(p + head_bytes, frame->oob.p, frame->oob.len);
		head_bytes += frame->oob.len;
	}
	if (frame->payload.len > 0)
		memcpy(p + head_bytes, frame->payload.p, frame->payload.len);
	bnet_buf_added(out, BNET_FRAME_WORD_BYTES + size);
	return BNET_OK;
}
