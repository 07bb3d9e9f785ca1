/* SPDX-License-Identifier: MIT */
#include "cmd/capture/layers.h"

#include "cmd/capture/capture.h"

#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88a8
#define ETHERTYPE_QINQ_OLD 0x9100
#define VLAN_TAGS_MAX 4
#define ETHER_BYTES 14
#define SLL_BYTES 16
#define SLL2_BYTES 20
#define NULL_BYTES 4
#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define TCP_BYTES 20
#define EXTENSION_BYTES 8 /* the shortest extension header */
#define IP_TCP 6
#define IP6_HOP_BY_HOP 0
#define IP6_ROUTING 43
#define IP6_FRAGMENT 44
#define IP6_AUTH 51
#define IP6_DESTINATION 60
#define IP6_MOBILITY 135
#define IP6_HEADERS_MAX 16

static uint16_t
get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t
get_u32(const uint8_t *p)
{
	return (uint32_t)get_u16(p) << 16 | get_u16(p + 2);
}

/* Where the payload of a link type starts, and where its type is. */
struct link_row {
	int linktype;
	size_t head_bytes;
	size_t type_at; /* of an ethertype; NO_TYPE: see the first
				   nibble of what follows */
};

#define NO_TYPE SIZE_MAX

static const struct link_row link_table[] = {
	{ DLT_EN10MB, ETHER_BYTES, 12 },
	{ DLT_LINUX_SLL, SLL_BYTES, 14 },
	{ DLT_LINUX_SLL2, SLL2_BYTES, 0 },
	{ DLT_RAW, 0, NO_TYPE },
	{ 101, 0, NO_TYPE }, /* LINKTYPE_RAW as used in files */
	{ DLT_IPV4, 0, NO_TYPE },
	{ DLT_IPV6, 0, NO_TYPE },
	{ DLT_NULL, NULL_BYTES, NO_TYPE },
	{ DLT_LOOP, NULL_BYTES, NO_TYPE },
};

static const struct link_row *
find_link(int linktype)
{
	for (size_t i = 0; i < sizeof(link_table) / sizeof(link_table[0]); i++)
		if (link_table[i].linktype == linktype)
			return &link_table[i];
	return NULL;
}

bool
cap_linktype_known(int linktype)
{
	return find_link(linktype) != NULL;
}

/* Skips the link header and VLAN tags; *type is then the ethertype. */
static bool
strip_link(const struct link_row *row, struct bnet_slice *in, uint16_t *type)
{
	if (in->len < row->head_bytes)
		return false;
	if (row->type_at == NO_TYPE) {
		*in = bnet_slice_from(*in, row->head_bytes);
		if (in->len == 0)
			return false;
		*type = in->p[0] >> 4 == 4 ? ETHERTYPE_IPV4
		    : in->p[0] >> 4 == 6   ? ETHERTYPE_IPV6
					   : 0;
		return true;
	}
	*type = get_u16(in->p + row->type_at);
	*in = bnet_slice_from(*in, row->head_bytes);
	for (int i = 0; i < VLAN_TAGS_MAX; i++) {
		if (*type != ETHERTYPE_VLAN && *type != ETHERTYPE_QINQ &&
		    *type != ETHERTYPE_QINQ_OLD)
			return true;
		if (in->len < 4)
			return false;
		*type = get_u16(in->p + 2);
		*in = bnet_slice_from(*in, 4);
	}
	return true;
}

/*
 * `in` holds the bytes captured from here on; `sent_bytes` were sent. IP claims
 * `ip_bytes`, of which fewer may have been captured.
 */
static void
set_data(struct cap_ip *ip, struct bnet_slice in, size_t ip_bytes)
{
	ip->data = in;
	ip->missing_bytes = 0;
	if (in.len > ip_bytes)
		ip->data.len = ip_bytes;
	else
		ip->missing_bytes = ip_bytes - in.len;
}

