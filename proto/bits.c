/* SPDX-License-Identifier: MIT */
#include "bits.h"

#include <string.h>

#define SPILL_ROOM_BYTES 64 /* asked for at a time */

void
bnet_bits_read(struct bnet_bits_rd *rd, struct bnet_slice in)
{
	*rd = (struct bnet_bits_rd){ .p = in.p,
		.from = in.p,
		.end = in.len == 0 ? in.p : in.p + in.len };
}

static void
store_u64(uint8_t *p, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	memcpy(p, &v, sizeof(v));
}

/* Load the last bytes, fewer than 8; by one wide load where there is room. */
static void
refill_last(struct bnet_bits_rd *rd, uint32_t n_left)
{
	uint32_t n_bytes = (63 - rd->n_acc) / 8;
	uint64_t v;

	if (n_left == 0)
		return;
	if (n_bytes > n_left)
		n_bytes = n_left;
	if (rd->end - rd->from >= 8) {
		v = bnet_bits_load(rd->end - 8) >> (8 * (8 - n_left));
		rd->acc |= v << rd->n_acc;
		rd->p += n_bytes;
		rd->n_acc += 8 * n_bytes;
		return;
	}
	while (n_bytes-- > 0) {
		rd->acc |= (uint64_t)*rd->p++ << rd->n_acc;
		rd->n_acc += 8;
	}
}

/*
 * Load until at least 57 bits are there, or everything that is left. A wide
 * load leaves bits of the next byte above n_acc; the next load repeats them.
 */
void
bnet_bits_refill(struct bnet_bits_rd *rd)
{
	uint32_t n_bytes;

	if (rd->n_acc > 56)
		return;
	if (rd->end - rd->p < 8) {
		refill_last(rd, (uint32_t)(rd->end - rd->p));
		return;
	}
	rd->acc |= bnet_bits_load(rd->p) << rd->n_acc;
	n_bytes = (63 - rd->n_acc) / 8;
	rd->p += n_bytes;
	rd->n_acc += n_bytes * 8;
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

/* Near the ceiling, spill_exactly() takes over. */
static void
spill_room(struct bnet_bits_wr *wr)
{
	uint8_t *tail;
	enum bnet_err err = bnet_buf_room(wr->out, SPILL_ROOM_BYTES, &tail);

	if (err == BNET_OK)
		wr->room_bytes = SPILL_ROOM_BYTES;
	else if (err != BNET_ELIMIT)
		wr->err = err;
}

/* Near the ceiling: write exactly the bytes that are complete. */
static void
spill_exactly(struct bnet_bits_wr *wr, uint32_t n_bytes)
{
	uint8_t bytes[8];

	store_u64(bytes, wr->acc);
	if (wr->err == BNET_OK)
		wr->err = bnet_buf_append(
		    wr->out, (struct bnet_slice){ bytes, n_bytes });
}

void
bnet_bits_spill(struct bnet_bits_wr *wr)
{
	struct bnet_buf *out = wr->out;
	uint32_t n_bytes = wr->n_acc / 8;

	if (wr->room_bytes < 8 && wr->err == BNET_OK)
		spill_room(wr);
	if (wr->room_bytes >= 8) {
		store_u64(out->p + out->at + out->len, wr->acc);
		out->len += n_bytes;
		wr->room_bytes -= n_bytes;
	} else if (n_bytes > 0) {
		spill_exactly(wr, n_bytes);
	}
	wr->acc = n_bytes == 8 ? 0 : wr->acc >> (8 * n_bytes);
	wr->n_acc -= 8 * n_bytes;
}

void
bnet_bits_put_string(
    struct bnet_bits_wr *wr, const char *str, uint32_t len_bytes)
{
	bnet_bits_put_u32(wr, len_bytes);
	for (uint32_t i = 0; i < len_bytes; i++)
		bnet_bits_put(wr, (uint8_t)str[i], 8);
}

enum bnet_err
bnet_bits_finish(struct bnet_bits_wr *wr)
{
	wr->n_acc = (wr->n_acc + 7) / 8 * 8;
	bnet_bits_spill(wr);
	return wr->err;
}
