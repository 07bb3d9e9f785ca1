/* SPDX-License-Identifier: MIT */
/*
 * mangle, first part: a clean capture in, its streams and segments out.
 *
 * A segment is a range of its stream, so a transformation moves numbers and
 * never copies payload.
 */
#ifndef TESTS_MANGLE_LOAD_H
#define TESTS_MANGLE_LOAD_H

#include "tests/tools/pkt.h"

#include <pcap/pcap.h>

#define SEG_OPTIONS_MAX 40

/* One direction of a connection. */
struct dir {
	uint8_t *bytes;
	size_t n_bytes, cap_bytes;
	uint32_t isn;
	size_t base; /* of the offsets in reports: a reused port goes on */
	size_t garbage_at, garbage_bytes; /* what was put in, 0: nothing */
	uint8_t *sent; /* 1 where the output holds the byte */
};

/* dir[0]: from the side that sent the SYN. */
struct conn {
	uint8_t addr[2][4];
	uint16_t port[2];
	struct dir dir[2];
};

struct seg {
	int64_t time_ns;
	uint32_t conn;
	uint8_t dir, flags;
	uint16_t window;
	int64_t off; /* in the stream; -1: a SYN */
	int64_t ack_off;
	uint32_t n_bytes;
	uint8_t options[SEG_OPTIONS_MAX], n_options;
	uint8_t flip; /* its bytes are the stream's XOR this */
	bool dropped;
	uint64_t key; /* to sort by */
	long end; /* of its last packet in the file */
	uint32_t kept_bytes; /* of the payload, by the snapshot length */
};

struct segs {
	struct seg *p;
	size_t n, cap;
};

struct mangle {
	struct conn *conns;
	uint32_t n_conns;
	struct segs segs;
	uint64_t random;
};

static void *
grow(void *p, size_t n, size_t each)
{
	p = reallocarray(p, n, each);
	if (p == NULL)
		err(1, "memory");
	return p;
}

static void
segs_push(struct segs *segs, const struct seg *seg)
{
	if (segs->n == segs->cap) {
		segs->cap = segs->cap == 0 ? 256 : segs->cap * 2;
		segs->p = grow(segs->p, segs->cap, sizeof(*segs->p));
	}
	segs->p[segs->n++] = *seg;
}

static struct dir *
seg_dir(const struct mangle *m, const struct seg *seg)
{
	return &m->conns[seg->conn].dir[seg->dir];
}

/* Append stream bytes; a retransmission is passed over. */
static void
dir_append(struct dir *dir, int64_t off, struct bnet_slice bytes)
{
	size_t end = (size_t)off + bytes.len;

	if (bytes.len == 0)
		return;
	if (off < 0 || (size_t)off > dir->n_bytes)
		errx(1, "the capture to be mangled has gaps of its own");
	if (end <= dir->n_bytes)
		return;
	if (end > dir->cap_bytes) {
		dir->cap_bytes = end * 2;
		dir->bytes = grow(dir->bytes, dir->cap_bytes, 1);
	}
	memcpy(dir->bytes + off, bytes.p, bytes.len);
	dir->n_bytes = end;
}

/* The connection of a segment; a SYN without ACK opens a new one. */
static uint32_t
conn_of(struct mangle *m, const struct pkt_tcp *tcp, uint8_t *dir)
{
	struct conn *conn;

	for (uint32_t i = m->n_conns; i-- > 0;) {
		conn = &m->conns[i];
		*dir = tcp->sport != conn->port[0];
		if (conn->port[*dir] == tcp->sport &&
		    conn->port[!*dir] == tcp->dport &&
		    memcmp(conn->addr[*dir], tcp->src, 4) == 0 &&
		    memcmp(conn->addr[!*dir], tcp->dst, 4) == 0)
			return i;
	}
	if ((tcp->flags & (PKT_SYN | PKT_ACK)) != PKT_SYN)
		errx(1, "a connection without its SYN");
	m->conns = grow(m->conns, m->n_conns + 1, sizeof(*m->conns));
	conn = &m->conns[m->n_conns];
	memset(conn, 0, sizeof(*conn));
	memcpy(conn->addr[0], tcp->src, 4);
	memcpy(conn->addr[1], tcp->dst, 4);
	conn->port[0] = tcp->sport;
	conn->port[1] = tcp->dport;
	*dir = 0;
	return m->n_conns++;
}

