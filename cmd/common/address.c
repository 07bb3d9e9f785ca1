/* SPDX-License-Identifier: MIT */
#include "cmd/common/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define PORT_MAX 65535
#define HOST_CHARS 256 /* a DNS name has at most 253 characters */
#define IPV4_IN_IPV6_BITS 96

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

/* Digits only, because strtol() also accepts blanks and signs. */
static bool
parse_number(const char *text, unsigned max, unsigned *v)
{
	*v = 0;
	if (*text == '\0')
		return false;
	for (; isdigit((unsigned char)*text) && *v <= max; text++)
		*v = *v * 10 + (unsigned)(*text - '0');
	return *text == '\0' && *v <= max;
}

/*
 * An IPv6 address alone, such as "::1", but not one that may have a port at its
 * end, such as "::1:2600": that needs brackets.
 */
static bool
is_bare_ip6(const char *text)
{
	const char *last = strrchr(text, ':');
	char before[HOST_CHARS];
	struct in6_addr ip6;
	size_t n;

	if (last == NULL || strlen(text) >= HOST_CHARS ||
	    inet_pton(AF_INET6, text, &ip6) != 1)
		return false;
	n = (size_t)(last - text);
	memcpy(before, text, n);
	before[n] = '\0';
	return last[1] == '\0' ||
	    last[1 + strspn(last + 1, "0123456789")] != '\0' ||
	    inet_pton(AF_INET6, before, &ip6) != 1;
}

/*
 * Splits "HOST:PORT", "[HOST]:PORT", "HOST", "[HOST]" or "PORT". Returns false
 * for anything else, or if the port is missing and *port is ADDRESS_PORT_NONE.
 */
static bool
split(const char *text, char host[HOST_CHARS], bool *bracket, int *port)
{
	const char *end, *rest;
	unsigned v;

	*bracket = text[0] == '[';
	if (is_bare_ip6(text) && *port != ADDRESS_PORT_NONE) {
		*bracket = true;
		memcpy(host, text, strlen(text) + 1);
		return true;
	}
	if (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0') {
		memcpy(
		    host, ADDRESS_HOST_DEFAULT, sizeof(ADDRESS_HOST_DEFAULT));
		if (!parse_number(text, PORT_MAX, &v))
			return false;
		*port = (int)v;
		return true;
	}
	text += *bracket ? 1 : 0;
	end = strchr(text, *bracket ? ']' : ':');
	if (end == NULL && *bracket)
		return false;
	if (end == NULL)
		end = text + strlen(text);
	if (end == text || end - text >= HOST_CHARS)
		return false;
	memcpy(host, text, (size_t)(end - text));
	host[end - text] = '\0';
	rest = end + (*bracket ? 1 : 0);
	if (*rest == '\0')
		return *port != ADDRESS_PORT_NONE;
	if (*rest != ':' || !parse_number(rest + 1, PORT_MAX, &v))
		return false;
	*port = (int)v;
	return true;
}

/* Stores the results of getaddrinfo(), up to `max`. */
static int
look_up(const char *host, int port, int family, int flags,
    struct address *addrs, size_t max, size_t *n)
{
	struct addrinfo hints = { .ai_family = family,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = flags | AI_NUMERICSERV };
	struct addrinfo *list;
	char service[16];
	int error;

	*n = 0;
	snprintf(service, sizeof(service), "%d", port);
	error = getaddrinfo(host, service, &hints, &list);
	if (error != 0)
		return error;
	for (struct addrinfo *ai = list; ai != NULL && *n < max;
	     ai = ai->ai_next) {
		if (ai->ai_addrlen > sizeof(addrs->sa))
			continue;
		memset(&addrs[*n], 0, sizeof(*addrs));
		memcpy(&addrs[*n].sa, ai->ai_addr, ai->ai_addrlen);
		addrs[(*n)++].len_bytes = ai->ai_addrlen;
	}
	freeaddrinfo(list);
	return *n == 0 ? EAI_NONAME : 0;
}

