/* SPDX-License-Identifier: MIT */
/*
 * The language of bluenet-scenario(5): each line is a command that connects,
 * sends or expects. Owns nothing but the table of commands. Called by run.c,
 * and by tests/tools/peer.c.
 */
#include "cmd/replay/scenario/script.h"

#include "cmd/common/clock.h"
#include "cmd/common/glob.h"
#include "cmd/replay/scenario/conn.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MAX_S 86400

#define PEER_FORKS_MAX 4096
#define PEER_PAYLOAD_MAX (1u << 28)

/* Comes at any time: skipped unless it is expected. */
#define PEER_NOISE "keepalive|pong"
#define PEER_FENCE_TIMESTAMP UINT64_C(0x7e0000000)

/* ---- what a script tells the peer to send ---- */

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

/* TEXT, hex:.., size:N (letters, compressible); the caller frees it. */
static struct bnet_slice
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

static void
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
			peer_wrong("forks: '%s' is not a list of ids", text);
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
		peer_wrong("codec: expected one, not '%s'", text);
	return (enum bnet_codec_id)bits;
}

/* Queue it, compressed with `codec` whatever its size, and write. */
static void
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
peer_u32_of(const char *name, const char *text)
{
	int64_t v = peer_number_of(name, text);

	if (v < 0 || v > UINT32_MAX)
		peer_wrong("%s: a number of 32 bits, not %" PRId64, name, v);
	return (uint32_t)v;
}

