/* SPDX-License-Identifier: MIT */
#include "cmd/capture/layers.h"

#include "cmd/capture/capture.h"

#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers on the wire ---- */

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_TEB 0x6558 /* an Ethernet frame, in GRE and Geneve */
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_PPP 0x880b /* in GRE version 1 */
#define ETHERTYPE_ERSPAN 0x88be /* in GRE; types I and II */
#define ETHERTYPE_ERSPAN3 0x22eb /* in GRE */
#define ETHERTYPE_WCCP 0x883e /* in GRE */
#define ETHERTYPE_METADATA 0x8909
#define ETHERTYPE_MIN 0x0600 /* below: a length, and LLC follows */

#define IP_IPV4 4
#define IP_TCP 6
#define IP_UDP 17
#define IP_IPV6 41
#define IP_GRE 47
#define IP_AUTH 51
#define IP_ETHERIP 97
#define IP_MPLS 137
#define IP_ETHERNET 143
#define IP6_HOP_BY_HOP 0
#define IP6_ROUTING 43
#define IP6_FRAGMENT 44
#define IP6_DESTINATION 60
#define IP6_MOBILITY 135

#define ETHER_BYTES 14
#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define TCP_BYTES 20
#define UDP_BYTES 8
#define MPLS_BYTES 4
#define LLC_BYTES 3
#define SNAP_BYTES 8 /* with LLC */
#define EXTENSION_BYTES 8 /* the shortest extension header */
#define IP6_HEADERS_MAX 16
#define NO_TUNNEL 1 /* cap_ip.tunnel of a packet in none */

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

/* ---- the walk ---- */

/* What the bytes at hand are. */
enum next {
	NEXT_ETHER = 0,
	NEXT_TYPE, /* what walk.type says, an ethertype */
	NEXT_LLC,
	NEXT_IP, /* as its first nibble says */
	NEXT_IPV4,
	NEXT_IPV6,
	NEXT_IP_DATA, /* of the datagram in walk.ip */
	NEXT_UDP,
	NEXT_VXLAN,
	NEXT_VXLAN_GPE,
	NEXT_GENEVE,
	NEXT_GRE,
	NEXT_ETHERIP,
	NEXT_MPLS,
	NEXT_NSH,
	NEXT_PPPOE,
	NEXT_PPP,
	NEXT_PPP_DIRECTION, /* a byte of direction, then PPP */
	NEXT_HDLC, /* Cisco HDLC or PPP */
	NEXT_METADATA, /* Cisco */
	NEXT_PBB, /* 802.1ah */
	NEXT_SLL,
	NEXT_SLL2,
	NEXT_NULL,
	NEXT_NFLOG,
	NEXT_RADIOTAP,
	NEXT_WLAN,
	NEXT_SUBFRAME, /* of an 802.11 A-MSDU */
	N_NEXT,
	/* the end of the walk */
	END_TCP,
	END_FRAGMENT,
	END_OTHER, /* walk.other tells what it is */
	END_BAD,
};

struct walk {
	struct bnet_slice in; /* captured, from here on */
	size_t sent_bytes; /* from here on; at least in.len */
	uint16_t type; /* NEXT_TYPE */
	uint8_t n_headers, n_vlans;
	bool wrapped;
	bool pad_wlan; /* radiotap: the 802.11 header is padded */
	uint32_t tunnel;
	struct cap_other other;
	struct bnet_slice rest;
	struct cap_ip *ip;
};

/* Steps over `n` bytes, which must be captured. */
static void
step(struct walk *w, size_t n)
{
	w->in = bnet_slice_from(w->in, n);
	w->sent_bytes -= n;
}

/* Steps over a header; false if the capture ends within it. */
static bool
step_in(struct walk *w, size_t n)
{
	if (w->in.len < n)
		return false;
	step(w, n);
	return true;
}

static enum next
other(struct walk *w, enum cap_other_kind kind, uint32_t number)
{
	w->other = (struct cap_other){ kind, number };
	return END_OTHER;
}

/* Another header around the segment, and its identifier; never 0 after it. */
static void
enter(struct walk *w, enum next header, uint32_t id)
{
	uint32_t h = w->tunnel + 1 + (uint32_t)header;

	h = (h * UINT32_C(0x85ebca6b)) ^ id;
	h *= UINT32_C(0x9e3779b1);
	h ^= h >> 15;
	w->tunnel = h != 0 ? h : 1;
}

/* ---- IP ---- */

/* The walk is at the data of an IP header that claims `ip_bytes` of it. */
static void
set_data(struct walk *w, size_t ip_bytes)
{
	if (w->in.len > ip_bytes)
		w->in.len = ip_bytes;
	w->sent_bytes = ip_bytes;
}

/* A new header, inside the one before, if any. */
static void
begin_ip(struct walk *w)
{
	struct cap_ip *ip = w->ip;
	uint32_t v[4], ends = 0;

	if (ip->protocol == 0) /* there is none: it is zero */
		return;
	/* the same id both ways */
	memcpy(v, ip->src.ip, sizeof(v));
	ends += v[0] ^ v[1] ^ v[2] ^ v[3];
	memcpy(v, ip->dst.ip, sizeof(v));
	ends += v[0] ^ v[1] ^ v[2] ^ v[3];
	enter(w, NEXT_IP, ends);
	w->wrapped = true;
	memset(ip, 0, sizeof(*ip));
}