/*
 * IPv4 with inet_pton(), because getaddrinfo() also accepts 127.1 and
 * 010.0.0.1; IPv6 with getaddrinfo(), for the %scope.
 */
static bool
parse_ip(const char *host, bool v6, int port, struct address *addr)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port) };
	size_t n;

	if (v6)
		return look_up(host, port, AF_INET6, AI_NUMERICHOST, addr, 1,
			   &n) == 0;
	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return false;
	memset(addr, 0, sizeof(*addr));
	memcpy(&addr->sa, &in, sizeof(in));
	addr->len_bytes = sizeof(in);
	return true;
}

bool
address_parse(const char *text, int port, struct address *addr)
{
	char host[HOST_CHARS];
	bool bracket;

	return split(text, host, &bracket, &port) &&
	    parse_ip(host, bracket, port, addr);
}

size_t
address_resolve(const char *text, int port,
    struct address addrs[ADDRESS_RESOLVED_MAX], char *err, size_t err_bytes)
{
	char host[HOST_CHARS];
	bool bracket;
	size_t n;
	int error;

	if (!split(text, host, &bracket, &port)) {
		snprintf(err, err_bytes,
		    "'%s': expected HOST:PORT or [IPv6 ADDRESS]:PORT", text);
		return 0;
	}
	if (parse_ip(host, bracket, port, &addrs[0]))
		return 1;
	if (bracket) {
		snprintf(err, err_bytes, "'%s': no IPv6 address", host);
		return 0;
	}
	error =
	    look_up(host, port, AF_UNSPEC, 0, addrs, ADDRESS_RESOLVED_MAX, &n);
	if (error != 0)
		snprintf(err, err_bytes, "'%s': %s", host, gai_strerror(error));
	return n;
}

bool
address_is_target(const char *text)
{
	char host[HOST_CHARS];
	bool bracket;
	int port = 0;

	return split(text, host, &bracket, &port);
}

bool
address_of_listener(
    const char *text, struct address *addr, char *err, size_t err_bytes)
{
	struct address found[ADDRESS_RESOLVED_MAX];
	size_t n, i = 0;
	char host[HOST_CHARS];
	bool bracket;
	int port = ADDRESS_PORT_NONE;

	if (!split(text, host, &bracket, &port)) {
		snprintf(err, err_bytes, "expected " ADDRESS_SYNTAX);
		return false;
	}
	n = address_resolve(text, port, found, err, err_bytes);
	while (i < n && found[i].sa.ss_family != AF_INET)
		i++;
	if (n > 0)
		*addr = found[i < n ? i : 0];
	return n > 0;
}

static void
format_unix(const struct address *addr, char text[ADDRESS_CHARS])
{
	const struct sockaddr_un *un = (const void *)&addr->sa;
	size_t at = offsetof(struct sockaddr_un, sun_path), n = 0;

	if (addr->len_bytes > at)
		n = addr->len_bytes - at;
	if (n > sizeof(un->sun_path))
		n = sizeof(un->sun_path);
	/* a name that starts with NUL is abstract */
	if (n > 1 && un->sun_path[0] == '\0' && un->sun_path[1] != '\0')
		snprintf(text, ADDRESS_CHARS, "unix:@%.*s", (int)n - 1,
		    un->sun_path + 1);
	else
		snprintf(text, ADDRESS_CHARS, "unix:%.*s", (int)n,
		    n == 0 ? "" : un->sun_path);
	for (char *c = text; *c != '\0'; c++)
		if (!isgraph((unsigned char)*c))
			*c = '?';
}

