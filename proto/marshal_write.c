/* SPDX-License-Identifier: MIT */
/*
 * In this order: bytes; the frames that count what is still to come; values;
 * shared objects; trees; begin and end.
 */
#include "marshal_write.h"

#include "marshal.h"
#include "row_impl.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define V0_BYTE 0x7e
#define V1_BYTE 0x7d
#define FLAG_SHARED 0x40
#define LEN_LONG 0xff
#define HASH_SLOTS 512 /* a power of two; BNET_STRINGS_MAX fit well */
#define UNTIL_MARK UINT32_MAX
#define PART_TUPLE 3 /* left of a reduce: tuple, items, pairs */
#define PART_ITEMS 2
#define PART_PAIRS 1

/* A container that is being written. */
struct frame {
	uint32_t left; /* values to come */
	bool reduce; /* left is a part */
	bool pairs; /* until the mark, two by two */
};

struct bnet_marshal_wr {
	const struct bnet_strings *strings;
	uint8_t hash[HASH_SLOTS]; /* index of the table, 0: none */
	struct bnet_buf *out;
	struct bnet_marshal_form form;
	size_t start; /* of the stream, in out */
	enum bnet_err err;
	uint32_t depth;
	struct frame frames[BNET_MARSHAL_DEPTH_MAX + 1];
	bool share_next;
	uint32_t n_shared; /* objects that were flagged */
	uint32_t n_ids; /* of them, referred to; version 0 numbers those */
	uint32_t cap_shared;
	struct shared {
		uint32_t id; /* version 0: 0 where not referred to yet */
		uint32_t node; /* of a tree */
	} * shared;
	const struct bnet_node *root; /* of the tree that is being written */
	uint32_t first_shared; /* of that tree */
	/* for rows */
	struct bnet_row_column *columns;
	uint32_t cap_columns;
	struct bnet_buf block;
	/* for streams in streams */
	struct bnet_marshal_wr *inner;
	struct bnet_buf inner_out;
	uint32_t level;
};

/* ---- bytes ---- */

static void
fail(struct bnet_marshal_wr *w, enum bnet_err err)
{
	if (w->err == BNET_OK)
		w->err = err;
}

static void
raw(struct bnet_marshal_wr *w, const void *p, size_t n)
{
	if (w->err == BNET_OK && n > 0)
		fail(w, bnet_buf_append(w->out, (struct bnet_slice){ p, n }));
}

/* The lowest `n` bytes of `v`. */
static void
little(struct bnet_marshal_wr *w, uint64_t v, size_t n)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < n; i++, v >>= 8)
		bytes[i] = (uint8_t)v;
	raw(w, bytes, n);
}

static void
len(struct bnet_marshal_wr *w, size_t n)
{
	if (n < LEN_LONG) {
		little(w, n, 1);
		return;
	}
	if (n > INT32_MAX)
		fail(w, BNET_ELIMIT);
	little(w, LEN_LONG, 1);
	little(w, n, 4);
}

/* Overwrite what was kept free, `at` bytes into the stream. */
static void
patch(struct bnet_marshal_wr *w, size_t at, uint32_t v)
{
	uint8_t *p = w->out->p + w->out->at + w->start + at;

	for (size_t i = 0; i < 4; i++, v >>= 8)
		p[i] = (uint8_t)v;
}

/* ---- frames ---- */

/* A value begins: is there a place for it? */
static bool
begin_value(struct bnet_marshal_wr *w)
{
	const struct frame *f = &w->frames[w->depth];

	if (f->left == 0 || (f->reduce && f->left != PART_TUPLE))
		fail(w, BNET_EMARSHAL);
	return w->err == BNET_OK;
}

static void
push(struct bnet_marshal_wr *w, struct frame frame)
{
	if (w->depth == BNET_MARSHAL_DEPTH_MAX)
		fail(w, BNET_ELIMIT);
	else
		w->frames[++w->depth] = frame;
}

