/* SPDX-License-Identifier: MIT */
/*
 * gen, second part: a short play of session messages, and echoes. Bodies are
 * packed with the primitives alone, so they do not rest on proto/message.
 */
#ifndef TESTS_GEN_SESSION_H
#define TESTS_GEN_SESSION_H

#include "proto/bits.h"
#include "tests/tools/gen_flow.h"

#include <stdarg.h>

#define RELAY_ID 1001
#define NODE_ID 7
#define CLIENT_ID 12
#define MS INT64_C(1000000) /* of ns */

/*
 * Fields as PROTOCOL names them: u U i I are u32 u64 i32 i64, b is a bool, s
 * a string of one or more bytes to its NUL.
 */
static inline struct bnet_slice
pack(struct bnet_buf *body, const char *fields, ...)
{
	struct bnet_bits_wr wr;
	const char *text;
	va_list ap;

	bnet_buf_clear(body);
	bnet_bits_write(&wr, body);
	va_start(ap, fields);
	for (; *fields != '\0'; fields++) {
		switch (*fields) {
		case 'u':
			bnet_bits_put_u32(&wr, va_arg(ap, uint32_t));
			break;
		case 'U':
			bnet_bits_put_u64(&wr, va_arg(ap, uint64_t));
			break;
		case 'i':
			bnet_bits_put_i32(&wr, va_arg(ap, int32_t));
			break;
		case 'I':
			bnet_bits_put_i64(&wr, va_arg(ap, int64_t));
			break;
		case 'b':
			bnet_bits_put_bool(&wr, va_arg(ap, int) != 0);
			break;
		default:
			text = va_arg(ap, const char *);
			bnet_bits_put_string(&wr, text, (uint32_t)strlen(text));
		}
	}
	va_end(ap);
	must(bnet_bits_finish(&wr));
	return bnet_buf_slice(body);
}

/* Where a packet goes; what is not set is 0. */
struct to {
	int64_t source, dest_type, dest;
	uint64_t timestamp;
	bool priority;
	uint32_t latency_ms;
};

static inline void
say(struct gen *g, struct flow *flow, int dir, struct to to, const char *key,
    struct bnet_slice payload)
{
	struct send send = { 0 };

	send.header.source = to.source;
	send.header.dest_type = to.dest_type;
	send.header.dest = to.dest;
	send.header.key = bnet_key(key);
	send.header.timestamp = to.timestamp;
	send.header.priority = to.priority;
	send.header.latency_ms = to.latency_ms;
	send.payload = payload;
	(void)gen_header(g, &send);
	gen_frame(g, flow, dir, &send);
	flow_flush(g, flow, dir, true);
}

static inline struct bnet_slice
text_of(const char *text)
{
	return (struct bnet_slice){ (const uint8_t *)text, strlen(text) };
}

static inline void
welcome(struct gen *g, struct flow *flow, struct bnet_buf *body, uint64_t id)
{
	g->now_ns += MS / 5;
	say(g, flow, DOWN, (struct to){ .source = RELAY_ID }, "bluenet.welcome",
	    pack(body, "uUUuuussU", 1u, id, UINT64_C(1001), 3u,
		(uint32_t)BNET_FRAME_MAX_BYTES, 15000u, "staging", "relay-1",
		(uint64_t)g->now_ns));
	g->now_ns += MS;
}

static inline void
echo_to_node(struct gen *g, struct flow *client, struct flow *node,
    struct bnet_buf *body, uint64_t cookie, int64_t took_ns)
{
	uint64_t sent_ns = (uint64_t)g->now_ns, got_ns;
	struct to up = { .dest_type = 1, .dest = NODE_ID };
	struct to there = up,
		  back = { .source = NODE_ID,
			  .dest_type = 2,
			  .dest = CLIENT_ID,
			  .latency_ms = 1 };
	struct bnet_slice echo = pack(body, "UUuu", cookie, sent_ns, 0u, 0u);

	there.source = CLIENT_ID;
	there.priority = true;
	say(g, client, UP, up, "bluenet.echo", echo);
	say(g, node, DOWN, there, "bluenet.echo", echo);
	got_ns = (uint64_t)g->now_ns;
	g->now_ns += took_ns;
	echo = pack(body, "UUuuUU", cookie, sent_ns, 0u, 0u, got_ns,
	    (uint64_t)g->now_ns);
	say(g, node, UP, (struct to){ .dest_type = 2, .dest = CLIENT_ID },
	    "bluenet.echo-reply", echo);
	say(g, client, DOWN, back, "bluenet.echo-reply", echo);
	g->now_ns += 10 * MS;
}

static inline void
session_open(struct gen *g, struct flow *client, struct flow *node,
    struct bnet_buf *body)
{
	flow_open(g, node);
	say(g, node, UP, (struct to){ 0 }, "bluenet.hello",
	    pack(body, "uuUuuss", 1u, 2u, UINT64_C(7), 3u,
		(uint32_t)BNET_FRAME_MAX_BYTES, "jita", "a-secret-token"));
	welcome(g, node, body, NODE_ID);
	say(g, node, UP, (struct to){ 0 }, "bluenet.register",
	    pack(body, "i", bnet_key("chat::line")));
	flow_open(g, client);
	say(g, client, UP, (struct to){ 0 }, "bluenet.hello",
	    pack(body, "uuUuuss", 1u, 1u, UINT64_C(0), 3u,
		(uint32_t)BNET_FRAME_MAX_BYTES, "alice", ""));
	welcome(g, client, body, CLIENT_ID);
	say(g, client, UP, (struct to){ 0 }, "bluenet.roster",
	    pack(body, "us", 2u, ""));
	say(g, client, DOWN, (struct to){ .source = RELAY_ID },
	    "bluenet.roster-reply",
	    pack(body, "buUusuUusu", 0, 2u, UINT64_C(7), 2u, "jita", 180u,
		UINT64_C(8), 2u, "amarr", 240u));
}

