/* SPDX-License-Identifier: MIT */
/*
 * address - socket addresses as text, and what kind of address they are.
 *
 * An IPv4-mapped IPv6 address (::ffff:1.2.3.4), as a dual-stack socket shows an
 * IPv4 peer, counts as the IPv4 address everywhere except in address_format().
 * Safe in any thread: nothing here has state.
 */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_CHARS 128 /* fits any address_format() */
#define ADDRESS_RESOLVED_MAX 16
#define ADDRESS_PORT_NONE (-1)
#define ADDRESS_HOST_DEFAULT "127.0.0.1" /* for a port alone */

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
 * Parses numeric addresses, without a look-up: "127.0.0.1:26000",
 * "[::1]:26000", "[fe80::1%eth0]:26000". Without ":PORT" the port is `port`; if
 * that is ADDRESS_PORT_NONE, a missing port is an error. "26000" is a port of
 * 127.0.0.1. An IPv6 address needs brackets: the end of ::1:2600 is ambiguous.
 * Returns false on failure; *addr is then unspecified.
 */
bool address_parse(const char *text, int port, struct address *addr);

/*
 * Like address_parse(), but also looks up names, which can block as long as the
 * resolver does. Stores the first ADDRESS_RESOLVED_MAX addresses in `addrs`, in
 * the order to try them. Returns their number; 0: `err` says why.
 */
size_t address_resolve(const char *text, int port,
    struct address addrs[ADDRESS_RESOLVED_MAX], char *err, size_t err_bytes);

/* Would address_resolve() look it up: is it "HOST", "HOST:PORT" or similar? */
bool address_is_target(const char *text);

/*
 * Parses the address to listen on: like address_parse() without a default port,
 * or a name, which is looked up; of several addresses, the first IPv4 one is
 * used, or else the first. Returns false on failure; `err` says what was
 * expected.
 */
bool address_of_listener(
    const char *text, struct address *addr, char *err, size_t err_bytes);

/*
 * Formats an address as address_parse() reads it, or as "unix:/path",
 * "unix:@abstract", "unix:" (no name) or "?"; unprintable characters become
 * '?'. Returns `text`.
 */
const char *
address_format(const struct address *addr, char text[ADDRESS_CHARS]);

/* 127/8, ::1, or any AF_UNIX address: the peer is on this machine. */
bool address_is_loopback(const struct address *addr);

/* Loopback, link-local, RFC 1918 or RFC 4193 (fc00::/7). */
bool address_is_private(const struct address *addr);

/*
 * The key for per-peer limits: an IPv4 address, the /64 of an IPv6 address (one
 * subscriber has at least that much), or all of AF_UNIX as one.
 */
struct address_key {
	uint64_t words[2];
};

struct address_key address_key(const struct address *addr);

/* An address block, stored as IPv6 even if it is IPv4. */
struct cidr {
	uint8_t ip[16];
	unsigned bits; /* for IPv4, 96 more than given */
};

/* Parses "10.0.0.0/8", "fd00::/8", or one address. Returns false otherwise. */
bool cidr_parse(const char *text, struct cidr *cidr);

/*
 * Is the address in the block? ::/0 covers IPv6 only; no block covers AF_UNIX.
 */
bool cidr_match(const struct cidr *cidr, const struct address *addr);

#endif