/* A value is complete, and so may be what it is in. */
static void
end_value(struct bnet_marshal_wr *w)
{
	struct frame *f = &w->frames[w->depth];

	while (w->err == BNET_OK) {
		f->left--;
		if (f->reduce && f->left > 0) {
			push(w,
			    (struct frame){
				UNTIL_MARK, false, f->left == PART_PAIRS });
			return;
		}
		if (f->left > 0 || w->depth == 0)
			return;
		f = &w->frames[--w->depth];
	}
}

/* Enter the object in the table, if that was asked for. */
static uint8_t
take_flag(struct bnet_marshal_wr *w)
{
	bool share = w->share_next;

	w->share_next = false;
	return share ? FLAG_SHARED : 0;
}

/* What has no table entry was asked for one. */
static void
no_flag(struct bnet_marshal_wr *w)
{
	if (w->share_next)
		fail(w, BNET_EMARSHAL);
	w->share_next = false;
}

static void
op(struct bnet_marshal_wr *w, uint8_t type)
{
	no_flag(w);
	little(w, type, 1);
}

static void
shareable(struct bnet_marshal_wr *w, uint8_t type)
{
	little(w, (uint8_t)(type | take_flag(w)), 1);
}

/* ---- values ---- */

static void
constant(struct bnet_marshal_wr *w, uint8_t type)
{
	if (!begin_value(w))
		return;
	op(w, type);
	end_value(w);
}

void
bnet_put_none(struct bnet_marshal_wr *w)
{
	constant(w, 0x01);
}

void
bnet_put_bool(struct bnet_marshal_wr *w, bool v)
{
	constant(w, v ? 0x1f : 0x20);
}

/* A number of `n` bytes, two's complement, as short as it gets. */
static void
put_long(struct bnet_marshal_wr *w, const uint8_t *p, size_t n)
{
	while (n > 1 &&
	    ((p[n - 1] == 0 && p[n - 2] < 0x80) ||
		(p[n - 1] == 0xff && p[n - 2] >= 0x80)))
		n--;
	shareable(w, 0x2f);
	len(w, n);
	raw(w, p, n);
}

static void
put_long64(struct bnet_marshal_wr *w, uint64_t v, bool above)
{
	uint8_t bytes[9];

	for (size_t i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(v >> (8 * i));
	bytes[8] = above || v <= INT64_MAX ? 0 : 0xff;
	put_long(w, bytes, sizeof(bytes));
}

void
bnet_put_int(struct bnet_marshal_wr *w, int64_t v)
{
	size_t n = 4;

	if (!begin_value(w))
		return;
	if (v < INT32_MIN || v > INT32_MAX) {
		put_long64(w, (uint64_t)v, false);
	} else if (v >= -1 && v <= 1) {
		op(w, (uint8_t)(0x08 + v));
	} else {
		if (v >= INT16_MIN && v <= INT16_MAX)
			n = v >= INT8_MIN && v <= INT8_MAX ? 1 : 2;
		op(w, n == 1 ? 0x06 : n == 2 ? 0x05 : 0x04);
		little(w, (uint64_t)v, n);
	}
	end_value(w);
}

void
bnet_put_float(struct bnet_marshal_wr *w, double v)
{
	uint64_t bits;

	if (!begin_value(w))
		return;
	memcpy(&bits, &v, sizeof(bits));
	if (bits << 1 == 0) {
		op(w, 0x0b);
	} else {
		op(w, 0x0a);
		little(w, bits, 8);
	}
	end_value(w);
}

static uint32_t
hash_of(const char *p, size_t n)
{
	uint32_t hash = UINT32_C(2166136261);

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (uint8_t)p[i]) * UINT32_C(16777619);
	return hash ^ hash >> 16;
}

static void
fill_hash(struct bnet_marshal_wr *w)
{
	const struct bnet_strings *strings = w->strings;
	uint32_t at;

	for (uint32_t i = 0; i < strings->n && i < BNET_STRINGS_MAX; i++) {
		at = hash_of(strings->at[i].p, strings->at[i].len_bytes);
		while (w->hash[at % HASH_SLOTS] != 0)
			at++;
		w->hash[at % HASH_SLOTS] = (uint8_t)(i + 1);
	}
}