static uint32_t
peer_u32(struct peer_args *args, const char *name, uint32_t otherwise)
{
	const char *text = peer_arg(args, name, NULL);

	return text == NULL ? otherwise : peer_u32_of(name, text);
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

/*
 * send NAME, or flood NAME count=N: the latter with serials from 1. Without
 * dest, key and noheader it has no out-of-band section.
 */
static void
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

/* raw NAME HEX... | file=F */
static void
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

static void
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

/* The VALUE of a field by its name or for short, or NULL; *said: by which. */
static const char *
peer_field_arg(struct peer_args *args, const char *field, const char **said)
{
	const struct peer_short *s = peer_shorts;
	const char *text = peer_arg(args, field, NULL);

	*said = field;
	for (; text == NULL && s->name != NULL; s++) {
		if (strcmp(s->field, field) != 0)
			continue;
		*said = s->name;
		text = peer_arg(args, s->name, NULL);
	}
	return text;
}

static uint32_t
peer_u32_or_word(const char *name, const char *text)
{
	if (strcmp(name, "codecs") == 0)
		return peer_codec_bits(text);
	if (strcmp(name, "role") == 0 && strcmp(text, "client") == 0)
		return BNET_ROLE_CLIENT;
	if (strcmp(name, "role") == 0 && strcmp(text, "node") == 0)
		return BNET_ROLE_NODE;
	return peer_u32_of(name, text);
}

static void
peer_field_set(struct peer_args *args, const struct bnet_field *field,
    struct bnet_message *m)
{
	void *value = (char *)m + field->at;
	const char *name, *text = peer_field_arg(args, field->name, &name);

	if (text == NULL)
		return;
	switch (field->kind) {
	case BNET_FIELD_U32:
		*(uint32_t *)value = peer_u32_or_word(name, text);
		break;
	case BNET_FIELD_U64:
		*(uint64_t *)value = (uint64_t)peer_number_of(name, text);
		break;
	case BNET_FIELD_I32:
		*(int32_t *)value = peer_key(text);
		break;
	case BNET_FIELD_STRING:
		*(struct bnet_string *)value = bnet_string_of(text);
		break;
	default: /* of no message that a script sends but an echo's hops */
		peer_wrong("%s cannot set '%s'", args->words[0], name);
	}
}

/* That of the command line, which is for verified peers. */
static const char *
usual_token(const struct peer_conn *c)
{
	return peer_defaults.token == NULL || c->insecure ? ""
							  : peer_defaults.token;
}

/* What a message says where the script does not. */
static void
peer_message_begin(
    struct peer_args *args, struct peer_conn *c, struct bnet_message *m)
{
	switch (m->type) {
	case BNET_MSG_HELLO:
		m->u.hello.version = BNET_PROTOCOL_VERSION;
		m->u.hello.role = BNET_ROLE_CLIENT;
		m->u.hello.frame_max_bytes = BNET_FRAME_MAX_BYTES;
		m->u.hello.name = bnet_string_of(c->name);
		m->u.hello.token = bnet_string_of(usual_token(c));
		break;
	case BNET_MSG_REGISTER:
		if (peer_arg(args, "key", NULL) == NULL)
			m->u.reg.key = peer_key(peer_arg_at(args, 2, "KEY"));
		break;
	case BNET_MSG_ROSTER:
		m->u.roster.roles = 3;
		break;
	case BNET_MSG_ECHO:
		m->u.echo.sent_ns = (uint64_t)clock_unix_ns();
		break;
	default:
		break;
	}
}

/* hello, register, roster, echo, keepalive NAME ... */
static void
peer_message_send(struct peer_args *args)
{
	struct peer_conn *c = peer_conn(peer_arg_at(args, 1, "NAME"));
	struct bnet_message m = { 0 };
	struct bnet_packet p = { 0 };
	const struct bnet_field *field;
	char name[64];
	size_t n;

	(void)snprintf(name, sizeof(name), "bluenet.%s", args->words[0]);
	m.type = bnet_message_type(bnet_key(name));
	peer_message_begin(args, c, &m);
	field = bnet_message_fields(m.type, &n);
	for (; n > 0; n--, field++)
		peer_field_set(args, field, &m);
	if (m.type == BNET_MSG_HELLO)
		c->role = m.u.hello.role;
	p.header.timestamp = (uint64_t)peer_number(args, "timestamp", 0);
	peer_dest(peer_arg(args, "dest", "hop"), &p.header);
	peer_args_done(args);
	peer_send_message(c, &m, &p);
}

/* ---- what it expects of the other side ---- */

struct peer_tally {
	struct peer_conn *conn;
	const char *kind;
	int64_t count;
	uint32_t serial; /* of the last packet */
};

static bool
peer_payload_is(const struct peer_event *ev, const char *text)
{
	struct bnet_slice want = peer_payload(text);
	bool same = want.len == ev->payload_bytes &&
	    (want.len == 0 || memcmp(want.p, ev->payload, want.len) == 0);

	peer_payload_free(want);
	return same;
}

/* `word` is NAME=GLOB, key=NAME or payload=... */
static bool
peer_field_is(const struct peer_event *ev, const char *word)
{
	size_t len = strcspn(word, "=");
	const char *want = word + len + 1;
	char *value;
	bool same;

	if (word[len] == '\0')
		peer_wrong("'%s' is not NAME=VALUE", word);
	if (strncmp(word, "payload=", 8) == 0)
		return peer_payload_is(ev, want);
	if (strncmp(word, "key=", 4) == 0 && strpbrk(want, "*!@") == NULL)
		return ev->key == peer_key(want);
	value = peer_event_field(ev, word, len);
	same = value != NULL && glob_match(want, value);
	free(value);
	return same;
}

/* The kind in words[2] and the fields after it. */
static bool
peer_matches(const struct peer_event *ev, struct peer_args *args)
{
	if (!peer_event_is(ev, args->words[2]))
		return false;
	for (unsigned i = 3; i < args->n; i++)
		if (!args->taken[i] && !peer_field_is(ev, args->words[i]))
			return false;
	return true;
}

/* The next event, taken; NULL at the end of the connection or of the time. */
static struct peer_event *
peer_next(struct peer_conn *c, int64_t deadline_ns)
{
	while (c->first == NULL)
		if (c->fd < 0 || !peer_pump(deadline_ns))
			return NULL;
	return peer_conn_take(c);
}

static _Noreturn void
peer_expected(const struct peer_args *args, const char *what, const char *got)
{
	(void)fflush(stdout);
	fprintf(stderr, "peer: line %u: expected:", peer_line);
	for (unsigned i = 1; i < args->n; i++)
		fprintf(stderr, " %s", args->words[i]);
	fprintf(stderr, "\n%s%s\n", what, got);
	_exit(1);
}

/* within=SECONDS, or the time limit of all. */
static int64_t
within(struct peer_args *args)
{
	const char *text = peer_arg(args, "within", NULL);
	char *end = NULL;
	double seconds = text == NULL ? 0 : strtod(text, &end);

	if (text == NULL)
		return peer_deadline();
	if (end == text || *end != '\0' || !(seconds > 0 && seconds < 3600))
		peer_wrong("within: seconds, not '%s'", text);
	return clock_now_ns() + (int64_t)(seconds * 1e9);
}

/*
 * expect NAME KIND FIELD...: the next event is that. await NAME ...: passes
 * over others.
 */
static void
peer_expect(struct peer_args *args)
{
	struct peer_conn *c = peer_conn(peer_arg_at(args, 1, "NAME"));
	bool any = strcmp(args->words[0], "await") == 0;
	int64_t deadline_ns = within(args);
	struct peer_event *ev;
	char *id;

	(void)peer_arg_at(args, 2, "KIND");
	for (;;) {
		ev = peer_next(c, deadline_ns);
		if (ev == NULL)
			peer_expected(args, "but nothing came",
			    c->fd < 0 ? ": it has ended" : " in time");
		else if (peer_matches(ev, args))
			break;
		if (!any && !peer_event_is(ev, PEER_NOISE))
			peer_expected(args, "but got:  ", ev->text);
		peer_event_free(ev);
	}
	if (c->seen != NULL)
		peer_event_free(c->seen);
	c->seen = ev;
	if (peer_event_is(ev, "welcome")) {
		id = peer_event_field(ev, "id", 2);
		c->id = (uint64_t)peer_number_of("id", id);
		free(id);
	}
}

/*
 * The next echo, answered as a node does: to the sender that the relay names.
 */
static void
peer_answer(struct peer_args *args)
{
	char expect[] = "expect", echo[] = "echo";
	struct peer_args wanted = { { expect, args->words[1], echo }, { false },
		3 };
	struct peer_conn *c = peer_conn(peer_arg_at(args, 1, "NAME"));
	struct bnet_packet p = { 0 };
	static struct bnet_buf store;
	struct bnet_message m;
	struct bnet_slice body;
	char *source;
	size_t left;

	bnet_buf_init(&store, PEER_MESSAGE_BYTES);
	peer_expect(&wanted);
	body = (struct bnet_slice){ c->seen->payload, c->seen->payload_bytes };
	if (bnet_message_decode(BNET_MSG_ECHO, body, &m, &store, &left) !=
	    BNET_OK)
		peer_fail("%s: not an echo", c->name);
	m.type = BNET_MSG_ECHO_REPLY;
	m.u.echo.received_ns = m.u.echo.replied_ns = (uint64_t)clock_unix_ns();
	source = peer_event_field(c->seen, "source", strlen("source"));
	p.header.dest = peer_number_of("source", source);
	p.header.dest_type = m.u.echo.flags & BNET_ECHO_F_NODE
	    ? BNET_DEST_NODE
	    : BNET_DEST_CLIENT;
	free(source);
	peer_send_message(c, &m, &p);
	bnet_buf_free(&store);
}

/* Send something over `from` that comes back, or arrives at `c`, last. */
static uint64_t
peer_fence_send(struct peer_conn *c, struct peer_conn *from)
{
	static uint32_t serial;
	struct bnet_packet p = { .has_oob = true, .has_header = true };

	p.header.key = bnet_key("bluenet.discard");
	if (from == c) {
		p.header.timestamp = PEER_FENCE_TIMESTAMP + ++serial;
	} else {
		if (c->id == 0)
			peer_wrong("%s has no id", c->name);
		p.header.serial = 0x7e000000 + ++serial;
		p.header.dest_type = c->role == BNET_ROLE_NODE
		    ? BNET_DEST_NODE
		    : BNET_DEST_CLIENT;
		p.header.dest = (int64_t)c->id;
	}
	peer_send_packet(from, &p, BNET_CODEC_NONE);
	return from == c ? p.header.timestamp : p.header.serial;
}

static bool
peer_is_fence(const struct peer_event *ev, uint64_t mark)
{
	if (mark >= PEER_FENCE_TIMESTAMP)
		return ev->timestamp == mark && peer_event_is(ev, "pong");
	return ev->serial == mark && ev->key == bnet_key("bluenet.discard");
}

/* The fence among what has come, taken out. */
static bool
peer_fence_came(struct peer_conn *c, uint64_t mark)
{
	struct peer_event **at, *ev;

	for (at = &c->first; (ev = *at) != NULL; at = &ev->next) {
		if (!peer_is_fence(ev, mark))
			continue;
		*at = ev->next;
		if (*at == NULL)
			c->last = at;
		peer_event_free(ev);
		return true;
	}
	return false;
}

/*
 * fence NAME [via=FROM]: the relay has done what it was sent before over
 * NAME (or FROM, and it is at NAME). expect-none: and nothing came before,
 * not even what is otherwise passed over where kind=GLOB names it.
 */
static void
peer_fence(struct peer_args *args)
{
	const char *name = peer_arg_at(args, 1, "NAME");
	struct peer_conn *c = peer_conn(name);
	struct peer_conn *from = peer_conn(peer_arg(args, "via", name));
	const char *kinds = peer_arg(args, "kind", "");
	int64_t deadline_ns = peer_deadline();
	uint64_t mark = peer_fence_send(c, from);

	while (!peer_fence_came(c, mark))
		if (c->fd < 0 || !peer_pump(deadline_ns))
			peer_expected(args, "but its fence did not arrive", "");
	if (strcmp(args->words[0], "fence") == 0)
		return;
	for (const struct peer_event *ev = c->first; ev != NULL; ev = ev->next)
		if (!peer_event_is(ev, PEER_NOISE) || peer_event_is(ev, kinds))
			peer_expected(args, "no more, but got:  ", ev->text);
}

/* Those of one connection; how many. */
static int64_t
peer_tally(struct peer_tally *t, struct peer_args *args)
{
	int64_t before = t->count;
	struct peer_event *ev;

	while (t->conn->first != NULL) {
		ev = peer_conn_take(t->conn);
		if (peer_event_is(ev, t->kind)) {
			if (ev->serial != 0 && ev->serial <= t->serial)
				peer_expected(args, "out of order: ", ev->text);
			t->serial = ev->serial;
			t->count++;
		} else if (!peer_event_is(ev, PEER_NOISE)) {
			peer_expected(args, "but got:  ", ev->text);
		}
		peer_event_free(ev);
	}
	return t->count - before;
}

static unsigned
peer_tallies(struct peer_args *args, struct peer_tally *tallies)
{
	unsigned n = 0;

	for (unsigned i = 1; i < args->n; i++) {
		char *colon = strchr(args->words[i], ':');
		char *name;

		if (args->taken[i])
			continue;
		if (colon == NULL)
			peer_wrong("'%s' is not NAME:KIND", args->words[i]);
		name =
		    peer_dup(args->words[i], (size_t)(colon - args->words[i]));
		tallies[n++] = (struct peer_tally){ .conn = peer_conn(name),
			.kind = colon + 1 };
		free(name);
	}
	return n;
}

/*
 * collect total=N NAME:KIND...: N events of those kinds and no other, in the
 * order of their serials; sets $NAME.KIND to how many.
 */
static void
peer_collect(struct peer_args *args)
{
	struct peer_tally tallies[PEER_WORDS_MAX];
	int64_t total = peer_number(args, "total", 0), got = 0;
	unsigned n = peer_tallies(args, tallies);
	int64_t deadline_ns = peer_deadline();
	char name[128], value[32];

	for (;;) {
		for (unsigned i = 0; i < n; i++)
			got += peer_tally(&tallies[i], args);
		if (got >= total)
			break;
		if (!peer_pump(deadline_ns)) {
			snprintf(value, sizeof(value), "%lld", (long long)got);
			peer_expected(args, "but in time came only ", value);
		}
	}
	if (got > total)
		peer_expected(args, "but more came", "");
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s.%s", tallies[i].conn->name,
		    tallies[i].kind);
		snprintf(
		    value, sizeof(value), "%lld", (long long)tallies[i].count);
		peer_var_set(name, value);
	}
}

