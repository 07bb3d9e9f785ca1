/* SPDX-License-Identifier: MIT */
/* Captures for hostile.c: a stream in good packets, and packets that lie. */
#ifndef TESTS_HOSTILE_PACKETS_H
#define TESTS_HOSTILE_PACKETS_H

#include "tests/tools/pkt.h"

#define HOSTILE_TIME_NS (INT64_C(1763850858) * 1000000000)
#define HOSTILE_LINKTYPE_ETHERNET 1
#define HOSTILE_SEGMENT_BYTES 1448
#define HOSTILE_ETHER_BYTES 14

static inline struct pkt_tcp
hostile_tcp(void)
{
	return (struct pkt_tcp){ .src = { 10, 0, 0, 1 },
		.dst = { 10, 0, 0, 2 },
		.sport = 40000,
		.dport = 26000,
		.seq = 1,
		.ack = 1,
		.flags = PKT_ACK,
		.window = 65535 };
}

/* Ethernet in front of the IP packet that is at `bytes` + 14. */
static inline void
hostile_write(
    struct pkt_file *file, uint8_t *bytes, size_t n_ip, uint32_t ethertype)
{
	memset(bytes, 2, 12);
	pkt_put16(bytes + 12, ethertype);
	pkt_file_packet(file, HOSTILE_TIME_NS,
	    (struct bnet_slice){ bytes, HOSTILE_ETHER_BYTES + n_ip });
}

static inline void
hostile_segment(struct pkt_file *file, const struct pkt_tcp *tcp)
{
	static uint8_t bytes[PKT_BUF_BYTES];
	uint8_t *ip = bytes + HOSTILE_ETHER_BYTES;
	size_t n = pkt_write_tcp(ip + PKT_IP4_BYTES, tcp, false);

	n += pkt_write_ip4(ip, tcp, n, 1, 0);
	hostile_write(file, bytes, n, 0x0800);
}

/* SYN, the bytes in segments, FIN. */
static inline void
hostile_stream(struct pkt_file *file, struct bnet_slice in)
{
	struct pkt_tcp tcp = hostile_tcp();

	tcp.seq = 0;
	tcp.flags = PKT_SYN;
	hostile_segment(file, &tcp);
	tcp.flags = PKT_ACK;
	for (tcp.seq = 1; in.len > 0;) {
		tcp.payload = in;
		if (in.len > HOSTILE_SEGMENT_BYTES)
			tcp.payload.len = HOSTILE_SEGMENT_BYTES;
		hostile_segment(file, &tcp);
		tcp.seq += (uint32_t)tcp.payload.len;
		in = bnet_slice_from(in, tcp.payload.len);
	}
	tcp.flags |= PKT_FIN;
	tcp.payload = in;
	hostile_segment(file, &tcp);
}

static inline void
hostile_capture(const char *path, struct bnet_slice in)
{
	struct pkt_file file = { .linktype = HOSTILE_LINKTYPE_ETHERNET,
		.snaplen = PKT_SNAPLEN };

	pkt_file_open(&file, path);
	hostile_stream(&file, in);
	pkt_file_close(&file);
}

/* ---- packets that lie; each among the segments of a good stream ---- */

/* First fragments of many datagrams, of which no more comes. */
static inline void
hostile_fragments_unfinished(struct pkt_file *file)
{
	static uint8_t bytes[256];
	uint8_t *ip = bytes + HOSTILE_ETHER_BYTES;
	struct pkt_tcp tcp = hostile_tcp();

	for (uint32_t id = 0; id < 300; id++) {
		pkt_write_ip4(ip, &tcp, 8, id, 0x2000);
		hostile_write(file, bytes, PKT_IP4_BYTES + 8, 0x0800);
	}
}