/* The index of a string of the table; 0: none. */
static uint8_t
find_string(const struct bnet_marshal_wr *w, const char *p, size_t n)
{
	const struct bnet_string *s;
	uint8_t index;

	for (uint32_t at = hash_of(p, n);; at++) {
		index = w->hash[at % HASH_SLOTS];
		if (index == 0)
			return 0;
		s = &w->strings->at[index - 1];
		if (s->len_bytes == n && memcmp(s->p, p, n) == 0)
			return index;
	}
}

/* The bytes of the UTF-8 character at `p` (RFC 3629); 0: it is none. */
static size_t
utf8_bytes(const uint8_t *p, size_t n)
{
	size_t more = p[0] < 0x80 ? 0
	    : p[0] < 0xc2         ? n
	    : p[0] < 0xe0         ? 1
	    : p[0] < 0xf0         ? 2
	    : p[0] < 0xf5         ? 3
				  : n;

	if (more >= n)
		return 0;
	for (size_t i = 1; i <= more; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90))
		return 0;
	return 1 + more;
}

static bool
is_utf8(const char *text, size_t n)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t one;

	for (; n > 0; p += one, n -= one) {
		one = utf8_bytes(p, n);
		if (one == 0)
			return false;
	}
	return true;
}

void
bnet_put_str(struct bnet_marshal_wr *w, const char *utf8, size_t n)
{
	uint8_t index = n > 0 ? find_string(w, utf8, n) : 0;

	if (!begin_value(w))
		return;
	if (!is_utf8(utf8, n))
		fail(w, BNET_EMARSHAL);
	if (n == 0) {
		op(w, 0x28);
	} else if (index != 0) {
		op(w, 0x11);
		little(w, index, 1);
	} else if (n == 1) {
		op(w, 0x29);
		raw(w, utf8, 1);
	} else {
		op(w, 0x12);
		len(w, n);
		raw(w, utf8, n);
	}
	end_value(w);
}

static void
put_counted(struct bnet_marshal_wr *w, uint8_t type, const void *p, size_t n)
{
	if (!begin_value(w))
		return;
	if (type == 0x2b || type == 0x1a)
		op(w, type);
	else
		shareable(w, type);
	len(w, n);
	raw(w, p, n);
	end_value(w);
}

void
bnet_put_bytes(struct bnet_marshal_wr *w, struct bnet_slice bytes)
{
	put_counted(w, 0x13, bytes.p, bytes.len);
}

void
bnet_put_global(struct bnet_marshal_wr *w, const char *name, size_t n_bytes)
{
	put_counted(w, 0x02, name, n_bytes);
}

void
bnet_put_stream(struct bnet_marshal_wr *w, struct bnet_slice stream)
{
	put_counted(w, 0x2b, stream.p, stream.len);
}

/* `left` values are to come; of none, it is complete. */
static void
open_frame(struct bnet_marshal_wr *w, struct frame frame)
{
	if (frame.left == 0)
		end_value(w);
	else
		push(w, frame);
}

void
bnet_put_tuple(struct bnet_marshal_wr *w, uint32_t n)
{
	static const uint8_t types[] = { 0x24, 0x25, 0x2c };

	if (!begin_value(w))
		return;
	if (n == 0)
		op(w, types[0]);
	else
		shareable(w, n > 2 ? 0x14 : types[n]);
	if (n > 2)
		len(w, n);
	open_frame(w, (struct frame){ .left = n });
}

void
bnet_put_list(struct bnet_marshal_wr *w, uint32_t n)
{
	if (!begin_value(w))
		return;
	if (n == 0)
		op(w, 0x26);
	else
		shareable(w, n == 1 ? 0x27 : 0x15);
	if (n > 1)
		len(w, n);
	open_frame(w, (struct frame){ .left = n });
}

void
bnet_put_dict(struct bnet_marshal_wr *w, uint32_t n)
{
	if (!begin_value(w))
		return;
	if (n > INT32_MAX)
		fail(w, BNET_ELIMIT);
	shareable(w, 0x16);
	len(w, n);
	open_frame(w, (struct frame){ .left = 2 * n });
}