static enum next
read_ipv4(struct walk *w)
{
	const uint8_t *p = w->in.p;
	struct cap_ip *ip = w->ip;
	size_t head_bytes, total_bytes;
	uint16_t frag;

	if (w->in.len < IPV4_BYTES || p[0] >> 4 != 4)
		return END_BAD;
	head_bytes = (size_t)(p[0] & 15) * 4;
	total_bytes = get_u16(p + 2);
	if (total_bytes == 0)
		total_bytes = w->sent_bytes;
	if (head_bytes < IPV4_BYTES || head_bytes > w->in.len ||
	    total_bytes < head_bytes)
		return END_BAD;
	begin_ip(w);
	ip->start = p;
	frag = get_u16(p + 6);
	ip->id = get_u16(p + 4);
	ip->offset_bytes = (uint32_t)(frag & 0x1fff) * 8;
	ip->more = (frag & 0x2000) != 0;
	ip->fragment = ip->more || ip->offset_bytes != 0;
	ip->protocol = p[9];
	memcpy(ip->src.ip, p + 12, 4);
	memcpy(ip->dst.ip, p + 16, 4);
	step(w, head_bytes);
	set_data(w, total_bytes - head_bytes);
	return ip->fragment          ? END_FRAGMENT
	    : ip->protocol == IP_TCP ? END_TCP
				     : NEXT_IP_DATA;
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
	case IP_AUTH:
		return ((size_t)p[1] + 2) * 4;
	case IP6_FRAGMENT:
		return 8;
	default:
		return 0;
	}
}

/*
 * Steps over the extension headers, starting with type ip->protocol; stops
 * behind a fragment header.
 */
static bool
step_extensions(struct walk *w)
{
	struct cap_ip *ip = w->ip;
	size_t n;

	for (int i = 0; i < IP6_HEADERS_MAX && !ip->fragment; i++) {
		static const uint8_t any[2];
		uint8_t next = ip->protocol;

		if (extension_bytes(next, any) == 0)
			break;
		if (w->in.len < EXTENSION_BYTES)
			return false;
		n = extension_bytes(next, w->in.p);
		if (n > w->in.len)
			return false;
		if (next == IP6_FRAGMENT) {
			uint16_t frag = get_u16(w->in.p + 2);

			ip->offset_bytes = frag & 0xfff8;
			ip->more = (frag & 1) != 0;
			ip->id = get_u32(w->in.p + 4);
			/* an atomic fragment (RFC 6946) is complete */
			ip->fragment = ip->more || ip->offset_bytes != 0;
		}
		ip->protocol = w->in.p[0];
		step(w, n);
	}
	return true;
}

static enum next
read_ipv6(struct walk *w)
{
	const uint8_t *p = w->in.p;
	struct cap_ip *ip = w->ip;
	size_t left_bytes;

	if (w->in.len < IPV6_BYTES || p[0] >> 4 != 6)
		return END_BAD;
	begin_ip(w);
	ip->start = p;
	ip->src.v6 = ip->dst.v6 = true;
	memcpy(ip->src.ip, p + 8, 16);
	memcpy(ip->dst.ip, p + 24, 16);
	left_bytes = get_u16(p + 4);
	if (left_bytes == 0)
		left_bytes = w->sent_bytes - IPV6_BYTES;
	ip->protocol = p[6];
	step(w, IPV6_BYTES);
	set_data(w, left_bytes);
	if (!step_extensions(w))
		return END_BAD;
	return ip->fragment          ? END_FRAGMENT
	    : ip->protocol == IP_TCP ? END_TCP
				     : NEXT_IP_DATA;
}

/* ---- Ethernet and what stands for it ---- */

/* Tags: so many bytes, then the ethertype of what follows. */
static const struct tag_row {
	uint16_t type;
	uint8_t tag_bytes;
	uint16_t id_mask; /* of the first two bytes */
} tag_table[] = {
	{ ETHERTYPE_VLAN, 2, 0xfff }, { 0x88a8, 2, 0xfff }, /* 802.1ad */
	{ 0x9100, 2, 0xfff }, /* older ones */
	{ 0x9200, 2, 0xfff }, { 0x9300, 2, 0xfff },
	{ 0x8926, 4, 0 }, /* VN-Tag */
	{ 0x893f, 6, 0 }, /* 802.1BR */
};

/* Headers of other kinds. */
static const struct type_row {
	uint16_t type;
	enum next next;
} type_table[] = {
	{ ETHERTYPE_TEB, NEXT_ETHER },
	{ 0x8847, NEXT_MPLS },
	{ 0x8848, NEXT_MPLS }, /* multicast, or an upstream label */
	{ 0x8864, NEXT_PPPOE },
	{ 0x8870, NEXT_LLC }, /* in a jumbo frame */
	{ 0x88e7, NEXT_PBB },
	{ 0x894f, NEXT_NSH },
	{ ETHERTYPE_METADATA, NEXT_METADATA },
};

static enum next
read_tag(struct walk *w, const struct tag_row *row)
{
	uint32_t id;

	if (w->in.len < row->tag_bytes + 2u)
		return END_BAD;
	id = get_u16(w->in.p) & row->id_mask;
	if (id != 0) /* 0 is a priority only */
		enter(w, NEXT_TYPE, id);
	if (row->id_mask != 0 && !w->wrapped && w->n_vlans < UINT8_MAX)
		w->n_vlans++;
	w->type = get_u16(w->in.p + row->tag_bytes);
	step(w, row->tag_bytes + 2u);
	return NEXT_TYPE;
}

static enum next
read_type(struct walk *w)
{
	if (w->type == ETHERTYPE_IPV4)
		return read_ipv4(w);
	if (w->type == ETHERTYPE_IPV6)
		return read_ipv6(w);
	if (w->type < ETHERTYPE_MIN)
		return NEXT_LLC;
	for (size_t i = 0; i < sizeof(tag_table) / sizeof(tag_table[0]); i++)
		if (tag_table[i].type == w->type)
			return read_tag(w, &tag_table[i]);
	for (size_t i = 0; i < sizeof(type_table) / sizeof(type_table[0]); i++)
		if (type_table[i].type == w->type)
			return type_table[i].next;
	return other(w, CAP_OTHER_ETHERTYPE, w->type);
}

static enum next
read_ether(struct walk *w)
{
	if (w->in.len < ETHER_BYTES)
		return END_BAD;
	w->type = get_u16(w->in.p + ETHER_BYTES - 2);
	step(w, ETHER_BYTES);
	return read_type(w);
}

