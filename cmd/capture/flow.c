/* SPDX-License-Identifier: MIT */
#include "cmd/capture/flow.h"

#include "cmd/capture/order.h"
#include "cmd/capture/tls.h"
#include "cmd/common/proxy_protocol.h"

#include <stdlib.h>
#include <string.h>

/* ---- reports to the sink ---- */

void
cap_emit(struct cap *cap, struct stream *stream, enum cap_dir dir,
    enum cap_event_type type, uint64_t bytes, const char *reason)
{
	struct cap_event event = { .type = type,
		.dir = dir,
		.time_ns = cap->mark.time_ns,
		.packet = cap->mark.packet,
		.bytes = bytes,
		.reason = reason };

	if (stream != NULL) {
		if (stream->ignored || stream->undecided)
			return;
		event.stream = &stream->pub;
	}
	cap->counters.events[type]++;
	cap->counters.event_bytes[type] += bytes;
	order_event(cap, stream, &event);
}

/* Reports with another mark than that of the bytes processed. */
static void
cap_emit_at(const struct flow_ref *ref, enum cap_event_type type,
    uint64_t bytes, const char *reason, struct cap_mark at)
{
	const struct cap_mark mark = ref->cap->mark;

	if (at.packet > 0)
		ref->cap->mark = at;
	cap_emit(ref->cap, ref->stream, ref->dir, type, bytes, reason);
	ref->cap->mark = mark;
}

/* Inlined, as all frames come here. */
static inline __attribute__((always_inline)) void
cap_emit_frame(const struct flow_ref *ref, const struct bnet_packet *frame,
    struct cap_mark mark, uint64_t cut_of)
{
	struct cap *cap = ref->cap;
	struct stream *stream = ref->stream;
	struct cap_event event;

	if (!stream->pub.recognised) {
		stream->pub.recognised = true;
		cap->counters.streams_selected++;
	}
	event.type = CAP_FRAME;
	event.dir = ref->dir;
	event.time_ns = mark.time_ns;
	event.packet = mark.packet;
	cap->counters.events[CAP_FRAME]++;
	event.stream = &stream->pub;
	event.bytes = BNET_FRAME_WORD_BYTES + (uint64_t)frame->size_bytes;
	event.reason = NULL;
	event.frame = frame;
	event.cut_of = cut_of;
	event.step_ns = 0;
	event.held = mark.packet < cap->counters.packets;
	cap->counters.event_bytes[CAP_FRAME] += event.bytes;
	cap->counters.cut_frames += cut_of > 0;
	if (order_usual(cap, &event))
		cap->sink.event(cap->sink.arg, &event);
	else
		order_event(cap, stream, &event);
}

#define TLS_HANDSHAKE_RECORD 22
#define TLS_CLIENT_HELLO 1

enum text_looks {
	TEXT_NO,
	TEXT_PERHAPS, /* more bytes are needed */
	TEXT_YES,
};

static void
begin_tls(const struct flow_ref *ref, struct bnet_slice hello, bool turned);
static void give_up(const struct flow_ref *ref, size_t bytes);
static enum text_looks
text_looks(const struct flow_ref *ref, struct bnet_slice in);
static void report_skipped(const struct flow_ref *ref);
static bool turn_in_unsynced(const struct flow_ref *ref);

/* Called from within the stages, so their state is freed later. */
static void
cap_ignore(struct stream *stream)
{
	stream->ignored = true;
}

/* ---- a direction ---- */

/* An undecided stream is examined only up to this point. */
#define UNDECIDED_BYTES (256 * 1024)

static struct flow *
flow_of(const struct flow_ref *ref)
{
	return &ref->stream->flow[ref->dir];
}

/* Updates the total over all streams. */
static void
account(struct cap *cap, struct flow *flow)
{
	size_t pending = 0,
	       held = flow->unsynced.cap +
	    flow->marks.cap * sizeof(struct marks_run);

	if (flow->state == FLOW_RESYNC)
		held += resync_held_bytes(&flow->resync);
	if (flow->link != NULL)
		pending = bnet_link_pending(flow->link).len;
	/* which packet completed the incomplete frame, as far as it is there */
	if (pending == 0)
		flow->pending.packet = 0;
	else
		flow->pending = cap_mark_later(flow->pending, cap->mark);
	held += pending;
	cap->held_bytes += held - flow->held_bytes;
	flow->held_bytes = held;
}

void
flow_free(struct cap *cap, struct flow *flow)
{
	cap->held_bytes -= flow->held_bytes;
	flow->held_bytes = 0;
	bnet_link_free(flow->link);
	flow->link = NULL;
	resync_free(&flow->resync);
	bnet_buf_free(&flow->unsynced);
	(void)marks_take_all(&flow->marks);
}

size_t
flow_kept(const struct flow *flow)
{
	size_t kept = flow->unsynced.len;

	if (flow->link != NULL)
		kept += bnet_link_pending(flow->link).len;
	return kept;
}

/* ---- frames ---- */

/* The packet that completed the frame that ends here. */
static inline struct cap_mark
frame_mark(const struct flow_ref *ref, const struct bnet_packet *packet)
{
	struct flow *flow = flow_of(ref);
	struct cap_mark mark = ref->cap->mark, taken;

	if (!marks_empty(&flow->marks)) {
		taken = marks_take(&flow->marks,
		    BNET_FRAME_WORD_BYTES + (size_t)packet->size_bytes);
		return taken.packet > 0 ? taken : mark;
	}
	mark = cap_mark_later(mark, flow->pending);
	flow->pending.packet = 0;
	return mark;
}

/* A direction has frames of that order, from `at` on. */
static void
ordered(const struct flow_ref *ref, enum bnet_order order, struct cap_mark at)
{
	struct stream *s = ref->stream;
	enum bnet_order others = s->flow[!ref->dir].order;

	flow_of(ref)->order = order;
	if (order != BNET_ORDER_AUTO && others != BNET_ORDER_AUTO &&
	    order != others)
		cap_emit_at(ref, CAP_NOTE, 0,
		    "the two directions have different byte orders", at);
}

/* What is known of it: by its own frames, or else those of the other side. */
static enum bnet_order
order_of(const struct flow_ref *ref)
{
	enum bnet_order own = flow_of(ref)->order;

	return own != BNET_ORDER_AUTO ? own : ref->stream->pub.order;
}

static enum bnet_err
on_packet(void *arg, const struct bnet_packet *packet)
{
	const struct flow_ref *ref = arg;
	struct flow *flow = flow_of(ref);
	struct cap_mark mark = frame_mark(ref, packet);

	if (flow->order == BNET_ORDER_AUTO)
		ordered(ref, bnet_link_order(flow->link), mark);
	if (flow->order != BNET_ORDER_AUTO)
		ref->stream->pub.order = flow->order;
	cap_emit_frame(ref, packet, mark, 0);
	return BNET_OK;
}

