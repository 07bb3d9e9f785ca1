/* SPDX-License-Identifier: MIT */
/* The way out of a link: codec -> header -> frame -> tls. */
#include "link_impl.h"

#define WORTH_PERCENT 90 /* a compressed payload is kept below this */

static const uint32_t codec_flags[BNET_CODEC_N] = {
	[BNET_CODEC_ZLIB] = BNET_FRAME_F_ZLIB,
	[BNET_CODEC_SNAPPY] = BNET_FRAME_F_SNAPPY,
};

/* Compress where it is long enough, and keep that where it is worth it. */
static enum bnet_err
pack_payload(const struct bnet_wire *wire, struct bnet_codecs *codecs,
    const struct bnet_packet *packet, struct bnet_frame *frame)
{
	struct bnet_buf *packed = &codecs->deflated;
	enum bnet_err err;

	frame->payload = packet->payload;
	if (packet->codec != BNET_CODEC_NONE) {
		frame->payload = packet->wire_payload;
		frame->flags |= codec_flags[packet->codec];
		return BNET_OK;
	}
	if (wire->codec == BNET_CODEC_NONE ||
	    packet->payload.len < wire->threshold_bytes)
		return BNET_OK;
	err = bnet_codec_encode(
	    codecs, wire->codec, wire->order, packet->payload, packed);
	if (err != BNET_OK)
		return err;
	if ((uint64_t)packed->len * 100 <
	    (uint64_t)packet->payload.len * WORTH_PERCENT) {
		frame->payload = bnet_buf_slice(packed);
		frame->flags |= codec_flags[wire->codec];
	}
	return BNET_OK;
}

static bool
same_header(const struct bnet_header *a, const struct bnet_header *b)
{
	return a->dest == b->dest && a->source == b->source &&
	    a->dest_type == b->dest_type && a->key == b->key && a->forks == 0 &&
	    b->forks == 0 && a->serial == b->serial &&
	    a->latency_ms == b->latency_ms && a->priority == b->priority &&
	    a->timestamp == b->timestamp;
}

/* Headers in a row are often the same: then the last one's bytes are ours. */
static enum bnet_err
pack_oob(struct bnet_codecs *codecs, const struct bnet_packet *packet,
    struct bnet_frame *frame)
{
	struct bnet_buf *header = &codecs->header;
	enum bnet_err err;

	if (!packet->has_oob && !packet->has_header)
		return BNET_OK;
	frame->flags |= BNET_FRAME_F_OOB;
	frame->oob = packet->oob;
	if (!packet->has_header)
		return BNET_OK;
	if (!codecs->has_last ||
	    !same_header(&packet->header, &codecs->last_header)) {
		codecs->has_last = false;
		bnet_buf_clear(header);
		err = bnet_header_encode(
		    &packet->header, packet->fork_ids, header);
		if (err != BNET_OK)
			return err;
		codecs->has_last = true;
		codecs->last_header = packet->header;
	}
	frame->oob = bnet_buf_slice(header);
	return BNET_OK;
}

enum bnet_err
bnet_packet_encode(const struct bnet_wire *peer, struct bnet_codecs *codecs,
    const struct bnet_packet *packet, struct bnet_buf *out)
{
	struct bnet_wire wire = *peer;
	struct bnet_frame frame = { .flags = 0 };
	enum bnet_err err;

	if (wire.order == BNET_ORDER_AUTO)
		wire.order = BNET_ORDER_LITTLE;
	err = pack_oob(codecs, packet, &frame);
	if (err == BNET_OK)
		err = pack_payload(&wire, codecs, packet, &frame);
	if (err == BNET_EPAYLOAD)
		err = BNET_ESIZE;
	if (err != BNET_OK)
		return err;
	return bnet_frame_encode(&frame, wire.order, wire.frame_max_bytes, out);
}

/* Where frames are queued, with the ceiling as it is now. */
static struct bnet_buf *
tail_of(struct bnet_link *link)
{
	if (link->tls == NULL)
		return &link->out;
	/* what is encrypted and not yet written counts as well */
	link->queue.max = link->out_max_bytes > link->out.len
	    ? link->out_max_bytes - link->out.len
	    : 0;
	return &link->queue;
}

enum bnet_err
bnet_link_send(struct bnet_link *link, const struct bnet_packet *packet)
{
	struct bnet_wire wire = { .order = link->order,
		.codec = link->codec,
		.frame_max_bytes = link->frame_max_bytes,
		.threshold_bytes = link->threshold_bytes };

	return bnet_packet_encode(&wire, link->codecs, packet, tail_of(link));
}

enum bnet_err
bnet_link_queue(struct bnet_link *link, struct bnet_slice frames)
{
	return bnet_buf_append(tail_of(link), frames);
}

size_t
bnet_link_memory_bytes(const struct bnet_link *link)
{
	return link->in.cap + link->queue.cap + link->out.cap;
}

size_t
bnet_link_memory_for(const struct bnet_link *link, size_t n)
{
	size_t kept_max = (size_t)link->frame_max_bytes + BNET_FRAME_WORD_BYTES;
	size_t cap = bnet_buf_cap_for(&link->in, n < kept_max ? n : kept_max);

	return cap + link->queue.cap + link->out.cap;
}

enum bnet_err
bnet_link_output(struct bnet_link *link, struct bnet_slice *out)
{
	enum bnet_err err = BNET_OK;

	if (link->queue.len > 0 && bnet_tls_ready(link->tls)) {
		err = bnet_tls_send(
		    link->tls, bnet_buf_slice(&link->queue), &link->out);
		bnet_buf_free(&link->queue);
	}
	*out = bnet_buf_slice(&link->out);
	return err;
}

void
bnet_link_output_done(struct bnet_link *link, size_t n)
{
	bnet_buf_consume(&link->out, n);
	if (link->out.len == 0)
		bnet_buf_free(&link->out);
}

enum bnet_err
bnet_link_close(struct bnet_link *link)
{
	struct bnet_slice out;
	enum bnet_err err;

	err = bnet_link_output(link, &out);
	if (err != BNET_OK || link->tls == NULL)
		return err;
	err = bnet_tls_close(link->tls, &link->out);
	/* the handshake is not done: what waits for it is not dropped */
	return err == BNET_OK && link->queue.len > 0 ? BNET_MORE : err;
}