/* SNAP (RFC 1042, 802.1H), or IPv4 with a SAP of its own. */
static enum next
read_llc(struct walk *w)
{
	const uint8_t *p = w->in.p;

	if (w->in.len < LLC_BYTES)
		return END_BAD;
	if (p[0] == 6 && p[1] == 6 && p[2] == 3) {
		step(w, LLC_BYTES);
		return NEXT_IPV4;
	}
	if (p[0] != 0xaa || p[1] != 0xaa || p[2] != 3)
		return other(w, CAP_OTHER_SAP, p[0]);
	if (w->in.len < SNAP_BYTES)
		return END_BAD;
	if (p[3] != 0 || p[4] != 0 || (p[5] != 0 && p[5] != 0xf8))
		return other(
		    w, CAP_OTHER_SNAP, get_u32(p + 2) & UINT32_C(0xffffff));
	w->type = get_u16(p + LLC_BYTES + 3);
	step(w, SNAP_BYTES);
	if (w->type < ETHERTYPE_MIN)
		return other(w, CAP_OTHER_ETHERTYPE, w->type);
	return NEXT_TYPE;
}

/*
 * draft-smith-kandula-sxp: version, length in words, so many words of options,
 * ethertype.
 */
static enum next
read_metadata(struct walk *w)
{
	size_t n;

	if (w->in.len < 2)
		return END_BAD;
	n = 2 + (w->in.p[1] == 0 ? 1 : (size_t)w->in.p[1]) * 4;
	if (w->in.len < n + 2)
		return END_BAD;
	w->type = get_u16(w->in.p + n);
	step(w, n + 2);
	return NEXT_TYPE;
}

/* | flags u8 | I-SID u24 | then an Ethernet frame */
static enum next
read_pbb(struct walk *w)
{
	if (w->in.len < 4)
		return END_BAD;
	enter(w, NEXT_PBB, get_u32(w->in.p) & UINT32_C(0xffffff));
	step(w, 4);
	return NEXT_ETHER;
}

/* RFC 8300 */
static enum next
read_nsh(struct walk *w)
{
	static const enum next table[] = { END_OTHER, NEXT_IPV4, NEXT_IPV6,
		NEXT_ETHER, END_OTHER, NEXT_MPLS };
	size_t n;
	uint8_t protocol;

	if (w->in.len < 8)
		return END_BAD;
	n = (size_t)(w->in.p[1] & 0x3f) * 4;
	protocol = w->in.p[3];
	if (n < 8 || !step_in(w, n))
		return END_BAD;
	if (protocol >= sizeof(table) / sizeof(table[0]) ||
	    table[protocol] == END_OTHER)
		return other(w, CAP_OTHER_ETHERTYPE, 0x894f);
	return table[protocol];
}

/* ---- MPLS ---- */

/* Is the length in an IP header what the packet has room for? */
static bool
ip_fits(const struct walk *w, size_t at, bool *exactly)
{
	size_t left_bytes = w->sent_bytes - at, n;
	const uint8_t *p;

	if (w->in.len < at + IPV4_BYTES)
		return false;
	p = w->in.p + at;
	if (p[0] >> 4 == 4) {
		n = get_u16(p + 2);
		n = n == 0 ? left_bytes : n; /* segmentation offload */
		if ((p[0] & 15) < 5 || n < IPV4_BYTES)
			return false;
	} else if (p[0] >> 4 == 6) {
		n = IPV6_BYTES + (size_t)get_u16(p + 4);
	} else {
		return false;
	}
	*exactly = n == left_bytes;
	return n <= left_bytes;
}

/* Is there an Ethernet frame, with something that is read? */
static bool
ether_fits(const struct walk *w, size_t at)
{
	bool exactly;
	uint16_t type;

	if (w->in.len < at + ETHER_BYTES + LLC_BYTES)
		return false;
	type = get_u16(w->in.p + at + ETHER_BYTES - 2);
	at += ETHER_BYTES;
	if (type == ETHERTYPE_IPV4 || type == ETHERTYPE_IPV6)
		return ip_fits(w, at, &exactly) &&
		    (w->in.p[at] >> 4 == 4) == (type == ETHERTYPE_IPV4);
	if (type < ETHERTYPE_MIN)
		return memcmp(w->in.p + at, "\xaa\xaa\x03", LLC_BYTES) == 0;
	for (size_t i = 0; i < sizeof(tag_table) / sizeof(tag_table[0]); i++)
		if (tag_table[i].type == type)
			return true;
	for (size_t i = 0; i < sizeof(type_table) / sizeof(type_table[0]); i++)
		if (type_table[i].type == type)
			return true;
	return false;
}

/*
 * Nothing says what follows the last label: IP, or an Ethernet frame, with or
 * without a control word (RFC 4448), whose first nibble is 0.
 */
static enum next
below_mpls(struct walk *w)
{
	bool exactly = false;
	bool bare = ether_fits(w, 0);

	/* cut too early to tell, and before TCP */
	if (w->in.len == 0 ||
	    (w->in.len < w->sent_bytes &&
		w->in.len < 4 + ETHER_BYTES + IPV4_BYTES))
		return END_BAD;
	if (ip_fits(w, 0, &exactly) && (exactly || !bare))
		return NEXT_IP;
	if (!bare && w->in.p[0] >> 4 == 0 && ether_fits(w, 4)) {
		step(w, 4);
		bare = true;
	}
	if (bare) {
		enter(w, NEXT_ETHER, 0);
		return NEXT_ETHER;
	}
	/* a header that lies, or is cut: the reader of IP judges it */
	if (w->in.p[0] >> 4 == 4 || w->in.p[0] >> 4 == 6)
		return NEXT_IP;
	return other(w, CAP_OTHER_MPLS, 0);
}

