/* SPDX-License-Identifier: MIT */
/*
 * Both ends of a TLS connection, written as a fuzzer's input orders: the
 * secrets are known, and a record can be sealed for either direction.
 *
 *	| start u8 | order u8 | arg u16 | ... | order u8 | ...
 *
 * start: bits 0 and 1 the suite; bit 2: hellos come first; bit 3: and what
 * puts the traffic keys in force.
 *
 *	bit 0 of order: the direction; the rest, modulo 8:
 *	0, 1	the next `arg` bytes of the input as they are
 *	2	seal the next `arg` bytes as a record (the last is its type)
 *	3	a gap of `arg` bytes
 *	4	a hello; arg chooses version and suite, (from bit 2 on)
 *		something of it that is not as usual, and (from bit 5 on) a
 *		suite with CBC of TLS 1.2
 *	5	ChangeCipherSpec
 *	6	seal a Finished or (bit 1 of arg) a KeyUpdate, and use the
 *		next secret
 *	7	seal a record as the one that is `arg` ahead
 *
 * With the highest bit, of a record that is sealed a part is missing: bits 4
 * and 5 say which.
 */
#ifndef TESTS_FUZZ_TLS_WRITE_H
#define TESTS_FUZZ_TLS_WRITE_H

#include "cmd/capture/tls_crypt.h"

#include "tests/fuzz/fuzz.h"

#include <openssl/kdf.h>

#define SEALED_MAX 17000

/* What seals: the same key derivation, run the other way round. */
struct tls_writer {
	struct tls_secret secret;
	struct tls_opener op;
	bool set;
	uint64_t seq;
};

struct tls_write {
	/* Where it goes. */
	void (*feed)(void *arg, enum cap_dir dir, struct bnet_slice bytes);
	void (*gap)(void *arg, enum cap_dir dir, unsigned int n);
	void *arg;
	struct tls_suite suite; /* once `agreed` */
	bool agreed;
	uint16_t version;
	struct tls_writer writer[2];
};

static inline void
tls_write_feed(
    struct tls_write *w, enum cap_dir dir, const uint8_t *p, size_t n)
{
	w->feed(w->arg, dir, (struct bnet_slice){ p, n });
}

/* As a whole, or without its end, its beginning, its middle, or more. */
static inline void
tls_write_record(
    struct tls_write *w, enum cap_dir dir, uint8_t what, struct bnet_slice rec)
{
	unsigned int n = (unsigned int)rec.len, at[2] = { n / 2, n };

	if (!(what & 0x80)) {
		w->feed(w->arg, dir, rec);
		return;
	}
	if ((what >> 4 & 3) == 1)
		at[0] = 0, at[1] = n / 2;
	else if ((what >> 4 & 3) == 2)
		at[0] = n / 3, at[1] = n - n / 3;
	else if ((what >> 4 & 3) == 3)
		at[1] = n + 100;
	if (at[0] > 0)
		tls_write_feed(w, dir, rec.p, at[0]);
	w->gap(w->arg, dir, at[1] - at[0]);
	if (at[1] < n)
		tls_write_feed(w, dir, rec.p + at[1], n - at[1]);
}

/* The keys of tls_opener_12(), which keeps those that decrypt only. */
static inline void
tls_write_cbc_keys(const struct tls_write *w, enum cap_dir dir, uint8_t *mac,
    size_t n_mac, uint8_t *key)
{
	static char sha256[] = "SHA256", sha384[] = "SHA384";
	uint8_t seed[13 + 64] = "key expansion", block[2 * (48 + 32)];
	size_t n_key = w->suite.cipher == TLS_AES_128_CBC ? 16 : 32;
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
		    "digest", w->suite.sha384 ? sha384 : sha256, 0),
		OSSL_PARAM_construct_octet_string(
		    "secret", (void *)(uintptr_t)w->writer[dir].secret.p, 48),
		OSSL_PARAM_construct_octet_string("seed", seed, sizeof(seed)),
		OSSL_PARAM_construct_end(),
	};

	MUST_HOLD(EVP_KDF_derive(ctx, block, 2 * (n_mac + n_key), params) == 1);
	memcpy(mac, block + (size_t)dir * n_mac, n_mac);
	memcpy(key, block + 2 * n_mac + (size_t)dir * n_key, n_key);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

