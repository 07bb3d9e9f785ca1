/* SPDX-License-Identifier: MIT */
/*
 * tls_crypt - derives keys from secrets, and opens sealed records.
 *
 * Knows neither connections nor handshakes. All cryptography is OpenSSL's. Owns
 * one cipher context per key; called by tls.c.
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

/* A supported cipher suite. */
struct tls_suite {
	uint16_t id;
	uint8_t cipher; /* enum tls_cipher */
	bool sha384; /* its hash; otherwise SHA-256 */
};

/* Returns NULL if the suite is not supported in that version. */
const struct tls_suite *tls_suite_find(uint16_t version, uint16_t id);

struct tls_secret {
	uint8_t p[CAP_SECRET_MAX_BYTES];
	size_t len;
};

/* The randoms of the hellos; [0] is the client's. */
struct tls_randoms {
	uint8_t of[2][CAP_RANDOM_BYTES];
};

/* The key of one direction. Start zeroed; can be set again. */
struct tls_opener {
	EVP_CIPHER_CTX *ctx;
	uint8_t iv[TLS_NONCE_BYTES]; /* 1.2 GCM, CCM: the first 4 only */
	uint8_t n_tag;
	uint8_t n_explicit; /* nonce bytes before the ciphertext */
	bool v13, ccm;
};

void tls_opener_free(struct tls_opener *op);

/*
 * Prepares `op` to open records with a TLS 1.3 traffic secret.
 *	BNET_OK, BNET_ENOMEM
 *	BNET_ETLS	the secret does not have the suite's size
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

/*
 * The secret after a KeyUpdate. Returns BNET_OK, BNET_ENOMEM or BNET_ETLS
 * (size).
 */
BNET_MUST enum bnet_err tls_secret_update(const struct tls_suite *suite,
    const struct tls_secret *secret, struct tls_secret *next);

/* The minimum size of a record after its head. */
static inline size_t
tls_opener_min(const struct tls_opener *op)
{
	return (size_t)op->n_explicit + op->n_tag;
}

/*
 * Opens the record `body` with the head `head` as record number `seq`. `out`
 * must have room for body.len bytes. Returns true if the tag is valid; *n_out
 * bytes are then in `out`.
 */
bool tls_open(const struct tls_opener *op, uint64_t seq, const uint8_t *head,
    struct bnet_slice body, uint8_t *out, size_t *n_out);

#endif
