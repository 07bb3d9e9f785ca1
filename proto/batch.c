/* SPDX-License-Identifier: MIT */
#include "batch.h"

#include "bits.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 100
#define NODES_MAX (UINT32_C(1) << 22)
#define VALUE_BITS_MIN 3 /* None */
#define EVENT_NODES 2 /* the tuple, and the event's name */

enum value_type {
	VALUE_NONE = 0,
	VALUE_STRING = 1,
	VALUE_I32 = 2,
	VALUE_I64 = 3,
	VALUE_DOUBLE = 4,
	VALUE_LIST = 5,
	VALUE_TUPLE = 6,
	VALUE_TRUE = 7,
	VALUE_FALSE = 8,
	VALUE_DICT = 9,
	VALUE_BYTES = 10, /* a stream that is handed on as it is */
	VALUE_STREAM = 11,
};

struct bnet_batch {
	const struct bnet_strings *strings;
	uint32_t nodes_max;
	struct bnet_node *nodes;
	uint32_t n, cap;
	struct bnet_bits_rd rd;
	struct bnet_marshal *marshal;
	struct bnet_marshal_wr *writer;
	struct bnet_buf stream; /* being written */
	unsigned depth; /* of what is written */
	enum bnet_err err;
	const char *reason;
};

/* ---- reading ---- */

static bool
stop(struct bnet_batch *b, enum bnet_err err, const char *reason)
{
	if (b->err == BNET_OK) {
		b->err = err;
		b->reason = reason;
	}
	return false;
}

static bool
room(struct bnet_batch *b, uint32_t n)
{
	uint32_t more = b->cap == 0 ? 256 : b->cap * 2;
	struct bnet_node *p;

	if (n > b->nodes_max || b->n > b->nodes_max - n)
		return stop(b, BNET_ELIMIT, "too many values");
	if (b->cap - b->n >= n)
		return true;
	more = more < b->n + n ? b->n + n : more;
	p = realloc(b->nodes, more * sizeof(*p));
	if (p == NULL)
		return stop(b, BNET_ENOMEM, "out of memory");
	b->nodes = p;
	b->cap = more;
	return true;
}

/* There has to be room. */
static struct bnet_node *
add(struct bnet_batch *b, enum bnet_node_type type)
{
	struct bnet_node *node = &b->nodes[b->n++];

	*node = (struct bnet_node){ .type = (uint8_t)type };
	return node;
}

/* The next `n` bytes, after the bits that fill the byte at hand. */
static bool
block(struct bnet_batch *b, uint32_t n, struct bnet_slice *bytes)
{
	struct bnet_bits_rd *rd = &b->rd;
	const uint8_t *at;

	(void)bnet_bits_raw(rd, rd->n_acc % 8);
	if (rd->bad || n > bnet_bits_left(rd) / 8)
		return stop(b, BNET_EMARSHAL, "it ends inside of a block");
	at = rd->p - rd->n_acc / 8;
	*bytes = (struct bnet_slice){ at, n };
	bnet_bits_read(
	    rd, (struct bnet_slice){ at + n, (size_t)(rd->end - at) - n });
	return true;
}

/* 64 bits as they are. */
static double
read_double(struct bnet_bits_rd *rd)
{
	uint64_t bits = bnet_bits_raw(rd, 32);
	double v;

	bits |= (uint64_t)bnet_bits_raw(rd, 32) << 32;
	memcpy(&v, &bits, sizeof(v));
	return v;
}

static bool
add_string(struct bnet_batch *b)
{
	struct bnet_slice bytes;
	struct bnet_node *node;
	uint32_t n;

	if (bnet_bits_bool(&b->rd)) {
		n = bnet_bits_u32(&b->rd);
		if (b->rd.bad || n >= b->strings->n)
			return stop(b, BNET_EMARSHAL,
			    "a string that the table does not have");
		bytes.p = (const uint8_t *)b->strings->at[n].p;
		bytes.len = b->strings->at[n].len_bytes;
	} else if (!block(b, bnet_bits_u32(&b->rd), &bytes)) {
		return false;
	}
	node = add(b, BNET_NODE_STR);
	node->v.p = bytes.p;
	node->n = (uint32_t)bytes.len;
	return true;
}

