/* SPDX-License-Identifier: MIT */
/*
 * pkt - packets and capture files written byte by byte, for the test tools.
 *
 *	segment -> TCP -> IPv4 or IPv6 -> link -> pcap or pcapng
 *
 * Written here and not with libpcap, because it writes neither pcapng nor
 * files of the other byte order, and because gen has to be quick.
 */
#ifndef TESTS_CAPTURES_PKT_H
#define TESTS_CAPTURES_PKT_H

#include "proto/buf.h"

#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PKT_FIN 0x01
#define PKT_SYN 0x02
#define PKT_RST 0x04
#define PKT_PSH 0x08
#define PKT_ACK 0x10

#define PKT_TCP_BYTES 20 /* without options */
#define PKT_IP4_BYTES 20
#define PKT_IP6_BYTES 40
#define PKT_PAYLOAD_MAX 65000 /* leaves room for every header */
#define PKT_BUF_BYTES 66000
#define PKT_SNAPLEN 262144

#define PKT_PROTO_TCP 6

/* One TCP segment. */
struct pkt_tcp {
	uint8_t src[4], dst[4];
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t flags; /* PKT_* */
	uint16_t window;
	struct bnet_slice options; /* a multiple of 4 bytes */
	struct bnet_slice payload;
};

static inline void
pkt_put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
pkt_put32(uint8_t *p, uint32_t v)
{
	pkt_put16(p, v >> 16);
	pkt_put16(p + 2, v);
}

static inline uint32_t
pkt_get16(const uint8_t *p)
{
	return ((uint32_t)p[0] << 8) | p[1];
}

static inline uint32_t
pkt_get32(const uint8_t *p)
{
	return (pkt_get16(p) << 16) | pkt_get16(p + 2);
}

/* splitmix64: the same numbers from the same seed everywhere. */
static inline uint64_t
pkt_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 .. n - 1; n is not 0. */
static inline uint32_t
pkt_random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(pkt_random(state) % n);
}

/*
 * The Internet checksum's sum, in the machine's order: it is the same sum in
 * any, as long as it is stored in that order again.
 */
static inline uint64_t
pkt_sum(const uint8_t *p, size_t n, uint64_t sum)
{
	uint32_t v;

	for (; n >= sizeof(v); p += sizeof(v), n -= sizeof(v)) {
		memcpy(&v, p, sizeof(v));
		sum += v;
	}
	v = 0;
	if (n > 0)
		memcpy(&v, p, n);
	return sum + v;
}

static inline void
pkt_sum_store(uint64_t sum, uint8_t *p)
{
	uint16_t v;

	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	v = (uint16_t)~sum;
	memcpy(p, &v, sizeof(v));
}

/* An IPv4 address as one of fd00::/8. */
static inline void
pkt_addr6(uint8_t out[16], const uint8_t addr[4])
{
	memset(out, 0, 16);
	out[0] = 0xfd;
	memcpy(out + 12, addr, 4);
}

static inline uint64_t
pkt_pseudo_sum(const struct pkt_tcp *tcp, size_t len, bool v6)
{
	uint8_t pseudo[40] = { 0 };

	if (!v6) {
		memcpy(pseudo, tcp->src, 4);
		memcpy(pseudo + 4, tcp->dst, 4);
		pseudo[9] = PKT_PROTO_TCP;
		pkt_put16(pseudo + 10, (uint32_t)len);
		return pkt_sum(pseudo, 12, 0);
	}
	pkt_addr6(pseudo, tcp->src);
	pkt_addr6(pseudo + 16, tcp->dst);
	pkt_put32(pseudo + 32, (uint32_t)len);
	pseudo[39] = PKT_PROTO_TCP;
	return pkt_sum(pseudo, 40, 0);
}

/* TCP header and payload to `out`; returns their length. */
static inline size_t
pkt_write_tcp(uint8_t *out, const struct pkt_tcp *tcp, bool v6)
{
	size_t head = PKT_TCP_BYTES + tcp->options.len;
	size_t len = head + tcp->payload.len;

	pkt_put16(out, tcp->sport);
	pkt_put16(out + 2, tcp->dport);
	pkt_put32(out + 4, tcp->seq);
	pkt_put32(out + 8, tcp->ack);
	out[12] = (uint8_t)(head / 4 << 4);
	out[13] = tcp->flags;
	pkt_put16(out + 14, tcp->window);
	memset(out + 16, 0, 4);
	if (tcp->options.len > 0)
		memcpy(out + PKT_TCP_BYTES, tcp->options.p, tcp->options.len);
	if (tcp->payload.len > 0)
		memcpy(out + head, tcp->payload.p, tcp->payload.len);
	pkt_sum_store(
	    pkt_sum(out, len, pkt_pseudo_sum(tcp, len, v6)), out + 16);
	return len;
}

