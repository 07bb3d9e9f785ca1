/* SPDX-License-Identifier: MIT */
#include "cmd/capture/tls_crypt.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <string.h>

/* ---- ciphers ---- */

#define KEY_MAX_BYTES 32
#define FIXED_IV_BYTES 4 /* TLS 1.2, RFC 5288 section 3 */
#define EXPLICIT_BYTES 8
#define AAD_12_BYTES 13

static const struct cipher {
	const EVP_CIPHER *(*evp)(void); /* NULL: without encryption */
	uint8_t n_key, n_tag;
	bool salted; /* TLS 1.2: part of the nonce is in the record */
	bool ccm;
	uint8_t n_block; /* CBC */
} ciphers[] = {
	[TLS_AES_128_GCM] = { EVP_aes_128_gcm, 16, 16, true, false, 0 },
	[TLS_AES_256_GCM] = { EVP_aes_256_gcm, 32, 16, true, false, 0 },
	[TLS_ARIA_128_GCM] = { EVP_aria_128_gcm, 16, 16, true, false, 0 },
	[TLS_ARIA_256_GCM] = { EVP_aria_256_gcm, 32, 16, true, false, 0 },
	[TLS_CHACHA20] = { EVP_chacha20_poly1305, 32, 16, false, false, 0 },
	[TLS_AES_128_CCM] = { EVP_aes_128_ccm, 16, 16, true, true, 0 },
	[TLS_AES_256_CCM] = { EVP_aes_256_ccm, 32, 16, true, true, 0 },
	[TLS_AES_128_CCM_8] = { EVP_aes_128_ccm, 16, 8, true, true, 0 },
	[TLS_AES_256_CCM_8] = { EVP_aes_256_ccm, 32, 8, true, true, 0 },
	[TLS_AES_128_CBC] = { EVP_aes_128_cbc, 16, 0, false, false, 16 },
	[TLS_AES_256_CBC] = { EVP_aes_256_cbc, 32, 0, false, false, 16 },
	[TLS_CAMELLIA_128_CBC] = { EVP_camellia_128_cbc, 16, 0, false, false,
	    16 },
	[TLS_CAMELLIA_256_CBC] = { EVP_camellia_256_cbc, 32, 0, false, false,
	    16 },
	[TLS_ARIA_128_CBC] = { EVP_aria_128_cbc, 16, 0, false, false, 16 },
	[TLS_ARIA_256_CBC] = { EVP_aria_256_cbc, 32, 0, false, false, 16 },
	[TLS_3DES_CBC] = { EVP_des_ede3_cbc, 24, 0, false, false, 8 },
	[TLS_NULL] = { NULL, 0, 0, false, false, 1 },
};

static const struct mac {
	char hash[8];
	uint8_t n;
} macs[] = {
	[TLS_MAC_AEAD] = { "", 0 },
	[TLS_MAC_MD5] = { "MD5", 16 },
	[TLS_MAC_SHA1] = { "SHA1", 20 },
	[TLS_MAC_SHA256] = { "SHA256", 32 },
	[TLS_MAC_SHA384] = { "SHA384", 48 },
};

#define MAC_MAX_BYTES 48

void
tls_opener_free(struct tls_opener *op)
{
	EVP_CIPHER_CTX_free(op->ctx);
	EVP_MAC_CTX_free(op->mac);
	OPENSSL_cleanse(op, sizeof(*op));
}

/* ---- derivation ---------------------------------------------------------- */

static bool
derive(const char *name, const OSSL_PARAM *params, uint8_t *out, size_t n)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, name, NULL);
	EVP_KDF_CTX *ctx = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
	bool ok = ctx != NULL && EVP_KDF_derive(ctx, out, n, params) > 0;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ok;
}

