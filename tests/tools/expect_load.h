/* SPDX-License-Identifier: MIT */
/*
 * expect, first part: JSON lines in, frames and events of each direction of
 * each connection out. A frame is held as one line of text in which every
 * field that counts has its place, so that two frames are compared by it.
 */
#ifndef TESTS_EXPECT_LOAD_H
#define TESTS_EXPECT_LOAD_H

#include <ctype.h>
#include <err.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct frame {
	char *text;
	/* only of expected ones: */
	uint64_t from, to; /* in the stream */
	bool header;
};

struct frames {
	struct frame *p;
	size_t n, cap;
};

struct range {
	uint64_t from, to;
	uint64_t inserted; /* bytes put in at `from` */
};

/* One direction of one connection. */
struct way {
	uint32_t conn; /* port of the side that opened it */
	bool down;
	struct frames expected, decoded;
	uint64_t total; /* bytes of the expected frames */
	struct range *lost;
	size_t n_lost;
	bool pause; /* it was long enough to give the stream up */
	uint64_t n_events, gap_bytes;
};

struct event {
	uint64_t stream, bytes;
	bool down, gap;
};

struct expect {
	struct way *ways;
	size_t n_ways;
	struct event *events;
	size_t n_events;
	uint32_t *conn_of; /* by number of the stream; 0: not seen */
	size_t n_streams; /* places in conn_of */
	size_t n_seen;
};

static void *
grow(void *p, size_t n, size_t each)
{
	p = reallocarray(p, n, each);
	if (p == NULL)
		err(1, "memory");
	return p;
}

static struct way *
way_of(struct expect *x, uint32_t conn, bool down)
{
	struct way *way;

	for (size_t i = 0; i < x->n_ways; i++)
		if (x->ways[i].conn == conn && x->ways[i].down == down)
			return &x->ways[i];
	x->ways = grow(x->ways, x->n_ways + 1, sizeof(*x->ways));
	way = &x->ways[x->n_ways++];
	memset(way, 0, sizeof(*way));
	way->conn = conn;
	way->down = down;
	return way;
}

static void
frames_push(struct frames *frames, const struct frame *frame)
{
	if (frames->n == frames->cap) {
		frames->cap = frames->cap == 0 ? 64 : frames->cap * 2;
		frames->p = grow(frames->p, frames->cap, sizeof(*frames->p));
	}
	frames->p[frames->n++] = *frame;
}

/*
 * jansson has no numbers above 2^63 - 1, and a timestamp may be one: numbers
 * of 19 digits and more are made strings, here and there alike.
 */
static char *
quote_long_numbers(const char *line)
{
	char *out = grow(NULL, strlen(line) * 2 + 1, 1), *to = out;
	bool text = false;
	size_t n;

	while (*line != '\0') {
		n = text ? 0 : strspn(line, "0123456789");
		if (n >= 19) {
			to += sprintf(to, "\"%.*s\"", (int)n, line);
			line += n;
			continue;
		}
		if (text && *line == '\\' && line[1] != '\0')
			*to++ = *line++;
		else if (*line == '"')
			text = !text;
		*to++ = *line++;
	}
	*to = '\0';
	return out;
}

/* Each line of a file as an object to `take`. */
static void
each_line(struct expect *x, const char *path,
    void (*take)(struct expect *x, const json_t *obj, const char *where))
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	char *line = NULL, *quoted, where[300];
	size_t cap = 0, n = 0;
	json_error_t why;
	json_t *obj;

	if (f == NULL)
		err(1, "%s", path);
	while (getline(&line, &cap, f) > 0) {
		(void)snprintf(where, sizeof(where), "%s:%zu", path, ++n);
		quoted = quote_long_numbers(line);
		obj = json_loads(quoted, JSON_REJECT_DUPLICATES, &why);
		if (!json_is_object(obj))
			errx(1, "%s: not an object: %s", where, why.text);
		take(x, obj, where);
		json_decref(obj);
		free(quoted);
	}
	free(line);
	if (f != stdin)
		fclose(f);
}

static uint64_t
get_number(const json_t *obj, const char *name, const char *where)
{
	const json_t *v = json_object_get(obj, name);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		errx(1, "%s: no number \"%s\"", where, name);
	return (uint64_t)json_integer_value(v);
}

static const char *
get_text(const json_t *obj, const char *name, const char *where)
{
	const char *v = json_string_value(json_object_get(obj, name));

	if (v == NULL)
		errx(1, "%s: no text \"%s\"", where, name);
	return v;
}

static bool
get_down(const json_t *obj, const char *where)
{
	const char *dir = get_text(obj, "dir", where);

	if (strcmp(dir, "up") != 0 && strcmp(dir, "down") != 0)
		errx(1, "%s: dir is \"%s\"", where, dir);
	return strcmp(dir, "down") == 0;
}

/* Every field of a header, by name, "-" where it is not there. */
static void
put_header(FILE *f, const json_t *header)
{
	static const char *const names[] = { "source", "dest_type", "dest",
		"key", "forks", "serial", "latency_ms", "priority", "timestamp",
		"fork_ids" };

	if (json_is_null(header)) {
		fputs(" header=null", f);
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char *v = json_dumps(json_object_get(header, names[i]),
		    JSON_ENCODE_ANY | JSON_COMPACT);

		fprintf(f, " %s=%s", names[i], v == NULL ? "-" : v);
		free(v);
	}
}