static enum bnet_err
on_bad(void *arg, const struct bnet_packet *packet, enum bnet_err why)
{
	const struct flow_ref *ref = arg;

	cap_emit_at(ref, CAP_MALFORMED,
	    BNET_FRAME_WORD_BYTES + (uint64_t)packet->size_bytes,
	    bnet_strerror(why), frame_mark(ref, packet));
	return BNET_OK;
}

static bool
open_link(const struct flow_ref *ref)
{
	const struct cap_settings *set = &ref->cap->set;
	struct flow *flow = flow_of(ref);
	struct bnet_link_settings link_set = {
		.order = order_of(ref),
		.frame_max_bytes = set->frame_max_bytes,
		.payload_max_bytes = set->payload_max_bytes,
	};

	if (flow->link != NULL)
		return true;
	return bnet_link_new(&link_set, ref->cap->codecs, &flow->link) ==
	    BNET_OK;
}

/* ---- resync ---- */

static void
start_resync(const struct flow_ref *ref, size_t n_starts, const char *reason)
{
	struct flow *flow = flow_of(ref);

	resync_free(&flow->resync);
	/* the other side may have another order */
	resync_init(&flow->resync,
	    flow->order != BNET_ORDER_AUTO ? flow->order : ref->cap->set.order,
	    ref->cap->set.frame_max_bytes, n_starts);
	flow->state = FLOW_RESYNC;
	flow->skip_reason = reason;
}

static void
report_skipped(const struct flow_ref *ref)
{
	struct flow *flow = flow_of(ref);

	if (ref->stream->undecided)
		return;
	if (flow->skipped_bytes > 0)
		cap_emit_at(ref, flow->text ? CAP_NOTE : CAP_SKIP,
		    flow->skipped_bytes, flow->skip_reason, flow->skip_mark);
	flow->text = false;
	flow->skipped_bytes = 0;
	flow->skip_mark.packet = 0;
}

static void
skip(struct flow *flow, size_t n)
{
	flow->skipped_bytes += n;
	flow->skip_mark =
	    cap_mark_later(flow->skip_mark, marks_take(&flow->marks, n));
	flow->searched -= n < flow->searched ? n : flow->searched;
	bnet_buf_consume(&flow->unsynced, n);
}

/* Appends bytes to search; returns false if there is no room. */
static bool
keep(struct flow *flow, struct bnet_slice in, struct cap_mark mark)
{
	if (bnet_buf_append(&flow->unsynced, in) != BNET_OK)
		return false;
	marks_add(&flow->marks, in.len, mark);
	return true;
}

static void
drop_unsynced(struct flow *flow)
{
	bnet_buf_free(&flow->unsynced);
	(void)marks_take_all(&flow->marks);
}

static enum bnet_err
feed_link(
    const struct flow_ref *ref, struct bnet_slice in, struct bnet_slice *left)
{
	struct flow_ref arg = *ref;
	const struct bnet_link_sink sink = { on_packet, on_bad, &arg };
	struct flow *flow = flow_of(ref);
	enum bnet_err err;
	size_t used;

	if (!flow->ordered) {
		if (bnet_link_order(flow->link) == BNET_ORDER_AUTO)
			bnet_link_set_order(flow->link, order_of(ref));
		flow->ordered = bnet_link_order(flow->link) != BNET_ORDER_AUTO;
	}
	err = bnet_link_feed(flow->link, in, &sink, &used);
	*left = bnet_slice_from(in, used);
	return err;
}

#define HEAD_BYTES 16 /* a hello is known by 11, an order by 8 */

/* The first bytes from where framing was lost on. */
static struct bnet_slice
head_of(
    const struct flow *flow, struct bnet_slice left, uint8_t head[HEAD_BYTES])
{
	struct bnet_slice kept = bnet_link_pending(flow->link);
	size_t n = kept.len < HEAD_BYTES ? kept.len : HEAD_BYTES;
	size_t more = left.len < HEAD_BYTES - n ? left.len : HEAD_BYTES - n;

	if (n > 0)
		memcpy(head, kept.p, n);
	if (more > 0)
		memcpy(head + n, left.p, more);
	return (struct bnet_slice){ head, n + more };
}

/*
 * The first frame of a direction is none in the order of the other side: is it
 * one in the other order? Then the link has that.
 */
static bool
other_order(const struct flow_ref *ref, struct bnet_slice left)
{
	struct flow *flow = flow_of(ref);
	uint8_t bytes[HEAD_BYTES];
	struct bnet_slice head = head_of(flow, left, bytes), none;
	enum bnet_order order = bnet_link_order(flow->link);
	struct bnet_frame frame;
	enum bnet_err err;
	size_t used, n = bnet_link_pending(flow->link).len;

	if (flow->order != BNET_ORDER_AUTO || n > HEAD_BYTES ||
	    ref->cap->set.order != BNET_ORDER_AUTO ||
	    order != ref->stream->pub.order)
		return false;
	order =
	    order == BNET_ORDER_LITTLE ? BNET_ORDER_NETWORK : BNET_ORDER_LITTLE;
	err = bnet_frame_decode(
	    head, order, ref->cap->set.frame_max_bytes, &frame, &used);
	if (err != BNET_OK && err != BNET_MORE)
		return false;
	bnet_link_reset(flow->link);
	bnet_link_set_order(flow->link, order);
	head.len = n;
	return feed_link(ref, head, &none) == BNET_OK;
}

static void
report_unframed(const struct flow_ref *ref, enum bnet_err err)
{
	cap_emit(ref->cap, ref->stream, ref->dir,
	    err == BNET_ENOMEM || err == BNET_ELIMIT ? CAP_LIMIT
						     : CAP_MALFORMED,
	    0, bnet_strerror(err));
}

/*
 * Feeds the link; *left is the rest when framing is lost. Returns the reason.
 */
static enum bnet_err
feed(const struct flow_ref *ref, struct bnet_slice in, struct bnet_slice *left)
{
	enum bnet_err err = feed_link(ref, in, left);

	if (err != BNET_OK && other_order(ref, *left))
		err = feed_link(ref, *left, left);
	return err;
}

static const char text_first[] = "text before the first frame";
static const char turned_to_tls[] = "TLS starts after plain bytes";

/* ---- the PROXY header of a stream ---- */

/* `reason` is not NULL while its event waits for the stream to be decided. */
struct proxied {
	char src[ADDRESS_CHARS], dst[ADDRESS_CHARS];
	const char *reason;
	struct cap_mark mark;
	uint64_t bytes;
	enum cap_dir dir;
};

