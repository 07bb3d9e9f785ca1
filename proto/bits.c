/* SPDX-License-Identifier: MIT */
#include "bits.h"

#include <string.h>

#define COUNT_BITS 3
#define COUNT_FULL 7 /* the value follows in all its bits */
#define GROUP_U32 4 /* bits a group */
#define GROUP_U64 5

void
bnet_bits_read(struct bnet_bits_rd *rd, struct bnet_slice in)
{
	*rd = (struct bnet_bits_rd){ .p = in.p,
		.end = in.len == 0 ? in.p : in.p + in.len };
}

/* Load bytes until at least 57 bits are there, or all that is left. */
static void
refill(struct bnet_bits_rd *rd)
{
	while (rd->n_acc <= 56 && rd->p < rd->end) {
		rd->acc |= (uint64_t)*rd->p++ << rd->n_acc;
		rd->n_acc += 8;
	}
}

uint32_t
bnet_bits_raw(struct bnet_bits_rd *rd, uint32_t n)
{
	uint64_t v;

	if (rd->n_acc < n) {
		refill(rd);
		if (rd->n_acc < n)
			rd->bad = true;
	}
	if (rd->bad)
		return 0;
	v = rd->acc & ((UINT64_C(1) << n) - 1);
	rd->acc >>= n;
	rd->n_acc -= n;
	return (uint32_t)v;
}

uint32_t
bnet_bits_u32(struct bnet_bits_rd *rd)
{
	uint32_t n = bnet_bits_raw(rd, COUNT_BITS);

	return bnet_bits_raw(rd, n == COUNT_FULL ? 32 : n * GROUP_U32);
}

uint64_t
bnet_bits_u64(struct bnet_bits_rd *rd)
{
	uint32_t n = bnet_bits_raw(rd, COUNT_BITS);
	uint64_t low, high;

	if (n != COUNT_FULL)
		return bnet_bits_raw(rd, n * GROUP_U64);
	low = bnet_bits_raw(rd, 32);
	high = bnet_bits_raw(rd, 32);
	return rd->bad ? 0 : high << 32 | low;
}

/* The magnitudes of the lowest values are one above the highest. */
int32_t
bnet_bits_i32(struct bnet_bits_rd *rd)
{
	uint32_t sign = bnet_bits_raw(rd, 1);
	uint32_t v = bnet_bits_u32(rd);

	if (v > (uint32_t)INT32_MAX + sign) {
		rd->bad = true;
		return 0;
	}
	return sign ? (int32_t) - (int64_t)v : (int32_t)v;
}

int64_t
bnet_bits_i64(struct bnet_bits_rd *rd)
{
	uint32_t sign = bnet_bits_raw(rd, 1);
	uint64_t v = bnet_bits_u64(rd);

	if (v > (uint64_t)INT64_MAX + sign) {
		rd->bad = true;
		return 0;
	}
	if (v > INT64_MAX)
		return INT64_MIN;
	return sign ? -(int64_t)v : (int64_t)v;
}

bool
bnet_bits_bool(struct bnet_bits_rd *rd)
{
	return bnet_bits_raw(rd, 1) != 0;
}

size_t
bnet_bits_left(const struct bnet_bits_rd *rd)
{
	return (size_t)(rd->end - rd->p) * 8 + rd->n_acc;
}

enum bnet_err
bnet_bits_string(struct bnet_bits_rd *rd, struct bnet_buf *store,
    const char **str, uint32_t *len_bytes)
{
	uint32_t n = bnet_bits_u32(rd);
	uint8_t *tail;
	enum bnet_err err;

	if (rd->bad || n > bnet_bits_left(rd) / 8) {
		rd->bad = true;
		return BNET_EMESSAGE;
	}
	err = bnet_buf_room(store, (size_t)n + 1, &tail);
	if (err != BNET_OK)
		return err;
	for (uint32_t i = 0; i < n; i++)
		tail[i] = (uint8_t)bnet_bits_raw(rd, 8);
	tail[n] = '\0';
	bnet_buf_added(store, (size_t)n + 1);
	*str = (const char *)tail;
	*len_bytes = n;
	return BNET_OK;
}

void
bnet_bits_write(struct bnet_bits_wr *wr, struct bnet_buf *out)
{
	*wr = (struct bnet_bits_wr){ .out = out, .err = BNET_OK };
}

/* At most 7 bits wait between calls, so 32 more always fit. */
static void
put(struct bnet_bits_wr *wr, uint32_t v, uint32_t n)
{
	uint8_t bytes[8];
	uint32_t n_bytes = 0;

	wr->acc |= (uint64_t)v << wr->n_acc;
	wr->n_acc += n;
	while (wr->n_acc >= 8) {
		bytes[n_bytes++] = (uint8_t)wr->acc;
		wr->acc >>= 8;
		wr->n_acc -= 8;
	}
	if (wr->err == BNET_OK && n_bytes > 0)
		wr->err = bnet_buf_append(
		    wr->out, (struct bnet_slice){ bytes, n_bytes });
}

static uint32_t
groups(uint64_t v, uint32_t group_bits)
{
	uint32_t n = 0;

	while (n < COUNT_FULL && (v >> (n * group_bits)) != 0)
		n++;
	return n;
}

void
bnet_bits_put_u32(struct bnet_bits_wr *wr, uint32_t v)
{
	uint32_t n = groups(v, GROUP_U32);

	put(wr, n, COUNT_BITS);
	put(wr, v, n == COUNT_FULL ? 32 : n * GROUP_U32);
}

void
bnet_bits_put_u64(struct bnet_bits_wr *wr, uint64_t v)
{
	uint32_t n = groups(v, GROUP_U64);

	put(wr, n, COUNT_BITS);
	if (n != COUNT_FULL) {
		put(wr, (uint32_t)v, n * GROUP_U64);
		return;
	}
	put(wr, (uint32_t)v, 32);
	put(wr, (uint32_t)(v >> 32), 32);
}

void
bnet_bits_put_i32(struct bnet_bits_wr *wr, int32_t v)
{
	put(wr, v < 0, 1);
	bnet_bits_put_u32(wr, v < 0 ? 0U - (uint32_t)v : (uint32_t)v);
}

void
bnet_bits_put_i64(struct bnet_bits_wr *wr, int64_t v)
{
	put(wr, v < 0, 1);
	bnet_bits_put_u64(wr, v < 0 ? UINT64_C(0) - (uint64_t)v : (uint64_t)v);
}

void
bnet_bits_put_bool(struct bnet_bits_wr *wr, bool v)
{
	put(wr, v, 1);
}

void
bnet_bits_put_string(
    struct bnet_bits_wr *wr, const char *str, uint32_t len_bytes)
{
	bnet_bits_put_u32(wr, len_bytes);
	for (uint32_t i = 0; i < len_bytes; i++)
		put(wr, (uint8_t)str[i], 8);
}

enum bnet_err
bnet_bits_finish(struct bnet_bits_wr *wr)
{
	if (wr->n_acc > 0)
		put(wr, 0, 8 - wr->n_acc);
	return wr->err;
}
