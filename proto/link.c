/* SPDX-License-Identifier: MIT */
/* The life of a link, the byte order, bytes in, and bytes out. */
#include "link.h"

#include "codec_impl.h"
#include "settings_impl.h"

#include <stdlib.h>
#include <string.h>

#define BNET_LINK_LAST_BYTES 23

struct bnet_link {
	struct bnet_codecs *codecs; /* borrowed */
	struct bnet_tls *tls; /* NULL: plain */
	enum bnet_order order; /* AUTO while not known */
	enum bnet_codec_id codec; /* to send with */
	uint32_t frame_max_bytes;
	uint32_t payload_max_bytes;
	uint32_t threshold_bytes;
	size_t out_max_bytes;
	bool no_inflate;
	/* the last header received: consecutive packets often repeat it */
	uint8_t last_oob_bytes; /* 0: none */
	uint8_t last_oob[BNET_LINK_LAST_BYTES];
	struct bnet_header last_header;
	struct bnet_buf in; /* usually an incomplete frame */
	struct bnet_buf queue; /* TLS: frames to be encrypted */
	struct bnet_buf out; /* to be written */
};

#define TLS_CHUNK_BYTES 65536 /* ciphertext decrypted at a time */
#define HEAD_BYTES (BNET_FRAME_WORD_BYTES + BNET_FRAME_OOB_BYTES)
#define SIZE_MASK ((UINT32_C(1) << 28) - 1)

static uint32_t
or_default(uint32_t v, uint32_t dflt)
{
	return v != 0 ? v : dflt;
}

static void
set_limits(struct bnet_link *link, const struct bnet_link_settings *set)
{
	size_t out_max_bytes;

	link->frame_max_bytes = bnet_frame_max(set->frame_max_bytes);
	link->payload_max_bytes =
	    or_default(set->payload_max_bytes, BNET_PAYLOAD_MAX_BYTES);
	link->threshold_bytes =
	    or_default(set->threshold_bytes, BNET_THRESHOLD_BYTES);
	out_max_bytes = set->out_max_bytes != 0
	    ? set->out_max_bytes
	    : 4 * (size_t)link->frame_max_bytes;
	link->out_max_bytes = out_max_bytes;
	bnet_buf_init(
	    &link->in, (size_t)link->frame_max_bytes + 2 * TLS_CHUNK_BYTES);
	bnet_buf_init(&link->queue, out_max_bytes);
	/* TLS adds the handshake, and at most 1/8 to small records */
	bnet_buf_init(&link->out,
	    set->tls == NULL
		? out_max_bytes
		: out_max_bytes + out_max_bytes / 8 + TLS_CHUNK_BYTES);
}

enum bnet_err
bnet_link_new(const struct bnet_link_settings *theirs,
    struct bnet_codecs *codecs, struct bnet_link **out)
{
	struct bnet_link_settings set;
	struct bnet_link *link;
	enum bnet_err err = BNET_OK;

	*out = NULL;
	if (!bnet_settings_take(&set, sizeof(set), sizeof(set), theirs))
		return BNET_ESETTINGS;
	link = calloc(1, sizeof(*link));
	if (link == NULL)
		return BNET_ENOMEM;
	link->codecs = codecs;
	link->order = set.order;
	link->codec = set.codec;
	link->no_inflate = set.no_inflate;
	set_limits(link, &set);
	if (set.tls != NULL) {
		link->tls = bnet_tls_new(set.tls, set.tls_host);
		err = link->tls == NULL ? BNET_ENOMEM
					: bnet_tls_start(link->tls, &link->out);
	}
	if (err != BNET_OK) {
		bnet_link_free(link);
		return err;
	}
	*out = link;
	return BNET_OK;
}

void
bnet_link_free(struct bnet_link *link)
{
	if (link == NULL)
		return;
	bnet_tls_free(link->tls);
	bnet_buf_free(&link->in);
	bnet_buf_free(&link->queue);
	bnet_buf_free(&link->out);
	free(link);
}

