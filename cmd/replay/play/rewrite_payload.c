/* SPDX-License-Identifier: MIT */
#include "cmd/replay/play/rewrite_payload.h"

#include "cmd/common/payload.h"
#include "proto/codec.h"
#include "proto/header.h"

#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

#define EDITS_MAX 4
#define TYPE_MASK 0x3f
#define FLAG_SHARED 0x40
#define LONG_MAX_BYTES 8
#define INT_MAX_BYTES (2 + LONG_MAX_BYTES) /* with opcode and length */
#define OP_CHECKSUM 0x1c
#define CHECKSUM_BYTES 5 /* with its opcode */
#define V0_BYTE 0x7e
#define V0_HEAD_BYTES 5
#define V1_HEAD_BYTES 2
#define ZLIB_BYTE 0x78

/* In place of old_bytes at `at`. */
struct edit {
	uint32_t at, old_bytes, new_bytes;
	uint8_t bytes[INT_MAX_BYTES];
};

struct rewrite_payload {
	struct payload_reader *reader;
	struct bnet_buf inflated, changed, deflated;
};

struct edits {
	const struct bnet_node *root;
	struct bnet_slice stream;
	struct edit list[EDITS_MAX]; /* by `at` */
	size_t n;
	enum rewrite_result result;
};

struct rewrite_payload *
rewrite_payload_new(void)
{
	struct rewrite_payload *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	bnet_buf_init(&r->inflated, BNET_PAYLOAD_MAX_BYTES);
	bnet_buf_init(&r->changed, BNET_PAYLOAD_MAX_BYTES);
	bnet_buf_init(&r->deflated, BNET_PAYLOAD_MAX_BYTES);
	r->reader = payload_reader_new(false);
	if (r->reader != NULL)
		return r;
	free(r);
	return NULL;
}

void
rewrite_payload_free(struct rewrite_payload *r)
{
	if (r == NULL)
		return;
	payload_reader_free(r->reader);
	bnet_buf_free(&r->inflated);
	bnet_buf_free(&r->changed);
	bnet_buf_free(&r->deflated);
	free(r);
}

/* ---- integers ---- */

/* The bytes of an integer's value, by its opcode; -1: of none. */
static int
value_bytes(const uint8_t *p, size_t n)
{
	switch (p[0] & TYPE_MASK) {
	case 0x03:
		return 8;
	case 0x04:
		return 4;
	case 0x05:
		return 2;
	case 0x06:
		return 1;
	case 0x07:
	case 0x08:
	case 0x09:
		return 0;
	case 0x2f: /* with its length; who refers to it would get the new id */
		if ((p[0] & FLAG_SHARED) != 0 || n < 2 || p[1] > LONG_MAX_BYTES)
			return -1;
		return p[1];
	default:
		return -1;
	}
}

static bool
fits(int64_t v, int n_bytes)
{
	int64_t half;

	if (n_bytes == 8)
		return true;
	if (n_bytes == 0)
		return false;
	half = INT64_C(1) << (8 * n_bytes - 1);
	return v >= -half && v < half;
}

static void
put_le(uint8_t *p, int64_t v, int n_bytes)
{
	for (int i = 0; i < n_bytes; i++)
		p[i] = (uint8_t)((uint64_t)v >> (8 * i));
}

/* As the published writer does. */
static void
put_short(struct edit *edit, int64_t v)
{
	uint8_t *p = edit->bytes;
	int n = 1;

	if (v >= -1 && v <= 1) {
		p[0] = (uint8_t)(0x08 + v);
		edit->new_bytes = 1;
		return;
	}
	while (!fits(v, n))
		n++;
	if (n == 3)
		n = 4;
	p[0] = (uint8_t)(n == 1 ? 0x06 : n == 2 ? 0x05 : 0x04);
	edit->new_bytes = 1 + (uint32_t)n;
	if (n > 4) {
		p[0] = 0x2f;
		p[1] = (uint8_t)n;
		edit->new_bytes++;
	}
	put_le(p + edit->new_bytes - n, v, n);
}

static bool
make_edit(struct edit *edit, const uint8_t *p, size_t left, int64_t v)
{
	bool constant = (p[0] & TYPE_MASK) >= 0x07 && (p[0] & TYPE_MASK) <= 9;
	uint32_t head = (p[0] & TYPE_MASK) == 0x2f ? 2 : 1;
	int n = value_bytes(p, left);

	if (n < 0 || left < head + (size_t)n)
		return false;
	edit->old_bytes = head + (uint32_t)n;
	if (constant || !fits(v, n)) {
		put_short(edit, v);
		return true;
	}
	memcpy(edit->bytes, p, head);
	put_le(edit->bytes + head, v, n);
	edit->new_bytes = edit->old_bytes;
	return true;
}