/* ---- commands ---- */

static struct peer_conn *
named(struct peer_args *args)
{
	return peer_conn(peer_arg_at(args, 1, "NAME"));
}

/* ---- connections ---- */

static void
cmd_join(struct peer_args *args)
{
	char hello[] = "hello", expect[] = "expect", welcome[] = "welcome";
	struct peer_args wanted = { { expect, args->words[1], welcome },
		{ false }, 3 };

	peer_connect(args);
	args->words[0] = hello;
	peer_message_send(args);
	peer_expect(&wanted);
}

static void
cmd_pause(struct peer_args *args)
{
	struct peer_conn *c = named(args);

	c->paused = strcmp(args->words[0], "pause") == 0;
	(void)peer_conn_write(c);
}

static void
flush(struct peer_conn *c)
{
	int64_t deadline_ns = peer_deadline();

	while (!peer_conn_write(c))
		if (!peer_pump(deadline_ns))
			peer_fail("%s accepts no more", c->name);
}

static void
cmd_flush(struct peer_args *args)
{
	flush(named(args));
}

static void
say_the_end(struct peer_conn *c)
{
	flush(c);
	if (c->fd >= 0 && bnet_link_close(c->link) == BNET_OK)
		flush(c);
}

static void
cmd_close(struct peer_args *args)
{
	struct peer_conn *c = named(args);

	say_the_end(c);
	peer_conn_free(c);
}

