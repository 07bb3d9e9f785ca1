/* SPDX-License-Identifier: MIT */
#include "row_impl.h"

#include <string.h>

#define RUN_MAX 8 /* bytes of a run */
#define RUN_ZEROS 7 /* a nibble above it is so many zeros more than it */

/* The types of columns: numbers of OLE DB. */
static const struct type {
	int64_t number;
	enum bnet_row_kind kind;
	uint8_t n_bytes;
} types[] = {
	{ 3, BNET_ROW_INT, 4 },
	{ 20, BNET_ROW_INT, 8 },
	{ 64, BNET_ROW_UINT, 8 }, /* FILETIME */
	{ 129, BNET_ROW_OBJECT, 0 }, /* STR */
	{ 130, BNET_ROW_OBJECT, 0 }, /* WSTR */
	{ 128, BNET_ROW_OBJECT, 0 }, /* BYTES */
	{ 11, BNET_ROW_BOOL, 0 },
	{ 5, BNET_ROW_FLOAT, 8 },
	{ 6, BNET_ROW_CURRENCY, 8 },
	{ 2, BNET_ROW_INT, 2 },
	{ 17, BNET_ROW_UINT, 1 },
	{ 16, BNET_ROW_INT, 1 },
	{ 18, BNET_ROW_UINT, 2 },
	{ 19, BNET_ROW_UINT, 4 },
	{ 21, BNET_ROW_UINT, 8 },
	{ 4, BNET_ROW_FLOAT, 4 },
	{ 135, BNET_ROW_UINT, 8 }, /* DBTIMESTAMP */
	{ 0, BNET_ROW_VIRTUAL, 0 },
};

static const struct type *
find_type(int64_t number)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].number == number)
			return &types[i];
	return NULL;
}

bool
bnet_row_is_object(const struct bnet_node *column)
{
	const struct bnet_node *name;
	const struct type *type;
	int64_t number;

	if (!bnet_node_column(column, &name, &number))
		return false;
	type = find_type(number);
	return type != NULL && type->kind == BNET_ROW_OBJECT;
}

/* Kind and size of each. */
static bool
set_types(const struct bnet_node *columns, struct bnet_row_column *to)
{
	const struct bnet_node *column = columns + 1, *name;
	const struct type *type;
	int64_t number;

	for (uint32_t i = 0; i < columns->n; i++) {
		if (!bnet_node_column(column, &name, &number))
			return false;
		type = find_type(number);
		if (type == NULL)
			return false;
		to[i] = (struct bnet_row_column){ .kind = (uint8_t)type->kind,
			.n_bytes = type->n_bytes };
		column = bnet_node_next(column);
	}
	return true;
}

bool
bnet_row_layout(const struct bnet_node *columns, struct bnet_row_column *to,
    uint32_t *block_bytes)
{
	uint32_t at = 0, bit;

	if (!set_types(columns, to))
		return false;
	for (uint8_t size = 8; size > 0; size /= 2)
		for (uint32_t i = 0; i < columns->n; i++)
			if (to[i].n_bytes == size) {
				to[i].at = at;
				at += size;
			}
	bit = 8 * at;
	for (uint32_t i = 0; i < columns->n; i++)
		if (to[i].kind == BNET_ROW_BOOL)
			to[i].at = bit++;
	for (uint32_t i = 0; i < columns->n; i++)
		if (to[i].kind != BNET_ROW_VIRTUAL)
			to[i].null_bit = bit++;
	*block_bytes = (bit + 7) / 8;
	return true;
}

/* ---- values ---- */

