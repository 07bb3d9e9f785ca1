/* SPDX-License-Identifier: MIT */
#include "cmd/capture/capture.h"

#include "cmd/capture/layers.h"
#include "cmd/capture/left_out.h"
#include "cmd/capture/order.h"
#include "cmd/capture/streams.h"
#include "cmd/capture/tls.h"

#include <stdlib.h>
#include <string.h>

#define STREAM_BYTES ((size_t)4 << 20)
#define TOTAL_BYTES ((size_t)256 << 20)
#define N_STREAMS ((size_t)65536)
#define IDLE_NS INT64_C(600000000000)
/* The share of the memory for all streams that history may use. */
#define HISTORY_SHARE 4
/* The share that one direction of one stream may hold. */
#define STREAM_SHARE 4
/*
 * A late SYN belongs to a stream whose data starts at most this far after it.
 */
#define LATE_SYN_BYTES (1 << 20)
/*
 * No window is so large that a segment lies this far from the expected one.
 * Sequence numbers of a new connection are random, so both directions jump; a
 * pause of the capture moves both forward, by less than half the space.
 */
#define WINDOW_BYTES (UINT32_C(1) << 24)
#define PAUSE_BYTES (INT32_C(1) << 30)
/* A RST is accepted within this distance of the expected sequence number. */
#define RST_BYTES UINT32_C(4194304)

/* ---- callbacks of tcp ---- */

static void
on_data(void *arg, struct bnet_slice data, const struct cap_mark *mark)
{
	const struct flow_ref *ref = arg;

	ref->cap->mark = *mark;
	flow_bytes(ref, data);
}

static void
on_gap(void *arg, uint64_t bytes, enum tcp_gap kind, const char *reason,
    const struct cap_mark *mark)
{
	const struct flow_ref *ref = arg;

	ref->cap->mark = *mark;
	flow_gap(ref, bytes, kind, reason);
}

static void
on_conflict(void *arg, uint64_t bytes, const char *reason)
{
	const struct flow_ref *ref = arg;

	ref->cap->mark = ref->cap->tcp.now;
	cap_emit(ref->cap, ref->stream, ref->dir, CAP_OVERLAP, bytes, reason);
}

static void
on_limit(void *arg, uint64_t bytes)
{
	const struct flow_ref *ref = arg;

	ref->cap->mark = ref->cap->tcp.now;
	cap_emit(ref->cap, ref->stream, ref->dir, CAP_LIMIT, bytes,
	    "too much is held out of order");
}

static const struct tcp_sink tcp_sink = { on_data, on_gap, on_conflict,
	on_limit };

/* ---- streams ---- */

/* Does this SYN open a new connection between the same ends? */
static bool
is_reuse(const struct stream *s, int dir, const struct cap_segment *seg)
{
	const struct tcp_half *half = &s->half[dir];

	if (!(seg->flags & TCP_SYN))
		return false;
	if (s->half[0].ended && s->half[1].ended)
		return true; /* recordings begin each with the same number */
	if (s->isn_known[dir])
		return s->isn[dir] != seg->seq;
	if (s->closing)
		return true;
	return half->started && half->next_seq - seg->seq - 1 > LATE_SYN_BYTES;
}

enum jump {
	JUMP_NONE, /* within a window, or unknown */
	JUMP_AHEAD, /* as after a pause of the capture */
	JUMP_AWAY,
};

static enum jump
jump(const struct tcp_half *half, uint32_t seq)
{
	int32_t by = (int32_t)(seq - half->next_seq);

	if (!half->started ||
	    seq - half->next_seq + WINDOW_BYTES < 2 * WINDOW_BYTES)
		return JUMP_NONE;
	return by > 0 && by < PAUSE_BYTES ? JUMP_AHEAD : JUMP_AWAY;
}

/*
 * May it be of a new connection between the same ends, whose SYN is not in the
 * capture? Then it acknowledges what the other side never sent, and lies beyond
 * any window itself.
 */
static bool
is_beyond(const struct stream *s, int dir, const struct cap_segment *seg)
{
	enum jump by_seq, by_ack = JUMP_NONE;
	bool knows_ack = (seg->flags & TCP_ACK) && s->half[!dir].started;

	/* the usual case */
	if (seg->seq - s->half[dir].next_seq + WINDOW_BYTES < 2 * WINDOW_BYTES)
		return false;
	if (seg->flags & (TCP_SYN | TCP_RST))
		return false;
	by_seq = jump(&s->half[dir], seg->seq);
	if (by_seq == JUMP_NONE)
		return false;
	if (knows_ack)
		by_ack = jump(&s->half[!dir], seg->ack);
	if (by_seq == JUMP_AHEAD && by_ack != JUMP_AWAY)
		return false;
	return by_ack != JUMP_NONE || !knows_ack;
}