static OSSL_PARAM
param_hash(const struct tls_suite *suite)
{
	static char sha256[] = "SHA256", sha384[] = "SHA384";
	static char before_12[] = "MD5-SHA1"; /* RFC 4346 section 5 */

	return OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
	    suite->version < TLS_1_2 ? before_12
		: suite->sha384      ? sha384
				     : sha256,
	    0);
}

/* HKDF-Expand-Label with an empty context: RFC 8446 section 7.1. */
static bool
expand_label(const struct tls_suite *suite, struct tls_secret secret,
    const char *label, uint8_t *out, size_t n)
{
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	uint8_t info[32] = { 0, (uint8_t)n, (uint8_t)strlen(label) };
	size_t n_info = 3 + strlen(label);
	OSSL_PARAM params[5];
	bool ok;

	memcpy(info + 3, label, strlen(label));
	info[n_info++] = 0; /* length of the empty context */
	params[0] = param_hash(suite);
	params[1] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
	params[2] = OSSL_PARAM_construct_octet_string(
	    OSSL_KDF_PARAM_KEY, secret.p, secret.len);
	params[3] = OSSL_PARAM_construct_octet_string(
	    OSSL_KDF_PARAM_INFO, info, n_info);
	params[4] = OSSL_PARAM_construct_end();
	ok = derive("HKDF", params, out, n);
	OPENSSL_cleanse(&secret, sizeof(secret));
	return ok;
}

/* The key block of RFC 5246 section 6.3. */
static bool
key_block(const struct tls_suite *suite, struct tls_secret master,
    const struct tls_randoms *randoms, uint8_t *out, size_t n)
{
	static const char label[] = "key expansion";
	uint8_t seed[sizeof(label) - 1 + 2 * CAP_RANDOM_BYTES];
	uint8_t *at = seed + sizeof(label) - 1;
	OSSL_PARAM params[4];
	bool ok;

	memcpy(seed, label, sizeof(label) - 1);
	memcpy(at, randoms->of[1], CAP_RANDOM_BYTES); /* server random first */
	memcpy(at + CAP_RANDOM_BYTES, randoms->of[0], CAP_RANDOM_BYTES);
	params[0] = param_hash(suite);
	params[1] = OSSL_PARAM_construct_octet_string(
	    OSSL_KDF_PARAM_SECRET, master.p, master.len);
	params[2] = OSSL_PARAM_construct_octet_string(
	    OSSL_KDF_PARAM_SEED, seed, sizeof(seed));
	params[3] = OSSL_PARAM_construct_end();
	ok = derive("TLS1-PRF", params, out, n);
	OPENSSL_cleanse(&master, sizeof(master));
	return ok;
}

/* ---- keys ---------------------------------------------------------------- */

static bool
ctx_set(struct tls_opener *op, const struct cipher *c, const uint8_t *key)
{
	if (op->ctx == NULL)
		op->ctx = EVP_CIPHER_CTX_new();
	if (op->ctx == NULL ||
	    EVP_DecryptInit_ex(op->ctx, c->evp(), NULL, NULL, NULL) != 1)
		return false;
	if (EVP_CIPHER_CTX_ctrl(
		op->ctx, EVP_CTRL_AEAD_SET_IVLEN, TLS_NONCE_BYTES, NULL) != 1)
		return false;
	/* in CCM the tag size is part of the key schedule */
	if (c->ccm &&
	    EVP_CIPHER_CTX_ctrl(
		op->ctx, EVP_CTRL_AEAD_SET_TAG, c->n_tag, NULL) != 1)
		return false;
	return EVP_DecryptInit_ex(op->ctx, NULL, NULL, key, NULL) == 1;
}

static bool
mac_set(struct tls_opener *op, const struct mac *m, const uint8_t *key)
{
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	OSSL_PARAM params[2];
	char hash[sizeof(m->hash)];

	memcpy(hash, m->hash, sizeof(hash));
	params[0] =
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash, 0);
	params[1] = OSSL_PARAM_construct_end();
	if (op->mac == NULL && hmac != NULL)
		op->mac = EVP_MAC_CTX_new(hmac);
	EVP_MAC_free(hmac);
	return op->mac != NULL && EVP_MAC_init(op->mac, key, m->n, params) == 1;
}

