/* SPDX-License-Identifier: MIT */
#include "tests/captures/gen.h"

#include "proto/bits.h"
#include "tests/captures/gen_flow.h"

#include <stdarg.h>

#define RELAY_ID 1001
#define NODE_ID 7
#define CLIENT_ID 12
#define MS INT64_C(1000000) /* of ns */

#define POOL_BYTES (1u << 16)
#define FORKS_MAX 5

/* Options that take a number; the first two: until either, 0 is no end. */
enum number {
	FRAMES = 0,
	BYTES, /* of the file, about */
	FRAME_BYTES, /* with the word */
	SEGMENT, /* bytes of payload */
	STREAMS,
	PORT,
	SEED,
	N_NUMBERS
};

struct settings {
	uint64_t n[N_NUMBERS];
	bool session, echo;
};

struct bulk {
	uint8_t *pool; /* POOL_BYTES + frame_bytes, cut payloads from it */
	const struct settings *set;
	int32_t keys[5];
	uint64_t fork_ids[FORKS_MAX];
};

/*
 * A short play of session messages, and echoes. Bodies are packed with the
 * primitives alone, so they do not rest on proto/message.
 */

/*
 * Fields as PROTOCOL names them: u U i I are u32 u64 i32 i64, b is a bool, s
 * a string of one or more bytes to its NUL.
 */
static struct bnet_slice
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

static void
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

static struct bnet_slice
text_of(const char *text)
{
	return (struct bnet_slice){ (const uint8_t *)text, strlen(text) };
}

static void
welcome(struct gen *g, struct flow *flow, struct bnet_buf *body, uint64_t id)
{
	g->now_ns += MS / 5;
	say(g, flow, DOWN, (struct to){ .source = RELAY_ID }, "bluenet.welcome",
	    pack(body, "uUUuuussU", 1u, id, UINT64_C(1001), 3u,
		(uint32_t)BNET_FRAME_MAX_BYTES, 15000u, "staging", "relay-1",
		(uint64_t)g->now_ns));
	g->now_ns += MS;
}

static void
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

static void
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

static void
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

static void
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

static void
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

/* `n` echoes of one client, each answered before the next, a packet each. */
static void
gen_echoes(struct gen *g, uint64_t n, struct gen_echoes *told)
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
	*told = (struct gen_echoes){ n, n > 0 ? min : 0, max, sum };
}

/* Text that compresses about as well as what games send. */
static void
pool_fill(struct gen *g, uint8_t *pool, size_t n)
{
	static const char *const words[] = { "position", "velocity", "ship",
		"{\"id\":", ",\"owner\":", "station", "0.0000", "true", "null",
		"jita", "amarr", "inventory" };
	size_t at = 0, len;

	while (at < n) {
		uint64_t r = pkt_random(&g->random);
		char text[32];

		if (r % 3 == 0)
			(void)snprintf(
			    text, sizeof(text), "%u", (unsigned)(r >> 32));
		else
			(void)snprintf(
			    text, sizeof(text), "%s", words[(r >> 8) % 12]);
		len = strlen(text) < n - at ? strlen(text) : n - at;
		memcpy(pool + at, text, len);
		at += len;
	}
}

static void
bulk_init(struct gen *g, struct bulk *b, const struct settings *set)
{
	static const char *const names[5] = { "chat::line", "market::order",
		"fleet::move", "bluenet.discard", "" };

	b->set = set;
	b->pool = malloc(POOL_BYTES + set->n[FRAME_BYTES]);
	if (b->pool == NULL)
		err(1, "memory");
	pool_fill(g, b->pool, POOL_BYTES + set->n[FRAME_BYTES]);
	for (int i = 0; i < 5; i++)
		b->keys[i] = bnet_key(names[i]);
}