static void
open_reduce(struct bnet_marshal_wr *w, uint8_t type)
{
	if (!begin_value(w))
		return;
	shareable(w, type);
	push(w, (struct frame){ .left = PART_TUPLE, .reduce = true });
}

void
bnet_put_newobj(struct bnet_marshal_wr *w)
{
	open_reduce(w, 0x23);
}

void
bnet_put_reduce(struct bnet_marshal_wr *w)
{
	open_reduce(w, 0x22);
}

void
bnet_put_mark(struct bnet_marshal_wr *w)
{
	const struct frame *f = &w->frames[w->depth];

	/* a container has no more than INT32_MAX values */
	if (f->left < UINT32_MAX / 2 || f->reduce || w->share_next ||
	    (f->pairs && (UNTIL_MARK - f->left) % 2 != 0))
		fail(w, BNET_EMARSHAL);
	if (w->err != BNET_OK)
		return;
	little(w, 0x2d, 1);
	w->depth--;
	end_value(w);
}

/* ---- shared objects ---- */

static uint32_t
add_shared(struct bnet_marshal_wr *w, uint32_t node)
{
	uint32_t more = w->cap_shared * 2 + 16;
	struct shared *p;

	if (!w->form.share || w->share_next)
		fail(w, BNET_EMARSHAL);
	if (w->n_shared == w->cap_shared) {
		p = w->n_shared > UINT32_MAX / 64
		    ? NULL
		    : realloc(w->shared, more * sizeof(*p));
		if (p == NULL) {
			fail(w, BNET_ENOMEM);
			return 0;
		}
		w->shared = p;
		w->cap_shared = more;
	}
	w->shared[w->n_shared] = (struct shared){ 0, node };
	w->share_next = true;
	return w->n_shared++;
}

uint32_t
bnet_put_shared(struct bnet_marshal_wr *w)
{
	return w->err == BNET_OK ? add_shared(w, UINT32_MAX) : 0;
}

/* Version 0 numbers objects from 1 as references to them come. */
void
bnet_put_ref(struct bnet_marshal_wr *w, uint32_t number)
{
	if (!begin_value(w))
		return;
	if (number >= w->n_shared) {
		fail(w, BNET_EMARSHAL);
		return;
	}
	op(w, 0x1b);
	if (w->form.version == 0) {
		if (w->shared[number].id == 0)
			w->shared[number].id = ++w->n_ids;
		number = w->shared[number].id;
	}
	len(w, number);
	end_value(w);
}

/* ---- trees ---- */

static void put_tree(struct bnet_marshal_wr *w, const struct bnet_node *node);

/* The number of a node that was entered, or UINT32_MAX. */
static uint32_t
number_of(const struct bnet_marshal_wr *w, const struct bnet_node *node)
{
	const uint32_t wanted = (uint32_t)(node - w->root);
	uint32_t low = w->first_shared, high = w->n_shared, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (w->shared[mid].node < wanted)
			low = mid + 1;
		else
			high = mid;
	}
	return low < w->n_shared && w->shared[low].node == wanted ? low
								  : UINT32_MAX;
}

static void
put_ref_node(struct bnet_marshal_wr *w, const struct bnet_node *node)
{
	const struct bnet_node *target = node - node->v.back;
	uint32_t number = w->form.share ? number_of(w, target) : UINT32_MAX;

	if (number != UINT32_MAX)
		bnet_put_ref(w, number);
	else if (node->flags & BNET_NODE_CIRCLE)
		fail(w, BNET_EMARSHAL);
	else
		put_tree(w, target);
}

static void
put_children(struct bnet_marshal_wr *w, const struct bnet_node *at, uint32_t n)
{
	for (; n > 0 && w->err == BNET_OK; n--) {
		put_tree(w, at);
		at = bnet_node_next(at);
	}
}

