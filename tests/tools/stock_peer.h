/* SPDX-License-Identifier: MIT */
/*
 * stock: how it differs from bluenet-wire(5), its links, what it reads and
 * sends. It frames and packs by itself: libbluenet is right where this is not.
 */
#ifndef TESTS_STOCK_PEER_H
#define TESTS_STOCK_PEER_H

#include "proto/bluenet.h"

#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINKS_MAX 256
#define LIMIT_BYTES (1u << 20) /* of a frame */
#define BUFFER_BYTES ((size_t)64 << 20)
#define FORKS_MAX 1024 /* of a packet that it sends */
#define PAD_BYTES 128 /* what a header that is cut off is short of */
#define MORE_BYTES 4
#define WORD_OOB UINT32_C(0x10000000)
#define WORD_SIZE UINT32_C(0x0fffffff)
#define ENCODED_MAX ((size_t)8 << 20)
#define RESAMPLE_MS 75
#define PING_EVERY_NS INT64_C(30000000000)

/* X(NAME, "name", it does so by default) */
#define TRAITS(X) \
	X(NETWORK_ORDER, "network-order", true) /* off: little only */ \
	X(OVERSIZE_RESYNC, "oversize-resync", true) /* off: it closes */ \
	X(IGNORES_FLAGS, "ignores-flags", true) /* off: it closes */ \
	X(CUT_HEADERS, "cut-headers", true) /* off: not a header */ \
	X(FORK_HEADERS, "fork-headers", true) /* off: one a copy */ \
	X(FOUR_BYTES, "four-bytes", true) /* behind keyed payloads */ \
	X(PING_BACK, "ping-back", true) /* bit 63 in its pings */ \
	X(PING_ALWAYS, "ping-always", false) /* with every packet */ \
	X(PONG_PING, "pong-ping", true) /* a ping rides in its pongs */ \
	X(PONG_PAYLOAD, "pong-payload", true) /* off: zeros */ \
	X(PONG_TRUNCATES, "pong-truncates", false) /* to 32 bits */ \
	X(PONG_BIT_63, "pong-bit-63", false) /* set in its pongs */ \
	X(UNKNOWN_UP, "unknown-up", true) /* off: dropped */ \
	X(OWN_ID_LOCAL, "own-id-local", true) /* off: only NODE */ \
	X(SILENT_DROP, "silent-drop", true) /* off: bluenet.error */ \
	X(WHOLE_MS, "whole-ms", true) /* off: in microseconds */ \
	X(FORKS_1024, "forks-1024", true) /* off: all in one packet */ \
	X(ONE_FORK_PLAIN, "one-fork-plain", true) /* off: as a list */ \
	X(PLAIN_BEHIND, "plain-behind", false) /* a frame without header \
	behind each packet that it consumed */ \
	X(NO_NODELAY, "no-nodelay", true) /* off: TCP_NODELAY */ \
	X(CPU_CLOCK, "cpu-clock", true) /* off: CLOCK_MONOTONIC */

#define TRAIT_ENUM(id, name, on) id,
#define TRAIT_NAME(id, name, on) name,
#define TRAIT_ON(id, name, on) on,
enum trait {
	TRAITS(TRAIT_ENUM) N_TRAITS
};
static const char *const trait_names[] = { TRAITS(TRAIT_NAME) };
static bool trait[] = { TRAITS(TRAIT_ON) };

struct link {
	int fd; /* -1: free */
	struct bnet_tls *tls; /* NULL: plain */
	struct bnet_buf in, out; /* frames; bytes for the socket */
	uint64_t id;
	bool node, ended;
	/* latency */
	bool ping_wanted, known;
	uint64_t asked_us, pong_asked_us; /* in a header; in a pong */
	int64_t pinged_ns;
	int64_t latency_us;
	uint32_t seq[2]; /* in the recording: of theirs, of ours */
};

static struct link links[LINKS_MAX];
static uint64_t own_id = 1;
static struct bnet_buf packed; /* the frame at hand */

#define EACH_LINK(l) \
	for (struct link * (l) = links; (l) < links + LINKS_MAX; (l)++) \
		if ((l)->fd >= 0 && !(l)->ended)