static void
note_syn(struct stream *s, int dir, const struct cap_segment *seg)
{
	s->isn_known[dir] = true;
	s->isn[dir] = seg->seq;
	tcp_start(&s->half[dir], seg->seq + 1);
	if (seg->flags & TCP_ACK)
		tcp_start(&s->half[!dir], seg->ack);
}

/* A RST far from the expected sequence number may be forged. */
static bool
is_believed(
    const struct stream *s, enum cap_dir dir, const struct cap_segment *seg)
{
	const struct tcp_half *half = &s->half[dir];

	return !half->started ||
	    half->next_seq - seg->seq + RST_BYTES <= 2 * RST_BYTES;
}

static void
segment_done(struct cap *cap, struct stream *s, enum cap_dir dir,
    const struct cap_segment *seg)
{
	bool closing = s->closing;

	if ((seg->flags & TCP_RST) && !closing && is_believed(s, dir, seg)) {
		cap->counters.resets++;
		closing = true;
	}
	if (s->half[0].ended && s->half[1].ended)
		closing = true;
	s->seen_ns = cap->time_ns;
	streams_touch(&cap->streams, s, closing);
	if (s->ignored)
		streams_release(cap, s);
	if (cap->held_bytes > cap->set.limits.total_bytes)
		streams_make_room(cap);
}

/* No clock of TCP is slower than this: it is usually a millisecond. */
#define TICK_NS INT64_C(20000000)

/*
 * The capture pauses before this segment, or its clock stepped forward: the
 * sender's clock shows it. Nothing else does: that the segment answers what was
 * sent before the pause is usual, where acknowledgements without data are not
 * captured, or were lost.
 */
static void
note_evidence(struct cap *cap, const struct stream *s, enum cap_dir dir,
    const struct cap_segment *seg)
{
	const struct tcp_half *own = &s->half[dir];
	int64_t pause_ns = clock_pause_ns(&cap->clock);
	uint32_t ticks = seg->ticks - own->ticks;

	if (pause_ns == 0)
		return;
	if (ticks == 0 && !own->ticking)
		return; /* a clock that stands, as tools write it */
	if (seg->clocked && own->clocked && ticks <= INT32_MAX)
		clock_evidence(&cap->clock, ticks * TICK_NS >= pause_ns);
}

static inline void
note_ticks(struct cap *cap, struct stream *s, enum cap_dir dir,
    const struct cap_segment *seg)
{
	if (cap->clock.suspect)
		note_evidence(cap, s, dir, seg);
	else if (seg->clocked) {
		struct tcp_half *half = &s->half[dir];

		if (half->clocked && half->ticks != seg->ticks)
			half->ticking = true;
		half->clocked = true;
		half->ticks = seg->ticks;
	}
}

/* A segment of a stream; eviction may close that, if it holds too much. */
static enum bnet_err
feed_segment(struct cap *cap, struct stream *s, enum cap_dir dir,
    const struct cap_segment *seg, int64_t time_ns)
{
	struct flow_ref ref = { cap, s, dir };
	enum bnet_err err = BNET_OK;

	note_ticks(cap, s, dir, seg);
	if (seg->flags & TCP_SYN)
		note_syn(s, (int)dir, seg);
	if (seg->flags & TCP_ACK)
		tcp_acknowledge(&s->half[!dir], seg->ack, time_ns);
	if (!s->ignored) {
		err = tcp_segment(&s->half[dir], &cap->tcp, seg, time_ns, &ref);
		if (order_may_change(s, dir) ||
		    (s->tls != NULL && order_may_change(s, !dir)))
			order_note(cap, s);
	}
	segment_done(cap, s, dir, seg);
	return err;
}

/* ---- a new connection whose SYN is not in the capture ---- */

/* Puts a segment aside; false: out of memory. */
static bool
put_aside(struct cap *cap, struct stream *s, enum cap_dir dir,
    const struct cap_segment *seg)
{
	size_t n = sizeof(*s->suspect) + seg->data.len;
	struct suspect *suspect;

	streams_drop_suspect(cap, s);
	suspect = malloc(n);
	if (suspect == NULL)
		return false;
	suspect->segment = *seg;
	suspect->segment.data.p = suspect->data;
	if (seg->data.len > 0)
		memcpy(suspect->data, seg->data.p, seg->data.len);
	suspect->mark = cap->tcp.now;
	suspect->time_ns = cap->time_ns;
	suspect->dir = dir;
	s->suspect = suspect;
	cap->held_bytes += n;
	order_note(cap, s);
	return true;
}