static inline void
session_talk(struct gen *g, struct flow *client, struct flow *node,
    struct bnet_buf *body)
{
	static const char line[] = "hello from alice, is anybody there?";
	struct to any = { .dest_type = 8 },
		  lost = { .dest_type = 1, .dest = 99 };
	struct to ping = { .timestamp = (uint64_t)g->now_ns / 1000 |
		    BNET_TIMESTAMP_PING_BACK };
	struct to pong = { .source = RELAY_ID,
		.priority = true,
		.timestamp = (uint64_t)g->now_ns / 1000 };

	say(g, client, UP, any, "chat::line", text_of(line));
	any.source = CLIENT_ID;
	say(g, node, DOWN, any, "chat::line", text_of(line));
	say(g, node, UP, (struct to){ .dest_type = 4 }, "chat::line",
	    text_of(line));
	say(g, client, DOWN, (struct to){ .source = 7, .dest_type = 4 },
	    "chat::line", text_of(line));
	say(g, client, UP, lost, "market::order", text_of("buy 100 units"));
	say(g, client, DOWN, (struct to){ .source = RELAY_ID }, "bluenet.error",
	    pack(body, "uIIiUs", 3u, INT64_C(1), INT64_C(99),
		bnet_key("market::order"), UINT64_C(0x2030303120797562),
		"no node 99"));
	say(g, client, UP, ping, "bluenet.keepalive", text_of(""));
	g->now_ns += MS / 4;
	say(g, client, DOWN, pong, "BlueNet::pong", text_of("pong"));
	say(g, client, UP, (struct to){ 0 }, "bluenet.discard",
	    text_of("whatever this may be"));
}

static inline void
session_refused(struct gen *g, struct bnet_buf *body)
{
	struct flow flow;

	flow_open(g, &flow);
	say(g, &flow, UP, (struct to){ 0 }, "bluenet.hello",
	    pack(body, "uuUuuss", 1u, 2u, UINT64_C(7), 0u,
		(uint32_t)BNET_FRAME_MAX_BYTES, "jita", "wrong"));
	say(g, &flow, DOWN, (struct to){ .source = RELAY_ID }, "bluenet.refuse",
	    pack(body, "us", 2u, "the token is not valid"));
	flow_close(g, &flow);
}

static inline void
gen_session(struct gen *g)
{
	struct flow client, node;
	struct bnet_buf body;

	bnet_buf_init(&body, OOB_MAX);
	session_open(g, &client, &node, &body);
	session_refused(g, &body);
	for (uint32_t i = 0; i < 5; i++)
		echo_to_node(g, &client, &node, &body, 0xc0ffee00u + i,
		    MS / 2 + pkt_random_below(&g->random, 2000000));
	session_talk(g, &client, &node, &body);
	g->now_ns += 100 * MS;
	say(g, &client, DOWN, (struct to){ .source = RELAY_ID },
	    "bluenet.drain", pack(&body, "us", 30u, "10.1.0.2:26000"));
	flow_close(g, &client);
	flow_close(g, &node);
	bnet_buf_free(&body);
}

/*
 * `n` echoes of one client, each answered before the next, a packet each.
 * Says on standard output what a decoder should find.
 */
static inline void
gen_echoes(struct gen *g, uint64_t n)
{
	int64_t min = INT64_MAX, max = 0, sum = 0;
	struct bnet_buf body;
	struct flow flow;

	bnet_buf_init(&body, OOB_MAX);
	flow_open(g, &flow);
	for (uint64_t i = 0; i < n; i++) {
		/* whole microseconds, as a capture may hold no others */
		int64_t took =
		    1000 * (100 + (int64_t)pkt_random_below(&g->random, 5000));
		int64_t at = g->now_ns += 1000 - g->now_ns % 1000;

		say(g, &flow, UP, (struct to){ .dest_type = 1, .dest = 7 },
		    "bluenet.echo",
		    pack(&body, "UUuu", i + 1, (uint64_t)at, 0u, 0u));
		g->now_ns = at + took;
		say(g, &flow, DOWN,
		    (struct to){ .source = 7, .dest_type = 2, .dest = 12 },
		    "bluenet.echo-reply",
		    pack(&body, "UUuuUU", i + 1, (uint64_t)at, 0u, 0u,
			(uint64_t)at + 1000, (uint64_t)g->now_ns));
		min = took < min ? took : min;
		max = took > max ? took : max;
		sum += took;
	}
	flow_close(g, &flow);
	bnet_buf_free(&body);
	printf("{\"echoes\":%" PRIu64 ",\"min_ns\":%" PRId64
	       ",\"max_ns\":%" PRId64 ",\"sum_ns\":%" PRId64 "}\n",
	    n, n > 0 ? min : 0, max, sum);
}

#endif