static void
load_tcp(struct mangle *m, const struct pkt_tcp *tcp, int64_t time_ns)
{
	struct seg seg = { 0 };
	struct dir *dir, *back;

	seg.time_ns = time_ns;
	seg.conn = conn_of(m, tcp, &seg.dir);
	dir = seg_dir(m, &seg);
	back = &m->conns[seg.conn].dir[!seg.dir];
	if ((tcp->flags & PKT_SYN) != 0)
		dir->isn = tcp->seq;
	seg.flags = tcp->flags;
	seg.window = tcp->window;
	seg.off = (int32_t)(tcp->seq - dir->isn - 1);
	seg.ack_off = (int32_t)(tcp->ack - back->isn - 1);
	seg.n_bytes = (uint32_t)tcp->payload.len;
	seg.n_options = (uint8_t)tcp->options.len;
	memcpy(seg.options, tcp->options.p, tcp->options.len);
	dir_append(dir, seg.off, tcp->payload);
	segs_push(&m->segs, &seg);
}

/* Ethernet, IPv4, TCP; anything else is not for this tool. */
static void
load_packet(struct mangle *m, const uint8_t *p, size_t n, int64_t time_ns)
{
	struct pkt_tcp tcp = { 0 };
	size_t ip_head, ip_bytes, tcp_head;

	if (n < 14 + PKT_IP4_BYTES + PKT_TCP_BYTES ||
	    pkt_get16(p + 12) != 0x800 || p[14 + 9] != PKT_PROTO_TCP)
		errx(1, "not TCP over IPv4 over Ethernet");
	ip_head = (size_t)(p[14] & 15) * 4;
	ip_bytes = pkt_get16(p + 16);
	memcpy(tcp.src, p + 26, 4);
	memcpy(tcp.dst, p + 30, 4);
	p += 14 + ip_head;
	if (n < 14 + ip_bytes || ip_bytes < ip_head + PKT_TCP_BYTES)
		errx(1, "a packet is cut");
	tcp_head = (size_t)(p[12] >> 4) * 4;
	if (tcp_head < PKT_TCP_BYTES || ip_bytes < ip_head + tcp_head)
		errx(1, "a TCP header is cut");
	tcp.sport = (uint16_t)pkt_get16(p);
	tcp.dport = (uint16_t)pkt_get16(p + 2);
	tcp.seq = pkt_get32(p + 4);
	tcp.ack = pkt_get32(p + 8);
	tcp.flags = p[13];
	tcp.window = (uint16_t)pkt_get16(p + 14);
	tcp.options.p = p + PKT_TCP_BYTES;
	tcp.options.len = tcp_head - PKT_TCP_BYTES;
	tcp.payload.p = p + tcp_head;
	tcp.payload.len = ip_bytes - ip_head - tcp_head;
	load_tcp(m, &tcp, time_ns);
}

static void
load(struct mangle *m, const char *path)
{
	char why[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *head;
	const uint8_t *data;
	pcap_t *pcap = pcap_open_offline_with_tstamp_precision(
	    path, PCAP_TSTAMP_PRECISION_NANO, why);
	int more;

	if (pcap == NULL)
		errx(1, "%s: %s", path, why);
	if (pcap_datalink(pcap) != DLT_EN10MB)
		errx(1, "%s: not Ethernet", path);
	while ((more = pcap_next_ex(pcap, &head, &data)) == 1)
		load_packet(m, data, head->caplen,
		    (int64_t)head->ts.tv_sec * 1000000000 + head->ts.tv_usec);
	if (more != PCAP_ERROR_BREAK)
		errx(1, "%s: %s", path, pcap_geterr(pcap));
	pcap_close(pcap);
	if (m->segs.n == 0)
		errx(1, "%s: no packets", path);
}

static void
unload(struct mangle *m)
{
	for (uint32_t i = 0; i < 2 * m->n_conns; i++) {
		free(m->conns[i / 2].dir[i % 2].bytes);
		free(m->conns[i / 2].dir[i % 2].sent);
	}
	free(m->conns);
	free(m->segs.p);
}

#endif
