/* SPDX-License-Identifier: MIT */
/*
 * Compares the frames of a virtual client with those of the capture, key by
 * key, and method by method. Each has a window over the captured frames:
 *
 *	settled | base ... some were received, some not | not yet ...
 *	          '------------- DIFF_BACK ------------'  '-- DIFF_AHEAD --'
 *
 * A received frame is matched against the frames of the window that were not
 * received yet. If one is equal, it is that frame; it is out of order if a
 * later one was received before. If none is equal, it counts as a different
 * version of the next frame; if that frame still comes, it counts as extra. A
 * frame that leaves the window unreceived is missing.
 *
 * Owns the windows of each virtual client, and the differences. Each worker has
 * one, called by virtual_client.c; play.c merges them.
 */
#include "cmd/replay/play/diff.h"

#include "proto/message.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SNAPPY_SIZE_BYTES 5 /* at most, of the varint at the start */
#define CURSORS_MAX 4096 /* keys per virtual client */
#define CURSORS_ALL_MAX \
	((size_t)1 << 20) /* over all virtual clients of a worker */
#define WALK_MAX 4096 /* records examined ahead of a frame */
#define KEYS_ROWS_MAX 10000
#define MESSAGE_MAX_BYTES ((size_t)1 << 20)
#define OBJECTS_TRIED 16 /* captured frames, for each that is received */

#define DIFF_HEADER_BITS (DIFF_BIT(DIFF_F_CODEC) - 1)

/* Frames of one key that are examined around the next one. */
#define DIFF_BACK 32 /* may have been overtaken, or be late */
#define DIFF_AHEAD 32 /* may be missing in a row */
#define DIFF_WINDOW (DIFF_BACK + 1 + DIFF_AHEAD)

/* A captured or a received frame; borrowed. */
struct diff_frame {
	const struct tape_record *record; /* NULL: a received frame */
	int32_t key;
	bool has_header;
	struct bnet_header header;
	enum bnet_codec_id codec;
	struct bnet_slice trailing;
	struct bnet_slice payload; /* captured: see diff_load_payload() */
	/* Received: whose ids are the captured ones by now. A header does not
	 * say what its source is: header.source is what it was as a node. */
	const struct diff_ids *ids; /* NULL: captured */
	const struct diff_call *call; /* NULL: captured, or it answers none */
	int64_t client_source; /* the captured id if the source is a client */
};

enum diff_came { /* state of a captured frame in the window */
	DIFF_PENDING = 0, /* not received yet */
	DIFF_RECEIVED,
	DIFF_DIFFERENT, /* + enum diff_kind: a different version was received */
};

/* The position of a virtual client in the captured frames of one key. */
struct diff_cursor {
	int32_t key;
	uint32_t method; /* of the calls that are answered; 0: none */
	uint32_t n; /* states in use: up to the last received frame */
	uint8_t states[DIFF_WINDOW];
	const struct tape_record *base; /* frame of states[0]; NULL: the end */
	uint64_t base_index; /* index of that frame among those of its key */
	uint64_t n_received;
	uint64_t n_ended; /* examined at the end */
};

struct diff_state { /* per virtual client */
	struct diff_cursor *cursors; /* owned; n */
	size_t n, cap;
};

struct diff_place { /* in the window of a cursor */
	const struct tape_record *record; /* NULL: none */
	uint32_t i;
};

struct diff {
	const struct diff_masks *masks;
	uint32_t masked; /* bits of the fields to ignore */
	bool ranges; /* byte ranges of payloads are masked */
	bool paths; /* and parts of objects */
	struct object_diff *objects;
	unsigned n_tried; /* objects, for the frame at hand */
	struct bnet_buf patched; /* a received payload with masked bytes */
	struct bnet_codecs *codecs;
	struct bnet_buf plain; /* the captured payload loaded last */
	struct bnet_buf store; /* for decoding a message */
	size_t n_cursors; /* of all virtual clients */
	struct diff_found found;
};

/* ---- --ignore ---- */

const char *const diff_field_names[DIFF_N_FIELDS] = {
	[DIFF_F_HEADER] = "header",
	[DIFF_F_SOURCE] = "source",
	[DIFF_F_DEST_TYPE] = "dest_type",
	[DIFF_F_DEST] = "dest",
	[DIFF_F_FORKS] = "forks",
	[DIFF_F_SERIAL] = "serial",
	[DIFF_F_LATENCY] = "latency_ms",
	[DIFF_F_PRIORITY] = "priority",
	[DIFF_F_TIMESTAMP] = "timestamp",
	[DIFF_F_TRAILING] = "trailing",
	[DIFF_F_CODEC] = "codec",
	[DIFF_F_PAYLOAD] = "payload",
	[DIFF_F_OBJECT] = "object",
	[DIFF_F_MISSING] = "missing",
	[DIFF_F_EXTRA] = "extra",
	[DIFF_F_ORDER] = "order",
};

/* ---- applying masks ---- */

static bool
is_range(const struct diff_mask *mask)
{
	return mask->from != 0 || mask->to != 0 || mask->last != 0;
}

uint32_t
diff_masked_fields(const struct diff_masks *masks)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < masks->n; i++)
		if (!is_range(&masks->masks[i]) && masks->masks[i].path == NULL)
			bits |= DIFF_BIT(masks->masks[i].field);
	return bits;
}

static bool
covers(const struct diff_mask *mask, uint64_t i, uint64_t n_bytes)
{
	if (mask->last != 0)
		return i >= n_bytes || mask->last >= n_bytes - i;
	return i >= mask->from && (mask->to == 0 || i < mask->to);
}

bool
diff_byte_is_masked(
    const struct diff_masks *masks, uint64_t i, uint64_t n_bytes, bool keyed)
{
	for (size_t m = 0; m < masks->n; m++) {
		const struct diff_mask *mask = &masks->masks[m];

		if (is_range(mask) && (keyed || !mask->keyed) &&
		    covers(mask, i, n_bytes))
			return true;
	}
	return false;
}

