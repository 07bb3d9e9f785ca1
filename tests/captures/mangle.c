/* SPDX-License-Identifier: MIT */
/*
 * A segment is a range of its stream, so a transformation moves numbers and
 * never copies payload. Each do_ function is one transformation; transform()
 * says in which order they are done.
 */
#include "tests/captures/mangle.h"

#include "tests/captures/around.h"
#include "tests/captures/pkt.h"

#include <pcap/pcap.h>

/* What was asked for; 0, false and NULL: nothing of the kind. */
struct options {
	uint32_t seed, segment, coalesce, reorder, duplicate, overlap;
	uint32_t conflict, drop_random, drop_fragments, cut_start, cut_end;
	uint32_t cut_bytes, snaplen, vlan, fragment, port, garbage, idle;
	bool conflict_first, ip6, exthdr, fragment_reorder, port_reuse, rst;
	bool seq_wrap, nano, pcapng, big_endian;
	uint32_t around_fragment, trailer;
	const char *drop_packets, *qinq, *link, *secrets, *around;
};

/* ---- the streams of a clean capture ------------------------------------ */

#define SEG_OPTIONS_MAX 40

/* One direction of a connection. */
struct dir {
	uint8_t *bytes;
	bool borrowed; /* `bytes` are another's, and stay as they are */
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

struct recording {
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

static void *
copy_of(const void *p, size_t n, size_t each)
{
	void *copy = grow(NULL, n + 1, each);

	if (n > 0)
		memcpy(copy, p, n * each);
	return copy;
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
seg_dir(const struct recording *m, const struct seg *seg)
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
conn_of(struct recording *m, const struct pkt_tcp *tcp, uint8_t *dir)
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
load_tcp(struct recording *m, const struct pkt_tcp *tcp, int64_t time_ns)
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
load_packet(struct recording *m, const uint8_t *p, size_t n, int64_t time_ns)
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

struct recording *
recording_load(const char *path)
{
	struct recording *m = grow(NULL, 1, sizeof(*m));
	char why[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *head;
	const uint8_t *data;
	pcap_t *pcap = pcap_open_offline_with_tstamp_precision(
	    path, PCAP_TSTAMP_PRECISION_NANO, why);
	int more;

	memset(m, 0, sizeof(*m));
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
	return m;
}

static void
unload(struct recording *m)
{
	for (uint32_t i = 0; i < 2 * m->n_conns; i++) {
		struct dir *dir = &m->conns[i / 2].dir[i % 2];

		if (!dir->borrowed)
			free(dir->bytes);
		free(dir->sent);
	}
	free(m->conns);
	free(m->segs.p);
}

void
recording_free(struct recording *rec)
{
	if (rec != NULL)
		unload(rec);
	free(rec);
}

/* One to be changed. */
static struct recording
recording_copy(const struct recording *rec)
{
	struct recording m = *rec;

	m.conns = copy_of(rec->conns, rec->n_conns, sizeof(*m.conns));
	for (uint32_t i = 0; i < 2 * m.n_conns; i++) {
		struct dir *dir = &m.conns[i / 2].dir[i % 2];

		dir->borrowed = true;
		dir->sent = NULL;
	}
	m.segs.p = copy_of(rec->segs.p, rec->segs.n, sizeof(*m.segs.p));
	m.segs.cap = m.segs.n;
	return m;
}

/* ---- whole streams ----------------------------------------------------- */

static void
segs_replace(struct recording *m, struct segs *segs)
{
	free(m->segs.p);
	m->segs = *segs;
}

/* Put `n` random bytes into the first connection, inside a segment. */
static void
do_garbage(struct recording *m, uint32_t n)
{
	uint8_t way = m->conns[0].dir[0].n_bytes < m->conns[0].dir[1].n_bytes;
	struct dir *dir = &m->conns[0].dir[way];
	size_t quarter = dir->n_bytes / 4, at;

	if (quarter < 2)
		errx(1, "the first connection is too short for garbage");
	at = quarter + pkt_random_below(&m->random, (uint32_t)quarter * 2);
	if (dir->borrowed)
		dir->bytes = copy_of(dir->bytes, dir->n_bytes, 1);
	dir->borrowed = false;
	dir->bytes = grow(dir->bytes, dir->n_bytes + n, 1);
	memmove(dir->bytes + at + n, dir->bytes + at, dir->n_bytes - at);
	for (size_t i = 0; i < n; i++)
		dir->bytes[at + i] = (uint8_t)pkt_random(&m->random);
	dir->n_bytes += n;
	dir->garbage_at = at;
	dir->garbage_bytes = n;
	for (size_t i = 0; i < m->segs.n; i++) {
		struct seg *seg = &m->segs.p[i];

		if (seg->conn != 0)
			continue;
		if (seg->dir != way && seg->ack_off > (int64_t)at)
			seg->ack_off += n;
		else if (seg->dir == way && seg->off > (int64_t)at)
			seg->off += n;
		else if (seg->dir == way &&
		    seg->off + seg->n_bytes > (int64_t)at)
			seg->n_bytes += n;
	}
}

/* Every stream's sequence numbers pass 2^32 in its middle. */
static void
do_seq_wrap(struct recording *m)
{
	for (uint32_t i = 0; i < 2 * m->n_conns; i++) {
		struct dir *dir = &m->conns[i / 2].dir[i % 2];

		dir->isn = 0 - (uint32_t)(dir->n_bytes / 2) - 1;
	}
}

static void
do_port(struct recording *m, uint32_t port)
{
	for (uint32_t i = 0; i < m->n_conns; i++)
		m->conns[i].port[1] = (uint16_t)port;
}

static void
dir_again(struct dir *dir, const struct dir *old)
{
	*dir = *old;
	dir->borrowed = true;
	dir->base = old->n_bytes - old->garbage_bytes;
	dir->isn = old->isn + (uint32_t)old->n_bytes + 1000003;
}

/* The first connection a second time, after all the others. */
static void
do_port_reuse(struct recording *m)
{
	struct conn *conn;
	int64_t shift_ns =
	    m->segs.p[m->segs.n - 1].time_ns - m->segs.p[0].time_ns + 1000000;
	size_t n = m->segs.n;

	m->conns = grow(m->conns, m->n_conns + 1, sizeof(*m->conns));
	conn = &m->conns[m->n_conns];
	*conn = m->conns[0];
	dir_again(&conn->dir[0], &m->conns[0].dir[0]);
	dir_again(&conn->dir[1], &m->conns[0].dir[1]);
	for (size_t i = 0; i < n; i++) {
		struct seg seg = m->segs.p[i];

		if (seg.conn != 0)
			continue;
		seg.conn = m->n_conns;
		seg.time_ns += shift_ns;
		segs_push(&m->segs, &seg);
	}
	m->n_conns++;
}

/*
 * Join what a side sent without a word from the other, up to `max` bytes;
 * bare ACKs between do not count.
 */
static void
do_coalesce(struct recording *m, uint32_t max)
{
	size_t *last = grow(NULL, m->n_conns, sizeof(*last));
	struct segs out = { 0 };

	memset(last, 0xff, m->n_conns * sizeof(*last));
	for (size_t i = 0; i < m->segs.n; i++) {
		const struct seg *seg = &m->segs.p[i];
		size_t at = last[seg->conn];
		struct seg *was = at == SIZE_MAX ? NULL : &out.p[at];

		if (was != NULL && was->dir == seg->dir && seg->n_bytes > 0 &&
		    was->n_bytes + seg->n_bytes <= max &&
		    seg->off == was->off + was->n_bytes) {
			was->n_bytes += seg->n_bytes;
			was->flags |= seg->flags;
			continue;
		}
		if (seg->n_bytes > 0)
			last[seg->conn] = out.n;
		segs_push(&out, seg);
	}
	free(last);
	segs_replace(m, &out);
}

static void
do_segment(struct recording *m, uint32_t max)
{
	struct segs out = { 0 };

	for (size_t i = 0; i < m->segs.n; i++) {
		struct seg rest = m->segs.p[i], part;

		while (rest.n_bytes > max) {
			part = rest;
			part.n_bytes = max;
			part.flags &= (uint8_t) ~(PKT_FIN | PKT_PSH);
			segs_push(&out, &part);
			rest.off += max;
			rest.n_bytes -= max;
		}
		segs_push(&out, &rest);
	}
	segs_replace(m, &out);
}

/* ---- segments ---------------------------------------------------------- */

#define KEY_SHIFT 24 /* below it: what makes the keys differ */

static bool
chance(struct recording *m, uint32_t percent)
{
	return pkt_random_below(&m->random, 100) < percent;
}

static int
by_key(const void *a, const void *b)
{
	uint64_t ka = ((const struct seg *)a)->key;
	uint64_t kb = ((const struct seg *)b)->key;

	return (ka > kb) - (ka < kb);
}

static void
segs_number(struct recording *m)
{
	for (size_t i = 0; i < m->segs.n; i++)
		m->segs.p[i].key = (uint64_t)i << KEY_SHIFT;
}

static void
segs_sort(struct recording *m)
{
	qsort(m->segs.p, m->segs.n, sizeof(*m->segs.p), by_key);
}

/* Segments that begin earlier or end later, with the stream's own bytes. */
static void
do_overlap(struct recording *m, uint32_t percent)
{
	for (size_t i = 0; i < m->segs.n; i++) {
		struct seg *seg = &m->segs.p[i];
		int64_t more = 1 + pkt_random_below(&m->random, 2000);
		int64_t left =
		    (int64_t)seg_dir(m, seg)->n_bytes - seg->off - seg->n_bytes;

		if (seg->n_bytes == 0 || !chance(m, percent) ||
		    seg->n_bytes + more > PKT_PAYLOAD_MAX)
			continue;
		if (chance(m, 50) && left > 0 && (seg->flags & PKT_FIN) == 0) {
			seg->n_bytes += (uint32_t)(more < left ? more : left);
			continue;
		}
		more = more < seg->off ? more : seg->off;
		seg->off -= more;
		seg->n_bytes += (uint32_t)more;
	}
}

/* Nothing of an old connection comes after the SYN of the next one. */
static size_t
before_next_syn(const struct recording *m, size_t from, size_t to)
{
	for (size_t i = from + 1; i <= to && i < m->segs.n; i++)
		if ((m->segs.p[i].flags & (PKT_SYN | PKT_ACK)) == PKT_SYN)
			return i - 1;
	return to;
}

/* The copies of a segment: it alone, in halves, or with what follows it. */
static void
push_copies(struct recording *m, struct segs *out, struct seg copy)
{
	const struct dir *dir = seg_dir(m, &copy);
	uint32_t half = copy.n_bytes / 2;
	uint64_t left = dir->n_bytes - (uint64_t)copy.off - copy.n_bytes;

	switch (pkt_random_below(&m->random, 3)) {
	case 0:
		segs_push(out, &copy);
		break;
	case 1: /* the second half first */
		copy.off += half;
		copy.n_bytes -= half;
		segs_push(out, &copy);
		copy.off -= half;
		copy.n_bytes = half;
		copy.flags &= (uint8_t)~PKT_FIN;
		copy.key++;
		segs_push(out, &copy);
		break;
	default:
		copy.flags &= (uint8_t)~PKT_FIN;
		left = left < copy.n_bytes ? left : copy.n_bytes;
		if (copy.n_bytes + left <= PKT_PAYLOAD_MAX)
			copy.n_bytes += (uint32_t)left;
		segs_push(out, &copy);
	}
}

static void
do_duplicate(struct recording *m, uint32_t percent)
{
	struct segs out = { 0 };

	segs_number(m);
	for (size_t i = 0; i < m->segs.n; i++) {
		struct seg copy = m->segs.p[i];
		size_t at = i + 1 + pkt_random_below(&m->random, 20);

		segs_push(&out, &copy);
		if (copy.n_bytes < 2 || !chance(m, percent))
			continue;
		at = before_next_syn(m, i, at);
		copy.key = ((uint64_t)at << KEY_SHIFT) + 1 + 2 * (at + 1 - i);
		push_copies(m, &out, copy);
	}
	segs_replace(m, &out);
	segs_sort(m);
}

/*
 * Of three segments in a row the third comes before the second, and a part
 * of it twice: with its own contents and with others, so that a reassembler
 * holds both when the second arrives. `other_first`: in which order.
 */
static void
do_conflict(struct recording *m, uint32_t n, bool other_first)
{
	size_t *last = grow(NULL, m->n_conns * 4, sizeof(*last));
	uint32_t done = 0;
	size_t n_segs = m->segs.n;

	memset(last, 0xff, m->n_conns * 4 * sizeof(*last));
	segs_number(m);
	for (size_t i = 0; i < n_segs && done < n; i++) {
		struct seg *seg = &m->segs.p[i], other;
		size_t *was = &last[seg->conn * 4 + seg->dir * 2u];
		const struct seg *b =
		    was[1] == SIZE_MAX ? NULL : &m->segs.p[was[1]];

		if (seg->n_bytes < 3)
			continue;
		if (b == NULL || seg->off != b->off + b->n_bytes ||
		    was[0] == SIZE_MAX || !chance(m, 50)) {
			was[0] = was[1];
			was[1] = i;
			continue;
		}
		seg->key = b->key - 10;
		other = *seg;
		other.key = other_first ? seg->key - 1 : seg->key + 1;
		other.off += seg->n_bytes / 3;
		other.n_bytes = seg->n_bytes / 3;
		other.flags &= (uint8_t)~PKT_FIN;
		other.flip = 0x5a;
		segs_push(&m->segs, &other);
		was[0] = was[1] = SIZE_MAX;
		done++;
	}
	free(last);
	if (done < n)
		errx(1, "room for %u conflicts only", done);
	segs_sort(m);
}

/* Shuffle windows of `n` packets; SYNs stay where they are. */
static void
do_reorder(struct recording *m, uint32_t n)
{
	for (size_t from = 0, to; from < m->segs.n; from = to) {
		struct seg *p = m->segs.p + from;

		to = from + 1;
		if ((p->flags & PKT_SYN) != 0)
			continue;
		while (to < m->segs.n && to - from < n &&
		    (m->segs.p[to].flags & PKT_SYN) == 0)
			to++;
		for (size_t i = to - from - 1; i > 0; i--) {
			size_t j =
			    pkt_random_below(&m->random, (uint32_t)i + 1);
			struct seg seg = p[i];

			p[i] = p[j];
			p[j] = seg;
		}
	}
}

/* No FIN, but a RST from the opening side behind its last packet. */
static void
do_rst(struct recording *m)
{
	size_t n = m->segs.n;

	segs_number(m);
	for (size_t i = 0; i < n; i++)
		m->segs.p[i].flags &= (uint8_t)~PKT_FIN;
	for (uint32_t c = 0; c < m->n_conns; c++) {
		size_t i = n;
		struct seg seg;

		while (m->segs.p[i - 1].conn != c)
			i--;
		seg = m->segs.p[i - 1];
		seg.ack_off = seg.dir == 0 ? seg.ack_off : seg.off;
		seg.dir = 0;
		seg.off = (int64_t)seg_dir(m, &seg)->n_bytes;
		seg.n_bytes = 0;
		seg.flip = 0;
		seg.flags = PKT_RST | PKT_ACK;
		seg.key++;
		segs_push(&m->segs, &seg);
	}
	segs_sort(m);
}

/* Packets were moved; the clock was not. `idle_s`: a pause in the middle. */
static void
do_times(struct recording *m, uint32_t idle_s)
{
	size_t n = m->segs.n;

	for (size_t i = 0; i < n; i++)
		m->segs.p[i].key = i;
	for (size_t i = 1; i < n; i++) {
		struct seg *seg = &m->segs.p[i];

		if (seg->time_ns < seg[-1].time_ns)
			seg->time_ns = seg[-1].time_ns;
	}
	for (size_t i = n / 2; i < n; i++)
		m->segs.p[i].time_ns += (int64_t)idle_s * 1000000000;
}

/* "3,7-9": numbers of packets, from 1. */
static void
do_drop_list(struct recording *m, const char *list)
{
	char *end;

	while (*list != '\0') {
		size_t from = strtoul(list, &end, 10), to = from;

		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		if ((*end != ',' && *end != '\0') || from == 0 || to < from ||
		    to > m->segs.n)
			errx(2, "--drop-packets: not a list of packets: %s",
			    list);
		for (size_t i = from; i <= to; i++)
			m->segs.p[i - 1].dropped = true;
		list = *end == ',' ? end + 1 : end;
	}
}

/* Of those with payload, and at least one. */
static void
do_drop_random(struct recording *m, uint32_t percent)
{
	size_t n = 0, last = 0;

	for (size_t i = 0; i < m->segs.n; i++) {
		if (m->segs.p[i].n_bytes == 0)
			continue;
		last = i;
		if (!chance(m, percent))
			continue;
		m->segs.p[i].dropped = true;
		n++;
	}
	if (n == 0)
		m->segs.p[last].dropped = true;
}

static void
do_cut(struct recording *m, size_t start, size_t end)
{
	if (start + end >= m->segs.n)
		errx(2, "nothing is left of %zu packets", m->segs.n);
	for (size_t i = 0; i < start; i++)
		m->segs.p[i].dropped = true;
	for (size_t i = m->segs.n - end; i < m->segs.n; i++)
		m->segs.p[i].dropped = true;
}

/* ---- packets and the file ---------------------------------------------- */

#define ETHERTYPE_IP4 0x0800u
#define ETHERTYPE_IP6 0x86ddu
#define ETHERTYPE_VLAN 0x8100u
#define ETHERTYPE_QINQ 0x88a8u
#define ETHERTYPE_MPLS 0x8847u

#define IP6_HOP_BY_HOP 0
#define IP6_FRAGMENT 44
#define IP6_DEST_OPTIONS 60
#define IP6_OPTIONS_BYTES 8 /* of each of our option headers */

struct link {
	const char *name;
	uint32_t linktype; /* LINKTYPE_ */
	/*
	 * write the header of `n` bytes up to the place of the EtherType; its
	 * length
	 */
	size_t (*write)(uint8_t *out, uint32_t ethertype, size_t n);
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
	const char *around; /* or NULL */
	uint32_t around_fragment; /* bytes of the outermost IP packet, or 0 */
	uint32_t trailer; /* bytes behind the packet */
};

static size_t
link_ether(uint8_t *out, uint32_t ethertype, size_t n)
{
	(void)n;
	memcpy(out, "\2\0\0\0\0\2\2\0\0\0\0\1", 12);
	pkt_put16(out + 12, ethertype);
	return 14;
}

static size_t
link_sll(uint8_t *out, uint32_t ethertype, size_t n)
{
	(void)n;
	memcpy(out, "\0\0\0\1\0\6\2\0\0\0\0\1\0\0", 14);
	pkt_put16(out + 14, ethertype);
	return 16;
}

static size_t
link_sll2(uint8_t *out, uint32_t ethertype, size_t n)
{
	(void)n;
	pkt_put16(out, ethertype);
	memcpy(out + 2, "\0\0\0\0\0\3\0\1\0\6\2\0\0\0\0\1\0\0", 18);
	return 20;
}

static size_t
link_raw(uint8_t *out, uint32_t ethertype, size_t n)
{
	(void)n;
	(void)out;
	(void)ethertype;
	return 0;
}

/* The address family of a little-endian machine; IPv6 as on macOS. */
static size_t
link_null(uint8_t *out, uint32_t ethertype, size_t n)
{
	(void)n;
	memset(out, 0, 4);
	out[0] = ethertype == ETHERTYPE_IP6 ? 30 : 2;
	return 4;
}

/* The same in network order; IPv6 as on OpenBSD. */
static size_t
link_loop(uint8_t *out, uint32_t ethertype, size_t n)
{
	(void)n;
	pkt_put32(out, ethertype == ETHERTYPE_IP6 ? 24 : 2);
	return 4;
}

static size_t
link_ppp(uint8_t *out, uint32_t ethertype, size_t n)
{
	(void)n;
	memcpy(out, "\xff\x03", 2);
	pkt_put16(out + 2,
	    ethertype == ETHERTYPE_IP6        ? 0x57
		: ethertype == ETHERTYPE_MPLS ? 0x281
					      : 0x21);
	return 4;
}

static size_t
link_hdlc(uint8_t *out, uint32_t ethertype, size_t n)
{
	(void)n;
	memcpy(out, "\x0f\x00", 2);
	pkt_put16(out + 2, ethertype);
	return 4;
}

/* Attributes of a little-endian machine; the last is the packet. */
static size_t
link_nflog(uint8_t *out, uint32_t ethertype, size_t n)
{
	static const uint8_t head[] = { 2, 0, 0, 1, 8, 0, 1, 0, 8, 0, 1, 0, 5,
		0, 10, 0, 0, 0, 0, 0 };

	if (ethertype == ETHERTYPE_IP6)
		out[0] = 10;
	memcpy(out, head, sizeof(head));
	out[sizeof(head)] = (uint8_t)(n + 4);
	out[sizeof(head) + 1] = (uint8_t)((n + 4) >> 8);
	memcpy(out + sizeof(head) + 2, "\x09", 2);
	return sizeof(head) + 4;
}

/* A QoS data frame from an access point, then SNAP. */
static size_t
link_wlan(uint8_t *out, uint32_t ethertype, size_t n)
{
	(void)n;
	memset(out, 0, 34);
	memcpy(out, "\x88\x02", 2);
	memcpy(out + 26, "\xaa\xaa\x03", 3);
	pkt_put16(out + 32, ethertype);
	return 34;
}

/* A time, flags, and the header padded as they say. */
static size_t
link_radiotap(uint8_t *out, uint32_t ethertype, size_t n)
{
	static const uint8_t head[] = { 0, 0, 18, 0, 3, 0, 0, 0, 1, 2, 3, 4, 5,
		6, 7, 8, 0x20, 0 };
	size_t at = sizeof(head);

	link_wlan(out + at, ethertype, n);
	memcpy(out, head, at);
	memmove(out + at + 28, out + at + 26, 8);
	return at + 28 + 8;
}

static const struct link links[] = {
	{ "ether", 1, link_ether, true },
	{ "sll", 113, link_sll, true },
	{ "sll2", 276, link_sll2, true },
	{ "raw", 101, link_raw, false },
	{ "null", 0, link_null, false },
	{ "loop", 108, link_loop, false },
	{ "ppp", 9, link_ppp, false },
	{ "hdlc", 104, link_hdlc, true },
	{ "nflog", 239, link_nflog, false },
	{ "wlan", 105, link_wlan, true },
	{ "radiotap", 127, link_radiotap, true },
};

static const struct link *
link_named(const char *name)
{
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
		if (strcmp(links[i].name, name) == 0)
			return &links[i];
	errx(2, "--link: not one that is known: %s", name);
}

/* The header of the link, before a packet; returns its length. */
static size_t
put_link(const struct emit *e, struct around *packet)
{
	uint8_t head[100];
	uint32_t first = e->n_vlans == 2 ? ETHERTYPE_QINQ
	    : e->n_vlans == 1            ? ETHERTYPE_VLAN
					 : packet->type;
	size_t n = e->link->write(head, first, packet->n);

	for (uint32_t i = 0; i < e->n_vlans; i++, n += 4) {
		pkt_put16(head + n, e->vlan[i]);
		pkt_put16(head + n + 2,
		    i + 1 < e->n_vlans ? ETHERTYPE_VLAN : packet->type);
	}
	packet->p -= n;
	packet->n += n;
	memcpy(packet->p, head, n);
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

/* One packet as it is on the wire; returns how many bytes the file has. */
static size_t
emit_packet(struct emit *e, int64_t time_ns, struct around packet)
{
	size_t head = put_link(e, &packet), n;

	memset(packet.p + packet.n, 0xee, e->trailer);
	n = pkt_file_packet(&e->file, time_ns,
	    (struct bnet_slice){ packet.p, packet.n + e->trailer });
	n = n < packet.n ? n : packet.n;
	return n < head ? 0 : n - head;
}

/*
 * The outermost IP packet, which is of version 4 without options, in fragments;
 * the last one first.
 */
static void
emit_around_fragments(
    struct emit *e, int64_t time_ns, const struct around *packet)
{
	static uint8_t out[AROUND_ROOM + PKT_BUF_BYTES];
	size_t each = e->around_fragment / 8 * 8;
	size_t all = packet->n - PKT_IP4_BYTES;

	if (packet->type != ETHERTYPE_IP4)
		errx(2, "--around-fragment: not IPv4");
	for (size_t i = (all + each - 1) / each; i-- > 0;) {
		size_t from = i * each;
		size_t n = from + each < all ? each : all - from;
		struct around part = { .p = out + AROUND_ROOM,
			.n = PKT_IP4_BYTES + n,
			.type = packet->type };

		memcpy(part.p, packet->p, PKT_IP4_BYTES);
		memcpy(part.p + PKT_IP4_BYTES, packet->p + PKT_IP4_BYTES + from,
		    n);
		pkt_put16(part.p + 2, (uint32_t)part.n);
		pkt_put16(part.p + 6,
		    (uint32_t)(from / 8) | (from + n < all ? 0x2000u : 0));
		(void)emit_packet(e, time_ns, part);
	}
}

/*
 * One IP packet around body[from, to) of `all` bytes: the whole, or a
 * fragment of it. Returns how many bytes of it are in the file.
 */
static size_t
emit_ip(struct emit *e, const struct seg *seg, const struct pkt_tcp *tcp,
    const uint8_t *body, size_t from, size_t to, size_t all)
{
	static uint8_t room[AROUND_ROOM + PKT_BUF_BYTES + 2000];
	bool part = to - from < all, more = to < all;
	uint8_t inner = e->exthdr ? IP6_DEST_OPTIONS : PKT_PROTO_TCP;
	uint8_t next = part ? IP6_FRAGMENT : inner;
	uint8_t *out = room + AROUND_ROOM;
	size_t ext = (e->exthdr ? IP6_OPTIONS_BYTES : 0u) + (part ? 8u : 0u);
	struct around packet = { .p = out,
		.type = e->ip6 ? ETHERTYPE_IP6 : ETHERTYPE_IP4,
		.down = seg->dir != 0 };
	size_t n = 0, kept;

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
	memcpy(out + n, body + from, to - from);
	packet.n = n + to - from;
	if (e->around != NULL)
		around(&packet, e->around);
	n = packet.n - (to - from); /* all headers but the link's */
	if (e->around_fragment > 0 && packet.n > e->around_fragment) {
		emit_around_fragments(e, seg->time_ns, &packet);
		return to - from;
	}
	kept = emit_packet(e, seg->time_ns, packet);
	return kept < n ? 0 : kept - n;
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
seg_tcp(const struct recording *m, const struct seg *seg, struct pkt_tcp *tcp)
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
emit_seg(struct recording *m, struct emit *e, struct seg *seg)
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
	seg->end = (long)e->file.n_bytes;
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
emit_cut(struct recording *m, struct mangled *out, size_t n)
{
	long cut = (long)out->file_bytes - (long)n;

	for (size_t i = 0; i < m->segs.n; i++)
		if (m->segs.p[i].end == cut)
			cut--;
	if (cut < 24)
		errx(1, "a file of %zu bytes cannot be cut by %zu",
		    out->file_bytes, n);
	out->file_bytes = (size_t)cut;
	for (size_t i = 0; i < m->segs.n; i++)
		if (m->segs.p[i].end > cut)
			m->segs.p[i].kept_bytes = 0;
}

static void
emit_all(struct recording *m, struct emit *e, const struct options *opt,
    FILE *f, struct mangled *out)
{
	e->file.linktype = e->link->linktype;
	e->file.f = f;
	e->file.path = "mangle";
	pkt_file_start(&e->file);
	if (opt->secrets != NULL)
		emit_secrets(e, opt->secrets);
	for (size_t i = 0; i < m->segs.n; i++)
		if (!m->segs.p[i].dropped)
			emit_seg(m, e, &m->segs.p[i]);
	out->file_bytes = e->file.n_bytes;
	if (opt->cut_bytes > 0)
		emit_cut(m, out, opt->cut_bytes);
}

/* ---- what is not in it ------------------------------------------------- */

static void
mark_sent(struct recording *m)
{
	for (uint32_t i = 0; i < 2 * m->n_conns; i++) {
		struct dir *dir = &m->conns[i / 2].dir[i % 2];

		dir->sent = grow(dir->sent, dir->n_bytes + 1, 1);
		memset(dir->sent, 0, dir->n_bytes + 1);
	}
	for (size_t i = 0; i < m->segs.n; i++) {
		const struct seg *seg = &m->segs.p[i];

		if (seg->kept_bytes > 0 && seg->flip == 0 && seg->off >= 0)
			memset(seg_dir(m, seg)->sent + seg->off, 1,
			    seg->kept_bytes);
	}
}

/* An offset in the mangled stream as one in the original. */
static size_t
dir_original(const struct dir *dir, size_t off)
{
	if (off <= dir->garbage_at)
		return dir->base + off;
	off -= off - dir->garbage_at < dir->garbage_bytes
	    ? off - dir->garbage_at
	    : dir->garbage_bytes;
	return dir->base + off;
}

/* [from, to) of the mangled stream; the caller adds what else there is. */
static struct lost *
push_lost(struct mangled *out, const struct conn *conn, uint32_t way,
    size_t from, size_t to)
{
	const struct dir *dir = &conn->dir[way];
	struct lost *lost;

	out->lost = grow(out->lost, out->n_lost + 1, sizeof(*out->lost));
	lost = &out->lost[out->n_lost++];
	*lost = (struct lost){ .conn = conn->port[0],
		.down = way != 0,
		.from = dir_original(dir, from),
		.to = dir_original(dir, to) };
	return lost;
}

static bool
syn_sent(const struct recording *m, uint32_t conn, uint32_t way)
{
	for (size_t i = 0; i < m->segs.n; i++) {
		const struct seg *seg = &m->segs.p[i];

		if (seg->conn == conn && seg->dir == way && seg->off < 0 &&
		    (seg->flags & PKT_SYN) != 0)
			return seg->end != 0;
	}
	return false;
}

static void
list_lost_dir(struct mangled *out, const struct conn *conn, uint32_t way)
{
	const struct dir *dir = &conn->dir[way];

	for (size_t from = 0, to; from < dir->n_bytes; from = to) {
		const uint8_t *other = memchr(
		    dir->sent + from, !dir->sent[from], dir->n_bytes - from);

		to = other == NULL ? dir->n_bytes : (size_t)(other - dir->sent);
		if (dir->sent[from] == 0)
			push_lost(out, conn, way, from, to);
	}
	if (dir->garbage_bytes > 0)
		push_lost(out, conn, way, dir->garbage_at, dir->garbage_at)
		    ->inserted = dir->garbage_bytes;
}

/* Where the pause fell: a decoder may give a stream up there. */
static void
list_pause(struct mangled *out, const struct recording *m)
{
	for (uint32_t c = 0; c < 2 * m->n_conns; c++) {
		const struct conn *conn = &m->conns[c / 2];
		int64_t at = 0;

		for (size_t i = 0; i < m->segs.n / 2; i++) {
			const struct seg *seg = &m->segs.p[i];

			if (seg->conn == c / 2 && seg->dir == c % 2 &&
			    seg->off + seg->n_bytes > at)
				at = seg->off + seg->n_bytes;
		}
		if (at > 0 && (size_t)at < conn->dir[c % 2].n_bytes)
			push_lost(out, conn, c % 2, (size_t)at, (size_t)at)
			    ->pause = true;
	}
}

static void
list_lost(struct recording *m, struct mangled *out, bool pause)
{
	mark_sent(m);
	for (uint32_t i = 0; i < 2 * m->n_conns; i++) {
		const struct conn *conn = &m->conns[i / 2];

		if (!syn_sent(m, i / 2, i % 2))
			push_lost(out, conn, i % 2, 0, 0)->syn = true;
		list_lost_dir(out, conn, i % 2);
	}
	if (pause)
		list_pause(out, m);
}

/* ---- options ---------------------------------------------------------- */

enum kind {
	NUMBER,
	FLAG,
	TEXT,
};

#define OPT(name, kind, field) \
	{ \
		name, kind, offsetof(struct options, field) \
	}

static const struct option_row {
	const char *name;
	enum kind kind;
	size_t at;
} rows[] = {
	OPT("seed", NUMBER, seed),
	/* streams */
	OPT("garbage", NUMBER, garbage), /* bytes put in */
	OPT("port", NUMBER, port), /* of the server */
	OPT("port-reuse", FLAG, port_reuse), /* first one again, at the end */
	OPT("seq-wrap", FLAG, seq_wrap),
	/* segments */
	OPT("coalesce", NUMBER, coalesce), /* up to so many bytes */
	OPT("segment", NUMBER, segment), /* down to so many bytes */
	OPT("overlap", NUMBER, overlap), /* percent */
	OPT("duplicate", NUMBER, duplicate), /* percent */
	OPT("conflict", NUMBER, conflict), /* how many */
	OPT("conflict-first", FLAG, conflict_first), /* the wrong one */
	OPT("reorder", NUMBER, reorder), /* in windows of so many packets */
	OPT("idle", NUMBER, idle), /* seconds, in the middle */
	OPT("rst", FLAG, rst), /* in place of FIN */
	/* losses */
	OPT("cut-start", NUMBER, cut_start), /* packets */
	OPT("cut-end", NUMBER, cut_end),
	OPT("drop-packets", TEXT, drop_packets), /* 3,7-9 */
	OPT("drop-random", NUMBER, drop_random), /* percent */
	/* packets */
	OPT("ipv6", FLAG, ip6),
	OPT("exthdr", FLAG, exthdr), /* hop-by-hop, destination options */
	OPT("fragment", NUMBER, fragment), /* bytes */
	OPT("fragment-reorder", FLAG, fragment_reorder), /* last first */
	OPT("drop-fragments", NUMBER, drop_fragments), /* percent */
	OPT("vlan", NUMBER, vlan), OPT("qinq", TEXT, qinq), /* outer,inner */
	OPT("link", TEXT, link), /* ether sll sll2 raw null loop ppp ... */
	OPT("around", TEXT, around), /* tunnels and tags: vxlan,mpls */
	OPT("around-fragment", NUMBER, around_fragment), /* bytes */
	OPT("trailer", NUMBER, trailer), /* bytes behind the packet */
	/* file */
	OPT("snaplen", NUMBER, snaplen), OPT("nano", FLAG, nano),
	OPT("big-endian", FLAG, big_endian), OPT("pcapng", FLAG, pcapng),
	OPT("secrets", TEXT, secrets), /* a key log, put into a pcapng */
	OPT("cut-bytes", NUMBER, cut_bytes), /* at the end of the file */
};

#define N_ROWS (sizeof(rows) / sizeof(*rows))

void
mangle_usage(FILE *f)
{
	static const char *const value[] = { " N", "", " TEXT" };

	for (size_t i = 0; i < N_ROWS; i++)
		fprintf(f, "\t--%s%s\n", rows[i].name, value[rows[i].kind]);
}

static void
option_set(struct options *opt, const struct option_row *row, const char *arg)
{
	char *at = (char *)opt + row->at, *end;
	unsigned long n;

	switch (row->kind) {
	case FLAG:
		*(bool *)at = true;
		break;
	case TEXT:
		memcpy(at, &arg, sizeof(arg));
		break;
	case NUMBER:
		n = strtoul(arg, &end, 10);
		if (*arg == '\0' || *end != '\0' || n > UINT32_MAX)
			errx(2, "--%s: not a number: %s", row->name, arg);
		memcpy(at, &(uint32_t){ (uint32_t)n }, sizeof(uint32_t));
		break;
	}
}

static const struct option_row *
option_named(const char *word)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (strncmp(word, "--", 2) == 0 &&
		    strcmp(word + 2, rows[i].name) == 0)
			return &rows[i];
	errx(2, "no such option: %s", word);
}

static void
options_read(struct options *opt, char *const *words, size_t n_words)
{
	for (size_t i = 0; i < n_words; i++) {
		const struct option_row *row = option_named(words[i]);

		if (row->kind != FLAG && ++i == n_words)
			errx(2, "--%s: a value is missing", row->name);
		option_set(opt, row, words[i]);
	}
}

/* What cannot be combined, or what a report could not be made for. */
static void
options_check(const struct options *opt)
{
	if (opt->conflict > 0 && opt->reorder > 0)
		errx(2, "--conflict: its order would be lost by --reorder");
	if (opt->snaplen > 0 && opt->fragment > 0)
		errx(2, "--snaplen does not go with --fragment");
	if (opt->fragment > 0 && opt->fragment < 8)
		errx(2, "--fragment: at least 8");
	if (opt->around_fragment > 0 &&
	    (opt->around_fragment < 64 || opt->snaplen > 0))
		errx(2, "--around-fragment: at least 64, without --snaplen");
	if (opt->trailer > 1000)
		errx(2, "--trailer: at most 1000");
	if (opt->secrets != NULL && !opt->pcapng)
		errx(2, "--secrets needs --pcapng");
	if (opt->exthdr && !opt->ip6)
		errx(2, "--exthdr needs --ipv6");
	if (opt->port > UINT16_MAX || opt->vlan > 4094)
		errx(2, "--port or --vlan: too large");
}

static void
emit_settings(struct emit *e, const struct options *opt)
{
	e->link = link_named(opt->link != NULL ? opt->link : "ether");
	e->ip6 = opt->ip6;
	e->exthdr = opt->exthdr;
	e->fragment_bytes = opt->fragment;
	e->fragment_reorder = opt->fragment_reorder;
	e->drop_fragments = opt->drop_fragments;
	e->around = opt->around;
	e->around_fragment = opt->around_fragment;
	e->trailer = opt->trailer;
	e->vlan[0] = opt->vlan;
	e->n_vlans = opt->vlan > 0;
	if (opt->qinq != NULL) {
		if (sscanf(opt->qinq, "%u,%u", &e->vlan[0], &e->vlan[1]) != 2)
			errx(2, "--qinq: not OUTER,INNER: %s", opt->qinq);
		e->n_vlans = 2;
	}
	if (e->n_vlans > 0 && !e->link->tags)
		errx(2, "--link %s has no VLANs", e->link->name);
	e->file.nano = opt->nano;
	e->file.pcapng = opt->pcapng;
	e->file.big_endian = opt->big_endian;
	e->file.snaplen = opt->snaplen > 0 ? opt->snaplen : PKT_SNAPLEN;
}

static void
transform(struct recording *m, const struct options *opt)
{
	if (opt->garbage > 0)
		do_garbage(m, opt->garbage);
	if (opt->port > 0)
		do_port(m, opt->port);
	if (opt->seq_wrap)
		do_seq_wrap(m);
	if (opt->port_reuse)
		do_port_reuse(m);
	if (opt->coalesce > 0)
		do_coalesce(m, opt->coalesce);
	do_segment(m,
	    opt->segment > 0 && opt->segment < PKT_PAYLOAD_MAX
		? opt->segment
		: PKT_PAYLOAD_MAX);
	if (opt->overlap > 0)
		do_overlap(m, opt->overlap);
	if (opt->duplicate > 0)
		do_duplicate(m, opt->duplicate);
	if (opt->conflict > 0)
		do_conflict(m, opt->conflict, opt->conflict_first);
	if (opt->reorder > 1)
		do_reorder(m, opt->reorder);
	if (opt->rst)
		do_rst(m);
	do_times(m, opt->idle);
	do_cut(m, opt->cut_start, opt->cut_end);
	if (opt->drop_packets != NULL)
		do_drop_list(m, opt->drop_packets);
	if (opt->drop_random > 0)
		do_drop_random(m, opt->drop_random);
}

void
mangle(const struct recording *rec, char *const *words, size_t n_words, FILE *f,
    struct mangled *out)
{
	struct recording m = recording_copy(rec);
	struct options opt = { 0 };
	struct emit e = { 0 };

	memset(out, 0, sizeof(*out));
	options_read(&opt, words, n_words);
	options_check(&opt);
	emit_settings(&e, &opt);
	m.random = opt.seed;
	transform(&m, &opt);
	emit_all(&m, &e, &opt, f, out);
	list_lost(&m, out, opt.idle > 0);
	unload(&m);
}

void
mangled_free(struct mangled *out)
{
	free(out->lost);
	memset(out, 0, sizeof(*out));
}