static void
cmd_halfclose(struct peer_args *args)
{
	struct peer_conn *c = named(args);

	say_the_end(c);
	(void)shutdown(c->fd, SHUT_WR);
}

static void
cmd_reset(struct peer_args *args)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	struct peer_conn *c = named(args);

	(void)setsockopt(
	    c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	peer_conn_free(c);
}

/* ---- everything else ---- */

static void
do_repeat(const char *rest)
{
	char *end, i[32];
	long n = strtol(rest, &end, 0);

	if (end == rest || n < 1)
		peer_wrong("repeat: a number from 1, not '%s'", rest);
	for (long at = 1; at <= n; at++) {
		(void)snprintf(i, sizeof(i), "%ld", at);
		peer_var_set("i", i);
		peer_run_line(end);
	}
}

static void
cmd_check(struct peer_args *args)
{
	int64_t a = peer_number_of("A", peer_arg_at(args, 1, "A"));
	const char *op = peer_arg_at(args, 2, "OP");
	int64_t b = peer_number_of("B", peer_arg_at(args, 3, "B"));
	const struct {
		const char *op;
		bool holds;
	} ops[] = { { "=", a == b }, { "!", a != b }, { "<", a < b },
		{ ">", a > b }, { "<=", a <= b }, { ">=", a >= b } };

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strcmp(op, ops[i].op) != 0)
			continue;
		if (!ops[i].holds)
			peer_expected(args, "it is false", "");
		return;
	}
	peer_wrong("check: = ! < > <= >=, not '%s'", op);
}

