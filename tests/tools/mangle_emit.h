/* SPDX-License-Identifier: MIT */
/*
 * mangle, last part: segments to packets to a file, and the list of what of
 * the streams is not in it.
 */
#ifndef TESTS_MANGLE_EMIT_H
#define TESTS_MANGLE_EMIT_H

#include "tests/tools/mangle_load.h"

#include <unistd.h>

#define ETHERTYPE_IP4 0x0800u
#define ETHERTYPE_IP6 0x86ddu
#define ETHERTYPE_VLAN 0x8100u
#define ETHERTYPE_QINQ 0x88a8u

#define IP6_HOP_BY_HOP 0
#define IP6_FRAGMENT 44
#define IP6_DEST_OPTIONS 60
#define IP6_OPTIONS_BYTES 8 /* of each of our option headers */

struct link {
	const char *name;
	uint32_t linktype; /* LINKTYPE_ */
	/* write the header up to the place of the EtherType; its length */
	size_t (*write)(uint8_t *out, uint32_t ethertype);
	bool tags; /* has an EtherType, so VLAN tags may follow */
};

struct emit {
	const struct link *link;
	struct pkt_file file;
	uint32_t vlan[2], n_vlans; /* outer first */
	bool ip6, exthdr, fragment_reorder;
	uint32_t fragment_bytes; /* 0: no fragments */
	uint32_t drop_fragments; /* percent */
	uint32_t id;
};

static size_t
link_ether(uint8_t *out, uint32_t ethertype)
{
	memcpy(out, "\2\0\0\0\0\2\2\0\0\0\0\1", 12);
	pkt_put16(out + 12, ethertype);
	return 14;
}

static size_t
link_sll(uint8_t *out, uint32_t ethertype)
{
	memcpy(out, "\0\0\0\1\0\6\2\0\0\0\0\1\0\0", 14);
	pkt_put16(out + 14, ethertype);
	return 16;
}

static size_t
link_sll2(uint8_t *out, uint32_t ethertype)
{
	pkt_put16(out, ethertype);
	memcpy(out + 2, "\0\0\0\0\0\3\0\1\0\6\2\0\0\0\0\1\0\0", 18);
	return 20;
}

static size_t
link_raw(uint8_t *out, uint32_t ethertype)
{
	(void)out;
	(void)ethertype;
	return 0;
}

/* The address family of a little-endian machine; IPv6 as on macOS. */
static size_t
link_null(uint8_t *out, uint32_t ethertype)
{
	memset(out, 0, 4);
	out[0] = ethertype == ETHERTYPE_IP6 ? 30 : 2;
	return 4;
}

/* The same in network order; IPv6 as on OpenBSD. */
static size_t
link_loop(uint8_t *out, uint32_t ethertype)
{
	pkt_put32(out, ethertype == ETHERTYPE_IP6 ? 24 : 2);
	return 4;
}

static const struct link links[] = {
	{ "ether", 1, link_ether, true },
	{ "sll", 113, link_sll, true },
	{ "sll2", 276, link_sll2, true },
	{ "raw", 101, link_raw, false },
	{ "null", 0, link_null, false },
	{ "loop", 108, link_loop, false },
};

static const struct link *
link_named(const char *name)
{
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
		if (strcmp(links[i].name, name) == 0)
			return &links[i];
	errx(2, "--link: not one that is known: %s", name);
}

static size_t
write_link(const struct emit *e, uint8_t *out)
{
	uint32_t type = e->ip6 ? ETHERTYPE_IP6 : ETHERTYPE_IP4;
	uint32_t first = e->n_vlans == 2 ? ETHERTYPE_QINQ
	    : e->n_vlans == 1            ? ETHERTYPE_VLAN
					 : type;
	size_t n = e->link->write(out, first);

	for (uint32_t i = 0; i < e->n_vlans; i++, n += 4) {
		pkt_put16(out + n, e->vlan[i]);
		pkt_put16(
		    out + n + 2, i + 1 < e->n_vlans ? ETHERTYPE_VLAN : type);
	}
	return n;
}

/* An extension header that holds padding only. */
static size_t
write_options6(uint8_t *out, uint8_t next_header)
{
	memcpy(out, "\0\0\1\4\0\0\0\0", IP6_OPTIONS_BYTES);
	out[0] = next_header;
	return IP6_OPTIONS_BYTES;
}

/*
 * One IP packet around body[from, to) of `all` bytes: the whole, or a
 * fragment of it. Returns how many bytes of it are in the file.
 */
static size_t
emit_ip(struct emit *e, const struct seg *seg, const struct pkt_tcp *tcp,
    const uint8_t *body, size_t from, size_t to, size_t all)
{
	static uint8_t out[PKT_BUF_BYTES + 200];
	bool part = to - from < all, more = to < all;
	uint8_t inner = e->exthdr ? IP6_DEST_OPTIONS : PKT_PROTO_TCP;
	uint8_t next = part ? IP6_FRAGMENT : inner;
	size_t n = write_link(e, out), head;
	size_t ext = (e->exthdr ? IP6_OPTIONS_BYTES : 0u) + (part ? 8u : 0u);

	if (!e->ip6) {
		n += pkt_write_ip4(out + n, tcp, to - from, e->id & 0xffff,
		    (uint32_t)(from / 8) | (more ? 0x2000u : 0));
	} else {
		n += pkt_write_ip6(out + n, tcp, to - from + ext,
		    e->exthdr ? IP6_HOP_BY_HOP : next);
		if (e->exthdr)
			n += write_options6(out + n, next);
		if (part) {
			out[n] = inner;
			out[n + 1] = 0;
			pkt_put16(out + n + 2, (uint32_t)from | more);
			pkt_put32(out + n + 4, e->id);
			n += 8;
		}
	}
	head = n;
	memcpy(out + n, body + from, to - from);
	n = pkt_file_packet(
	    &e->file, seg->time_ns, (struct bnet_slice){ out, n + to - from });
	return n < head ? 0 : n - head;
}

