/* SPDX-License-Identifier: MIT */
/*
 * gen, first part: frames into segments of connections into a capture, and
 * the list of them in the form of fixtures/captures/X.jsonl.
 */
#ifndef TESTS_CAPTURES_GEN_FLOW_H
#define TESTS_CAPTURES_GEN_FLOW_H

#include "proto/codec.h"
#include "proto/frame.h"
#include "proto/header.h"
#include "tests/captures/pkt.h"

#include <inttypes.h>
#include <openssl/evp.h>

#define FRAME_MAX BNET_FRAME_MAX_BYTES_TOP
#define OOB_MAX 4096
#define HEADERS_BYTES (14 + PKT_IP4_BYTES + PKT_TCP_BYTES)

enum {
	UP = 0,
	DOWN = 1,
};

struct half {
	uint32_t seq;
	uint64_t n_frames;
	struct bnet_buf out; /* not yet in a segment */
};

struct flow {
	uint8_t addr[2][4];
	uint16_t port[2];
	struct half half[2];
	bool open;
};

struct gen {
	struct pkt_file file;
	FILE *jsonl; /* or NULL */
	uint32_t segment_bytes;
	bool flush; /* a segment for each frame */
	enum bnet_order order;
	enum bnet_codec_id codec;
	uint16_t port;
	struct bnet_codecs *codecs;
	struct bnet_buf oob, encoded;
	uint64_t random;
	int64_t now_ns;
	uint64_t file_bytes, n_frames, n_packets;
	uint32_t n_flows;
};

struct send {
	struct bnet_header header; /* its `forks` is that of fork_ids */
	const uint64_t *fork_ids;
	struct bnet_slice payload;
};

static inline void
must(enum bnet_err e)
{
	if (e != BNET_OK)
		errx(1, "%s", bnet_strerror(e));
}

static inline void
gen_segment(struct gen *g, struct flow *flow, int dir, uint8_t flags, size_t n)
{
	static uint8_t out[PKT_BUF_BYTES];
	struct half *half = &flow->half[dir];
	struct pkt_tcp tcp = { 0 };
	size_t len = PKT_TCP_BYTES + n;

	memcpy(tcp.src, flow->addr[dir], 4);
	memcpy(tcp.dst, flow->addr[!dir], 4);
	tcp.sport = flow->port[dir];
	tcp.dport = flow->port[!dir];
	tcp.seq = half->seq;
	tcp.flags = flags;
	tcp.ack = (flags & PKT_ACK) != 0 ? flow->half[!dir].seq : 0;
	tcp.window = 64240;
	tcp.payload = bnet_buf_slice(&half->out);
	tcp.payload.len = n;
	memcpy(out, "\2\0\0\0\0\2\2\0\0\0\0\1\x08\0", 14);
	(void)pkt_write_ip4(
	    out + 14, &tcp, len, (uint32_t)g->n_packets & 0xffff, 0x4000);
	(void)pkt_write_tcp(out + 14 + PKT_IP4_BYTES, &tcp, false);
	len += 14 + PKT_IP4_BYTES;
	(void)pkt_file_packet(
	    &g->file, g->now_ns, (struct bnet_slice){ out, len });
	bnet_buf_consume(&half->out, n);
	half->seq += (uint32_t)n + ((flags & (PKT_SYN | PKT_FIN)) != 0);
	g->n_packets++;
	g->file_bytes += 16 + len;
	g->now_ns += 2000 + (int64_t)len * 8; /* 1 Gbit/s */
}

static inline void
flow_open(struct gen *g, struct flow *flow)
{
	uint32_t n = g->n_flows++;

	memset(flow, 0, sizeof(*flow));
	memcpy(flow->addr[0], "\12\0\0\0", 4);
	pkt_put16(flow->addr[0] + 2, 256 + n % 60000);
	memcpy(flow->addr[1], "\12\1\0\1", 4);
	flow->port[0] = (uint16_t)(30000 + n % 30000);
	flow->port[1] = g->port;
	for (int dir = 0; dir < 2; dir++) {
		flow->half[dir].seq = (uint32_t)pkt_random(&g->random);
		bnet_buf_init(&flow->half[dir].out, SIZE_MAX / 2);
	}
	flow->open = true;
	gen_segment(g, flow, UP, PKT_SYN, 0);
	gen_segment(g, flow, DOWN, PKT_SYN | PKT_ACK, 0);
	gen_segment(g, flow, UP, PKT_ACK, 0);
}

