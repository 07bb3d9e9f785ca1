/* SPDX-License-Identifier: MIT */
/* proto/codec: compressed payloads written out, good, bad and lying. */
#include "proto/codec.h"

#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"

#include <stdbool.h>

#define A40 "78 9c 4b 4c 24 0e 00 00 36 eb 0f 29"
#define A10_RAW "61616161616161616161"
#define A40_RAW A10_RAW A10_RAW A10_RAW A10_RAW
#define MAX_BYTES 5000

/* `believed`: the claim is, and room made for it. */
static const struct wire {
	const char *name;
	enum bnet_codec_id id;
	enum bnet_order order;
	const char *hex;
	enum bnet_err err;
	bool believed;
	const char *raw_hex;
} wires[] = {
#define Z BNET_CODEC_ZLIB, BNET_ORDER_LITTLE
#define ZN BNET_CODEC_ZLIB, BNET_ORDER_NETWORK
#define S BNET_CODEC_SNAPPY, BNET_ORDER_NETWORK
	{ "nothing", Z, "", BNET_EZLIB, false, NULL },
	{ "size only", Z, "00000000", BNET_EZLIB, true, NULL },
	{ "empty", Z, "00000000 789c030000000001", BNET_OK, true, "" },
	{ "empty, network", ZN, "00000000 789c030000000001", BNET_OK, true,
	    "" },
	{ "40 x a", Z, "28000000" A40, BNET_OK, true, A40_RAW },
	{ "40 x a, network", ZN, "00000028" A40, BNET_OK, true, A40_RAW },
	{ "claims one less", Z, "27000000" A40, BNET_EZLIB, true, NULL },
	{ "claims one more", Z, "29000000" A40, BNET_EZLIB, true, NULL },
	{ "claims none", Z, "00000000" A40, BNET_EZLIB, true, NULL },
	{ "claims the limit", Z, "88130000" A40, BNET_EZLIB, true, NULL },
	{ "claims one above the limit", Z, "89130000" A40, BNET_EPAYLOAD, false,
	    NULL },
	{ "claims one above, network", ZN, "00001389" A40, BNET_EPAYLOAD, false,
	    NULL },
	{ "claims 2^32 - 1", Z, "ffffffff" A40, BNET_EPAYLOAD, false, NULL },
	{ "size in the other order", ZN, "28000000" A40, BNET_EPAYLOAD, false,
	    NULL },
	{ "more than 3 bytes can hold", Z, "88130000 789c4b", BNET_EZLIB, false,
	    NULL },
	{ "two streams", Z, "28000000" A40 A40, BNET_EZLIB, true, NULL },
	{ "wrong check sum", Z, "28000000 789c4b4c240e000036eb0f28", BNET_EZLIB,
	    true, NULL },
	{ "raw deflate", Z, "28000000 4b4c240e0000", BNET_EZLIB, true, NULL },
	{ "gzip", Z, "01000000 1f8b08000000000000034b040043beb7e801000000",
	    BNET_EZLIB, true, NULL },
	{ "a preset dictionary", Z, "09000000 78bb080c024d832300113d0373",
	    BNET_EZLIB, true, NULL },
	{ "text", Z, "01000000 68656c6c6f20776f726c64", BNET_EZLIB, true,
	    NULL },
	{ "nothing", S, "", BNET_ESNAPPY, false, NULL },
	{ "empty", S, "00", BNET_OK, true, "" },
	{ "empty, and more", S, "0000", BNET_ESNAPPY, true, NULL },
	{ "ping", S, "04 0c 70696e67", BNET_OK, true, "70696e67" },
	{ "a copy", S, "08 00 61 1a 0100", BNET_OK, true, "6161616161616161" },
	{ "claims one more", S, "05 0c 70696e67", BNET_ESNAPPY, true, NULL },
	{ "claims one less", S, "03 0c 70696e67", BNET_ESNAPPY, true, NULL },
	{ "more than 5 bytes can hold", S, "8827 f4 0000", BNET_ESNAPPY, false,
	    NULL },
	{ "claims one above the limit", S, "8927 0c 70696e67", BNET_EPAYLOAD,
	    false, NULL },
	{ "claims 2^32 - 1", S, "ffffffff0f 0c 70696e67", BNET_EPAYLOAD, false,
	    NULL },
	{ "a length of 33 bits", S, "ffffffff1f 0c 70696e67", BNET_ESNAPPY,
	    false, NULL },
	{ "a length without end", S, "ffffffffffffff", BNET_ESNAPPY, false,
	    NULL },
	{ "a copy from nowhere", S, "08 00 61 1a 0200", BNET_ESNAPPY, true,
	    NULL },
	{ "a copy of distance 0", S, "08 00 61 1a 0000", BNET_ESNAPPY, true,
	    NULL },
	{ "a copy first", S, "04 0e 0100", BNET_ESNAPPY, true, NULL },
	{ "a literal past the end", S, "14 f0 13 61", BNET_ESNAPPY, true,
	    NULL },
	{ "a literal of 2^32", S, "04 fc ffffffff 61", BNET_ESNAPPY, true,
	    NULL },
#undef Z
#undef ZN
#undef S
	{ "bytes as they are", BNET_CODEC_NONE, BNET_ORDER_LITTLE, "ff00",
	    BNET_OK, true, "ff00" },
};

START_TEST(test_wire)
{
	const struct wire *row = &wires[_i];
	struct bnet_slice in = unit_hex(row->hex), raw;
	struct bnet_codecs *codecs = bnet_codecs_new();
	struct bnet_buf out;
	unsigned long n_allocs;
	enum bnet_err err;

	ck_assert_ptr_nonnull(codecs);
	bnet_buf_init(&out, SIZE_MAX);
	failmalloc_watch();
	err =
	    bnet_codec_decode(codecs, row->id, row->order, in, MAX_BYTES, &out);
	n_allocs = failmalloc_stop();
	unit_err(row->name, err, row->err);
	ck_assert_msg(row->believed || n_allocs == 0, "%s: %lu allocations",
	    row->name, n_allocs);
	if (err == BNET_OK) {
		raw = unit_hex(row->raw_hex);
		unit_same(row->name, bnet_buf_slice(&out), raw);
		unit_free(raw);
	} else
		ck_assert_uint_eq(out.len, 0);
	bnet_buf_free(&out);
	bnet_codecs_free(codecs);
	unit_free(in);
}
END_TEST

static Suite *
codec_wire_suite(void)
{
	Suite *suite = suite_create("codec, on the wire");
	TCase *tc = unit_case(suite, "wire");

	tcase_add_loop_test(tc, test_wire, 0, UNIT_ROWS(wires));
	return suite;
}

UNIT_MAIN(codec_wire_suite)
