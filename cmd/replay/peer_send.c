/* SPDX-License-Identifier: MIT */
#include "cmd/replay/peer_send.h"

static struct bnet_slice
peer_hex(const char *text)
{
	size_t n = strlen(text) / 2;
	uint8_t *bytes = peer_alloc(n + 1, 1);
	unsigned v;

	if (strspn(text, "0123456789abcdefABCDEF") != strlen(text))
		peer_wrong("'%s' is not hexadecimal", text);
	for (size_t i = 0; i < n; i++) {
		(void)sscanf(text + 2 * i, "%2x", &v);
		bytes[i] = (uint8_t)v;
	}
	if (strlen(text) % 2 != 0)
		peer_wrong("'%s' has half a byte", text);
	return (struct bnet_slice){ bytes, n };
}

struct bnet_slice
peer_payload(const char *text)
{
	uint8_t *bytes;
	size_t n;

	if (strncmp(text, "hex:", 4) == 0)
		return peer_hex(text + 4);
	if (strncmp(text, "size:", 5) != 0)
		return (struct bnet_slice){
			(uint8_t *)peer_dup(text, strlen(text)), strlen(text)
		};
	n = (size_t)peer_number_of("size", text + 5);
	if (n > PEER_PAYLOAD_MAX)
		peer_wrong("a payload of %zu bytes is too long", n);
	bytes = peer_alloc(n + 1, 1);
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)('a' + i % 23);
	return (struct bnet_slice){ bytes, n };
}

void
peer_payload_free(struct bnet_slice payload)
{
	free((void *)(uintptr_t)payload.p);
}

/* hop, node:7, client:3, any, broadcast, type:N:ID */
static void
peer_dest(const char *text, struct bnet_header *h)
{
	static const struct {
		const char *name;
		int64_t type;
	} types[] = { { "hop", BNET_DEST_HOP }, { "node", BNET_DEST_NODE },
		{ "client", BNET_DEST_CLIENT },
		{ "broadcast", BNET_DEST_BROADCAST },
		{ "any", BNET_DEST_ANY } };
	size_t len = strcspn(text, ":");
	const char *id = text[len] == ':' ? text + len + 1 : "0";
	char *end;

	if (strncmp(text, "type:", 5) == 0) {
		h->dest_type = strtoll(text + 5, &end, 0);
		if (end == text + 5 || (*end != ':' && *end != '\0'))
			peer_wrong("dest: '%s' is not type:N:ID", text);
		h->dest = *end == ':' ? peer_number_of("dest", end + 1) : 0;
		return;
	}
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strlen(types[i].name) != len ||
		    memcmp(types[i].name, text, len) != 0)
			continue;
		h->dest_type = types[i].type;
		h->dest = peer_number_of("dest", id);
		return;
	}
	peer_wrong("dest: '%s' is no destination", text);
}

/* 1,2,3 or A-B */
static uint32_t
peer_forks(const char *text, uint64_t *ids)
{
	uint32_t n = 0;
	uint64_t from, to;
	char *end;

	for (; *text != '\0'; text = *end == ',' ? end + 1 : end) {
		from = to = strtoull(text, &end, 0);
		if (*end == '-')
			to = strtoull(end + 1, &end, 0);
		if (end == text || (*end != '\0' && *end != ',') || from > to)
			peer_wrong("forks: '%s' is no list of ids", text);
		if (to - from >= PEER_FORKS_MAX - n)
			peer_wrong("forks: more than %d", PEER_FORKS_MAX);
		for (uint64_t i = 0; i <= to - from; i++)
			ids[n++] = from + i;
	}
	return n;
}

static uint32_t
peer_codec_bits(const char *text)
{
	uint32_t bits = 0;

	if (strstr(text, "zlib") != NULL)
		bits |= BNET_CODEC_ZLIB;
	if (strstr(text, "snappy") != NULL)
		bits |= BNET_CODEC_SNAPPY;
	if (bits == 0 && strcmp(text, "none") != 0)
		peer_wrong("codecs: none, zlib, snappy, not '%s'", text);
	return bits;
}

/* One of them. */
static enum bnet_codec_id
peer_codec(const char *text)
{
	uint32_t bits = peer_codec_bits(text);

	if (bits == (BNET_CODEC_ZLIB | BNET_CODEC_SNAPPY))
		peer_wrong("codec: one of them, not '%s'", text);
	return (enum bnet_codec_id)bits;
}

void
peer_send_packet(
    struct peer_conn *c, struct bnet_packet *p, enum bnet_codec_id codec)
{
	static struct bnet_buf packed;
	enum bnet_err err = BNET_OK;

	if (packed.max == 0)
		bnet_buf_init(&packed, PEER_PAYLOAD_MAX);
	p->codec = codec;
	if (codec != BNET_CODEC_NONE) {
		err = bnet_codec_encode(
		    peer_codecs, codec, c->order, p->payload, &packed);
		p->wire_payload = bnet_buf_slice(&packed);
	}
	if (err == BNET_OK)
		err = bnet_link_send(c->link, p);
	if (err != BNET_OK)
		peer_wrong("%s: sending: %s", c->name, bnet_strerror(err));
	(void)peer_conn_write(c);
}

static uint32_t
peer_u32(struct peer_args *args, const char *name, uint32_t otherwise)
{
	int64_t v = peer_number(args, name, otherwise);

	if (v < 0 || v > UINT32_MAX)
		peer_wrong("%s: a number of 32 bits, not %" PRId64, name, v);
	return (uint32_t)v;
}