/*
 * ---- the byte order of a stream whose first bytes are a frame in both orders
 *
 * A network frame of 256 bytes with a header (10000100) is also a little one of
 * 65,552 bytes without a header.
 */

/* A first frame as read in one order. */
struct reading {
	size_t whole_bytes; /* with the word */
	size_t oob_end_bytes; /* where the out-of-band bytes end, or 0 */
};

/* `in` is well formed in that order, and holds oob_len where there is one. */
static struct reading
read_as(enum bnet_order order, struct bnet_slice in, uint32_t frame_max_bytes)
{
	struct reading as = { 0, 0 };
	struct bnet_frame frame;
	enum bnet_err err;
	size_t used;

	err = bnet_frame_decode(in, order, frame_max_bytes, &frame, &used);
	if (err != BNET_OK && err != BNET_MORE)
		return as;
	as.whole_bytes = BNET_FRAME_WORD_BYTES + (size_t)frame.size_bytes;
	if (frame.flags & BNET_FRAME_F_OOB)
		as.oob_end_bytes = HEAD_BYTES +
		    (size_t)bnet_order_get_u32(
			order, in.p + BNET_FRAME_WORD_BYTES);
	return as;
}

static bool
is_header(struct bnet_slice in, size_t oob_end_bytes)
{
	struct bnet_header header;
	size_t trailing_bytes;

	if (oob_end_bytes == 0)
		return false;
	in.len = oob_end_bytes;
	return bnet_header_decode(bnet_slice_from(in, HEAD_BYTES), &header,
		   NULL, &trailing_bytes) == BNET_OK &&
	    trailing_bytes == 0;
}

enum bnet_err
bnet_link_find_order(struct bnet_slice in, uint32_t frame_max_bytes,
    enum bnet_order *order, size_t *need_bytes)
{
	struct reading little, network;
	bool is_little, is_network;
	enum bnet_err err;

	*need_bytes =
	    in.len < BNET_FRAME_WORD_BYTES ? BNET_FRAME_WORD_BYTES : HEAD_BYTES;
	err = bnet_frame_detect(in, frame_max_bytes, order);
	if (err != BNET_OK || *order != BNET_ORDER_AUTO)
		return err;
	little = read_as(BNET_ORDER_LITTLE, in, frame_max_bytes);
	network = read_as(BNET_ORDER_NETWORK, in, frame_max_bytes);
	/*
	 * Bytes beyond the other frame may never come: the peer may wait for
	 * our answer. Ignore them even if they are there, or the answer would
	 * depend on how the stream was split into reads.
	 */
	if (little.oob_end_bytes > network.whole_bytes)
		little.oob_end_bytes = 0;
	if (network.oob_end_bytes > little.whole_bytes)
		network.oob_end_bytes = 0;
	*need_bytes = little.oob_end_bytes > network.oob_end_bytes
	    ? little.oob_end_bytes
	    : network.oob_end_bytes;
	if (in.len < *need_bytes)
		return BNET_MORE;
	is_little = is_header(in, little.oob_end_bytes);
	is_network = is_header(in, network.oob_end_bytes);
	if (is_little != is_network)
		*order = is_little ? BNET_ORDER_LITTLE : BNET_ORDER_NETWORK;
	return BNET_OK;
}

/* ---- in: frame -> header -> codec -> sink ---- */

static enum bnet_err
inflate_payload(struct bnet_link *link, struct bnet_packet *packet)
{
	struct bnet_codecs *codecs = link->codecs;
	enum bnet_err err;

	if (packet->codec == BNET_CODEC_NONE || link->no_inflate) {
		packet->payload = packet->wire_payload;
		return BNET_OK;
	}
	err = bnet_codec_decode(codecs, packet->codec,
	    link->order == BNET_ORDER_AUTO ? BNET_ORDER_LITTLE : link->order,
	    packet->wire_payload, link->payload_max_bytes, &codecs->inflated);
	packet->payload = bnet_buf_slice(&codecs->inflated);
	return err;
}