/* RFC 3032: label 20 bits, 3 bits, the last one's mark, TTL. */
static enum next
read_mpls(struct walk *w)
{
	uint32_t entry;

	if (w->in.len < MPLS_BYTES)
		return END_BAD;
	entry = get_u32(w->in.p);
	w->wrapped = true;
	step(w, MPLS_BYTES);
	enter(w, NEXT_MPLS, entry >> 12);
	if ((entry & 0x100) == 0)
		return NEXT_MPLS;
	return below_mpls(w);
}

/* ---- PPP ---- */

/* RFC 1661; address and control, and half of the protocol, may be absent. */
static enum next
read_ppp(struct walk *w)
{
	uint16_t protocol;

	if (w->in.len >= 2 && w->in.p[0] == 0xff && w->in.p[1] == 3)
		step(w, 2);
	if (w->in.len < 2)
		return END_BAD;
	if (w->in.p[0] & 1) {
		protocol = w->in.p[0];
		step(w, 1);
	} else {
		protocol = get_u16(w->in.p);
		step(w, 2);
	}
	switch (protocol) {
	case 0x0021:
		return NEXT_IPV4;
	case 0x0057:
		return NEXT_IPV6;
	case 0x0281:
	case 0x0283:
		return NEXT_MPLS;
	default:
		return other(w, CAP_OTHER_PPP, protocol);
	}
}

static enum next
read_ppp_direction(struct walk *w)
{
	if (!step_in(w, 1))
		return END_BAD;
	/* the direction in place of the address, then control */
	if (w->in.len > 0 && w->in.p[0] == 3)
		step(w, 1);
	return NEXT_PPP;
}

static enum next
read_hdlc(struct walk *w)
{
	if (w->in.len < 4)
		return END_BAD;
	if (w->in.p[0] == 0xff && w->in.p[1] == 3)
		return NEXT_PPP;
	w->type = get_u16(w->in.p + 2);
	step(w, 4);
	return w->type < ETHERTYPE_MIN ? other(w, CAP_OTHER_ETHERTYPE, w->type)
				       : NEXT_TYPE;
}

/* RFC 2516: version and type, code (0: a session's data), session, length. */
static enum next
read_pppoe(struct walk *w)
{
	if (w->in.len < 6)
		return END_BAD;
	if (w->in.p[0] != 0x11 || w->in.p[1] != 0)
		return other(w, CAP_OTHER_ETHERTYPE, 0x8864);
	enter(w, NEXT_PPPOE, get_u16(w->in.p + 2));
	w->wrapped = true;
	step(w, 6);
	return NEXT_PPP;
}

/* ---- GRE ---- */

#define GRE_CHECKSUM 0x8000
#define GRE_ROUTING 0x4000
#define GRE_KEY 0x2000
#define GRE_SEQUENCE 0x1000
#define GRE_ACK 0x0080 /* version 1 */
#define GRE_VERSION 0x0007

/* RFC 1701: family u16, offset u8, length u8, so many bytes; the last is 0. */
static bool
step_gre_routing(struct walk *w)
{
	size_t n;

	do {
		if (w->in.len < 4)
			return false;
		n = w->in.p[3];
		if (!step_in(w, 4 + n))
			return false;
	} while (n != 0);
	return true;
}

/* RFC 2784, 2890; version 1: RFC 2637, whose key is a length and a call. */
static bool
step_gre(struct walk *w, uint16_t flags)
{
	bool v1 = (flags & GRE_VERSION) == 1;
	uint32_t key = 0;
	size_t n = 4;

	n += flags & (GRE_CHECKSUM | GRE_ROUTING) ? 4 : 0;
	if (flags & GRE_KEY) {
		if (w->in.len < n + 4)
			return false;
		key = v1 ? get_u16(w->in.p + n + 2) : get_u32(w->in.p + n);
		n += 4;
	}
	enter(w, NEXT_GRE, key);
	n += flags & GRE_SEQUENCE ? 4 : 0;
	n += v1 && (flags & GRE_ACK) ? 4 : 0;
	return step_in(w, n) && (!(flags & GRE_ROUTING) || step_gre_routing(w));
}

/* draft-foschiano-erspan; type I has no header, and GRE no sequence number. */
static enum next
read_erspan(struct walk *w, bool has_header)
{
	bool is_ip = false;
	size_t n = 8;
	uint16_t flags;

	if (!has_header)
		return NEXT_ETHER;
	if (w->in.len < 8)
		return END_BAD;
	enter(w, NEXT_GRE, get_u16(w->in.p + 2) & 0x3ff);
	if (w->in.p[0] >> 4 == 2) {
		if (w->in.len < 12)
			return END_BAD;
		flags = get_u16(w->in.p + 10);
		is_ip = (flags >> 10 & 0x1f) == 2;
		n = flags & 1 ? 20 : 12;
	}
	return !step_in(w, n) ? END_BAD : is_ip ? NEXT_IP : NEXT_ETHER;
}

/* In GRE, the ethertype is first. */
static enum next
read_gre_metadata(struct walk *w)
{
	if (w->in.len < 4)
		return END_BAD;
	w->type = get_u16(w->in.p);
	return step_in(w, 4 + (w->in.p[3] == 0 ? 1 : (size_t)w->in.p[3]) * 4)
	    ? NEXT_TYPE
	    : END_BAD;
}

static enum next
read_gre(struct walk *w)
{
	uint16_t flags;

	if (w->in.len < 4)
		return END_BAD;
	flags = get_u16(w->in.p);
	w->type = get_u16(w->in.p + 2);
	if ((flags & GRE_VERSION) > 1)
		return other(w, CAP_OTHER_IP, IP_GRE);
	if (!step_gre(w, flags))
		return END_BAD;
	switch (w->type) {
	case ETHERTYPE_PPP:
		/* an acknowledgement carries nothing */
		return w->sent_bytes == 0 ? other(w, CAP_OTHER_IP, IP_GRE)
					  : NEXT_PPP;
	case ETHERTYPE_ERSPAN:
		return read_erspan(w, (flags & GRE_SEQUENCE) != 0);
	case ETHERTYPE_ERSPAN3:
		return read_erspan(w, true);
	case ETHERTYPE_METADATA:
		return read_gre_metadata(w);
	case ETHERTYPE_WCCP: /* version 2 has a header of its own */
		if (w->in.len >= 4 && w->in.p[0] >> 4 != 4)
			step(w, 4);
		return NEXT_IPV4;
	default:
		return w->type < ETHERTYPE_MIN
		    ? other(w, CAP_OTHER_ETHERTYPE, w->type)
		    : NEXT_TYPE;
	}
}