void
flow_free_proxied(struct stream *s)
{
	free(s->proxied);
	s->proxied = NULL;
	s->pub.client_src = s->pub.client_dst = NULL;
}

/*
 * Frames were found: the stream counts, and so does what came before them: its
 * PROXY header, text, that it turned to TLS.
 */
static void
decided(const struct flow_ref *ref)
{
	const struct proxied *p = ref->stream->proxied;
	struct cap *cap = ref->cap;
	const struct cap_mark mark = cap->mark;

	ref->stream->undecided = false;
	if (p != NULL) {
		cap->mark = p->mark;
		cap_emit(
		    cap, ref->stream, p->dir, CAP_PROXY, p->bytes, p->reason);
		cap->mark = mark;
	}
	for (int dir = CAP_UP; dir <= CAP_DOWN; dir++) {
		struct flow_ref each = { cap, ref->stream, (enum cap_dir)dir };

		if (each.stream->flow[dir].text)
			report_skipped(&each);
	}
	if (ref->stream->turned)
		cap_emit(
		    cap, ref->stream, ref->dir, CAP_NOTE, 0, turned_to_tls);
}

static const char *
proxy_kind(const struct proxy_header *header)
{
	if (header->source.len_bytes > 0)
		return header->version == 1 ? "PROXY protocol, version 1"
					    : "PROXY protocol, version 2";
	if (header->version == 1)
		return "PROXY protocol, version 1: the client is unknown";
	return header->local ? "PROXY protocol, version 2: no client, the proxy"
			       " itself"
			     : "PROXY protocol, version 2: no address of the"
			       " client";
}

static void
proxied(const struct flow_ref *ref, const struct proxy_header *header)
{
	struct stream *s = ref->stream;
	struct proxied *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		cap_emit(ref->cap, s, ref->dir, CAP_LIMIT, header->n_bytes,
		    bnet_strerror(BNET_ENOMEM));
		return;
	}
	flow_free_proxied(s);
	s->proxied = p;
	*p = (struct proxied){ .reason = proxy_kind(header),
		.mark = ref->cap->mark,
		.bytes = header->n_bytes,
		.dir = ref->dir };
	if (header->source.len_bytes > 0)
		s->pub.client_src = address_format(&header->source, p->src);
	if (header->destination.len_bytes > 0)
		s->pub.client_dst =
		    address_format(&header->destination, p->dst);
	cap_emit(ref->cap, s, ref->dir, CAP_PROXY, p->bytes, p->reason);
}

/* Frames start `at` bytes from here: decodes them in place. */
static void
found(const struct flow_ref *ref, size_t at, enum bnet_order order)
{
	struct flow *flow = flow_of(ref);
	struct bnet_slice left;
	enum bnet_err err;

	skip(flow, at);
	if (ref->stream->pub.order == BNET_ORDER_AUTO)
		ref->stream->pub.order = order;
	if (ref->stream->undecided)
		decided(ref);
	report_skipped(ref);
	bnet_link_reset(flow->link);
	bnet_link_set_order(flow->link, order);
	flow->pending.packet = 0;
	flow->searched = 0;
	err = feed(ref, bnet_buf_slice(&flow->unsynced), &left);
	if (err == BNET_OK) {
		flow->pending = marks_take_all(&flow->marks);
		drop_unsynced(flow);
		resync_free(&flow->resync);
		flow->state = FLOW_SYNCED;
		return;
	}
	report_unframed(ref, err);
	bnet_buf_consume(&flow->unsynced, flow->unsynced.len - left.len);
	/* the bytes of the frame that was kept are dropped with the others */
	(void)marks_take_to(&flow->marks, flow->marks.to - left.len);
	start_resync(ref, 0, "no frames");
	if (flow->unsynced.len > 0)
		skip(flow, 1);
}

/* What it began with is no text before something else: the link's error. */
static void
no_text(const struct flow_ref *ref)
{
	struct flow *flow = flow_of(ref);

	if (flow->text)
		report_unframed(ref, flow->text_err);
	flow->text = false;
}

static void
resync_on(const struct flow_ref *ref, bool last)
{
	struct flow *flow = flow_of(ref);
	enum bnet_order order;
	enum resync_result result;
	size_t at;

	while (flow->state == FLOW_RESYNC && flow->unsynced.len > 0) {
		result = resync_step(&flow->resync,
		    bnet_buf_slice(&flow->unsynced), last, &at, &order);
		if (result == RESYNC_FOUND) {
			found(ref, at, order);
			continue;
		}
		if (result == RESYNC_NONE && flow->resync.n_starts > 0 &&
		    !ref->stream->undecided) {
			/*
			 * the other direction has frames: keep searching here
			 */
			no_text(ref);
			start_resync(ref, 0, "no frames");
			continue;
		}
		if (ref->stream->undecided &&
		    (result == RESYNC_NONE ||
			flow->skipped_bytes + at > UNDECIDED_BYTES)) {
			cap_ignore(ref->stream);
			return;
		}
		skip(flow, at);
		resync_dropped(&flow->resync, at);
		break;
	}
}

/* No frames start in the bytes held, and there is no room for more. */
static void
unsynced_full(const struct flow_ref *ref)
{
	struct flow *flow = flow_of(ref);

	cap_emit(ref->cap, ref->stream, ref->dir, CAP_LIMIT, flow->unsynced.len,
	    "no frames found in as much as may be held of a stream");
	skip(flow, flow->unsynced.len);
	start_resync(ref, 0, flow->skip_reason);
}

static void
resync_bytes(const struct flow_ref *ref, struct bnet_slice in)
{
	struct flow *flow = flow_of(ref);

	if (!keep(flow, in, ref->cap->mark)) {
		unsynced_full(ref);
		if (!keep(flow, in, ref->cap->mark)) {
			flow->skipped_bytes += in.len;
			return;
		}
	}
	if (!turn_in_unsynced(ref))
		resync_on(ref, false);
}

/* Framing was lost: search the rest, from the second byte on. */
static void
lose_sync(const struct flow_ref *ref, struct bnet_slice left)
{
	struct flow *flow = flow_of(ref);
	struct bnet_slice kept = bnet_link_pending(flow->link);

	start_resync(ref, 0, "no frames");
	if (!keep(flow, kept,
		flow->pending.packet > 0 ? flow->pending : ref->cap->mark))
		flow->skipped_bytes += kept.len;
	bnet_link_reset(flow->link);
	flow->pending.packet = 0;
	if (!keep(flow, left, ref->cap->mark))
		flow->skipped_bytes += left.len;
	if (flow->unsynced.len > 0)
		skip(flow, 1);
	resync_on(ref, false);
}

