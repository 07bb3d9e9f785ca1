/* SPDX-License-Identifier: MIT */
/*
 * tls_crypt - secrets to keys, and one sealed record to plaintext.
 *
 * Knows neither connections nor handshakes. All cryptography is OpenSSL's. Owns
 * a cipher context a key; called by tls.c.
 */
#ifndef CAPTURE_TLS_CRYPT_H
#define CAPTURE_TLS_CRYPT_H

#include "cmd/capture/keylog.h"

#include <openssl/evp.h>

#define TLS_1_2 0x0303
#define TLS_1_3 0x0304
#define TLS_HEAD_BYTES 5 /* type, version, length */
#define TLS_NONCE_BYTES 12

enum tls_cipher {
	TLS_AES_128_GCM,
	TLS_AES_256_GCM,
	TLS_CHACHA20,
	TLS_AES_128_CCM,
	TLS_AES_256_CCM,
	TLS_AES_128_CCM_8,
	TLS_AES_256_CCM_8,
};

/* A cipher suite that can be read. */
struct tls_suite {
	uint16_t id;
	uint8_t cipher; /* enum tls_cipher */
	bool sha384; /* its hash; else SHA-256 */
};

/* NULL: not one of those that are supported under that version. */
const struct tls_suite *tls_suite_find(uint16_t version, uint16_t id);

struct tls_secret {
	uint8_t p[CAP_SECRET_MAX_BYTES];
	size_t len;
};

/* What the hellos said, [0] the client's. */
struct tls_randoms {
	uint8_t of[2][CAP_RANDOM_BYTES];
};

/* The key of one direction. Zero-initialise; reusable. */
struct tls_opener {
	EVP_CIPHER_CTX *ctx;
	uint8_t iv[TLS_NONCE_BYTES]; /* 1.2 GCM, CCM: the first 4 only */
	uint8_t n_tag;
	uint8_t n_explicit; /* nonce bytes in front of the ciphertext */
	bool v13, ccm;
};

void tls_opener_free(struct tls_opener *op);

/*
 * Ready `op` to open the records of a TLS 1.3 traffic secret.
 *	BNET_OK, BNET_ENOMEM
 *	BNET_ETLS	the secret is not of the suite's size
 */
BNET_MUST enum bnet_err tls_opener_13(struct tls_opener *op,
    const struct tls_suite *suite, const struct tls_secret *secret);

/*
 * The same for TLS 1.2, from the master secret and both randoms; from_server:
 * the key that the server writes with.
 */
BNET_MUST enum bnet_err tls_opener_12(struct tls_opener *op,
    const struct tls_suite *suite, const struct tls_secret *master,
    const struct tls_randoms *randoms, bool from_server);

/* The secret after a KeyUpdate. BNET_OK, BNET_ENOMEM, BNET_ETLS (size) */
BNET_MUST enum bnet_err tls_secret_update(const struct tls_suite *suite,
    const struct tls_secret *secret, struct tls_secret *next);

/* The least that a record can have after its head. */
static inline size_t
tls_opener_min(const struct tls_opener *op)
{
	return (size_t)op->n_explicit + op->n_tag;
}

/*
 * Open the record `body` with the head `head`, as the one numbered `seq`.
 * `out` has room for body.len bytes.
 *	true	*n_out bytes are in `out`, proven by the tag
 */
bool tls_open(const struct tls_opener *op, uint64_t seq, const uint8_t *head,
    struct bnet_slice body, uint8_t *out, size_t *n_out);

#endif
