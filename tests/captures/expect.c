/* SPDX-License-Identifier: MIT */
/*
 * A frame is held as one line of text in which every field that counts has its
 * place, so that two frames are compared by it, wherever they come from.
 */
#include "tests/captures/expect.h"

#include "proto/codec.h"

#include <err.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define HASH_CHARS 65 /* SHA-256 in hex, and NUL */
#define STREAMS_MAX 1000000
#define CELLS_MAX ((size_t)1 << 26)
#define COST_EXCUSED 1u
#define COST_ALLOWED 10u /* an extra frame that may be */
#define COST_BAD 100000u
#define SHOWN_MAX 8 /* differences */

struct frame {
	char *text;
	/* only of expected ones: */
	uint64_t from, to; /* in the stream */
	bool header;
	/* only of decoded ones: cut, so only these are compared; or 0 */
	size_t n_compared;
};

struct frames {
	struct frame *p;
	size_t n, cap;
};

/* One direction of one connection. */
struct way {
	uint32_t conn; /* port of the side that opened it */
	bool down;
	struct frames expected, decoded; /* the texts of expected: of `sent` */
	uint64_t total; /* bytes of the expected frames */
	struct lost *lost;
	size_t n_lost;
	bool pause; /* it was long enough to give the stream up */
	uint64_t n_events, gap_bytes;
	uint64_t cut_bytes; /* of frames that were shown cut, at most */
};

struct ways {
	struct way *p;
	size_t n;
};

struct sent {
	struct ways ways;
};

struct loss {
	uint64_t stream, bytes;
	bool down, gap;
};