/*
 * Set the header of a packet; decode it only if it differs from that of the
 * packet before, which it seldom does in a long run.
 */
static bool
read_header(
    struct bnet_link *link, struct bnet_slice oob, struct bnet_packet *packet)
{
	packet->trailing_bytes = 0;
	if (link->last_oob_bytes > 0 && oob.len == link->last_oob_bytes &&
	    memcmp(oob.p, link->last_oob, oob.len) == 0) {
		packet->header = link->last_header;
		return true;
	}
	if (bnet_header_decode(oob, &packet->header, &packet->forks,
		&packet->trailing_bytes) != BNET_OK)
		return false;
	if (packet->header.forks == 0 && packet->trailing_bytes == 0 &&
	    oob.len <= BNET_LINK_LAST_BYTES) {
		memcpy(link->last_oob, oob.p, oob.len);
		link->last_oob_bytes = (uint8_t)oob.len;
		link->last_header = packet->header;
	}
	return true;
}

static inline enum bnet_codec_id
codec_of(uint32_t flags)
{
	return flags & BNET_FRAME_F_ZLIB  ? BNET_CODEC_ZLIB
	    : flags & BNET_FRAME_F_SNAPPY ? BNET_CODEC_SNAPPY
					  : BNET_CODEC_NONE;
}

/* *delivered is false if memory ran out: the frame was not delivered. */
static enum bnet_err
deliver(struct bnet_link *link, const struct bnet_frame *frame,
    const struct bnet_link_sink *sink, bool *delivered)
{
	struct bnet_packet packet;
	enum bnet_err err;

	packet.size_bytes = frame->size_bytes;
	packet.codec = codec_of(frame->flags);
	packet.has_oob = (frame->flags & BNET_FRAME_F_OOB) != 0;
	packet.oob = frame->oob;
	packet.fork_ids = NULL;
	packet.trailing_bytes = 0;
	packet.has_header =
	    packet.has_oob && read_header(link, frame->oob, &packet);
	packet.wire_payload = frame->payload;
	err = inflate_payload(link, &packet);
	*delivered = err != BNET_ENOMEM && err != BNET_ELIMIT;
	if (err == BNET_OK)
		return sink->packet(sink->arg, &packet);
	packet.payload = (struct bnet_slice){ NULL, 0 };
	if (!*delivered || sink->bad == NULL)
		return err;
	return sink->bad(sink->arg, &packet, err);
}

/*
 * The order to read the first frame of `bytes` in. Each frame is examined
 * until one decides; an undecided frame is read in the default order.
 */
static enum bnet_err
choose_order(struct bnet_link *link, struct bnet_slice bytes,
    enum bnet_order *order, size_t *need_bytes)
{
	enum bnet_err err;

	if (link->order == BNET_ORDER_AUTO) {
		err = bnet_link_find_order(
		    bytes, link->frame_max_bytes, &link->order, need_bytes);
		if (err != BNET_OK)
			return err;
	}
	*order =
	    link->order == BNET_ORDER_AUTO ? BNET_ORDER_LITTLE : link->order;
	return BNET_OK;
}

/*
 * Deliver the first frame of `bytes` if it is whole. Otherwise *need_bytes is
 * the length at which it can be examined again.
 */
