/* SPDX-License-Identifier: MIT */
#include "cmd/capture/tls_impl.h"

#include <string.h>

#define EXT_EARLY_DATA 42
#define EXT_SUPPORTED_VERSIONS 43

/* A cursor over what a peer sent: sticky, past the end it yields 0. */
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

/* What a vector with a length of `n` bytes in front holds. */
static struct bnet_slice
rd_vector(struct rd *rd, size_t n)
{
	return rd_bytes(rd, rd_uint(rd, n));
}

/* A reader of `in`. An empty slice has no address, and NULL + 0 is no sum. */
static struct rd
rd_of(struct bnet_slice in)
{
	static const uint8_t nothing[1];
	const uint8_t *p = in.len == 0 ? nothing : in.p;

	return (struct rd){ p, p + in.len, false };
}

/* The next extension of `rd`; false at the end, good or bad. */
static bool
rd_extension(struct rd *rd, uint32_t *type, struct bnet_slice *body)
{
	if (rd->bad || rd->p == rd->end)
		return false;
	*type = rd_uint(rd, 2);
	*body = rd_vector(rd, 2);
	return !rd->bad;
}

/* Extensions may be missing altogether; then it is empty. */
static struct rd
rd_extensions(struct rd *rd)
{
	struct rd exts = rd_of((struct bnet_slice){ NULL, 0 });

	if (rd->p != rd->end)
		exts = rd_of(rd_vector(rd, 2));
	exts.bad = rd->bad;
	return exts;
}

static bool
client_hello(struct cap_tls *tls, struct bnet_slice in)
{
	struct rd rd = rd_of(in), exts;
	struct bnet_slice random, body;
	bool early = false;
	uint32_t type;

	(void)rd_uint(&rd, 2); /* the version, as it was before 1.3 */
	random = rd_bytes(&rd, CAP_RANDOM_BYTES);
	(void)rd_vector(&rd, 1); /* session id */
	(void)rd_vector(&rd, 2); /* cipher suites */
	(void)rd_vector(&rd, 1); /* compression methods */
	exts = rd_extensions(&rd);
	while (rd_extension(&exts, &type, &body))
		early = early || type == EXT_EARLY_DATA;
	if (rd.bad || exts.bad)
		return false;
	if (tls_hellos(tls) && tls->version == TLS_1_3)
		return true; /* there is no second handshake in 1.3 */
	memcpy(tls->randoms.of[CAP_UP], random.p, random.len);
	tls->early_data = tls->early_data || early;
	tls->half[CAP_UP].hello = true;
	return true;
}

/* The random that says: this is a HelloRetryRequest, RFC 8446 4.1.3. */
static const uint8_t retry_random[CAP_RANDOM_BYTES] = { 0xcf, 0x21, 0xad, 0x74,
	0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
	0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2,
	0xc8, 0xa8, 0x33, 0x9c };

static void
agreed(
    struct cap_tls *tls, uint32_t version, uint32_t suite, uint32_t compression)
{
	tls->version = (uint16_t)version;
	tls->suite_id = (uint16_t)suite;
	tls->suite = tls_suite_find(tls->version, tls->suite_id);
	tls->half[CAP_DOWN].hello = true;
	if (tls->version != TLS_1_2 && tls->version != TLS_1_3)
		tls_kill_both(tls, CAP_TLS_UNSUPPORTED,
		    "TLS version not supported: only 1.2 and 1.3");
	else if (tls->suite == NULL)
		tls_kill_both(tls, CAP_TLS_UNSUPPORTED,
		    "cipher suite not supported: only GCM, CCM, ChaCha20");
	else if (compression != 0)
		tls_kill_both(
		    tls, CAP_TLS_UNSUPPORTED, "TLS compression not supported");
}

static bool
server_hello(struct cap_tls *tls, struct bnet_slice in)
{
	struct rd rd = rd_of(in), exts;
	struct bnet_slice random, body;
	uint32_t version, suite, compression, type;

	version = rd_uint(&rd, 2);
	random = rd_bytes(&rd, CAP_RANDOM_BYTES);
	(void)rd_vector(&rd, 1); /* session id */
	suite = rd_uint(&rd, 2);
	compression = rd_uint(&rd, 1);
	exts = rd_extensions(&rd);
	while (rd_extension(&exts, &type, &body)) {
		if (type == EXT_SUPPORTED_VERSIONS && body.len == 2)
			version = (uint32_t)body.p[0] << 8 | body.p[1];
	}
	if (rd.bad || exts.bad)
		return false;
	if (memcmp(random.p, retry_random, sizeof(retry_random)) == 0) {
		tls->half[CAP_DOWN].retry = true;
		return true; /* the one that counts follows */
	}
	if (tls->half[CAP_DOWN].hello &&
	    (tls->version == TLS_1_3 || version == TLS_1_3))
		return true;
	memcpy(tls->randoms.of[CAP_DOWN], random.p, random.len);
	agreed(tls, version, suite, compression);
	return true;
}

