/* SPDX-License-Identifier: MIT */
/* Records for the tests of the filter, each known by a letter. */
#ifndef TESTS_FILTER_RECORDS_H
#define TESTS_FILTER_RECORDS_H

#include "cmd/filter/record.h"
#include "proto/bits.h"

#include <string.h>

enum {
	REC_FULL, /* f: up, IPv4, zlib, known key, priority */
	REC_ECHO, /* e: down, IPv6, a session message */
	REC_KEY, /* k: unknown key, fork ids, extreme numbers */
	REC_PLAIN, /* p: no header */
	REC_GAP, /* g: of stream 0, down */
	REC_LIMIT, /* l: of no stream */
	N_RECS
};

#define REC_LETTERS "fekpgl"

struct records {
	struct cap_stream streams[3];
	struct bnet_packet packets[N_RECS];
	struct cap_event events[N_RECS];
	struct record r[N_RECS];
	struct bnet_message messages[2]; /* of REC_ECHO, REC_FULL */
	struct bnet_echo_hop hops[2];
	uint8_t ids[64];
};

static inline void
records_stream(struct cap_stream *s, uint64_t number, const char *up,
    const char *down, enum bnet_order order)
{
	s->number = number;
	s->order = order;
	memcpy(s->end[0], up, strlen(up) + 1);
	memcpy(s->end[1], down, strlen(down) + 1);
	s->end_chars[0] = (uint8_t)strlen(up);
	s->end_chars[1] = (uint8_t)strlen(down);
}

/* The fork ids 0, 5, 900 and the largest. Returns how many. */
static inline uint32_t
records_ids(struct records *recs, struct bnet_bits_rd *rd)
{
	static const uint64_t ids[] = { 0, 5, 900, UINT64_MAX };
	struct bnet_bits_wr wr;
	struct bnet_buf out;
	struct bnet_slice s = { recs->ids, 0 };
	bool ok;

	bnet_buf_init(&out, sizeof(recs->ids));
	bnet_bits_write(&wr, &out);
	for (size_t i = 0; i < 4; i++)
		bnet_bits_put_u64(&wr, ids[i]);
	ok = bnet_bits_finish(&wr) == BNET_OK;
	s.len = ok ? out.len : 0;
	if (ok)
		memcpy(recs->ids, bnet_buf_slice(&out).p, s.len);
	bnet_buf_free(&out);
	bnet_bits_read(rd, s);
	return ok ? 4 : 0;
}

static inline void
records_packets(struct records *recs)
{
	static const uint8_t payload[] = "ping\0pong\n\x0a\x0b\x0c\xff end";
	struct bnet_packet *p = recs->packets;

	p[REC_FULL] = (struct bnet_packet){ .size_bytes = 9021,
		.codec = BNET_CODEC_ZLIB,
		.has_oob = true,
		.has_header = true,
		.header = { .dest_type = BNET_DEST_CLIENT,
		    .dest = 961198589026,
		    .key = BNET_KEY_PONG,
		    .latency_ms = 2630594, /* a ping: no latency */
		    .priority = true },
		.oob = { payload, 12 },
		.payload = { payload, sizeof(payload) - 1 } };
	p[REC_ECHO] = (struct bnet_packet){ .size_bytes = 40,
		.has_oob = true,
		.has_header = true,
		.header = { .source = -5,
		    .dest_type = BNET_DEST_NODE,
		    .dest = 7,
		    .key = BNET_KEY_ECHO,
		    .latency_ms = 60,
		    .timestamp = BNET_TIMESTAMP_PING_BACK },
		.oob = { payload, 9 },
		.payload = { payload, 4 } };
	p[REC_KEY] = (struct bnet_packet){ .size_bytes = 21,
		.codec = BNET_CODEC_SNAPPY,
		.has_oob = true,
		.has_header = true,
		.header = { .source = INT64_MIN,
		    .dest_type = 3,
		    .dest = INT64_MAX,
		    .key = 1,
		    .serial = UINT32_MAX,
		    .latency_ms = 50 },
		.oob = { payload, 17 } };
	p[REC_KEY].header.forks = records_ids(recs, &p[REC_KEY].forks);
	p[REC_PLAIN] = (struct bnet_packet){ .size_bytes = 4,
		.payload = { payload + 5, 4 } };
}

/* Fills `recs`, which stays where it is. */
static inline void
records_init(struct records *recs)
{
	struct cap_event *e = recs->events;

	memset(recs, 0, sizeof(*recs));
	records_stream(&recs->streams[0], 0, "127.0.0.1:51996",
	    "127.0.0.1:26000", BNET_ORDER_LITTLE);
	records_stream(&recs->streams[1], 1, "[2001:db8::7]:40000",
	    "[::1]:26000", BNET_ORDER_NETWORK);
	records_stream(&recs->streams[2], 2, "10.0.0.1:5", "127.0.0.10:65535",
	    BNET_ORDER_AUTO);
	records_packets(recs);
	for (int i = 0; i < N_RECS; i++) {
		e[i] = (struct cap_event){ .packet = 4 + (uint64_t)i,
			.time_ns = 1763850858296242000 + i,
			.stream = &recs->streams[i % 3] };
		recs->r[i].event = &e[i];
		if (i <= REC_PLAIN) {
			e[i].number = 1 + (uint64_t)i;
			e[i].frame = &recs->packets[i];
		}
	}
	e[REC_ECHO].dir = CAP_DOWN;
	e[REC_GAP].type = CAP_GAP;
	e[REC_GAP].dir = CAP_DOWN;
	e[REC_GAP].stream = &recs->streams[0];
	e[REC_GAP].bytes = 1448;
	e[REC_GAP].reason = "not in the capture";
	e[REC_LIMIT].type = CAP_LIMIT;
	e[REC_LIMIT].stream = NULL;
	e[REC_LIMIT].time_ns = -1500000000;
	e[REC_LIMIT].reason = "";
	recs->r[REC_FULL].key_name = "BlueNet::pong";
	recs->r[REC_ECHO].key_name = "bluenet.echo";
	recs->r[REC_ECHO].message_type = BNET_MSG_ECHO;
	recs->hops[0] = (struct bnet_echo_hop){ .id = 41, .out_ns = 9 };
	recs->hops[1] = (struct bnet_echo_hop){ .id = 42, .out_ns = 10 };
	recs->messages[0] = (struct bnet_message){ .type = BNET_MSG_ECHO,
		.u.echo = {
		    .cookie = 7, .flags = 3, .n = 2, .hops = recs->hops } };
	recs->r[REC_ECHO].message = &recs->messages[0];
	recs->messages[1] = (struct bnet_message){ .type = BNET_MSG_ERROR,
		.u.error = { .code = 3,
		    .dest_type = -1,
		    .key = BNET_KEY_ECHO,
		    .reason = { "a\0b", 3 } } };
	recs->r[REC_FULL].message = &recs->messages[1];
}

#endif