/* All fragments, the last first if so wished; true if none was left out. */
static bool
emit_fragments(struct emit *e, const struct seg *seg, const struct pkt_tcp *tcp,
    const uint8_t *body, size_t all, uint64_t *rnd)
{
	size_t each = e->fragment_bytes / 8 * 8;
	size_t n = (all + each - 1) / each, from, to;
	bool whole = true;

	for (size_t i = 0; i < n; i++) {
		from = (e->fragment_reorder ? n - 1 - i : i) * each;
		to = from + each < all ? from + each : all;
		if (n > 1 && pkt_random_below(rnd, 100) < e->drop_fragments) {
			whole = false;
			continue;
		}
		if (emit_ip(e, seg, tcp, body, from, to, all) < to - from)
			whole = false;
	}
	return whole;
}

static void
seg_tcp(const struct mangle *m, const struct seg *seg, struct pkt_tcp *tcp)
{
	const struct conn *conn = &m->conns[seg->conn];
	const struct dir *dir = &conn->dir[seg->dir];

	memset(tcp, 0, sizeof(*tcp));
	memcpy(tcp->src, conn->addr[seg->dir], 4);
	memcpy(tcp->dst, conn->addr[!seg->dir], 4);
	tcp->sport = conn->port[seg->dir];
	tcp->dport = conn->port[!seg->dir];
	tcp->seq = dir->isn + 1 + (uint32_t)seg->off;
	if ((seg->flags & PKT_ACK) != 0)
		tcp->ack =
		    conn->dir[!seg->dir].isn + 1 + (uint32_t)seg->ack_off;
	tcp->flags = seg->flags;
	tcp->window = seg->window;
	tcp->options = (struct bnet_slice){ seg->options, seg->n_options };
	if (seg->n_bytes > 0)
		tcp->payload =
		    (struct bnet_slice){ dir->bytes + seg->off, seg->n_bytes };
}

static void
emit_seg(struct mangle *m, struct emit *e, struct seg *seg)
{
	static uint8_t body[PKT_BUF_BYTES], flipped[PKT_PAYLOAD_MAX];
	size_t opts = e->exthdr && e->ip6 ? IP6_OPTIONS_BYTES : 0;
	struct pkt_tcp tcp;
	size_t n, kept;

	if (seg->n_bytes > PKT_PAYLOAD_MAX)
		errx(1, "a segment is too long; use --segment");
	seg_tcp(m, seg, &tcp);
	if (seg->flip != 0) {
		for (size_t i = 0; i < seg->n_bytes; i++)
			flipped[i] = tcp.payload.p[i] ^ seg->flip;
		tcp.payload.p = flipped;
	}
	if (opts > 0)
		(void)write_options6(body, PKT_PROTO_TCP);
	n = opts + pkt_write_tcp(body + opts, &tcp, e->ip6);
	e->id++;
	if (e->fragment_bytes > 0) {
		kept =
		    emit_fragments(e, seg, &tcp, body, n, &m->random) ? n : 0;
	} else {
		kept = emit_ip(e, seg, &tcp, body, 0, n, n);
	}
	n -= seg->n_bytes; /* the headers */
	seg->kept_bytes = kept > n ? (uint32_t)(kept - n) : 0;
	seg->end = ftell(e->file.f);
}

static void
emit_secrets(struct emit *e, const char *path)
{
	static uint8_t text[1 << 20];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (f == NULL)
		err(1, "%s", path);
	n = fread(text, 1, sizeof(text), f);
	if (ferror(f) || n == sizeof(text))
		errx(1, "%s: cannot be read, or too long", path);
	fclose(f);
	pkt_file_secrets(&e->file, (struct bnet_slice){ text, n });
}

/* The file without its last `n` bytes, ending inside a packet. */
static void
emit_cut(struct mangle *m, const char *path, long size, long n)
{
	long cut = size - n;

	for (size_t i = 0; i < m->segs.n; i++)
		if (m->segs.p[i].end == cut)
			cut--;
	if (cut < 24 || truncate(path, cut) != 0)
		err(1, "%s: cannot be cut by %ld bytes", path, n);
	for (size_t i = 0; i < m->segs.n; i++)
		if (m->segs.p[i].end > cut)
			m->segs.p[i].kept_bytes = 0;
}

static void
emit_all(struct mangle *m, struct emit *e, const char *path,
    const char *secrets, uint32_t cut_bytes)
{
	long size;

	e->file.linktype = e->link->linktype;
	pkt_file_open(&e->file, path);
	if (secrets != NULL)
		emit_secrets(e, secrets);
	for (size_t i = 0; i < m->segs.n; i++)
		if (!m->segs.p[i].dropped)
			emit_seg(m, e, &m->segs.p[i]);
	size = ftell(e->file.f);
	pkt_file_close(&e->file);
	if (cut_bytes > 0)
		emit_cut(m, path, size, (long)cut_bytes);
}

#endif