static uint32_t
end_of(const struct cap_segment *seg)
{
	return seg->seq + (uint32_t)(seg->data.len + seg->missing_bytes);
}

static bool
is_near(uint32_t a, uint32_t b)
{
	return a - b + WINDOW_BYTES < 2 * WINDOW_BYTES;
}

enum kin {
	KIN_NONE,
	KIN_SAME, /* the same bytes again */
	KIN_NEXT, /* other bytes of that connection, or an answer */
};

static enum kin
kin_of(const struct suspect *suspect, enum cap_dir dir,
    const struct cap_segment *b)
{
	const struct cap_segment *a = &suspect->segment;
	const uint8_t both = a->flags & b->flags & TCP_ACK;

	if (dir != suspect->dir)
		return (b->flags & TCP_ACK) && is_near(b->ack, end_of(a)) &&
			(!both || is_near(b->seq, a->ack))
		    ? KIN_NEXT
		    : KIN_NONE;
	if (!is_near(b->seq, a->seq) || (both && !is_near(b->ack, a->ack)))
		return KIN_NONE;
	if (end_of(a) == a->seq || end_of(b) == b->seq)
		return a->seq == b->seq && end_of(a) == end_of(b) ? KIN_SAME
								  : KIN_NEXT;
	return (int32_t)(b->seq - end_of(a)) >= 0 ||
		(int32_t)(a->seq - end_of(b)) >= 0
	    ? KIN_NEXT
	    : KIN_SAME;
}

/*
 * The segment put aside began a new connection. Returns its stream; NULL: out
 * of memory.
 */
static struct stream *
begin_anew(struct cap *cap, struct stream *old, enum bnet_err *err)
{
	const struct stream_key key = old->key;
	const struct cap_mark now = cap->tcp.now;
	struct suspect *first = old->suspect;
	int sender = first->dir == CAP_UP ? old->opener : !old->opener;
	struct stream *s;

	old->suspect = NULL;
	cap->held_bytes -= sizeof(*first) + first->segment.data.len;
	streams_close(cap, old);
	s = streams_open(cap, &key, sender, &first->segment);
	*err = BNET_ENOMEM;
	if (s != NULL) {
		enum cap_dir dir = sender == s->opener ? CAP_UP : CAP_DOWN;

		s->tunnel[dir] = first->segment.tunnel;
		cap->tcp.now = first->mark;
		*err =
		    feed_segment(cap, s, dir, &first->segment, first->time_ns);
		cap->tcp.now = now;
	}
	free(first);
	return cap->streams.last_hit == s ? s : NULL;
}

/*
 * One segment beyond any window could be forged; a second one that belongs to
 * it shows a new connection. *s becomes its stream, or NULL if the segment
 * opens one itself; *aside: there is no more to be done with it.
 */
static enum bnet_err
reuse(struct cap *cap, struct stream **s, int sender,
    const struct cap_segment *seg, bool *aside)
{
	enum cap_dir dir = sender == (*s)->opener ? CAP_UP : CAP_DOWN;
	enum bnet_err err = BNET_OK;
	enum kin kin;

	*aside = false;
	if (is_reuse(*s, (int)dir, seg)) {
		streams_close(cap, *s);
		*s = NULL;
		return BNET_OK;
	}
	if (!is_beyond(*s, (int)dir, seg)) {
		streams_drop_suspect(cap, *s);
		order_note(cap, *s);
		return BNET_OK;
	}
	kin =
	    (*s)->suspect == NULL ? KIN_NONE : kin_of((*s)->suspect, dir, seg);
	if (kin == KIN_NEXT) {
		*s = begin_anew(cap, *s, &err);
		return err;
	}
	*aside = true;
	if (kin == KIN_SAME) {
		cap->counters.retransmissions++;
		cap->counters.retransmitted_bytes += seg->data.len;
	} else if (!put_aside(cap, *s, dir, seg)) {
		return BNET_ENOMEM;
	}
	return BNET_OK;
}

/*
 * The capture ends with a segment put aside: nothing is lost by taking it for a
 * new connection.
 */