/* What is in it, as a stream of its own. */
static void
put_inner(struct bnet_marshal_wr *w, const struct bnet_node *node)
{
	const struct bnet_marshal_form form = { 0, false, w->form.share };

	if (w->level == BNET_MARSHAL_STREAMS_MAX - 1)
		fail(w, BNET_ELIMIT);
	if (w->err == BNET_OK && w->inner == NULL) {
		w->inner = bnet_marshal_wr_new(w->strings);
		if (w->inner == NULL)
			fail(w, BNET_ENOMEM);
	}
	if (w->err != BNET_OK)
		return;
	w->inner->level = w->level + 1;
	w->inner_out.max = w->out->max;
	bnet_buf_clear(&w->inner_out);
	bnet_marshal_begin(w->inner, &w->inner_out, &form);
	bnet_put_node(w->inner, node + 1);
	fail(w, bnet_marshal_finish(w->inner));
	bnet_put_stream(w, bnet_buf_slice(&w->inner_out));
}

static void
put_reduce(struct bnet_marshal_wr *w, const struct bnet_node *node)
{
	const struct bnet_node *part = node + 1;

	if (node->n != PART_TUPLE) {
		fail(w, BNET_EMARSHAL); /* cut */
		return;
	}
	open_reduce(w, node->type == BNET_NODE_REDUCE ? 0x22 : 0x23);
	put_tree(w, part);
	part = bnet_node_next(part);
	put_children(w, part + 1, part->n);
	bnet_put_mark(w);
	part = bnet_node_next(part);
	put_children(w, part + 1, 2 * part->n);
	bnet_put_mark(w);
}

/* The layout of a row's columns; NULL: not to be had. */
static const struct bnet_row_column *
layout_of(
    struct bnet_marshal_wr *w, const struct bnet_node *row, uint32_t *n_bytes)
{
	const struct bnet_node *columns = bnet_node_columns(row + 1);
	struct bnet_row_column *p;

	if (columns == NULL || columns->n != row->n) {
		fail(w, BNET_EMARSHAL);
		return NULL;
	}
	if (columns->n > w->cap_columns) {
		p = realloc(w->columns, columns->n * sizeof(*p));
		if (p == NULL) {
			fail(w, BNET_ENOMEM);
			return NULL;
		}
		w->columns = p;
		w->cap_columns = columns->n;
	}
	if (bnet_row_layout(columns, w->columns, n_bytes))
		return w->columns;
	fail(w, BNET_EMARSHAL);
	return NULL;
}

/* Pack the values that are no objects. */
static void
put_block(struct bnet_marshal_wr *w, const struct bnet_node *row)
{
	const struct bnet_node *value = bnet_node_next(row + 1);
	const struct bnet_row_column *c;
	uint32_t n_bytes, n_packed;
	uint8_t *block;

	c = layout_of(w, row, &n_bytes);
	bnet_buf_clear(&w->block);
	if (c == NULL)
		return;
	fail(w, bnet_buf_room(&w->block, bnet_row_room(n_bytes), &block));
	if (w->err != BNET_OK)
		return;
	memset(block, 0, n_bytes);
	for (uint32_t i = 0; i < row->n; i++, value = bnet_node_next(value)) {
		if (c[i].kind == BNET_ROW_VIRTUAL)
			continue;
		if (value->type == BNET_NODE_NONE)
			block[c[i].null_bit / 8] |=
			    (uint8_t)(1u << (c[i].null_bit % 8));
		else if (c[i].kind != BNET_ROW_OBJECT &&
		    !bnet_row_put(&c[i], value, block))
			fail(w, BNET_EMARSHAL);
	}
	n_packed = bnet_row_pack(block, n_bytes, block + n_bytes);
	len(w, n_packed);
	raw(w, block + n_bytes, n_packed);
}

