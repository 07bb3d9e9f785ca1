/* SPDX-License-Identifier: MIT */
#include "cmd/relay/record_packet.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define TCP_BYTES 20
#define MAPPED_BYTES 12 /* of ::ffff:a.b.c.d, before the IPv4 address */
#define TTL 64
#define WINDOW 65535

/* ---- addresses ---- */

static const uint8_t mapped[MAPPED_BYTES] = { [10] = 0xff, [11] = 0xff };

static bool
is_mapped(const uint8_t ip[16])
{
	return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

static void
set_end(struct record_ends *ends, int which, const struct address *at,
    uint64_t number)
{
	const struct sockaddr_in *in = (const void *)&at->sa;
	const struct sockaddr_in6 *in6 = (const void *)&at->sa;
	uint8_t *ip = ends->ip[which];

	memcpy(ip, mapped, sizeof(mapped));
	ends->port[which] = (uint16_t)number;
	if (at->len_bytes == 0)
		return;
	if (at->sa.ss_family == AF_INET) {
		memcpy(ip + MAPPED_BYTES, &in->sin_addr, 4);
		ends->port[which] = ntohs(in->sin_port);
	} else if (at->sa.ss_family == AF_INET6) {
		memcpy(ip, &in6->sin6_addr, 16);
		ends->port[which] = ntohs(in6->sin6_port);
	}
}

struct record_ends
record_ends_of(
    const struct address *from, const struct address *to, uint64_t number)
{
	static const struct address nowhere;
	struct record_ends ends = { 0 };

	set_end(&ends, 0, from != NULL ? from : &nowhere, number);
	set_end(&ends, 1, to != NULL ? to : &nowhere, number);
	ends.ipv6 = !is_mapped(ends.ip[0]) || !is_mapped(ends.ip[1]);
	return ends;
}

struct record_ends
record_ends_swap(const struct record_ends *ends)
{
	struct record_ends swapped = { .ipv6 = ends->ipv6 };

	for (int i = 0; i < 2; i++) {
		memcpy(swapped.ip[i], ends->ip[1 - i], 16);
		swapped.port[i] = ends->port[1 - i];
	}
	return swapped;
}

/* ---- headers ---- */

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

/* RFC 1071, not folded yet. */
static uint64_t
sum(uint64_t so_far, const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i + 1 < n; i += 2)
		so_far += (uint64_t)p[i] << 8 | p[i + 1];
	return i < n ? so_far + ((uint64_t)p[i] << 8) : so_far;
}

static uint16_t
fold(uint64_t total)
{
	while (total >> 16 != 0)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)~total;
}

/* `tcp`: the TCP header, room for it included, and the payload. */
static void
put_tcp(const struct record_segment *segment, uint8_t *tcp)
{
	size_t n = TCP_BYTES + segment->n_bytes;
	const struct record_ends *ends = &segment->ends;
	size_t skip = ends->ipv6 ? 0 : MAPPED_BYTES;
	uint64_t pseudo = IPPROTO_TCP + n;

	memset(tcp, 0, TCP_BYTES);
	put16(tcp, ends->port[0]);
	put16(tcp + 2, ends->port[1]);
	put32(tcp + 4, segment->seq);
	put32(tcp + 8, segment->ack);
	tcp[12] = TCP_BYTES / 4 << 4;
	tcp[13] = segment->flags;
	put16(tcp + 14, WINDOW);
	for (int i = 0; i < 2; i++)
		pseudo = sum(pseudo, ends->ip[i] + skip, 16 - skip);
	put16(tcp + 16, fold(sum(pseudo, tcp, n)));
}

static void
put_ipv4(const struct record_ends *ends, uint8_t *ip, size_t tcp_bytes)
{
	memset(ip, 0, IPV4_BYTES);
	ip[0] = 4 << 4 | IPV4_BYTES / 4;
	put16(ip + 2, (uint32_t)(IPV4_BYTES + tcp_bytes));
	ip[6] = 0x40; /* do not fragment, so the id may be 0 */
	ip[8] = TTL;
	ip[9] = IPPROTO_TCP;
	memcpy(ip + 12, ends->ip[0] + MAPPED_BYTES, 4);
	memcpy(ip + 16, ends->ip[1] + MAPPED_BYTES, 4);
	put16(ip + 10, fold(sum(0, ip, IPV4_BYTES)));
}

static void
put_ipv6(const struct record_ends *ends, uint8_t *ip, size_t tcp_bytes)
{
	memset(ip, 0, IPV6_BYTES);
	ip[0] = 6 << 4;
	put16(ip + 4, (uint32_t)tcp_bytes);
	ip[6] = IPPROTO_TCP;
	ip[7] = TTL;
	memcpy(ip + 8, ends->ip[0], 16);
	memcpy(ip + 24, ends->ip[1], 16);
}

uint8_t *
record_packet(const struct record_segment *segment,
    uint8_t packet[RECORD_HEAD_BYTES + RECORD_SEGMENT_BYTES], size_t *n_bytes)
{
	uint8_t *tcp = packet + RECORD_HEAD_BYTES - TCP_BYTES;
	size_t tcp_bytes = TCP_BYTES + segment->n_bytes;
	uint8_t *ip = tcp - (segment->ends.ipv6 ? IPV6_BYTES : IPV4_BYTES);

	put_tcp(segment, tcp);
	if (segment->ends.ipv6)
		put_ipv6(&segment->ends, ip, tcp_bytes);
	else
		put_ipv4(&segment->ends, ip, tcp_bytes);
	*n_bytes = (size_t)(tcp - ip) + tcp_bytes;
	return ip;
}