static void
believe_suspects(struct cap *cap)
{
	enum bnet_err err;

	for (size_t i = 0; i < cap->streams.n_buckets; i++) {
		struct stream *s = cap->streams.bucket[i];

		while (s != NULL)
			if (s->suspect == NULL) {
				s = s->chain;
			} else { /* others may be closed for it */
				(void)begin_anew(cap, s, &err);
				s = cap->streams.bucket[i];
			}
	}
}

/*
 * Finds the stream of a segment, or opens it; *dir is its direction.
 *	BNET_OK		*out is NULL if it belongs to no stream
 *	BNET_MORE	nothing is to be done with it for now
 *	BNET_ENOMEM
 */
static enum bnet_err
stream_of(struct cap *cap, const struct cap_segment *seg, enum cap_dir *dir,
    struct stream **out)
{
	struct stream_key key;
	int order = memcmp(seg->src.ip, seg->dst.ip, sizeof(seg->src.ip));
	int sender;
	struct stream *s;
	enum bnet_err err = BNET_OK;
	bool aside = false;

	if (order == 0)
		order = (int)seg->src.port - (int)seg->dst.port;
	sender = order > 0;
	key.end[sender] = seg->src;
	key.end[!sender] = seg->dst;
	s = streams_find(&cap->streams, &key);
	if (s != NULL && s->tunnel[sender != s->opener] != seg->tunnel)
		s = streams_of_tunnel(&cap->streams, s, sender, seg);
	if (s != NULL &&
	    (s->suspect != NULL || is_reuse(s, sender != s->opener, seg) ||
		is_beyond(s, sender != s->opener, seg)))
		err = reuse(cap, &s, sender, seg, &aside);
	if (err != BNET_OK)
		return err;
	/* a stray FIN or RST of a finished connection opens no stream */
	if (s == NULL && seg->data.len == 0 &&
	    (seg->flags & (TCP_RST | TCP_FIN)))
		return BNET_OK;
	if (s == NULL)
		s = streams_open(cap, &key, sender, seg);
	if (s == NULL)
		return BNET_ENOMEM;
	*dir = sender == s->opener ? CAP_UP : CAP_DOWN;
	if (s->tunnel[*dir] == 0)
		s->tunnel[*dir] = seg->tunnel;
	*out = s;
	return aside ? BNET_MORE : BNET_OK;
}

/* ---- packets ---- */

static enum bnet_err
on_segment(
    struct cap *cap, const struct cap_segment *seg, struct cap_stream **out)
{
	enum cap_dir dir;
	struct stream *s = NULL;
	enum bnet_err err;

	if (!cap->set.any_port && !cap_port_listed(cap, seg->src.port) &&
	    !cap_port_listed(cap, seg->dst.port)) {
		cap->counters.other_ports++;
		left_out_segment(cap->left_out, seg);
		return BNET_OK;
	}
	if (seg->data.len > 0 && !(seg->flags & TCP_RST)) {
		cap->counters.segments++;
		cap->counters.segment_bytes += seg->data.len;
	}
	if (cap->time_ns >= cap->expire_ns)
		streams_expire(cap);
	err = stream_of(cap, seg, &dir, &s);
	if (s == NULL)
		return err;
	if (err == BNET_MORE) {
		err = BNET_OK;
		if (cap->held_bytes > cap->set.limits.total_bytes)
			streams_make_room(cap);
	} else {
		err = feed_segment(cap, s, dir, seg, cap->time_ns);
	}
	/* eviction may have closed it, if it alone holds too much */
	if (cap->streams.last_hit == s && !s->ignored)
		*out = &s->pub;
	return err;
}

/* What a packet is that leads to no segment. */
static void
on_other(struct cap *cap, enum cap_layer layer, const struct cap_ip *ip)
{
	cap->counters.bad_packets += layer == CAP_LAYER_BAD;
	if (layer != CAP_LAYER_OTHER)
		return;
	cap->counters.not_tcp++;
	left_out_packet(cap->left_out, &ip->other);
}

/*
 * BNET_OK: *layer is that of the whole datagram; BNET_MORE: others have to come
 */
static enum bnet_err
on_fragment(struct cap *cap, struct cap_ip *ip, enum cap_layer *layer)
{
	size_t evicted_bytes;
	enum bnet_err err;

	if (!cap_layers_wants(ip)) {
		*layer = CAP_LAYER_OTHER;
		return BNET_OK;
	}
	cap->counters.fragments++;
	err =
	    cap_fragments_add(cap->fragments, ip, cap->time_ns, &evicted_bytes);
	cap->mark = cap->tcp.now;
	if (evicted_bytes > 0)
		cap_emit(cap, NULL, CAP_UP, CAP_LIMIT, evicted_bytes,
		    "an IP datagram was not completed in time");
	if (err == BNET_OK) {
		cap->counters.datagrams++;
		*layer = cap_layers_on(ip);
	} else if (err == BNET_ELIMIT) {
		*layer = CAP_LAYER_BAD;
		err = BNET_OK;
	}
	return err;
}