static enum bnet_err
cut(struct bnet_link *link, struct bnet_slice bytes,
    const struct bnet_link_sink *sink, size_t *used_bytes, size_t *need_bytes)
{
	enum bnet_order order;
	struct bnet_frame frame;
	enum bnet_err err;
	bool delivered;

	*used_bytes = 0;
	*need_bytes = bytes.len + 1;
	err = choose_order(link, bytes, &order, need_bytes);
	if (err != BNET_OK)
		return err;
	err = bnet_frame_decode(
	    bytes, order, link->frame_max_bytes, &frame, used_bytes);
	if (err == BNET_MORE)
		*need_bytes = bytes.len < BNET_FRAME_WORD_BYTES
		    ? BNET_FRAME_WORD_BYTES
		    : (frame.flags & BNET_FRAME_F_OOB) && bytes.len < HEAD_BYTES
		    ? HEAD_BYTES
		    : BNET_FRAME_WORD_BYTES + (size_t)frame.size_bytes;
	if (err != BNET_OK)
		return err;
	err = deliver(link, &frame, sink, &delivered);
	if (!delivered)
		*used_bytes = 0;
	return err;
}

/* Complete the frame kept in `in` with as much of *rest as it needs. */
static enum bnet_err
feed_kept(struct bnet_link *link, struct bnet_slice *rest,
    const struct bnet_link_sink *sink)
{
	size_t used, need, n;
	enum bnet_err err;

	for (;;) {
		err = cut(link, bnet_buf_slice(&link->in), sink, &used, &need);
		if (err != BNET_MORE)
			break;
		if (rest->len == 0)
			return BNET_MORE;
		n = need - link->in.len;
		if (n > rest->len)
			n = rest->len;
		err = bnet_buf_append(
		    &link->in, (struct bnet_slice){ rest->p, n });
		if (err != BNET_OK)
			return err;
		*rest = bnet_slice_from(*rest, n);
	}
	bnet_buf_consume(&link->in, used);
	if (link->in.len == 0)
		bnet_buf_free(&link->in);
	return err;
}

/* ---- in: runs ---- */

/* Add the frames after the first to the run, of whose size the first is. */
static void
extend_run(const struct bnet_link *link, struct bnet_slice in, size_t step,
    struct bnet_run *run)
{
	const uint8_t *first = in.p;
	size_t same = step, oob = BNET_FRAME_OOB_BYTES + run->oob.len;
	uint32_t flags = bnet_order_get_u32(run->order, first) & ~SIZE_MASK;
	uint32_t word;

	do {
		run->n_frames++;
		run->bytes.len += step;
		in = bnet_slice_from(in, step);
		if (in.len < BNET_FRAME_WORD_BYTES + oob)
			break;
		step = same;
		if (memcmp(in.p, first, BNET_FRAME_WORD_BYTES) != 0) {
			word = bnet_order_get_u32(run->order, in.p);
			if ((word & ~SIZE_MASK) != flags ||
			    (word & SIZE_MASK) > link->frame_max_bytes ||
			    (word & SIZE_MASK) < oob)
				break;
			step = BNET_FRAME_WORD_BYTES + (word & SIZE_MASK);
			if ((word & SIZE_MASK) > run->size_max_bytes)
				run->size_max_bytes = word & SIZE_MASK;
		}
	} while (step <= in.len &&
	    memcmp(in.p + BNET_FRAME_WORD_BYTES, first + BNET_FRAME_WORD_BYTES,
		oob) == 0);
}

/* The run that `in` begins with. False: none. */
static bool
find_run(
    const struct bnet_link *link, struct bnet_slice in, struct bnet_run *run)
{
	struct bnet_frame frame;
	size_t used;

	if (link->order == BNET_ORDER_AUTO ||
	    bnet_frame_decode(in, link->order, link->frame_max_bytes, &frame,
		&used) != BNET_OK ||
	    (frame.flags & BNET_FRAME_F_OOB) == 0 || frame.oob.len == 0 ||
	    frame.oob.len > BNET_RUN_OOB_MAX_BYTES)
		return false;
	*run = (struct bnet_run){ .order = link->order,
		.codec = codec_of(frame.flags),
		.oob = frame.oob,
		.bytes = { in.p, 0 },
		.size_max_bytes = frame.size_bytes };
	extend_run(link, in, used, run);
	return true;
}