static enum next
read_etherip(struct walk *w)
{
	return step_in(w, 2) ? NEXT_ETHER : END_BAD;
}

/* ---- in UDP ---- */

/* Ports to which tunnels send. */
static const struct udp_row {
	uint16_t port;
	enum next next;
} udp_table[] = {
	{ 4789, NEXT_VXLAN },
	{ 8472, NEXT_VXLAN }, /* Linux, where no port is given */
	{ 4790, NEXT_VXLAN_GPE }, { 6081, NEXT_GENEVE },
	{ 4754, NEXT_GRE }, /* RFC 8086 */
	{ 6635, NEXT_MPLS }, /* RFC 7510 */
};

/* As a UDP packet that carries no tunnel. */
static enum next
other_udp(struct walk *w)
{
	return other(w, CAP_OTHER_UDP, w->type);
}

static enum next
read_udp(struct walk *w)
{
	uint16_t src, dst;

	if (w->in.len < UDP_BYTES) /* not TCP, even if it is cut */
		return w->in.len < w->sent_bytes
		    ? other(w, CAP_OTHER_IP, IP_UDP)
		    : END_BAD;
	src = get_u16(w->in.p);
	dst = get_u16(w->in.p + 2);
	w->type = dst;
	for (size_t i = 0; i < sizeof(udp_table) / sizeof(udp_table[0]); i++)
		if (udp_table[i].port == dst) {
			step(w, UDP_BYTES);
			return udp_table[i].next;
		}
	if (src != 0 && src < dst) /* the service's port is the lower one */
		w->type = src;
	return other_udp(w);
}

#define VXLAN_VNI 0x08 /* flags: the VNI is valid */
#define VXLAN_PROTOCOL 0x04 /* GPE: the last byte before it is a protocol */

/* RFC 7348: flags u8, 3 bytes, VNI u24, 1 byte. */
static enum next
read_vxlan(struct walk *w)
{
	if (w->in.len < 8)
		return END_BAD;
	if ((w->in.p[0] & VXLAN_VNI) == 0)
		return other_udp(w);
	enter(w, NEXT_VXLAN, get_u32(w->in.p + 4) >> 8);
	step(w, 8);
	return NEXT_ETHER;
}

/* draft-ietf-nvo3-vxlan-gpe */
static enum next
read_vxlan_gpe(struct walk *w)
{
	static const enum next table[] = { END_OTHER, NEXT_IPV4, NEXT_IPV6,
		NEXT_ETHER, NEXT_NSH, NEXT_MPLS };
	uint8_t protocol;

	if (w->in.len < 8)
		return END_BAD;
	protocol = w->in.p[0] & VXLAN_PROTOCOL ? w->in.p[3] : 3;
	if (protocol >= sizeof(table) / sizeof(table[0]) ||
	    table[protocol] == END_OTHER)
		return other_udp(w);
	enter(w, NEXT_VXLAN, get_u32(w->in.p + 4) >> 8);
	step(w, 8);
	return table[protocol];
}

/* RFC 8926: version and options' words, flags, ethertype, VNI u24, 1 byte. */
static enum next
read_geneve(struct walk *w)
{
	size_t n;

	if (w->in.len < 8)
		return END_BAD;
	if (w->in.p[0] >> 6 != 0)
		return other_udp(w);
	n = 8 + (size_t)(w->in.p[0] & 0x3f) * 4;
	w->type = get_u16(w->in.p + 2);
	enter(w, NEXT_GENEVE, get_u32(w->in.p + 4) >> 8);
	if (!step_in(w, n))
		return END_BAD;
	return w->type < ETHERTYPE_MIN ? other(w, CAP_OTHER_ETHERTYPE, w->type)
				       : NEXT_TYPE;
}

/* ---- in IP ---- */

static enum next
read_ip(struct walk *w)
{
	if (w->in.len == 0)
		return END_BAD;
	switch (w->in.p[0] >> 4) {
	case 4:
		return NEXT_IPV4;
	case 6:
		return NEXT_IPV6;
	default:
		return other(w, CAP_OTHER_NO_IP, 0);
	}
}

/* What a datagram may carry that is read; others are left out. */
static const struct ip_row {
	uint8_t protocol;
	enum next next;
} ip_table[] = {
	{ IP_TCP, END_TCP },
	{ IP_UDP, NEXT_UDP },
	{ IP_IPV4, NEXT_IPV4 },
	{ IP_IPV6, NEXT_IPV6 },
	{ IP_GRE, NEXT_GRE },
	{ IP_MPLS, NEXT_MPLS },
	{ IP_ETHERIP, NEXT_ETHERIP },
	{ IP_ETHERNET, NEXT_ETHER },
};

static enum next
read_ip_data(struct walk *w)
{
	struct cap_ip *ip = w->ip;

	/*
	 * IPv4 may have an authentication header; in IPv6, more headers may
	 * follow that of a fragment
	 */
	if (ip->src.v6 || ip->protocol == IP_AUTH) {
		if (!step_extensions(w) || ip->fragment)
			return END_BAD;
	}
	for (size_t i = 0; i < sizeof(ip_table) / sizeof(ip_table[0]); i++)
		if (ip_table[i].protocol == ip->protocol)
			return ip_table[i].next;
	return other(w, CAP_OTHER_IP, ip->protocol);
}

/* ---- link types ---- */

