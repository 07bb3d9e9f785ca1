/* SPDX-License-Identifier: MIT */
/*
 * bnet_codec - zlib and snappy of one payload (bluenet-wire.5, COMPRESSION).
 *
 *	zlib	u32 raw_size, then one RFC 1950 stream of exactly that many
 *	snappy	one raw snappy block
 *
 * Contexts are made once per thread (bnet_codecs_new) and reused. A claimed
 * size is held against the limit, and against what so few compressed bytes
 * can hold at the best, before it is allocated.
 */
#ifndef BNET_CODEC_H
#define BNET_CODEC_H

#include "buf.h"
#include "err.h"
#include "frame.h"

#include <stdint.h>

#define BNET_PAYLOAD_MAX_BYTES UINT32_C(20000000) /* the default limit */
#define BNET_THRESHOLD_BYTES UINT32_C(200) /* the default */

/* Also the bits of `codecs` in hello and welcome. */
enum bnet_codec_id {
	BNET_CODEC_NONE = 0,
	BNET_CODEC_ZLIB = 1,
	BNET_CODEC_SNAPPY = 2,
};

/* Reusable state of all codecs; used by one thread at a time. */
struct bnet_codecs;

/* Returns NULL when out of memory. */
struct bnet_codecs *bnet_codecs_new(void);

/* NULL is allowed. */
void bnet_codecs_free(struct bnet_codecs *codecs);

/*
 * Decode one payload, replacing the contents of `out`. `out` is not made
 * larger than the smaller of max_bytes and its ceiling (or 256 bytes, where
 * that is less). `order` is that of the connection; snappy does not need it.
 *	BNET_OK		out holds the whole payload
 *	BNET_EZLIB, BNET_ESNAPPY	short, long, trailing or corrupt
 *	BNET_EPAYLOAD	claims more than max_bytes
 *	BNET_ELIMIT, BNET_ENOMEM
 */
BNET_MUST enum bnet_err bnet_codec_decode(struct bnet_codecs *codecs,
    enum bnet_codec_id id, enum bnet_order order, struct bnet_slice in,
    uint32_t max_bytes, struct bnet_buf *out);

/*
 * Encode one payload, replacing the contents of `out`.
 *	BNET_OK		out holds what goes on the wire; whether it is worth
 *			sending is the caller's to judge
 *	BNET_EPAYLOAD	`in` is longer than a codec can say (4 GiB)
 *	BNET_ELIMIT, BNET_ENOMEM
 */
BNET_MUST enum bnet_err
bnet_codec_encode(struct bnet_codecs *codecs, enum bnet_codec_id id,
    enum bnet_order order, struct bnet_slice in, struct bnet_buf *out);

/* "none", "zlib", "snappy"; static. */
const char *bnet_codec_name(enum bnet_codec_id id);

#endif
