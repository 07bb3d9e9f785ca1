/* SPDX-License-Identifier: MIT */
/*
 * snappy's C interface keeps no context: there is none to reuse but the
 * output buffer.
 */
#include "codec_impl.h"

#include <snappy-c.h>

/*
 * The best an element can do is a copy of 64 bytes in 3 (format_description
 * of snappy, "Copy with 2-byte offset"); a claim beyond that is a lie.
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