static void
complete(struct cap_tls *tls, enum cap_dir dir)
{
	struct tls_half *h = &tls->half[dir];
	struct bnet_slice body = bnet_buf_slice(&h->messages.hello);
	bool ok = true;

	switch (h->messages.head[0]) {
	case TLS_CLIENT_HELLO:
		ok = dir == CAP_UP && h->messages.keep &&
		    client_hello(tls, body);
		break;
	case TLS_SERVER_HELLO:
		ok = dir == CAP_DOWN && h->messages.keep &&
		    server_hello(tls, body);
		break;
	case TLS_FINISHED:
		h->advance = h->level == TLS_HANDSHAKE;
		break;
	case TLS_KEY_UPDATE:
		h->advance = h->level == TLS_TRAFFIC && tls->version == TLS_1_3;
		break;
	default:
		break;
	}
	if (!ok)
		tls_kill_both(tls, CAP_TLS_BROKEN, "malformed TLS hello");
	tls_messages_reset(&h->messages, false);
}

void
tls_messages_reset(struct tls_messages *messages, bool lost)
{
	bnet_buf_free(&messages->hello);
	messages->n_head = 0;
	messages->left_bytes = 0;
	messages->keep = false;
	messages->lost = lost;
}

/* A message's head is complete: how long is it, and is it kept? */
static void
opened(struct tls_messages *m)
{
	m->left_bytes =
	    (uint32_t)m->head[1] << 16 | (uint32_t)m->head[2] << 8 | m->head[3];
	m->keep = m->left_bytes <= TLS_HELLO_MAX_BYTES &&
	    (m->head[0] == TLS_CLIENT_HELLO || m->head[0] == TLS_SERVER_HELLO);
	bnet_buf_init(&m->hello, TLS_HELLO_MAX_BYTES);
}

/* What `in` has of the head or of the body; returns how much it was. */
static size_t
gather(struct tls_messages *m, struct bnet_slice in)
{
	if (m->n_head < sizeof(m->head)) {
		m->head[m->n_head++] = *in.p;
		if (m->n_head == sizeof(m->head))
			opened(m);
		return 1;
	}
	if (in.len > m->left_bytes)
		in.len = m->left_bytes;
	if (m->keep && bnet_buf_append(&m->hello, in) != BNET_OK)
		m->keep = false; /* then it is no hello */
	m->left_bytes -= (uint32_t)in.len;
	return in.len;
}

void
tls_messages_feed(struct cap_tls *tls, enum cap_dir dir, struct bnet_slice in)
{
	struct tls_half *h = &tls->half[dir];
	struct tls_messages *m = &h->messages;

	while (in.len > 0 && !m->lost && h->dead == NULL && !h->advance) {
		in = bnet_slice_from(in, gather(m, in));
		if (m->n_head == sizeof(m->head) && m->left_bytes == 0)
			complete(tls, dir);
	}
}

/* ---- what the first bytes look like -------------------------------------- */

/* Record head, handshake type and length, legacy version: the bounds. */
static const struct {
	uint8_t min, max;
} hello_bytes[] = {
	{ TLS_MESSAGE, TLS_MESSAGE },
	{ 3, 3 },
	{ 0, 4 },
	{ 0, 0x48 },
	{ 0, 0xff },
	{ TLS_CLIENT_HELLO, TLS_SERVER_HELLO },
	{ 0, 0 },
	{ 0, 0xff },
	{ 0, 0xff },
	{ 3, 3 },
	{ 0, 4 },
};

enum cap_tls_looks
cap_tls_looks_like(struct bnet_slice first)
{
	size_t n = sizeof(hello_bytes) / sizeof(hello_bytes[0]);

	for (size_t i = 0; i < n; i++) {
		if (i == first.len)
			return CAP_TLS_PERHAPS;
		if (first.p[i] < hello_bytes[i].min ||
		    first.p[i] > hello_bytes[i].max)
			return CAP_TLS_NO;
	}
	/* no hello is shorter than its random, no record shorter than this */
	if (first.p[3] == 0 && first.p[4] < 4)
		return CAP_TLS_NO;
	return first.p[7] == 0 && first.p[8] < 38 ? CAP_TLS_NO : CAP_TLS_YES;
}
