/* SPDX-License-Identifier: MIT */
#include "bits.h"

void
bnet_bits_read(struct bnet_bits_rd *rd, struct bnet_slice in)
{
	*rd = (struct bnet_bits_rd){ .p = in.p,
		.end = in.len == 0 ? in.p : in.p + in.len };
}

/* Eight bytes, the first one lowest; a single load where that is so. */
static uint64_t
load_u64(const uint8_t *p)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 8; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

/*
 * Load until at least 57 bits are there, or all that is left. The wide load
 * leaves bits of the next byte above n_acc; they are loaded again, the same.
 */
void
bnet_bits_refill(struct bnet_bits_rd *rd)
{
	uint32_t n_bytes;

	if (rd->end - rd->p >= 8) {
		rd->acc |= load_u64(rd->p) << rd->n_acc;
		n_bytes = (63 - rd->n_acc) / 8;
		rd->p += n_bytes;
		rd->n_acc += n_bytes * 8;
		return;
	}
	while (rd->n_acc <= 56 && rd->p < rd->end) {
		rd->acc |= (uint64_t)*rd->p++ << rd->n_acc;
		rd->n_acc += 8;
	}
}

enum bnet_err
bnet_bits_string(struct bnet_bits_rd *rd, struct bnet_buf *store,
    const char **str, uint32_t *len_bytes)
{
	uint32_t n = bnet_bits_u32(rd);
	uint8_t *tail;
	enum bnet_err err;

	if (rd->bad || n > bnet_bits_left(rd) / 8) {
		bnet_bits_fail(rd);
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

	while (n < BNET_BITS_COUNT_FULL && (v >> (n * group_bits)) != 0)
		n++;
	return n;
}

void
bnet_bits_put_u32(struct bnet_bits_wr *wr, uint32_t v)
{
	uint32_t n = groups(v, BNET_BITS_GROUP_U32);

	put(wr, n, BNET_BITS_COUNT);
	put(wr, v, n == BNET_BITS_COUNT_FULL ? 32 : n * BNET_BITS_GROUP_U32);
}

void
bnet_bits_put_u64(struct bnet_bits_wr *wr, uint64_t v)
{
	uint32_t n = groups(v, BNET_BITS_GROUP_U64);

	put(wr, n, BNET_BITS_COUNT);
	if (n != BNET_BITS_COUNT_FULL) {
		put(wr, (uint32_t)v, n * BNET_BITS_GROUP_U64);
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