/* What waits, in full segments; `all`: what is left over as well. */
static inline void
flow_flush(struct gen *g, struct flow *flow, int dir, bool all)
{
	struct bnet_buf *out = &flow->half[dir].out;

	while (out->len >= g->segment_bytes)
		gen_segment(g, flow, dir, PKT_ACK, g->segment_bytes);
	if (all && out->len > 0)
		gen_segment(g, flow, dir, PKT_ACK | PKT_PSH, out->len);
}

static inline void
flow_close(struct gen *g, struct flow *flow)
{
	if (!flow->open)
		return;
	flow_flush(g, flow, UP, true);
	flow_flush(g, flow, DOWN, true);
	gen_segment(g, flow, UP, PKT_FIN | PKT_ACK, 0);
	gen_segment(g, flow, DOWN, PKT_FIN | PKT_ACK, 0);
	gen_segment(g, flow, UP, PKT_ACK, 0);
	bnet_buf_free(&flow->half[UP].out);
	bnet_buf_free(&flow->half[DOWN].out);
	flow->open = false;
}

static inline void
gen_list(struct gen *g, const struct flow *flow, int dir,
    const struct send *send, const struct bnet_frame *frame)
{
	const struct bnet_header *h = &send->header;
	uint8_t hash[EVP_MAX_MD_SIZE];
	enum bnet_codec_id codec =
	    (enum bnet_codec_id)(frame->flags / BNET_FRAME_F_ZLIB & 3);

	if (EVP_Digest(send->payload.p, send->payload.len, hash, NULL,
		EVP_sha256(), NULL) != 1)
		errx(1, "SHA-256 failed");
	fprintf(g->jsonl,
	    "{\"conn\": %u, \"dir\": \"%s\", \"i\": %" PRIu64
	    ", \"size\": %zu, \"codec\": \"%s\", \"header\": "
	    "{\"source\": %" PRId64 ", \"dest_type\": %" PRId64
	    ", \"dest\": %" PRId64 ", \"key\": %" PRId32 ", \"forks\": %" PRIu32
	    ", \"serial\": %" PRIu32 ", \"latency_ms\": %" PRIu32
	    ", \"priority\": %s, "
	    "\"timestamp\": %" PRIu64 ", \"fork_ids\": [",
	    flow->port[0], dir == UP ? "up" : "down", flow->half[dir].n_frames,
	    BNET_FRAME_OOB_BYTES + frame->oob.len + frame->payload.len,
	    bnet_codec_name(codec), h->source, h->dest_type, h->dest, h->key,
	    h->forks, h->serial, h->latency_ms, h->priority ? "true" : "false",
	    h->timestamp);
	for (uint32_t i = 0; i < h->forks; i++)
		fprintf(g->jsonl, "%s%" PRIu64, i > 0 ? ", " : "",
		    send->fork_ids[i]);
	fprintf(g->jsonl, "]}, \"payload_len\": %zu, \"payload_sha256\": \"",
	    send->payload.len);
	for (int i = 0; i < 32; i++)
		fprintf(g->jsonl, "%02x", hash[i]);
	fputs("\"}\n", g->jsonl);
}

/* The header's length comes first, because a frame may have to fit it. */
static inline size_t
gen_header(struct gen *g, const struct send *send)
{
	bnet_buf_clear(&g->oob);
	must(bnet_header_encode(&send->header, send->fork_ids, &g->oob));
	return g->oob.len;
}

/* After gen_header() of the same `send`. */
static inline void
gen_frame(struct gen *g, struct flow *flow, int dir, const struct send *send)
{
	struct half *half = &flow->half[dir];
	struct bnet_frame frame = { 0 };

	frame.flags = BNET_FRAME_F_OOB;
	frame.oob = bnet_buf_slice(&g->oob);
	frame.payload = send->payload;
	if (g->codec != BNET_CODEC_NONE) {
		must(bnet_codec_encode(
		    g->codecs, g->codec, g->order, send->payload, &g->encoded));
		if (g->encoded.len < send->payload.len * 9 / 10) {
			frame.payload = bnet_buf_slice(&g->encoded);
			frame.flags |= g->codec == BNET_CODEC_ZLIB
			    ? BNET_FRAME_F_ZLIB
			    : BNET_FRAME_F_SNAPPY;
		}
	}
	must(bnet_frame_encode(&frame, g->order, FRAME_MAX, &half->out));
	if (g->jsonl != NULL)
		gen_list(g, flow, dir, send, &frame);
	half->n_frames++;
	g->n_frames++;
	flow_flush(g, flow, dir, g->flush);
}

#endif
