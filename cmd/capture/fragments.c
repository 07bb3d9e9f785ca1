/* SPDX-License-Identifier: MIT */
#include "cmd/capture/fragments.h"

#include <stdlib.h>
#include <string.h>

#define DATAGRAM_BYTES 65536
#define UNIT_BYTES 8 /* fragments start at multiples of it */
#define N_UNITS (DATAGRAM_BYTES / UNIT_BYTES)
#define STALE_NS INT64_C(30000000000) /* a reassembly's life */

struct datagram {
	bool used;
	struct cap_end src, dst;
	uint32_t id;
	uint8_t protocol;
	int64_t time_ns; /* of its first fragment */
	size_t held_bytes;
	size_t total_bytes; /* 0 until the last fragment is in */
	uint8_t *data; /* DATAGRAM_BYTES */
	uint8_t have[N_UNITS / 8]; /* a bit a unit */
	size_t n_units;
};

struct cap_fragments {
	struct datagram datagram[FRAGMENTS_MAX];
	struct datagram *done; /* given out, to be dropped */
};

struct cap_fragments *
cap_fragments_new(void)
{
	return calloc(1, sizeof(struct cap_fragments));
}

static void
drop(struct datagram *d)
{
	free(d->data);
	memset(d, 0, sizeof(*d));
}

void
cap_fragments_free(struct cap_fragments *frags)
{
	if (frags == NULL)
		return;
	for (size_t i = 0; i < FRAGMENTS_MAX; i++)
		drop(&frags->datagram[i]);
	free(frags);
}

static bool
same(const struct datagram *d, const struct cap_ip *ip)
{
	/* of IPv6 only the first fragment's protocol counts (RFC 8200) */
	return d->used && d->id == ip->id && d->src.v6 == ip->src.v6 &&
	    (ip->src.v6 || d->protocol == ip->protocol) &&
	    memcmp(d->src.ip, ip->src.ip, sizeof(d->src.ip)) == 0 &&
	    memcmp(d->dst.ip, ip->dst.ip, sizeof(d->dst.ip)) == 0;
}

/* The datagram that the fragment is of, or a place for it. */
static struct datagram *
find(struct cap_fragments *frags, const struct cap_ip *ip, int64_t time_ns,
    size_t *evicted_bytes)
{
	struct datagram *place = &frags->datagram[0];

	for (size_t i = 0; i < FRAGMENTS_MAX; i++) {
		struct datagram *d = &frags->datagram[i];

		if (same(d, ip) && time_ns - d->time_ns < STALE_NS)
			return d;
		if (place->used && (!d->used || d->time_ns < place->time_ns))
			place = d;
	}
	*evicted_bytes = place->held_bytes;
	drop(place);
	place->data = malloc(DATAGRAM_BYTES);
	if (place->data == NULL)
		return NULL;
	place->used = true;
	place->src = ip->src;
	place->dst = ip->dst;
	place->id = ip->id;
	place->protocol = ip->protocol;
	place->time_ns = time_ns;
	return place;
}

static void
put(struct datagram *d, const struct cap_ip *ip)
{
	for (size_t at = 0; at < ip->data.len; at += UNIT_BYTES) {
		size_t unit = (ip->offset_bytes + at) / UNIT_BYTES;
		size_t n = ip->data.len - at;
		uint8_t bit = (uint8_t)(1 << unit % 8);

		if (d->have[unit / 8] & bit)
			continue;
		d->have[unit / 8] |= bit;
		d->n_units++;
		n = n < UNIT_BYTES ? n : UNIT_BYTES;
		memcpy(d->data + unit * UNIT_BYTES, ip->data.p + at, n);
		d->held_bytes += n;
	}
	if (ip->offset_bytes == 0)
		d->protocol = ip->protocol;
	if (!ip->more)
		d->total_bytes = ip->offset_bytes + ip->data.len;
}

/* A second end, or something behind the end: not of this datagram. */
static bool
contradicts(const struct datagram *d, const struct cap_ip *ip)
{
	size_t end_bytes = ip->offset_bytes + ip->data.len;

	return d->total_bytes != 0 &&
	    (ip->more ? end_bytes > d->total_bytes
		      : end_bytes != d->total_bytes);
}

/* Units may lie behind the end too, so counting is not enough. */
static bool
is_whole(const struct datagram *d)
{
	size_t n = (d->total_bytes + UNIT_BYTES - 1) / UNIT_BYTES;

	if (d->total_bytes == 0 || d->n_units < n)
		return false;
	for (size_t unit = 0; unit < n; unit++)
		if (!(d->have[unit / 8] & 1 << unit % 8))
			return false;
	return true;
}

enum bnet_err
cap_fragments_add(struct cap_fragments *frags, struct cap_ip *ip,
    int64_t time_ns, size_t *evicted_bytes)
{
	struct datagram *d;

	*evicted_bytes = 0;
	if (frags->done != NULL) {
		drop(frags->done);
		frags->done = NULL;
	}
	if (ip->missing_bytes > 0 ||
	    ip->offset_bytes + ip->data.len > DATAGRAM_BYTES ||
	    (ip->more && ip->data.len % UNIT_BYTES != 0))
		return BNET_ELIMIT;
	d = find(frags, ip, time_ns, evicted_bytes);
	if (d == NULL)
		return BNET_ENOMEM;
	if (contradicts(d, ip))
		return BNET_ELIMIT;
	put(d, ip);
	if (!is_whole(d))
		return BNET_MORE;
	ip->protocol = d->protocol;
	ip->data = (struct bnet_slice){ d->data, d->total_bytes };
	ip->fragment = false;
	frags->done = d;
	return BNET_OK;
}