/* ---- what is changed ---- */

/* Its place is one in the stream itself, not in a stream inside of it. */
static bool
is_outside(const struct edits *edits, const struct bnet_node *node)
{
	for (const struct bnet_node *at = edits->root; at < node; at++)
		if (at->type == BNET_NODE_STREAM && bnet_node_next(at) > node)
			return false;
	return true;
}

static void
change(struct edits *edits, const struct bnet_node *node, int64_t v)
{
	struct edit edit = { .at = node->n };
	size_t i = edits->n;

	if (node->v.i == v)
		return;
	if (node->n == 0 || edits->n == EDITS_MAX || !is_outside(edits, node) ||
	    node->n >= edits->stream.len ||
	    !make_edit(&edit, edits->stream.p + node->n,
		edits->stream.len - node->n, v)) {
		edits->result = REWRITE_FORM;
		return;
	}
	for (size_t k = 0; k < edits->n; k++)
		if (edits->list[k].at == edit.at)
			return; /* both addresses are one object */
	for (; i > 0 && edits->list[i - 1].at > edit.at; i--)
		edits->list[i] = edits->list[i - 1];
	edits->list[i] = edit;
	edits->n++;
}

static void
change_client(struct edits *edits, const struct bnet_macho_address *address,
    const struct rewrite_ids *ids)
{
	int64_t id;

	if (address->type == BNET_DEST_CLIENT &&
	    bnet_node_i64(address->id, &id) && id != 0)
		change(edits, address->id, ids->client(ids->arg, id));
}

static void
change_call(struct edits *edits, const struct bnet_macho_address *address,
    int64_t from, int64_t to)
{
	int64_t id;

	if (bnet_node_i64(address->call_id, &id) && id == from)
		change(edits, address->call_id, to);
}

static void
change_all(struct edits *edits, const struct bnet_macho *macho,
    const struct rewrite_ids *ids)
{
	int64_t to;

	change_client(edits, &macho->source, ids);
	change_client(edits, &macho->destination, ids);
	if (!macho->has_call_id)
		return;
	if (!ids->call(ids->arg, macho->call_id, &to)) {
		edits->result = REWRITE_NO_ID;
		return;
	}
	change_call(edits, &macho->source, macho->call_id, to);
	change_call(edits, &macho->destination, macho->call_id, to);
}

/* ---- the stream with its changes ---- */

static bool
splice(const struct edits *edits, struct bnet_buf *out)
{
	struct bnet_slice in = edits->stream;
	size_t at = 0;

	bnet_buf_clear(out);
	for (size_t i = 0; i < edits->n; i++) {
		const struct edit *edit = &edits->list[i];
		const struct bnet_slice before = { in.p + at, edit->at - at };
		const struct bnet_slice bytes = { edit->bytes,
			edit->new_bytes };

		if (bnet_buf_append(out, before) != BNET_OK ||
		    bnet_buf_append(out, bytes) != BNET_OK)
			return false;
		at = edit->at + edit->old_bytes;
	}
	return bnet_buf_append(out, bnet_slice_from(in, at)) == BNET_OK;
}

static uint32_t
sum_of(struct bnet_slice stream, size_t from)
{
	return (uint32_t)adler32(1, stream.p + from, (uInt)(stream.len - from));
}

/*
 * Makes the checksum again, if there is one. Returns false if the old one is
 * not of all that follows: then bytes are behind the object of a version 1, and
 * nothing says where it ends.
 */
static bool
mend_checksum(struct bnet_slice in, struct bnet_buf *out)
{
	size_t head = in.p[0] == V0_BYTE ? V0_HEAD_BYTES : V1_HEAD_BYTES;
	size_t from = head + CHECKSUM_BYTES;
	uint8_t sum[4];

	if (in.len <= from || (in.p[head] & TYPE_MASK) != OP_CHECKSUM)
		return true;
	put_le(sum, (int64_t)sum_of(in, from), sizeof(sum));
	if (memcmp(sum, in.p + head + 1, sizeof(sum)) != 0)
		return false;
	put_le(out->p + out->at + head + 1,
	    (int64_t)sum_of(bnet_buf_slice(out), from), sizeof(sum));
	return true;
}