/* `*` in the mask stands for what has no end of a name in it. */
static bool
path_fits(const struct diff_mask *mask, const char *path, size_t n)
{
	static const char ends[] = ".[]{}";
	const char *m = mask->path, *m_end = m + mask->n_path;
	const char *end = path + n;

	for (; m < m_end; m++) {
		if (*m != '*') {
			if (path == end || *path++ != *m)
				return false;
			continue;
		}
		while (path < end && strchr(ends, *path) == NULL)
			path++;
	}
	return path == end;
}

static bool
path_is_masked(void *arg, const char *path, size_t n)
{
	const struct diff *diff = arg;

	for (size_t i = 0; i < diff->masks->n; i++)
		if (diff->masks->masks[i].path != NULL &&
		    path_fits(&diff->masks->masks[i], path, n))
			return true;
	return false;
}

/* ---- parsing ---- */

static bool
wrong(const char *text, const char *item, size_t n, const char *expected,
    char err[CLI_ERR_CHARS])
{
	(void)snprintf(err, CLI_ERR_CHARS, "'%.*s' at character %zu: %s",
	    n < 80 ? (int)n : 80, item, (size_t)(item - text) + 1, expected);
	return false;
}

static bool
no_field(const char *text, const char *item, size_t n, char err[CLI_ERR_CHARS])
{
	char expected[CLI_ERR_CHARS] = "expected payload[FROM:TO]";
	size_t len = strlen(expected);

	for (size_t i = 0; i < DIFF_N_FIELDS; i++)
		len += (size_t)snprintf(expected + len, sizeof(expected) - len,
		    "%s%s", i + 1 < DIFF_N_FIELDS ? ", " : " or ",
		    diff_field_names[i]);
	return wrong(text, item, n, expected, err);
}

/*
 * Parses digits, if any; without one *v is unchanged. Returns the rest; NULL:
 * too large.
 */
static const char *
take_digits(const char *p, uint64_t *v)
{
	char *end;

	if (!isdigit((unsigned char)*p))
		return p;
	errno = 0;
	*v = strtoull(p, &end, 10);
	return errno != 0 ? NULL : end;
}

/*
 * Parses "[FROM:TO]" up to `end`; either number may be missing, but not both.
 * "[-N:]" counts from the end.
 */
static bool
take_range(const char *p, const char *end, struct diff_mask *mask)
{
	bool open_ended;

	if (p[1] == '-') {
		p = take_digits(p + 2, &mask->last);
		return p != NULL && mask->last != 0 && p == end - 2 &&
		    p[0] == ':' && p[1] == ']';
	}
	p = take_digits(p + 1, &mask->from);
	if (p == NULL || *p != ':')
		return false;
	open_ended = p[1] == ']';
	p = take_digits(p + 1, &mask->to);
	if (p == NULL || p != end - 1 || *p != ']')
		return false;
	return open_ended ? mask->from > 0 : mask->to > mask->from;
}

/* "object", then .NAME, [N] and {N}. */
static bool
is_path(const char *item, size_t n)
{
	static const char object[] = "object";
	size_t at = sizeof(object) - 1;

	if (n < at || memcmp(item, object, at) != 0)
		return false;
	while (at < n) {
		const char *closing = item[at] == '[' ? "]"
		    : item[at] == '{'                 ? "}"
						      : ".[{";
		size_t part = strcspn(item + at + 1, closing);

		if (part > n - at - 1)
			part = n - at - 1;
		if ((item[at] != '.' && closing[1] != '\0') || part == 0)
			return false;
		at += 1 + part + (closing[1] == '\0');
	}
	return at == n;
}

static bool
take_path(struct diff_mask *mask, const char *text, const char *item, size_t n,
    char err[CLI_ERR_CHARS])
{
	*mask = (struct diff_mask){
		.field = DIFF_F_OBJECT, .path = item, .n_path = n
	};
	return is_path(item, n) ||
	    wrong(text, item, n,
		"expected a path such as object.state[3].name; * is any name"
		" or number",
		err);
}

static bool
take_item(struct diff_mask *mask, const char *text, const char *item, size_t n,
    char err[CLI_ERR_CHARS])
{
	size_t name_chars = strcspn(item, ".[,{");
	int field = 0;

	if (name_chars > n)
		name_chars = n;
	while (field < DIFF_N_FIELDS &&
	    (strlen(diff_field_names[field]) != name_chars ||
		memcmp(diff_field_names[field], item, name_chars) != 0))
		field++;
	if (field == DIFF_N_FIELDS)
		return no_field(text, item, n, err);
	if (field == DIFF_F_OBJECT)
		return take_path(mask, text, item, n, err);
	*mask = (struct diff_mask){ .field = field };
	if (name_chars == n)
		return true;
	if (field != DIFF_F_PAYLOAD)
		return wrong(text, item, n,
		    "only payload has parts: payload[FROM:TO]", err);
	if (take_range(item + name_chars, item + n, mask))
		return true;
	return wrong(text, item, n,
	    "expected payload[FROM:TO], bytes from 0, TO one past the last:"
	    " payload[0:8], payload[8:], payload[:8]; or the last ones:"
	    " payload[-4:]",
	    err);
}

bool
diff_masks_parse(
    struct diff_masks *masks, const char *text, char err[CLI_ERR_CHARS])
{
	const char *item = text;

	*masks = (struct diff_masks){
		.masks = { { .field = DIFF_F_LATENCY },
		    { .field = DIFF_F_TIMESTAMP } },
		.n = 2,
	};
	while (item != NULL) {
		size_t n = strcspn(item, ",");

		if (masks->n == DIFF_MASKS_MAX)
			return wrong(text, item, n, "too many fields", err);
		if (!take_item(&masks->masks[masks->n++], text, item, n, err))
			return false;
		item = item[n] == ',' ? item + n + 1 : NULL;
	}
	return true;
}

