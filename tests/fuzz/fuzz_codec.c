/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a compressed payload, and as one to be compressed, after a
 * byte of settings: what decodes is within the limit, and is what comes back
 * of its own encoding; a byte more or less of it is an error.
 */
#include "proto/codec.h"

#include "tests/fuzz/fuzz.h"

#define OUT_MAX_BYTES ((size_t)1 << 21)

static const uint32_t limits[] = { 0, 1, 100, 4096, 65536, 1 << 20,
	BNET_PAYLOAD_MAX_BYTES, UINT32_MAX };

struct run {
	struct bnet_codecs *codecs;
	enum bnet_codec_id id;
	enum bnet_order order;
	uint32_t max;
};

static bool
is_bad(const struct run *run, enum bnet_err err)
{
	return err == (run->id == BNET_CODEC_ZLIB ? BNET_EZLIB : BNET_ESNAPPY);
}

/* Compress and decompress it: the same. Below its size: refused, unheld. */
static void
check_round(const struct run *run, struct bnet_slice plain)
{
	struct bnet_buf packed, out;

	bnet_buf_init(&packed, OUT_MAX_BYTES);
	bnet_buf_init(&out, OUT_MAX_BYTES);
	MUST_HOLD(bnet_codec_encode(run->codecs, run->id, run->order, plain,
		      &packed) == BNET_OK);
	MUST_HOLD(
	    bnet_codec_decode(run->codecs, run->id, run->order,
		bnet_buf_slice(&packed), (uint32_t)plain.len, &out) == BNET_OK);
	MUST_HOLD(fuzz_same(bnet_buf_slice(&out), plain));
	bnet_buf_free(&out);
	if (plain.len > 0)
		MUST_HOLD(bnet_codec_decode(run->codecs, run->id, run->order,
			      bnet_buf_slice(&packed), (uint32_t)plain.len - 1,
			      &out) == BNET_EPAYLOAD);
	MUST_HOLD(out.cap == 0);
	bnet_buf_free(&packed);
}

/* `in` decodes: not so with its last byte missing or one byte added. */
static void
check_exact(const struct run *run, struct bnet_slice in)
{
	struct bnet_slice cut =
	    fuzz_copy((struct bnet_slice){ in.p, in.len - 1 });
	struct bnet_buf longer, out;

	bnet_buf_init(&out, OUT_MAX_BYTES);
	bnet_buf_init(&longer, in.len + 1);
	MUST_HOLD(is_bad(run,
	    bnet_codec_decode(
		run->codecs, run->id, run->order, cut, run->max, &out)));
	fuzz_free(cut);
	MUST_HOLD(bnet_buf_append(&longer, in) == BNET_OK);
	MUST_HOLD(bnet_buf_append(&longer, (struct bnet_slice){ in.p, 1 }) ==
	    BNET_OK);
	MUST_HOLD(is_bad(run,
	    bnet_codec_decode(run->codecs, run->id, run->order,
		bnet_buf_slice(&longer), run->max, &out)));
	bnet_buf_free(&longer);
	bnet_buf_free(&out);
}

static void
check_decode(const struct run *run, struct bnet_slice in)
{
	size_t ceiling = run->max < OUT_MAX_BYTES ? run->max : OUT_MAX_BYTES;
	size_t per_byte = run->id == BNET_CODEC_ZLIB ? 1032 : 22;
	struct bnet_buf out;
	enum bnet_err err;

	bnet_buf_init(&out, OUT_MAX_BYTES);
	err = bnet_codec_decode(
	    run->codecs, run->id, run->order, in, run->max, &out);
	/* up to the next power of two: what was claimed, and can be true */
	MUST_HOLD(out.cap <= (ceiling > 128 ? 2 * ceiling : 256));
	MUST_HOLD(out.cap <= 256 + 2 * per_byte * (in.len + 8));
	if (err == BNET_OK) {
		MUST_HOLD(out.len <= run->max);
		if (run->id == BNET_CODEC_ZLIB)
			MUST_HOLD(
			    bnet_order_get_u32(run->order, in.p) == out.len);
		check_round(run, bnet_buf_slice(&out));
		check_exact(run, in);
	} else {
		MUST_HOLD(is_bad(run, err) || err == BNET_EPAYLOAD ||
		    err == BNET_ELIMIT);
		MUST_HOLD(err != BNET_ELIMIT || run->max > OUT_MAX_BYTES);
	}
	bnet_buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct run run;
	struct bnet_slice in = { data, size };
	uint8_t set = fuzz_byte(&in);

	if (run.codecs == NULL)
		run.codecs = bnet_codecs_new();
	MUST_HOLD(run.codecs != NULL);
	run.id = set & 1 ? BNET_CODEC_SNAPPY : BNET_CODEC_ZLIB;
	run.order = set & 2 ? BNET_ORDER_NETWORK : BNET_ORDER_LITTLE;
	run.max = limits[set >> 2 & 7];
	check_decode(&run, in);
	check_round(&run, in);
	return 0;
}
