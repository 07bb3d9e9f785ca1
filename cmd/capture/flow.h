/* SPDX-License-Identifier: MIT */
/*
 * flow - the bytes of a stream, in order, to frames.
 *
 *	TCP's bytes -> TLS or frames as they are? -> (tls) -> link -> frames
 *
 * What the first bytes tell decides which way a stream goes. After a gap or a
 * bad frame the next place where frames start is searched (resync). Here are
 * also the data of a capture that the stages share: capture.c owns a struct
 * cap, streams.c the streams in it, and this what a stream holds. Called by
 * those two.
 */
#ifndef CAPTURE_FLOW_H
#define CAPTURE_FLOW_H

#include "cmd/capture/capture.h"
#include "cmd/capture/layers.h"
#include "cmd/capture/resync.h"
#include "cmd/capture/tcp.h"

struct cap_tls;

/* Both ends; [0] is the lower one, so that both directions have one key. */
struct stream_key {
	struct cap_end end[2];
};

enum flow_state {
	FLOW_START = 0, /* nothing came yet, or too little to tell TLS */
	FLOW_SYNCED, /* the next byte starts a frame, or goes on in one */
	FLOW_RESYNC, /* looking for where a frame starts */
};

/* One direction: bytes in order -> frames. */
struct flow {
	enum flow_state state;
	struct bnet_link *link; /* NULL until the first byte */
	struct resync resync;
	struct bnet_buf unsynced; /* the bytes searched; START: the first few */
	uint64_t skipped_bytes; /* to be reported with the next frame */
	const char *skip_reason;
	uint64_t discard_bytes; /* rest of a frame that a gap tore */
	size_t held_bytes; /* as accounted in cap->held_bytes */
};

struct stream {
	struct cap_stream pub; /* first: the sink sees this */
	struct stream_key key;
	uint8_t opener; /* index in key.end of the side that opened */
	bool undecided; /* not known yet whether it carries frames */
	bool ignored; /* it does not */
	bool closing; /* both FINs or a RST were seen */
	bool dormant; /* silent for long, holds nothing */
	bool isn_known[2];
	uint32_t isn[2];
	int64_t seen_ns;
	struct tcp_half half[2];
	struct flow flow[2];
	struct cap_tls *tls;
	size_t tls_held_bytes; /* as accounted in cap->held_bytes */
	struct stream *chain; /* the hash bucket's next */
	struct stream *older, *newer; /* in its list of last activity */
};

struct stream_list {
	struct stream *oldest, *newest;
};

struct streams {
	struct stream **bucket;
	size_t n_buckets; /* a power of two */
	size_t n;
	uint64_t n_ever;
	uint64_t seed;
	struct stream_list open, closing, dormant;
	struct stream *last_hit;
};

struct cap {
	struct cap_settings set;
	struct cap_sink sink;
	struct cap_counters counters;
	struct tcp_shared tcp;
	struct history_budget history;
	struct bnet_codecs *codecs;
	struct cap_fragments *fragments;
	struct streams streams;
	size_t held_bytes; /* by all streams */
	int64_t time_ns; /* of the packet at hand */
};

/* What a sink of a stage is given as `arg`. */
struct flow_ref {
	struct cap *cap;
	struct stream *stream;
	enum cap_dir dir;
};

/*
 * Report to the sink. Of a stream that is undecided only frames are reported;
 * `stream` NULL: a limit of the whole.
 */
void cap_emit(struct cap *cap, struct stream *stream, enum cap_dir dir,
    enum cap_event_type type, uint64_t bytes, const char *reason);

/* Bytes of the TCP stream: through TLS where it is, to frames. */
void flow_bytes(const struct flow_ref *ref, struct bnet_slice in);
void flow_gap(const struct flow_ref *ref, uint64_t bytes, const char *reason);

/* No more will come, in either direction. */
void flow_finish(struct cap *cap, struct stream *stream);

/* What a flow holds is given back, unreported. */
void flow_free(struct cap *cap, struct flow *flow);

/* Bytes of it that are neither reported nor lost yet. */
size_t flow_kept(const struct flow *flow);

#endif
