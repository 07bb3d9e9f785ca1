/* SPDX-License-Identifier: MIT */
#include "cmd/common/proxy_protocol.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define SIGNATURE_BYTES (sizeof(SIGNATURE) - 1)
#define AT_COMMAND 12
#define AT_FAMILY 13
#define AT_LENGTH 14
#define VERSION 2
#define COMMAND_LOCAL 0
#define COMMAND_PROXY 1
#define TRANSPORT_STREAM 1
#define TLV_HEAD_BYTES 3
#define TLV_CRC32C 3
#define CRC_BYTES 4
#define UNIX_PATH_BYTES 108

enum family {
	FAMILY_NONE,
	FAMILY_IPV4,
	FAMILY_IPV6,
	FAMILY_UNIX,
	N_FAMILIES
};

static const size_t block_bytes[N_FAMILIES] = {
	[FAMILY_IPV4] = 2 * 4 + 2 * 2,
	[FAMILY_IPV6] = 2 * 16 + 2 * 2,
	[FAMILY_UNIX] = 2 * UNIX_PATH_BYTES,
};

static size_t
u16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

/* Whatever of the first 16 bytes is there is as it has to be. */
static enum bnet_err
judge_head(struct bnet_slice in)
{
	size_t n = in.len < SIGNATURE_BYTES ? in.len : SIGNATURE_BYTES;

	if (n > 0 && memcmp(in.p, SIGNATURE, n) != 0)
		return BNET_EHEADER;
	if (in.len > AT_COMMAND &&
	    (in.p[AT_COMMAND] >> 4 != VERSION ||
		(in.p[AT_COMMAND] & 0xf) > COMMAND_PROXY))
		return BNET_EHEADER;
	/* of LOCAL the family is ignored */
	if (in.len > AT_FAMILY && (in.p[AT_COMMAND] & 0xf) != COMMAND_LOCAL &&
	    (in.p[AT_FAMILY] >> 4 >= N_FAMILIES || (in.p[AT_FAMILY] & 0xf) > 2))
		return BNET_EHEADER;
	return in.len < PROXY_PROTOCOL_HEAD_BYTES ? BNET_MORE : BNET_OK;
}

/* CRC-32C of `n` more bytes, of which the four at `hole` count as 0. */
static uint32_t
crc32c(const uint8_t *p, size_t n, size_t hole)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= i - hole < CRC_BYTES ? 0 : p[i];
		for (int bit = 0; bit < 8; bit++)
			crc =
			    crc >> 1 ^ (UINT32_C(0x82f63b78) & (0 - (crc & 1)));
	}
	return ~crc;
}

static bool
crc_is_right(struct bnet_slice header, size_t at)
{
	const uint8_t *p = header.p + at;
	uint32_t said = (uint32_t)(u16(p) << 16 | u16(p + 2));

	return crc32c(header.p, header.len, at) == said;
}

/* The TLVs from `at` on fill the header; a checksum among them is right. */
static bool
tlvs_are_good(struct bnet_slice header, size_t at)
{
	size_t value_bytes;

	while (header.len - at >= TLV_HEAD_BYTES) {
		value_bytes = u16(header.p + at + 1);
		if (header.len - at - TLV_HEAD_BYTES < value_bytes)
			return false;
		if (header.p[at] == TLV_CRC32C &&
		    (value_bytes != CRC_BYTES ||
			!crc_is_right(header, at + TLV_HEAD_BYTES)))
			return false;
		at += TLV_HEAD_BYTES + value_bytes;
	}
	return at == header.len;
}

/* `i` is 0 for the source of the address block at `p`, 1 for the other end. */
static void
take_end(enum family family, const uint8_t *p, size_t i, struct address *end)
{
	struct sockaddr_in *in = (void *)&end->sa;
	struct sockaddr_in6 *in6 = (void *)&end->sa;
	struct sockaddr_un *un = (void *)&end->sa;

	memset(end, 0, sizeof(*end));
	if (family == FAMILY_IPV4) {
		in->sin_family = AF_INET;
		memcpy(&in->sin_addr, p + i * 4, 4);
		memcpy(&in->sin_port, p + 2 * 4 + i * 2, 2);
		end->len_bytes = sizeof(*in);
	} else if (family == FAMILY_IPV6) {
		in6->sin6_family = AF_INET6;
		memcpy(&in6->sin6_addr, p + i * 16, 16);
		memcpy(&in6->sin6_port, p + 2 * 16 + i * 2, 2);
		end->len_bytes = sizeof(*in6);
	} else {
		un->sun_family = AF_UNIX;
		memcpy(un->sun_path, p + i * UNIX_PATH_BYTES, UNIX_PATH_BYTES);
		end->len_bytes = sizeof(*un);
	}
}