/* A client's packet to a node, or a node's to a client or several. */
static void
bulk_send(struct gen *g, struct bulk *b, struct flow *flow, uint32_t id)
{
	uint64_t r = pkt_random(&g->random);
	int dir = r % 3 == 0 ? DOWN : UP;
	struct send send = { 0 };
	struct bnet_header *h = &send.header;
	size_t over;

	h->source = dir == UP ? 0 : 1 + (int64_t)(r >> 8 & 15);
	h->dest_type = dir == UP ? BNET_DEST_NODE : BNET_DEST_CLIENT;
	h->dest = dir == UP ? 1 + (int64_t)(r >> 8 & 15) : (int64_t)id;
	h->key = b->keys[(r >> 12) % 5];
	h->latency_ms = (r >> 16 & 3) == 0 ? (uint32_t)(r >> 18 & 63) : 0;
	h->priority = (r >> 24 & 15) == 0;
	if ((r >> 28 & 255) == 0)
		h->timestamp = (uint64_t)g->now_ns / 1000;
	if (dir == DOWN && (r >> 36 & 63) == 0) {
		h->forks = 2 + (uint32_t)(r >> 42) % (FORKS_MAX - 1);
		for (uint32_t i = 0; i < h->forks; i++)
			b->fork_ids[i] = 100 + (r >> (44 + i) & 0x3ff);
		send.fork_ids = b->fork_ids;
	}
	over =
	    BNET_FRAME_WORD_BYTES + BNET_FRAME_OOB_BYTES + gen_header(g, &send);
	send.payload.p = b->pool + (r >> 40) % POOL_BYTES;
	send.payload.len =
	    b->set->n[FRAME_BYTES] > over ? b->set->n[FRAME_BYTES] - over : 0;
	gen_frame(g, flow, dir, &send);
}

static void
gen_bulk(struct gen *g, const struct settings *set)
{
	struct flow *flows = calloc(set->n[STREAMS], sizeof(*flows));
	struct bulk bulk = { 0 };
	uint64_t n = 0;

	if (flows == NULL)
		err(1, "memory");
	bulk_init(g, &bulk, set);
	for (uint32_t i = 0; i < set->n[STREAMS]; i++)
		flow_open(g, &flows[i]);
	while ((set->n[FRAMES] == 0 || n < set->n[FRAMES]) &&
	    (set->n[BYTES] == 0 || g->file_bytes < set->n[BYTES])) {
		uint32_t at = (uint32_t)(n++ % set->n[STREAMS]);

		bulk_send(g, &bulk, &flows[at], 100 + at);
	}
	for (uint32_t i = 0; i < set->n[STREAMS]; i++)
		flow_close(g, &flows[i]);
	free(bulk.pool);
	free(flows);
}

static uint64_t
number(const char *text, uint64_t max)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n > max)
		errx(2, "not a number up to %" PRIu64 ": %s", max, text);
	return n;
}

struct option {
	const char *name;
	bool value;
	int what; /* an enum number, or a letter */
};

static const struct option longs[] = {
	{ "frames", true, FRAMES },
	{ "bytes", true, BYTES },
	{ "frame-bytes", true, FRAME_BYTES },
	{ "segment", true, SEGMENT },
	{ "streams", true, STREAMS },
	{ "port", true, PORT },
	{ "seed", true, SEED },
	{ "one-frame-per-packet", false, '1' },
	{ "order", true, 'o' }, /* little network */
	{ "codec", true, 'c' }, /* none zlib snappy */
	{ "echo", false, 'e' }, /* --frames counts echoes */
	{ "session", false, 'm' }, /* first of all */
	{ "nano", false, 'n' },
};

#define N_LONGS (sizeof(longs) / sizeof(*longs))

static const uint64_t number_max[N_NUMBERS] = {
	[FRAMES] = UINT64_MAX / 2,
	[BYTES] = UINT64_MAX / 2,
	[FRAME_BYTES] = 1 << 20,
	[SEGMENT] = PKT_PAYLOAD_MAX,
	[STREAMS] = 1000000,
	[PORT] = UINT16_MAX,
	[SEED] = UINT64_MAX / 2,
};