/* The MAC of a record of `n` bytes at `text`, appended to them. */
static inline void
tls_write_mac(const struct tls_opener *op, uint64_t seq, uint8_t type,
    uint8_t *text, size_t n)
{
	uint8_t aad[13] = { [8] = type, 3, 3, (uint8_t)(n >> 8), (uint8_t)n };
	size_t n_mac;

	for (int i = 0; i < 8; i++)
		aad[7 - i] = (uint8_t)(seq >> (8 * i));
	MUST_HOLD(EVP_MAC_init(op->mac, NULL, 0, NULL) == 1);
	MUST_HOLD(EVP_MAC_update(op->mac, aad, sizeof(aad)) == 1);
	MUST_HOLD(EVP_MAC_update(op->mac, text, n) == 1);
	MUST_HOLD(EVP_MAC_final(op->mac, text + n, &n_mac, 64) == 1);
}

/* A record with CBC; its IV is zeros. */
static inline void
tls_write_seal_cbc(
    struct tls_write *w, uint8_t what, uint64_t seq, struct bnet_slice in)
{
	enum cap_dir dir = what & 1 ? CAP_DOWN : CAP_UP;
	const struct tls_opener *op = &w->writer[dir].op;
	uint8_t type = in.len == 0 ? 23 : in.p[in.len - 1];
	uint8_t rec[SEALED_MAX + 256] = { type, 3, 3 }, *text = rec + 5 + 16;
	uint8_t mac[64], key[32], iv[16] = { 0 };
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	size_t n = in.len, pad;
	int len;

	tls_write_cbc_keys(w, dir, mac, op->n_tag, key);
	if (in.len > 0)
		memcpy(text, in.p, in.len);
	if (!op->encrypt_then_mac) {
		tls_write_mac(op, seq, type, text, n);
		n += op->n_tag;
	}
	pad = 16 - n % 16;
	memset(text + n, (int)pad - 1, pad);
	n += pad;
	MUST_HOLD(EVP_EncryptInit_ex(ctx,
		      w->suite.cipher == TLS_AES_128_CBC ? EVP_aes_128_cbc()
							 : EVP_aes_256_cbc(),
		      NULL, key, iv) == 1);
	MUST_HOLD(EVP_EncryptUpdate(ctx, text, &len, text, (int)n) == 1);
	EVP_CIPHER_CTX_free(ctx);
	n += 16;
	if (op->encrypt_then_mac) {
		tls_write_mac(op, seq, type, rec + 5, n);
		n += op->n_tag;
	}
	rec[3] = (uint8_t)(n >> 8);
	rec[4] = (uint8_t)n;
	tls_write_record(w, dir, what, (struct bnet_slice){ rec, 5 + n });
}

/* GCM and ChaCha20 only: enough to get behind the tag. */
static inline void
tls_write_seal_aead(
    struct tls_write *w, uint8_t what, uint64_t seq, struct bnet_slice in)
{
	enum cap_dir dir = what & 1 ? CAP_DOWN : CAP_UP;
	struct tls_opener *op = &w->writer[dir].op;
	bool v13 = w->version == TLS_1_3;
	size_t n_explicit = op->n_explicit, body = n_explicit + in.len + 16;
	uint8_t rec[SEALED_MAX + 64] = { v13 || in.len == 0 ? 23
							    : in.p[in.len - 1],
		3, 3, (uint8_t)(body >> 8), (uint8_t)body };
	uint8_t nonce[12], aad[13], *text = rec + 5 + n_explicit;
	int n_aad = v13 ? 5 : 13, len;

	memcpy(nonce, op->iv, sizeof(nonce));
	if (n_explicit > 0)
		memset(nonce + 4, 0, 8);
	for (int i = 0; i < 8 && n_explicit == 0; i++)
		nonce[11 - i] ^= (uint8_t)(seq >> (8 * i));
	for (int i = 0; i < 8; i++)
		aad[7 - i] = (uint8_t)(seq >> (8 * i));
	memcpy(aad + 8, rec, 3);
	aad[11] = (uint8_t)(in.len >> 8);
	aad[12] = (uint8_t)in.len;
	if (v13)
		memcpy(aad, rec, 5);
	MUST_HOLD(EVP_CipherInit_ex(op->ctx, NULL, NULL, NULL, nonce, 1) == 1);
	MUST_HOLD(EVP_EncryptUpdate(op->ctx, NULL, &len, aad, n_aad) == 1);
	if (in.len > 0)
		MUST_HOLD(EVP_EncryptUpdate(
			      op->ctx, text, &len, in.p, (int)in.len) == 1);
	MUST_HOLD(EVP_EncryptFinal_ex(op->ctx, text + in.len, &len) == 1);
	MUST_HOLD(EVP_CIPHER_CTX_ctrl(
		      op->ctx, EVP_CTRL_AEAD_GET_TAG, 16, text + in.len) == 1);
	tls_write_record(w, dir, what, (struct bnet_slice){ rec, 5 + body });
}

