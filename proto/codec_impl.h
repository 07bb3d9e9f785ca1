/* SPDX-License-Identifier: MIT */
/* What a codec's file offers to codec.c; not installed. */
#ifndef BNET_CODEC_IMPL_H
#define BNET_CODEC_IMPL_H

#include "codec.h"

/* One row a codec; `ctx` is what `open` made, NULL where it has none. */
struct bnet_codec {
	const char *name;
	void *(*open)(void); /* NULL when out of memory */
	void (*close)(void *ctx);
	enum bnet_err (*decode)(void *ctx, enum bnet_order order,
	    struct bnet_slice in, uint32_t max_bytes, struct bnet_buf *out);
	enum bnet_err (*encode)(void *ctx, enum bnet_order order,
	    struct bnet_slice in, struct bnet_buf *out);
};

extern const struct bnet_codec bnet_codec_zlib;
extern const struct bnet_codec bnet_codec_snappy;

#endif
