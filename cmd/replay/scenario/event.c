/* SPDX-License-Identifier: MIT */
/*
 * The words of a script, and what came over a connection as a line that a
 * script can match. Owns variables and names of keys, for the life of the
 * process. Called by conn.c, script.c and run.c.
 */
#include "cmd/replay/scenario/event.h"

#include "cmd/common/glob.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- lines of a script: words, arguments, variables ---- */

unsigned peer_line;

struct peer_var {
	struct peer_var *next;
	char *name, *value;
};

static struct peer_var *peer_vars;
void *
peer_alloc(size_t n, size_t bytes)
{
	void *p = calloc(n, bytes);

	if (p == NULL)
		peer_wrong("out of memory");
	return p;
}

char *
peer_dup(const char *text, size_t len)
{
	char *p = peer_alloc(len + 1, 1);

	if (len > 0)
		memcpy(p, text, len);
	return p;
}

static struct peer_var *
peer_var_find(const char *name, size_t len)
{
	struct peer_var *var;

	for (var = peer_vars; var != NULL; var = var->next)
		if (strlen(var->name) == len &&
		    memcmp(var->name, name, len) == 0)
			return var;
	return NULL;
}

const char *
peer_var(const char *name, size_t len)
{
	const struct peer_var *var = peer_var_find(name, len);

	return var == NULL ? NULL : var->value;
}

void
peer_var_set(const char *name, const char *value)
{
	struct peer_var *var = peer_var_find(name, strlen(name));

	if (var == NULL) {
		var = peer_alloc(1, sizeof(*var));
		var->name = peer_dup(name, strlen(name));
		var->next = peer_vars;
		peer_vars = var;
	}
	free(var->value);
	var->value = peer_dup(value, strlen(value));
}

static size_t
peer_var_length(const char *p)
{
	size_t n = 0;

	while (isalnum((unsigned char)p[n]) || p[n] == '_' || p[n] == '.')
		n++;
	return n;
}

char *
peer_expand(const char *line, peer_lookup *lookup)
{
	char *text, *value;
	size_t bytes, len;
	FILE *f = open_memstream(&text, &bytes);

	for (; f != NULL && *line != '\0'; line++) {
		if (*line != '$' || *++line == '$') {
			fputc(*line, f);
			continue;
		}
		len = peer_var_length(line);
		value = lookup(line, len);
		if (value == NULL)
			peer_wrong("unknown variable $%.*s", (int)len, line);
		fputs(value, f);
		free(value);
		line += len - 1;
	}
	if (f == NULL || fclose(f) != 0)
		peer_wrong("out of memory");
	return text;
}

/* Cut one word off `*line`, in place; "..." holds blanks. NULL at the end. */
static char *
peer_word(char **line)
{
	char *from = *line + strspn(*line, " \t\n"), *to = from, *p = from;
	bool quoted = false;

	if (*from == '\0')
		return NULL;
	for (; *p != '\0' && (quoted || strchr(" \t\n", *p) == NULL); p++)
		if (*p == '"')
			quoted = !quoted;
		else
			*to++ = *p;
	if (quoted)
		peer_wrong("a \" is not closed");
	*line = *p == '\0' ? p : p + 1;
	*to = '\0';
	return from;
}

struct peer_args
peer_split(char *line)
{
	struct peer_args args = { 0 };
	char *word;

	while ((word = peer_word(&line)) != NULL) {
		if (args.n == PEER_WORDS_MAX)
			peer_wrong("more than %u words", PEER_WORDS_MAX);
		args.words[args.n++] = word;
	}
	return args;
}

const char *
peer_arg_at(struct peer_args *args, unsigned i, const char *what)
{
	if (i >= args->n)
		peer_wrong("%s: %s is missing", args->words[0], what);
	args->taken[i] = true;
	return args->words[i];
}

bool
peer_flag(struct peer_args *args, const char *name)
{
	for (unsigned i = 1; i < args->n; i++)
		if (strcmp(args->words[i], name) == 0)
			return args->taken[i] = true;
	return false;
}