/* The values that are objects: behind the block, or only counted. */
static uint32_t
row_objects(struct bnet_marshal_wr *w, const struct bnet_node *row, bool write)
{
	const struct bnet_node *columns = bnet_node_columns(row + 1);
	const struct bnet_node *value = bnet_node_next(row + 1), *column;
	uint32_t n = 0;

	if (columns == NULL || columns->n != row->n) {
		fail(w, BNET_EMARSHAL);
		return 0;
	}
	column = columns + 1;
	for (uint32_t i = 0; i < row->n && w->err == BNET_OK; i++) {
		if (bnet_row_is_object(column)) {
			n++;
			if (write)
				put_tree(w, value);
		}
		value = bnet_node_next(value);
		column = bnet_node_next(column);
	}
	return n;
}

static void
put_row(struct bnet_marshal_wr *w, const struct bnet_node *row)
{
	uint32_t n_objects = row_objects(w, row, false);

	if (!begin_value(w))
		return;
	op(w, 0x2a);
	push(w, (struct frame){ .left = 2 + n_objects });
	put_tree(w, row + 1);
	if (w->err == BNET_OK)
		put_block(w, row);
	if (w->err != BNET_OK)
		return;
	/* the block counts, so that the frame stays while there are none */
	(void)row_objects(w, row, true);
	end_value(w);
}

/* One of a fixed number of children. */
static void
put_fixed(struct bnet_marshal_wr *w, uint8_t type, uint32_t n)
{
	if (!begin_value(w))
		return;
	if (type == 0x17)
		shareable(w, type);
	else
		op(w, type);
	push(w, (struct frame){ .left = n });
}

static void
open_node(struct bnet_marshal_wr *w, const struct bnet_node *node)
{
	switch (node->type) {
	case BNET_NODE_TUPLE:
		bnet_put_tuple(w, node->n);
		break;
	case BNET_NODE_LIST:
		bnet_put_list(w, node->n);
		break;
	case BNET_NODE_DICT:
		bnet_put_dict(w, node->n);
		break;
	case BNET_NODE_INSTANCE:
		put_fixed(w, 0x17, 2);
		break;
	default:
		put_fixed(w, 0x19, 1);
	}
	put_children(w, node + 1, bnet_node_children(node));
}

static void
put_container(struct bnet_marshal_wr *w, const struct bnet_node *node)
{
	switch (node->type) {
	case BNET_NODE_REDUCE:
	case BNET_NODE_NEWOBJ:
		put_reduce(w, node);
		break;
	case BNET_NODE_ROW:
		put_row(w, node);
		break;
	case BNET_NODE_STREAM:
		put_inner(w, node);
		break;
	case BNET_NODE_PAIRS: /* only inside of a reduce */
		fail(w, BNET_EMARSHAL);
		break;
	default:
		open_node(w, node);
	}
}

static void
put_number(struct bnet_marshal_wr *w, const struct bnet_node *node)
{
	if (!begin_value(w))
		return;
	if (node->type == BNET_NODE_UINT)
		put_long64(w, node->v.u, true);
	else
		put_long(w, node->v.p, node->n);
	end_value(w);
}

static void
put_leaf(struct bnet_marshal_wr *w, const struct bnet_node *node)
{
	switch (node->type) {
	case BNET_NODE_NONE:
		bnet_put_none(w);
		break;
	case BNET_NODE_BOOL:
		bnet_put_bool(w, node->v.i != 0);
		break;
	case BNET_NODE_INT:
		bnet_put_int(w, node->v.i);
		break;
	case BNET_NODE_FLOAT:
		bnet_put_float(w, node->v.d);
		break;
	case BNET_NODE_STR:
		bnet_put_str(w, (const char *)node->v.p, node->n);
		break;
	case BNET_NODE_BYTES:
		bnet_put_bytes(w, (struct bnet_slice){ node->v.p, node->n });
		break;
	case BNET_NODE_GLOBAL:
		bnet_put_global(w, (const char *)node->v.p, node->n);
		break;
	case BNET_NODE_PICKLE:
		put_counted(w, 0x1a, node->v.p, node->n);
		break;
	case BNET_NODE_UINT:
	case BNET_NODE_LONG:
		put_number(w, node);
		break;
	case BNET_NODE_REF:
		put_ref_node(w, node);
		break;
	default: /* CUT; CURRENCY outside of a row */
		fail(w, BNET_EMARSHAL);
	}
}