/* A marshal stream, as a tree; what is none is bytes. */
static bool
add_stream(struct bnet_batch *b)
{
	struct bnet_object object;
	struct bnet_slice bytes;
	struct bnet_node *node;

	if (!block(b, bnet_bits_u32(&b->rd), &bytes))
		return false;
	/* what is inflated would be gone with the next one */
	if (bytes.len > 0 && bytes.p[0] != 0x78 &&
	    bnet_marshal_read(b->marshal, bytes, &object) == BNET_OK) {
		if (!room(b, object.n_nodes + 1))
			return false;
		node = add(b, BNET_NODE_STREAM);
		node->n = 1;
		node->v.span = 1 + object.n_nodes;
		memcpy(b->nodes + b->n, object.root,
		    object.n_nodes * sizeof(*node));
		b->n += object.n_nodes;
		return true;
	}
	node = add(b, BNET_NODE_BYTES);
	node->v.p = bytes.p;
	node->n = (uint32_t)bytes.len;
	return true;
}

static bool add_value(struct bnet_batch *b, unsigned depth);

static bool
add_container(struct bnet_batch *b, enum bnet_node_type type, unsigned depth)
{
	const uint32_t each = type == BNET_NODE_PAIRS ? 2 : 1, at = b->n;
	const uint32_t n = bnet_bits_u32(&b->rd);
	struct bnet_node *node;

	if (b->rd.bad || n > bnet_bits_left(&b->rd) / VALUE_BITS_MIN)
		return stop(b, BNET_EMARSHAL, "more values than there are");
	if (depth == DEPTH_MAX)
		return stop(b, BNET_ELIMIT, "too deep");
	add(b, type);
	for (uint32_t i = 0; i < n * each; i++)
		if (!add_value(b, depth + 1))
			return false;
	node = &b->nodes[at];
	node->n = n;
	node->v.span = b->n - at;
	return true;
}

static bool
add_typed(struct bnet_batch *b, uint32_t type, unsigned depth)
{
	switch (type) {
	case VALUE_NONE:
		add(b, BNET_NODE_NONE);
		return true;
	case VALUE_STRING:
		return add_string(b);
	case VALUE_I32:
		add(b, BNET_NODE_INT)->v.i = bnet_bits_i32(&b->rd);
		return true;
	case VALUE_I64:
		add(b, BNET_NODE_INT)->v.i = bnet_bits_i64(&b->rd);
		return true;
	case VALUE_DOUBLE:
		add(b, BNET_NODE_FLOAT)->v.d = read_double(&b->rd);
		return true;
	case VALUE_LIST:
		return add_container(b, BNET_NODE_LIST, depth);
	case VALUE_TUPLE:
		return add_container(b, BNET_NODE_TUPLE, depth);
	case VALUE_DICT:
		return add_container(b, BNET_NODE_PAIRS, depth);
	case VALUE_TRUE:
	case VALUE_FALSE:
		add(b, BNET_NODE_BOOL)->v.i = type == VALUE_TRUE;
		return true;
	case VALUE_BYTES:
	case VALUE_STREAM:
		return add_stream(b);
	default:
		return stop(b, BNET_EMARSHAL, "no type of a value");
	}
}

static bool
add_value(struct bnet_batch *b, unsigned depth)
{
	if (!room(b, 1) || !add_typed(b, bnet_bits_u32(&b->rd), depth))
		return false;
	if (b->rd.bad)
		return stop(b, BNET_EMARSHAL, "it ends inside of a value");
	return true;
}

static void
start(struct bnet_batch *b, struct bnet_slice in)
{
	bnet_bits_read(&b->rd, in);
	b->n = 0;
	b->err = BNET_OK;
	b->reason = "";
}

static enum bnet_err
finish(struct bnet_batch *b, struct bnet_object *object)
{
	*object = (struct bnet_object){ .n_nodes = b->n,
		.reason = b->reason,
		.root = b->err == BNET_OK ? b->nodes : NULL };
	return b->err;
}

enum bnet_err
bnet_batch_read(
    struct bnet_batch *b, struct bnet_slice in, struct bnet_object *object)
{
	struct bnet_node *tuple;