static struct bnet_header
peer_header(struct peer_args *args)
{
	struct bnet_header h = {
		.source = peer_number(args, "source", 0),
		.key = peer_key(peer_arg(args, "key", "0")),
		.serial = peer_u32(args, "serial", 0),
		.latency_ms = peer_u32(args, "latency", 0),
		.priority = peer_flag(args, "priority"),
		.timestamp = (uint64_t)peer_number(args, "timestamp", 0),
	};

	peer_dest(peer_arg(args, "dest", "hop"), &h);
	return h;
}

void
peer_send(struct peer_args *args)
{
	static uint64_t ids[PEER_FORKS_MAX];
	struct peer_conn *c = peer_conn(peer_arg_at(args, 1, "NAME"));
	struct bnet_packet p = { .header = peer_header(args), .fork_ids = ids };
	enum bnet_codec_id codec = peer_codec(peer_arg(args, "codec", "none"));
	bool flood = strcmp(args->words[0], "flood") == 0;
	int64_t count = flood ? peer_number(args, "count", 1) : 1;

	p.has_oob = p.has_header = !peer_flag(args, "noheader");
	p.header.forks = peer_forks(peer_arg(args, "forks", ""), ids);
	p.payload = peer_payload(peer_arg(args, "payload", ""));
	peer_args_done(args);
	for (int64_t i = 1; i <= count; i++) {
		if (flood)
			p.header.serial = (uint32_t)i;
		peer_send_packet(c, &p, codec);
		if (i % 64 == 0)
			(void)peer_pump(0);
	}
	peer_payload_free(p.payload);
}

void
peer_raw(struct peer_args *args)
{
	struct peer_conn *c = peer_conn(peer_arg_at(args, 1, "NAME"));
	const char *path = peer_arg(args, "file", NULL);
	struct bnet_slice bytes;

	for (unsigned i = path == NULL ? 2 : args->n; i < args->n || path;
	     i++) {
		bytes = path != NULL ? peer_file(path)
				     : peer_hex(peer_arg_at(args, i, "HEX"));
		path = NULL;
		if (bnet_link_queue(c->link, bytes) != BNET_OK)
			peer_wrong("%s: too many bytes", c->name);
		peer_payload_free(bytes);
	}
	(void)peer_conn_write(c);
}

static struct bnet_string
peer_string(struct peer_args *args, const char *name, const char *otherwise)
{
	const char *text = peer_arg(args, name, otherwise);

	return (struct bnet_string){ text, (uint32_t)strlen(text) };
}

void
peer_send_message(
    struct peer_conn *c, const struct bnet_message *m, struct bnet_packet *p)
{
	static struct bnet_buf body;

	if (body.max == 0)
		bnet_buf_init(&body, PEER_MESSAGE_BYTES);
	bnet_buf_clear(&body);
	if (bnet_message_encode(m, &body) != BNET_OK)
		peer_wrong("%s: cannot encode", c->name);
	p->has_oob = p->has_header = true;
	p->header.key = bnet_message_key(m->type);
	p->payload = bnet_buf_slice(&body);
	peer_send_packet(c, p, BNET_CODEC_NONE);
}

static void
peer_hello_body(
    struct peer_args *args, struct peer_conn *c, struct bnet_hello *m)
{
	const char *role = peer_arg(args, "role", "client");

	c->role = strcmp(role, "client") == 0 ? BNET_ROLE_CLIENT
	    : strcmp(role, "node") == 0
	    ? BNET_ROLE_NODE
	    : (uint32_t)peer_number_of("role", role);
	m->version = peer_u32(args, "version", 1);
	m->role = c->role;
	m->wanted_id = (uint64_t)peer_number(args, "id", 0);
	m->codecs = peer_codec_bits(peer_arg(args, "codecs", "none"));
	m->frame_max_bytes = peer_u32(args, "maxframe", BNET_FRAME_MAX_BYTES);
	m->name = peer_string(args, "name", c->name);
	m->token = peer_string(args, "token",
	    peer_defaults.token != NULL ? peer_defaults.token : "");
}

uint64_t
peer_now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void
peer_message_send(struct peer_args *args)
{
	struct peer_conn *c = peer_conn(peer_arg_at(args, 1, "NAME"));
	struct bnet_message m = { 0 };
	struct bnet_packet p = { 0 };

	if (strcmp(args->words[0], "hello") == 0) {
		m.type = BNET_MSG_HELLO;
		peer_hello_body(args, c, &m.u.hello);
	} else if (strcmp(args->words[0], "register") == 0) {
		m.type = BNET_MSG_REGISTER;
		m.u.reg.key = peer_key(peer_arg_at(args, 2, "KEY"));
	} else if (strcmp(args->words[0], "roster") == 0) {
		m.type = BNET_MSG_ROSTER;
		m.u.roster.roles = peer_u32(args, "roles", 3);
		m.u.roster.prefix = peer_string(args, "prefix", "");
	} else if (strcmp(args->words[0], "echo") == 0) {
		m.type = BNET_MSG_ECHO;
		m.u.echo.cookie = (uint64_t)peer_number(args, "cookie", 0);
		m.u.echo.flags = peer_u32(args, "flags", 0);
		m.u.echo.sent_ns = peer_now_ns();
	} else {
		m.type = BNET_MSG_KEEPALIVE;
	}
	p.header.timestamp = (uint64_t)peer_number(args, "timestamp", 0);
	peer_dest(peer_arg(args, "dest", "hop"), &p.header);
	peer_args_done(args);
	peer_send_message(c, &m, &p);
}