/* ---- callbacks of the earlier stages ---- */

/*
 * The snapshot length cut the frame in the link, but its header is there.
 * Reports it with as much of its payload as was captured.
 */
static void
report_cut(const struct flow_ref *ref)
{
	struct flow *flow = flow_of(ref);
	struct bnet_packet packet;
	uint64_t of_bytes;

	flow->cut = false;
	if (bnet_link_partial(flow->link, &packet, &of_bytes)) {
		if (ref->stream->pub.order == BNET_ORDER_AUTO)
			ref->stream->pub.order = bnet_link_order(flow->link);
		cap_emit_frame(ref, &packet,
		    cap_mark_later(flow->skip_mark,
			cap_mark_later(flow->pending, ref->cap->mark)),
		    of_bytes);
	}
	flow->pending.packet = 0;
	flow->skip_mark.packet = 0;
	bnet_link_reset(flow->link);
}

/* The damaged frame ends here. */
static void
end_discard(const struct flow_ref *ref)
{
	if (flow_of(ref)->cut)
		report_cut(ref);
	else
		report_skipped(ref);
}

static struct bnet_slice
discard(struct flow *flow, struct bnet_slice in, struct cap_mark mark)
{
	size_t n = in.len;

	if (n > flow->discard_bytes)
		n = (size_t)flow->discard_bytes;
	flow->discard_bytes -= n;
	if (!flow->cut)
		flow->skipped_bytes += n;
	flow->skip_mark = cap_mark_later(flow->skip_mark, mark);
	return bnet_slice_from(in, n);
}

/* The first bytes: an undecided stream must show frames. */
static void
start(const struct flow_ref *ref, struct bnet_slice in)
{
	struct flow *flow = flow_of(ref);
	enum bnet_order order;

	if (ref->stream->half[ref->dir].no_start) {
		ref->stream->pub.no_start = true;
		start_resync(ref, 0, "rest of a frame without its start");
	} else if (text_looks(ref, in) == TEXT_YES) {
		flow->state = FLOW_TEXT;
		flow->text = true;
		flow->text_err = bnet_frame_detect(
		    in, ref->cap->set.frame_max_bytes, &order);
		flow->skip_reason = text_first;
	} else if (ref->stream->undecided) {
		start_resync(ref, 1, "no frames");
	} else {
		flow->state = FLOW_SYNCED;
	}
}

/* ---- TLS after plain bytes ---- */

/* Framing is lost, or never was a TLS hello. */
static void
unframed(const struct flow_ref *ref, struct bnet_slice left, enum bnet_err err)
{
	report_unframed(ref, err);
	lose_sync(ref, left);
}

/*
 * Does a TLS hello start here? A ServerHello alone is no reason: its client's
 * came before.
 */
static enum cap_tls_looks
hello_at(const struct flow_ref *ref, struct bnet_slice in)
{
	enum cap_tls_looks looks = cap_tls_looks_like(in);

	if (flow_of(ref)->tls ||
	    (in.len > 5 && in.p[5] != TLS_CLIENT_HELLO &&
		ref->stream->tls == NULL))
		return CAP_TLS_NO;
	return looks;
}

/* The bytes in `unsynced` are a TLS hello, or may be one. */
static void
turn(const struct flow_ref *ref, enum cap_tls_looks looks)
{
	struct flow *flow = flow_of(ref);
	struct bnet_buf hello = flow->unsynced;

	resync_free(&flow->resync);
	flow->state = FLOW_TURNING;
	if (looks != CAP_TLS_YES)
		return;
	report_skipped(ref);
	/* the plaintext begins with a frame, if the stream is one of ours */
	flow->state = ref->stream->undecided ? FLOW_START : FLOW_SYNCED;
	bnet_buf_init(&flow->unsynced, hello.max);
	(void)marks_take_all(&flow->marks);
	begin_tls(ref, bnet_buf_slice(&hello), true);
	bnet_buf_free(&hello);
}

/* Keeps what the link has not taken. Returns false when out of memory. */
static bool
keep_unframed(const struct flow_ref *ref, struct bnet_slice left)
{
	struct flow *flow = flow_of(ref);

	if (!keep(flow, bnet_link_pending(flow->link),
		flow->pending.packet > 0 ? flow->pending : ref->cap->mark) ||
	    !keep(flow, left, ref->cap->mark)) {
		drop_unsynced(flow);
		return false;
	}
	bnet_link_reset(flow->link);
	flow->pending.packet = 0;
	return true;
}

static void
synced_bytes(const struct flow_ref *ref, struct bnet_slice in)
{
	struct flow *flow = flow_of(ref);
	uint8_t bytes[HEAD_BYTES];
	struct bnet_slice left, head;
	enum cap_tls_looks looks = CAP_TLS_NO;
	enum bnet_err err = feed(ref, in, &left);

	/* the word of a hello may be that of a long frame, too */
	head = bnet_link_pending(flow->link);
	if (err == BNET_OK &&
	    (head.len == 0 || *head.p != TLS_HANDSHAKE_RECORD || flow->tls))
		return;
	head = head_of(flow, left, bytes);
	if (head.len > 0)
		looks = hello_at(ref, head);
	if (err == BNET_OK && looks != CAP_TLS_YES)
		return;
	if (looks != CAP_TLS_NO && keep_unframed(ref, left))
		turn(ref, looks);
	else if (err != BNET_OK)
		unframed(ref, left, err);
}

static void
turning_bytes(const struct flow_ref *ref, struct bnet_slice in)
{
	struct flow *flow = flow_of(ref);
	struct bnet_buf first;
	struct bnet_slice left;
	enum cap_tls_looks looks;
	enum bnet_err err =
	    keep(flow, in, ref->cap->mark) ? BNET_OK : BNET_ENOMEM;

	looks = hello_at(ref, bnet_buf_slice(&flow->unsynced));
	if (err == BNET_OK && looks != CAP_TLS_NO && in.len > 0) {
		turn(ref, looks);
		return;
	}
	/* it was none: the link says what is wrong */
	first = flow->unsynced;
	bnet_buf_init(&flow->unsynced, first.max);
	(void)marks_take_all(&flow->marks);
	flow->state = FLOW_SYNCED;
	err = feed(ref, bnet_buf_slice(&first), &left);
	if (err != BNET_OK)
		unframed(ref, left, err);
	bnet_buf_free(&first);
}

/*
 * Looks for a hello among bytes that are no frames. Returns true if there is
 * one, or its start.
 */