/* The second lies inside the first, and the last ends before it. */
static inline void
hostile_fragments_overlapping(struct pkt_file *file)
{
	static uint8_t bytes[256];
	uint8_t *ip = bytes + HOSTILE_ETHER_BYTES;
	struct pkt_tcp tcp = hostile_tcp();

	pkt_write_ip4(ip, &tcp, 64, 9, 0x2000);
	hostile_write(file, bytes, PKT_IP4_BYTES + 64, 0x0800);
	pkt_write_ip4(ip, &tcp, 24, 9, 0x2000 | 3);
	hostile_write(file, bytes, PKT_IP4_BYTES + 24, 0x0800);
	pkt_write_ip4(ip, &tcp, 4, 9, 1);
	hostile_write(file, bytes, PKT_IP4_BYTES + 4, 0x0800);
}

/* Beyond the 64 KiB that a datagram can have. */
static inline void
hostile_fragment_beyond_64k(struct pkt_file *file)
{
	static uint8_t bytes[256];
	uint8_t *ip = bytes + HOSTILE_ETHER_BYTES;
	struct pkt_tcp tcp = hostile_tcp();

	pkt_write_ip4(ip, &tcp, 64, 9, 0x1fff);
	hostile_write(file, bytes, PKT_IP4_BYTES + 64, 0x0800);
}

/* Extension headers in a row, until nothing is left. */
static inline void
hostile_ip6_extensions(struct pkt_file *file)
{
	static uint8_t bytes[2048];
	uint8_t *ip = bytes + HOSTILE_ETHER_BYTES;
	struct pkt_tcp tcp = hostile_tcp();

	pkt_write_ip6(ip, &tcp, 1600, 0);
	memset(ip + PKT_IP6_BYTES, 0, 1600); /* hop-by-hop: 8 bytes each */
	hostile_write(file, bytes, PKT_IP6_BYTES + 1600, 0x86dd);
}

static inline void
hostile_vlan_tags(struct pkt_file *file)
{
	static uint8_t bytes[512];

	for (size_t at = HOSTILE_ETHER_BYTES; at < 500; at += 4) {
		pkt_put16(bytes + at, 1);
		pkt_put16(bytes + at + 2, 0x8100);
	}
	hostile_write(file, bytes, 480, 0x8100);
}

/* Lengths that say more than there is. */
static inline void
hostile_lengths(struct pkt_file *file)
{
	static uint8_t bytes[256];
	uint8_t *ip = bytes + HOSTILE_ETHER_BYTES;
	struct pkt_tcp tcp = hostile_tcp();
	size_t n;

	tcp.sport = 40001;
	n = pkt_write_tcp(ip + PKT_IP4_BYTES, &tcp, false);
	pkt_write_ip4(ip, &tcp, n, 1, 0);
	ip[PKT_IP4_BYTES + 12] = 0xf0; /* a TCP header of 60 bytes */
	hostile_write(file, bytes, PKT_IP4_BYTES + n, 0x0800);
	ip[PKT_IP4_BYTES + 12] = 0x10; /* of 4 */
	hostile_write(file, bytes, PKT_IP4_BYTES + n, 0x0800);
	ip[0] = 0x4f; /* an IP header of 60 bytes */
	hostile_write(file, bytes, PKT_IP4_BYTES + n, 0x0800);
	ip[0] = 0x41; /* of 4 */
	hostile_write(file, bytes, PKT_IP4_BYTES + n, 0x0800);
	ip[0] = 0x45;
	pkt_put16(ip + 2, 7); /* less than its own header */
	hostile_write(file, bytes, PKT_IP4_BYTES + n, 0x0800);
}

/* Segments of a stream half of sequence space away from each other. */
static inline void
hostile_sequence_leaps(struct pkt_file *file)
{
	struct pkt_tcp tcp = hostile_tcp();

	tcp.sport = 40001;
	tcp.payload = (struct bnet_slice){ (const uint8_t *)"leap", 4 };
	for (uint32_t i = 0; i < 16; i++) {
		tcp.seq = i * UINT32_C(0x7fffffff);
		hostile_segment(file, &tcp);
	}
}