bool
diff_masks_stock(struct diff_masks *masks)
{
	if (masks->n + 2 > DIFF_MASKS_MAX)
		return false;
	masks->masks[masks->n++] = (struct diff_mask){
		.field = DIFF_F_PAYLOAD, .last = DIFF_HOP_BYTES, .keyed = true
	};
	masks->masks[masks->n++] =
	    (struct diff_mask){ .field = DIFF_F_TRAILING };
	return true;
}

/* ---- frames ---- */

static void
diff_of_record(struct diff_frame *frame, const struct tape_record *record)
{
	struct bnet_slice oob = tape_oob(record);
	size_t trailing_bytes = oob.len;

	*frame = (struct diff_frame){ .record = record };
	if ((record->flags & TAPE_R_HEADER) != 0 &&
	    bnet_header_decode(oob, &frame->header, NULL, &trailing_bytes) ==
		BNET_OK) {
		frame->has_header = true;
		frame->key = frame->header.key;
	}
	if (!frame->has_header)
		trailing_bytes = oob.len;
	frame->trailing = bnet_slice_from(oob, oob.len - trailing_bytes);
	frame->codec = (enum bnet_codec_id)record->codec;
}

static int64_t
captured_id(const struct diff_ids *ids, bool node, int64_t id)
{
	return ids == NULL ? id : ids->captured(ids->arg, node, id);
}

static int64_t
captured_dest(const struct diff_ids *ids, int64_t dest_type, int64_t dest)
{
	if (dest_type != BNET_DEST_NODE && dest_type != BNET_DEST_CLIENT)
		return dest;
	return captured_id(ids, dest_type == BNET_DEST_NODE, dest);
}

static void
diff_of_packet(struct diff_frame *frame, const struct bnet_packet *packet,
    const struct diff_ids *ids, const struct diff_call *call)
{
	*frame = (struct diff_frame){
		.has_header = packet->has_header,
		.codec = packet->codec,
		.trailing = packet->oob,
		.payload = packet->payload,
		.ids = ids,
		.call = call,
	};
	if (!packet->has_header)
		return;
	frame->header = packet->header;
	frame->header.source = captured_id(ids, true, packet->header.source);
	frame->client_source = captured_id(ids, false, packet->header.source);
	if (packet->header.forks == 0)
		frame->header.dest = captured_dest(
		    ids, packet->header.dest_type, packet->header.dest);
	frame->key = packet->header.key;
	frame->trailing = bnet_slice_from(
	    packet->oob, packet->oob.len - packet->trailing_bytes);
}

/*
 * Loads the captured payload, decompressed; if that fails, as stored in the
 * tape. Valid until the next call.
 */
static void
diff_load_payload(struct diff *diff, struct diff_frame *captured)
{
	const struct tape_record *record = captured->record;

	captured->payload = tape_payload(record);
	if (captured->codec != BNET_CODEC_NONE &&
	    bnet_codec_decode(diff->codecs, captured->codec,
		(enum bnet_order)tape_session(diff->found.tape, record->session)
		    ->order,
		captured->payload, BNET_PAYLOAD_MAX_BYTES,
		&diff->plain) == BNET_OK)
		captured->payload = bnet_buf_slice(&diff->plain);
}

/*
 * Reads the length that the captured payload claims: a payload of another
 * length need not be decompressed.
 */
static bool
length_fits(const struct diff *diff, const struct diff_frame *captured,
    uint64_t n_bytes)
{
	struct bnet_slice in = tape_payload(captured->record);
	bool little =
	    tape_session(diff->found.tape, captured->record->session)->order !=
	    BNET_ORDER_NETWORK;
	uint64_t v = 0;

	if (captured->codec == BNET_CODEC_NONE)
		return in.len == n_bytes;
	for (size_t i = 0; captured->codec == BNET_CODEC_ZLIB && i < 4; i++)
		v |= (uint64_t)(i < in.len ? in.p[i] : 0)
		    << 8 * (little ? i : 3 - i);
	for (size_t i = 0; captured->codec == BNET_CODEC_SNAPPY && i < in.len &&
	     i < SNAPPY_SIZE_BYTES;
	     i++) {
		v |= (uint64_t)(in.p[i] & 0x7f) << 7 * i;
		if ((in.p[i] & 0x80) == 0)
			break;
	}
	return v == n_bytes;
}

/* ---- headers ---- */

int64_t
diff_header_value(const struct bnet_header *header, enum diff_field field)
{
	switch (field) {
	case DIFF_F_SOURCE:
		return header->source;
	case DIFF_F_DEST_TYPE:
		return header->dest_type;
	case DIFF_F_DEST:
		return header->dest;
	case DIFF_F_FORKS:
		return header->forks;
	case DIFF_F_SERIAL:
		return header->serial;
	case DIFF_F_LATENCY:
		return header->latency_ms;
	case DIFF_F_PRIORITY:
		return header->priority;
	case DIFF_F_TIMESTAMP:
		return (int64_t)header->timestamp;
	default:
		return 0;
	}
}

static uint32_t
header_fields(const struct diff_frame *a, const struct diff_frame *b)
{
	uint32_t bits = 0; /* b is the received header */

	if (a->has_header != b->has_header)
		return DIFF_BIT(DIFF_F_HEADER);
	for (enum diff_field f = DIFF_F_SOURCE; f <= DIFF_F_TIMESTAMP; f++)
		if (diff_header_value(&a->header, f) !=
		    diff_header_value(&b->header, f))
			bits |= DIFF_BIT(f);
	if (a->header.source == b->client_source)
		bits &= ~DIFF_BIT(DIFF_F_SOURCE);
	if (a->trailing.len != b->trailing.len ||
	    (a->trailing.len != 0 &&
		memcmp(a->trailing.p, b->trailing.p, a->trailing.len) != 0))
		bits |= DIFF_BIT(DIFF_F_TRAILING);
	if (a->codec != b->codec)
		bits |= DIFF_BIT(DIFF_F_CODEC);
	return bits;
}