const char *
address_format(const struct address *addr, char text[ADDRESS_CHARS])
{
	char host[ADDRESS_CHARS / 2 + 8], port[8];

	if (addr->sa.ss_family == AF_UNIX)
		format_unix(addr, text);
	else if (getnameinfo((const struct sockaddr *)&addr->sa,
		     addr->len_bytes, host, sizeof(host), port, sizeof(port),
		     NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(text, ADDRESS_CHARS, "?");
	else if (addr->sa.ss_family == AF_INET6)
		snprintf(text, ADDRESS_CHARS, "[%s]:%s", host, port);
	else
		snprintf(text, ADDRESS_CHARS, "%s:%s", host, port);
	return text;
}

/* Returns the address as 16 bytes of IPv6; false for other families. */
static bool
ip_of(const struct address *addr, uint8_t ip[16])
{
	const struct sockaddr_in *in = (const void *)&addr->sa;
	const struct sockaddr_in6 *in6 = (const void *)&addr->sa;

	if (addr->sa.ss_family == AF_INET) {
		memcpy(ip, mapped, sizeof(mapped));
		memcpy(ip + sizeof(mapped), &in->sin_addr, 4);
		return true;
	}
	if (addr->sa.ss_family == AF_INET6)
		memcpy(ip, &in6->sin6_addr, 16);
	return addr->sa.ss_family == AF_INET6;
}

static bool
is_mapped(const uint8_t ip[16])
{
	return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

static bool
in_block(const struct cidr *cidr, const uint8_t ip[16])
{
	unsigned whole = cidr->bits / 8, rest = cidr->bits % 8;

	/* an IPv4 address is in no IPv6 block wider than all of IPv4 */
	if (is_mapped(ip) && cidr->bits < IPV4_IN_IPV6_BITS)
		return false;
	return memcmp(cidr->ip, ip, whole) == 0 &&
	    (rest == 0 || (cidr->ip[whole] ^ ip[whole]) >> (8 - rest) == 0);
}

#define V4(a, b, bits) \
	{ \
		{ [10] = 0xff, 0xff, a, b }, IPV4_IN_IPV6_BITS + (bits) \
	}

static const struct cidr blocks[] = {
	V4(127, 0, 8),
	{ { [15] = 1 }, 128 },
#define N_LOOPBACK 2
	V4(10, 0, 8),
	V4(172, 16, 12),
	V4(192, 168, 16),
	V4(169, 254, 16),
	{ { 0xfc }, 7 },
	{ { 0xfe, 0x80 }, 10 },
};

static bool
in_blocks(const struct address *addr, size_t n)
{
	uint8_t ip[16];

	if (!ip_of(addr, ip))
		return addr->sa.ss_family == AF_UNIX;
	for (size_t i = 0; i < n; i++)
		if (in_block(&blocks[i], ip))
			return true;
	return false;
}

bool
address_is_loopback(const struct address *addr)
{
	return in_blocks(addr, N_LOOPBACK);
}

bool
address_is_private(const struct address *addr)
{
	return in_blocks(addr, sizeof(blocks) / sizeof(blocks[0]));
}

struct address_key
address_key(const struct address *addr)
{
	struct address_key key = { { (uint64_t)addr->sa.ss_family, 0 } };
	uint8_t ip[16];

	if (!ip_of(addr, ip))
		return key;
	key.words[0] = is_mapped(ip) ? AF_INET : AF_INET6;
	if (is_mapped(ip))
		memcpy(&key.words[1], ip + sizeof(mapped), 4);
	else
		memcpy(&key.words[1], ip, 8);
	return key;
}

bool
cidr_parse(const char *text, struct cidr *cidr)
{
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash == NULL ? strlen(text) : (size_t)(slash - text);
	unsigned max = 128, bits;

	if (n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	memcpy(cidr->ip, mapped, sizeof(mapped));
	if (inet_pton(AF_INET, host, cidr->ip + sizeof(mapped)) == 1)
		max = 32;
	else if (inet_pton(AF_INET6, host, cidr->ip) != 1)
		return false;
	bits = max;
	if (slash != NULL && !parse_number(slash + 1, max, &bits))
		return false;
	cidr->bits = bits + 128 - max;
	/* 10.0.0.1/8 is ambiguous (one address or many), so refuse it */
	for (unsigned i = cidr->bits; i < 128; i++)
		if (cidr->ip[i / 8] >> (7 - i % 8) & 1)
			return false;
	return true;
}

bool
cidr_match(const struct cidr *cidr, const struct address *addr)
{
	uint8_t ip[16];

	return ip_of(addr, ip) && in_block(cidr, ip);
}
