/* SPDX-License-Identifier: MIT */
/*
 * capture - turns the packets of a capture into frames and error events.
 *
 *	packet -> layers -> (fragments) -> streams -> tcp -> (tls) -> link
 *
 * Every byte of a stream is reported, in a frame or in a loss. struct
 * cap_limits bounds all memory. A struct cap owns all streams; called by the
 * decoder and by the compiler of tapes.
 */
#ifndef CAPTURE_H
#define CAPTURE_H

#include "proto/link.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAP_PORT 26000 /* the default */
#define CAP_END_CHARS 56 /* "[IPv6]:port" and NUL */
#define CAP_PORTS_MAX 64

enum cap_dir {
	CAP_UP = 0, /* from the side that opened the connection */
	CAP_DOWN = 1,
};

enum cap_overlap {
	CAP_OVERLAP_FIRST = 0, /* the first copy wins */
	CAP_OVERLAP_LAST,
};

enum cap_event_type {
	CAP_FRAME = 0, /* a good frame */
	CAP_GAP, /* bytes of the stream are missing from the capture */
	CAP_SKIP, /* bytes skipped to reach the next frame */
	CAP_OVERLAP, /* bytes sent twice with different contents */
	CAP_MALFORMED, /* a bad frame or payload; bytes: its size */
	CAP_LIMIT, /* a limit was reached; bytes: held at that time */
	CAP_N_LOSSES, /* below it: frames, and what may be missing */
	CAP_PROXY = CAP_N_LOSSES, /* a PROXY protocol header; bytes: its size */
	CAP_NOTE, /* what a stream is, where that is unusual; nothing is lost */
	CAP_CLOCK, /* the clock of the capture stepped: step_ns */
	CAP_N_EVENTS
};

/* The public part of a TCP stream. */
struct cap_stream {
	uint64_t number; /* from 0 */
	char end[2][CAP_END_CHARS]; /* [0] opened it; "ADDR:PORT" */
	uint8_t end_chars[2];
	enum bnet_order order; /* of the last frame; AUTO while unknown */
	const char *client_src; /* by its PROXY header, or NULL */
	const char *client_dst;
	bool tls;
	bool no_start; /* its beginning is not in the capture */
	bool recognised; /* it carries frames: a good one was seen */
	uintptr_t user; /* for the sink; starts as 0 */
};

struct cap_event {
	enum cap_event_type type;
	enum cap_dir dir;
	/*
	 * Unix time, and number from 1, of the packet that completed it; of a
	 * gap, of the packet that showed it.
	 */
	int64_t time_ns;
	uint64_t packet;
	int64_t clock_ns; /* time_ns without the steps of the clock */
	uint64_t number; /* FRAME: from 1 */
	struct cap_stream *stream; /* NULL: a limit on the total, or CLOCK */
	uint64_t bytes;
	const char *reason; /* static; not for FRAME */
	const struct bnet_packet *frame; /* FRAME; borrowed for the call */
	/*
	 * FRAME: not 0 if the snapshot length cut its payload. Then it is the
	 * size that was sent, and frame->payload what was captured, still
	 * compressed.
	 */
	uint64_t cut_of;
	int64_t step_ns; /* CLOCK: positive: forward */
	/*
	 * FRAME: it waited for bytes before it, which came late or never; its
	 * time is still that of its own packet.
	 */
	bool held;
};

struct left_out;