/* ---- payloads of messages ---- */

static const char *const error_names[] = { "code", "error's dest_type",
	"error's dest", "error's key", "cookie", NULL };
static const char *const echo_names[] = { "cookie", "flags", NULL };

const char *const *
diff_value_names(int32_t key)
{
	if (key == bnet_message_key(BNET_MSG_ERROR))
		return error_names;
	if (key == bnet_message_key(BNET_MSG_ECHO_REPLY))
		return echo_names;
	return NULL;
}

/*
 * Decodes the values to compare: no clocks, no reasons. Returns how many; 0 for
 * other messages and malformed ones.
 */
static size_t
message_values(struct diff *diff, const struct diff_frame *frame,
    uint64_t values[DIFF_VALUES_MAX])
{
	enum bnet_message_type type = bnet_message_type(frame->key);
	struct bnet_message message;
	size_t left;

	if (diff_value_names(frame->key) == NULL ||
	    bnet_message_decode(
		type, frame->payload, &message, &diff->store, &left) != BNET_OK)
		return 0;
	if (type == BNET_MSG_ECHO_REPLY) {
		values[0] = message.u.echo.cookie;
		values[1] = message.u.echo.flags;
		return 2;
	}
	values[0] = message.u.error.code;
	values[1] = (uint64_t)message.u.error.dest_type;
	values[2] = (uint64_t)captured_dest(
	    frame->ids, message.u.error.dest_type, message.u.error.dest);
	values[3] = (uint64_t)message.u.error.key;
	values[4] = message.u.error.cookie;
	return 5;
}

/* ---- payloads ---- */

/* The first byte that differs and is not masked; UINT64_MAX: none. */
static uint64_t
first_difference(const struct diff *diff, struct bnet_slice a,
    struct bnet_slice b, bool keyed)
{
	size_t n = a.len < b.len ? a.len : b.len;
	size_t longer = a.len < b.len ? b.len : a.len;

	if (a.len == b.len && (n == 0 || memcmp(a.p, b.p, n) == 0))
		return UINT64_MAX;
	for (size_t i = 0; i < longer; i++)
		if ((i >= n || a.p[i] != b.p[i]) &&
		    !(diff->ranges &&
			diff_byte_is_masked(diff->masks, i, longer, keyed)))
			return i;
	return UINT64_MAX;
}

/*
 * Makes the masked bytes of the received payload those of the captured one, and
 * leaves out the masked ends of both. Returns false if that cannot be.
 */
static bool
mask_bytes(struct diff *diff, bool keyed, struct bnet_slice *captured,
    struct bnet_slice *received)
{
	size_t longer =
	    captured->len < received->len ? received->len : captured->len;
	size_t n;

	bnet_buf_clear(&diff->patched);
	if (!diff->ranges ||
	    bnet_buf_append(&diff->patched, *received) != BNET_OK)
		return false;
	for (n = longer; n > 0; n--)
		if (!diff_byte_is_masked(diff->masks, n - 1, longer, keyed))
			break;
	*received = bnet_buf_slice(&diff->patched);
	if (captured->len > n)
		captured->len = n;
	if (received->len > n)
		received->len = n;
	if (n > captured->len)
		n = captured->len;
	for (size_t i = 0; i < n && i < received->len; i++)
		if (diff_byte_is_masked(diff->masks, i, longer, keyed))
			diff->patched.p[diff->patched.at + i] = captured->p[i];
	return true;
}

/* A captured payload must be loaded. */
static enum object_result
compare_objects(struct diff *diff, const struct diff_frame *captured,
    const struct diff_frame *received, struct object_found *found)
{
	struct object_sides sides = {
		.captured = captured->payload,
		.received = received->payload,
		.key = received->key,
		.masked = diff->paths ? path_is_masked : NULL,
		.masked_arg = diff,
	};
	const struct diff_call *call = received->call;
	enum object_result result = OBJECT_UNKNOWN;

	if (received->ids != NULL) {
		sides.captured_id = received->ids->captured;
		sides.id_arg = received->ids->arg;
	}
	if (call != NULL) {
		sides.call_id = call->id;
		sides.captured_call_id = call->captured_id;
	}
	if (mask_bytes(
		diff, captured->key != 0, &sides.captured, &sides.received))
		result = object_diff_compare(diff->objects, &sides, found);
	if (result != OBJECT_UNKNOWN)
		return result;
	sides.captured = captured->payload;
	sides.received = received->payload;
	return object_diff_compare(diff->objects, &sides, found);
}

static bool
payloads_differ(struct diff *diff, struct diff_frame *captured,
    const struct diff_frame *received)
{
	uint64_t a[DIFF_VALUES_MAX], b[DIFF_VALUES_MAX];
	bool message = diff_value_names(captured->key) != NULL;
	bool object = !message && diff->n_tried < OBJECTS_TRIED &&
	    object_diff_may_be(received->key, received->payload);
	size_t n;

	if (!message && !diff->ranges && !object &&
	    !length_fits(diff, captured, received->payload.len))
		return true;
	diff_load_payload(diff, captured);
	n = message_values(diff, captured, a);
	if (n > 0 && message_values(diff, received, b) == n)
		return memcmp(a, b, n * sizeof(a[0])) != 0;
	if (first_difference(diff, captured->payload, received->payload,
		captured->key != 0) == UINT64_MAX)
		return false;
	diff->n_tried += object;
	return !object ||
	    compare_objects(diff, captured, received, NULL) != OBJECT_SAME;
}