static enum cap_layer
parse_ipv4(struct bnet_slice in, size_t sent_bytes, struct cap_ip *ip)
{
	size_t head_bytes, total_bytes;
	uint16_t frag;

	if (in.len < IPV4_BYTES || in.p[0] >> 4 != 4)
		return CAP_LAYER_BAD;
	head_bytes = (size_t)(in.p[0] & 15) * 4;
	total_bytes = get_u16(in.p + 2);
	if (total_bytes == 0)
		total_bytes = sent_bytes;
	if (head_bytes < IPV4_BYTES || head_bytes > in.len ||
	    total_bytes < head_bytes)
		return CAP_LAYER_BAD;
	frag = get_u16(in.p + 6);
	ip->id = get_u16(in.p + 4);
	ip->offset_bytes = (uint32_t)(frag & 0x1fff) * 8;
	ip->more = (frag & 0x2000) != 0;
	ip->fragment = ip->more || ip->offset_bytes != 0;
	ip->protocol = in.p[9];
	memcpy(ip->src.ip, in.p + 12, 4);
	memcpy(ip->dst.ip, in.p + 16, 4);
	set_data(ip, bnet_slice_from(in, head_bytes), total_bytes - head_bytes);
	return ip->fragment ? CAP_LAYER_FRAGMENT : CAP_LAYER_TCP;
}

/* Size of the extension header at `p`; 0: not one that is skipped. */
static size_t
extension_bytes(uint8_t next, const uint8_t *p)
{
	switch (next) {
	case IP6_HOP_BY_HOP:
	case IP6_ROUTING:
	case IP6_DESTINATION:
	case IP6_MOBILITY:
		return ((size_t)p[1] + 1) * 8;
	case IP6_AUTH:
		return ((size_t)p[1] + 2) * 4;
	case IP6_FRAGMENT:
		return 8;
	default:
		return 0;
	}
}

/*
 * Skips the extension headers of `ip`, starting with type ip->protocol; stops
 * at a fragment header.
 */
static bool
step_extensions(struct cap_ip *ip)
{
	struct bnet_slice in = ip->data;
	size_t left_bytes = in.len + ip->missing_bytes, n;

	for (int i = 0; i < IP6_HEADERS_MAX && !ip->fragment; i++) {
		static const uint8_t any[2];
		uint8_t next = ip->protocol;

		if (extension_bytes(next, any) == 0)
			break;
		if (in.len < EXTENSION_BYTES)
			return false;
		n = extension_bytes(next, in.p);
		if (n > in.len)
			return false;
		if (next == IP6_FRAGMENT) {
			uint16_t frag = get_u16(in.p + 2);

			ip->offset_bytes = frag & 0xfff8;
			ip->more = (frag & 1) != 0;
			ip->id = get_u32(in.p + 4);
			/* an atomic fragment (RFC 6946) is complete */
			ip->fragment = ip->more || ip->offset_bytes != 0;
		}
		ip->protocol = in.p[0];
		in = bnet_slice_from(in, n);
		left_bytes -= n;
	}
	ip->data = in;
	ip->missing_bytes = left_bytes - in.len;
	return true;
}

static enum cap_layer
parse_ipv6(struct bnet_slice in, size_t sent_bytes, struct cap_ip *ip)
{
	size_t left_bytes;

	if (in.len < IPV6_BYTES || in.p[0] >> 4 != 6)
		return CAP_LAYER_BAD;
	ip->src.v6 = ip->dst.v6 = true;
	memcpy(ip->src.ip, in.p + 8, 16);
	memcpy(ip->dst.ip, in.p + 24, 16);
	left_bytes = get_u16(in.p + 4);
	if (left_bytes == 0 && sent_bytes >= IPV6_BYTES)
		left_bytes = sent_bytes - IPV6_BYTES;
	ip->protocol = in.p[6];
	set_data(ip, bnet_slice_from(in, IPV6_BYTES), left_bytes);
	if (!step_extensions(ip))
		return CAP_LAYER_BAD;
	return ip->fragment ? CAP_LAYER_FRAGMENT : CAP_LAYER_TCP;
}

enum cap_layer
cap_layers_ip(int linktype, struct bnet_slice packet, size_t wire_bytes,
    struct cap_ip *ip)
{
	const struct link_row *row = find_link(linktype);
	struct bnet_slice in = packet;
	size_t sent_bytes;
	uint16_t type;

