/* SPDX-License-Identifier: MIT */
/*
 * In this order: snappy; zlib; the contexts of a thread, and the choice of
 * codec for a payload.
 */
#include "codec.h"

#include "codec_impl.h"

#include <limits.h>
#include <snappy-c.h>
#include <stdlib.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

/*
 * The densest element is a copy of 64 bytes in 3 (format_description of
 * snappy, "Copy with 2-byte offset"); a claim beyond that is false.
 */
#define COPY_BYTES 64
#define COPY_COST 3

static enum bnet_err
decode(void *ctx, enum bnet_order order, struct bnet_slice in,
    uint32_t max_bytes, struct bnet_buf *out)
{
	const char *p = (const char *)in.p;
	size_t raw_bytes, got_bytes;
	uint8_t *tail;
	enum bnet_err err;

	(void)ctx;
	(void)order;
	if (in.len == 0 ||
	    snappy_uncompressed_length(p, in.len, &raw_bytes) != SNAPPY_OK)
		return BNET_ESNAPPY;
	if (raw_bytes > max_bytes)
		return BNET_EPAYLOAD;
	if (raw_bytes / COPY_BYTES > in.len / COPY_COST + 1)
		return BNET_ESNAPPY;
	err = bnet_buf_room(out, raw_bytes, &tail);
	if (err != BNET_OK)
		return err;
	got_bytes = raw_bytes;
	if (snappy_uncompress(p, in.len, (char *)tail, &got_bytes) !=
		SNAPPY_OK ||
	    got_bytes != raw_bytes)
		return BNET_ESNAPPY;
	bnet_buf_added(out, raw_bytes);
	return BNET_OK;
}

static enum bnet_err
encode(void *ctx, enum bnet_order order, struct bnet_slice in,
    struct bnet_buf *out)
{
	size_t n = snappy_max_compressed_length(in.len);
	uint8_t *tail;
	enum bnet_err err;

	(void)ctx;
	(void)order;
	err = bnet_buf_room(out, n, &tail);
	if (err != BNET_OK)
		return err;
	if (snappy_compress(in.len == 0 ? "" : (const char *)in.p, in.len,
		(char *)tail, &n) != SNAPPY_OK)
		return BNET_ENOMEM;
	bnet_buf_added(out, n);
	return BNET_OK;
}

const struct bnet_codec bnet_codec_snappy = {
	.name = "snappy",
	.decode = decode,
	.encode = encode,
};

#define RAW_SIZE_BYTES 4

struct zlib_ctx {
	z_stream in; /* inflate */
	z_stream out; /* deflate */
};

/* zlib's own allocator would hide allocations from fault injection. */
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
		return BNET_EPAYLOAD; /* only close to 4 GiB */
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

static const struct bnet_codec *const table[BNET_CODEC_N] = {
	[BNET_CODEC_ZLIB] = &bnet_codec_zlib,
	[BNET_CODEC_SNAPPY] = &bnet_codec_snappy,
};

#define HEADER_MAX_BYTES (UINT32_C(1) << 28) /* no frame holds more */
#define PLAIN_MAX_BYTES (UINT32_C(1) << 28)

struct bnet_codecs *
bnet_codecs_new(void)
{
	struct bnet_codecs *codecs = calloc(1, sizeof(*codecs));

	if (codecs == NULL)
		return NULL;
	bnet_buf_init(&codecs->inflated, UINT32_MAX);
	bnet_buf_init(&codecs->deflated, SIZE_MAX / 2);
	bnet_buf_init(&codecs->header, HEADER_MAX_BYTES);
	bnet_buf_init(&codecs->plain, PLAIN_MAX_BYTES);
	for (size_t i = 0; i < BNET_CODEC_N; i++) {
		if (table[i] == NULL || table[i]->open == NULL)
			continue;
		codecs->ctx[i] = table[i]->open();
		if (codecs->ctx[i] == NULL) {
			bnet_codecs_free(codecs);
			return NULL;
		}
	}
	return codecs;
}

void
bnet_codecs_free(struct bnet_codecs *codecs)
{
	if (codecs == NULL)
		return;
	for (size_t i = 0; i < BNET_CODEC_N; i++)
		if (codecs->ctx[i] != NULL)
			table[i]->close(codecs->ctx[i]);
	bnet_buf_free(&codecs->inflated);
	bnet_buf_free(&codecs->deflated);
	bnet_buf_free(&codecs->header);
	bnet_buf_free(&codecs->plain);
	free(codecs);
}

enum bnet_err
bnet_codec_decode(struct bnet_codecs *codecs, enum bnet_codec_id id,
    enum bnet_order order, struct bnet_slice in, uint32_t max_bytes,
    struct bnet_buf *out)
{
	const size_t ceiling = out->max;
	enum bnet_err err;

	bnet_buf_clear(out);
	/* a buffer grows by doubling, but not beyond its ceiling */
	if (out->max > max_bytes)
		out->max = max_bytes;
	if (id != BNET_CODEC_NONE)
		err = table[id]->decode(
		    codecs->ctx[id], order, in, max_bytes, out);
	else
		err = in.len > max_bytes ? BNET_EPAYLOAD
					 : bnet_buf_append(out, in);
	out->max = ceiling;
	return err;
}

enum bnet_err
bnet_codec_encode(struct bnet_codecs *codecs, enum bnet_codec_id id,
    enum bnet_order order, struct bnet_slice in, struct bnet_buf *out)
{
	bnet_buf_clear(out);
	if (in.len > UINT32_MAX)
		return BNET_EPAYLOAD;
	if (id == BNET_CODEC_NONE)
		return bnet_buf_append(out, in);
	return table[id]->encode(codecs->ctx[id], order, in, out);
}

const char *
bnet_codec_name(enum bnet_codec_id id)
{
	if (id == BNET_CODEC_NONE || (size_t)id >= BNET_CODEC_N)
		return "none";
	return table[id]->name;
}
