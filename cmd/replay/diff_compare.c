/* SPDX-License-Identifier: MIT */
/* Two frames: which fields differ. */
#include "cmd/replay/diff_impl.h"

#include <string.h>

#define SNAPPY_SIZE_BYTES 5 /* at most, of the varint in front */

/* ---- frames ---- */

void
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

void
diff_of_packet(struct diff_frame *frame, const struct bnet_packet *packet,
    const struct diff_ids *ids)
{
	*frame = (struct diff_frame){
		.has_header = packet->has_header,
		.codec = packet->codec,
		.trailing = packet->oob,
		.payload = packet->payload,
		.ids = ids,
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

/* What the tape holds of it, where it can not be decompressed. */
void
diff_load_payload(struct diff *diff, struct diff_frame *captured)
{
	const struct tape_record *record = captured->record;

	captured->payload = tape_payload(record);
	if (captured->codec != BNET_CODEC_NONE &&
	    bnet_codec_decode(diff->codecs, captured->codec,
		(enum bnet_order)tape_session(diff->tape, record->session)
		    ->order,
		captured->payload, BNET_PAYLOAD_MAX_BYTES,
		&diff->plain) == BNET_OK)
		captured->payload = bnet_buf_slice(&diff->plain);
}

/*
 * How long the captured payload says it is: another length need not be
 * decompressed.
 */
static bool
length_fits(const struct diff *diff, const struct diff_frame *captured,
    uint64_t n_bytes)
{
	struct bnet_slice in = tape_payload(captured->record);
	bool little =
	    tape_session(diff->tape, captured->record->session)->order !=
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
	uint32_t bits = 0; /* b is the received one */

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

/* Without clocks and reasons. 0: it is no such message, or a bad one. */
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
first_difference(
    const struct diff *diff, struct bnet_slice a, struct bnet_slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	size_t longer = a.len < b.len ? b.len : a.len;

	if (a.len == b.len && (n == 0 || memcmp(a.p, b.p, n) == 0))
		return UINT64_MAX;
	for (size_t i = 0; i < longer; i++)
		if ((i >= n || a.p[i] != b.p[i]) &&
		    !(diff->ranges && diff_byte_is_masked(diff->masks, i)))
			return i;
	return UINT64_MAX;
}

static bool
payloads_differ(struct diff *diff, struct diff_frame *captured,
    const struct diff_frame *received)
{
	uint64_t a[DIFF_VALUES_MAX], b[DIFF_VALUES_MAX];
	bool message = diff_value_names(captured->key) != NULL;
	size_t n;

	if (!message && !diff->ranges &&
	    !length_fits(diff, captured, received->payload.len))
		return true;
	diff_load_payload(diff, captured);
	n = message_values(diff, captured, a);
	if (n > 0 && message_values(diff, received, b) == n)
		return memcmp(a, b, n * sizeof(a[0])) != 0;
	return first_difference(diff, captured->payload, received->payload) !=
	    UINT64_MAX;
}

uint32_t
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

void
diff_show(struct diff *diff, struct diff_example *example,
    const struct diff_frame *captured, const struct diff_frame *received)
{
	uint64_t at = 0;

	if (captured != NULL && received != NULL)
		at = first_difference(
		    diff, captured->payload, received->payload);
	at = at == UINT64_MAX ? 0 : at - at % (DIFF_HEX_BYTES / 2);
	if (captured != NULL)
		show_side(diff, &example->captured, captured, at);
	if (received != NULL)
		show_side(diff, &example->received, received, at);
}