/* `frag`: the flags and offset field. */
static inline size_t
pkt_write_ip4(uint8_t *out, const struct pkt_tcp *tcp, size_t body_bytes,
    uint32_t id, uint32_t frag)
{
	out[0] = 0x45;
	out[1] = 0;
	pkt_put16(out + 2, (uint32_t)(PKT_IP4_BYTES + body_bytes));
	pkt_put16(out + 4, id);
	pkt_put16(out + 6, frag);
	out[8] = 64;
	out[9] = PKT_PROTO_TCP;
	pkt_put16(out + 10, 0);
	memcpy(out + 12, tcp->src, 4);
	memcpy(out + 16, tcp->dst, 4);
	pkt_sum_store(pkt_sum(out, PKT_IP4_BYTES, 0), out + 10);
	return PKT_IP4_BYTES;
}

static inline size_t
pkt_write_ip6(uint8_t *out, const struct pkt_tcp *tcp, size_t body_bytes,
    uint8_t next_header)
{
	pkt_put32(out, UINT32_C(0x60000000));
	pkt_put16(out + 4, (uint32_t)body_bytes);
	out[6] = next_header;
	out[7] = 64;
	pkt_addr6(out + 8, tcp->src);
	pkt_addr6(out + 24, tcp->dst);
	return PKT_IP6_BYTES;
}

/* ---- files -------------------------------------------------------------- */

struct pkt_file {
	FILE *f;
	const char *path;
	uint64_t n_bytes; /* written so far */
	uint32_t linktype; /* LINKTYPE_, which is not always DLT_ */
	uint32_t snaplen;
	bool nano, pcapng, big_endian;
};

