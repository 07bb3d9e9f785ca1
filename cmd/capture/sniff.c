/* SPDX-License-Identifier: MIT */
/*
 * What the first bytes of a stream tell: TLS, or frames as they are. From
 * then on its bytes go that way.
 */
#include "cmd/capture/stream.h"
#include "cmd/capture/tls.h"

#include <stdlib.h>

#define TLS_RECORD_HEAD_BYTES 5
#define TLS_RECORD_MAX_BYTES (16384 + 2048)

/* A record in the middle of a session, where the hellos were not captured. */
static bool
looks_like_record(struct bnet_slice in)
{
	return in.len >= TLS_RECORD_HEAD_BYTES && in.p[0] >= 20 &&
	    in.p[0] <= 23 && in.p[1] == 3 && in.p[2] <= 4 &&
	    (size_t)(in.p[3] << 8 | in.p[4]) <= TLS_RECORD_MAX_BYTES;
}

static void
on_plain(void *arg, enum cap_dir dir, struct bnet_slice plaintext)
{
	struct flow_ref ref = *(const struct flow_ref *)arg;

	ref.dir = dir;
	if (!ref.stream->ignored)
		flow_bytes(&ref, plaintext);
}

static void
on_lost(void *arg, enum cap_dir dir, uint64_t bytes, const char *reason)
{
	struct flow_ref ref = *(const struct flow_ref *)arg;

	ref.dir = dir;
	if (!ref.stream->ignored)
		flow_lost(&ref, bytes, reason);
}

/* Keep the sum over all streams true. */
static void
account_tls(const struct flow_ref *ref)
{
	struct stream *s = ref->stream;
	size_t held = cap_tls_memory_bytes(s->tls);

	ref->cap->held_bytes += held - s->tls_held_bytes;
	s->tls_held_bytes = held;
}

static void
feed_tls(const struct flow_ref *ref, struct bnet_slice in)
{
	struct flow_ref arg = *ref;
	const struct cap_tls_sink sink = { on_plain, on_lost, &arg };

	if (cap_tls_feed(ref->stream->tls, ref->dir, in, &sink) != BNET_OK)
		cap_emit(ref->cap, ref->stream, ref->dir, CAP_LIMIT, in.len,
		    bnet_strerror(BNET_ENOMEM));
	account_tls(ref);
}

/* The few bytes that the other direction kept, too few to tell: now told. */
static void
feed_tls_kept(const struct flow_ref *ref)
{
	struct flow_ref other = *ref;
	struct flow *flow;
	struct bnet_buf first;

	other.dir = ref->dir == CAP_UP ? CAP_DOWN : CAP_UP;
	flow = &other.stream->flow[other.dir];
	first = flow->hunted;
	if (flow->state != FLOW_START || first.len == 0)
		return;
	bnet_buf_init(&flow->hunted, first.max);
	feed_tls(&other, bnet_buf_slice(&first));
	bnet_buf_free(&first);
}

/* Out of memory before it is known what it is. */
static void
give_up(const struct flow_ref *ref, size_t bytes)
{
	cap_emit(ref->cap, ref->stream, ref->dir, CAP_LIMIT, bytes,
	    bnet_strerror(BNET_ENOMEM));
	cap_ignore(ref->stream);
}

static enum cap_tls_looks
look(const struct flow_ref *ref, struct bnet_slice first)
{
	if (ref->stream->half[ref->dir].no_start && looks_like_record(first))
		return CAP_TLS_YES;
	return cap_tls_looks_like(first);
}

/* The first bytes of a direction of a stream not known to be TLS. */
static void
judge_start(const struct flow_ref *ref, struct bnet_slice in)
{
	struct stream *s = ref->stream;
	struct bnet_buf *kept = &s->flow[ref->dir].hunted;
	struct bnet_buf first;
	enum cap_tls_looks looks;

	if (kept->len == 0 && (looks = look(ref, in)) == CAP_TLS_NO) {
		flow_bytes(ref, in);
		return;
	}
	if (bnet_buf_append(kept, in) != BNET_OK) {
		give_up(ref, kept->len + in.len);
		return;
	}
	looks = look(ref, bnet_buf_slice(kept));
	if (looks == CAP_TLS_PERHAPS)
		return;
	first = *kept; /* flow_bytes() wants the buffer for itself */
	bnet_buf_init(kept, first.max);
	if (looks == CAP_TLS_YES) {
		s->tls = cap_tls_new(ref->cap->set.keylog);
		if (s->tls == NULL)
			give_up(ref, first.len);
	}
	s->pub.tls = s->tls != NULL;
	if (s->tls != NULL)
		feed_tls(ref, bnet_buf_slice(&first));
	else if (!s->ignored)
		flow_bytes(ref, bnet_buf_slice(&first));
	bnet_buf_free(&first);
	if (s->tls != NULL)
		feed_tls_kept(ref);
}

void
sniff_bytes(const struct flow_ref *ref, struct bnet_slice in)
{
	struct stream *s = ref->stream;

	if (s->ignored)
		return;
	if (s->tls != NULL)
		feed_tls(ref, in);
	else if (s->flow[ref->dir].state == FLOW_START)
		judge_start(ref, in);
	else
		flow_bytes(ref, in);
}

/* Nothing more comes to tell the kind of stream: take what there is as it is. */
static void
settle_start(const struct flow_ref *ref)
{
	struct flow *flow = &ref->stream->flow[ref->dir];
	struct bnet_buf first = flow->hunted;

	if (flow->state != FLOW_START || first.len == 0)
		return;
	bnet_buf_init(&flow->hunted, first.max);
	flow_bytes(ref, bnet_buf_slice(&first));
	bnet_buf_free(&first);
}

void
sniff_gap(const struct flow_ref *ref, uint64_t bytes, const char *reason)
{
	struct flow_ref arg = *ref;
	const struct cap_tls_sink sink = { on_plain, on_lost, &arg };
	struct stream *s = ref->stream;

	if (s->ignored)
		return;
	if (s->tls == NULL) {
		settle_start(ref);
		flow_gap(ref, bytes, reason);
		return;
	}
	cap_emit(ref->cap, s, ref->dir, CAP_GAP, bytes, reason);
	if (bytes > 0 && cap_tls_gap(s->tls, ref->dir, bytes, &sink) != BNET_OK)
		cap_emit(ref->cap, s, ref->dir, CAP_LIMIT, 0,
		    bnet_strerror(BNET_ENOMEM));
	account_tls(ref);
}

void
sniff_finish(struct cap *cap, struct stream *s)
{
	struct flow_ref ref = { cap, s, CAP_UP };
	const struct cap_tls_sink sink = { on_plain, on_lost, &ref };
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
		flow_finish(&ref, s->half[dir].fin);
	}
}