static bool
cbc_set(struct tls_opener *op, const struct cipher *c, const uint8_t *key)
{
	if (c->evp == NULL)
		return true;
	if (op->ctx == NULL)
		op->ctx = EVP_CIPHER_CTX_new();
	return op->ctx != NULL &&
	    EVP_DecryptInit_ex(op->ctx, c->evp(), NULL, key, op->iv) == 1 &&
	    EVP_CIPHER_CTX_set_padding(op->ctx, 0) == 1;
}

/* What a record of the suite has beside its text. */
static void
set_sizes(struct tls_opener *op, const struct tls_suite *suite)
{
	const struct cipher *c = &ciphers[suite->cipher];
	bool cbc = suite->mac != TLS_MAC_AEAD;

	op->n_tag = cbc ? macs[suite->mac].n : c->n_tag;
	op->n_block = c->n_block;
	op->chained = cbc && suite->version < TLS_1_1 && c->evp != NULL;
	op->encrypt_then_mac = cbc && c->evp != NULL && suite->encrypt_then_mac;
	op->n_explicit = c->salted ? EXPLICIT_BYTES : 0;
	if (cbc && c->evp != NULL && !op->chained)
		op->n_explicit = c->n_block;
	op->v13 = suite->version == TLS_1_3;
	op->ccm = c->ccm;
}

enum bnet_err
tls_opener_13(struct tls_opener *op, const struct tls_suite *suite,
    const struct tls_secret *secret)
{
	const struct cipher *c = &ciphers[suite->cipher];
	uint8_t key[KEY_MAX_BYTES];
	bool ok;

	if (secret->len != (suite->sha384 ? 48 : 32))
		return BNET_ETLS;
	ok = expand_label(suite, *secret, "tls13 key", key, c->n_key) &&
	    expand_label(suite, *secret, "tls13 iv", op->iv, TLS_NONCE_BYTES) &&
	    ctx_set(op, c, key);
	OPENSSL_cleanse(key, sizeof(key));
	set_sizes(op, suite);
	op->n_explicit = 0;
	return ok ? BNET_OK : BNET_ENOMEM;
}

/*
 * The block: MAC keys, keys, IVs, each of the client and then of the server.
 */
enum bnet_err
tls_opener_12(struct tls_opener *op, const struct tls_suite *suite,
    const struct tls_secret *master, const struct tls_randoms *randoms,
    bool from_server)
{
	const struct cipher *c = &ciphers[suite->cipher];
	const struct mac *m = &macs[suite->mac];
	uint8_t
	    block[2 * (MAC_MAX_BYTES + KEY_MAX_BYTES + TLS_BLOCK_MAX_BYTES)];
	size_t n_iv = TLS_NONCE_BYTES, side = from_server;
	const uint8_t *key = block + (size_t)2 * m->n, *iv;
	bool ok;

	if (master->len != 48)
		return BNET_ETLS;
	/* a second handshake may choose a suite of another kind */
	tls_opener_free(op);
	set_sizes(op, suite);
	if (c->salted)
		n_iv = FIXED_IV_BYTES;
	else if (suite->mac != TLS_MAC_AEAD)
		n_iv = op->chained ? c->n_block : 0;
	iv = key + (size_t)2 * c->n_key + side * n_iv;
	key += side * c->n_key;
	ok = key_block(
	    suite, *master, randoms, block, 2 * (m->n + c->n_key + n_iv));
	if (ok)
		memcpy(op->iv, iv, n_iv);
	if (ok && suite->mac == TLS_MAC_AEAD)
		ok = ctx_set(op, c, key);
	else if (ok)
		ok = cbc_set(op, c, key) && mac_set(op, m, block + side * m->n);
	OPENSSL_cleanse(block, sizeof(block));
	return ok ? BNET_OK : BNET_ENOMEM;
}

