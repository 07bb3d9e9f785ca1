/* SPDX-License-Identifier: MIT */
#include "codec_impl.h"

#include <limits.h>
#include <stdlib.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

#define RAW_SIZE_BYTES 4

struct zlib_ctx {
	z_stream in; /* inflate */
	z_stream out; /* deflate */
};

/* zlib's own would do, but hides its allocations from the tests' faults. */
static voidpf
zlib_alloc(voidpf opaque, uInt n, uInt bytes)
{
	(void)opaque;
	return calloc(n, bytes);
}

static void
zlib_free(voidpf opaque, voidpf p)
{
	(void)opaque;
	free(p);
}

static void
zlib_close(void *arg)
{
	struct zlib_ctx *ctx = arg;

	(void)inflateEnd(&ctx->in);
	(void)deflateEnd(&ctx->out);
	free(ctx);
}

static void *
zlib_open(void)
{
	struct zlib_ctx *ctx = calloc(1, sizeof(*ctx));

	if (ctx == NULL)
		return NULL;
	ctx->in = (z_stream){ .zalloc = zlib_alloc, .zfree = zlib_free };
	ctx->out = ctx->in;
	if (inflateInit(&ctx->in) != Z_OK ||
	    deflateInit(&ctx->out, Z_DEFAULT_COMPRESSION) != Z_OK) {
		zlib_close(ctx);
		return NULL;
	}
	return ctx;
}

static enum bnet_err
zlib_decode(void *arg, enum bnet_order order, struct bnet_slice in,
    uint32_t max_bytes, struct bnet_buf *out)
{
	struct zlib_ctx *ctx = arg;
	z_stream *z = &ctx->in;
	uint32_t raw_bytes;
	uint8_t *tail;
	enum bnet_err err;

	if (in.len < RAW_SIZE_BYTES)
		return BNET_EZLIB;
	raw_bytes = bnet_order_get_u32(order, in.p);
	in = bnet_slice_from(in, RAW_SIZE_BYTES);
	if (raw_bytes > max_bytes)
		return BNET_EPAYLOAD;
	if (raw_bytes / BNET_ZLIB_EXPANSION_MAX > in.len || in.len > UINT32_MAX)
		return BNET_EZLIB;
	err = bnet_buf_room(out, raw_bytes, &tail);
	if (err != BNET_OK)
		return err;
	if (inflateReset(z) != Z_OK)
		return BNET_EZLIB;
	z->next_in = in.p;
	z->avail_in = (uInt)in.len;
	z->next_out = tail;
	z->avail_out = raw_bytes;
	switch (inflate(z, Z_FINISH)) {
	case Z_STREAM_END:
		break;
	case Z_MEM_ERROR: /* the window is allocated on first use */
		return BNET_ENOMEM;
	default:
		return BNET_EZLIB;
	}
	if (z->avail_in != 0 || z->avail_out != 0)
		return BNET_EZLIB;
	bnet_buf_added(out, raw_bytes);
	return BNET_OK;
}

static enum bnet_err
zlib_encode(void *arg, enum bnet_order order, struct bnet_slice in,
    struct bnet_buf *out)
{
	struct zlib_ctx *ctx = arg;
	z_stream *z = &ctx->out;
	static const uint8_t nothing;
	uLong bound;
	uint8_t *tail;
	enum bnet_err err;

	if (deflateReset(z) != Z_OK)
		return BNET_ENOMEM;
	bound = deflateBound(z, (uLong)in.len);
	err = bnet_buf_room(out, RAW_SIZE_BYTES + bound, &tail);
	if (err != BNET_OK)
		return err;
	bnet_order_put_u32(order, tail, (uint32_t)in.len);
	z->next_in = in.len == 0 ? &nothing : in.p;
	z->avail_in = (uInt)in.len;
	z->next_out = tail + RAW_SIZE_BYTES;
	z->avail_out = bound > UINT_MAX ? UINT_MAX : (uInt)bound;
	if (deflate(z, Z_FINISH) != Z_STREAM_END)
		return BNET_EPAYLOAD; /* only so near 4 GiB */
	bnet_buf_added(out, RAW_SIZE_BYTES + z->total_out);
	return BNET_OK;
}

const struct bnet_codec bnet_codec_zlib = {
	.name = "zlib",
	.open = zlib_open,
	.close = zlib_close,
	.decode = zlib_decode,
	.encode = zlib_encode,
};