static enum bnet_err
on_layer(struct cap *cap, enum cap_layer layer, struct cap_ip *ip,
    struct cap_stream **stream)
{
	struct cap_segment seg;
	enum bnet_err err;

	while (layer == CAP_LAYER_FRAGMENT) {
		err = on_fragment(cap, ip, &layer);
		if (err != BNET_OK)
			return err == BNET_MORE ? BNET_OK : err;
	}
	if (layer == CAP_LAYER_TCP)
		layer = cap_layers_tcp(ip, &seg);
	if (layer == CAP_LAYER_TCP)
		return on_segment(cap, &seg, stream);
	on_other(cap, layer, ip);
	return BNET_OK;
}

static void
report_step(struct cap *cap, const struct clock_news *news)
{
	struct cap_event event = { .type = CAP_CLOCK,
		.dir = CAP_UP,
		.time_ns = news->mark.time_ns,
		.packet = news->mark.packet,
		.step_ns = news->step_ns,
		.reason = news->n_off == 1 ? "one packet has another time"
		    : news->n_off > 1      ? "a few packets have another time"
		    : news->step_ns < 0    ? "the clock stepped back"
					   : "the clock stepped forward" };

	cap->counters.events[CAP_CLOCK]++;
	order_event(cap, NULL, &event);
}

/* Waits are measured by a clock that does not step. */
static void
note_time(struct cap *cap, int64_t time_ns)
{
	const struct cap_mark mark = { time_ns, cap->counters.packets };
	struct clock_news news;
	int64_t before_ns = cap->clock.now_ns, since_ns;

	if (!clock_usual(&cap->clock, mark) &&
	    clock_packet(&cap->clock, mark, &news))
		report_step(cap, &news);
	since_ns = cap->clock.now_ns - before_ns;
	if (since_ns > cap->idle_ns)
		cap->time_ns += since_ns - cap->idle_ns;
	cap->idle_ns = 0;
	cap->tcp.now = mark;
	if (cap->clock.suspect)
		order_limit(cap);
}

enum bnet_err
cap_packet(struct cap *cap, int linktype, int64_t time_ns,
    struct bnet_slice data, size_t wire_bytes, struct cap_stream **stream)
{
	struct cap_counters *n = &cap->counters;
	struct cap_ip ip;
	enum cap_layer layer;
	enum bnet_err err;

	*stream = NULL;
	n->packets++;
	note_time(cap, time_ns);
	n->packet_bytes += data.len;
	n->cut_packets += data.len < wire_bytes;
	layer = cap_layers_ip(linktype, data, wire_bytes, &ip);
	err = on_layer(cap, layer, &ip, stream);
	while (err == BNET_OK && ip.rest.len > 0) {
		layer = cap_layers_rest(&ip);
		err = on_layer(cap, layer, &ip, stream);
	}
	if (order_is_busy(cap)) {
		order_step(cap);
		streams_make_room(cap);
		/* it may close the stream, if that alone holds too much */
		if (cap->streams.last_hit == NULL)
			*stream = NULL;
	}
	return err;
}

size_t
cap_waiting(const struct cap *cap)
{
	return cap->n_waiting;
}

void
cap_dropped(struct cap *cap, uint64_t n_packets)
{
	cap->counters.dropped_packets = n_packets;
}

void
cap_tick(struct cap *cap, int64_t now_ns, bool grown)
{
	struct stream *s = cap->waiting, *next;
	bool late;

	for (; s != NULL; s = next) {
		next = s->waiting_next;
		if (s->waiting_since_ns == 0)
			s->waiting_since_ns = now_ns;
		late = now_ns - s->waiting_since_ns >= cap->set.key_wait_ns;
		if (grown)
			flow_retry_keys(cap, s, false);
		if (late && s->waiting)
			flow_retry_keys(cap, s, true);
	}
}

/* No packet will tell whether the last one's time was right. */
static void
settle_clock(struct cap *cap)
{
	struct clock_news news;

	cap->mark = cap->tcp.now;
	if (clock_settle(&cap->clock, &news))
		report_step(cap, &news);
}