const char *
peer_arg(struct peer_args *args, const char *name, const char *otherwise)
{
	size_t len = strlen(name);

	for (unsigned i = 1; i < args->n; i++) {
		if (strncmp(args->words[i], name, len) != 0 ||
		    args->words[i][len] != '=')
			continue;
		args->taken[i] = true;
		return args->words[i] + len + 1;
	}
	return otherwise;
}

int64_t
peer_number_of(const char *what, const char *text)
{
	char *end;
	int64_t v;

	errno = 0;
	v = text[0] == '-' ? strtoll(text, &end, 0)
			   : (int64_t)strtoull(text, &end, 0);
	if (errno != 0 || end == text || *end != '\0')
		peer_wrong("%s: '%s' is not a number", what, text);
	return v;
}

int64_t
peer_number(struct peer_args *args, const char *name, int64_t otherwise)
{
	const char *text = peer_arg(args, name, NULL);

	return text == NULL ? otherwise : peer_number_of(name, text);
}

void
peer_args_done(const struct peer_args *args)
{
	for (unsigned i = 1; i < args->n; i++)
		if (!args->taken[i])
			peer_wrong("%s does not know '%s'", args->words[0],
			    args->words[i]);
}

/* ---- what came over a connection ---- */

static struct {
	char *name;
	int32_t key;
} peer_keys[256];
static unsigned n_peer_keys;

void
peer_event_free(struct peer_event *ev)
{
	free(ev->text);
	free(ev->payload);
	free(ev);
}

int32_t
peer_key(const char *text)
{
	char *end;
	long v = strtol(text, &end, 0);
	int32_t key = bnet_key(text);

	if (*text != '\0' && *end == '\0')
		return (int32_t)v;
	for (unsigned i = 0; i < n_peer_keys; i++)
		if (peer_keys[i].key == key)
			return key;
	if (n_peer_keys < 256) {
		peer_keys[n_peer_keys].name = peer_dup(text, strlen(text));
		peer_keys[n_peer_keys++].key = key;
	}
	return key;
}

static void
peer_put_key(FILE *f, int32_t key)
{
	const char *name = key == BNET_KEY_PONG
	    ? "BlueNet::pong"
	    : bnet_message_name(bnet_message_type(key));

	for (unsigned i = 0; *name == '\0' && i < n_peer_keys; i++)
		if (peer_keys[i].key == key)
			name = peer_keys[i].name;
	if (*name == '\0')
		fprintf(f, " key=%d", key);
	else
		fprintf(f, " key=%s", name);
}

static void
peer_put_dest(FILE *f, const char *name, int64_t type, int64_t id)
{
	static const struct {
		int64_t type;
		const char *word;
		bool alone; /* where its id is 0 */
	} kinds[] = { { BNET_DEST_HOP, "hop", true },
		{ BNET_DEST_NODE, "node", false },
		{ BNET_DEST_CLIENT, "client", false },
		{ BNET_DEST_BROADCAST, "broadcast", true },
		{ BNET_DEST_ANY, "any", true } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].type != type || (kinds[i].alone && id != 0))
			continue;
		fprintf(f, " %s=%s", name, kinds[i].word);
		if (!kinds[i].alone)
			fprintf(f, ":%" PRId64, id);
		return;
	}
	fprintf(f, " %s=type:%" PRId64 ":%" PRId64, name, type, id);
}

/* A value holds no blank. */
static void
peer_put_bytes(FILE *f, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++)
		fputc(isgraph(p[i]) ? p[i] : '_', f);
}

/* id:role:name of each, or the id of each hop. */
static void
peer_put_entries(FILE *f, const struct bnet_roster_reply *m)
{
	for (uint32_t i = 0; i < m->n; i++) {
		fprintf(f, "%s%" PRIu64 ":%s:", i == 0 ? "" : ",",
		    m->entries[i].id,
		    m->entries[i].role == BNET_ROLE_NODE ? "node" : "client");
		peer_put_bytes(
		    f, m->entries[i].name.p, m->entries[i].name.len_bytes);
	}
}

