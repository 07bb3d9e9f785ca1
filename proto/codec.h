/* SPDX-License-Identifier: MIT */
/*
 * bnet_codec - zlib and snappy for one payload (bluenet-wire.5, COMPRESSION).
 *
 *	zlib	u32 raw_size, then one RFC 1950 stream of exactly that many
 *	snappy	one raw snappy block
 *
 * Contexts are made once per thread (bnet_codecs_new) and reused. Before
 * anything is allocated, a claimed size is checked against the limit and
 * against the best ratio that the compressed bytes can reach.
 */
#ifndef BNET_CODEC_H
#define BNET_CODEC_H

#include "buf.h"
#include "err.h"
#include "frame.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

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
 * Decode one payload, replacing the contents of `out`. `out` does not grow
 * beyond the smaller of max_bytes and its ceiling (but at least 256 bytes are
 * allowed). `order` is that of the connection; snappy ignores it.
 *	BNET_OK		out holds the whole payload
 *	BNET_EZLIB, BNET_ESNAPPY
 *			the payload is short, long, trailing or corrupt
 *	BNET_EPAYLOAD	it claims more than max_bytes
 *	BNET_ELIMIT, BNET_ENOMEM
 */
BNET_MUST enum bnet_err bnet_codec_decode(struct bnet_codecs *codecs,
    enum bnet_codec_id id, enum bnet_order order, struct bnet_slice in,
    uint32_t max_bytes, struct bnet_buf *out);

/*
 * Encode one payload, replacing the contents of `out`.
 *	BNET_OK		out holds the bytes for the wire; the caller decides
 *			whether they are worth sending
 *	BNET_EPAYLOAD	`in` is longer than a codec can express (4 GiB)
 *	BNET_ELIMIT, BNET_ENOMEM
 */
BNET_MUST enum bnet_err
bnet_codec_encode(struct bnet_codecs *codecs, enum bnet_codec_id id,
    enum bnet_order order, struct bnet_slice in, struct bnet_buf *out);

/* "none", "zlib", "snappy"; static. */
const char *bnet_codec_name(enum bnet_codec_id id);

#ifdef __cplusplus
}
#endif

#endif