static enum next
read_sll(struct walk *w)
{
	if (w->in.len < 16)
		return END_BAD;
	w->type = get_u16(w->in.p + 14);
	step(w, 16);
	return NEXT_TYPE;
}

static enum next
read_sll2(struct walk *w)
{
	if (w->in.len < 20)
		return END_BAD;
	w->type = get_u16(w->in.p);
	step(w, 20);
	return NEXT_TYPE;
}

/* An address family, which is not the same everywhere. */
static enum next
read_null(struct walk *w)
{
	return step_in(w, 4) ? NEXT_IP : END_BAD;
}

#define NFLOG_PAYLOAD 9

static size_t
nflog_u16(const uint8_t *p, bool big)
{
	return big ? get_u16(p) : (size_t)(p[1] << 8 | p[0]);
}

/*
 * family u8, version u8, id u16, then attributes: length u16, which counts the
 * 4 bytes of its head, type u16, value, padding to 4. Both are in the order of
 * the machine that wrote the file: a first length that is too long is of the
 * other one.
 */
static enum next
read_nflog(struct walk *w)
{
	size_t n;
	bool big;

	if (w->in.len < 8)
		return END_BAD;
	step(w, 4);
	n = nflog_u16(w->in.p, false);
	big = n < 4 || n > w->sent_bytes;
	while (w->in.len >= 4) {
		n = nflog_u16(w->in.p, big);
		if (n < 4)
			return END_BAD;
		if ((nflog_u16(w->in.p + 2, big) & 0x7fff) == NFLOG_PAYLOAD) {
			step(w, 4);
			set_data(w, n - 4);
			return NEXT_IP;
		}
		if (!step_in(w, (n + 3) / 4 * 4))
			return END_BAD;
	}
	return w->sent_bytes > 0 ? END_BAD : other(w, CAP_OTHER_NO_IP, 0);
}

#define RADIOTAP_TSFT 0x01u
#define RADIOTAP_FLAGS 0x02u
#define RADIOTAP_MORE 0x80000000u /* another word of bits follows */
#define RADIOTAP_F_PAD 0x20 /* in the flags */

static uint32_t
get_le32(const uint8_t *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[1] << 8 | p[0];
}

/*
 * version u8, padding u8, length u16, words of bits, then a field for each
 * bit, aligned to its size: the first is a time of 8 bytes, the second are
 * flags. Little-endian.
 */
static enum next
read_radiotap(struct walk *w)
{
	const uint8_t *p = w->in.p;
	size_t head_bytes, at = 4;
	uint32_t bits;

	if (w->in.len < 8 || p[0] != 0)
		return END_BAD;
	head_bytes = (size_t)(p[3] << 8 | p[2]);
	if (head_bytes < 8 || head_bytes > w->in.len)
		return END_BAD;
	bits = get_le32(p + 4);
	do {
		at += 4;
		if (at > head_bytes)
			return END_BAD;
	} while (get_le32(p + at - 4) & RADIOTAP_MORE);
	if (bits & RADIOTAP_TSFT)
		at = (at + 7) / 8 * 8 + 8;
	w->pad_wlan = (bits & RADIOTAP_FLAGS) && at < head_bytes &&
	    (p[at] & RADIOTAP_F_PAD);
	step(w, head_bytes);
	return NEXT_WLAN;
}

#define WLAN_TYPE 0x0c /* first byte */
#define WLAN_DATA 0x08
#define WLAN_NULL 0x40 /* a subtype without data */
#define WLAN_QOS 0x80
#define WLAN_TO_FROM 0x03 /* second byte: four addresses */
#define WLAN_MORE_FRAGMENTS 0x04
#define WLAN_PROTECTED 0x40
#define WLAN_ORDER 0x80
#define WLAN_AMSDU 0x80 /* first byte of QoS control */

static enum next
read_wlan(struct walk *w)
{
	const uint8_t *p = w->in.p;
	size_t n = 24;
	bool amsdu = false;

	if (w->in.len < 2)
		return END_BAD;
	if ((p[0] & WLAN_TYPE) != WLAN_DATA || (p[0] & WLAN_NULL))
		return other(w, CAP_OTHER_WLAN_CONTROL, 0);
	if (p[1] & WLAN_PROTECTED)
		return other(w, CAP_OTHER_WLAN_ENCRYPTED, 0);
	n += (p[1] & WLAN_TO_FROM) == WLAN_TO_FROM ? 6 : 0;
	if (w->in.len < n)
		return END_BAD;
	if ((p[1] & WLAN_MORE_FRAGMENTS) || (p[22] & 0x0f) != 0)
		return other(w, CAP_OTHER_WLAN_FRAGMENT, 0);
	if (p[0] & WLAN_QOS) {
		if (w->in.len < n + 2)
			return END_BAD;
		amsdu = (p[n] & WLAN_AMSDU) != 0;
		n += p[1] & WLAN_ORDER ? 6 : 2;
	}
	if (w->pad_wlan)
		n = (n + 3) / 4 * 4;
	if (!step_in(w, n))
		return END_BAD;
	return amsdu ? NEXT_SUBFRAME : NEXT_LLC;
}

/* destination, source, length u16, so many bytes, padding to 4 */
static enum next
read_subframe(struct walk *w)
{
	size_t n, whole;

	if (w->in.len < ETHER_BYTES)
		return END_BAD;
	n = get_u16(w->in.p + ETHER_BYTES - 2);
	whole = (ETHER_BYTES + n + 3) / 4 * 4;
	/* what is left may be a checksum */
	if (w->in.len > whole + ETHER_BYTES)
		w->rest = bnet_slice_from(w->in, whole);
	step(w, ETHER_BYTES);
	set_data(w, n);
	return NEXT_LLC;
}