static bool
turn_in_unsynced(const struct flow_ref *ref)
{
	struct flow *flow = flow_of(ref);
	struct bnet_slice in = bnet_buf_slice(&flow->unsynced), at;
	enum cap_tls_looks looks;
	const uint8_t *p;

	for (; !flow->tls && flow->searched < in.len; flow->searched++) {
		at = bnet_slice_from(in, flow->searched);
		p = memchr(at.p, TLS_HANDSHAKE_RECORD, at.len);
		if (p == NULL) {
			flow->searched = in.len;
			break;
		}
		flow->searched = (size_t)(p - in.p);
		looks = hello_at(ref, bnet_slice_from(in, flow->searched));
		if (looks == CAP_TLS_YES) {
			skip(flow, flow->searched);
			flow->searched = 0;
			turn(ref, looks);
		}
		if (looks != CAP_TLS_NO)
			return true;
	}
	return false;
}

/* ---- text before frames or TLS ---- */

#define TEXT_BYTES 16384 /* of text, at most */
#define TEXT_MIN_BYTES 4

static size_t
text_len(struct bnet_slice in)
{
	size_t n = 0;

	while (n < in.len &&
	    ((in.p[n] >= ' ' && in.p[n] <= '~') || in.p[n] == '\t' ||
		in.p[n] == '\n' || in.p[n] == '\r'))
		n++;
	return n;
}

/* Does a stream begin with text, and not with a frame? */
static enum text_looks
text_looks(const struct flow_ref *ref, struct bnet_slice in)
{
	size_t n = text_len(in);
	enum bnet_order order;

	if (ref->stream->half[ref->dir].no_start || n == 0)
		return TEXT_NO;
	if (n < TEXT_MIN_BYTES)
		return n == in.len ? TEXT_PERHAPS : TEXT_NO;
	return bnet_frame_detect(in, ref->cap->set.frame_max_bytes, &order) >
		BNET_MORE
	    ? TEXT_YES
	    : TEXT_NO;
}

/* Counts text; its last bytes are kept. */
static void
add_text(struct flow *flow, struct bnet_slice in, struct cap_mark mark)
{
	const size_t room = sizeof(flow->tail);
	size_t all = flow->n_tail + in.len;
	size_t n = in.len < room ? in.len : room;
	size_t old = room - n < flow->n_tail ? room - n : flow->n_tail;

	memmove(flow->tail, flow->tail + flow->n_tail - old, old);
	memcpy(flow->tail + old, in.p + in.len - n, n);
	flow->n_tail = (uint8_t)(old + n);
	flow->skipped_bytes += all - flow->n_tail;
	flow->skip_mark = cap_mark_later(flow->skip_mark, mark);
}

/* Nothing but text: the stream is another's, or has no frames so far. */
static void
end_text(const struct flow_ref *ref)
{
	struct flow *flow = flow_of(ref);

	if (ref->stream->undecided) {
		cap_ignore(ref->stream);
		return;
	}
	no_text(ref);
	if (flow->unsynced.len == 0) /* it is not in there */
		flow->skipped_bytes += flow->n_tail;
	flow->n_tail = 0;
	start_resync(ref, 0, "no frames");
}

/* The bytes in `unsynced`, with the text's tail, are none: what are they? */
static void
behind_text(const struct flow_ref *ref)
{
	struct flow *flow = flow_of(ref);
	struct bnet_slice at =
	    bnet_slice_from(bnet_buf_slice(&flow->unsynced), flow->n_tail);
	enum cap_tls_looks looks = CAP_TLS_NO;

	if (*at.p == TLS_HANDSHAKE_RECORD)
		looks = hello_at(ref, at);
	if (looks == CAP_TLS_PERHAPS)
		return;
	if (looks == CAP_TLS_YES) {
		skip(flow, flow->n_tail);
		flow->n_tail = 0;
		flow->skip_reason = "text before TLS";
		turn(ref, looks);
		return;
	}
	start_resync(ref, (size_t)flow->n_tail + 1, text_first);
	flow->n_tail = 0;
	resync_on(ref, false);
}

static void
text_bytes(const struct flow_ref *ref, struct bnet_slice in)
{
	struct flow *flow = flow_of(ref);
	size_t n = flow->unsynced.len > 0 ? 0 : text_len(in);
	const struct bnet_slice tail = { flow->tail, flow->n_tail };

	if (n > 0)
		add_text(flow, (struct bnet_slice){ in.p, n }, ref->cap->mark);
	in = bnet_slice_from(in, n);
	if (flow->skipped_bytes > TEXT_BYTES)
		end_text(ref);
	else if (in.len == 0)
		return;
	if (flow->state == FLOW_RESYNC) {
		resync_bytes(ref, in);
	} else if (!ref->stream->ignored) {
		if ((flow->unsynced.len == 0 &&
			!keep(flow, (struct bnet_slice){ tail.p, flow->n_tail },
			    ref->cap->mark)) ||
		    !keep(flow, in, ref->cap->mark))
			give_up(ref, in.len);
		else
			behind_text(ref);
	}
}

static void
plain_bytes(const struct flow_ref *ref, struct bnet_slice in)
{
	struct flow *flow = flow_of(ref);

	if (flow->link == NULL && !open_link(ref)) {
		cap_emit(ref->cap, ref->stream, ref->dir, CAP_LIMIT, in.len,
		    bnet_strerror(BNET_ENOMEM));
		return;
	}
	if (flow->state == FLOW_START)
		start(ref, in);
	if (flow->discard_bytes > 0) {
		in = discard(flow, in, ref->cap->mark);
		if (flow->discard_bytes == 0)
			end_discard(ref);
	}
	if (in.len > 0 && flow->state == FLOW_RESYNC)
		resync_bytes(ref, in);
	else if (in.len > 0 && flow->state == FLOW_TURNING)
		turning_bytes(ref, in);
	else if (in.len > 0 && flow->state == FLOW_TEXT)
		text_bytes(ref, in);
	else if (in.len > 0)
		synced_bytes(ref, in);
	account(ref->cap, flow);
}

/* A gap in the frame whose rest is being discarded. */
static bool
gap_in_discard(const struct flow_ref *ref, uint64_t *bytes)
{
	struct flow *flow = flow_of(ref);

	if (*bytes > flow->discard_bytes) {
		if (!flow->cut)
			return false;
		/* the frame ends in what is missing, and others begin there */
		*bytes -= flow->discard_bytes;
		flow->discard_bytes = 0;
		report_cut(ref);
		return false;
	}
	flow->discard_bytes -= *bytes;
	if (flow->cut)
		*bytes = 0;
	if (flow->discard_bytes == 0)
		end_discard(ref);
	return true;
}

/*
 * A gap inside a frame of known length loses only that frame: the next one
 * starts where it would have ended. If the snapshot length made the gap, and
 * the header is there, the frame is not lost. *bytes becomes what of the gap is
 * not of such a frame.
 */
