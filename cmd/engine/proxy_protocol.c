/* SPDX-License-Identifier: MIT */
#include "cmd/engine/proxy_protocol.h"

#include <netinet/in.h>
#include <stdbool.h>
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

static void
take_source(enum family family, const uint8_t *p, struct address *source)
{
	struct sockaddr_in *in = (void *)&source->sa;
	struct sockaddr_in6 *in6 = (void *)&source->sa;
	struct sockaddr_un *un = (void *)&source->sa;

	memset(source, 0, sizeof(*source));
	if (family == FAMILY_IPV4) {
		in->sin_family = AF_INET;
		memcpy(&in->sin_addr, p, 4);
		memcpy(&in->sin_port, p + 2 * 4, 2);
		source->len_bytes = sizeof(*in);
	} else if (family == FAMILY_IPV6) {
		in6->sin6_family = AF_INET6;
		memcpy(&in6->sin6_addr, p, 16);
		memcpy(&in6->sin6_port, p + 2 * 16, 2);
		source->len_bytes = sizeof(*in6);
	} else {
		un->sun_family = AF_UNIX;
		memcpy(un->sun_path, p, UNIX_PATH_BYTES);
		source->len_bytes = sizeof(*un);
	}
}

enum bnet_err
proxy_protocol_parse(
    struct bnet_slice in, struct address *source, size_t *used_bytes)
{
	enum bnet_err err = judge_head(in);
	struct bnet_slice header = in;
	enum family family;
	size_t tlvs_at;

	*used_bytes = 0;
	if (err != BNET_OK)
		return err;
	header.len = PROXY_PROTOCOL_HEAD_BYTES + u16(in.p + AT_LENGTH);
	if (header.len > PROXY_PROTOCOL_MAX_BYTES)
		return BNET_ESIZE;
	family = FAMILY_NONE; /* nothing to read in it */
	if ((in.p[AT_COMMAND] & 0xf) == COMMAND_PROXY &&
	    (in.p[AT_FAMILY] & 0xf) == TRANSPORT_STREAM)
		family = in.p[AT_FAMILY] >> 4;
	tlvs_at = PROXY_PROTOCOL_HEAD_BYTES + block_bytes[family];
	if (header.len < tlvs_at)
		return BNET_EHEADER;
	if (in.len < header.len)
		return BNET_MORE;
	if (family != FAMILY_NONE) {
		if (!tlvs_are_good(header, tlvs_at))
			return BNET_EHEADER;
		take_source(family, in.p + PROXY_PROTOCOL_HEAD_BYTES, source);
	}
	*used_bytes = header.len;
	return BNET_OK;
}