/* Does the writer put it in a form that takes the flag? */
static bool
can_share(const struct bnet_node *node)
{
	switch (node->type) {
	case BNET_NODE_GLOBAL:
	case BNET_NODE_BYTES:
	case BNET_NODE_DICT:
	case BNET_NODE_INSTANCE:
	case BNET_NODE_REDUCE:
	case BNET_NODE_NEWOBJ:
		return true;
	case BNET_NODE_TUPLE:
	case BNET_NODE_LIST:
		return node->n > 0;
	default:
		return false;
	}
}

static void
put_tree(struct bnet_marshal_wr *w, const struct bnet_node *node)
{
	if (w->err != BNET_OK)
		return;
	/* an expanded reference comes to the same node again */
	if (w->form.share && (node->flags & BNET_NODE_SHARED) != 0 &&
	    can_share(node) && number_of(w, node) == UINT32_MAX)
		(void)add_shared(w, (uint32_t)(node - w->root));
	if (bnet_node_is_container(node))
		put_container(w, node);
	else
		put_leaf(w, node);
}

void
bnet_put_node(struct bnet_marshal_wr *w, const struct bnet_node *node)
{
	w->root = node;
	w->first_shared = w->n_shared;
	put_tree(w, node);
}

/* ---- begin and end ---- */

void
bnet_marshal_begin(struct bnet_marshal_wr *w, struct bnet_buf *out,
    const struct bnet_marshal_form *form)
{
	w->out = out;
	w->start = out->len;
	w->form = *form;
	w->err = form->version > 1 ? BNET_EMARSHAL : BNET_OK;
	w->depth = 0;
	w->frames[0] = (struct frame){ .left = 1 };
	w->share_next = false;
	w->n_shared = w->n_ids = 0;
	little(w, form->version == 0 ? V0_BYTE : V1_BYTE, 1);
	if (form->version == 0)
		little(w, 0, 4);
	else
		little(w, 1, 1);
	if (form->checksum)
		little(w, 0x1c, 5);
}

/* Version 0: at the end, the number of each object that was flagged. */
static void
put_map(struct bnet_marshal_wr *w)
{
	for (uint32_t i = 0; i < w->n_shared; i++) {
		if (w->shared[i].id == 0)
			w->shared[i].id = ++w->n_ids;
		little(w, w->shared[i].id, 4);
	}
	if (w->err == BNET_OK)
		patch(w, 1, w->n_shared);
}

static void
put_checksum(struct bnet_marshal_wr *w)
{
	const size_t at = w->form.version == 0 ? 6 : 3;
	const struct bnet_slice all = bnet_buf_slice(w->out);
	const struct bnet_slice rest =
	    bnet_slice_from(all, w->start + at + sizeof(uint32_t));

	patch(w, at, (uint32_t)adler32(1, rest.p, (uInt)rest.len));
}

enum bnet_err
bnet_marshal_finish(struct bnet_marshal_wr *w)
{
	if (w->depth != 0 || w->frames[0].left != 0 || w->share_next)
		fail(w, BNET_EMARSHAL);
	if (w->err == BNET_OK && w->form.version == 0)
		put_map(w);
	if (w->err == BNET_OK && w->form.checksum)
		put_checksum(w);
	return w->err;
}

struct bnet_marshal_wr *
bnet_marshal_wr_new(const struct bnet_strings *strings)
{
	struct bnet_marshal_wr *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->strings = strings != NULL ? strings : bnet_strings_builtin();
	w->err = BNET_EMARSHAL; /* not begun */
	bnet_buf_init(&w->block, SIZE_MAX / 2);
	bnet_buf_init(&w->inner_out, SIZE_MAX / 2);
	fill_hash(w);
	return w;
}

void
bnet_marshal_wr_free(struct bnet_marshal_wr *w)
{
	if (w == NULL)
		return;
	bnet_marshal_wr_free(w->inner);
	bnet_buf_free(&w->inner_out);
	bnet_buf_free(&w->block);
	free(w->columns);
	free(w->shared);
	free(w);
}
