/* SPDX-License-Identifier: MIT */
#include "cmd/capture/tls_crypt.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <string.h>

/* ---- suites ---- */

/* The AEAD suites of RFC 8446, 5288, 5289, 5487, 6655, 7251, 7905 and 8442. */
static const struct tls_suite suites_13[] = {
	{ 0x1301, TLS_AES_128_GCM, false },
	{ 0x1302, TLS_AES_256_GCM, true },
	{ 0x1303, TLS_CHACHA20, false },
	{ 0x1304, TLS_AES_128_CCM, false },
	{ 0x1305, TLS_AES_128_CCM_8, false },
};

/* The key exchange and the signature do not matter here. */
static const struct tls_suite suites_12[] = {
	{ 0x009c, TLS_AES_128_GCM, false }, /* RSA */
	{ 0x009d, TLS_AES_256_GCM, true },
	{ 0x009e, TLS_AES_128_GCM, false }, /* DHE_RSA */
	{ 0x009f, TLS_AES_256_GCM, true },
	{ 0x00a0, TLS_AES_128_GCM, false }, /* DH_RSA */
	{ 0x00a1, TLS_AES_256_GCM, true },
	{ 0x00a2, TLS_AES_128_GCM, false }, /* DHE_DSS */
	{ 0x00a3, TLS_AES_256_GCM, true },
	{ 0x00a4, TLS_AES_128_GCM, false }, /* DH_DSS */
	{ 0x00a5, TLS_AES_256_GCM, true },
	{ 0x00a6, TLS_AES_128_GCM, false }, /* DH_anon */
	{ 0x00a7, TLS_AES_256_GCM, true },
	{ 0x00a8, TLS_AES_128_GCM, false }, /* PSK */
	{ 0x00a9, TLS_AES_256_GCM, true },
	{ 0x00aa, TLS_AES_128_GCM, false }, /* DHE_PSK */
	{ 0x00ab, TLS_AES_256_GCM, true },
	{ 0x00ac, TLS_AES_128_GCM, false }, /* RSA_PSK */
	{ 0x00ad, TLS_AES_256_GCM, true },
	{ 0xc02b, TLS_AES_128_GCM, false }, /* ECDHE_ECDSA */
	{ 0xc02c, TLS_AES_256_GCM, true },
	{ 0xc02d, TLS_AES_128_GCM, false }, /* ECDH_ECDSA */
	{ 0xc02e, TLS_AES_256_GCM, true },
	{ 0xc02f, TLS_AES_128_GCM, false }, /* ECDHE_RSA */
	{ 0xc030, TLS_AES_256_GCM, true },
	{ 0xc031, TLS_AES_128_GCM, false }, /* ECDH_RSA */
	{ 0xc032, TLS_AES_256_GCM, true },
	{ 0xd001, TLS_AES_128_GCM, false }, /* ECDHE_PSK */
	{ 0xd002, TLS_AES_256_GCM, true },
	{ 0xcca8, TLS_CHACHA20, false }, /* ECDHE_RSA */
	{ 0xcca9, TLS_CHACHA20, false }, /* ECDHE_ECDSA */
	{ 0xccaa, TLS_CHACHA20, false }, /* DHE_RSA */
	{ 0xccab, TLS_CHACHA20, false }, /* PSK */
	{ 0xccac, TLS_CHACHA20, false }, /* ECDHE_PSK */
	{ 0xccad, TLS_CHACHA20, false }, /* DHE_PSK */
	{ 0xccae, TLS_CHACHA20, false }, /* RSA_PSK */
	{ 0xc09c, TLS_AES_128_CCM, false }, /* RSA */
	{ 0xc09d, TLS_AES_256_CCM, false },
	{ 0xc09e, TLS_AES_128_CCM, false }, /* DHE_RSA */
	{ 0xc09f, TLS_AES_256_CCM, false },
	{ 0xc0a0, TLS_AES_128_CCM_8, false }, /* RSA */
	{ 0xc0a1, TLS_AES_256_CCM_8, false },
	{ 0xc0a2, TLS_AES_128_CCM_8, false }, /* DHE_RSA */
	{ 0xc0a3, TLS_AES_256_CCM_8, false },
	{ 0xc0a4, TLS_AES_128_CCM, false }, /* PSK */
	{ 0xc0a5, TLS_AES_256_CCM, false },
	{ 0xc0a6, TLS_AES_128_CCM, false }, /* DHE_PSK */
	{ 0xc0a7, TLS_AES_256_CCM, false },
	{ 0xc0a8, TLS_AES_128_CCM_8, false }, /* PSK */
	{ 0xc0a9, TLS_AES_256_CCM_8, false },
	{ 0xc0aa, TLS_AES_128_CCM_8, false }, /* DHE_PSK */
	{ 0xc0ab, TLS_AES_256_CCM_8, false },
	{ 0xc0ac, TLS_AES_128_CCM, false }, /* ECDHE_ECDSA */
	{ 0xc0ad, TLS_AES_256_CCM, false },
	{ 0xc0ae, TLS_AES_128_CCM_8, false }, /* ECDHE_ECDSA */
	{ 0xc0af, TLS_AES_256_CCM_8, false },
	{ 0xd003, TLS_AES_128_CCM_8, false }, /* ECDHE_PSK */
	{ 0xd005, TLS_AES_128_CCM, false },
};