static inline void
tls_write_seal(
    struct tls_write *w, uint8_t what, uint64_t seq, struct bnet_slice in)
{
	if (w->writer[what & 1].op.mac != NULL)
		tls_write_seal_cbc(w, what, seq, in);
	else
		tls_write_seal_aead(w, what, seq, in);
}

/* All secrets are the byte 7; only the suite and the update tell them apart. */
static inline void
tls_write_keys(struct tls_write *w, enum cap_dir dir, bool again)
{
	struct tls_writer *writer = &w->writer[dir];
	struct tls_randoms randoms;
	struct tls_secret next;
	enum bnet_err err;

	memset(&randoms, 0, sizeof(randoms));
	writer->secret.len = w->suite.sha384 || w->version == TLS_1_2 ? 48 : 32;
	if (again && writer->set && w->version == TLS_1_3) {
		MUST_HOLD(tls_secret_update(
			      &w->suite, &writer->secret, &next) == BNET_OK);
		writer->secret = next;
	} else {
		memset(writer->secret.p, 7, sizeof(writer->secret.p));
	}
	if (w->version == TLS_1_3)
		err = tls_opener_13(&writer->op, &w->suite, &writer->secret);
	else
		err = tls_opener_12(&writer->op, &w->suite, &writer->secret,
		    &randoms, dir == CAP_DOWN);
	MUST_HOLD(err == BNET_OK);
	writer->set = true;
	writer->seq = 0;
}

/* What a hello has that is not as usual. */
enum tls_write_odd {
	TLS_WRITE_VERSION = 1,
	TLS_WRITE_SUITE,
	TLS_WRITE_COMPRESSION,
	TLS_WRITE_RETRY,
	TLS_WRITE_EARLY, /* data comes before the handshake is over */
};

static inline size_t
tls_write_server_hello(uint8_t *rec, size_t n, unsigned int id, bool v13,
    unsigned int odd, bool encrypt_then_mac)
{
	static const uint8_t ext[] = { 0, 6, 0, 43, 0, 2, 3, 4 };
	static const uint8_t etm[] = { 0, 4, 0, 22, 0, 0 };

	if (odd == TLS_WRITE_SUITE)
		id = 0x0005;
	rec[n++] = (uint8_t)(id >> 8);
	rec[n++] = (uint8_t)id;
	rec[n++] = odd == TLS_WRITE_COMPRESSION;
	if (v13) {
		memcpy(rec + n, ext, sizeof(ext));
		n += sizeof(ext);
		if (odd == TLS_WRITE_VERSION)
			rec[n - 1]++;
	} else if (odd == TLS_WRITE_VERSION) {
		rec[10]--;
	}
	if (encrypt_then_mac) {
		memcpy(rec + n, etm, sizeof(etm));
		n += sizeof(etm);
	}
	return n;
}

static inline void
tls_write_hello(struct tls_write *w, enum cap_dir dir, unsigned int arg)
{
	/* SHA-256 of "HelloRetryRequest" (RFC 8446, 4.1.3) */
	static const uint8_t retry[] = { 0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a,
		0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
		0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e,
		0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c };
	static const uint8_t early[] = { 0, 4, 0, 42, 0, 0 };
	static const uint16_t ids[] = { 0x1301, 0x1303, 0xc02f, 0xcca8 };
	static const uint16_t cbc[] = { 0, 0xc013, 0xc014, 0xc028 };
	unsigned int which_cbc = arg >> 5 & 3, id = ids[arg % 4];
	bool v13 = arg % 4 < 2 && which_cbc == 0;
	bool encrypt_then_mac = which_cbc != 0 && (arg & 1);
	unsigned int odd = arg >> 2 & 7;
	uint8_t rec[96] = { 22, 3, 3, 0, 0, (uint8_t)(1 + dir), 0, 0, 0, 3, 3 };
	size_t n = 11 + CAP_RANDOM_BYTES + 1;

	w->version = v13 ? TLS_1_3 : TLS_1_2;
	if (which_cbc != 0)
		id = cbc[which_cbc];
	MUST_HOLD(tls_suite_find(w->version, (uint16_t)id, &w->suite) == NULL);
	w->suite.encrypt_then_mac = encrypt_then_mac;
	w->agreed = true;
	if (odd == TLS_WRITE_RETRY && dir == CAP_DOWN)
		memcpy(rec + 11, retry, sizeof(retry));
	if (dir == CAP_DOWN)
		n = tls_write_server_hello(
		    rec, n, id, v13, odd, encrypt_then_mac);
	else
		n += 3; /* no cipher suites, one compression method less */
	if (odd == TLS_WRITE_EARLY && dir == CAP_UP) {
		memcpy(rec + n, early, sizeof(early));
		n += sizeof(early);
	}
	rec[4] = (uint8_t)(n - 5);
	rec[8] = (uint8_t)(n - 9);
	tls_write_feed(w, dir, rec, n);
}

