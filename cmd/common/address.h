/* SPDX-License-Identifier: MIT */
/*
 * address - socket addresses as text, and what kind of address they are.
 *
 * An IPv4 address inside of IPv6 (::ffff:1.2.3.4), which is how a socket of
 * both families shows an IPv4 peer, counts as the IPv4 address everywhere
 * but in address_format(). Safe in any thread: nothing here has state.
 */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_CHARS 128 /* room for any address_format() */
#define ADDRESS_RESOLVED_MAX 16
#define ADDRESS_PORT_NONE (-1)
#define ADDRESS_HOST_DEFAULT "127.0.0.1" /* of a port that stands alone */

/* For messages: "expected " ADDRESS_SYNTAX. */
#define ADDRESS_SYNTAX "HOST:PORT, [IPv6 ADDRESS]:PORT or PORT"
#define ADDRESS_TARGET_SYNTAX \
	"HOST, HOST:PORT or [IPv6 ADDRESS]:PORT, with a port up to 65535"
#define CIDR_SYNTAX "an address, or ADDRESS/BITS with no bit set behind BITS"

struct address {
	struct sockaddr_storage sa;
	socklen_t len_bytes; /* of sa */
};

/*
 * Numbers only, no look-up: "127.0.0.1:26000", "[::1]:26000",
 * "[fe80::1%eth0]:26000". Without ":PORT" the port is `port`, or, where that
 * is ADDRESS_PORT_NONE, it is an error. "26000" is a port of 127.0.0.1. An
 * IPv6 address needs its brackets: the end of ::1:2600 could be either. False:
 * *addr is unspecified.
 */
bool address_parse(const char *text, int port, struct address *addr);

/*
 * As address_parse(), and "HOST:PORT" is looked up; this can block for as
 * long as the resolver does. `addrs` takes the first ADDRESS_RESOLVED_MAX, in
 * the order to try them in. Returns how many there are; 0: `err` says why.
 */
size_t address_resolve(const char *text, int port,
    struct address addrs[ADDRESS_RESOLVED_MAX], char *err, size_t err_bytes);

/* What address_resolve() would look up: is it "HOST", "HOST:PORT" or so? */
bool address_is_target(const char *text);

/*
 * The address to listen at: as address_parse() with no port by default, or a
 * name, which is looked up; of several addresses the first of IPv4 is taken,
 * or else the first. False: `err` says what was expected.
 */
bool address_of_listener(
    const char *text, struct address *addr, char *err, size_t err_bytes);

/*
 * The text that address_parse() reads, "unix:/path", "unix:@abstract", "unix:"
 * (no name) or "?"; characters that do not print are '?'. Returns `text`.
 */
const char *
address_format(const struct address *addr, char text[ADDRESS_CHARS]);

/* 127/8, ::1, and every AF_UNIX address: the peer is on this machine. */
bool address_is_loopback(const struct address *addr);

/* Loopback, link-local, RFC 1918 or RFC 4193 (fc00::/7). */
bool address_is_private(const struct address *addr);

/*
 * What limits count by: an IPv4 address, the /64 of an IPv6 address (one
 * subscriber has at least that much), and all of AF_UNIX as one.
 */
struct address_key {
	uint64_t words[2];
};

struct address_key address_key(const struct address *addr);

/* A block of addresses, as 16 bytes of IPv6 also where it is IPv4. */
struct cidr {
	uint8_t ip[16];
	unsigned bits; /* 96 more than was said, for IPv4 */
};

/* "10.0.0.0/8", "fd00::/8", or one address. False: it is none of these. */
bool cidr_parse(const char *text, struct cidr *cidr);

/*
 * The address is in the block. ::/0 is IPv6 only, and AF_UNIX is in no block.
 */
bool cidr_match(const struct cidr *cidr, const struct address *addr);

#endif