static inline void
pkt_file_put16(const struct pkt_file *file, uint8_t *p, uint32_t v)
{
	if (file->big_endian) {
		pkt_put16(p, v);
		return;
	}
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void
pkt_file_put32(const struct pkt_file *file, uint8_t *p, uint32_t v)
{
	if (file->big_endian) {
		pkt_put32(p, v);
		return;
	}
	pkt_file_put16(file, p, v);
	pkt_file_put16(file, p + 2, v >> 16);
}

static inline void
pkt_file_bytes(struct pkt_file *file, const void *p, size_t n)
{
	if (n > 0 && fwrite(p, 1, n, file->f) != n)
		err(1, "%s", file->path);
	file->n_bytes += n;
}

/* A pcapng block: type, length, `head`, `body` padded to 4, `tail`, length. */
static inline void
pkt_file_block(struct pkt_file *file, uint32_t type, struct bnet_slice head,
    struct bnet_slice body, struct bnet_slice tail)
{
	static const uint8_t zeros[4] = { 0 };
	size_t pad = (4 - body.len % 4) % 4;
	size_t len = 12 + head.len + body.len + pad + tail.len;
	uint8_t ends[8];

	pkt_file_put32(file, ends, type);
	pkt_file_put32(file, ends + 4, (uint32_t)len);
	pkt_file_bytes(file, ends, 8);
	pkt_file_bytes(file, head.p, head.len);
	pkt_file_bytes(file, body.p, body.len);
	pkt_file_bytes(file, zeros, pad);
	pkt_file_bytes(file, tail.p, tail.len);
	pkt_file_bytes(file, ends + 4, 4);
}

#define PKT_NONE ((struct bnet_slice){ NULL, 0 })

/* Section header and one interface, with if_tsresol. */
static inline void
pkt_file_pcapng_head(struct pkt_file *file)
{
	uint8_t section[16], interface[16] = { 0 };

	pkt_file_put32(file, section, UINT32_C(0x1a2b3c4d));
	pkt_file_put16(file, section + 4, 1);
	pkt_file_put16(file, section + 6, 0);
	memset(section + 8, 0xff, 8); /* length of the section: not said */
	pkt_file_block(file, UINT32_C(0x0a0d0d0a),
	    (struct bnet_slice){ section, 16 }, PKT_NONE, PKT_NONE);
	pkt_file_put16(file, interface, file->linktype);
	pkt_file_put32(file, interface + 4, file->snaplen);
	pkt_file_put16(file, interface + 8, 9);
	pkt_file_put16(file, interface + 10, 1);
	interface[12] = file->nano ? 9 : 6;
	/* padding, then opt_endofopt is 4 more zero bytes */
	pkt_file_block(file, 1, (struct bnet_slice){ interface, 16 }, PKT_NONE,
	    (struct bnet_slice){ (const uint8_t *)"\0\0\0", 4 });
}

/* What a file starts with, to file->f. Set the other fields before. */
static inline void
pkt_file_start(struct pkt_file *file)
{
	uint8_t head[24] = { 0 };

	file->n_bytes = 0;
	if (file->pcapng) {
		pkt_file_pcapng_head(file);
		return;
	}
	pkt_file_put32(file, head,
	    file->nano ? UINT32_C(0xa1b23c4d) : UINT32_C(0xa1b2c3d4));
	pkt_file_put16(file, head + 4, 2);
	pkt_file_put16(file, head + 6, 4);
	pkt_file_put32(file, head + 16, file->snaplen);
	pkt_file_put32(file, head + 20, file->linktype);
	pkt_file_bytes(file, head, sizeof(head));
}

/* Start a file; "-" is standard output. Set the fields of *file before. */
static inline void
pkt_file_open(struct pkt_file *file, const char *path)
{
	file->path = path;
	file->f = strcmp(path, "-") == 0 ? stdout : fopen(path, "wb");
	if (file->f == NULL)
		err(1, "%s", path);
	(void)setvbuf(file->f, NULL, _IOFBF, 1 << 20);
	pkt_file_start(file);
}

/* TLS key log lines, for pcapng: a Decryption Secrets Block. */
static inline void
pkt_file_secrets(struct pkt_file *file, struct bnet_slice secrets)
{
	uint8_t head[8];

	pkt_file_put32(file, head, UINT32_C(0x544c534b));
	pkt_file_put32(file, head + 4, (uint32_t)secrets.len);
	pkt_file_block(
	    file, 10, (struct bnet_slice){ head, 8 }, secrets, PKT_NONE);
}

/* One packet, cut to the snapshot length; returns the bytes it kept. */
static inline size_t
pkt_file_packet(struct pkt_file *file, int64_t time_ns, struct bnet_slice data)
{
	int64_t units = file->nano ? 1 : 1000; /* ns of one */
	size_t kept = data.len < file->snaplen ? data.len : file->snaplen;
	uint64_t stamp = (uint64_t)(time_ns / units);
	uint8_t head[20] = { 0 };

	if (file->pcapng) {
		pkt_file_put32(file, head + 4, (uint32_t)(stamp >> 32));
		pkt_file_put32(file, head + 8, (uint32_t)stamp);
		pkt_file_put32(file, head + 12, (uint32_t)kept);
		pkt_file_put32(file, head + 16, (uint32_t)data.len);
		pkt_file_block(file, 6, (struct bnet_slice){ head, 20 },
		    (struct bnet_slice){ data.p, kept }, PKT_NONE);
		return kept;
	}
	pkt_file_put32(file, head, (uint32_t)(time_ns / 1000000000));
	pkt_file_put32(
	    file, head + 4, (uint32_t)(time_ns % 1000000000 / units));
	pkt_file_put32(file, head + 8, (uint32_t)kept);
	pkt_file_put32(file, head + 12, (uint32_t)data.len);
	pkt_file_bytes(file, head, 16);
	pkt_file_bytes(file, data.p, kept);
	return kept;
}

/* The same in memory, which is the caller's after pkt_file_close(). */
static inline void
pkt_file_open_memory(struct pkt_file *file, char **p, size_t *n)
{
	file->path = "memory";
	file->f = open_memstream(p, n);
	if (file->f == NULL)
		err(1, "memory");
	pkt_file_start(file);
}

static inline void
pkt_file_close(struct pkt_file *file)
{
	if (fflush(file->f) != 0 || ferror(file->f))
		err(1, "%s", file->path);
	if (file->f != stdout && fclose(file->f) != 0)
		err(1, "%s", file->path);
}

#endif