const struct tls_suite *
tls_suite_find(uint16_t version, uint16_t id)
{
	const struct tls_suite *suites = suites_12;
	size_t n = sizeof(suites_12) / sizeof(suites_12[0]);

	if (version == TLS_1_3) {
		suites = suites_13;
		n = sizeof(suites_13) / sizeof(suites_13[0]);
	} else if (version != TLS_1_2) {
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		if (suites[i].id == id)
			return &suites[i];
	}
	return NULL;
}

/* ---- ciphers ---- */

#define KEY_MAX_BYTES 32
#define FIXED_IV_BYTES 4 /* TLS 1.2, RFC 5288 section 3 */
#define EXPLICIT_BYTES 8
#define AAD_12_BYTES 13

static const struct cipher {
	const EVP_CIPHER *(*evp)(void);
	uint8_t n_key, n_tag;
	bool salted; /* TLS 1.2: part of the nonce is in the record */
	bool ccm;
} ciphers[] = {
	[TLS_AES_128_GCM] = { EVP_aes_128_gcm, 16, 16, true, false },
	[TLS_AES_256_GCM] = { EVP_aes_256_gcm, 32, 16, true, false },
	[TLS_CHACHA20] = { EVP_chacha20_poly1305, 32, 16, false, false },
	[TLS_AES_128_CCM] = { EVP_aes_128_ccm, 16, 16, true, true },
	[TLS_AES_256_CCM] = { EVP_aes_256_ccm, 32, 16, true, true },
	[TLS_AES_128_CCM_8] = { EVP_aes_128_ccm, 16, 8, true, true },
	[TLS_AES_256_CCM_8] = { EVP_aes_256_ccm, 32, 8, true, true },
};

void
tls_opener_free(struct tls_opener *op)
{
	EVP_CIPHER_CTX_free(op->ctx);
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

	return OSSL_PARAM_construct_utf8_string(
	    OSSL_KDF_PARAM_DIGEST, suite->sha384 ? sha384 : sha256, 0);
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
	    expand_label(suite, *secret, "tls13 iv", op->iv, sizeof(op->iv)) &&
	    ctx_set(op, c, key);
	OPENSSL_cleanse(key, sizeof(key));
	op->n_tag = c->n_tag;
	op->n_explicit = 0;
	op->v13 = true;
	op->ccm = c->ccm;
	return ok ? BNET_OK : BNET_ENOMEM;
}

enum bnet_err
tls_opener_12(struct tls_opener *op, const struct tls_suite *suite,
    const struct tls_secret *master, const struct tls_randoms *randoms,
    bool from_server)
{
	const struct cipher *c = &ciphers[suite->cipher];
	size_t n_iv = c->salted ? FIXED_IV_BYTES : TLS_NONCE_BYTES;
	uint8_t block[2 * (KEY_MAX_BYTES + TLS_NONCE_BYTES)];
	const uint8_t *key = block, *iv = block + (size_t)2 * c->n_key;
	bool ok;

	if (master->len != 48)
		return BNET_ETLS;
	if (from_server) {
		key += c->n_key;
		iv += n_iv;
	}
	ok = key_block(suite, *master, randoms, block, 2 * (c->n_key + n_iv)) &&
	    ctx_set(op, c, key);
	memcpy(op->iv, iv, ok ? n_iv : 0);
	OPENSSL_cleanse(block, sizeof(block));
	op->n_tag = c->n_tag;
	op->n_explicit = c->salted ? EXPLICIT_BYTES : 0;
	op->v13 = false;
	op->ccm = c->ccm;
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

bool
tls_open(const struct tls_opener *op, uint64_t seq, const uint8_t *head,
    struct bnet_slice body, uint8_t *out, size_t *n_out)
{
	uint8_t nonce[TLS_NONCE_BYTES], aad[AAD_12_BYTES], tag[16];
	struct bnet_slice text;
	int n_aad;
	bool ok;

	if (body.len < tls_opener_min(op))
		return false;
	text.p = body.p + op->n_explicit;
	text.len = body.len - tls_opener_min(op);
	make_nonce(op, seq, body.p, nonce);
	n_aad = make_aad(op, seq, head, text.len, aad);
	memcpy(tag, text.p + text.len, op->n_tag);
	(void)ERR_set_mark(); /* drops the error of a failed tag check */
	ok = EVP_DecryptInit_ex(op->ctx, NULL, NULL, NULL, nonce) == 1 &&
	    EVP_CIPHER_CTX_ctrl(
		op->ctx, EVP_CTRL_AEAD_SET_TAG, op->n_tag, tag) == 1 &&
	    run(op, aad, n_aad, text, out);
	(void)ERR_pop_to_mark();
	*n_out = text.len;
	return ok;
}
