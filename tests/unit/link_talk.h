/* SPDX-License-Identifier: MIT */
/* A link's sink that writes down all it is told, and bytes to feed to one. */
#ifndef UNIT_LINK_TALK_H
#define UNIT_LINK_TALK_H

#include "proto/link.h"
#include "tests/unit/unit.h"

#define TALK_MAX_BYTES ((size_t)64 << 20)

/* What a sink was told, as bytes, so that two tellings can be compared. */
struct heard {
	struct bnet_buf log;
	size_t n_packets, n_bad;
	enum bnet_err why; /* of the last bad one */
	size_t n_told; /* packets and bad ones */
	size_t stop_at; /* stop at that one, from 1; 0: never */
	size_t stop_each; /* stop at every one */
	enum bnet_err stop_with;
	bool lost; /* out of memory: the log is not complete */
};

/* It runs while allocations fail too, so nothing is asserted. */
static inline void
heard_put(struct heard *heard, const void *p, size_t n)
{
	const struct bnet_slice s = { p, n };

	if (bnet_buf_append(&heard->log, s) != BNET_OK)
		heard->lost = true;
}

static inline enum bnet_err
heard_told(
    struct heard *heard, const struct bnet_packet *packet, enum bnet_err why)
{
	uint64_t n[] = { packet->size_bytes, packet->codec, packet->has_oob,
		packet->has_header, packet->oob.len, packet->payload.len, why };

	heard_put(heard, n, sizeof(n));
	heard_put(heard, packet->oob.p, packet->oob.len);
	heard_put(heard, packet->payload.p, packet->payload.len);
	if (packet->has_header)
		heard_put(heard, &packet->header.key, sizeof(int32_t));
	heard->n_told++;
	if (heard->stop_each || heard->n_told == heard->stop_at)
		return heard->stop_with;
	return BNET_OK;
}

static inline enum bnet_err
heard_packet(void *arg, const struct bnet_packet *packet)
{
	struct heard *heard = arg;

	heard->n_packets++;
	return heard_told(heard, packet, BNET_OK);
}

static inline enum bnet_err
heard_bad(void *arg, const struct bnet_packet *packet, enum bnet_err why)
{
	struct heard *heard = arg;

	heard->n_bad++;
	heard->why = why;
	return heard_told(heard, packet, why);
}

static inline struct bnet_link_sink
heard_sink(struct heard *heard)
{
	return (struct bnet_link_sink){ heard_packet, heard_bad, heard };
}

static inline void
heard_init(struct heard *heard)
{
	*heard = (struct heard){ .stop_with = BNET_EMESSAGE };
	bnet_buf_init(&heard->log, TALK_MAX_BYTES);
}

static inline void
heard_free(struct heard *heard)
{
	bnet_buf_free(&heard->log);
}

/* Both were told the same. */
static inline void
heard_same(const char *what, const struct heard *got, const struct heard *want)
{
	ck_assert_msg(
	    got->n_packets == want->n_packets && got->n_bad == want->n_bad,
	    "%s: %zu packets and %zu bad ones, not %zu and %zu", what,
	    got->n_packets, got->n_bad, want->n_packets, want->n_bad);
	unit_same(what, bnet_buf_slice(&got->log), bnet_buf_slice(&want->log));
}

static inline struct bnet_slice
slice_of(const char *text)
{
	return (struct bnet_slice){ (const uint8_t *)text, strlen(text) };
}

static inline void
put_frame(struct bnet_buf *out, enum bnet_order order, uint32_t flags,
    struct bnet_slice oob, struct bnet_slice payload)
{
	const struct bnet_frame frame = {
		.flags = flags, .oob = oob, .payload = payload
	};

	unit_err("frame",
	    bnet_frame_encode(&frame, order, BNET_FRAME_MAX_BYTES_TOP, out),
	    BNET_OK);
}

/* A packet for node 7 with a header under `key`. */
static inline struct bnet_packet
packet_to_7(int32_t key, struct bnet_slice payload)
{
	return (struct bnet_packet){
		.has_header = true,
		.has_oob = true,
		.header = { .dest_type = BNET_DEST_NODE,
		    .dest = 7,
		    .key = key },
		.payload = payload,
	};
}

/* Every kind of good frame, and how many they are. */
#define TALK_FRAMES 9

static inline void
put_talk(
    struct bnet_buf *out, enum bnet_order order, struct bnet_codecs *codecs)
{
	static const uint8_t header[] = { 0x20, 0x41, 0xce, 0xff, 0xf0, 0xbf,
		0x81, 0x01, 0x00 };
	static const uint8_t junk[] = { 0xff, 0xff, 0xff };
	static const struct bnet_slice none = { NULL, 0 };
	const struct bnet_slice head = { header, sizeof(header) };
	struct bnet_slice text = slice_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	struct bnet_buf packed;

	bnet_buf_init(&packed, 1000);
	put_frame(out, order, BNET_FRAME_F_OOB, head, slice_of("ping"));
	put_frame(out, order, 0, none, slice_of("hello"));
	for (enum bnet_codec_id id = BNET_CODEC_ZLIB; id <= BNET_CODEC_SNAPPY;
	     id++) {
		uint32_t flag = id == BNET_CODEC_ZLIB ? BNET_FRAME_F_ZLIB
						      : BNET_FRAME_F_SNAPPY;

		unit_err("pack",
		    bnet_codec_encode(codecs, id, order, text, &packed),
		    BNET_OK);
		put_frame(out, order, flag, none, bnet_buf_slice(&packed));
		put_frame(out, order, flag | BNET_FRAME_F_OOB, head,
		    bnet_buf_slice(&packed));
	}
	put_frame(out, order, 0, none, none);
	put_frame(out, order, BNET_FRAME_F_OOB, none, none);
	put_frame(out, order, BNET_FRAME_F_OOB,
	    (struct bnet_slice){ junk, sizeof(junk) }, slice_of("x"));
	bnet_buf_free(&packed);
}

static inline struct bnet_link *
new_link(const struct bnet_link_settings *set, struct bnet_codecs *codecs)
{
	struct bnet_link *link;

	unit_err("new", bnet_link_new(set, codecs, &link), BNET_OK);
	return link;
}

/* Feed from a block of exactly that size; all of it must be taken if OK. */
static inline enum bnet_err
feed_copy(struct bnet_link *link, struct bnet_slice in, struct heard *heard,
    size_t *used_bytes)
{
	struct bnet_link_sink sink = heard_sink(heard);
	struct bnet_slice copy = unit_copy(in.p, in.len);
	enum bnet_err err = bnet_link_feed(link, copy, &sink, used_bytes);

	unit_free(copy);
	ck_assert_uint_le(*used_bytes, in.len);
	if (err == BNET_OK)
		ck_assert_uint_eq(*used_bytes, in.len);
	return err;
}

static inline struct bnet_slice
part_of(struct bnet_slice in, size_t from, size_t to)
{
	return (
	    struct bnet_slice){ from == to ? NULL : in.p + from, to - from };
}

#endif