/* Sets header->n_bytes as soon as it is known, also if the header is bad. */
static enum bnet_err
parse_v2(struct bnet_slice in, size_t max_bytes, struct proxy_header *header)
{
	enum bnet_err err = judge_head(in);
	enum family family = FAMILY_NONE; /* nothing to read in it */
	size_t tlvs_at;

	header->version = VERSION;
	if (in.len >= PROXY_PROTOCOL_HEAD_BYTES)
		header->n_bytes =
		    PROXY_PROTOCOL_HEAD_BYTES + u16(in.p + AT_LENGTH);
	if (err != BNET_OK)
		return err;
	if (header->n_bytes > max_bytes)
		return BNET_ESIZE;
	header->local = (in.p[AT_COMMAND] & 0xf) == COMMAND_LOCAL;
	if (!header->local && (in.p[AT_FAMILY] & 0xf) == TRANSPORT_STREAM)
		family = in.p[AT_FAMILY] >> 4;
	tlvs_at = PROXY_PROTOCOL_HEAD_BYTES + block_bytes[family];
	if (header->n_bytes < tlvs_at)
		return BNET_EHEADER;
	if (in.len < header->n_bytes)
		return BNET_MORE;
	in.len = header->n_bytes;
	if (family == FAMILY_NONE)
		return BNET_OK;
	if (!tlvs_are_good(in, tlvs_at))
		return BNET_EHEADER;
	take_end(family, in.p + PROXY_PROTOCOL_HEAD_BYTES, 0, &header->source);
	take_end(
	    family, in.p + PROXY_PROTOCOL_HEAD_BYTES, 1, &header->destination);
	return BNET_OK;
}

/* ---- version 1, a line of text ---- */

#define V1_START "PROXY "
#define V1_START_BYTES (sizeof(V1_START) - 1)
#define V1_MAX_BYTES 107 /* with CR and LF */
#define V1_WORDS 5 /* protocol, source, destination, and their ports */

static bool
take_ip(int family, const char *ip, const char *port, struct address *end)
{
	struct sockaddr_in *in = (void *)&end->sa;
	struct sockaddr_in6 *in6 = (void *)&end->sa;
	unsigned long number = strtoul(port, NULL, 10);

	memset(end, 0, sizeof(*end));
	if (*port == '\0' || strspn(port, "0123456789") != strlen(port) ||
	    number > UINT16_MAX)
		return false;
	if (family == AF_INET6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)number);
		end->len_bytes = sizeof(*in6);
		return inet_pton(AF_INET6, ip, &in6->sin6_addr) == 1;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)number);
	end->len_bytes = sizeof(*in);
	return inet_pton(AF_INET, ip, &in->sin_addr) == 1;
}

/* The line without PROXY and its end; single spaces separate its words. */
static enum bnet_err
parse_line(char *line, struct proxy_header *header)
{
	char *word[V1_WORDS] = { line };
	size_t n = 1;
	int family;

	if (strncmp(line, "UNKNOWN", 7) == 0 &&
	    (line[7] == '\0' || line[7] == ' '))
		return BNET_OK; /* what follows is to be ignored */
	for (; *line != '\0'; line++) {
		if (*line != ' ')
			continue;
		if (n == V1_WORDS)
			return BNET_EHEADER;
		*line = '\0';
		word[n++] = line + 1;
	}
	if (n != V1_WORDS)
		return BNET_EHEADER;
	family = strcmp(word[0], "TCP4") == 0 ? AF_INET
	    : strcmp(word[0], "TCP6") == 0    ? AF_INET6
					      : AF_UNSPEC;
	if (family == AF_UNSPEC ||
	    !take_ip(family, word[1], word[3], &header->source) ||
	    !take_ip(family, word[2], word[4], &header->destination))
		return BNET_EHEADER;
	return BNET_OK;
}

static enum bnet_err
parse_v1(struct bnet_slice in, struct proxy_header *header)
{
	size_t max = in.len < V1_MAX_BYTES ? in.len : V1_MAX_BYTES;
	const uint8_t *end = memmem(in.p, max, "\r\n", 2);
	char line[V1_MAX_BYTES + 1];
	size_t n;

	header->version = 1;
	if (end == NULL)
		return in.len < V1_MAX_BYTES ? BNET_MORE : BNET_EHEADER;
	header->n_bytes = (size_t)(end - in.p) + 2;
	n = header->n_bytes - 2 - V1_START_BYTES;
	memcpy(line, in.p + V1_START_BYTES, n);
	line[n] = '\0';
	return strlen(line) == n ? parse_line(line, header) : BNET_EHEADER;
}

/* ---- either ---- */

enum bnet_err
proxy_protocol_parse(
    struct bnet_slice in, struct address *source, size_t *used_bytes)
{
	struct proxy_header header = { .version = 0 };
	enum bnet_err err = parse_v2(in, PROXY_PROTOCOL_MAX_BYTES, &header);

	*used_bytes = err == BNET_OK ? header.n_bytes : 0;
	if (err == BNET_OK && header.source.len_bytes > 0)
		*source = header.source;
	return err;
}

enum proxy_looks
proxy_header_looks(struct bnet_slice in)
{
	const char *start = V1_START;
	size_t n = V1_START_BYTES;

	if (in.len > 0 && in.p[0] == SIGNATURE[0]) {
		start = SIGNATURE;
		n = SIGNATURE_BYTES;
	}
	if (in.len == 0)
		return PROXY_PERHAPS;
	if (memcmp(in.p, start, in.len < n ? in.len : n) != 0)
		return PROXY_NO;
	return in.len < n ? PROXY_PERHAPS : PROXY_YES;
}

enum bnet_err
proxy_header_parse(struct bnet_slice in, struct proxy_header *header)
{
	enum bnet_err err;

	memset(header, 0, sizeof(*header));
	if (in.len < V1_START_BYTES ||
	    (in.p[0] == SIGNATURE[0] && in.len < PROXY_PROTOCOL_HEAD_BYTES))
		return BNET_MORE;
	err = in.p[0] == SIGNATURE[0]
	    ? parse_v2(in, PROXY_HEADER_MAX_BYTES, header)
	    : parse_v1(in, header);
	/* a bad header ends where it says; wait until all of it is there */
	return header->n_bytes > in.len ? BNET_MORE : err;
}
