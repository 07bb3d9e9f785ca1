/* SPDX-License-Identifier: MIT */
#include "tests/captures/around.h"

#include "tests/captures/pkt.h"

#define TYPE_IP4 0x0800u
#define TYPE_IP6 0x86ddu
#define TYPE_ETHER 0x6558u
#define TYPE_MPLS 0x8847u

/* Put bytes in front. */
static void
put(struct around *a, const void *bytes, size_t n)
{
	a->p -= n;
	a->n += n;
	memcpy(a->p, bytes, n);
}

static void
put_u16(struct around *a, uint32_t v)
{
	uint8_t bytes[2];

	pkt_put16(bytes, v);
	put(a, bytes, 2);
}

static void
put_u32(struct around *a, uint32_t v)
{
	uint8_t bytes[4];

	pkt_put32(bytes, v);
	put(a, bytes, 4);
}

/* ---- tags ---- */

static void
tag(struct around *a, const char *bytes, size_t n, uint32_t type)
{
	put_u16(a, a->type);
	put(a, bytes, n);
	a->type = type;
}

static void
put_vlan(struct around *a)
{
	tag(a, "\x20\x05", 2, 0x8100);
}

static void
put_qinq(struct around *a)
{
	tag(a, "\x00\x06", 2, 0x8100);
	tag(a, "\x00\x05", 2, 0x88a8);
}

static void
put_vntag(struct around *a)
{
	tag(a, a->down ? "\x80\x01\x00\x02" : "\x00\x02\x00\x01", 4, 0x8926);
}

static void
put_etag(struct around *a)
{
	tag(a, "\x00\x01\x00\x02\x00\x00", 6, 0x893f);
}

static void
put_metadata(struct around *a)
{
	tag(a, "\x01\x01\x00\x01\x00\x64", 6, 0x8909);
}

static void
put_snap(struct around *a)
{
	put_u16(a, a->type);
	put(a, "\xaa\xaa\x03\0\0", 6);
	/* an 802.3 length, which a jumbo frame cannot have */
	a->type = a->n <= 1500 ? (uint32_t)a->n : 0x8870;
}

/* ---- below an ethertype ---- */

static void
put_ether(struct around *a)
{
	put_u16(a, a->type);
	put(a,
	    a->down ? "\x02\0\0\0\0\x01\x02\0\0\0\0\x02"
		    : "\x02\0\0\0\0\x02\x02\0\0\0\0\x01",
	    12);
	a->type = TYPE_ETHER;
}

/* What carries frames only. */
static void
need_ether(struct around *a)
{
	if (a->type != TYPE_ETHER)
		put_ether(a);
}

static void
put_mpls(struct around *a)
{
	uint32_t last = a->type == TYPE_MPLS ? 0 : 0x100;

	put_u32(a, (a->down ? 101u : 100u) << 12 | last | 0x40);
	a->type = TYPE_MPLS;
}

static void
put_mpls3(struct around *a)
{
	put_mpls(a);
	put_u32(a, 200u << 12 | 0x40);
	put_u32(a, 16u << 12 | 0x40);
}

/* A pseudowire, with a control word. */
static void
put_pw(struct around *a)
{
	need_ether(a);
	put_u32(a, 0);
	put_mpls(a);
}

static void
put_pw_bare(struct around *a)
{
	need_ether(a);
	put_mpls(a);
}

static void
put_pppoe(struct around *a)
{
	put_u16(a, a->type == TYPE_IP6 ? 0x57 : 0x21);
	put_u16(a, (uint32_t)a->n);
	put_u32(a, UINT32_C(0x11000001));
	a->type = 0x8864;
}

static void
put_pbb(struct around *a)
{
	need_ether(a);
	put_u32(a, 257);
	a->type = 0x88e7;
}

/* ---- in IP ---- */