enum bnet_err
tls_secret_update(const struct tls_suite *suite,
    const struct tls_secret *secret, struct tls_secret *next)
{
	next->len = suite->sha384 ? 48 : 32;
	if (secret->len != next->len)
		return BNET_ETLS;
	return expand_label(
		   suite, *secret, "tls13 traffic upd", next->p, next->len)
	    ? BNET_OK
	    : BNET_ENOMEM;
}

/* ---- records ------------------------------------------------------------- */

/* RFC 8446 section 5.3, RFC 7905 section 2; RFC 5288 section 3. */
static void
make_nonce(const struct tls_opener *op, uint64_t seq, const uint8_t *body,
    uint8_t nonce[TLS_NONCE_BYTES])
{
	memcpy(nonce, op->iv, TLS_NONCE_BYTES);
	if (op->n_explicit > 0) {
		memcpy(nonce + FIXED_IV_BYTES, body, EXPLICIT_BYTES);
		return;
	}
	for (int i = 0; i < 8; i++)
		nonce[TLS_NONCE_BYTES - 1 - i] ^= (uint8_t)(seq >> (8 * i));
}

/* Builds the additional data that the tag covers; returns its size. */
static int
make_aad(const struct tls_opener *op, uint64_t seq, const uint8_t *head,
    size_t n_text, uint8_t aad[AAD_12_BYTES])
{
	if (op->v13) {
		memcpy(aad, head, TLS_HEAD_BYTES);
		return TLS_HEAD_BYTES;
	}
	for (int i = 0; i < 8; i++)
		aad[7 - i] = (uint8_t)(seq >> (8 * i));
	memcpy(aad + 8, head, 3);
	aad[11] = (uint8_t)(n_text >> 8);
	aad[12] = (uint8_t)n_text;
	return AAD_12_BYTES;
}

/* CCM needs the size first, and checks the tag in the single update. */
static bool
run(const struct tls_opener *op, const uint8_t *aad, int n_aad,
    struct bnet_slice text, uint8_t *out)
{
	int n;

	if (op->ccm &&
	    EVP_DecryptUpdate(op->ctx, NULL, &n, NULL, (int)text.len) != 1)
		return false;
	if (EVP_DecryptUpdate(op->ctx, NULL, &n, aad, n_aad) != 1)
		return false;
	if ((text.len > 0 || op->ccm) &&
	    EVP_DecryptUpdate(op->ctx, out, &n, text.p, (int)text.len) != 1)
		return false;
	return op->ccm || EVP_DecryptFinal_ex(op->ctx, out + text.len, &n) == 1;
}

static size_t
rounded_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

size_t
tls_opener_min(const struct tls_opener *op)
{
	size_t n = op->n_tag;

	if (op->n_block > 1 && op->encrypt_then_mac)
		n += op->n_block;
	else if (op->n_block > 1)
		n = rounded_up(n + 1, op->n_block);
	return op->n_explicit + n;
}

void
tls_opener_chain(struct tls_opener *op, struct bnet_slice body)
{
	size_t n = op->n_block;

	if (op->encrypt_then_mac)
		n += op->n_tag;
	if (op->chained && body.len >= n)
		memcpy(op->iv, body.p + body.len - n, op->n_block);
}

/* ---- CBC: RFC 5246 section 6.2.3.2, RFC 7366 ---- */

/* Is `mac` that of the record with these contents? */
static bool
mac_is_right(const struct tls_opener *op, uint64_t seq, const uint8_t *head,
    struct bnet_slice text, const uint8_t *mac)
{
	uint8_t aad[AAD_12_BYTES], is[EVP_MAX_MD_SIZE];
	int n_aad = make_aad(op, seq, head, text.len, aad);
	size_t n = 0;