/*
 * Offer a run to its sink. Returns how much of `in` was taken; 0: *each_bytes
 * of it (at least one frame, where they are not 0) go to the other sink.
 */
static size_t
offer_run(const struct bnet_link *link, struct bnet_slice in,
    const struct bnet_link_sink *sink, bnet_link_run *take, size_t *each_bytes)
{
	struct bnet_run run;

	*each_bytes = 0;
	if (take == NULL || !find_run(link, in, &run))
		return 0;
	if (take(sink->arg, &run))
		return run.bytes.len;
	*each_bytes = run.bytes.len;
	return 0;
}

/* Plaintext: frames are decoded in place, and only the rest is copied. */
static enum bnet_err
feed_plain(struct bnet_link *link, struct bnet_slice in,
    const struct bnet_link_sink *sink, bnet_link_run *run, size_t *used_bytes)
{
	struct bnet_slice rest = in;
	enum bnet_err err = BNET_OK;
	size_t used, need, each = 0; /* not to be offered again */

	while (link->in.len > 0 && err == BNET_OK)
		err = feed_kept(link, &rest, sink);
	while (rest.len > 0 && err == BNET_OK) {
		used = each > 0 ? 0 : offer_run(link, rest, sink, run, &each);
		if (used == 0) {
			err = cut(link, rest, sink, &used, &need);
			each = used < each ? each - used : 0;
		}
		rest = bnet_slice_from(rest, used);
	}
	if (err == BNET_MORE) {
		err = bnet_buf_append(&link->in, rest);
		if (err == BNET_OK)
			rest = (struct bnet_slice){ NULL, 0 };
	}
	*used_bytes = in.len - rest.len;
	return err;
}

/*
 * If the sink stops early, the plaintext after its packet is kept for the next
 * call, which delivers it before it decrypts more.
 */
static enum bnet_err
feed_tls(struct bnet_link *link, struct bnet_slice in,
    const struct bnet_link_sink *sink, bnet_link_run *run, size_t *used_bytes)
{
	struct bnet_buf *plain = &link->codecs->plain;
	struct bnet_slice got;
	enum bnet_err err = BNET_OK, tls_err = BNET_OK, keep_err;
	size_t used;

	*used_bytes = 0;
	err =
	    feed_plain(link, (struct bnet_slice){ NULL, 0 }, sink, run, &used);
	if (err != BNET_OK)
		return err;
	do {
		struct bnet_slice chunk = bnet_slice_from(in, *used_bytes);

		if (chunk.len > TLS_CHUNK_BYTES)
			chunk.len = TLS_CHUNK_BYTES;
		*used_bytes += chunk.len;
		bnet_buf_clear(plain);
		tls_err = bnet_tls_feed(link->tls, chunk, plain, &link->out);
		got = bnet_buf_slice(plain);
		err = feed_plain(link, got, sink, run, &used);
		if (err != BNET_OK) {
			keep_err = bnet_buf_append(
			    &link->in, bnet_slice_from(got, used));
			return keep_err != BNET_OK ? keep_err : err;
		}
	} while (tls_err == BNET_OK && *used_bytes < in.len);
	return tls_err;
}

enum bnet_err
bnet_link_feed_runs(struct bnet_link *link, struct bnet_slice in,
    const struct bnet_link_sink *sink, bnet_link_run *run, size_t *used_bytes)
{
	if (link->tls != NULL)
		return feed_tls(link, in, sink, run, used_bytes);
	return feed_plain(link, in, sink, run, used_bytes);
}

enum bnet_err
bnet_link_feed(struct bnet_link *link, struct bnet_slice in,
    const struct bnet_link_sink *sink, size_t *used_bytes)
{
	return bnet_link_feed_runs(link, in, sink, NULL, used_bytes);
}

enum bnet_err
bnet_link_end(const struct bnet_link *link)
{
	if (link->in.len > 0)
		return BNET_ECUT;
	return link->tls == NULL ? BNET_CLOSED : bnet_tls_end(link->tls);
}

