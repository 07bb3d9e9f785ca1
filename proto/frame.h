/* SPDX-License-Identifier: MIT */
/*
 * bnet_frame - split a byte stream into frames, and build frames
 * (bluenet-wire.5, FRAME).
 *
 *	 0               4               8
 *	 | word u32      | oob_len u32   | oob ...        | payload ...
 *	                 '--- only if bit 28 of word ----'
 *	 word  bits 0-27  number of bytes after the word
 *	       bit  28    an out-of-band section follows
 *	       bit  29    the payload is zlib-compressed
 *	       bit  30    the payload is snappy-compressed
 *	       bit  31    reserved: malformed
 *
 * No I/O; only encode allocates. Below: bnet_tls. Above: bnet_header.
 */
#ifndef BNET_FRAME_H
#define BNET_FRAME_H

#include "buf.h"
#include "err.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BNET_FRAME_WORD_BYTES 4
#define BNET_FRAME_OOB_BYTES 4 /* of oob_len */
#define BNET_FRAME_MAX_BYTES UINT32_C(1048576) /* the default limit */
#define BNET_FRAME_MAX_BYTES_TOP ((UINT32_C(1) << 28) - 1)

/*
 * The frame limit that a peer announced (hello, welcome): 0 means the default.
 * The result is at most BNET_FRAME_MAX_BYTES_TOP, the most a word can express.
 */
static inline uint32_t
bnet_frame_max(uint32_t said_bytes)
{
	if (said_bytes == 0)
		return BNET_FRAME_MAX_BYTES;
	return said_bytes > BNET_FRAME_MAX_BYTES_TOP ? BNET_FRAME_MAX_BYTES_TOP
						     : said_bytes;
}

/* the most deflate reaches: zlib's technical notes, "maximum expansion" */
#define BNET_ZLIB_EXPANSION_MAX 1032

#define BNET_FRAME_F_OOB (UINT32_C(1) << 28)
#define BNET_FRAME_F_ZLIB (UINT32_C(1) << 29)
#define BNET_FRAME_F_SNAPPY (UINT32_C(1) << 30)
#define BNET_FRAME_F_RESERVED (UINT32_C(1) << 31)

/* Byte order of word, oob_len and the zlib raw size; one per connection. */
enum bnet_order {
	BNET_ORDER_AUTO = 0, /* not known yet */
	BNET_ORDER_LITTLE, /* CarbonIO; used when we speak first */
	BNET_ORDER_NETWORK, /* newer carbon-io */
};

struct bnet_frame {
	uint32_t flags; /* BNET_FRAME_F_* */
	uint32_t size_bytes; /* after the word */
	struct bnet_slice oob; /* borrowed from decode's input; */
	struct bnet_slice payload; /* so is this, still compressed */
};

/*
 * Decode the first frame of `in`. Flags and lengths are checked as soon as
 * they have arrived. order is LITTLE or NETWORK.
 *	BNET_OK		*frame is set, *used_bytes is the length of the frame
 *	BNET_MORE	valid prefix; *used_bytes is 0, and frame->size_bytes
 *			is set if `in` holds the word (else 0)
 *	BNET_ERESERVED, BNET_ECODECS, BNET_EOOB, BNET_ESIZE
 *			the stream is lost; *used_bytes is 0
 */
BNET_MUST enum bnet_err
bnet_frame_decode(struct bnet_slice in, enum bnet_order order,
    uint32_t size_max_bytes, struct bnet_frame *frame, size_t *used_bytes);

/*
 * Which order makes the first frame of `in` well formed and within the limit?
 * If both do, the first 4 bytes of a compressed payload without an out-of-band
 * section can decide: the payload is not empty, zlib does not claim more than
 * its bytes can hold, and a snappy block of more than one byte does not claim
 * to be empty. A link checks the header as well.
 *	BNET_OK		*order is LITTLE or NETWORK, or AUTO if undecided: keep
 *			the default, and ask again at the next frame
 *	BNET_MORE	`in` is too short to decide (8 bytes always suffice)
 *	else		neither order does; the error is that of LITTLE
 */
BNET_MUST enum bnet_err bnet_frame_detect(
    struct bnet_slice in, uint32_t size_max_bytes, enum bnet_order *order);

/*
 * Append a frame to `out`: the word; with BNET_FRAME_F_OOB, oob_len and oob;
 * then the payload. frame->size_bytes is not read.
 *	BNET_OK
 *	BNET_ERESERVED	flags has bit 31
 *	BNET_ECODECS	flags has both codecs
 *	BNET_ESIZE	the frame would exceed size_max_bytes
 *	BNET_ELIMIT, BNET_ENOMEM
 * `out` is unchanged on error.
 */
BNET_MUST enum bnet_err bnet_frame_encode(const struct bnet_frame *frame,
    enum bnet_order order, uint32_t size_max_bytes, struct bnet_buf *out);

/* Read a u32 in the given order. */
uint32_t bnet_order_get_u32(enum bnet_order order, const uint8_t p[4]);
void bnet_order_put_u32(enum bnet_order order, uint8_t p[4], uint32_t v);

#ifdef __cplusplus
}
#endif

#endif
