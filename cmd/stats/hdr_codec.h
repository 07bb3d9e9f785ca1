/* SPDX-License-Identifier: MIT */
/*
 * hdr_codec - a histogram as HdrHistogram's "compressed V2" text: base64 of
 *
 *	| cookie u32 0x1c849314 | bytes u32 | zlib stream of: ... |
 *	... | cookie u32 0x1c849313 | bytes u32 | index offset u32 0 |
 *	    | digits u32 | lowest u64 1 | highest u64 | ratio f64 1 | counts ... |
 *
 * all big-endian. The counts are in ZigZag LEB128 of at most 9 bytes each, a
 * negative one being so many zeros, and end with the last that is not 0.
 * Offset and ratio mean nothing here, and others write other values: skipped.
 * Text from outside is not trusted: what it claims is bounded before memory
 * is taken for it.
 */
#ifndef STATS_HDR_CODEC_H
#define STATS_HDR_CODEC_H

#include "cmd/stats/hdr.h"
#include "proto/buf.h"

/* NUL-terminated, to be freed by the caller; NULL when out of memory. */
char *hdr_encode(const struct hdr *hdr);

/*
 * NULL, and *hdr made, which the caller frees; its sums are those of the
 * counts. Otherwise *hdr is zeroed, and what is returned says what is wrong.
 * Where the lowest value is above 1, counts go where it would have put them.
 */
const char *hdr_decode(struct bnet_slice text, struct hdr *hdr);

#endif
