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
pack_payload(struct bnet_link *link, enum bnet_order order,
    const struct bnet_packet *packet, struct bnet_frame *frame)
{
	struct bnet_buf *packed = &link->codecs->deflated;
	enum bnet_err err;

	frame->payload = packet->payload;
	if (packet->codec != BNET_CODEC_NONE) {
		frame->payload = packet->wire_payload;
		frame->flags |= codec_flags[packet->codec];
		return BNET_OK;
	}
	if (link->codec == BNET_CODEC_NONE ||
	    packet->payload.len < link->threshold_bytes)
		return BNET_OK;
	err = bnet_codec_encode(
	    link->codecs, link->codec, order, packet->payload, packed);
	if (err != BNET_OK)
		return err;
	if ((uint64_t)packed->len * 100 <
	    (uint64_t)packet->payload.len * WORTH_PERCENT) {
		frame->payload = bnet_buf_slice(packed);
		frame->flags |= codec_flags[link->codec];
	}
	return BNET_OK;
}

static enum bnet_err
pack_oob(struct bnet_link *link, const struct bnet_packet *packet,
    struct bnet_frame *frame)
{
	struct bnet_buf *header = &link->codecs->header;
	enum bnet_err err;

	if (!packet->has_oob && !packet->has_header)
		return BNET_OK;
	frame->flags |= BNET_FRAME_F_OOB;
	frame->oob = packet->oob;
	if (!packet->has_header)
		return BNET_OK;
	bnet_buf_clear(header);
	err = bnet_header_encode(&packet->header, packet->fork_ids, header);
	frame->oob = bnet_buf_slice(header);
	return err;
}

enum bnet_err
bnet_link_send(struct bnet_link *link, const struct bnet_packet *packet)
{
	enum bnet_order order =
	    link->order == BNET_ORDER_AUTO ? BNET_ORDER_LITTLE : link->order;
	struct bnet_frame frame = { .flags = 0 };
	enum bnet_err err;

	err = pack_oob(link, packet, &frame);
	if (err == BNET_OK)
		err = pack_payload(link, order, packet, &frame);
	if (err == BNET_EPAYLOAD)
		err = BNET_ESIZE;
	if (err != BNET_OK)
		return err;
	if (link->tls == NULL)
		return bnet_frame_encode(
		    &frame, order, link->frame_max_bytes, &link->out);
	/* what is encrypted and not yet written counts as well */
	link->queue.max = link->out_max_bytes > link->out.len
	    ? link->out_max_bytes - link->out.len
	    : 0;
	return bnet_frame_encode(
	    &frame, order, link->frame_max_bytes, &link->queue);
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