struct expect {
	struct ways ways;
	struct expect_settings set;
	FILE *report;
	struct loss *losses;
	size_t n_losses;
	uint32_t *conn_of; /* by number of the stream; 0: not seen */
	size_t n_streams; /* places in conn_of */
	size_t n_seen;
	uint64_t equal, missing, excused, extra, allowed;
	uint64_t n_shown, n_bad; /* n_bad: other complaints */
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
way_of(struct ways *ways, uint32_t conn, bool down)
{
	struct way *way;

	for (size_t i = 0; i < ways->n; i++)
		if (ways->p[i].conn == conn && ways->p[i].down == down)
			return &ways->p[i];
	ways->p = grow(ways->p, ways->n + 1, sizeof(*ways->p));
	way = &ways->p[ways->n++];
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

static void
frames_free_texts(struct frames *frames)
{
	for (size_t i = 0; i < frames->n; i++)
		free(frames->p[i].text);
}

static void
ways_free(struct ways *ways)
{
	for (size_t i = 0; i < ways->n; i++) {
		free(ways->p[i].expected.p);
		frames_free_texts(&ways->p[i].decoded);
		free(ways->p[i].decoded.p);
		free(ways->p[i].lost);
	}
	free(ways->p);
}

/* ---- lines of JSON ------------------------------------------------------- */

/* An object; what is wrong with it is a complaint, or without `x` the end. */
struct line {
	json_t *obj;
	const char *where;
	struct expect *x;
	bool bad;
};

__attribute__((format(printf, 2, 3))) static void
line_bad(struct line *line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (line->x == NULL)
		verrx(1, fmt, ap);
	if (!line->bad) {
		fprintf(line->x->report, "%s: ", line->where);
		vfprintf(line->x->report, fmt, ap);
		fputc('\n', line->x->report);
		line->x->n_bad++;
	}
	va_end(ap);
	line->bad = true;
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

static void
line_read(struct line *line, const char *text)
{
	char *quoted = quote_long_numbers(text);
	json_error_t why;

	line->obj = json_loads(quoted, JSON_REJECT_DUPLICATES, &why);
	free(quoted);
	if (!json_is_object(line->obj))
		line_bad(line, "not an object: %s", why.text);
}

static uint64_t
get_number(struct line *line, const char *name)
{
	const json_t *v = json_object_get(line->obj, name);

	if (!json_is_integer(v) || json_integer_value(v) < 0) {
		line_bad(line, "no number \"%s\"", name);
		return 0;
	}
	return (uint64_t)json_integer_value(v);
}

static const char *
get_text(struct line *line, const char *name)
{
	const char *v = json_string_value(json_object_get(line->obj, name));

	if (v == NULL)
		line_bad(line, "no text \"%s\"", name);
	return v == NULL ? "" : v;
}

static bool
get_down(struct line *line)
{
	const char *dir = get_text(line, "dir");

	if (strcmp(dir, "up") != 0 && strcmp(dir, "down") != 0)
		line_bad(line, "dir is \"%s\"", dir);
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
line_frame(struct line *line, const char *sha256)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		err(1, "memory");
	fprintf(f, "size=%" PRIu64 " codec=%s", get_number(line, "size"),
	    get_text(line, "codec"));
	put_header(f, json_object_get(line->obj, "header"));
	fprintf(f, " payload_len=%" PRIu64 " sha256=%s",
	    get_number(line, "payload_len"), sha256);
	if (fclose(f) != 0)
		err(1, "memory");
	return text;
}

/* SHA-256 in hex. */
static void
hash_bytes(const void *bytes, size_t n, char out[HASH_CHARS])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t hash[EVP_MAX_MD_SIZE];

	if (EVP_Digest(bytes, n, hash, NULL, EVP_sha256(), NULL) != 1)
		errx(1, "SHA-256 failed");
	for (int i = 0; i < 32; i++) {
		out[i * 2] = digits[hash[i] >> 4];
		out[i * 2 + 1] = digits[hash[i] & 15];
	}
	out[HASH_CHARS - 1] = '\0';
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0'
	    : c >= 'a' && c <= 'f'  ? c - 'a' + 10
				    : -1;
}

/* The same of the payload that the line spells. */
static void
hash_payload(struct line *line, char out[HASH_CHARS])
{
	const char *hex = get_text(line, "payload");
	uint64_t n = get_number(line, "payload_len");
	uint8_t *bytes;
	int high, low;

	out[0] = '\0';
	if (strlen(hex) != n * 2)
		line_bad(line, "payload is not payload_len bytes");
	if (line->bad)
		return;
	bytes = grow(NULL, (size_t)n + 1, 1);
	for (uint64_t i = 0; i < n && !line->bad; i++) {
		high = hex_digit(hex[i * 2]);
		low = hex_digit(hex[i * 2 + 1]);
		if (high < 0 || low < 0)
			line_bad(line, "payload is not hex");
		else
			bytes[i] = (uint8_t)(high << 4 | low);
	}
	hash_bytes(bytes, (size_t)n, out);
	free(bytes);
}

/* ---- what was sent ------------------------------------------------------- */

static void
sent_take(struct sent *sent, struct line *line)
{
	struct way *way = way_of(
	    &sent->ways, (uint32_t)get_number(line, "conn"), get_down(line));
	struct frame frame;

	frame.from = way->total;
	frame.to = frame.from + get_number(line, "size") + 4;
	frame.text = line_frame(line, get_text(line, "payload_sha256"));
	frame.header = json_is_object(json_object_get(line->obj, "header"));
	way->total = frame.to;
	frames_push(&way->expected, &frame);
}

struct sent *
sent_load(FILE *f, const char *name)
{
	struct sent *sent = grow(NULL, 1, sizeof(*sent));
	char *text = NULL, where[300];
	struct line line = { .where = where };
	size_t cap = 0, n = 0;

	memset(sent, 0, sizeof(*sent));
	while (getline(&text, &cap, f) > 0) {
		(void)snprintf(where, sizeof(where), "%s:%zu", name, ++n);
		line_read(&line, text);
		sent_take(sent, &line);
		json_decref(line.obj);
	}
	free(text);
	return sent;
}

void
sent_free(struct sent *sent)
{
	if (sent == NULL)
		return;
	for (size_t i = 0; i < sent->ways.n; i++)
		frames_free_texts(&sent->ways.p[i].expected);
	ways_free(&sent->ways);
	free(sent);
}

/* A connection's frames once more behind themselves. */
static void
expect_again(struct way *way)
{
	uint64_t total = way->total;
	size_t n = way->expected.n;

	for (size_t i = 0; i < n; i++) {
		struct frame frame = way->expected.p[i];

		frame.from += total;
		frame.to += total;
		way->total = frame.to;
		frames_push(&way->expected, &frame);
	}
}

struct expect *
expect_new(
    const struct sent *sent, const struct expect_settings *set, FILE *report)
{
	struct expect *x = grow(NULL, 1, sizeof(*x));

	memset(x, 0, sizeof(*x));
	x->set = *set;
	x->report = report;
	for (size_t i = 0; i < sent->ways.n; i++) {
		const struct way *from = &sent->ways.p[i];
		struct way *way = way_of(&x->ways, from->conn, from->down);

		way->total = from->total;
		for (size_t j = 0; j < from->expected.n; j++)
			frames_push(&way->expected, &from->expected.p[j]);
		if (way->conn == set->again)
			expect_again(way);
	}
	return x;
}

void
expect_free(struct expect *x)
{
	if (x == NULL)
		return;
	ways_free(&x->ways);
	free(x->losses);
	free(x->conn_of);
	free(x);
}

void
expect_lost(struct expect *x, const struct lost *lost)
{
	struct way *way = way_of(&x->ways, lost->conn, lost->down);

	way->lost = grow(way->lost, way->n_lost + 1, sizeof(*way->lost));
	way->lost[way->n_lost++] = *lost;
	way->pause |= lost->pause;
}

/* ---- what was decoded ---------------------------------------------------- */

/* The port of the side that opened the connection, of "ADDR:PORT". */
static uint32_t
port_of(const char *end)
{
	const char *colon = strrchr(end, ':');

	return colon == NULL ? 0 : (uint32_t)strtoul(colon + 1, NULL, 10);
}

/* Takes the text. `cut_bytes`: of the payload are not there. */
static void
take_frame(struct expect *x, uint64_t stream, uint32_t conn, bool down,
    char *text, uint64_t cut_bytes)
{
	struct frame frame = { .text = text };
	const char *payload = strstr(text, " payload_len=");

	if (cut_bytes > 0 && payload != NULL)
		frame.n_compared = (size_t)(payload - text);
	if (stream >= x->n_streams) {
		x->conn_of = grow(x->conn_of, stream + 1, sizeof(*x->conn_of));
		memset(x->conn_of + x->n_streams, 0,
		    (stream + 1 - x->n_streams) * sizeof(*x->conn_of));
		x->n_streams = stream + 1;
	}
	x->n_seen += x->conn_of[stream] == 0;
	x->conn_of[stream] = conn;
	way_of(&x->ways, conn, down)->cut_bytes += cut_bytes;
	frames_push(&way_of(&x->ways, conn, down)->decoded, &frame);
}

static void
take_loss(struct expect *x, const struct loss *loss)
{
	x->losses = grow(x->losses, x->n_losses + 1, sizeof(*x->losses));
	x->losses[x->n_losses++] = *loss;
}

static void
take_line_frame(struct expect *x, struct line *line)
{
	bool down = get_down(line);
	uint64_t stream = get_number(line, "stream");
	uint32_t conn = port_of(get_text(line, down ? "dst" : "src"));
	char sha256[HASH_CHARS];
	uint64_t cut = 0;

	if (conn == 0)
		line_bad(line, "no port");
	if (stream > STREAMS_MAX)
		line_bad(line, "stream %" PRIu64, stream);
	hash_payload(line, sha256);
	if (json_is_integer(json_object_get(line->obj, "cut_of")))
		cut = get_number(line, "cut_of") -
		    get_number(line, "payload_len");
	if (!line->bad)
		take_frame(
		    x, stream, conn, down, line_frame(line, sha256), cut);
}

static void
take_line(struct expect *x, struct line *line)
{
	const char *type = get_text(line, "type");
	struct loss loss;

	if (strcmp(type, "frame") == 0) {
		take_line_frame(x, line);
		return;
	}
	/* those that say that something is missing; an overlap does not */
	if (strcmp(type, "gap") != 0 && strcmp(type, "skip") != 0 &&
	    strcmp(type, "malformed") != 0 && strcmp(type, "limit") != 0)
		return;
	if (!json_is_integer(json_object_get(line->obj, "stream")))
		return;
	loss.stream = get_number(line, "stream");
	loss.bytes = get_number(line, "bytes");
	loss.down = get_down(line);
	loss.gap = strcmp(type, "gap") == 0;
	if (!line->bad)
		take_loss(x, &loss);
}

void
expect_line(struct expect *x, const char *text, const char *where)
{
	struct line line = { .where = where, .x = x };

	line_read(&line, text);
	if (!line.bad)
		take_line(x, &line);
	json_decref(line.obj);
}

/* As quote_long_numbers() leaves it. */
static void
put_u64(FILE *f, const char *name, uint64_t v)
{
	const char *quote = v >= UINT64_C(1000000000000000000) ? "\"" : "";

	fprintf(f, "%s%s%" PRIu64 "%s", name, quote, v, quote);
}

static void
put_event_header(FILE *f, const struct bnet_packet *frame)
{
	const struct bnet_header *h = &frame->header;
	struct bnet_bits_rd rd = frame->forks;

	if (!frame->has_header) {
		fputs(" header=null", f);
		return;
	}
	fprintf(f,
	    " source=%" PRId64 " dest_type=%" PRId64 " dest=%" PRId64
	    " key=%" PRId32 " forks=%" PRIu32 " serial=%" PRIu32
	    " latency_ms=%" PRIu32 " priority=%s",
	    h->source, h->dest_type, h->dest, h->key, h->forks, h->serial,
	    h->latency_ms, h->priority ? "true" : "false");
	put_u64(f, " timestamp=", h->timestamp);
	fputs(" fork_ids=[", f);
	for (uint32_t i = 0; i < h->forks; i++)
		put_u64(f, i > 0 ? "," : "", bnet_bits_u64(&rd));
	fputc(']', f);
}

static char *
event_frame(const struct bnet_packet *frame)
{
	char sha256[HASH_CHARS], *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		err(1, "memory");
	hash_bytes(frame->payload.p, frame->payload.len, sha256);
	fprintf(f, "size=%" PRIu32 " codec=%s", frame->size_bytes,
	    bnet_codec_name(frame->codec));
	put_event_header(f, frame);
	fprintf(f, " payload_len=%zu sha256=%s", frame->payload.len, sha256);
	if (fclose(f) != 0)
		err(1, "memory");
	return text;
}

void
expect_event(struct expect *x, const struct cap_event *event)
{
	const struct cap_stream *stream = event->stream;
	bool down = event->dir == CAP_DOWN;

	if (event->type == CAP_FRAME)
		take_frame(x, stream->number, port_of(stream->end[0]), down,
		    event_frame(event->frame),
		    event->cut_of > 0
			? event->cut_of - event->frame->payload.len
			: 0);
	else if (event->type < CAP_N_LOSSES && event->type != CAP_OVERLAP &&
	    stream != NULL)
		take_loss(x,
		    &(struct loss){ .stream = stream->number,
			.bytes = event->bytes,
			.down = down,
			.gap = event->type == CAP_GAP });
}

/* ---- one explained by the other ------------------------------------------ */

static bool
show(struct expect *x)
{
	return x->n_shown++ < SHOWN_MAX;
}

static const char *
way_name(const struct way *way)
{
	return way->down ? "down" : "up";
}

/* Do bytes of the frame miss, or did some come in between? */
static bool
excused(const struct way *way, const struct frame *frame)
{
	for (size_t i = 0; i < way->n_lost; i++)
		if (way->lost[i].from < frame->to &&
		    way->lost[i].to > frame->from)
			return true;
	return false;
}

/* Where a frame starts is known if the word of the one before is there. */
static bool
word_lost(const struct way *way, const struct frame *frame)
{
	for (size_t i = 0; i < way->n_lost; i++)
		if (way->lost[i].from < frame->from + 4 &&
		    way->lost[i].to > frame->from)
			return true;
	return false;
}

/* Four zeros; they may as well be the end of something else. */
static bool
is_empty(const struct frame *frame)
{
	return frame->to - frame->from == 4;
}

/*
 * Frames in a row, whole, behind a place where the framing was lost: are
 * they several, so that a decoder must believe them? Empty ones do not count.
 */
static bool
believable(const struct way *way, size_t from, size_t to)
{
	size_t n = 0, headers = 0;

	for (size_t i = from; i < to; i++) {
		n += !is_empty(&way->expected.p[i]);
		headers += way->expected.p[i].header;
	}
	if (to == way->expected.n)
		return n >= 2 || headers >= 1;
	return n >= 6 || (n >= 4 && headers >= 1) || (n >= 3 && headers >= 2);
}

static uint32_t
extra_cost(const struct way *way)
{
	for (size_t i = 0; i < way->n_lost; i++)
		if (way->lost[i].inserted > 0)
			return COST_ALLOWED;
	return COST_BAD;
}

struct align {
	const struct frames *a, *b; /* expected, decoded */
	uint32_t *miss; /* what the lack of a[i] costs */
	uint32_t *extra; /* what another frame before a[i] costs */
	uint32_t *cost; /* of a from i and b from j: [i * (b->n + 1) + j] */
};

/*
 * Where the framing was lost, a decoder may take what is left of the last
 * damaged frame for one more: nothing in it says that it is not.
 */
static void
align_prices(const struct way *way, bool tls, struct align *al)
{
	const struct frames *a = &way->expected;
	bool adrift = false;
	size_t i = 0, to;

	al->extra[0] = extra_cost(way);
	while (i < a->n) {
		if (tls || excused(way, &a->p[i]) ||
		    (adrift && is_empty(&a->p[i]))) {
			adrift |= word_lost(way, &a->p[i]);
			al->miss[i++] = COST_EXCUSED;
			al->extra[i] =
			    adrift && !tls ? COST_ALLOWED : al->extra[0];
			continue;
		}
		for (to = i; to < a->n && !excused(way, &a->p[to]);)
			to++;
		adrift = adrift && !believable(way, i, to);
		while (i < to) {
			al->miss[i++] = adrift ? COST_EXCUSED : COST_BAD;
			al->extra[i] = adrift ? COST_ALLOWED : al->extra[0];
		}
	}
}

static bool
equal_at(const struct align *al, size_t i, size_t j)
{
	const struct frame *a, *b;

	if (i >= al->a->n || j >= al->b->n)
		return false;
	a = &al->a->p[i];
	b = &al->b->p[j];
	if (b->n_compared > 0) /* cut, if anything of it is not there */
		return al->miss != NULL && al->miss[i] == COST_EXCUSED &&
		    strncmp(a->text, b->text, b->n_compared) == 0;
	return strcmp(a->text, b->text) == 0;
}

/* The cheapest way to explain b by a, from the end to the front. */
static void
align_costs(const struct align *al)
{
	size_t n = al->a->n, m = al->b->n, w = m + 1;

	for (size_t i = n + 1; i-- > 0;) {
		for (size_t j = m + 1; j-- > 0;) {
			uint32_t *c = &al->cost[i * w + j], other;

			*c = i == n && j == m ? 0 : UINT32_MAX;
			if (equal_at(al, i, j))
				*c = c[w + 1];
			other = i < n ? c[w] + al->miss[i] : UINT32_MAX;
			*c = other < *c ? other : *c;
			other = j < m ? c[1] + al->extra[i] : UINT32_MAX;
			*c = other < *c ? other : *c;
		}
	}
}

static void
tell_missing(
    const struct align *al, const struct way *way, size_t i, struct expect *x)
{
	if (al->miss[i] == COST_EXCUSED) {
		x->excused++;
		return;
	}
	x->missing++;
	if (show(x))
		fprintf(x->report, "%u %s: frame %zu is missing: %s\n",
		    way->conn, way_name(way), i, al->a->p[i].text);
}

static void
tell_extra(const struct align *al, const struct way *way, size_t i, size_t j,
    struct expect *x)
{
	if (al->extra[i] == COST_ALLOWED) {
		x->allowed++;
		return;
	}
	x->extra++;
	if (show(x))
		fprintf(x->report,
		    "%u %s: decoded frame %zu was not sent: %s\n", way->conn,
		    way_name(way), j, al->b->p[j].text);
}

static void
align_walk(const struct align *al, const struct way *way, struct expect *x)
{
	size_t n = al->a->n, m = al->b->n, w = m + 1, i = 0, j = 0;

	while (i < n || j < m) {
		const uint32_t *c = &al->cost[i * w + j];

		if (equal_at(al, i, j) && *c == c[w + 1]) {
			x->equal++;
			i++;
			j++;
		} else if (i < n && *c == c[w] + al->miss[i]) {
			tell_missing(al, way, i++, x);
		} else {
			tell_extra(al, way, i, j++, x);
		}
	}
}

static void
compare_frames(struct expect *x, const struct way *way)
{
	const struct frames *a = &way->expected, *b = &way->decoded;
	struct align al = { .a = a, .b = b };
	size_t i = 0;

	while (equal_at(&al, i, i))
		i++;
	if (i == a->n && i == b->n) {
		x->equal += i;
		return;
	}
	if ((a->n + 1) > CELLS_MAX / (b->n + 1)) {
		fprintf(x->report,
		    "%u %s: %zu and %zu frames, from number %zu on not "
		    "equal, are too many to align\n",
		    way->conn, way_name(way), a->n, b->n, i);
		x->n_bad++;
		return;
	}
	al.miss = grow(NULL, a->n + 1, sizeof(*al.miss));
	al.extra = grow(NULL, a->n + 1, sizeof(*al.extra));
	align_prices(way, x->set.tls == way->conn, &al);
	al.cost = grow(NULL, (a->n + 1) * (b->n + 1), sizeof(*al.cost));
	align_costs(&al);
	align_walk(&al, way, x);
	free(al.miss);
	free(al.extra);
	free(al.cost);
}

/*
 * What is said to be missing against what is. A hole at either end of a
 * stream may go unseen: nothing says that there were bytes.
 */
static void
compare_losses(struct expect *x, const struct way *way)
{
	uint64_t inner = 0, outer = 0, inserted = 0;

	for (size_t i = 0; i < way->n_lost; i++) {
		const struct lost *lost = &way->lost[i];

		if (lost->from == 0 || lost->to == way->total)
			outer += lost->to - lost->from;
		else
			inner += lost->to - lost->from;
		inserted += lost->inserted;
	}
	if (x->set.tls == way->conn)
		return;
	if (!way->pause &&
	    (way->gap_bytes + way->cut_bytes < inner ||
		way->gap_bytes > inner + outer)) {
		fprintf(x->report,
		    "%u %s: gaps of %" PRIu64 " bytes were reported, not "
		    "%" PRIu64 " to %" PRIu64 "\n",
		    way->conn, way_name(way), way->gap_bytes, inner,
		    inner + outer);
		x->n_bad++;
	}
	if (inserted > 0 && way->n_events == 0) {
		fprintf(x->report,
		    "%u %s: nothing was reported of %" PRIu64
		    " bytes of garbage\n",
		    way->conn, way_name(way), inserted);
		x->n_bad++;
	}
	if (way->n_lost == 0 && way->n_events > 0) {
		fprintf(x->report,
		    "%u %s: %" PRIu64
		    " losses were reported, nothing was lost\n",
		    way->conn, way_name(way), way->n_events);
		x->n_bad++;
	}
}

static void
count_losses(struct expect *x)
{
	for (size_t i = 0; i < x->n_losses; i++) {
		const struct loss *loss = &x->losses[i];
		struct way *way;

		if (loss->stream >= x->n_streams ||
		    x->conn_of[loss->stream] == 0)
			continue; /* no frame says which this is */
		way = way_of(&x->ways, x->conn_of[loss->stream], loss->down);
		way->n_events++;
		if (loss->gap)
			way->gap_bytes += loss->bytes;
	}
}

bool
expect_end(struct expect *x)
{
	count_losses(x);
	for (size_t i = 0; i < x->ways.n; i++) {
		compare_frames(x, &x->ways.p[i]);
		compare_losses(x, &x->ways.p[i]);
	}
	if (x->excused > 0 && x->set.tls != 0 && x->n_losses == 0) {
		fprintf(x->report,
		    "frames are missing, and nothing was reported\n");
		x->n_bad++;
	}
	if (x->set.n_streams != 0 && x->set.n_streams != x->n_seen) {
		fprintf(x->report, "%zu streams, not %zu\n", x->n_seen,
		    x->set.n_streams);
		x->n_bad++;
	}
	if (x->n_shown > SHOWN_MAX)
		fprintf(x->report, "and %" PRIu64 " more\n",
		    x->n_shown - SHOWN_MAX);
	fprintf(x->report,
	    "equal %" PRIu64 ", excused %" PRIu64 ", missing %" PRIu64
	    ", extra %" PRIu64 ", extra allowed %" PRIu64
	    ", losses reported %zu, streams %zu\n",
	    x->equal, x->excused, x->missing, x->extra, x->allowed, x->n_losses,
	    x->n_seen);
	return x->missing == 0 && x->extra == 0 && x->n_bad == 0;
}