/*
 * Returns bits of the fields that differ and are not masked; if `all` is false,
 * stops at the first. Loads the captured payload if needed.
 */
static uint32_t
diff_fields(struct diff *diff, struct diff_frame *captured,
    const struct diff_frame *received, bool all)
{
	uint32_t bits = header_fields(captured, received) & ~diff->masked;

	if ((diff->masked & DIFF_BIT(DIFF_F_PAYLOAD)) == 0 &&
	    (all || bits == 0) && payloads_differ(diff, captured, received))
		bits |= DIFF_BIT(DIFF_F_PAYLOAD);
	return bits;
}

/* ---- examples ---- */

static void
show_side(struct diff *diff, struct diff_side *side,
    const struct diff_frame *frame, uint64_t at)
{
	struct bnet_slice payload = frame->payload;

	*side = (struct diff_side){
		.there = true,
		.has_header = frame->has_header,
		.header = frame->header,
		.codec = frame->codec,
		.trailing_bytes = frame->trailing.len,
		.payload_bytes = payload.len,
		.hex_at = at,
	};
	side->n_values = message_values(diff, frame, side->values);
	if (at >= payload.len)
		return;
	side->n_hex = payload.len - at < DIFF_HEX_BYTES ? payload.len - at
							: DIFF_HEX_BYTES;
	memcpy(side->hex, payload.p + at, side->n_hex);
}

/* A frame that does not exist is NULL. A captured payload must be loaded. */
static void
diff_show(struct diff *diff, struct diff_example *example,
    const struct diff_frame *captured, const struct diff_frame *received)
{
	uint64_t at = 0;

	if ((example->fields & DIFF_BIT(DIFF_F_PAYLOAD)) != 0 &&
	    compare_objects(diff, captured, received, &example->objects) !=
		OBJECT_DIFFERENT)
		example->objects.n = 0;

	if (captured != NULL && received != NULL)
		at = first_difference(diff, captured->payload,
		    received->payload, captured->key != 0);
	at = at == UINT64_MAX ? 0 : at - at % (DIFF_HEX_BYTES / 2);
	if (captured != NULL)
		show_side(diff, &example->captured, captured, at);
	if (received != NULL)
		show_side(diff, &example->received, received, at);
}

/* ---- counting ---- */

static struct diff_key *
diff_key_row(struct diff *diff, const struct diff_cursor *cursor)
{
	uint64_t k = (uint64_t)cursor->method << 32 | (uint32_t)cursor->key;

	return map_get(&diff->found.keys, &k);
}

static bool
diff_kind_is_masked(const struct diff *diff, enum diff_kind kind)
{
	static const enum diff_field fields[] = {
		[DIFF_MISSING] = DIFF_F_MISSING,
		[DIFF_EXTRA] = DIFF_F_EXTRA,
		[DIFF_ORDER] = DIFF_F_ORDER,
	};

	return kind <= DIFF_ORDER &&
	    (diff->masked & DIFF_BIT(fields[kind])) != 0;
}

/* Returns the example to fill in; NULL: no room for another. */
static struct diff_example *
diff_count_one(struct diff *diff, enum diff_kind kind, uint32_t session,
    const struct diff_cursor *cursor)
{
	struct diff_example *example;

	if (diff_kind_is_masked(diff, kind))
		return NULL;
	diff->found.counts[kind]++;
	diff_key_row(diff, cursor)->counts[kind]++;
	if (diff->found.n_examples == DIFF_EXAMPLES_MAX)
		return NULL;
	example = &diff->found.examples[diff->found.n_examples++];
	*example = (struct diff_example){
		.kind = kind,
		.session = session,
		.key = cursor->key,
		.method = cursor->method,
	};
	return example;
}

static void
diff_count_missing(struct diff *diff, const struct diff_cursor *cursor,
    const struct tape_record *record, uint64_t index)
{
	struct diff_example *example =
	    diff_count_one(diff, DIFF_MISSING, record->session, cursor);
	struct diff_frame captured;

	if (example == NULL)
		return;
	example->index = index;
	diff_of_record(&captured, record);
	diff_load_payload(diff, &captured);
	diff_show(diff, example, &captured, NULL);
}

/* ---- merging workers ---- */

static void
merge_key(struct diff_key *row, const struct diff_key *from)
{
	row->compared += from->compared;
	for (size_t k = 0; k < DIFF_N_KINDS; k++)
		row->counts[k] += from->counts[k];
}

void
diff_merge(struct diff *diff, const struct diff *from)
{
	if (from == NULL)
		return;
	for (size_t i = 0; i < from->found.keys.n; i++) {
		const struct diff_key *row = map_at(&from->found.keys, i);

		merge_key(map_get(&diff->found.keys, &row->key), row);
	}
	merge_key(diff->found.keys.others, from->found.keys.others);
	diff->found.compared += from->found.compared;
	diff->found.unlooked += from->found.unlooked;
	diff->found.stock += from->found.stock;
	if (from->found.stock_bytes > diff->found.stock_bytes)
		diff->found.stock_bytes = from->found.stock_bytes;
	for (size_t k = 0; k < DIFF_N_KINDS; k++)
		diff->found.counts[k] += from->found.counts[k];
	for (size_t i = 0; i < from->found.n_examples; i++)
		if (diff->found.n_examples < DIFF_EXAMPLES_MAX)
			diff->found.examples[diff->found.n_examples++] =
			    from->found.examples[i];
}

uint64_t
diff_total(const struct diff *diff)
{
	uint64_t n = 0;

	for (size_t k = 0; k < DIFF_N_KINDS; k++)
		n += diff->found.counts[k];
	return n;
}

bool
diff_is_stock(const struct diff *diff)
{
	const struct diff_found *found = &diff->found;
	uint64_t n = diff_total(diff);

	return n > 0 && found->stock == n &&
	    found->counts[DIFF_PAYLOAD] + found->counts[DIFF_HEADER] == n;
}

