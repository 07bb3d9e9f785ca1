/* SPDX-License-Identifier: MIT */
#include "codec.h"

#include "codec_impl.h"

#include <stdlib.h>

static const struct bnet_codec *const table[] = {
	[BNET_CODEC_ZLIB] = &bnet_codec_zlib,
	[BNET_CODEC_SNAPPY] = &bnet_codec_snappy,
};

#define N_CODECS (sizeof(table) / sizeof(table[0]))

struct bnet_codecs {
	void *ctx[N_CODECS];
};

struct bnet_codecs *
bnet_codecs_new(void)
{
	struct bnet_codecs *codecs = calloc(1, sizeof(*codecs));

	if (codecs == NULL)
		return NULL;
	for (size_t i = 0; i < N_CODECS; i++) {
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
	for (size_t i = 0; i < N_CODECS; i++)
		if (codecs->ctx[i] != NULL)
			table[i]->close(codecs->ctx[i]);
	free(codecs);
}

enum bnet_err
bnet_codec_decode(struct bnet_codecs *codecs, enum bnet_codec_id id,
    enum bnet_order order, struct bnet_slice in, uint32_t max_bytes,
    struct bnet_buf *out)
{
	bnet_buf_clear(out);
	if (id == BNET_CODEC_NONE)
		return in.len > max_bytes ? BNET_EPAYLOAD
					  : bnet_buf_append(out, in);
	return table[id]->decode(codecs->ctx[id], order, in, max_bytes, out);
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
	if (id == BNET_CODEC_NONE || (size_t)id >= N_CODECS)
		return "none";
	return table[id]->name;
}