/* Totals; in bytes where the name says so. */
struct cap_counters {
	uint64_t packets, packet_bytes; /* as captured */
	uint64_t not_tcp; /* packets that are not TCP over IP */
	uint64_t other_ports; /* packets of TCP, of which no port is decoded */
	uint64_t bad_packets; /* headers cut or inconsistent */
	uint64_t cut_packets; /* shorter in the capture than sent */
	uint64_t dropped_packets; /* by who captured; see cap_dropped() */
	uint64_t fragments, datagrams; /* IP fragments; datagrams reassembled */
	uint64_t segments, segment_bytes; /* TCP with payload */
	uint64_t retransmissions, retransmitted_bytes;
	uint64_t out_of_order;
	uint64_t streams, streams_selected; /* seen; selected */
	uint64_t streams_no_start; /* beginning not captured */
	uint64_t resets;
	uint64_t keyless_streams; /* TLS without a secret */
	uint64_t cut_frames; /* of the frames: cut by the snapshot length */
	/*
	 * Frames handed over after later ones, because bytes before them came
	 * late, and by how much at most.
	 */
	uint64_t late_frames;
	int64_t late_ns;
	uint64_t events[CAP_N_EVENTS];
	uint64_t event_bytes[CAP_N_EVENTS];
	const struct left_out *left_out; /* not_tcp and other_ports; or NULL */
};

struct cap_limits {
	size_t stream_bytes; /* out of order, per direction */
	size_t total_bytes; /* in all streams together */
	size_t n_streams; /* open at once */
	int64_t idle_ns; /* a stream silent for this long frees memory */
};

struct cap_keylog;

struct cap_settings {
	uint16_t ports[CAP_PORTS_MAX]; /* of the listening side, and */
	uint16_t last_ports[CAP_PORTS_MAX]; /* ends of ranges; 0: no range */
	size_t n_ports;
	bool any_port; /* select by the first bytes */
	enum bnet_order order; /* AUTO: detected */
	enum cap_overlap overlap;
	uint32_t frame_max_bytes; /* 0: the default of bnet_link */
	uint32_t payload_max_bytes; /* 0: the default, too */
	struct cap_limits limits; /* 0 in a member: its default */
	const struct cap_keylog *keylog; /* TLS secrets, or NULL; borrowed */
	int64_t key_wait_ns; /* 0: the key log is complete; see cap_tick() */
};

struct cap_sink {
	void (*event)(void *arg, const struct cap_event *event);
	void (*closed)(void *arg, struct cap_stream *stream); /* or NULL */
	void *arg;
};

struct cap;

/* Copies both structs. Returns NULL when out of memory. */
struct cap *
cap_new(const struct cap_settings *set, const struct cap_sink *sink);
void cap_free(struct cap *cap); /* NULL is allowed */

/*
 * Processes one packet: `data` as captured, `wire_bytes` as sent, `linktype` a
 * DLT_ of libpcap. *stream: its stream if selected or still undecided, else
 * NULL; borrowed until the next call.
 *	BNET_OK, BNET_ENOMEM (the packet is lost, but the capture continues)
 */
BNET_MUST enum bnet_err
cap_packet(struct cap *cap, int linktype, int64_t time_ns,
    struct bnet_slice data, size_t wire_bytes, struct cap_stream **stream);

/*
 * The source has had no packet for `idle_ns` since the last one: what was
 * awaited for long enough is given up and reported.
 */
void cap_idle(struct cap *cap, int64_t idle_ns);

/*
 * While the key log grows: cap_waiting() streams hold records whose secret it
 * lacks, each for key_wait_ns at most. Call cap_tick() now and then while there
 * are any, with a monotonic clock; `grown`: the log has more secrets than at
 * the last call.
 */
size_t cap_waiting(const struct cap *cap);
void cap_tick(struct cap *cap, int64_t now_ns, bool grown);

/* Whoever captured them reports that so many packets were dropped, in all. */
void cap_dropped(struct cap *cap, uint64_t n_packets);

/* The capture has ended: reports everything that is held. */
void cap_finish(struct cap *cap);

const struct cap_counters *cap_counters(const struct cap *cap);

/*
 * What the clock would have shown at a packet without its steps, as far as they
 * are known. Is the last packet suspect, so that the next one decides?
 */
int64_t cap_clock_at(const struct cap *cap, int64_t time_ns, uint64_t packet);
bool cap_clock_suspect(const struct cap *cap);

/* Does cap_packet() read this DLT_? */
bool cap_linktype_known(int linktype);

#endif
