/* SPDX-License-Identifier: MIT */
#include "cmd/capture/tls_hello.h"

#include <stddef.h>
#include <string.h>

#define EXT_TRUNCATED_HMAC 4
#define EXT_ENCRYPT_THEN_MAC 22
#define EXT_EARLY_DATA 42
#define EXT_SUPPORTED_VERSIONS 43

/* A cursor over data from a peer. Errors stick; past the end it yields 0. */
struct rd {
	const uint8_t *p, *end;
	bool bad;
};

static struct bnet_slice
rd_bytes(struct rd *rd, size_t n)
{
	struct bnet_slice s = { rd->p, n };

	if (rd->bad || n > (size_t)(rd->end - rd->p)) {
		rd->bad = true;
		return (struct bnet_slice){ NULL, 0 };
	}
	rd->p += n;
	return s;
}

static uint32_t
rd_uint(struct rd *rd, size_t n)
{
	struct bnet_slice s = rd_bytes(rd, n);
	uint32_t v = 0;

	for (size_t i = 0; i < s.len; i++)
		v = v << 8 | s.p[i];
	return v;
}

/* The contents of a vector with a length of `n` bytes. */
static struct bnet_slice
rd_vector(struct rd *rd, size_t n)
{
	return rd_bytes(rd, rd_uint(rd, n));
}

/*
 * A reader of `in`. An empty slice may have a NULL pointer; NULL + 0 is
 * undefined.
 */
static struct rd
rd_of(struct bnet_slice in)
{
	static const uint8_t nothing[1];
	const uint8_t *p = in.len == 0 ? nothing : in.p;

	return (struct rd){ p, p + in.len, false };
}

/* The next extension; returns false at the end, good or bad. */
static bool
rd_extension(struct rd *rd, uint32_t *type, struct bnet_slice *body)
{
	if (rd->bad || rd->p == rd->end)
		return false;
	*type = rd_uint(rd, 2);
	*body = rd_vector(rd, 2);
	return !rd->bad;
}

/* Extensions may be missing entirely; then the reader is empty. */
static struct rd
rd_extensions(struct rd *rd)
{
	struct rd exts = rd_of((struct bnet_slice){ NULL, 0 });

	if (rd->p != rd->end)
		exts = rd_of(rd_vector(rd, 2));
	exts.bad = rd->bad;
	return exts;
}

bool
tls_hello_client(struct bnet_slice in, struct tls_hello *hello)
{
	struct rd rd = rd_of(in), exts;
	struct bnet_slice random, body;
	uint32_t type;

	memset(hello, 0, sizeof(*hello));
	(void)rd_uint(&rd, 2); /* the legacy version */
	random = rd_bytes(&rd, CAP_RANDOM_BYTES);
	(void)rd_vector(&rd, 1); /* session id */
	(void)rd_vector(&rd, 2); /* cipher suites */
	(void)rd_vector(&rd, 1); /* compression methods */
	exts = rd_extensions(&rd);
	while (rd_extension(&exts, &type, &body))
		hello->early_data |= type == EXT_EARLY_DATA;
	if (rd.bad || exts.bad)
		return false;
	memcpy(hello->random, random.p, random.len);
	return true;
}

/* The random of a HelloRetryRequest, RFC 8446 4.1.3. */
static const uint8_t retry_random[CAP_RANDOM_BYTES] = { 0xcf, 0x21, 0xad, 0x74,
	0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
	0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2,
	0xc8, 0xa8, 0x33, 0x9c };

bool
tls_hello_server(struct bnet_slice in, struct tls_hello *hello)
{
	struct rd rd = rd_of(in), exts;
	struct bnet_slice random, body;
	uint32_t type;

	memset(hello, 0, sizeof(*hello));
	hello->version = (uint16_t)rd_uint(&rd, 2);
	random = rd_bytes(&rd, CAP_RANDOM_BYTES);
	(void)rd_vector(&rd, 1); /* session id */
	hello->suite = (uint16_t)rd_uint(&rd, 2);
	hello->compressed = rd_uint(&rd, 1) != 0;
	exts = rd_extensions(&rd);
	while (rd_extension(&exts, &type, &body)) {
		if (type == EXT_SUPPORTED_VERSIONS && body.len == 2)
			hello->version = (uint16_t)(body.p[0] << 8 | body.p[1]);
		hello->encrypt_then_mac |= type == EXT_ENCRYPT_THEN_MAC;
		hello->truncated_hmac |= type == EXT_TRUNCATED_HMAC;
	}
	if (rd.bad || exts.bad)
		return false;
	memcpy(hello->random, random.p, random.len);
	hello->retry =
	    memcmp(random.p, retry_random, sizeof(retry_random)) == 0;
	return true;
}