static bool
gap_in_frame(const struct flow_ref *ref, uint64_t *bytes, bool cut)
{
	struct flow *flow = flow_of(ref);
	size_t kept, missing;
	struct bnet_packet packet;
	uint64_t of_bytes;

	if (flow->link == NULL || flow->state != FLOW_SYNCED)
		return false;
	if (flow->discard_bytes > 0)
		return gap_in_discard(ref, bytes);
	kept = bnet_link_pending(flow->link).len;
	missing = bnet_link_missing_bytes(flow->link);
	if (missing == 0)
		return false;
	if (cut && bnet_link_partial(flow->link, &packet, &of_bytes)) {
		flow->cut = true;
		flow->discard_bytes = missing;
		return gap_in_discard(ref, bytes);
	}
	if (*bytes > missing)
		return false;
	bnet_link_reset(flow->link);
	flow->skip_reason = "rest of a frame with a gap in it";
	flow->skipped_bytes += kept;
	/* it is lost since the gap was found, which has been reported */
	flow->skip_mark = cap_mark_later(flow->pending, ref->cap->mark);
	flow->pending.packet = 0;
	flow->discard_bytes = missing - *bytes;
	if (flow->discard_bytes == 0)
		report_skipped(ref);
	return true;
}

/* No bytes follow directly: fewer frames are enough. */
static void
resync_to_the_end(const struct flow_ref *ref, uint64_t cut_bytes)
{
	struct flow *flow = flow_of(ref);

	if (flow->state != FLOW_RESYNC)
		return;
	flow->resync.cut_bytes = cut_bytes;
	resync_on(ref, true);
	flow->resync.cut_bytes = 0;
}

static void
resync_after_gap(const struct flow_ref *ref)
{
	struct flow *flow = flow_of(ref);

	skip(flow, flow->unsynced.len);
	drop_unsynced(flow);
	if (flow->link != NULL) {
		flow->skipped_bytes += bnet_link_pending(flow->link).len;
		bnet_link_reset(flow->link);
	}
	if (flow->skipped_bytes > 0)
		flow->skip_mark =
		    cap_mark_later(flow->skip_mark, ref->cap->mark);
	flow->pending.packet = 0;
	flow->discard_bytes = 0;
	start_resync(ref, 0, "rest of a frame with a gap in it");
}

/*
 * Bytes are missing. Those that the snapshot length cut from the payload of a
 * frame whose header is there are no gap.
 */
static void
plain_gap(const struct flow_ref *ref, uint64_t bytes, enum tcp_gap kind,
    const char *reason)
{
	bool cut = kind == TCP_GAP_CUT, in_cut, in_frame = false;

	if (bytes == 0 || !open_link(ref)) {
		cap_emit(
		    ref->cap, ref->stream, ref->dir, CAP_GAP, bytes, reason);
		return;
	}
	if (cut && flow_of(ref)->state == FLOW_START)
		start(ref, (struct bnet_slice){ NULL, 0 });
	resync_to_the_end(ref, cut ? bytes : 0);
	in_cut = cut || flow_of(ref)->cut;
	if (in_cut)
		in_frame = gap_in_frame(ref, &bytes, cut);
	if (bytes > 0)
		cap_emit(
		    ref->cap, ref->stream, ref->dir, CAP_GAP, bytes, reason);
	if (!in_cut)
		in_frame = gap_in_frame(ref, &bytes, cut);
	if (!in_frame)
		resync_after_gap(ref);
	account(ref->cap, flow_of(ref));
}

static void
plain_lost(const struct flow_ref *ref, uint64_t bytes, const char *reason)
{
	if (bytes > 0)
		cap_emit(
		    ref->cap, ref->stream, ref->dir, CAP_SKIP, bytes, reason);
	if (!open_link(ref))
		return;
	resync_to_the_end(ref, 0);
	resync_after_gap(ref);
	account(ref->cap, flow_of(ref));
}

/* The end comes inside a frame that is shown cut, if it was sent whole. */
static void
finish_cut(const struct flow_ref *ref, bool orderly)
{
	struct flow *flow = flow_of(ref);
	struct bnet_packet packet;
	uint64_t of_bytes;

	if (!orderly) {
		report_cut(ref);
		return;
	}
	if (bnet_link_partial(flow->link, &packet, &of_bytes))
		cap_emit(ref->cap, ref->stream, ref->dir, CAP_MALFORMED,
		    BNET_FRAME_WORD_BYTES + (uint64_t)packet.size_bytes -
			flow->discard_bytes,
		    "the stream ended inside a frame");
}

static void
plain_finish(const struct flow_ref *ref, bool orderly)
{
	struct flow *flow = flow_of(ref);
	struct bnet_slice kept;

	if (flow->link == NULL)
		return;
	if (flow->state == FLOW_RESYNC) {
		resync_on(ref, true);
		skip(flow, flow->unsynced.len);
		drop_unsynced(flow);
	}
	if (flow->cut) {
		finish_cut(ref, orderly);
		return;
	}
	report_skipped(ref);
	kept = bnet_link_pending(flow->link);
	if (kept.len > 0 && orderly)
		cap_emit(ref->cap, ref->stream, ref->dir, CAP_MALFORMED,
		    kept.len, "the stream ended inside a frame");
	else if (kept.len > 0) {
		cap_emit(ref->cap, ref->stream, ref->dir, CAP_SKIP, kept.len,
		    "start of a frame without its rest");
		cap_emit(ref->cap, ref->stream, ref->dir, CAP_GAP,
		    bnet_link_missing_bytes(flow->link),
		    "the capture ends inside a frame");
	}
}

/* ---- plain or TLS ---- */

#define TLS_RECORD_HEAD_BYTES 5
#define TLS_RECORD_MAX_BYTES (16384 + 2048)

/* A TLS record in the middle of a session whose hellos were not captured. */
static bool
looks_like_record(struct bnet_slice in)
{
	return in.len >= TLS_RECORD_HEAD_BYTES && in.p[0] >= 20 &&
	    in.p[0] <= 23 && in.p[1] == 3 && in.p[2] <= 4 &&
	    (size_t)(in.p[3] << 8 | in.p[4]) <= TLS_RECORD_MAX_BYTES;
}

static struct cap_tls_mark
now_of(const struct cap *cap)
{
	return (struct cap_tls_mark){ cap->mark.time_ns, cap->mark.packet };
}

static void
set_now(struct cap *cap, struct cap_tls_mark mark)
{
	cap->mark = (struct cap_mark){ mark.time_ns, mark.packet };
}