const struct diff_found *
diff_found(const struct diff *diff)
{
	return &diff->found;
}

/* ---- captured frames by key ---- */

static int32_t
diff_key_of(const struct tape_record *record)
{
	return (record->flags & TAPE_R_HEADER) != 0 ? record->key : 0;
}

/* The method of the call that it answers; 0: none. */
static uint32_t
diff_method_of(const struct tape_record *record)
{
	struct tape_macho macho;

	return tape_macho(record, &macho) ? macho.method : 0;
}

/* Returns false for messages that relays send on their own, at any time. */
static bool
diff_is_compared(const struct tape_record *record)
{
	if ((record->flags & TAPE_R_KEEPALIVE) != 0 ||
	    diff_key_of(record) == BNET_KEY_PONG)
		return false;
	return (record->flags & TAPE_R_MESSAGE) == 0 ||
	    record->key == bnet_message_key(BNET_MSG_ERROR);
}

static bool
is_of(const struct diff_cursor *cursor, const struct tape_record *record)
{
	return diff_key_of(record) == cursor->key &&
	    diff_method_of(record) == cursor->method &&
	    diff_is_compared(record);
}

/*
 * The first record of the cursor from `record` on, examining at most *steps
 * records; NULL: none.
 */
static const struct tape_record *
find_key(const struct diff *diff, const struct tape_record *record,
    const struct diff_cursor *cursor, uint64_t *steps)
{
	while (record != NULL && !is_of(cursor, record)) {
		if ((*steps)-- == 0)
			return NULL;
		record = tape_next(diff->found.tape, record);
	}
	return record;
}

static const struct tape_record *
next_of(const struct diff *diff, const struct tape_record *record,
    const struct diff_cursor *cursor, uint64_t *steps)
{
	return find_key(
	    diff, tape_next(diff->found.tape, record), cursor, steps);
}

/* Returns NULL when there are too many cursors, or no memory. */
static struct diff_cursor *
add_cursor(struct diff *diff, struct diff_state *state, uint32_t session,
    int32_t key, uint32_t method)
{
	uint64_t steps = UINT64_MAX;
	struct diff_cursor *cursor;

	if (state->n == CURSORS_MAX || diff->n_cursors == CURSORS_ALL_MAX)
		return NULL;
	if (state->n == state->cap) {
		size_t cap = state->cap == 0 ? 2 : 2 * state->cap;
		struct diff_cursor *more =
		    realloc(state->cursors, cap * sizeof(*more));

		if (more == NULL)
			return NULL;
		state->cursors = more;
		state->cap = cap;
	}
	diff->n_cursors++;
	cursor = &state->cursors[state->n++];
	*cursor = (struct diff_cursor){ .key = key, .method = method };
	cursor->base = find_key(diff,
	    tape_first(diff->found.tape, session, CAP_DOWN), cursor, &steps);
	return cursor;
}

/*
 * Moves a cursor forward each time it is found, so that frequent keys are found
 * fast.
 */
static struct diff_cursor *
nearer(struct diff_state *state, size_t i)
{
	struct diff_cursor found = state->cursors[i];

	state->cursors[i] = state->cursors[i / 2];
	state->cursors[i / 2] = found;
	return &state->cursors[i / 2];
}

/*
 * Returns NULL when there are too many keys or virtual clients, or no memory.
 */
static struct diff_cursor *
diff_cursor(struct diff *diff, struct diff_vclient *vclient, uint32_t session,
    int32_t key, uint32_t method)
{
	struct diff_state *state = vclient->state;

	if (state == NULL)
		vclient->state = state = calloc(1, sizeof(*state));
	if (state == NULL)
		return NULL;
	for (size_t i = 0; i < state->n; i++)
		if (state->cursors[i].key == key &&
		    state->cursors[i].method == method)
			return nearer(state, i);
	return add_cursor(diff, state, session, key, method);
}

/* ---- the window ---- */

/* Settles the oldest frames until the window fits. */
static void
slide(struct diff *diff, struct diff_cursor *cursor)
{
	uint64_t steps = UINT64_MAX;

	while (cursor->n > 0 &&
	    (cursor->states[0] == DIFF_RECEIVED || cursor->n > DIFF_BACK + 1)) {
		if (cursor->states[0] == DIFF_PENDING)
			diff_count_missing(
			    diff, cursor, cursor->base, cursor->base_index);
		cursor->n--;
		memmove(cursor->states, cursor->states + 1, cursor->n);
		cursor->base_index++;
		cursor->base = next_of(diff, cursor->base, cursor, &steps);
	}
}

/* Sets the state of frame `i` and settles what leaves the window. */
static void
diff_set_state(
    struct diff *diff, struct diff_cursor *cursor, uint32_t i, uint8_t state)
{
	while (cursor->n <= i)
		cursor->states[cursor->n++] = DIFF_PENDING;
	cursor->states[i] = state;
	slide(diff, cursor);
}

static uint8_t
diff_state_of(const struct diff_cursor *cursor, uint64_t i)
{
	return i < cursor->n ? cursor->states[i] : (uint8_t)DIFF_PENDING;
}

/* Does the captured frame answer that call? */
static bool
answers(const struct tape_record *record, const struct diff_call *call)
{
	struct tape_macho macho;

	return tape_macho(record, &macho) && macho.call_id == call->captured_id;
}

/*
 * The captured answer of the same call, if it was not received yet: then it is
 * equal, or in *next.
 */