static void
peer_put_list(
    FILE *f, const struct bnet_field *field, const struct bnet_message *m)
{
	const char *of = (const char *)m;
	uint32_t n;

	memcpy(&n, of + field->at, sizeof(n));
	fprintf(f, " n=%u %s=", n, field->name);
	if (m->type == BNET_MSG_ROSTER_REPLY)
		peer_put_entries(f, &m->u.roster_reply);
	else
		for (uint32_t i = 0; i < n; i++)
			fprintf(f, "%s%" PRIu64, i == 0 ? "" : ",",
			    m->u.echo.hops[i].id);
}

static void
peer_put_string(FILE *f, const struct bnet_field *field, const void *value)
{
	const struct bnet_string *s = value;

	if (field->secret)
		fprintf(f, "%d", s->len_bytes > 0);
	else
		peer_put_bytes(f, s->p, s->len_bytes);
}

static void
peer_put_value(FILE *f, const struct bnet_field *field, const void *value)
{
	fprintf(f, " %s=", field->name);
	switch (field->kind) {
	case BNET_FIELD_U32:
	case BNET_FIELD_LIST:
		fprintf(f, "%" PRIu32, *(const uint32_t *)value);
		break;
	case BNET_FIELD_U64:
		fprintf(f, "%" PRIu64, *(const uint64_t *)value);
		break;
	case BNET_FIELD_I32:
		fprintf(f, "%" PRId32, *(const int32_t *)value);
		break;
	case BNET_FIELD_I64:
		fprintf(f, "%" PRId64, *(const int64_t *)value);
		break;
	case BNET_FIELD_BOOL:
		fprintf(f, "%d", *(const bool *)value);
		break;
	case BNET_FIELD_STRING:
		peer_put_string(f, field, value);
		break;
	}
}

/*
 * What the message says. Its key and its destination are written as those of
 * a packet; `key` becomes the former, so that a script compares with it.
 */
static void
peer_put_message(FILE *f, const struct bnet_message *m, int32_t *key)
{
	size_t n;
	const struct bnet_field *field = bnet_message_fields(m->type, &n);

	for (; n > 0; n--, field++) {
		const void *value = (const char *)m + field->at;

		if (strcmp(field->name, "key") == 0) {
			*key = *(const int32_t *)value;
			peer_put_key(f, *key);
		} else if (strcmp(field->name, "dest") == 0) {
			peer_put_dest(
			    f, "dest", m->u.error.dest_type, m->u.error.dest);
		} else if (field->kind == BNET_FIELD_LIST) {
			peer_put_list(f, field, m);
		} else {
			peer_put_value(f, field, value);
		}
	}
}

static const char *
peer_kind(const struct bnet_packet *p, enum bnet_err bad, bool message)
{
	if (bad != BNET_OK)
		return "bad-payload";
	if (p->has_header && p->header.key == BNET_KEY_PONG)
		return "pong";
	if (!message)
		return "packet";
	return bnet_message_name(bnet_message_type(p->header.key)) +
	    strlen("bluenet.");
}

/* The unused bits of the header's last byte, as a number. */
static uint32_t
unused_bits(const struct bnet_packet *p)
{
	struct bnet_bits_rd rd;

	bnet_bits_read(&rd,
	    (struct bnet_slice){ p->oob.p, p->oob.len - p->trailing_bytes });
	(void)bnet_bits_i64(&rd);
	(void)bnet_bits_i64(&rd);
	(void)bnet_bits_i64(&rd);
	(void)bnet_bits_i32(&rd);
	(void)bnet_bits_u32(&rd);
	(void)bnet_bits_u32(&rd);
	(void)bnet_bits_u32(&rd);
	(void)bnet_bits_bool(&rd);
	(void)bnet_bits_u64(&rd);
	for (uint32_t i = 0; i < p->header.forks; i++)
		(void)bnet_bits_u64(&rd);
	return bnet_bits_raw(&rd, (uint32_t)bnet_bits_left(&rd) % 8);
}

