/* SPDX-License-Identifier: MIT */
/*
 * bnet_bits - the bit-packed primitives (bluenet-wire.5, PRIMITIVES).
 *
 *	u32	3-bit count n; n = 0..6: the next 4n bits; n = 7: 32 bits
 *	u64	the same in groups of 5 bits; n = 7: 64 bits
 *	i32 i64	a sign bit (1 = negative), then the magnitude as u32, u64
 *	bool	one bit
 *	string	u32 length, then that many 8-bit bytes
 *
 * Bits run from the least significant of each byte. Reading is sticky: past
 * the end, or at a value that its type cannot hold, `bad` is set and every
 * read yields 0, so check once, before sizing, looping or acting. Writing
 * is sticky too, its error in `err`.
 */
#ifndef BNET_BITS_H
#define BNET_BITS_H

#include "buf.h"
#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bnet_bits_rd {
	const uint8_t *p, *end; /* borrowed; p is the next byte to load */
	const uint8_t *from; /* where the input starts */
	uint64_t acc; /* loaded bits, the next one lowest */
	uint32_t n_acc; /* number of bits in acc */
	bool bad;
};

struct bnet_bits_wr {
	struct bnet_buf *out; /* borrowed; complete after finish() only */
	uint64_t acc; /* bits not yet in out, the first one lowest */
	uint32_t n_acc;
	uint32_t room_bytes; /* free bytes of out past its end */
	enum bnet_err err; /* BNET_OK, or the first BNET_ELIMIT, ENOMEM */
};

/* Start at the first bit of `in`, which must outlive the reader. */
void bnet_bits_read(struct bnet_bits_rd *rd, struct bnet_slice in);

#define BNET_BITS_COUNT 3
#define BNET_BITS_COUNT_FULL 7 /* the value follows in all its bits */
#define BNET_BITS_GROUP_U32 4 /* bits a group */
#define BNET_BITS_GROUP_U64 5