static struct diff_place
look_for_call(struct diff *diff, const struct diff_cursor *cursor,
    const struct diff_frame *received, struct diff_place *next)
{
	struct diff_place at = { cursor->base, 0 };
	struct diff_frame captured;
	uint64_t steps = WALK_MAX;

	for (; at.record != NULL && at.i < cursor->n + DIFF_AHEAD; at.i++) {
		if (diff_state_of(cursor, at.i) == DIFF_PENDING &&
		    answers(at.record, received->call)) {
			diff_of_record(&captured, at.record);
			if (diff_fields(diff, &captured, received, false) == 0)
				return at;
			*next = at;
			break;
		}
		at.record = next_of(diff, at.record, cursor, &steps);
	}
	return (struct diff_place){ NULL, 0 };
}

/*
 * Finds the equal captured frame. If there is none, *next is the frame that was
 * expected.
 */
static struct diff_place
diff_look(struct diff *diff, const struct diff_cursor *cursor,
    const struct diff_frame *received, struct diff_place *next)
{
	struct diff_place at = { cursor->base, 0 };
	struct diff_frame captured;
	uint64_t steps = WALK_MAX;

	*next = (struct diff_place){ NULL, 0 };
	diff->n_tried = 0;
	if (received->call != NULL)
		return look_for_call(diff, cursor, received, next);
	for (; at.record != NULL && at.i < cursor->n + DIFF_AHEAD; at.i++) {
		uint8_t state = diff_state_of(cursor, at.i);

		if (state != DIFF_RECEIVED) {
			diff_of_record(&captured, at.record);
			if (diff_fields(diff, &captured, received, false) == 0)
				return at;
		}
		/* prefer the first one after all received frames */
		if (state == DIFF_PENDING &&
		    (next->record == NULL ||
			(next->i < cursor->n && at.i >= cursor->n)))
			*next = at;
		at.record = next_of(diff, at.record, cursor, &steps);
	}
	return (struct diff_place){ NULL, 0 };
}

/* ---- classifying a received frame ---- */

struct arrival {
	struct diff *diff;
	const struct diff_state *state;
	struct diff_cursor *cursor;
	uint32_t session;
	const struct diff_frame *frame;
};

/*
 * An earlier frame that counted as a different version of this one was extra.
 */
static void
was_extra(const struct arrival *a, enum diff_kind kind, uint64_t index)
{
	struct diff *diff = a->diff;
	const struct diff_cursor *cursor = a->cursor;
	bool counted = !diff_kind_is_masked(diff, DIFF_EXTRA);

	diff->found.counts[kind]--;
	diff_key_row(diff, cursor)->counts[kind]--;
	diff->found.counts[DIFF_EXTRA] += counted;
	diff_key_row(diff, cursor)->counts[DIFF_EXTRA] += counted;
	for (size_t i = 0; i < diff->found.n_examples; i++) {
		struct diff_example *example = &diff->found.examples[i];

		if (example->vclient != a->state ||
		    example->key != cursor->key ||
		    example->method != cursor->method ||
		    example->index != index || example->kind != kind)
			continue;
		example->kind = DIFF_EXTRA;
		example->captured.there = false;
		example->index = example->received_index;
		if (!counted)
			*example =
			    diff->found.examples[--diff->found.n_examples];
		return;
	}
}

static bool
is_overtaken(const struct diff_cursor *cursor, uint32_t i)
{
	for (uint32_t later = i + 1; later < cursor->n; later++)
		if (cursor->states[later] == DIFF_RECEIVED)
			return true;
	return false;
}

static void
take_equal(const struct arrival *a, struct diff_place at)
{
	uint64_t index = a->cursor->base_index + at.i;
	uint8_t state = diff_state_of(a->cursor, at.i);
	struct diff_example *example;
	struct diff_frame captured;

	if (state >= DIFF_DIFFERENT)
		was_extra(a, (enum diff_kind)(state - DIFF_DIFFERENT), index);
	/* the answers of calls may come in any order */
	if (a->frame->call == NULL && is_overtaken(a->cursor, at.i)) {
		example =
		    diff_count_one(a->diff, DIFF_ORDER, a->session, a->cursor);
		if (example != NULL) {
			example->index = index;
			example->received_index = a->cursor->n_received;
			diff_of_record(&captured, at.record);
			diff_load_payload(a->diff, &captured);
			diff_show(a->diff, example, &captured, a->frame);
		}
	}
	diff_set_state(a->diff, a->cursor, at.i, DIFF_RECEIVED);
}

/*
 * Count a difference that may be the work of stock hops. The bytes that they
 * append are whole hops, behind a payload that is the same.
 */
static void
note_stock(struct diff *diff, const struct diff_frame *captured,
    const struct diff_frame *received, uint32_t fields)
{
	uint64_t a = captured->payload.len, b = received->payload.len;
	uint64_t longer = a > b ? a : b, at, n_bytes = 0;

	if ((fields &
		~(DIFF_BIT(DIFF_F_PAYLOAD) | DIFF_BIT(DIFF_F_TRAILING))) != 0 ||
	    captured->key == 0)
		return;
	if ((fields & DIFF_BIT(DIFF_F_PAYLOAD)) != 0) {
		at = first_difference(
		    diff, captured->payload, received->payload, true);
		if (at == UINT64_MAX)
			return; /* of a message, compared by its fields */
		n_bytes = (longer - at + DIFF_HOP_BYTES - 1) / DIFF_HOP_BYTES *
		    DIFF_HOP_BYTES;
	}
	/* of a way without stock hops, the payloads are the shorter ones */
	if (n_bytes > (a > b ? 1 : DIFF_HOPS_MAX) * DIFF_HOP_BYTES ||
	    n_bytes > longer || (n_bytes == longer && a == b && n_bytes > 0))
		return;
	diff->found.stock++;
	if (n_bytes > diff->found.stock_bytes)
		diff->found.stock_bytes = n_bytes;
}

