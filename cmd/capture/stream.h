/* SPDX-License-Identifier: MIT */
/* What the files of the capture module share; for no one else. */
#ifndef CAPTURE_STREAM_H
#define CAPTURE_STREAM_H

#include "cmd/capture/capture.h"
#include "cmd/capture/hunt.h"
#include "cmd/capture/layers.h"
#include "cmd/capture/tcp.h"

struct cap_tls;

/* Both ends; [0] is the lower one, so that both directions have one key. */
struct stream_key {
	struct cap_end end[2];
};

enum flow_state {
	FLOW_START = 0, /* nothing came yet, or too little to tell TLS */
	FLOW_SYNCED, /* the next byte starts a frame, or goes on in one */
	FLOW_HUNTING, /* looking for where a frame starts */
};

/* One direction: bytes in order -> frames. */
struct flow {
	enum flow_state state;
	struct bnet_link *link; /* NULL until the first byte */
	struct hunt hunt;
	struct bnet_buf hunted; /* the bytes hunted in; START: the first few */
	uint64_t skipped_bytes; /* to be told when the next frame is found */
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

/* ---- events.c ---- */

/* Tell the sink; a stream that is undecided tells only frames. */
void cap_emit(struct cap *cap, struct stream *stream, enum cap_dir dir,
    enum cap_event_type type, uint64_t bytes, const char *reason);
void cap_emit_frame(struct cap *cap, struct stream *stream, enum cap_dir dir,
    const struct bnet_packet *frame);

/* It carries no frames: give back all it holds. */
void cap_ignore(struct stream *stream);

/* ---- streams.c: the table ---- */

bool streams_init(struct streams *streams, size_t n_max);
void streams_free(struct streams *streams); /* it must be empty */

/* NULL: not there. */
struct stream *
streams_find(struct streams *streams, const struct stream_key *key);

/* A new one, not there before, as the newest. NULL: out of memory. */
struct stream *
streams_add(struct streams *streams, const struct stream_key *key);

/* Take it out and free it; what it holds was freed before. */
void streams_remove(struct streams *streams, struct stream *stream);

/* It was seen now; `closing` moves it to that list. */
void
streams_touch(struct streams *streams, struct stream *stream, bool closing);

/* Move it to the dormant ones, until it is touched. */
void streams_rest(struct streams *streams, struct stream *stream);

/* ---- flow.c ---- */

/* The next bytes of a direction. */
void flow_bytes(const struct flow_ref *ref, struct bnet_slice in);

/* `bytes` of it are missing here. */
void flow_gap(const struct flow_ref *ref, uint64_t bytes, const char *reason);

/* Bytes (TLS records) are lost here, nobody knows how many of plaintext. */
void flow_lost(const struct flow_ref *ref, uint64_t bytes, const char *reason);

/* No more will come; `orderly`: there was a FIN. */
void flow_finish(const struct flow_ref *ref, bool orderly);

void flow_free(struct cap *cap, struct flow *flow);

/* Bytes of it that are neither told nor lost yet. */
size_t flow_kept(const struct flow *flow);

/* ---- sniff.c: what kind of stream is it ---- */

/* Bytes of the TCP stream: through TLS where it is, to flow_bytes(). */
void sniff_bytes(const struct flow_ref *ref, struct bnet_slice in);
void sniff_gap(const struct flow_ref *ref, uint64_t bytes, const char *reason);

/* No more will come, in either direction. */
void sniff_finish(struct cap *cap, struct stream *stream);

/* ---- lifetime.c: when streams open and close ---- */

/* NULL: out of memory. `sender` is the index in key.end of who sent `seg`. */
struct stream *lifetime_open(struct cap *cap, const struct stream_key *key,
    int sender, const struct cap_segment *seg);

/* Tell all that is held, and forget the stream. */
void lifetime_close(struct cap *cap, struct stream *stream);

/* Give back what it holds, untold. */
void lifetime_release(struct cap *cap, struct stream *stream);

/* Close what ended or was silent for long. */
void lifetime_expire(struct cap *cap);

/* Close streams that hold something until all is within the limit. */
void lifetime_make_room(struct cap *cap);

/* Is one of the ports that were asked for? */
bool cap_port_listed(const struct cap *cap, uint16_t port);

#endif