static void
cmd_set(struct peer_args *args)
{
	peer_var_set(
	    peer_arg_at(args, 1, "NAME"), peer_arg_at(args, 2, "VALUE"));
}

static void
cmd_timeout(struct peer_args *args)
{
	const char *text = peer_arg_at(args, 1, "SECONDS");
	char *end;

	peer_timeout_s = strtod(text, &end);
	if (end == text || *end != '\0' || !(peer_timeout_s > 0) ||
	    peer_timeout_s > TIMEOUT_MAX_S)
		peer_wrong("timeout: seconds, not '%s'", text);
}

pid_t peer_relay;

/* As an operator does: the relay drains, and ends. */
static void
cmd_terminate(struct peer_args *args)
{
	(void)args;
	if (peer_relay <= 0 || kill(peer_relay, SIGTERM) != 0)
		peer_wrong("terminate: there is no relay of ours");
}

static void
cmd_mute(struct peer_args *args)
{
	(void)args;
	peer_muted = true;
}

static const struct peer_command commands[] = {
	{ "answer", peer_answer, false },
	{ "await", peer_expect, true },
	{ "check", cmd_check, false },
	{ "close", cmd_close, false },
	{ "collect", peer_collect, true },
	{ "connect", peer_connect, false },
	{ "echo", peer_message_send, false },
	{ "expect", peer_expect, true },
	{ "expect-none", peer_fence, false },
	{ "fence", peer_fence, false },
	{ "flood", peer_send, false },
	{ "flush", cmd_flush, false },
	{ "halfclose", cmd_halfclose, false },
	{ "hello", peer_message_send, false },
	{ "join", cmd_join, false },
	{ "keepalive", peer_message_send, false },
	{ "mute", cmd_mute, false },
	{ "pause", cmd_pause, false },
	{ "raw", peer_raw, false },
	{ "register", peer_message_send, false },
	{ "reset", cmd_reset, false },
	{ "resume", cmd_pause, false },
	{ "roster", peer_message_send, false },
	{ "send", peer_send, false },
	{ "set", cmd_set, false },
	{ "terminate", cmd_terminate, false },
	{ "timeout", cmd_timeout, false },
	{ NULL, NULL, false },
};