static void
peer_put_packet(FILE *f, const struct bnet_packet *p, bool message)
{
	const struct bnet_header *h = &p->header;

	if (p->has_header) {
		fprintf(f,
		    " source=%" PRId64 " latency=%u priority=%d"
		    " timestamp=%" PRIu64 " serial=%u forks=%u",
		    h->source, h->latency_ms, h->priority, h->timestamp,
		    h->serial, h->forks);
		fprintf(f, " unused=%u", unused_bits(p));
		if (!message)
			peer_put_key(f, h->key);
		peer_put_dest(
		    f, message ? "to" : "dest", h->dest_type, h->dest);
	}
	fprintf(f, " codec=%s size=%zu wire=%u oob=%zu trailing=%zu",
	    bnet_codec_name(p->codec), p->payload.len, p->size_bytes,
	    p->oob.len, p->trailing_bytes);
	if (!message) {
		fputs(" bytes=", f);
		peer_put_bytes(f, p->payload.p,
		    p->payload.len < PEER_SHOWN_BYTES ? p->payload.len
						      : PEER_SHOWN_BYTES);
	}
}

/* A key of a session message with a bad body: a packet like any other. */
static bool
peer_message(const struct bnet_packet *p, struct bnet_message *m)
{
	static struct bnet_buf store;
	enum bnet_message_type type;
	size_t left;

	if (!p->has_header)
		return false;
	type = bnet_message_type(p->header.key);
	if (type == BNET_MSG_NONE)
		return false;
	if (store.max == 0)
		bnet_buf_init(&store, PEER_MESSAGE_BYTES);
	return bnet_message_decode(type, p->payload, m, &store, &left) ==
	    BNET_OK;
}

struct peer_event *
peer_event_text(const char *text)
{
	struct peer_event *ev = peer_alloc(1, sizeof(*ev));

	ev->text = peer_dup(text, strlen(text));
	return ev;
}

struct peer_event *
peer_event_packet(const struct bnet_packet *p, enum bnet_err bad)
{
	struct peer_event *ev = peer_alloc(1, sizeof(*ev));
	struct bnet_message m = { 0 };
	bool message = peer_message(p, &m);
	size_t bytes;
	FILE *f = open_memstream(&ev->text, &bytes);

	if (f == NULL)
		peer_wrong("out of memory");
	if (p->has_header) {
		ev->key = p->header.key;
		ev->timestamp = p->header.timestamp;
		ev->serial = p->header.serial;
	}
	fputs(peer_kind(p, bad, message), f);
	if (message)
		peer_put_message(f, &m, &ev->key);
	peer_put_packet(f, p, message);
	if (fclose(f) != 0)
		peer_wrong("out of memory");
	ev->payload_bytes = p->payload.len;
	ev->payload =
	    (uint8_t *)peer_dup((const char *)p->payload.p, p->payload.len);
	return ev;
}

const struct peer_short peer_shorts[] = {
	{ "id", "wanted_id" },
	{ "keepalive", "keepalive_ms" },
	{ "maxframe", "frame_max_bytes" },
	{ "name", "relay_name" },
	{ "received", "received_ns" },
	{ "relay", "relay_id" },
	{ "replied", "replied_ns" },
	{ "sent", "sent_ns" },
	{ "time", "time_ns" },
	{ NULL, NULL },
};

static char *
peer_event_find(const struct peer_event *ev, const char *name, size_t len)
{
	for (const char *p = strchr(ev->text, ' '); p != NULL;
	     p = strchr(p + 1, ' '))
		if (strncmp(p + 1, name, len) == 0 && p[1 + len] == '=')
			return peer_dup(p + len + 2, strcspn(p + len + 2, " "));
	return NULL;
}

char *
peer_event_field(const struct peer_event *ev, const char *name, size_t len)
{
	const struct peer_short *s = peer_shorts;
	char *value = peer_event_find(ev, name, len);

	for (; value == NULL && s->name != NULL; s++)
		if (strlen(s->name) == len && memcmp(s->name, name, len) == 0)
			value = peer_event_find(ev, s->field, strlen(s->field));
	return value;
}

static bool
peer_glob(const char *pattern, const char *text, size_t len)
{
	char *copy = peer_dup(text, len);
	bool same = glob_match(pattern, copy);

	free(copy);
	return same;
}

bool
peer_event_is(const struct peer_event *ev, const char *kinds)
{
	char pattern[256];

	(void)snprintf(pattern, sizeof(pattern), "@(%s)", kinds);
	return peer_glob(pattern, ev->text, strcspn(ev->text, " "));
}
