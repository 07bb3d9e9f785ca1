/* SPDX-License-Identifier: MIT */
/* What codec.c shares with link.c; not installed. */
#ifndef BNET_CODEC_IMPL_H
#define BNET_CODEC_IMPL_H

#include "codec.h"
#include "header.h"

#define BNET_CODEC_N 3

/* One row per codec; `ctx` is the result of `open`, NULL if it has none. */
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
 * A thread's contexts, and the buffers that a link needs only during a call:
 * sharing them lets an idle link hold none.
 */
struct bnet_codecs {
	void *ctx[BNET_CODEC_N];
	struct bnet_buf inflated; /* the payload of the packet at hand */
	struct bnet_buf deflated; /* the payload being sent */
	struct bnet_buf header; /* the header being sent */
	struct bnet_header last_header; /* encoded in `header`, if has_last */
	bool has_last;
	struct bnet_buf plain; /* received TLS plaintext */
};

extern const struct bnet_codec bnet_codec_zlib;
extern const struct bnet_codec bnet_codec_snappy;

#endif
