/* SPDX-License-Identifier: MIT */
/*
 * Packets put together for the tests of the capture: raw IPv4 or IPv6 with
 * TCP, and a tap that writes down what a struct cap tells of them.
 */
#ifndef UNIT_PACKETS_H
#define UNIT_PACKETS_H

#include "cmd/capture/streams.h"
#include "tests/unit/link_talk.h"

#include <pcap/dlt.h>

#define PKT_HEAD_BYTES 40 /* IPv4 and TCP without options */
#define PKT_MAX_BYTES 65536

static inline void
put_u16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
put_u32(uint8_t *p, size_t v)
{
	put_u16(p, v >> 16);
	put_u16(p + 2, v);
}

/* A host is 10.0.0.HOST. */
struct pkt {
	uint8_t src, dst;
	uint16_t src_port, dst_port;
	uint32_t seq, ack;
	uint8_t flags; /* TCP_* */
};

static inline void
put_tcp(uint8_t *p, const struct pkt *pkt)
{
	memset(p, 0, 20);
	put_u16(p, pkt->src_port);
	put_u16(p + 2, pkt->dst_port);
	put_u32(p + 4, pkt->seq);
	put_u32(p + 8, pkt->ack);
	p[12] = 5 << 4;
	p[13] = pkt->flags;
}

/* IPv4 with `n` bytes behind its 20. */
static inline void
put_ipv4(uint8_t *p, const struct pkt *pkt, size_t n)
{
	memset(p, 0, 20);
	p[0] = 0x45;
	put_u16(p + 2, 20 + n);
	p[8] = 64;
	p[9] = 6;
	put_u32(p + 12, 0x0a000000 + pkt->src);
	put_u32(p + 16, 0x0a000000 + pkt->dst);
}

/* What was told, added up by direction; frames and events in words as well. */
struct told {
	uint64_t n[2][CAP_N_EVENTS], bytes[2][CAP_N_EVENTS];
};

struct tap {
	struct cap *cap;
	struct told told;
	struct bnet_buf log[2]; /* payloads of the frames */
	const char *reason; /* of the last event that is no frame */
	uint64_t n_closed, last_number;
	int64_t time_ns;
	struct cap_stream *stream; /* of the last packet */
};

static inline void
tap_event(void *arg, const struct cap_event *event)
{
	struct tap *tap = arg;

	tap->told.n[event->dir][event->type]++;
	tap->told.bytes[event->dir][event->type] += event->bytes;
	if (event->type != CAP_FRAME) {
		tap->reason = event->reason;
		return;
	}
	tap->last_number = event->number;
	if (bnet_buf_append(&tap->log[event->dir], event->frame->payload) !=
	    BNET_OK)
		tap->last_number = UINT64_MAX;
}

static inline void
tap_closed(void *arg, struct cap_stream *stream)
{
	struct tap *tap = arg;

	(void)stream;
	tap->n_closed++;
}

/* `set` NULL: the defaults. False: out of memory. */
static inline bool
tap_try_open(struct tap *tap, const struct cap_settings *set)
{
	static const struct cap_settings defaults;
	const struct cap_sink sink = { tap_event, tap_closed, tap };

	*tap = (struct tap){ .time_ns = INT64_C(1700000000000000000) };
	bnet_buf_init(&tap->log[0], TALK_MAX_BYTES);
	bnet_buf_init(&tap->log[1], TALK_MAX_BYTES);
	tap->cap = cap_new(set != NULL ? set : &defaults, &sink);
	return tap->cap != NULL;
}

static inline void
tap_open(struct tap *tap, const struct cap_settings *set)
{
	ck_assert(tap_try_open(tap, set));
}

static inline void
tap_free(struct tap *tap)
{
	cap_free(tap->cap);
	bnet_buf_free(&tap->log[0]);
	bnet_buf_free(&tap->log[1]);
}

/* The end of the capture: nothing is held afterwards. */
static inline void
tap_finish(struct tap *tap)
{
	cap_finish(tap->cap);
	ck_assert_uint_eq(tap->cap->held_bytes, 0);
	ck_assert_uint_eq(tap->cap->history.used_bytes, 0);
	ck_assert_uint_eq(tap->cap->streams.n, 0);
}

/*
 * One packet of raw IP; `captured` bytes of it, at most, in a block of exactly
 * that size. What passes is not noted down by check: there are many.
 */
static inline enum bnet_err
tap_raw(struct tap *tap, const uint8_t *p, size_t n, size_t captured)
{
	size_t len = captured < n ? captured : n;
	uint8_t *copy = malloc(len);
	enum bnet_err err;

	if (copy == NULL)
		return BNET_ENOMEM;
	memcpy(copy, p, len);
	err = cap_packet(tap->cap, DLT_RAW, tap->time_ns,
	    (struct bnet_slice){ copy, len }, n, &tap->stream);
	free(copy);
	return err;
}

static inline void
tap_cut_packet(struct tap *tap, const struct pkt *pkt, struct bnet_slice data,
    size_t captured)
{
	static uint8_t p[PKT_MAX_BYTES];

	if (PKT_HEAD_BYTES + data.len > sizeof(p) - 1)
		ck_abort_msg("too much for one packet");
	put_ipv4(p, pkt, 20 + data.len);
	put_tcp(p + 20, pkt);
	if (data.len > 0)
		memcpy(p + PKT_HEAD_BYTES, data.p, data.len);
	if (tap_raw(tap, p, PKT_HEAD_BYTES + data.len, captured) != BNET_OK)
		ck_abort_msg("out of memory");
	tap->time_ns += 1000000;
}