	memset(ip, 0, sizeof(*ip));
	if (row == NULL)
		return CAP_LAYER_OTHER;
	if (!strip_link(row, &in, &type))
		return CAP_LAYER_BAD;
	sent_bytes = wire_bytes > packet.len ? wire_bytes : packet.len;
	sent_bytes -= packet.len - in.len;
	if (type == ETHERTYPE_IPV4)
		return parse_ipv4(in, sent_bytes, ip);
	if (type == ETHERTYPE_IPV6)
		return parse_ipv6(in, sent_bytes, ip);
	return CAP_LAYER_OTHER;
}

static enum cap_layer
parse_tcp(const struct cap_ip *ip, struct cap_segment *segment)
{
	const uint8_t *p = ip->data.p;
	size_t head_bytes;

	if (ip->protocol != IP_TCP)
		return CAP_LAYER_OTHER;
	if (ip->data.len < TCP_BYTES)
		return CAP_LAYER_BAD;
	head_bytes = (size_t)(p[12] >> 4) * 4;
	if (head_bytes < TCP_BYTES ||
	    head_bytes > ip->data.len + ip->missing_bytes)
		return CAP_LAYER_BAD;
	segment->src = ip->src;
	segment->dst = ip->dst;
	segment->src.port = get_u16(p);
	segment->dst.port = get_u16(p + 2);
	segment->seq = get_u32(p + 4);
	segment->ack = get_u32(p + 8);
	segment->flags = p[13];
	segment->missing_bytes = ip->missing_bytes;
	if (head_bytes > ip->data.len) {
		/* the capture ends within the options */
		segment->missing_bytes -= head_bytes - ip->data.len;
		head_bytes = ip->data.len;
	}
	segment->data = bnet_slice_from(ip->data, head_bytes);
	return CAP_LAYER_TCP;
}

enum cap_layer
cap_layers_tcp(const struct cap_ip *ip, struct cap_segment *segment)
{
	struct cap_ip whole;

	if (!ip->src.v6 || ip->protocol == IP_TCP)
		return parse_tcp(ip, segment);
	/* more headers may follow a fragment header */
	whole = *ip;
	if (!step_extensions(&whole) || whole.fragment)
		return CAP_LAYER_BAD;
	return parse_tcp(&whole, segment);
}

/* ---- fragments ---- */

#define DATAGRAM_BYTES 65536
#define UNIT_BYTES 8 /* fragments start at multiples of this */
#define N_UNITS (DATAGRAM_BYTES / UNIT_BYTES)
#define STALE_NS INT64_C(30000000000) /* lifetime of a reassembly */

struct datagram {
	bool used;
	struct cap_end src, dst;
	uint32_t id;
	uint8_t protocol;
	int64_t time_ns; /* of its first fragment */
	size_t held_bytes;
	size_t total_bytes; /* 0 until the last fragment is in */
	uint8_t *data; /* DATAGRAM_BYTES */
	uint8_t have[N_UNITS / 8]; /* one bit per unit */
	size_t n_units;
};

struct cap_fragments {
	struct datagram datagram[FRAGMENTS_MAX];
	struct datagram *done; /* returned to the caller, to be dropped */
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
	/* in IPv6 only the first fragment's protocol counts (RFC 8200) */
	return d->used && d->id == ip->id && d->src.v6 == ip->src.v6 &&
	    (ip->src.v6 || d->protocol == ip->protocol) &&
	    memcmp(d->src.ip, ip->src.ip, sizeof(d->src.ip)) == 0 &&
	    memcmp(d->dst.ip, ip->dst.ip, sizeof(d->dst.ip)) == 0;
}

/* Returns the datagram of the fragment, or a place for it. */
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

/* A second end, or data after the end: from another datagram. */
static bool
contradicts(const struct datagram *d, const struct cap_ip *ip)
{
	size_t end_bytes = ip->offset_bytes + ip->data.len;

	return d->total_bytes != 0 &&
	    (ip->more ? end_bytes > d->total_bytes
		      : end_bytes != d->total_bytes);
}

/* Units may lie after the end, so counting them is not enough. */
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