/* What waited in the TLS layer keeps the packet that it came with. */
static void
on_plain(void *arg, enum cap_dir dir, struct bnet_slice plaintext)
{
	struct flow_ref ref = *(const struct flow_ref *)arg;
	struct cap_tls_mark is = cap_tls_now(ref.stream->tls);
	struct cap_tls_mark was = now_of(ref.cap);

	ref.dir = dir;
	if (ref.stream->ignored)
		return;
	set_now(ref.cap, is);
	plain_bytes(&ref, plaintext);
	set_now(ref.cap, was);
}

static void
on_lost(void *arg, enum cap_dir dir, uint64_t bytes, const char *reason)
{
	struct flow_ref ref = *(const struct flow_ref *)arg;
	const struct cap_mark mark = ref.cap->mark;

	ref.dir = dir;
	if (ref.stream->tls_cut[dir] && ref.stream->pub.tls)
		reason = "a TLS record that the snapshot length cut cannot be "
			 "decrypted";
	if (!ref.stream->ignored)
		plain_lost(&ref, bytes, reason);
	ref.cap->mark = mark;
}

void
flow_wait_end(struct cap *cap, struct stream *s)
{
	if (!s->waiting)
		return;
	s->waiting = false;
	cap->n_waiting--;
	if (s->waiting_prev != NULL)
		s->waiting_prev->waiting_next = s->waiting_next;
	else
		cap->waiting = s->waiting_next;
	if (s->waiting_next != NULL)
		s->waiting_next->waiting_prev = s->waiting_prev;
	else
		cap->waiting_last = s->waiting_prev;
}

static void
wait_begin(struct cap *cap, struct stream *s)
{
	s->waiting = true;
	s->waiting_since_ns = 0;
	cap->n_waiting++;
	s->waiting_next = NULL;
	s->waiting_prev = cap->waiting_last;
	if (s->waiting_prev != NULL)
		s->waiting_prev->waiting_next = s;
	else
		cap->waiting = s;
	cap->waiting_last = s;
}

/* Updates the total over all streams, and those that wait. */
static void
account_tls(const struct flow_ref *ref)
{
	struct stream *s = ref->stream;
	size_t held = cap_tls_memory_bytes(s->tls);

	ref->cap->held_bytes += held - s->tls_held_bytes;
	s->tls_held_bytes = held;
	if (cap_tls_waiting(s->tls) == s->waiting)
		return;
	if (s->waiting)
		flow_wait_end(ref->cap, s);
	else
		wait_begin(ref->cap, s);
}

static struct cap_tls_sink
tls_sink(struct flow_ref *ref)
{
	return (
	    struct cap_tls_sink){ on_plain, on_lost, ref, now_of(ref->cap) };
}

static void
feed_tls(const struct flow_ref *ref, struct bnet_slice in)
{
	struct flow_ref arg = *ref;
	const struct cap_tls_sink sink = tls_sink(&arg);

	if (cap_tls_feed(ref->stream->tls, ref->dir, in, &sink) != BNET_OK)
		cap_emit(ref->cap, ref->stream, ref->dir, CAP_LIMIT, in.len,
		    bnet_strerror(BNET_ENOMEM));
	account_tls(ref);
}

void
flow_retry_keys(struct cap *cap, struct stream *s, bool give_up)
{
	struct flow_ref ref = { cap, s, CAP_UP };
	const struct cap_tls_sink sink = tls_sink(&ref);

	if (give_up)
		cap_tls_wait(s->tls, false);
	if (cap_tls_retry(s->tls, &sink) != BNET_OK)
		cap_emit(
		    cap, s, CAP_UP, CAP_LIMIT, 0, bnet_strerror(BNET_ENOMEM));
	account_tls(&ref);
}

/* Feeds the first few bytes of the other direction, now that it is TLS. */
static void
feed_tls_kept(const struct flow_ref *ref)
{
	struct flow_ref other = *ref;
	const struct cap_mark mark = ref->cap->mark;
	struct flow *flow;
	struct bnet_buf first;

	other.dir = ref->dir == CAP_UP ? CAP_DOWN : CAP_UP;
	flow = &other.stream->flow[other.dir];
	first = flow->unsynced;
	if (flow->state != FLOW_START || flow->tls ||
	    text_len(bnet_buf_slice(&first)) > 0)
		return;
	flow->tls = true;
	if (first.len == 0)
		return;
	bnet_buf_init(&flow->unsynced, first.max);
	ref->cap->mark = marks_take_all(&flow->marks);
	feed_tls(&other, bnet_buf_slice(&first));
	ref->cap->mark = mark;
	bnet_buf_free(&first);
}

/* Out of memory before the kind of stream is known. */
static void
give_up(const struct flow_ref *ref, size_t bytes)
{
	cap_emit(ref->cap, ref->stream, ref->dir, CAP_LIMIT, bytes,
	    bnet_strerror(BNET_ENOMEM));
	cap_ignore(ref->stream);
}

/* The stream is TLS from here on: `hello` is the start of this direction's. */
static void
begin_tls(const struct flow_ref *ref, struct bnet_slice hello, bool turned)
{
	struct stream *s = ref->stream;
	bool plain_before = turned || s->flow[!ref->dir].state != FLOW_START;

	if (s->tls == NULL) {
		s->tls = cap_tls_new(ref->cap->set.keylog);
		if (s->tls == NULL) {
			give_up(ref, hello.len);
			return;
		}
		cap_tls_wait(s->tls, ref->cap->set.key_wait_ns > 0);
		s->pub.tls = true;
		s->turned = plain_before;
		if (plain_before)
			cap_emit(
			    ref->cap, s, ref->dir, CAP_NOTE, 0, turned_to_tls);
	}
	flow_of(ref)->tls = true;
	account(ref->cap, flow_of(ref)); /* the hello was in `unsynced` */
	feed_tls(ref, hello);
	if (!turned)
		feed_tls_kept(ref);
}

static enum cap_tls_looks
look(const struct flow_ref *ref, struct bnet_slice first)
{
	if (ref->stream->half[ref->dir].no_start && looks_like_record(first))
		return CAP_TLS_YES;
	return cap_tls_looks_like(first);
}

/*
 * Takes the PROXY headers at the start of the bytes held (each of a chain of
 * proxies may add one). Returns false if one is incomplete.
 */
static bool
take_proxy(const struct flow_ref *ref, struct bnet_buf *kept)
{
	struct proxy_header header;
	enum proxy_looks looks;
	enum bnet_err err;

	while (
	    (looks = proxy_header_looks(bnet_buf_slice(kept))) == PROXY_YES) {
		err = proxy_header_parse(bnet_buf_slice(kept), &header);
		if (err == BNET_MORE)
			return false;
		if (err == BNET_OK)
			proxied(ref, &header);
		else
			cap_emit(ref->cap, ref->stream, ref->dir, CAP_MALFORMED,
			    header.n_bytes, "bad PROXY protocol header");
		if (header.n_bytes == 0)
			break; /* its end is unknown: frames are searched */
		bnet_buf_consume(kept, header.n_bytes);
		(void)marks_take(&flow_of(ref)->marks, header.n_bytes);
	}
	return looks != PROXY_PERHAPS;
}