static char *
frame_text(const json_t *obj, const char *sha256, const char *where)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		err(1, "memory");
	fprintf(f, "size=%" PRIu64 " codec=%s", get_number(obj, "size", where),
	    get_text(obj, "codec", where));
	put_header(f, json_object_get(obj, "header"));
	fprintf(f, " payload_len=%" PRIu64 " sha256=%s",
	    get_number(obj, "payload_len", where), sha256);
	if (fclose(f) != 0)
		err(1, "memory");
	return text;
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0'
	    : c >= 'a' && c <= 'f'  ? c - 'a' + 10
				    : -1;
}

/* SHA-256 of what `hex` says, in hex. */
static void
hash_hex(const char *hex, uint64_t len, char out[65], const char *where)
{
	uint8_t *bytes = grow(NULL, (size_t)len + 1, 1);
	uint8_t hash[EVP_MAX_MD_SIZE];
	int high, low;

	if (strlen(hex) != len * 2)
		errx(1, "%s: payload is not payload_len bytes", where);
	for (uint64_t i = 0; i < len; i++) {
		high = hex_digit(hex[i * 2]);
		low = hex_digit(hex[i * 2 + 1]);
		if (high < 0 || low < 0)
			errx(1, "%s: payload is not hex", where);
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	if (EVP_Digest(bytes, (size_t)len, hash, NULL, EVP_sha256(), NULL) != 1)
		errx(1, "SHA-256 failed");
	for (int i = 0; i < 32; i++)
		(void)sprintf(out + i * 2, "%02x", hash[i]);
	free(bytes);
}

static void
take_expected(struct expect *x, const json_t *obj, const char *where)
{
	struct way *way = way_of(
	    x, (uint32_t)get_number(obj, "conn", where), get_down(obj, where));
	struct frame frame;

	frame.from = way->total;
	frame.to = frame.from + get_number(obj, "size", where) + 4;
	frame.text =
	    frame_text(obj, get_text(obj, "payload_sha256", where), where);
	frame.header = json_is_object(json_object_get(obj, "header"));
	way->total = frame.to;
	frames_push(&way->expected, &frame);
}

static void
take_lost(struct expect *x, const json_t *obj, const char *where)
{
	struct way *way = way_of(
	    x, (uint32_t)get_number(obj, "conn", where), get_down(obj, where));
	struct range *range;

	way->lost = grow(way->lost, way->n_lost + 1, sizeof(*way->lost));
	range = &way->lost[way->n_lost++];
	range->from = get_number(obj, "from", where);
	range->to = get_number(obj, "to", where);
	way->pause |= json_object_get(obj, "pause") != NULL;
	range->inserted = json_object_get(obj, "inserted") == NULL
	    ? 0
	    : get_number(obj, "inserted", where);
}

/* The port of the side that opened the connection. */
static uint32_t
client_port(const json_t *obj, bool down, const char *where)
{
	const char *end = get_text(obj, down ? "dst" : "src", where);
	const char *colon = strrchr(end, ':');

	if (colon == NULL)
		errx(1, "%s: no port in %s", where, end);
	return (uint32_t)strtoul(colon + 1, NULL, 10);
}

static void
take_frame(struct expect *x, const json_t *obj, const char *where)
{
	bool down = get_down(obj, where);
	uint64_t stream = get_number(obj, "stream", where);
	uint32_t conn = client_port(obj, down, where);
	struct frame frame = { 0 };
	char sha256[65];

	if (stream > 1000000)
		errx(1, "%s: stream %" PRIu64, where, stream);
	if (stream >= x->n_streams) {
		x->conn_of = grow(x->conn_of, stream + 1, sizeof(*x->conn_of));
		memset(x->conn_of + x->n_streams, 0,
		    (stream + 1 - x->n_streams) * sizeof(*x->conn_of));
		x->n_streams = stream + 1;
	}
	x->n_seen += x->conn_of[stream] == 0;
	x->conn_of[stream] = conn;
	hash_hex(get_text(obj, "payload", where),
	    get_number(obj, "payload_len", where), sha256, where);
	frame.text = frame_text(obj, sha256, where);
	frames_push(&way_of(x, conn, down)->decoded, &frame);
}

/* Those that say that something is missing; an overlap does not. */
static void
take_decoded(struct expect *x, const json_t *obj, const char *where)
{
	const char *type = get_text(obj, "type", where);
	struct event event;

	if (strcmp(type, "frame") == 0) {
		take_frame(x, obj, where);
		return;
	}
	if (strcmp(type, "gap") != 0 && strcmp(type, "skip") != 0 &&
	    strcmp(type, "malformed") != 0 && strcmp(type, "limit") != 0)
		return;
	if (!json_is_integer(json_object_get(obj, "stream")))
		return;
	event.stream = get_number(obj, "stream", where);
	event.bytes = get_number(obj, "bytes", where);
	event.down = get_down(obj, where);
	event.gap = strcmp(type, "gap") == 0;
	x->events = grow(x->events, x->n_events + 1, sizeof(*x->events));
	x->events[x->n_events++] = event;
}

#endif