/* Of a payload that is no packet: why not, if it could have been one. */
static enum rewrite_result
no_packet(const struct payload *payload)
{
	struct bnet_instance instance;
	const struct bnet_node *root = payload->root;

	if (root == NULL)
		return REWRITE_NOTHING;
	root = bnet_node_target(root);
	if (root != NULL && root->type == BNET_NODE_PICKLE)
		return REWRITE_PICKLE;
	if (payload->reason[0] != '\0')
		return REWRITE_MALFORMED;
	if (root != NULL && bnet_node_instance(root, &instance) &&
	    instance.class_name->type == BNET_NODE_GLOBAL &&
	    memmem(instance.class_name->v.p, instance.class_name->n, "macho",
		5) != NULL)
		return REWRITE_FORM;
	return REWRITE_NOTHING;
}

static enum rewrite_result
rewrite_stream(struct rewrite_payload *r, struct bnet_slice in,
    const struct rewrite_ids *ids, struct bnet_slice *out)
{
	const struct payload *payload = payload_read(r->reader, 0, in);
	struct edits edits = {
		.root = payload->root, .stream = in, .result = REWRITE_DONE
	};

	if (payload->kind != PAYLOAD_MACHO)
		return no_packet(payload);
	if (payload->reason[0] != '\0')
		return REWRITE_MALFORMED;
	change_all(&edits, &payload->macho, ids);
	if (edits.result != REWRITE_DONE)
		return edits.result;
	if (edits.n == 0)
		return REWRITE_NOTHING;
	if (!splice(&edits, &r->changed) || !mend_checksum(in, &r->changed))
		return REWRITE_FORM;
	*out = bnet_buf_slice(&r->changed);
	return REWRITE_DONE;
}

/* ---- zlib around a stream ---- */

/* Returns false if it is none that ends. *used: its bytes. */
static bool
unpack(struct bnet_slice in, struct bnet_buf *out, size_t *used)
{
	z_stream z = { .next_in = in.p, .avail_in = (uInt)in.len };
	int result = inflateInit(&z);
	uint8_t *tail;

	bnet_buf_clear(out);
	if (result != Z_OK)
		return false;
	do {
		size_t part = out->max - out->len;

		part = part > 65536 ? 65536 : part;
		if (part == 0 || bnet_buf_room(out, part, &tail) != BNET_OK)
			break;
		z.next_out = tail;
		z.avail_out = (uInt)part;
		result = inflate(&z, Z_NO_FLUSH);
		bnet_buf_added(out, part - z.avail_out);
	} while (result == Z_OK && z.avail_out == 0);
	*used = in.len - z.avail_in;
	inflateEnd(&z);
	return result == Z_STREAM_END;
}

static bool
pack(struct bnet_slice in, struct bnet_slice behind, struct bnet_buf *out)
{
	uLongf n = compressBound((uLong)in.len);
	uint8_t *tail;

	bnet_buf_clear(out);
	if (bnet_buf_room(out, n, &tail) != BNET_OK ||
	    compress(tail, &n, in.p, (uLong)in.len) != Z_OK)
		return false;
	bnet_buf_added(out, n);
	return bnet_buf_append(out, behind) == BNET_OK;
}

enum rewrite_result
rewrite_payload(struct rewrite_payload *r, struct bnet_slice in,
    const struct rewrite_ids *ids, struct bnet_slice *out)
{
	enum rewrite_result result;
	size_t used = 0;

	*out = in;
	if (!bnet_marshal_is(in))
		return REWRITE_NOTHING;
	if (in.p[0] != ZLIB_BYTE)
		return rewrite_stream(r, in, ids, out);
	if (!unpack(in, &r->inflated, &used))
		return REWRITE_MALFORMED;
	if (r->inflated.len > 0 && r->inflated.p[r->inflated.at] == ZLIB_BYTE)
		return REWRITE_FORM;
	result = rewrite_stream(r, bnet_buf_slice(&r->inflated), ids, out);
	if (result == REWRITE_DONE &&
	    pack(*out, bnet_slice_from(in, used), &r->deflated))
		*out = bnet_buf_slice(&r->deflated);
	else if (result == REWRITE_DONE)
		result = REWRITE_FORM;
	if (result != REWRITE_DONE)
		*out = in;
	return result;
}
