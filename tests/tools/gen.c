/* SPDX-License-Identifier: MIT */
/*
 * gen OUT.pcap OPTIONS: a capture of connections that never were, for
 * benchmarks and tests. Full segments of small frames by default; the same
 * --seed gives the same file. --jsonl FILE lists every frame.
 */
#include "tests/tools/gen_session.h"

#include <getopt.h>

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
	const char *jsonl;
};

struct bulk {
	uint8_t *pool; /* POOL_BYTES + frame_bytes, cut payloads from it */
	const struct settings *set;
	int32_t keys[5];
	uint64_t fork_ids[FORKS_MAX];
};

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

static const struct option longs[] = {
	{ "frames", required_argument, NULL, FRAMES },
	{ "bytes", required_argument, NULL, BYTES },
	{ "frame-bytes", required_argument, NULL, FRAME_BYTES },
	{ "segment", required_argument, NULL, SEGMENT },
	{ "streams", required_argument, NULL, STREAMS },
	{ "port", required_argument, NULL, PORT },
	{ "seed", required_argument, NULL, SEED },
	{ "one-frame-per-packet", no_argument, NULL, '1' },
	{ "order", required_argument, NULL, 'o' }, /* little network */
	{ "codec", required_argument, NULL, 'c' }, /* none zlib snappy */
	{ "echo", no_argument, NULL, 'e' }, /* --frames counts echoes */
	{ "session", no_argument, NULL, 'm' }, /* first of all */
	{ "jsonl", required_argument, NULL, 'j' },
	{ "nano", no_argument, NULL, 'n' },
	{ 0 },
};

static const uint64_t number_max[N_NUMBERS] = {
	[FRAMES] = UINT64_MAX / 2,
	[BYTES] = UINT64_MAX / 2,
	[FRAME_BYTES] = 1 << 20,
	[SEGMENT] = PKT_PAYLOAD_MAX,
	[STREAMS] = 1000000,
	[PORT] = UINT16_MAX,
	[SEED] = UINT64_MAX / 2,
};

_Noreturn static void
usage(void)
{
	fputs("usage: gen OUT.pcap [OPTION ...]\n", stderr);
	for (const struct option *o = longs; o->name != NULL; o++)
		fprintf(
		    stderr, "\t--%s%s\n", o->name, o->has_arg ? " VALUE" : "");
	exit(2);
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
	else if (c == 'j')
		set->jsonl = arg;
	else if (c == 'n')
		g->file.nano = true;
	else
		usage();
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

int
main(int argc, char **argv)
{
	struct settings set = { .n = { [FRAME_BYTES] = 128,
				    [SEGMENT] = 1448,
				    [STREAMS] = 1,
				    [PORT] = 26000 } };
	struct gen g = { .order = BNET_ORDER_LITTLE };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		option_set(&g, &set, c, optarg);
	if (argc - optind != 1 || set.n[STREAMS] == 0 || set.n[SEGMENT] == 0)
		usage();
	gen_init(&g, &set);
	if (set.n[FRAMES] == 0 && set.n[BYTES] == 0)
		set.n[FRAMES] = 1000;
	if (set.jsonl != NULL && (g.jsonl = fopen(set.jsonl, "w")) == NULL)
		err(1, "%s", set.jsonl);
	pkt_file_open(&g.file, argv[optind]);
	if (set.session)
		gen_session(&g);
	if (set.echo)
		gen_echoes(&g, set.n[FRAMES]);
	else
		gen_bulk(&g, &set);
	pkt_file_close(&g.file);
	if (g.jsonl != NULL && fclose(g.jsonl) != 0)
		err(1, "%s", set.jsonl);
	bnet_codecs_free(g.codecs);
	bnet_buf_free(&g.oob);
	bnet_buf_free(&g.encoded);
	return 0;
}
