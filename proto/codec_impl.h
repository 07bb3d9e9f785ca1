/* SPDX-License-Identifier: MIT */
/* What codec.c lends to link.c for a call; not installed. */
#ifndef BNET_CODEC_IMPL_H
#define BNET_CODEC_IMPL_H

#include "codec.h"
#include "header.h"

#define BNET_CODEC_N 3

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

/*
 * A thread's contexts, and the buffers that a link needs only during a call,
 * so that an idle link holds none.
 */
struct bnet_codecs {
	void *ctx[BNET_CODEC_N];
	struct bnet_buf inflated; /* the payload of the packet at hand */
	struct bnet_buf deflated; /* the payload being sent */
	struct bnet_buf header; /* the header being sent */
	struct bnet_header last_header; /* what that is of, if has_last */
	bool has_last;
	struct bnet_buf plain; /* TLS plaintext that came in */
};

extern const struct bnet_codec bnet_codec_zlib;
extern const struct bnet_codec bnet_codec_snappy;

#endif