	start(b, in);
	if (room(b, EVENT_NODES)) {
		tuple = add(b, BNET_NODE_TUPLE);
		tuple->n = 2;
		if (add_string(b) && add_value(b, 0)) {
			b->nodes[0].v.span = b->n;
			if (b->nodes[EVENT_NODES].type != BNET_NODE_TUPLE)
				stop(b, BNET_EMARSHAL, "no tuple of arguments");
		}
	}
	return finish(b, object);
}

enum bnet_err
bnet_batch_read_value(
    struct bnet_batch *b, struct bnet_slice in, struct bnet_object *object)
{
	start(b, in);
	(void)add_value(b, 0);
	return finish(b, object);
}

/* ---- writing ---- */

static void put_value(
    struct bnet_batch *b, struct bnet_bits_wr *wr, const struct bnet_node *v);

static void
put_double(struct bnet_bits_wr *wr, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	bnet_bits_put(wr, (uint32_t)bits, 32);
	bnet_bits_put(wr, bits >> 32, 32);
}

static void
put_block(struct bnet_bits_wr *wr, struct bnet_slice bytes)
{
	struct bnet_buf *out = wr->out;

	bnet_bits_put_u32(wr, (uint32_t)bytes.len);
	wr->err = bnet_bits_finish(wr);
	if (wr->err == BNET_OK)
		wr->err = bnet_buf_append(out, bytes);
	if (wr->err == BNET_OK)
		bnet_bits_write(wr, out);
}

static void
put_string(
    struct bnet_batch *b, struct bnet_bits_wr *wr, const void *p, uint32_t n)
{
	const struct bnet_string *s = b->strings->at;

	for (uint32_t i = 0; i < b->strings->n; i++)
		if (s[i].len_bytes == n && memcmp(s[i].p, p, n) == 0) {
			bnet_bits_put_bool(wr, true);
			bnet_bits_put_u32(wr, i);
			return;
		}
	bnet_bits_put_bool(wr, false);
	put_block(wr, (struct bnet_slice){ p, n });
}

/* What has no type here, as a marshal stream. */
static void
put_stream(
    struct bnet_batch *b, struct bnet_bits_wr *wr, const struct bnet_node *v)
{
	const struct bnet_marshal_form form = { 0, false, true };
	enum bnet_err err;

	b->stream.max = wr->out->max;
	bnet_buf_clear(&b->stream);
	bnet_marshal_begin(b->writer, &b->stream, &form);
	bnet_put_node(b->writer, v->type == BNET_NODE_STREAM ? v + 1 : v);
	err = bnet_marshal_finish(b->writer);
	if (err != BNET_OK) {
		b->err = b->err == BNET_OK ? err : b->err;
		return;
	}
	bnet_bits_put_u32(wr, VALUE_STREAM);
	put_block(wr, bnet_buf_slice(&b->stream));
}

static void
put_container(struct bnet_batch *b, struct bnet_bits_wr *wr, uint32_t type,
    const struct bnet_node *v)
{
	const bool dict = v->type == BNET_NODE_DICT;
	const struct bnet_node *at = v + 1, *next;

	bnet_bits_put_u32(wr, type);
	bnet_bits_put_u32(wr, v->n);
	if (b->depth == DEPTH_MAX)
		b->err = BNET_ELIMIT;
	b->depth++;
	for (uint32_t i = bnet_node_children(v);
	     i > 0 && b->err == BNET_OK && wr->err == BNET_OK;) {
		next = bnet_node_next(at);
		put_value(b, wr, dict ? next : at);
		i--;
		if (dict) {
			put_value(b, wr, at);
			next = bnet_node_next(next);
			i--;
		}
		at = next;
	}
	b->depth--;
}

static void
put_leaf(
    struct bnet_batch *b, struct bnet_bits_wr *wr, const struct bnet_node *v)
{
	switch (v->type) {
	case BNET_NODE_NONE:
		bnet_bits_put_u32(wr, VALUE_NONE);
		break;
	case BNET_NODE_BOOL:
		bnet_bits_put_u32(wr, v->v.i != 0 ? VALUE_TRUE : VALUE_FALSE);
		break;
	case BNET_NODE_INT:
		bnet_bits_put_u32(wr, VALUE_I64);
		bnet_bits_put_i64(wr, v->v.i);
		break;
	case BNET_NODE_FLOAT:
		bnet_bits_put_u32(wr, VALUE_DOUBLE);
		put_double(wr, v->v.d);
		break;
	case BNET_NODE_STR:
		bnet_bits_put_u32(wr, VALUE_STRING);
		put_string(b, wr, v->v.p, v->n);
		break;
	default:
		put_stream(b, wr, v);
	}
}