void
gen_usage(FILE *f)
{
	for (size_t i = 0; i < N_LONGS; i++)
		fprintf(f, "\t--%s%s\n", longs[i].name,
		    longs[i].value ? " VALUE" : "");
}

static enum bnet_codec_id
codec_named(const char *name)
{
	for (int i = 0; i <= BNET_CODEC_SNAPPY; i++)
		if (strcmp(name, bnet_codec_name((enum bnet_codec_id)i)) == 0)
			return (enum bnet_codec_id)i;
	errx(2, "--codec: none, zlib or snappy");
}

static enum bnet_order
order_named(const char *name)
{
	if (strcmp(name, "little") == 0)
		return BNET_ORDER_LITTLE;
	if (strcmp(name, "network") == 0)
		return BNET_ORDER_NETWORK;
	errx(2, "--order: little or network");
}

static void
option_set(struct gen *g, struct settings *set, int c, const char *arg)
{
	if (c >= 0 && c < N_NUMBERS)
		set->n[c] = number(arg, number_max[c]);
	else if (c == '1')
		g->flush = true;
	else if (c == 'o')
		g->order = order_named(arg);
	else if (c == 'c')
		g->codec = codec_named(arg);
	else if (c == 'e')
		set->echo = true;
	else if (c == 'm')
		set->session = true;
	else
		g->file.nano = true;
}

static void
gen_init(struct gen *g, const struct settings *set)
{
	g->segment_bytes = (uint32_t)set->n[SEGMENT];
	g->port = (uint16_t)set->n[PORT];
	g->random = set->n[SEED];
	g->now_ns = INT64_C(1763850858) * 1000000000;
	g->file.linktype = 1;
	g->file.snaplen = PKT_SNAPLEN;
	bnet_buf_init(&g->oob, OOB_MAX);
	bnet_buf_init(&g->encoded, SIZE_MAX / 2);
	g->codecs = bnet_codecs_new();
	if (g->codecs == NULL)
		err(1, "memory");
}

static const struct option *
option_named(const char *word)
{
	for (size_t i = 0; i < N_LONGS; i++)
		if (strncmp(word, "--", 2) == 0 &&
		    strcmp(word + 2, longs[i].name) == 0)
			return &longs[i];
	errx(2, "no such option: %s", word);
}

static void
options_read(struct gen *g, struct settings *set, char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct option *o = option_named(words[i]);

		if (o->value && ++i == n)
			errx(2, "--%s: a value is missing", o->name);
		option_set(g, set, o->what, words[i]);
	}
	if (set->n[STREAMS] == 0 || set->n[SEGMENT] == 0)
		errx(2, "--streams, --segment: at least 1");
	if (set->n[FRAMES] == 0 && set->n[BYTES] == 0)
		set->n[FRAMES] = 1000;
}

void
gen(char *const *words, size_t n_words, FILE *out, FILE *jsonl,
    struct gen_echoes *echoes)
{
	struct settings set = { .n = { [FRAME_BYTES] = 128,
				    [SEGMENT] = 1448,
				    [STREAMS] = 1,
				    [PORT] = 26000 } };
	struct gen g = { .order = BNET_ORDER_LITTLE, .jsonl = jsonl };

	options_read(&g, &set, words, n_words);
	gen_init(&g, &set);
	g.file.f = out;
	g.file.path = "the capture";
	pkt_file_start(&g.file);
	if (set.session)
		gen_session(&g);
	memset(echoes, 0, sizeof(*echoes));
	if (set.echo)
		gen_echoes(&g, set.n[FRAMES], echoes);
	else
		gen_bulk(&g, &set);
	bnet_codecs_free(g.codecs);
	bnet_buf_free(&g.oob);
	bnet_buf_free(&g.encoded);
}
