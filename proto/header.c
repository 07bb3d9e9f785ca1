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

enum bnet_err
bnet_header_decode(struct bnet_slice oob, struct bnet_header *header,
    struct bnet_bits_rd *forks, size_t *trailing_bytes)
{
	struct bnet_bits_rd rd;

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