static struct pkt_tcp
ends(const struct around *a)
{
	struct pkt_tcp tcp = { .src = { 11, 0, 0, 1 }, .dst = { 11, 0, 0, 2 } };

	if (a->down) {
		tcp.src[3] = 2;
		tcp.dst[3] = 1;
	}
	return tcp;
}

static void
put_ip4(struct around *a, uint8_t protocol)
{
	static uint32_t id;
	uint8_t head[PKT_IP4_BYTES];
	struct pkt_tcp tcp = ends(a);

	pkt_write_ip4(head, &tcp, a->n, ++id & 0xffff, 0);
	head[9] = protocol;
	/* segmentation offload: the length is 0 where it has no room */
	if (a->n + PKT_IP4_BYTES > 0xffff)
		pkt_put16(head + 2, 0);
	pkt_put16(head + 10, 0);
	pkt_sum_store(pkt_sum(head, PKT_IP4_BYTES, 0), head + 10);
	put(a, head, sizeof(head));
	a->type = TYPE_IP4;
}

static void
put_ip6(struct around *a, uint8_t protocol)
{
	uint8_t head[PKT_IP6_BYTES];
	struct pkt_tcp tcp = ends(a);

	pkt_write_ip6(head, &tcp, a->n > 0xffff ? 0 : a->n, protocol);
	put(a, head, sizeof(head));
	a->type = TYPE_IP6;
}

static uint8_t
ip_protocol(const struct around *a)
{
	switch (a->type) {
	case TYPE_IP4:
		return 4;
	case TYPE_IP6:
		return 41;
	case TYPE_MPLS:
		return 137;
	default:
		errx(2, "--around: not in IP: 0x%04x", a->type);
	}
}

static void
put_ipip(struct around *a)
{
	put_ip4(a, ip_protocol(a));
}

static void
put_ipip6(struct around *a)
{
	put_ip6(a, ip_protocol(a));
}

static void
put_etherip(struct around *a)
{
	need_ether(a);
	put_u16(a, 0x3000);
	put_ip4(a, 97);
}

/* The length is 0 where the packet is too long for it, as with offload. */
static void
put_udp(struct around *a, uint32_t port)
{
	put_u16(a, 0);
	put_u16(a, a->n + 6 > 0xffff ? 0 : (uint32_t)a->n + 6);
	put_u16(a, port);
	put_u16(a, a->down ? 50001 : 50000);
}

static void
put_vxlan_head(struct around *a)
{
	need_ether(a);
	put_u32(a, 42 << 8);
	put_u32(a, UINT32_C(0x08000000));
	put_udp(a, 4789);
}

static void
put_vxlan(struct around *a)
{
	put_vxlan_head(a);
	put_ip4(a, 17);
}

static void
put_vxlan6(struct around *a)
{
	put_vxlan_head(a);
	put_ip6(a, 17);
}

static void
put_gpe(struct around *a)
{
	uint32_t protocol = a->type == TYPE_IP4 ? 1
	    : a->type == TYPE_IP6               ? 2
	    : a->type == TYPE_MPLS              ? 5
						: 3;

	if (protocol == 3)
		need_ether(a);
	put_u32(a, 42 << 8);
	put_u32(a, UINT32_C(0x0c000000) | protocol);
	put_udp(a, 4790);
	put_ip4(a, 17);
}

static void
put_geneve_head(struct around *a, uint32_t option_words)
{
	put_u32(a, 42 << 8);
	put_u32(a, option_words << 24 | a->type);
	put_udp(a, 6081);
}

static void
put_geneve(struct around *a)
{
	need_ether(a);
	put_geneve_head(a, 0);
	put_ip4(a, 17);
}

static void
put_geneve6(struct around *a)
{
	put_geneve_head(a, 0);
	put_ip6(a, 17);
}

static void
put_geneve_options(struct around *a)
{
	need_ether(a);
	for (uint32_t i = 0; i < 63; i++)
		put_u32(a, i * UINT32_C(0x01020304));
	put_geneve_head(a, 63);
	put_ip4(a, 17);
}

