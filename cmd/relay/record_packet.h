/* SPDX-License-Identifier: MIT */
/*
 * record_packet - bytes that passed as a TCP segment that tools can read.
 *
 *	| IPv4 20 or IPv6 40 | TCP 20 | payload |
 */
#ifndef RELAY_RECORD_PACKET_H
#define RELAY_RECORD_PACKET_H

#include "cmd/common/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_SEGMENT_BYTES 16384 /* of payload, at most */
#define RECORD_HEAD_BYTES 60 /* of headers, at most */

enum record_flag {
	RECORD_FIN = 0x01,
	RECORD_SYN = 0x02,
	RECORD_PUSH = 0x08,
	RECORD_ACK = 0x10,
};

/* Where a segment is from [0] and goes to [1]. */
struct record_ends {
	uint8_t ip[2][16]; /* IPv4: as ::ffff:a.b.c.d */
	uint16_t port[2];
	bool ipv6; /* at least one is no IPv4 address */
};

struct record_segment {
	int64_t time_ns; /* unix */
	struct record_ends ends;
	uint32_t seq, ack;
	uint32_t n_bytes; /* of payload */
	uint8_t flags; /* enum record_flag */
};

/*
 * Sockets without IP addresses (AF_UNIX) get 0.0.0.0, and as port the lower
 * bits of `number`. NULL is one of these.
 */
struct record_ends record_ends_of(
    const struct address *from, const struct address *to, uint64_t number);

/* From the other side. */
struct record_ends record_ends_swap(const struct record_ends *ends);

/*
 * The payload stands at packet + RECORD_HEAD_BYTES; put the headers before
 * it. Returns where the packet starts; *n_bytes is its length.
 */
uint8_t *record_packet(const struct record_segment *segment,
    uint8_t packet[RECORD_HEAD_BYTES + RECORD_SEGMENT_BYTES], size_t *n_bytes);

#endif