	return EVP_MAC_init(op->mac, NULL, 0, NULL) == 1 &&
	    EVP_MAC_update(op->mac, aad, (size_t)n_aad) == 1 &&
	    EVP_MAC_update(op->mac, text.p, text.len) == 1 &&
	    EVP_MAC_final(op->mac, is, &n, sizeof(is)) == 1 && n == op->n_tag &&
	    CRYPTO_memcmp(is, mac, n) == 0;
}

/* Takes the padding off; returns false if it is not one. */
static bool
unpad(struct bnet_slice *text)
{
	size_t n = text->len > 0 ? text->p[text->len - 1] + (size_t)1 : 1;

	if (n > text->len)
		return false;
	for (size_t i = 1; i <= n; i++)
		if (text->p[text->len - i] != n - 1)
			return false;
	text->len -= n;
	return true;
}

static bool
decrypt(const struct tls_opener *op, const uint8_t *iv, struct bnet_slice in,
    uint8_t *out)
{
	int n = 0;

	if (op->ctx == NULL) {
		memcpy(out, in.p, in.len);
		return true;
	}
	return in.len % op->n_block == 0 &&
	    EVP_DecryptInit_ex(op->ctx, NULL, NULL, NULL, iv) == 1 &&
	    EVP_DecryptUpdate(op->ctx, out, &n, in.p, (int)in.len) == 1 &&
	    (size_t)n == in.len;
}

static bool
open_cbc(const struct tls_opener *op, uint64_t seq, const uint8_t *head,
    struct bnet_slice body, uint8_t *out, size_t *n_out)
{
	struct bnet_slice in, text;

	if (op->encrypt_then_mac) {
		body.len -= op->n_tag;
		if (!mac_is_right(op, seq, head, body, body.p + body.len))
			return false;
	}
	in = bnet_slice_from(body, op->n_explicit);
	if (!decrypt(op, op->chained ? op->iv : body.p, in, out))
		return false;
	text = (struct bnet_slice){ out, in.len };
	if (op->ctx != NULL && !unpad(&text))
		return false;
	if (!op->encrypt_then_mac) {
		if (text.len < op->n_tag)
			return false;
		text.len -= op->n_tag;
		if (!mac_is_right(op, seq, head, text, out + text.len))
			return false;
	}
	*n_out = text.len;
	return true;
}

static bool
open_aead(const struct tls_opener *op, uint64_t seq, const uint8_t *head,
    struct bnet_slice body, uint8_t *out, size_t *n_out)
{
	uint8_t nonce[TLS_NONCE_BYTES], aad[AAD_12_BYTES], tag[16];
	struct bnet_slice text;
	int n_aad;
	bool ok;

	text.p = body.p + op->n_explicit;
	text.len = body.len - tls_opener_min(op);
	make_nonce(op, seq, body.p, nonce);
	n_aad = make_aad(op, seq, head, text.len, aad);
	memcpy(tag, text.p + text.len, op->n_tag);
	ok = EVP_DecryptInit_ex(op->ctx, NULL, NULL, NULL, nonce) == 1 &&
	    EVP_CIPHER_CTX_ctrl(
		op->ctx, EVP_CTRL_AEAD_SET_TAG, op->n_tag, tag) == 1 &&
	    run(op, aad, n_aad, text, out);
	*n_out = text.len;
	return ok;
}

bool
tls_open(const struct tls_opener *op, uint64_t seq, const uint8_t *head,
    struct bnet_slice body, uint8_t *out, size_t *n_out)
{
	bool ok;

	if (body.len < tls_opener_min(op))
		return false;
	(void)ERR_set_mark(); /* drops the error of a failed tag check */
	ok = op->mac != NULL ? open_cbc(op, seq, head, body, out, n_out)
			     : open_aead(op, seq, head, body, out, n_out);
	(void)ERR_pop_to_mark();
	return ok;
}