static inline void
tls_write_order(
    struct tls_write *w, uint8_t what, unsigned int arg, struct bnet_slice in)
{
	static const uint8_t change[] = { 20, 3, 3, 0, 1, 1 };
	static const uint8_t finished[] = { 20, 0, 0, 0, 22 };
	static const uint8_t update[] = { 24, 0, 0, 1, 0, 22 };
	enum cap_dir dir = what & 1 ? CAP_DOWN : CAP_UP;
	struct tls_writer *writer = &w->writer[dir];

	if ((what / 2 % 8 == 2 || what / 2 % 8 >= 6) && !writer->set) {
		if (!w->agreed)
			return;
		tls_write_keys(w, dir, false);
	}
	switch (what / 2 % 8) {
	case 2:
		tls_write_seal(w, what, writer->seq++, in);
		break;
	case 3:
		w->gap(w->arg, dir, arg);
		break;
	case 4:
		tls_write_hello(w, dir, arg);
		break;
	case 5:
		tls_write_feed(w, dir, change, sizeof(change));
		break;
	case 6:
		in = (struct bnet_slice){ finished, sizeof(finished) };
		if (arg & 2)
			in = (struct bnet_slice){ update, sizeof(update) };
		tls_write_seal(w, what, writer->seq++, in);
		tls_write_keys(w, dir, arg & 1);
		break;
	case 7:
		tls_write_seal(w, what, writer->seq + arg % 64, in);
		writer->seq += arg % 64 + 1;
		break;
	default:
		tls_write_feed(w, dir, in.p, in.len);
	}
}

static inline void
tls_write_start(struct tls_write *w, uint8_t how)
{
	struct bnet_slice none = { NULL, 0 };

	for (uint8_t dir = 0; dir < 2 && how & 4; dir++)
		tls_write_order(w, (uint8_t)(8 + dir), how & 3, none);
	if ((how & 12) != 12)
		return;
	for (uint8_t dir = 0; dir < 2; dir++) {
		tls_write_order(w, (uint8_t)(10 + dir), 0, none);
		tls_write_order(w, (uint8_t)(12 + dir), 0, none);
	}
}

/* All of an input. */
static inline void
tls_write_all(struct tls_write *w, struct bnet_slice in)
{
	if (in.len > 0)
		tls_write_start(w, fuzz_byte(&in));
	while (in.len >= 3) {
		uint8_t what = fuzz_byte(&in);
		unsigned int arg = (unsigned int)fuzz_byte(&in) << 8;
		struct bnet_slice bytes;
		size_t n;

		arg |= fuzz_byte(&in);
		bytes = in;
		n = arg;
		if (what / 2 % 8 >= 3) /* those that take no bytes */
			n = what / 2 % 8 == 7 ? arg >> 8 : 0;
		n = n < in.len ? n : in.len;
		bytes.len = n < SEALED_MAX ? n : SEALED_MAX;
		tls_write_order(w, what, arg, bytes);
		in = bnet_slice_from(in, bytes.len);
	}
}

static inline void
tls_write_free(struct tls_write *w)
{
	tls_opener_free(&w->writer[CAP_UP].op);
	tls_opener_free(&w->writer[CAP_DOWN].op);
}

/* A secret of every kind for the client random of zeros. Lives on. */
static inline const struct cap_keylog *
tls_write_keylog(void)
{
	static const char *const names[] = { "CLIENT_RANDOM",
		"CLIENT_EARLY_TRAFFIC_SECRET",
		"CLIENT_HANDSHAKE_TRAFFIC_SECRET",
		"SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0",
		"SERVER_TRAFFIC_SECRET_0" };
	static struct cap_keylog *keylog;
	char line[256];

	if (keylog != NULL)
		return keylog;
	keylog = cap_keylog_new();
	MUST_HOLD(keylog != NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int n = snprintf(line, sizeof(line), "%s %064d ", names[i], 0);

		for (int k = 0; k < (i == 0 ? 48 : 32); k++)
			n += snprintf(line + n, sizeof(line) - (size_t)n, "07");
		MUST_HOLD(cap_keylog_add(keylog,
			      (struct bnet_slice){
				  (const void *)line, (size_t)n }) == BNET_OK);
	}
	return keylog;
}

#endif