struct bnet_slice
bnet_link_pending(const struct bnet_link *link)
{
	return bnet_buf_slice(&link->in);
}

size_t
bnet_link_missing_bytes(const struct bnet_link *link)
{
	struct bnet_slice in = bnet_buf_slice(&link->in);
	struct bnet_frame frame;
	size_t used;

	if (in.len < BNET_FRAME_WORD_BYTES || link->order == BNET_ORDER_AUTO ||
	    bnet_frame_decode(in, link->order, link->frame_max_bytes, &frame,
		&used) != BNET_MORE)
		return 0;
	return BNET_FRAME_WORD_BYTES + (size_t)frame.size_bytes - in.len;
}

bool
bnet_link_partial(const struct bnet_link *link, struct bnet_packet *packet,
    uint64_t *of_bytes)
{
	struct bnet_slice in = bnet_buf_slice(&link->in);
	struct bnet_frame frame;
	size_t used, head = BNET_FRAME_WORD_BYTES;
	uint32_t oob_bytes;

	if (link->order == BNET_ORDER_AUTO ||
	    bnet_frame_decode(in, link->order, link->frame_max_bytes, &frame,
		&used) != BNET_MORE ||
	    in.len < BNET_FRAME_WORD_BYTES)
		return false;
	*packet = (struct bnet_packet){ .size_bytes = frame.size_bytes,
		.codec = codec_of(frame.flags),
		.has_oob = (frame.flags & BNET_FRAME_F_OOB) != 0 };
	if (packet->has_oob) {
		if (in.len < HEAD_BYTES)
			return false;
		oob_bytes = bnet_order_get_u32(link->order, in.p + head);
		head = HEAD_BYTES;
		if (in.len - head < oob_bytes)
			return false;
		packet->oob = (struct bnet_slice){ in.p + head, oob_bytes };
		packet->has_header =
		    bnet_header_decode(packet->oob, &packet->header,
			&packet->forks, &packet->trailing_bytes) == BNET_OK;
		head += oob_bytes;
	}
	packet->wire_payload = bnet_slice_from(in, head);
	packet->payload = packet->wire_payload;
	*of_bytes = BNET_FRAME_WORD_BYTES + (uint64_t)frame.size_bytes - head;
	return true;
}

void
bnet_link_reset(struct bnet_link *link)
{
	bnet_buf_free(&link->in);
}

enum bnet_order
bnet_link_order(const struct bnet_link *link)
{
	return link->order;
}

void
bnet_link_set_order(struct bnet_link *link, enum bnet_order order)
{
	link->order = order;
}

void
bnet_link_set_codec(struct bnet_link *link, enum bnet_codec_id codec)
{
	link->codec = codec;
}

struct bnet_tls *
bnet_link_tls(struct bnet_link *link)
{
	return link->tls;
}

/* The output of a link: codec -> header -> frame -> tls. */

#define WORTH_PERCENT 90 /* use the compressed payload below this */

static const uint32_t codec_flags[BNET_CODEC_N] = {
	[BNET_CODEC_ZLIB] = BNET_FRAME_F_ZLIB,
	[BNET_CODEC_SNAPPY] = BNET_FRAME_F_SNAPPY,
};

/* Compress a long payload, and use the result if it is small enough. */
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

/* Consecutive headers are often equal: reuse the bytes of the last one. */
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

/* The buffer that frames are queued in, with its ceiling up to date. */
static struct bnet_buf *
tail_of(struct bnet_link *link)
{
	if (link->tls == NULL)
		return &link->out;
	/* bytes that are encrypted but not yet written count as well */
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
bnet_link_frame_memory_bytes(const struct bnet_link *link)
{
	return link->in.cap;
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
	/* before the handshake ends, the queue must not be dropped */
	return err == BNET_OK && link->queue.len > 0 ? BNET_MORE : err;
}