/* Eight bytes, the first one lowest. */
static inline uint64_t
bnet_bits_load(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

/* Load more of the input; for bnet_bits_raw(). */
void bnet_bits_refill(struct bnet_bits_rd *rd);

/* Nothing more can be read: `bad`, and every read yields 0. */
static inline void
bnet_bits_fail(struct bnet_bits_rd *rd)
{
	rd->bad = true;
	rd->p = rd->end;
	rd->acc = 0;
	rd->n_acc = 0;
}

/* The next `n` bits as a number, lowest first; n is at most 32. */
static inline uint32_t
bnet_bits_raw(struct bnet_bits_rd *rd, uint32_t n)
{
	uint64_t v;

	if (rd->n_acc < n) {
		bnet_bits_refill(rd);
		if (rd->n_acc < n) {
			bnet_bits_fail(rd);
			return 0;
		}
	}
	v = rd->acc & ((UINT64_C(1) << n) - 1);
	rd->acc >>= n;
	rd->n_acc -= n;
	return (uint32_t)v;
}

/*
 * Read a count of groups of `group` bits and the value in them, after `skip`
 * bits (a sign), which stay unread. One load covers everything, since nearly
 * every value is short. False: the count says that all bits follow, or the
 * input is too short; nothing was read.
 */
static inline bool
bnet_bits_short(
    struct bnet_bits_rd *rd, uint32_t skip, uint32_t group, uint64_t *v)
{
	uint32_t n, bits;

	if (rd->n_acc < 40)
		bnet_bits_refill(rd);
	n = (uint32_t)(rd->acc >> skip) & ((1u << BNET_BITS_COUNT) - 1);
	bits = skip + BNET_BITS_COUNT + n * group;
	if (n == BNET_BITS_COUNT_FULL || bits > rd->n_acc)
		return false;
	*v = (rd->acc >> (skip + BNET_BITS_COUNT)) &
	    ((UINT64_C(1) << (n * group)) - 1);
	rd->acc >>= bits;
	rd->n_acc -= bits;
	return true;
}

static inline uint32_t
bnet_bits_u32(struct bnet_bits_rd *rd)
{
	uint64_t v;
	uint32_t n;

	if (bnet_bits_short(rd, 0, BNET_BITS_GROUP_U32, &v))
		return (uint32_t)v;
	n = bnet_bits_raw(rd, BNET_BITS_COUNT);
	return bnet_bits_raw(
	    rd, n == BNET_BITS_COUNT_FULL ? 32 : n * BNET_BITS_GROUP_U32);
}

static inline uint64_t
bnet_bits_u64(struct bnet_bits_rd *rd)
{
	uint64_t low, high, v;
	uint32_t n;

	if (bnet_bits_short(rd, 0, BNET_BITS_GROUP_U64, &v))
		return v;
	n = bnet_bits_raw(rd, BNET_BITS_COUNT);
	if (n != BNET_BITS_COUNT_FULL)
		return bnet_bits_raw(rd, n * BNET_BITS_GROUP_U64);
	low = bnet_bits_raw(rd, 32);
	high = bnet_bits_raw(rd, 32);
	return rd->bad ? 0 : high << 32 | low;
}

/* The lowest value has a magnitude one above that of the highest. */
static inline int32_t
bnet_bits_i32(struct bnet_bits_rd *rd)
{
	uint32_t sign = bnet_bits_raw(rd, 1);
	uint32_t v = bnet_bits_u32(rd);

	if (v > (uint32_t)INT32_MAX + sign) {
		bnet_bits_fail(rd);
		return 0;
	}
	return (int32_t)(sign ? -(int64_t)v : (int64_t)v);
}

static inline int64_t
bnet_bits_i64(struct bnet_bits_rd *rd)
{
	uint32_t sign;
	uint64_t v;

	if (rd->n_acc < 40)
		bnet_bits_refill(rd);
	sign = rd->n_acc > 0 ? (uint32_t)rd->acc & 1 : 0;
	if (bnet_bits_short(rd, 1, BNET_BITS_GROUP_U64, &v))
		return sign ? -(int64_t)v : (int64_t)v;
	sign = bnet_bits_raw(rd, 1);
	v = bnet_bits_u64(rd);
	if (v > (uint64_t)INT64_MAX + sign) {
		bnet_bits_fail(rd);
		return 0;
	}
	if (v > INT64_MAX)
		return INT64_MIN;
	return sign ? -(int64_t)v : (int64_t)v;
}

static inline bool
bnet_bits_bool(struct bnet_bits_rd *rd)
{
	return bnet_bits_raw(rd, 1) != 0;
}

/* Bits not yet read. */
static inline size_t
bnet_bits_left(const struct bnet_bits_rd *rd)
{
	return (size_t)(rd->end - rd->p) * 8 + rd->n_acc;
}

/*
 * Read a string and copy it to the tail of `store`, followed by a NUL that
 * *len_bytes does not count (the bytes themselves may hold NULs). *str stays
 * valid until `store` moves; reserve enough first to prevent that. The length
 * is checked against the remaining input before anything is allocated.
 *	BNET_OK, or BNET_EMESSAGE where rd went bad, BNET_ELIMIT, BNET_ENOMEM
 */
BNET_MUST enum bnet_err bnet_bits_string(struct bnet_bits_rd *rd,
    struct bnet_buf *store, const char **str, uint32_t *len_bytes);

/* Write at the tail of `out`. Each value takes the smallest n. */
void bnet_bits_write(struct bnet_bits_wr *wr, struct bnet_buf *out);

/* Move the whole bytes to the output; for bnet_bits_put(). */
void bnet_bits_spill(struct bnet_bits_wr *wr);

/* Write the lowest `n` bits of `v`; the others are 0. n is at most 40. */
static inline void
bnet_bits_put(struct bnet_bits_wr *wr, uint64_t v, uint32_t n)
{
	if (wr->n_acc + n > 64)
		bnet_bits_spill(wr);
	wr->acc |= v << wr->n_acc;
	wr->n_acc += n;
}

/* The number of groups of `group` bits that hold `v`; 7 if 6 are too few. */
static inline uint32_t
bnet_bits_groups(uint64_t v, uint32_t group)
{
	uint32_t bits = v == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(v);

	return bits > 6 * group ? BNET_BITS_COUNT_FULL
				: (bits + group - 1) / group;
}

static inline void
bnet_bits_put_u32(struct bnet_bits_wr *wr, uint32_t v)
{
	uint32_t n = bnet_bits_groups(v, BNET_BITS_GROUP_U32);

	bnet_bits_put(wr, (uint64_t)v << BNET_BITS_COUNT | n,
	    BNET_BITS_COUNT +
		(n == BNET_BITS_COUNT_FULL ? 32 : n * BNET_BITS_GROUP_U32));
}

static inline void
bnet_bits_put_u64(struct bnet_bits_wr *wr, uint64_t v)
{
	uint32_t n = bnet_bits_groups(v, BNET_BITS_GROUP_U64);

	if (n != BNET_BITS_COUNT_FULL) {
		bnet_bits_put(wr, v << BNET_BITS_COUNT | n,
		    BNET_BITS_COUNT + n * BNET_BITS_GROUP_U64);
		return;
	}
	bnet_bits_put(wr, n, BNET_BITS_COUNT);
	bnet_bits_put(wr, (uint32_t)v, 32);
	bnet_bits_put(wr, v >> 32, 32);
}

static inline void
bnet_bits_put_bool(struct bnet_bits_wr *wr, bool v)
{
	bnet_bits_put(wr, v, 1);
}

static inline void
bnet_bits_put_i32(struct bnet_bits_wr *wr, int32_t v)
{
	bnet_bits_put_bool(wr, v < 0);
	bnet_bits_put_u32(wr, v < 0 ? 0U - (uint32_t)v : (uint32_t)v);
}

static inline void
bnet_bits_put_i64(struct bnet_bits_wr *wr, int64_t v)
{
	bnet_bits_put_bool(wr, v < 0);
	bnet_bits_put_u64(wr, v < 0 ? UINT64_C(0) - (uint64_t)v : (uint64_t)v);
}

void bnet_bits_put_string(
    struct bnet_bits_wr *wr, const char *str, uint32_t len_bytes);

/*
 * Fill the last byte with 0 bits and write it.
 *	BNET_OK, or the first error of any put: BNET_ELIMIT, BNET_ENOMEM
 */
BNET_MUST enum bnet_err bnet_bits_finish(struct bnet_bits_wr *wr);

#ifdef __cplusplus
}
#endif

#endif