void
cap_idle(struct cap *cap, int64_t idle_ns)
{
	if (cap->counters.packets == 0 || idle_ns <= cap->idle_ns)
		return;
	cap->time_ns += idle_ns - cap->idle_ns;
	cap->idle_ns = idle_ns;
	settle_clock(cap);
	streams_expire(cap);
	order_step(cap);
	streams_make_room(cap);
}

/* The stream whose last activity is the earliest; NULL: there is none. */
static struct stream *
earliest(struct stream *const *of, size_t n, size_t *which)
{
	struct stream *found = NULL;

	for (size_t i = 0; i < n; i++)
		if (of[i] != NULL &&
		    (found == NULL || of[i]->seen_ns < found->seen_ns)) {
			found = of[i];
			*which = i;
		}
	return found;
}

/* Ordered by last activity, so that the output is stable. */
void
cap_finish(struct cap *cap)
{
	struct streams *streams = &cap->streams;
	struct stream *of[4], *s;
	size_t which;

	settle_clock(cap);
	believe_suspects(cap);
	order_wait(cap);
	of[0] = streams->closing.oldest;
	of[1] = streams->open.oldest;
	of[2] = streams->silent.oldest;
	of[3] = streams->dormant.oldest;
	while ((s = earliest(of, 4, &which)) != NULL) {
		of[which] = s->newer;
		streams_end(cap, s);
	}
	order_flush(cap);
	while (streams->n > 0)
		streams_close(cap, streams_oldest(streams));
}

const struct cap_counters *
cap_counters(const struct cap *cap)
{
	return &cap->counters;
}

int64_t
cap_clock_at(const struct cap *cap, int64_t time_ns, uint64_t packet)
{
	return clock_at(&cap->clock, (struct cap_mark){ time_ns, packet });
}

bool
cap_clock_suspect(const struct cap *cap)
{
	return cap->clock.suspect;
}

/* ---- setup ---- */

static void
set_defaults(struct cap_settings *set)
{
	struct cap_limits *limits = &set->limits;

	if (set->n_ports == 0)
		set->ports[set->n_ports++] = CAP_PORT;
	if (set->frame_max_bytes == 0)
		set->frame_max_bytes = BNET_FRAME_MAX_BYTES;
	if (limits->stream_bytes == 0)
		limits->stream_bytes = STREAM_BYTES;
	if (limits->total_bytes == 0)
		limits->total_bytes = TOTAL_BYTES;
	/* one stream alone must not be able to evict all others */
	if (limits->stream_bytes > limits->total_bytes / STREAM_SHARE)
		limits->stream_bytes = limits->total_bytes / STREAM_SHARE;
	if (limits->n_streams == 0)
		limits->n_streams = N_STREAMS;
	if (limits->idle_ns == 0)
		limits->idle_ns = IDLE_NS;
}

struct cap *
cap_new(const struct cap_settings *set, const struct cap_sink *sink)
{
	struct cap *cap = calloc(1, sizeof(*cap));

	if (cap == NULL)
		return NULL;
	cap->set = *set;
	cap->sink = *sink;
	set_defaults(&cap->set);
	cap->history.max_bytes = cap->set.limits.total_bytes / HISTORY_SHARE;
	cap->tcp = (struct tcp_shared){ .sink = &tcp_sink,
		.overlap = cap->set.overlap,
		.held_max_bytes = cap->set.limits.stream_bytes,
		.held_bytes = &cap->held_bytes,
		.history = &cap->history,
		.counters = &cap->counters };
	cap->order.limit = UINT64_MAX;
	cap->codecs = bnet_codecs_new();
	cap->fragments = cap_fragments_new();
	cap->left_out = left_out_new(cap->set.frame_max_bytes);
	cap->counters.left_out = cap->left_out;
	if (cap->codecs == NULL || cap->fragments == NULL ||
	    cap->left_out == NULL ||
	    !streams_init(&cap->streams, cap->set.limits.n_streams)) {
		cap_free(cap);
		return NULL;
	}
	return cap;
}

void
cap_free(struct cap *cap)
{
	if (cap == NULL)
		return;
	order_free(cap);
	while (cap->streams.n > 0) {
		struct stream *s = streams_oldest(&cap->streams);

		streams_release(cap, s);
		streams_remove(&cap->streams, s);
	}
	streams_free(&cap->streams);
	clock_free(&cap->clock);
	cap_fragments_free(cap->fragments);
	left_out_free(cap->left_out);
	bnet_codecs_free(cap->codecs);
	free(cap);
}