/* A packet as it takes it: header and bytes borrowed from the input. */
struct taken {
	bool has_header;
	struct bnet_header header;
	uint64_t forks[FORKS_MAX];
	uint32_t n_forks;
	struct bnet_slice oob, payload;
};

/* ---- clocks --------------------------------------------------------------- */

static int64_t
clock_of(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Of its pings: never 0. */
static uint64_t
ping_clock_us(void)
{
	return 1 +
	    (uint64_t)clock_of(
		trait[CPU_CLOCK] ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC) /
	    1000;
}

/* ---- a recording of what it reads and writes, decrypted ------------------ */

#define SEGMENT_MAX 60000
#define IP_TCP_BYTES 40
#define DLT_RAW_IP 101

static FILE *recording; /* NULL: none */

static void
recording_begin(const char *path)
{
	const uint32_t head[] = { 0xa1b2c3d4, 0x00040002, 0, 0, 65535,
		DLT_RAW_IP };

	recording = fopen(path, "wb");
	if (recording == NULL || fwrite(head, sizeof(head), 1, recording) != 1)
		err(1, "%s", path);
}

static void
put_be32(uint8_t *p, uint32_t v)
{
	bnet_order_put_u32(BNET_ORDER_NETWORK, p, v);
}

/* A TCP segment between 10.0.0.1 and 10.9.0.1:26000; out: from the latter. */
static void
record_segment(
    struct link *l, bool out, struct bnet_slice bytes, uint8_t tcp_flags)
{
	uint32_t port = 40000 + (uint32_t)(l - links);
	uint32_t len = IP_TCP_BYTES + (uint32_t)bytes.len;
	int64_t now_ns = clock_of(CLOCK_REALTIME);
	const uint32_t head[] = { (uint32_t)(now_ns / 1000000000),
		(uint32_t)(now_ns % 1000000000 / 1000), len, len };
	uint8_t p[IP_TCP_BYTES] = { 0 };

	put_be32(p, 0x45000000 | len);
	put_be32(p + 8, 0x40060000);
	put_be32(p + 12, out ? 0x0a090001 : 0x0a000001);
	put_be32(p + 16, out ? 0x0a000001 : 0x0a090001);
	put_be32(p + 20, out ? 26000u << 16 | port : port << 16 | 26000);
	put_be32(p + 24, l->seq[out]);
	put_be32(p + 28, l->seq[!out]);
	put_be32(p + 32, 0x50000000u | (uint32_t)tcp_flags << 16 | 0xffff);
	l->seq[out] += (uint32_t)bytes.len + ((tcp_flags & 3) != 0);
	if (fwrite(head, sizeof(head), 1, recording) != 1 ||
	    fwrite(p, sizeof(p), 1, recording) != 1 ||
	    fwrite(bytes.p, 1, bytes.len, recording) != bytes.len)
		err(1, "recording");
}

static void
record_open(struct link *l, bool dialled)
{
	const struct bnet_slice nothing = { (const uint8_t *)"", 0 };

	if (recording == NULL)
		return;
	record_segment(l, dialled, nothing, 0x02);
	record_segment(l, !dialled, nothing, 0x12);
}

static void
record(struct link *l, bool out, struct bnet_slice bytes)
{
	while (recording != NULL && bytes.len > 0) {
		size_t n = bytes.len < SEGMENT_MAX ? bytes.len : SEGMENT_MAX;

		record_segment(l, out, (struct bnet_slice){ bytes.p, n }, 0x18);
		bytes = bnet_slice_from(bytes, n);
	}
	if (recording != NULL)
		(void)fflush(recording);
}

/* ---- writing -------------------------------------------------------------- */

static void
link_write(struct link *l)
{
	struct bnet_slice out = bnet_buf_slice(&l->out);
	ssize_t n;

	while (out.len > 0) {
		n = send(l->fd, out.p, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n <= 0)
			return; /* poll() says when there is room, or the end */
		bnet_buf_consume(&l->out, (size_t)n);
		out = bnet_buf_slice(&l->out);
	}
}

static void
link_queue(struct link *l, struct bnet_slice bytes)
{
	enum bnet_err e;

	record(l, true, bytes);
	e = l->tls != NULL ? bnet_tls_send(l->tls, bytes, &l->out)
			   : bnet_buf_append(&l->out, bytes);

	if (e != BNET_OK)
		l->ended = true;
	else
		link_write(l);
}

static void
put_u32(struct bnet_buf *buf, uint32_t v)
{
	uint8_t p[4];

	bnet_order_put_u32(
	    trait[NETWORK_ORDER] ? BNET_ORDER_NETWORK : BNET_ORDER_LITTLE, p,
	    v);
	if (bnet_buf_append(buf, (struct bnet_slice){ p, 4 }) != BNET_OK)
		errx(1, "out of memory");
}

/* A frame; without an out-of-band section where that would be empty. */
static void
frame_send(struct link *l, struct bnet_slice oob, struct bnet_slice payload)
{
	uint32_t size = (uint32_t)payload.len;

	if (l->ended)
		return;
	if (oob.len > 0)
		size += 4 + (uint32_t)oob.len;
	bnet_buf_clear(&packed);
	put_u32(&packed, size | (oob.len > 0 ? WORD_OOB : 0));
	if (oob.len > 0)
		put_u32(&packed, (uint32_t)oob.len);
	if (bnet_buf_append(&packed, oob) != BNET_OK ||
	    bnet_buf_append(&packed, payload) != BNET_OK)
		errx(1, "out of memory");
	link_queue(l, bnet_buf_slice(&packed));
}

/* Its own ping, where one is due, with the packet that leaves. */
static uint64_t
ping_for(struct link *l)
{
	int64_t now_ns = clock_of(CLOCK_MONOTONIC);

	if (!trait[PING_ALWAYS] && !l->ping_wanted &&
	    now_ns - l->pinged_ns < PING_EVERY_NS)
		return 0;
	l->ping_wanted = false;
	l->pinged_ns = now_ns;
	l->asked_us = ping_clock_us();
	return l->asked_us | (trait[PING_BACK] ? BNET_TIMESTAMP_PING_BACK : 0);
}

/* `copies` headers one behind the other. */
static void
headers_send(struct link *l, const struct bnet_header *header,
    const uint64_t *forks, unsigned copies, struct bnet_slice payload)
{
	struct bnet_buf oob;

	bnet_buf_init(&oob, ENCODED_MAX);
	for (unsigned i = 0; i < copies; i++)
		if (bnet_header_encode(header, forks, &oob) != BNET_OK)
			errx(1, "out of memory");
	frame_send(l, bnet_buf_slice(&oob), payload);
	bnet_buf_free(&oob);
}

static void
pong_send(struct link *l, uint64_t timestamp)
{
	static const uint8_t own_header[] = { 0x00, 0xf0, 0x06, 0x12 };
	static const uint8_t zeros[sizeof(own_header)];
	struct bnet_header pong = { .source = (int64_t)own_id,
		.key = BNET_KEY_PONG,
		.priority = true,
		.timestamp = timestamp & ~BNET_TIMESTAMP_PING_BACK };

	if (trait[PONG_TRUNCATES])
		pong.timestamp &= UINT32_MAX;
	if (trait[PONG_BIT_63])
		pong.timestamp |= BNET_TIMESTAMP_PING_BACK;
	if (trait[PONG_PING]) {
		l->pong_asked_us = (uint32_t)ping_clock_us();
		pong.latency_ms = (uint32_t)l->pong_asked_us;
	}
	headers_send(l, &pong, NULL, 1,
	    (struct bnet_slice){
		trait[PONG_PAYLOAD] ? own_header : zeros, MORE_BYTES });
}

/* ---- latency -------------------------------------------------------------- */

static void
pong_taken(struct link *l, const struct bnet_header *pong)
{
	uint64_t now_us = ping_clock_us();
	int64_t half_us, unit = trait[WHOLE_MS] ? 1000 : 1;

	if (pong->latency_ms != 0) /* a ping of theirs */
		pong_send(l, pong->latency_ms);
	if (l->asked_us != 0 && pong->timestamp == l->asked_us)
		l->asked_us = 0;
	else if (l->pong_asked_us != 0 && pong->timestamp == l->pong_asked_us)
		l->pong_asked_us = 0;
	else
		return;
	half_us = (int64_t)(now_us - pong->timestamp) / 2 / unit * unit;
	if (!l->known)
		l->latency_us = half_us;
	else
		l->latency_us += (half_us - l->latency_us) / 3 / unit * unit;
	l->known = true;
	if (llabs(half_us - l->latency_us) > RESAMPLE_MS * 1000)
		l->ping_wanted = true;
}

/* ---- reading -------------------------------------------------------------- */

/* What is missing at the end counts as zeros; *left: what was missing. */
static bool
header_of(struct bnet_slice oob, struct taken *t)
{
	static uint8_t padded[LIMIT_BYTES + PAD_BYTES];
	struct bnet_bits_rd rd;
	size_t trailing;

	if (oob.len <= 2 || oob.len > LIMIT_BYTES)
		return false;
	memcpy(padded, oob.p, oob.len);
	memset(padded + oob.len, 0, PAD_BYTES);
	if (!trait[CUT_HEADERS] &&
	    bnet_header_decode(oob, &t->header, NULL, &trailing) != BNET_OK)
		return false;
	bnet_bits_read(&rd, (struct bnet_slice){ padded, oob.len + PAD_BYTES });
	t->header.source = bnet_bits_i64(&rd);
	t->header.dest_type = bnet_bits_i64(&rd);
	t->header.dest = bnet_bits_i64(&rd);
	t->header.key = bnet_bits_i32(&rd);
	t->header.forks = bnet_bits_u32(&rd);
	t->header.serial = bnet_bits_u32(&rd);
	t->header.latency_ms = bnet_bits_u32(&rd);
	t->header.priority = bnet_bits_bool(&rd);
	t->header.timestamp = bnet_bits_u64(&rd);
	if (rd.bad)
		return false;
	for (uint32_t i = 0; i < t->header.forks && i < FORKS_MAX; i++)
		t->forks[t->n_forks++] = bnet_bits_u64(&rd);
	return true;
}

typedef void packet_taken(struct link *l, const struct taken *t);

/* The whole frame in `body`, behind its word. */
static void
frame_taken(struct link *l, uint32_t word, struct bnet_slice body,
    enum bnet_order order, packet_taken *packet)
{
	static struct taken t;
	size_t oob_bytes;

	t.has_header = false;
	t.n_forks = 0;
	t.oob = (struct bnet_slice){ NULL, 0 };
	t.payload = body;
	if ((word & WORD_OOB) != 0 && body.len >= 4) {
		/* its length is compared with the limit only */
		oob_bytes = bnet_order_get_u32(order, body.p);
		if (oob_bytes > body.len - 4)
			oob_bytes = body.len - 4;
		t.oob = (struct bnet_slice){ body.p + 4, oob_bytes };
		t.payload = bnet_slice_from(body, 4 + oob_bytes);
		t.has_header = header_of(t.oob, &t);
	}
	packet(l, &t);
}

/*
 * All that is buffered is looked at first: at a word over the limit even the
 * good frames before it are thrown away, and what comes next is a frame.
 */
static void
frames_read(struct link *l, packet_taken *packet)
{
	enum bnet_order order =
	    trait[NETWORK_ORDER] ? BNET_ORDER_NETWORK : BNET_ORDER_LITTLE;
	struct bnet_slice in = bnet_buf_slice(&l->in);
	size_t at = 0, end = 0;
	uint32_t word, size;

	while (in.len - end >= 4) {
		word = bnet_order_get_u32(order, in.p + end);
		size = word & WORD_SIZE;
		if (size > LIMIT_BYTES ||
		    (!trait[IGNORES_FLAGS] && word >> 29 != 0)) {
			l->ended |= size > LIMIT_BYTES ? !trait[OVERSIZE_RESYNC]
						       : !trait[IGNORES_FLAGS];
			bnet_buf_clear(&l->in);
			return;
		}
		if (in.len - end - 4 < size)
			break;
		end += 4 + size;
	}
	while (at < end && !l->ended) {
		word = bnet_order_get_u32(order, in.p + at);
		size = word & WORD_SIZE;
		frame_taken(l, word, (struct bnet_slice){ in.p + at + 4, size },
		    order, packet);
		at += 4 + size;
	}
	bnet_buf_consume(&l->in, at);
}

#endif
