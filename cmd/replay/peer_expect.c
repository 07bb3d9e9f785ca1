/* SPDX-License-Identifier: MIT */
#include "cmd/replay/peer_expect.h"

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
	same = value != NULL && fnmatch(want, value, FNM_EXTMATCH) == 0;
	free(value);
	return same;
}

/* The kind in words[2] and the fields behind it. */
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

_Noreturn void
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

void
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

void
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
	m.u.echo.received_ns = m.u.echo.replied_ns = peer_now_ns();
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

void
peer_fence(struct peer_args *args)
{
	const char *name = peer_arg_at(args, 1, "NAME");
	struct peer_conn *c = peer_conn(name);
	struct peer_conn *from = peer_conn(peer_arg(args, "via", name));
	int64_t deadline_ns = peer_deadline();
	uint64_t mark = peer_fence_send(c, from);

	while (!peer_fence_came(c, mark))
		if (c->fd < 0 || !peer_pump(deadline_ns))
			peer_expected(args, "but its fence did not arrive", "");
	if (strcmp(args->words[0], "fence") == 0)
		return;
	for (const struct peer_event *ev = c->first; ev != NULL; ev = ev->next)
		if (!peer_event_is(ev, PEER_NOISE))
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

void
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