static const struct peer_command *more_commands;
static const struct peer_line_command *line_commands;

void
peer_extend(
    const struct peer_command *more, const struct peer_line_command *lines)
{
	more_commands = more;
	line_commands = lines;
}

static const struct peer_command *
find_in(const struct peer_command *table, const char *name)
{
	for (; table != NULL && table->name != NULL; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

const struct peer_command *
peer_command(const char *name)
{
	const struct peer_command *command = find_in(commands, name);

	return command != NULL ? command : find_in(more_commands, name);
}

const char *
peer_command_name(size_t i)
{
	return i < sizeof(commands) / sizeof(commands[0]) ? commands[i].name
							  : NULL;
}

/* ---- the script ---- */

/* A variable, or FIELD of what connection NAME was last expected to say. */
static char *
lookup(const char *name, size_t len)
{
	const char *value = peer_var(name, len);
	const char *dot = memchr(name, '.', len);
	const struct peer_conn *c;
	char *text, id[32];
	size_t n;

	if (value != NULL)
		return peer_dup(value, strlen(value));
	if (dot == NULL)
		return NULL;
	text = peer_dup(name, (size_t)(dot - name));
	c = peer_conn_find(text);
	free(text);
	n = len - (size_t)(dot + 1 - name);
	if (c == NULL)
		return NULL;
	if (n == 2 && memcmp(dot + 1, "id", 2) == 0) {
		(void)snprintf(id, sizeof(id), "%" PRIu64, c->id);
		return peer_dup(id, strlen(id));
	}
	return c->seen == NULL ? NULL : peer_event_field(c->seen, dot + 1, n);
}

static void
run_words(struct peer_args *args)
{
	const struct peer_command *command = peer_command(args->words[0]);

	if (command == NULL)
		peer_wrong("unknown command '%s'", args->words[0]);
	command->run(args);
	if (!command->own_words)
		peer_args_done(args);
}

/* The rest of such a line is taken as it is. */
static bool
run_as_line(const char *text)
{
	const struct peer_line_command *command = line_commands;

	for (; command != NULL && command->name != NULL; command++) {
		size_t len = strlen(command->name);

		if (strncmp(text, command->name, len) != 0 || text[len] != ' ')
			continue;
		command->run(text + len);
		return true;
	}
	return false;
}

void
peer_run_line(const char *line)
{
	struct peer_args args;
	char *text;

	line += strspn(line, " \t\n");
	if (strncmp(line, "repeat ", 7) == 0) {
		do_repeat(line + 7);
		return;
	}
	if (*line == '#')
		return;
	text = peer_expand(line, lookup);
	if (!run_as_line(text)) {
		args = peer_split(text);
		if (args.n > 0)
			run_words(&args);
	}
	free(text);
}

/* ---- beginning and end ---- */

void
peer_begin(void)
{
	peer_codecs = bnet_codecs_new();
	peer_epoll = epoll_create1(EPOLL_CLOEXEC);
	if (peer_codecs == NULL || peer_epoll < 0)
		peer_wrong("cannot start");
}

void
peer_end(void)
{
	while (peer_conns != NULL)
		peer_conn_free(peer_conns);
	bnet_codecs_free(peer_codecs);
	(void)close(peer_epoll);
}
