/* SPDX-License-Identifier: MIT */
#include "header.h"

#include <string.h>

#define FNV_OFFSET UINT32_C(2166136261)
#define FNV_PRIME UINT32_C(16777619)

#define FORK_BITS_MIN 3 /* an id of 0 */

/* Check the claimed number against the bytes before anything loops over it. */
static bool
forks_are_there(struct bnet_bits_rd *rd, uint32_t n)
{
	if (n > bnet_bits_left(rd) / FORK_BITS_MIN)
		return false;
	for (uint32_t i = 0; i < n; i++)
		(void)bnet_bits_u64(rd);
	return !rd->bad;
}

/* The next bits of a header of 8 to 16 bytes; zeros past its end. */
struct window {
	uint64_t low, high;
	uint32_t n_used;
	bool unusual; /* a value is not what was read */
};

/* A count and as many groups of bits, behind `skip` bits. */
static inline uint64_t
take(struct window *w, uint32_t skip, uint32_t n_bits)
{
	uint32_t used = skip + BNET_BITS_COUNT + n_bits;
	uint64_t v =
	    w->low >> (skip + BNET_BITS_COUNT) & ((UINT64_C(1) << n_bits) - 1);

	w->low = w->low >> used | w->high << (64 - used);
	w->high >>= used;
	w->n_used += used;
	return v;
}

static inline uint32_t
take_count(const struct window *w, uint32_t skip)
{
	return (uint32_t)(w->low >> skip) & ((1u << BNET_BITS_COUNT) - 1);
}

static inline uint64_t
take_u64(struct window *w, uint32_t skip)
{
	uint32_t n = take_count(w, skip);

	w->unusual |= n == BNET_BITS_COUNT_FULL;
	return take(w, skip, n * BNET_BITS_GROUP_U64);
}

/* A full one has 8 groups of 4 bits. */
static inline uint32_t
take_u32(struct window *w, uint32_t skip)
{
	uint32_t n = take_count(w, skip);

	n += n == BNET_BITS_COUNT_FULL;
	return (uint32_t)take(w, skip, n * BNET_BITS_GROUP_U32);
}

static inline int64_t
take_i64(struct window *w)
{
	int64_t sign = (int64_t)(w->low & 1);
	int64_t v = (int64_t)take_u64(w, 1);

	return (v ^ -sign) + sign;
}

static inline int32_t
take_i32(struct window *w)
{
	int64_t sign = (int64_t)(w->low & 1);
	int64_t v = take_u32(w, 1);

	w->unusual |= v > INT32_MAX + sign;
	return (int32_t)((v ^ -sign) + sign);
}

/*
 * Nearly all headers: 8 to 16 bytes, short values, no forks. They take two
 * loads, and one check at the end. False: it is none of those, or bad.
 */
static bool
decode_usual(
    struct bnet_slice oob, struct bnet_header *header, size_t *trailing_bytes)
{
	struct window w = { .n_used = 0 };

	if (oob.len < 8 || oob.len > 16)
		return false;
	w.low = bnet_bits_load(oob.p);
	if (oob.len > 8)
		w.high =
		    bnet_bits_load(oob.p + oob.len - 8) >> (8 * (16 - oob.len));
	header->source = take_i64(&w);
	header->dest_type = take_i64(&w);
	header->dest = take_i64(&w);
	header->key = take_i32(&w);
	header->forks = take_u32(&w, 0);
	header->serial = take_u32(&w, 0);
	header->latency_ms = take_u32(&w, 0);
	/* the timestamp's count follows the bit of the priority */
	header->priority = (w.low & 1) != 0;
	header->timestamp = take_u64(&w, 1);
	if (w.unusual || header->forks > 0 || w.n_used > 8 * oob.len)
		return false;
	*trailing_bytes = oob.len - (w.n_used + 7) / 8;
	return true;
}

enum bnet_err
bnet_header_decode(struct bnet_slice oob, struct bnet_header *header,
    struct bnet_bits_rd *forks, size_t *trailing_bytes)
{
	struct bnet_bits_rd rd;

	if (decode_usual(oob, header, trailing_bytes)) {
		if (forks != NULL)
			bnet_bits_read(forks, bnet_slice_from(oob, oob.len));
		return BNET_OK;
	}
	bnet_bits_read(&rd, oob);
	header->source = bnet_bits_i64(&rd);
	header->dest_type = bnet_bits_i64(&rd);
	header->dest = bnet_bits_i64(&rd);
	header->key = bnet_bits_i32(&rd);
	header->forks = bnet_bits_u32(&rd);
	header->serial = bnet_bits_u32(&rd);
	header->latency_ms = bnet_bits_u32(&rd);
	header->priority = bnet_bits_bool(&rd);
	header->timestamp = bnet_bits_u64(&rd);
	if (rd.bad)
		return BNET_EHEADER;
	if (forks != NULL)
		*forks = rd;
	if (header->forks > 0 && !forks_are_there(&rd, header->forks))
		return BNET_EHEADER;
	*trailing_bytes = bnet_bits_left(&rd) / 8;
	return BNET_OK;
}

enum bnet_err
bnet_header_encode(const struct bnet_header *header, const uint64_t *fork_ids,
    struct bnet_buf *out)
{
	struct bnet_bits_wr wr;

	bnet_bits_write(&wr, out);
	bnet_bits_put_i64(&wr, header->source);
	bnet_bits_put_i64(&wr, header->dest_type);
	bnet_bits_put_i64(&wr, header->dest);
	bnet_bits_put_i32(&wr, header->key);
	bnet_bits_put_u32(&wr, header->forks);
	bnet_bits_put_u32(&wr, header->serial);
	bnet_bits_put_u32(&wr, header->latency_ms);
	bnet_bits_put_bool(&wr, header->priority);
	bnet_bits_put_u64(&wr, header->timestamp);
	for (uint32_t i = 0; i < header->forks; i++)
		bnet_bits_put_u64(&wr, fork_ids[i]);
	return bnet_bits_finish(&wr);
}

int32_t
bnet_key(const char *name)
{
	uint32_t hash = FNV_OFFSET;
	size_t n = strlen(name);
	int32_t key;

	if (n == 0)
		return 0;
	for (size_t i = 0; i <= n; i++)
		hash = (hash ^ (uint8_t)name[i]) * FNV_PRIME;
	memcpy(&key, &hash, sizeof(key));
	return key;
}