static const struct link_row {
	int linktype;
	enum next next;
} link_table[] = {
	{ DLT_EN10MB, NEXT_ETHER },
	{ DLT_LINUX_SLL, NEXT_SLL },
	{ DLT_LINUX_SLL2, NEXT_SLL2 },
	{ DLT_RAW, NEXT_IP },
	{ 101, NEXT_IP }, /* LINKTYPE_RAW as used in files */
	{ DLT_IPV4, NEXT_IP },
	{ DLT_IPV6, NEXT_IP },
	{ DLT_NULL, NEXT_NULL },
	{ DLT_LOOP, NEXT_NULL },
	{ DLT_PPP, NEXT_PPP },
	{ DLT_PPP_SERIAL, NEXT_HDLC },
	{ DLT_PPP_ETHER, NEXT_PPPOE },
	{ DLT_PPP_PPPD, NEXT_PPP_DIRECTION },
	{ DLT_PPP_WITH_DIR, NEXT_PPP_DIRECTION },
	{ DLT_C_HDLC, NEXT_HDLC },
	{ DLT_MPLS, NEXT_MPLS },
	{ DLT_NFLOG, NEXT_NFLOG },
	{ DLT_IEEE802_11, NEXT_WLAN },
	{ DLT_IEEE802_11_RADIO, NEXT_RADIOTAP },
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

/* ---- the whole ---- */

static enum next (*const readers[N_NEXT])(struct walk *w) = {
	[NEXT_ETHER] = read_ether,
	[NEXT_TYPE] = read_type,
	[NEXT_LLC] = read_llc,
	[NEXT_IP] = read_ip,
	[NEXT_IPV4] = read_ipv4,
	[NEXT_IPV6] = read_ipv6,
	[NEXT_IP_DATA] = read_ip_data,
	[NEXT_UDP] = read_udp,
	[NEXT_VXLAN] = read_vxlan,
	[NEXT_VXLAN_GPE] = read_vxlan_gpe,
	[NEXT_GENEVE] = read_geneve,
	[NEXT_GRE] = read_gre,
	[NEXT_ETHERIP] = read_etherip,
	[NEXT_MPLS] = read_mpls,
	[NEXT_NSH] = read_nsh,
	[NEXT_PPPOE] = read_pppoe,
	[NEXT_PPP] = read_ppp,
	[NEXT_PPP_DIRECTION] = read_ppp_direction,
	[NEXT_HDLC] = read_hdlc,
	[NEXT_METADATA] = read_metadata,
	[NEXT_PBB] = read_pbb,
	[NEXT_SLL] = read_sll,
	[NEXT_SLL2] = read_sll2,
	[NEXT_NULL] = read_null,
	[NEXT_NFLOG] = read_nflog,
	[NEXT_RADIOTAP] = read_radiotap,
	[NEXT_WLAN] = read_wlan,
	[NEXT_SUBFRAME] = read_subframe,
};

/* From header to header, until the end; what was found goes to w->ip. */
static enum cap_layer
walk(struct walk *w, enum next next)
{
	struct cap_ip *ip = w->ip;

	while (next < N_NEXT)
		next = w->n_headers++ == CAP_HEADERS_MAX
		    ? other(w, CAP_OTHER_NESTED, 0)
		    : readers[next](w);
	ip->data = w->in;
	ip->missing_bytes = w->sent_bytes - w->in.len;
	ip->tunnel = w->tunnel;
	ip->n_headers = w->n_headers;
	ip->n_vlans = w->n_vlans;
	ip->wrapped = w->wrapped;
	ip->rest = w->rest;
	switch (next) {
	case END_TCP:
		return CAP_LAYER_TCP;
	case END_FRAGMENT:
		return CAP_LAYER_FRAGMENT;
	case END_OTHER:
		ip->other = w->other;
		return CAP_LAYER_OTHER;
	default:
		return CAP_LAYER_BAD;
	}
}

/*
 * Most packets are TCP over IPv4 in Ethernet and nothing else: the walk would
 * find the same, but take twice as long.
 */
static bool
is_plain(int linktype, struct bnet_slice packet, struct cap_ip *ip)
{
	const uint8_t *p;
	size_t total_bytes;

	if (linktype != DLT_EN10MB ||
	    packet.len < ETHER_BYTES + IPV4_BYTES + TCP_BYTES)
		return false;
	p = packet.p + ETHER_BYTES;
	if (get_u16(p - 2) != ETHERTYPE_IPV4 || p[0] != 0x45 ||
	    p[9] != IP_TCP || (get_u16(p + 6) & 0x3fff) != 0)
		return false;
	total_bytes = get_u16(p + 2);
	if (total_bytes < IPV4_BYTES)
		return false;
	memcpy(ip->src.ip, p + 12, 4);
	memcpy(ip->dst.ip, p + 16, 4);
	ip->protocol = IP_TCP;
	ip->tunnel = NO_TUNNEL;
	ip->data = bnet_slice_from(packet, ETHER_BYTES + IPV4_BYTES);
	total_bytes -= IPV4_BYTES;
	if (ip->data.len > total_bytes)
		ip->data.len = total_bytes;
	ip->missing_bytes = total_bytes - ip->data.len;
	return true;
}

enum cap_layer
cap_layers_ip(int linktype, struct bnet_slice packet, size_t wire_bytes,
    struct cap_ip *ip)
{
	const struct link_row *row;
	struct walk w;

	memset(ip, 0, sizeof(*ip));
	if (is_plain(linktype, packet, ip))
		return CAP_LAYER_TCP;
	row = find_link(linktype);
	if (row == NULL) {
		ip->other = (struct cap_other){ CAP_OTHER_LINKTYPE,
			(uint32_t)linktype };
		return CAP_LAYER_OTHER;
	}
	w = (struct walk){ .in = packet,
		.sent_bytes = wire_bytes > packet.len ? wire_bytes : packet.len,
		.tunnel = NO_TUNNEL,
		.ip = ip };
	return walk(&w, row->next);
}

enum cap_layer
cap_layers_on(struct cap_ip *ip)
{
	struct walk w = { .in = ip->data,
		.sent_bytes = ip->data.len + ip->missing_bytes,
		.tunnel = ip->tunnel,
		.n_headers = ip->n_headers,
		.n_vlans = ip->n_vlans,
		.wrapped = ip->wrapped,
		.rest = ip->rest,
		.ip = ip };

	return walk(&w, NEXT_IP_DATA);
}

/* Is it the start of a UDP packet that carries no tunnel? */
static bool
starts_no_tunnel(const struct cap_ip *ip, struct cap_other *what)
{
	struct cap_ip copy = *ip;
	enum cap_layer layer;

	if (ip->protocol != IP_UDP || ip->offset_bytes != 0 ||
	    ip->data.len < UDP_BYTES)
		return false;
	copy.fragment = false;
	layer = cap_layers_on(&copy);
	*what = copy.other;
	return layer == CAP_LAYER_OTHER && what->kind == CAP_OTHER_UDP;
}

bool
cap_layers_wants(struct cap_ip *ip)
{
	if (starts_no_tunnel(ip, &ip->other))
		return false;
	if (ip->src.v6) /* the first one's protocol counts (RFC 8200) */
		return true;
	for (size_t i = 0; i < sizeof(ip_table) / sizeof(ip_table[0]); i++)
		if (ip_table[i].protocol == ip->protocol)
			return true;
	ip->other = (struct cap_other){ CAP_OTHER_IP, ip->protocol };
	return ip->protocol == IP_AUTH;
}

enum cap_layer
cap_layers_rest(struct cap_ip *ip)
{
	struct walk w = { .in = ip->rest,
		.sent_bytes = ip->rest.len,
		.tunnel = NO_TUNNEL,
		.ip = ip };

	memset(ip, 0, sizeof(*ip));
	return walk(&w, NEXT_SUBFRAME);
}

enum cap_layer
cap_layers_tcp(const struct cap_ip *ip, struct cap_segment *segment)
{
	const uint8_t *p = ip->data.p;
	size_t head_bytes;

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
	segment->tunnel = ip->tunnel;
	segment->missing_bytes = ip->missing_bytes;
	if (head_bytes > ip->data.len) {
		/* the capture ends within the options */
		segment->missing_bytes -= head_bytes - ip->data.len;
		head_bytes = ip->data.len;
	}
	segment->data = bnet_slice_from(ip->data, head_bytes);
	/* as all systems place it, except in a SYN */
	segment->clocked = head_bytes >= TCP_BYTES + 12 &&
	    memcmp(p + TCP_BYTES, "\1\1\10\12", 4) == 0;
	if (segment->clocked)
		segment->ticks = get_u32(p + TCP_BYTES + 4);
	return CAP_LAYER_TCP;
}

/* ---- fragments ---- */

#define DATAGRAM_BYTES 65536
#define UNIT_BYTES 8 /* fragments start at multiples of this */
#define N_UNITS (DATAGRAM_BYTES / UNIT_BYTES)
#define STALE_NS INT64_C(30000000000) /* lifetime of a reassembly */

struct datagram {
	bool used;
	struct cap_end src, dst;
	uint32_t id, tunnel;
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
	uint8_t *done; /* returned to the caller, to be freed */
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
	free(frags->done);
	free(frags);
}

static bool
same(const struct datagram *d, const struct cap_ip *ip)
{
	/* in IPv6 only the first fragment's protocol counts (RFC 8200) */
	return d->used && d->id == ip->id && d->tunnel == ip->tunnel &&
	    d->src.v6 == ip->src.v6 &&
	    (ip->src.v6 || d->protocol == ip->protocol) &&
	    memcmp(d->src.ip, ip->src.ip, sizeof(d->src.ip)) == 0 &&
	    memcmp(d->dst.ip, ip->dst.ip, sizeof(d->dst.ip)) == 0;
}

/*
 * May it be of no interest? Whether UDP carries a tunnel is known only from the
 * first fragment.
 */
static bool
is_doubtful(const struct datagram *d)
{
	return d->protocol == IP_UDP && !(d->have[0] & 1);
}

/* Is `a` a better one to give up than `b`? */
static bool
goes_first(const struct datagram *a, const struct datagram *b)
{
	if (a->used != b->used)
		return b->used;
	if (is_doubtful(a) != is_doubtful(b))
		return is_doubtful(a);
	return a->time_ns < b->time_ns;
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
		if (place->used && goes_first(d, place))
			place = d;
	}
	*evicted_bytes = is_doubtful(place) ? 0 : place->held_bytes;
	drop(place);
	place->data = malloc(DATAGRAM_BYTES);
	if (place->data == NULL)
		return NULL;
	place->used = true;
	place->src = ip->src;
	place->dst = ip->dst;
	place->id = ip->id;
	place->tunnel = ip->tunnel;
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

static enum bnet_err
add_to(struct cap_fragments *frags, struct datagram *d, struct cap_ip *ip)
{
	if (contradicts(d, ip))
		return BNET_ELIMIT;
	put(d, ip);
	if (!is_whole(d))
		return BNET_MORE;
	ip->protocol = d->protocol;
	ip->data = (struct bnet_slice){ d->data, d->total_bytes };
	ip->fragment = false;
	frags->done = d->data;
	d->data = NULL;
	drop(d);
	return BNET_OK;
}

enum bnet_err
cap_fragments_add(struct cap_fragments *frags, struct cap_ip *ip,
    int64_t time_ns, size_t *evicted_bytes)
{
	uint8_t *done = frags->done; /* the fragment may lie in it */
	enum bnet_err err = BNET_ENOMEM;
	struct datagram *d;

	*evicted_bytes = 0;
	if (ip->missing_bytes > 0 ||
	    ip->offset_bytes + ip->data.len > DATAGRAM_BYTES ||
	    (ip->more && ip->data.len % UNIT_BYTES != 0))
		return BNET_ELIMIT;
	frags->done = NULL;
	d = find(frags, ip, time_ns, evicted_bytes);
	if (d != NULL)
		err = add_to(frags, d, ip);
	free(done);
	return err;
}
