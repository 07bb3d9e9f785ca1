/* SPDX-License-Identifier: MIT */
/*
 * flow - turns the ordered bytes of a stream into frames.
 *
 *	TCP's bytes -> TLS or plain frames? -> (tls) -> link -> frames
 *
 * The first bytes decide the path of a stream. After a gap or a bad frame,
 * resync searches for the next frame. This header also defines the data that
 * the stages of a capture share: capture.c owns a struct cap, streams.c its
 * streams, and flow.c what a stream holds. Called by those two.
 */
#ifndef CAPTURE_FLOW_H
#define CAPTURE_FLOW_H

#include "cmd/capture/capture.h"
#include "cmd/capture/clock.h"
#include "cmd/capture/layers.h"
#include "cmd/capture/marks.h"
#include "cmd/capture/resync.h"
#include "cmd/capture/tcp.h"

struct cap_tls;
struct proxied;

/* Both ends; [0] is the lower one, so that both directions have one key. */
struct stream_key {
	struct cap_end end[2];
};

enum flow_state {
	FLOW_START = 0, /* no bytes yet, or too few to tell TLS */
	FLOW_SYNCED, /* the next byte starts or continues a frame */
	FLOW_RESYNC, /* searching for the start of a frame */
	FLOW_TEXT, /* it began with text: frames or TLS may follow */
	FLOW_TURNING, /* no frame, but perhaps a TLS hello: in `unsynced` */
};

/* One direction: turns bytes in order into frames. */
struct flow {
	enum flow_state state;
	bool tls; /* its bytes go to stream->tls */
	enum bnet_order order; /* of its own frames; AUTO: none yet */
	size_t searched; /* bytes of `unsynced` that start no TLS hello */
	struct bnet_link *link; /* NULL until the first byte */
	struct resync resync;
	struct bnet_buf unsynced; /* bytes to search; START: the first few */
	uint64_t skipped_bytes; /* reported with the next frame */
	const char *skip_reason;
	bool text; /* they are the text that it began with: no loss */
	enum bnet_err text_err; /* why it is no frame */
	uint8_t tail[3], n_tail; /* TEXT: its last bytes, not in skipped_bytes,
				    as a frame may begin with them */
	struct cap_mark skip_mark; /* of the last byte skipped */
	uint64_t discard_bytes; /* rest of a frame or PROXY header that a gap
				   damaged */
	bool cut; /* that frame is kept: the snapshot length cut its payload */
	struct cap_mark pending; /* of the incomplete frame; packet 0: none */
	struct marks marks; /* of `unsynced` */
	size_t held_bytes; /* as counted in cap->held_bytes */
	bool ordered; /* the link knows the byte order */
};

/* A direction that holds bytes, which came with `packet` or later. */
struct hold {
	enum hold_state {
		HOLD_NONE = 0,
		HOLD_FRESH, /* events of others wait for it */
		HOLD_STALE, /* it has held them for too long */
	} state;
	enum cap_dir dir;
	uint64_t packet;
	uint64_t last_key; /* of its last event */
	int64_t since_ns;
	struct stream *stream;
	struct hold *prev, *next;
};

struct hold_list {
	struct hold *first, *last; /* oldest first */
};

struct order_entry;

/* The events that wait for earlier ones. */
struct order {
	struct order_entry **heap;
	size_t n, cap, bytes;
	uint64_t serial;
	uint64_t limit; /* events of this packet and later ones wait */
	uint64_t n_frames; /* handed over */
	/*
	 * A frame of this packet or a later one is handed over at once: nothing
	 * waits or is held, it is not late, and the clock has no steps.
	 */
	uint64_t usual_from;
	uint64_t last_packet; /* if not usual_from: the latest handed over */
	int64_t last_ns; /* its time, without steps */
	int64_t check_ns, check_stale_ns; /* next time */
	struct hold_list fresh, stale;
};

/*
 * A segment beyond any window, put aside: forged, or the first one seen of a
 * new connection between the same ends. The next one tells.
 */
struct suspect {
	struct cap_segment segment; /* its data is `data` */
	struct cap_mark mark;
	int64_t time_ns;
	enum cap_dir dir; /* as in the old connection */
	uint8_t data[];
};

struct stream {
	struct cap_stream pub; /* must be first: the sink sees this */
	struct stream_key key;
	uint8_t opener; /* index in key.end of the side that opened */
	bool undecided; /* unknown yet whether it carries frames */
	bool ignored; /* it carries none */
	bool closing; /* both FINs or a RST were seen */
	bool dormant; /* silent for a long time, holds nothing */
	bool silent; /* silent for a long time, but holds something */
	bool ended; /* everything was reported */
	bool isn_known[2];
	uint32_t isn[2];
	uint32_t tunnel[2]; /* around the first segment each way; 0: none yet */
	int64_t seen_ns;
	struct tcp_half half[2];
	struct flow flow[2];
	struct hold hold[2];
	struct suspect *suspect; /* or NULL */
	size_t n_waiting; /* of its events, in the order */
	struct proxied *proxied; /* its PROXY header, or NULL */
	struct cap_tls *tls;
	bool turned; /* to TLS, after plain bytes */
	bool tls_cut[2]; /* the snapshot length cut records */
	bool waiting; /* for a secret; then in cap->waiting */
	int64_t
	    waiting_since_ns; /* of the clock of cap_tick(); 0: no tick yet */
	struct stream *waiting_next, *waiting_prev;
	size_t tls_held_bytes; /* as counted in cap->held_bytes */
	struct stream *chain; /* next in the hash bucket */
	struct stream *older, *newer; /* in its list, by last activity */
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
	struct stream_list open, closing, dormant, silent;
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
	struct left_out *left_out;
	struct streams streams;
	struct order order;
	struct cap_clock clock;
	int64_t idle_ns; /* counted in time_ns since the last packet */
	int64_t expire_ns; /* when streams_expire() has work again */
	size_t held_bytes; /* by all streams */
	struct stream *waiting, *waiting_last; /* for a secret, by its start */
	size_t n_waiting;
	int64_t time_ns; /* for waits; never steps; also counts idle time */
	struct cap_mark mark; /* of the bytes that are processed */
};

/* The `arg` of the sinks of the stages. */
struct flow_ref {
	struct cap *cap;
	struct stream *stream;
	enum cap_dir dir;
};

/*
 * Reports to the sink. For an undecided stream, only frames are reported;
 * `stream` NULL: a limit on the total.
 */
void cap_emit(struct cap *cap, struct stream *stream, enum cap_dir dir,
    enum cap_event_type type, uint64_t bytes, const char *reason);

/*
 * Bytes of the TCP stream: decrypts them if they are TLS, and decodes frames.
 */
void flow_bytes(const struct flow_ref *ref, struct bnet_slice in);
void flow_gap(const struct flow_ref *ref, uint64_t bytes, enum tcp_gap kind,
    const char *reason);

/* The key log has grown, or (give_up) a stream has waited for long enough. */
void flow_retry_keys(struct cap *cap, struct stream *stream, bool give_up);

/* Takes the stream off the list of those that wait for a secret. */
void flow_wait_end(struct cap *cap, struct stream *stream);

/* No more bytes will come, in either direction. */
void flow_finish(struct cap *cap, struct stream *stream);

/* Releases what a flow holds, without reporting it. */
void flow_free(struct cap *cap, struct flow *flow);

/* Forgets the PROXY header of a stream that is closed. */
void flow_free_proxied(struct stream *stream);

/* The number of bytes neither reported nor lost yet. */
size_t flow_kept(const struct flow *flow);

#endif
