/* SPDX-License-Identifier: MIT */
/*
 * bnet_frame - cut a byte stream into frames, and put them together
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
 * No I/O, no allocation but in encode. Below: bnet_tls. Above: bnet_header.
 */
#ifndef BNET_FRAME_H
#define BNET_FRAME_H

#include "buf.h"
#include "err.h"

#include <stddef.h>
#include <stdint.h>

#define BNET_FRAME_WORD_BYTES 4
#define BNET_FRAME_OOB_BYTES 4 /* of oob_len */
#define BNET_FRAME_MAX_BYTES UINT32_C(1048576) /* the default limit */
#define BNET_FRAME_MAX_BYTES_TOP ((UINT32_C(1) << 28) - 1)

/*
 * The limit of a peer that said so (hello, welcome): 0 is the default, and
 * none is above BNET_FRAME_MAX_BYTES_TOP, which is all that a word can say.
 */
static inline uint32_t
bnet_frame_max(uint32_t said_bytes)
{
	if (said_bytes == 0)
		return BNET_FRAME_MAX_BYTES;
	return said_bytes > BNET_FRAME_MAX_BYTES_TOP ? BNET_FRAME_MAX_BYTES_TOP
						     : said_bytes;
}

/* deflate can not do better: zlib's technical notes, "maximum expansion" */
#define BNET_ZLIB_EXPANSION_MAX 1032

#define BNET_FRAME_F_OOB (UINT32_C(1) << 28)
#define BNET_FRAME_F_ZLIB (UINT32_C(1) << 29)
#define BNET_FRAME_F_SNAPPY (UINT32_C(1) << 30)
#define BNET_FRAME_F_RESERVED (UINT32_C(1) << 31)

/* Byte order of word, oob_len and the zlib raw size; one per connection. */
enum bnet_order {
	BNET_ORDER_AUTO = 0, /* not known yet */
	BNET_ORDER_LITTLE, /* CarbonIO; ours when we speak first */
	BNET_ORDER_NETWORK, /* newer carbon-io */
};

struct bnet_frame {
	uint32_t flags; /* BNET_FRAME_F_* */
	uint32_t size_bytes; /* after the word */
	struct bnet_slice oob; /* borrowed from decode's input; */
	struct bnet_slice payload; /* so is this, still compressed */
};

/*
 * Decode the first frame of `in`. Flags and lengths are judged as soon as
 * they are in. order is LITTLE or NETWORK.
 *	BNET_OK		*frame set, *used_bytes is what it took
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
 * Where both do, and an out-of-band section does not stand before it, the
 * first 4 bytes of a compressed payload may tell: it is not empty, zlib does
 * not claim more than so few bytes can hold, and a snappy block of more than
 * one byte does not claim to be empty. A link asks the header too.
 *	BNET_OK		*order is LITTLE or NETWORK, or AUTO where that does
 *			not tell: keep the default, ask again at the next frame
 *	BNET_MORE	`in` is too short to tell (8 bytes always suffice)
 *	else		neither does; the error is that of `LITTLE`
 */
BNET_MUST enum bnet_err bnet_frame_detect(
    struct bnet_slice in, uint32_t size_max_bytes, enum bnet_order *order);

/*
 * Append a frame to `out`: word, and with BNET_FRAME_F_OOB oob_len and oob,
 * then payload. frame->size_bytes is not read.
 *	BNET_OK
 *	BNET_ERESERVED	flags has bit 31
 *	BNET_ECODECS	flags has both codecs
 *	BNET_ESIZE	it would be over size_max_bytes
 *	BNET_ELIMIT, BNET_ENOMEM
 * `out` is unchanged on error.
 */
BNET_MUST enum bnet_err bnet_frame_encode(const struct bnet_frame *frame,
    enum bnet_order order, uint32_t size_max_bytes, struct bnet_buf *out);

/* A u32 in that order. */
uint32_t bnet_order_get_u32(enum bnet_order order, const uint8_t p[4]);
void bnet_order_put_u32(enum bnet_order order, uint8_t p[4], uint32_t v);

#endif