/*
 * A gap inside a PROXY header of known length loses only that header. Returns
 * false if it reaches beyond.
 */
static bool
gap_in_proxy(const struct flow_ref *ref, uint64_t bytes)
{
	struct flow *flow = flow_of(ref);
	struct proxy_header header;
	uint64_t left = flow->discard_bytes;

	if (flow->state != FLOW_START)
		return false;
	if (proxy_header_looks(bnet_buf_slice(&flow->unsynced)) == PROXY_YES &&
	    proxy_header_parse(bnet_buf_slice(&flow->unsynced), &header) ==
		BNET_MORE &&
	    header.n_bytes > 0)
		left = header.n_bytes - flow->unsynced.len;
	if (bytes == 0 || bytes > left)
		return false;
	flow->skip_reason = "rest of a PROXY header with a gap in it";
	skip(flow, flow->unsynced.len);
	flow->discard_bytes = left - bytes;
	if (flow->discard_bytes == 0)
		report_skipped(ref);
	return true;
}

/* The first bytes of a direction of a stream not known to be TLS. */
static void
judge_start(const struct flow_ref *ref, struct bnet_slice in)
{
	struct stream *s = ref->stream;
	struct bnet_buf *kept = &s->flow[ref->dir].unsynced;
	struct bnet_buf first;
	enum cap_tls_looks looks;

	if (flow_of(ref)->discard_bytes > 0) {
		in = discard(flow_of(ref), in, ref->cap->mark);
		if (flow_of(ref)->discard_bytes == 0)
			report_skipped(ref);
		if (in.len == 0)
			return;
	}
	if (kept->len == 0 && look(ref, in) == CAP_TLS_NO &&
	    proxy_header_looks(in) == PROXY_NO &&
	    text_looks(ref, in) != TEXT_PERHAPS) {
		plain_bytes(ref, in);
		return;
	}
	if (!keep(flow_of(ref), in, ref->cap->mark)) {
		give_up(ref, kept->len + in.len);
		return;
	}
	if (!take_proxy(ref, kept) || kept->len == 0) {
		account(ref->cap, flow_of(ref));
		return;
	}
	looks = look(ref, bnet_buf_slice(kept));
	if (looks == CAP_TLS_PERHAPS ||
	    (looks == CAP_TLS_NO &&
		text_looks(ref, bnet_buf_slice(kept)) == TEXT_PERHAPS)) {
		account(ref->cap, flow_of(ref));
		return;
	}
	first = *kept; /* plain_bytes() needs the buffer itself */
	bnet_buf_init(kept, first.max);
	ref->cap->mark = cap_mark_later(
	    ref->cap->mark, marks_take_all(&flow_of(ref)->marks));
	if (looks == CAP_TLS_YES)
		begin_tls(ref, bnet_buf_slice(&first), false);
	else
		plain_bytes(ref, bnet_buf_slice(&first));
	bnet_buf_free(&first);
}

void
flow_bytes(const struct flow_ref *ref, struct bnet_slice in)
{
	struct stream *s = ref->stream;

	if (s->ignored)
		return;
	if (s->flow[ref->dir].tls)
		feed_tls(ref, in);
	else if (s->flow[ref->dir].state == FLOW_START)
		judge_start(ref, in);
	else
		plain_bytes(ref, in);
}

/* No more bytes will reveal the kind of stream: treat them as plain. */
static void
settle_start(const struct flow_ref *ref)
{
	struct flow *flow = &ref->stream->flow[ref->dir];
	const struct cap_mark mark = ref->cap->mark;
	struct bnet_buf first = flow->unsynced;

	if (flow->state == FLOW_TURNING) {
		turning_bytes(ref, (struct bnet_slice){ NULL, 0 });
	} else if (flow->state == FLOW_START && first.len > 0) {
		bnet_buf_init(&flow->unsynced, first.max);
		ref->cap->mark = marks_take_all(&flow->marks);
		plain_bytes(ref, bnet_buf_slice(&first));
		ref->cap->mark = mark;
		bnet_buf_free(&first);
	}
	if (flow->state == FLOW_TEXT)
		end_text(ref);
}

void
flow_gap(const struct flow_ref *ref, uint64_t bytes, enum tcp_gap kind,
    const char *reason)
{
	struct flow_ref arg = *ref;
	const struct cap_tls_sink sink = tls_sink(&arg);
	struct stream *s = ref->stream;

	if (s->ignored)
		return;
	if (!flow_of(ref)->tls && gap_in_proxy(ref, bytes)) {
		cap_emit(ref->cap, s, ref->dir, CAP_GAP, bytes, reason);
		return;
	}
	if (!flow_of(ref)->tls) {
		settle_start(ref);
		plain_gap(ref, bytes, kind, reason);
		return;
	}
	cap_emit(ref->cap, s, ref->dir, CAP_GAP, bytes, reason);
	s->tls_cut[ref->dir] |= kind == TCP_GAP_CUT;
	if (bytes > 0 && cap_tls_gap(s->tls, ref->dir, bytes, &sink) != BNET_OK)
		cap_emit(ref->cap, s, ref->dir, CAP_LIMIT, 0,
		    bnet_strerror(BNET_ENOMEM));
	account_tls(ref);
}

void
flow_finish(struct cap *cap, struct stream *s)
{
	struct flow_ref ref = { cap, s, CAP_UP };
	const struct cap_tls_sink sink = tls_sink(&ref);
	struct cap_tls_status status;

	if (s->tls != NULL) {
		if (cap_tls_end(s->tls, &sink) != BNET_OK)
			cap_emit(cap, s, CAP_UP, CAP_LIMIT, 0,
			    bnet_strerror(BNET_ENOMEM));
		cap_tls_status(s->tls, &status);
		cap->counters.keyless_streams +=
		    status.state == CAP_TLS_NO_KEYS && !s->undecided;
	}
	for (int dir = CAP_UP; dir <= CAP_DOWN; dir++) {
		ref.dir = (enum cap_dir)dir;
		if (s->ignored)
			return;
		settle_start(&ref);
		plain_finish(&ref, s->half[dir].fin);
	}
	if (s->flow[CAP_UP].order != BNET_ORDER_AUTO)
		s->pub.order = s->flow[CAP_UP].order;
}