static uint64_t
get(const uint8_t *p, uint32_t n)
{
	uint64_t low;

	switch (n) {
	case 1:
		return p[0];
	case 2:
		return (uint64_t)p[0] | (uint64_t)p[1] << 8;
	default:
		low = (uint64_t)p[0] | (uint64_t)p[1] << 8 |
		    (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
		return n == 4 ? low : low | get(p + 4, 4) << 32;
	}
}

static void
put(uint8_t *p, uint32_t n, uint64_t v)
{
	for (uint32_t i = 0; i < n; i++, v >>= 8)
		p[i] = (uint8_t)v;
}

static double
get_float(const uint8_t *p, uint32_t n)
{
	uint64_t bits = get(p, n);
	uint32_t bits4 = (uint32_t)bits;
	double v;
	float v4;

	if (n == 4) {
		memcpy(&v4, &bits4, sizeof(v4));
		return (double)v4;
	}
	memcpy(&v, &bits, sizeof(v));
	return v;
}

static bool
put_float(uint8_t *p, uint32_t n, double v)
{
	float v4 = (float)v;
	uint64_t bits;
	uint32_t bits4;

	if (n == 4) {
		memcpy(&bits4, &v4, sizeof(bits4));
		put(p, n, bits4);
		return true;
	}
	memcpy(&bits, &v, sizeof(bits));
	put(p, n, bits);
	return true;
}

static void
set_int(struct bnet_node *value, const struct bnet_row_column *c, uint64_t v)
{
	value->type = BNET_NODE_INT;
	if (c->kind == BNET_ROW_UINT && v > INT64_MAX)
		value->type = BNET_NODE_UINT;
	else if (c->kind == BNET_ROW_CURRENCY)
		value->type = BNET_NODE_CURRENCY;
	else if (c->kind == BNET_ROW_INT && c->n_bytes < 8 &&
	    v >> (8 * c->n_bytes - 1) != 0)
		v |= UINT64_MAX << (8 * c->n_bytes);
	value->v.u = v;
}

void
bnet_row_value(const struct bnet_row_column *c, const uint8_t *block,
    struct bnet_node *value)
{
	switch (c->kind) {
	case BNET_ROW_BOOL:
		value->type = BNET_NODE_BOOL;
		value->v.i = bnet_row_bit(block, c->at);
		break;
	case BNET_ROW_FLOAT:
		value->type = BNET_NODE_FLOAT;
		value->v.d = get_float(block + c->at, c->n_bytes);
		break;
	default:
		set_int(value, c, get(block + c->at, c->n_bytes));
	}
}

/* Does an integer fit into the column? */
static bool
fits(const struct bnet_row_column *c, const struct bnet_node *value)
{
	const uint32_t bits = 8 * c->n_bytes;
	const int64_t v = value->v.i;

	if (c->kind == BNET_ROW_CURRENCY)
		return value->type == BNET_NODE_CURRENCY;
	if (value->type == BNET_NODE_UINT)
		return c->kind == BNET_ROW_UINT && bits == 64;
	if (value->type != BNET_NODE_INT)
		return false;
	if (c->kind == BNET_ROW_UINT)
		return v >= 0 && (bits == 64 || v >> bits == 0);
	return bits == 64 ||
	    (v >= -(INT64_C(1) << (bits - 1)) && v < INT64_C(1) << (bits - 1));
}

bool
bnet_row_put(const struct bnet_row_column *c, const struct bnet_node *value,
    uint8_t *block)
{
	switch (c->kind) {
	case BNET_ROW_BOOL:
		if (value->type != BNET_NODE_BOOL)
			return false;
		if (value->v.i != 0)
			block[c->at / 8] |= (uint8_t)(1u << (c->at % 8));
		return true;
	case BNET_ROW_FLOAT:
		return value->type == BNET_NODE_FLOAT &&
		    put_float(block + c->at, c->n_bytes, value->v.d);
	default:
		if (!fits(c, value))
			return false;
		put(block + c->at, c->n_bytes, value->v.u);
		return true;
	}
}

/* ---- runs ---- */

/* One run, told by a nibble. False: it goes past the end. */
static bool
unpack_run(unsigned nibble, struct bnet_slice *in, uint8_t **to, uint8_t *end)
{
	size_t n, there;

	if (nibble > RUN_ZEROS) {
		n = nibble - RUN_ZEROS;
		if (n > (size_t)(end - *to))
			return false;
		*to += n;
		return true;
	}
	n = RUN_MAX - nibble;
	there = n < in->len ? n : in->len;
	if (there > (size_t)(end - *to))
		return false;
	if (there > 0)
		memcpy(*to, in->p, there);
	*in = bnet_slice_from(*in, there);
	*to += there;
	return true;
}

bool
bnet_row_unpack(struct bnet_slice in, uint8_t *block, uint32_t n_bytes)
{
	uint8_t *to = block, *end = block + n_bytes;
	unsigned control;

	memset(block, 0, n_bytes);
	while (in.len > 0) {
		control = in.p[0];
		in = bnet_slice_from(in, 1);
		if (!unpack_run(control & 0xf, &in, &to, end) ||
		    !unpack_run(control >> 4, &in, &to, end))
			return false;
	}
	return true;
}

/* The zeros, or else the literals, at the start: 1 to 8. */
static uint32_t
run_of(const uint8_t *p, uint32_t left, bool *zeros)
{
	uint32_t n = 1, max = left < RUN_MAX ? left : RUN_MAX;

	*zeros = p[0] == 0;
	while (n < max && (p[n] == 0) == *zeros)
		n++;
	return n;
}

/*
 * Zeros at the end are left out, but for those that the last nibble has room
 * to tell.
 */
uint32_t
bnet_row_pack(const uint8_t *block, uint32_t n_bytes, uint8_t *out)
{
	uint32_t n_out = 0, control_at = 0, n, end = n_bytes;
	bool high = false, zeros;

	while (end > 0 && block[end - 1] == 0)
		end--;
	for (uint32_t at = 0; at < end || (high && at < n_bytes); at += n) {
		n = run_of(
		    block + at, at < end ? end - at : n_bytes - at, &zeros);
		if (!high)
			out[control_at = n_out++] = 0;
		out[control_at] |=
		    (uint8_t)((zeros ? RUN_ZEROS + n : RUN_MAX - n)
			<< (high ? 4 : 0));
		high = !high;
		if (!zeros) {
			memcpy(out + n_out, block + at, n);
			n_out += n;
		}
	}
	return n_out;
}