static void
take_different(const struct arrival *a, struct diff_place at)
{
	enum diff_kind kind = DIFF_CODEC;
	struct diff_example *example;
	struct diff_frame captured;
	uint32_t fields;

	diff_of_record(&captured, at.record);
	fields = diff_fields(a->diff, &captured, a->frame, true);
	if ((fields & DIFF_BIT(DIFF_F_PAYLOAD)) != 0)
		kind = DIFF_PAYLOAD;
	else if ((fields & DIFF_HEADER_BITS) != 0)
		kind = DIFF_HEADER;
	diff_load_payload(a->diff, &captured);
	note_stock(a->diff, &captured, a->frame, fields);
	example = diff_count_one(a->diff, kind, a->session, a->cursor);
	if (example != NULL) {
		example->vclient = a->state;
		example->index = a->cursor->base_index + at.i;
		example->received_index = a->cursor->n_received;
		example->fields = fields;
		diff_show(a->diff, example, &captured, a->frame);
	}
	diff_set_state(
	    a->diff, a->cursor, at.i, (uint8_t)(DIFF_DIFFERENT + kind));
}

static void
take_extra(const struct arrival *a)
{
	struct diff_example *example =
	    diff_count_one(a->diff, DIFF_EXTRA, a->session, a->cursor);

	if (example == NULL)
		return;
	example->index = a->cursor->n_received;
	diff_show(a->diff, example, NULL, a->frame);
}

/* Relays send these on their own, at any time. */
static bool
is_left_out(const struct bnet_packet *packet)
{
	enum bnet_message_type type;

	if (!packet->has_header)
		return false;
	if (packet->header.key == BNET_KEY_PONG)
		return true;
	type = bnet_message_type(packet->header.key);
	return type != BNET_MSG_NONE && type != BNET_MSG_ERROR &&
	    packet->header.dest_type == BNET_DEST_HOP;
}

bool
diff_received(struct diff *diff, struct diff_vclient *vclient, uint32_t session,
    const struct bnet_packet *packet, const struct diff_ids *ids,
    const struct diff_call *call)
{
	struct diff_frame frame;
	struct arrival a = {
		.diff = diff, .session = session, .frame = &frame
	};
	struct diff_place equal, next;

	if (is_left_out(packet))
		return false;
	diff_of_packet(&frame, packet, ids, call);
	a.cursor = diff_cursor(
	    diff, vclient, session, frame.key, call != NULL ? call->method : 0);
	if (a.cursor == NULL) {
		diff->found.unlooked++;
		return true;
	}
	a.state = vclient->state;
	diff->found.compared++;
	diff_key_row(diff, a.cursor)->compared++;
	equal = diff_look(diff, a.cursor, &frame, &next);
	if (equal.record != NULL)
		take_equal(&a, equal);
	else if (next.record != NULL)
		take_different(&a, next);
	else
		take_extra(&a);
	a.cursor->n_received++;
	return true;
}

/* ---- end of a session ---- */

static void
end_record(struct diff *diff, struct diff_vclient *vclient, uint32_t session,
    const struct tape_record *record)
{
	struct diff_cursor *cursor = diff_cursor(diff, vclient, session,
	    diff_key_of(record), diff_method_of(record));
	uint64_t i;

	if (cursor == NULL) {
		diff->found.unlooked++;
		return;
	}
	/* a chain only leads forward, so earlier records are settled */
	if (cursor->base == NULL || record < cursor->base)
		return;
	i = cursor->n_ended++;
	if (diff_state_of(cursor, i) == DIFF_PENDING)
		diff_count_missing(
		    diff, cursor, record, cursor->base_index + i);
}

void
diff_ended(struct diff *diff, struct diff_vclient *vclient, uint32_t session,
    const struct tape_record *sent_to)
{
	const struct tape_record *record =
	    tape_first(diff->found.tape, session, CAP_DOWN);
	struct diff_state *state;

	for (; record != NULL; record = tape_next(diff->found.tape, record)) {
		if (sent_to != NULL && record->at_ns >= sent_to->at_ns)
			break;
		if (diff_is_compared(record))
			end_record(diff, vclient, session, record);
	}
	state = vclient->state;
	vclient->state = NULL;
	for (size_t i = 0; i < diff->found.n_examples; i++)
		if (diff->found.examples[i].vclient == state)
			diff->found.examples[i].vclient = NULL;
	if (state == NULL)
		return;
	diff->n_cursors -= state->n;
	free(state->cursors);
	free(state);
}

/* ---- entry points ---- */

struct diff *
diff_new(const struct tape *tape, const struct diff_masks *masks)
{
	struct diff *diff = calloc(1, sizeof(*diff));

	if (diff == NULL)
		return NULL;
	diff->found.tape = tape;
	diff->masks = masks;
	diff->masked = diff_masked_fields(masks);
	for (size_t i = 0; i < masks->n; i++)
		diff->ranges = diff->ranges || is_range(&masks->masks[i]);
	for (size_t i = 0; i < masks->n; i++)
		diff->paths = diff->paths || masks->masks[i].path != NULL;
	bnet_buf_init(&diff->patched, BNET_PAYLOAD_MAX_BYTES);
	bnet_buf_init(&diff->plain, BNET_PAYLOAD_MAX_BYTES);
	bnet_buf_init(&diff->store, MESSAGE_MAX_BYTES);
	diff->codecs = bnet_codecs_new();
	diff->objects = object_diff_new();
	if (diff->codecs != NULL && diff->objects != NULL &&
	    map_init(
		&diff->found.keys, sizeof(struct diff_key), 1, KEYS_ROWS_MAX))
		return diff;
	bnet_codecs_free(diff->codecs);
	object_diff_free(diff->objects);
	free(diff);
	return NULL;
}

void
diff_free(struct diff *diff)
{
	if (diff == NULL)
		return;
	bnet_codecs_free(diff->codecs);
	object_diff_free(diff->objects);
	bnet_buf_free(&diff->patched);
	bnet_buf_free(&diff->plain);
	bnet_buf_free(&diff->store);
	map_free(&diff->found.keys);
	free(diff);
}