static void
put_value(
    struct bnet_batch *b, struct bnet_bits_wr *wr, const struct bnet_node *v)
{
	switch (v->type) {
	case BNET_NODE_LIST:
		put_container(b, wr, VALUE_LIST, v);
		break;
	case BNET_NODE_TUPLE:
		put_container(b, wr, VALUE_TUPLE, v);
		break;
	case BNET_NODE_DICT:
	case BNET_NODE_PAIRS:
		put_container(b, wr, VALUE_DICT, v);
		break;
	case BNET_NODE_REF:
		v = bnet_node_target(v);
		if (v == NULL)
			b->err = BNET_EMARSHAL; /* a circle */
		else
			put_value(b, wr, v);
		break;
	default:
		put_leaf(b, wr, v);
	}
}

enum bnet_err
bnet_batch_write_value(
    struct bnet_batch *b, const struct bnet_node *value, struct bnet_buf *out)
{
	struct bnet_bits_wr wr;
	enum bnet_err err;

	b->depth = 0;
	b->err = BNET_OK;
	bnet_bits_write(&wr, out);
	put_value(b, &wr, value);
	err = bnet_bits_finish(&wr);
	return b->err != BNET_OK ? b->err : err;
}

enum bnet_err
bnet_batch_write(struct bnet_batch *b, const char *event,
    const struct bnet_node *args, struct bnet_buf *out)
{
	struct bnet_bits_wr wr;
	enum bnet_err err;

	b->depth = 0;
	b->err = args->type == BNET_NODE_TUPLE ? BNET_OK : BNET_EMARSHAL;
	bnet_bits_write(&wr, out);
	put_string(b, &wr, event, (uint32_t)strlen(event));
	put_value(b, &wr, args);
	err = bnet_bits_finish(&wr);
	return b->err != BNET_OK ? b->err : err;
}

/* ---- the clock ---- */

enum bnet_err
bnet_sim_clock_read(struct bnet_slice in, struct bnet_sim_clock *clock)
{
	struct bnet_bits_rd rd;

	bnet_bits_read(&rd, in);
	clock->sim_time = bnet_bits_i64(&rd);
	clock->dilation = read_double(&rd);
	clock->wall_clock = bnet_bits_i64(&rd);
	return rd.bad ? BNET_EMESSAGE : BNET_OK;
}

enum bnet_err
bnet_sim_clock_write(const struct bnet_sim_clock *clock, struct bnet_buf *out)
{
	struct bnet_bits_wr wr;

	bnet_bits_write(&wr, out);
	bnet_bits_put_i64(&wr, clock->sim_time);
	put_double(&wr, clock->dilation);
	bnet_bits_put_i64(&wr, clock->wall_clock);
	return bnet_bits_finish(&wr);
}

/* ---- */

struct bnet_batch *
bnet_batch_new(const struct bnet_marshal_settings *set)
{
	struct bnet_batch *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->strings = set != NULL && set->strings != NULL
	    ? set->strings
	    : bnet_strings_builtin();
	b->nodes_max =
	    set != NULL && set->nodes_max != 0 ? set->nodes_max : NODES_MAX;
	bnet_buf_init(&b->stream, SIZE_MAX / 2);
	b->marshal = bnet_marshal_new(set);
	b->writer = bnet_marshal_wr_new(b->strings);
	if (b->marshal != NULL && b->writer != NULL)
		return b;
	bnet_batch_free(b);
	return NULL;
}

void
bnet_batch_free(struct bnet_batch *b)
{
	if (b == NULL)
		return;
	bnet_marshal_free(b->marshal);
	bnet_marshal_wr_free(b->writer);
	bnet_buf_free(&b->stream);
	free(b->nodes);
	free(b);
}