static void
put_gre(struct around *a)
{
	put_u32(a, a->type);
	put_ip4(a, 47);
}

static void
put_gre6(struct around *a)
{
	put_u32(a, a->type);
	put_ip6(a, 47);
}

/* Checksum, key, sequence number and source routes. */
static void
put_gre_all(struct around *a)
{
	put(a, "\x08\0\0\x04\x0a\0\0\x01\0\0\0", 12);
	put_u32(a, 1);
	put_u32(a, 7);
	put_u32(a, 0);
	put_u32(a, UINT32_C(0xf0000000) | a->type);
	put_ip4(a, 47);
}

static void
put_teb(struct around *a)
{
	need_ether(a);
	put_u32(a, 42 << 8);
	put_u32(a, UINT32_C(0x20006558));
	put_ip4(a, 47);
}

static void
put_gre_udp(struct around *a)
{
	put_u32(a, a->type);
	put_udp(a, 4754);
	put_ip4(a, 17);
}

static void
put_mpls_udp(struct around *a)
{
	put_mpls(a);
	put_udp(a, 6635);
	put_ip4(a, 17);
}

static void
put_erspan1(struct around *a)
{
	need_ether(a);
	put_u32(a, 0x88be);
	put_ip4(a, 47);
}

static void
put_erspan2(struct around *a)
{
	need_ether(a);
	put_u32(a, 0);
	put_u32(a, UINT32_C(0x10050064));
	put_u32(a, 1);
	put_u32(a, UINT32_C(0x100088be));
	put_ip4(a, 47);
}

static void
put_erspan3(struct around *a)
{
	need_ether(a);
	put(a, "platform", 8);
	put_u32(a, 1);
	put_u32(a, 123456);
	put_u32(a, UINT32_C(0x20050064));
	put_u32(a, 1);
	put_u32(a, UINT32_C(0x100022eb));
	put_ip4(a, 47);
}

/* ---- the list ---- */

static const struct row {
	const char *name;
	void (*put)(struct around *a);
} rows[] = {
	{ "vlan", put_vlan },
	{ "qinq", put_qinq },
	{ "vntag", put_vntag },
	{ "etag", put_etag },
	{ "metadata", put_metadata },
	{ "snap", put_snap },
	{ "ether", put_ether },
	{ "mpls", put_mpls },
	{ "mpls3", put_mpls3 },
	{ "pw", put_pw },
	{ "pw-bare", put_pw_bare },
	{ "pppoe", put_pppoe },
	{ "pbb", put_pbb },
	{ "ipip", put_ipip },
	{ "ipip6", put_ipip6 },
	{ "etherip", put_etherip },
	{ "vxlan", put_vxlan },
	{ "vxlan6", put_vxlan6 },
	{ "gpe", put_gpe },
	{ "geneve", put_geneve },
	{ "geneve6", put_geneve6 },
	{ "geneve-options", put_geneve_options },
	{ "gre", put_gre },
	{ "gre6", put_gre6 },
	{ "gre-all", put_gre_all },
	{ "teb", put_teb },
	{ "gre-udp", put_gre_udp },
	{ "mpls-udp", put_mpls_udp },
	{ "erspan1", put_erspan1 },
	{ "erspan2", put_erspan2 },
	{ "erspan3", put_erspan3 },
};

static void
put_named(struct around *a, const char *name, size_t n_chars)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (strlen(rows[i].name) == n_chars &&
		    memcmp(rows[i].name, name, n_chars) == 0) {
			rows[i].put(a);
			return;
		}
	errx(2, "--around: not one that is known: %s", name);
}

void
around(struct around *packet, const char *list)
{
	const char *end = list + strlen(list), *at = end;

	/* from the innermost */
	while (at > list) {
		while (at > list && at[-1] != ',')
			at--;
		put_named(packet, at, (size_t)(end - at));
		if (at > list)
			at--;
		end = at;
	}
}
