/* SPDX-License-Identifier: MIT */
#include "codec.h"

#include "codec_impl.h"

#include <stdlib.h>

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