struct hostile_packet_case {
	const char *name;
	void (*write)(struct pkt_file *file);
};

static const struct hostile_packet_case hostile_packet_cases[] = {
	{ "fragments-unfinished", hostile_fragments_unfinished },
	{ "fragments-overlapping", hostile_fragments_overlapping },
	{ "fragment-beyond-64k", hostile_fragment_beyond_64k },
	{ "ip6-extensions-200", hostile_ip6_extensions },
	{ "vlan-tags-120", hostile_vlan_tags },
	{ "lengths-that-lie", hostile_lengths },
	{ "sequence-leaps", hostile_sequence_leaps },
};

/* ---- files that lie, behind a good stream ---- */

/* A packet of nearly 4 GiB, says the file. */
static inline void
hostile_file_pcap(const char *path, struct bnet_slice good)
{
	struct pkt_file file = { .linktype = HOSTILE_LINKTYPE_ETHERNET,
		.snaplen = PKT_SNAPLEN };
	uint8_t head[16] = { 0 };

	pkt_file_open(&file, path);
	hostile_stream(&file, good);
	memset(head + 8, 0xf0, 8);
	pkt_file_bytes(&file, head, sizeof(head));
	pkt_file_close(&file);
}

/* A block of nearly 4 GiB. */
static inline void
hostile_file_pcapng(const char *path, struct bnet_slice good)
{
	struct pkt_file file = { .linktype = HOSTILE_LINKTYPE_ETHERNET,
		.snaplen = PKT_SNAPLEN,
		.pcapng = true };
	uint8_t head[8] = { 6 };

	pkt_file_open(&file, path);
	hostile_stream(&file, good);
	memset(head + 4, 0xf0, 4);
	pkt_file_bytes(&file, head, sizeof(head));
	pkt_file_close(&file);
}

/* Secrets that are longer than their block. */
static inline void
hostile_file_secrets(const char *path, struct bnet_slice good)
{
	struct pkt_file file = { .linktype = HOSTILE_LINKTYPE_ETHERNET,
		.snaplen = PKT_SNAPLEN,
		.pcapng = true };
	uint8_t head[8];

	pkt_file_open(&file, path);
	pkt_file_put32(&file, head, UINT32_C(0x544c534b));
	pkt_file_put32(&file, head + 4, UINT32_C(0xfffffff0));
	pkt_file_block(&file, 10, (struct bnet_slice){ head, 8 },
	    (struct bnet_slice){ (const uint8_t *)"CLIENT_RANDOM 00", 16 },
	    PKT_NONE);
	hostile_stream(&file, good);
	pkt_file_close(&file);
}

/* All of these, into a folder, with the good stream behind the packets. */
static inline void
hostile_packets(const char *dir, struct bnet_slice good)
{
	struct pkt_file file = { .linktype = HOSTILE_LINKTYPE_ETHERNET,
		.snaplen = PKT_SNAPLEN };
	char path[512];

	for (size_t i = 0;
	     i < sizeof(hostile_packet_cases) / sizeof(hostile_packet_cases[0]);
	     i++) {
		(void)snprintf(path, sizeof(path), "%s/%s.pcap", dir,
		    hostile_packet_cases[i].name);
		pkt_file_open(&file, path);
		hostile_packet_cases[i].write(&file);
		hostile_stream(&file, good);
		pkt_file_close(&file);
	}
	(void)snprintf(path, sizeof(path), "%s/packet-of-4-gib.pcap", dir);
	hostile_file_pcap(path, good);
	(void)snprintf(path, sizeof(path), "%s/block-of-4-gib.pcapng", dir);
	hostile_file_pcapng(path, good);
	(void)snprintf(path, sizeof(path), "%s/secrets-cut.pcapng", dir);
	hostile_file_secrets(path, good);
}

#endif
