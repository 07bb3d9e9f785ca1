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
#include "cmd/capture/tls_suite.h"

#include <openssl/evp.h>

#define TLS_HEAD_BYTES 5 /* type, version, length */
#define TLS_NONCE_BYTES 12
#define TLS_BLOCK_MAX_BYTES 16 /* of a CBC cipher */

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
	EVP_CIPHER_CTX *ctx; /* NULL: without encryption */
	EVP_MAC_CTX *mac; /* with CBC; NULL: AEAD */
	uint8_t iv[TLS_BLOCK_MAX_BYTES]; /* 1.2 GCM, CCM: the first 4 only;
					    1.0: of the next record */
	uint8_t n_tag; /* or the MAC's bytes */
	uint8_t n_explicit; /* nonce or IV bytes before the ciphertext */
	uint8_t n_block; /* CBC; 1: without encryption */
	bool v13, ccm;
	bool chained; /* the IV is the end of the record before: TLS 1.0 */
	bool encrypt_then_mac;
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
 * The same for TLS 1.0 to 1.2, from the master secret and both randoms;
 * from_server: the key that the server writes with.
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
size_t tls_opener_min(const struct tls_opener *op);

/* TLS 1.0: `body` passed, opened or not; its end is that of a record. */
void tls_opener_chain(struct tls_opener *op, struct bnet_slice body);

/*
 * Opens the record `body` with the head `head` as record number `seq`. `out`
 * must have room for body.len bytes. Returns true if the tag or the MAC is valid; *n_out
 * bytes are then in `out`.
 */
bool tls_open(const struct tls_opener *op, uint64_t seq, const uint8_t *head,
    struct bnet_slice body, uint8_t *out, size_t *n_out);

#endif