static inline void
tap_packet(struct tap *tap, const struct pkt *pkt, struct bnet_slice data)
{
	tap_cut_packet(tap, pkt, data, SIZE_MAX);
}

/* A connection: both next sequence numbers, [0] of the side that opens. */
struct conn {
	uint8_t host[2];
	uint16_t port[2];
	uint32_t seq[2];
};

#define CONN(client_port, server_port) \
	{ \
		{ 1, 2 }, { (client_port), (server_port) }, \
		{ \
			1000, 500000 \
		} \
	}

static const struct bnet_slice nothing = { NULL, 0 };

static inline struct pkt
conn_pkt(const struct conn *conn, enum cap_dir dir, uint8_t flags)
{
	return (struct pkt){
		.src = conn->host[dir],
		.dst = conn->host[!dir],
		.src_port = conn->port[dir],
		.dst_port = conn->port[!dir],
		.seq = conn->seq[dir],
		.ack = conn->seq[!dir],
		.flags = flags,
	};
}

static inline void
conn_send(struct tap *tap, const struct conn *conn, enum cap_dir dir,
    uint8_t flags, struct bnet_slice data)
{
	struct pkt pkt = conn_pkt(conn, dir, flags);

	tap_packet(tap, &pkt, data);
}

/* SYN, SYN-ACK, ACK. */
static inline void
conn_open(struct tap *tap, struct conn *conn)
{
	conn_send(tap, conn, CAP_UP, TCP_SYN, nothing);
	conn->seq[0]++;
	conn_send(tap, conn, CAP_DOWN, TCP_SYN | TCP_ACK, nothing);
	conn->seq[1]++;
	conn_send(tap, conn, CAP_UP, TCP_ACK, nothing);
}

/* In order, in segments of at most `segment` bytes. */
static inline void
conn_say(struct tap *tap, struct conn *conn, enum cap_dir dir,
    struct bnet_slice data, size_t segment)
{
	while (data.len > 0) {
		struct bnet_slice part = { data.p,
			data.len < segment ? data.len : segment };

		conn_send(tap, conn, dir, TCP_ACK, part);
		conn->seq[dir] += (uint32_t)part.len;
		data = bnet_slice_from(data, part.len);
	}
}

/* These bytes are sent, but not captured. */
static inline void
conn_lose(struct conn *conn, enum cap_dir dir, size_t n)
{
	conn->seq[dir] += (uint32_t)n;
}

static inline void
conn_ack(struct tap *tap, struct conn *conn, enum cap_dir dir)
{
	conn_send(tap, conn, dir, TCP_ACK, nothing);
}

static inline void
conn_close(struct tap *tap, struct conn *conn)
{
	conn_send(tap, conn, CAP_UP, TCP_FIN | TCP_ACK, nothing);
	conn->seq[0]++;
	conn_send(tap, conn, CAP_DOWN, TCP_FIN | TCP_ACK, nothing);
	conn->seq[1]++;
	conn_send(tap, conn, CAP_UP, TCP_ACK, nothing);
}

/* Bytes of a direction that were accounted for. */
static inline uint64_t
told_bytes(const struct told *told, enum cap_dir dir)
{
	return told->bytes[dir][CAP_FRAME] + told->bytes[dir][CAP_GAP] +
	    told->bytes[dir][CAP_SKIP] + told->bytes[dir][CAP_MALFORMED] +
	    told->bytes[dir][CAP_PROXY] + told->bytes[dir][CAP_NOTE];
}

static inline void
tap_expect(const struct tap *tap, const char *what, enum cap_dir dir,
    enum cap_event_type type, uint64_t n, uint64_t bytes)
{
	ck_assert_msg(
	    tap->told.n[dir][type] == n && tap->told.bytes[dir][type] == bytes,
	    "%s: %llu of %llu bytes, not %llu of %llu; last: %s", what,
	    (unsigned long long)tap->told.n[dir][type],
	    (unsigned long long)tap->told.bytes[dir][type],
	    (unsigned long long)n, (unsigned long long)bytes,
	    tap->reason == NULL ? "" : tap->reason);
}

/* A frame with a header to node 7, and `n` payload bytes that count up. */
static inline void
put_numbered(
    struct bnet_buf *out, enum bnet_order order, uint32_t number, size_t n)
{
	static const uint8_t header[] = { 0x20, 0x41, 0xce, 0xff, 0xf0, 0xbf,
		0x81, 0x01, 0x00 };
	static uint8_t payload[PKT_MAX_BYTES * 20];

	ck_assert_uint_le(n, sizeof(payload));
	for (size_t i = 0; i < n; i++)
		payload[i] = (uint8_t)(number * 31 + i * 7);
	put_frame(out, order, BNET_FRAME_F_OOB,
	    (struct bnet_slice){ header, sizeof(header) },
	    (struct bnet_slice){ payload, n });
}

#define NUMBERED_BYTES(n) ((n) + 17) /* such a frame on the wire */

#endif
