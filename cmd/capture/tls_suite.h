/* SPDX-License-Identifier: MIT */
/*
 * tls_suite - the cipher suites of TLS: the name of each in IANA's registry,
 * and what those that can be decrypted consist of. A table, and no state;
 * tls.c looks suites up, tls_crypt.c reads what they are.
 */
#ifndef CAPTURE_TLS_SUITE_H
#define CAPTURE_TLS_SUITE_H

#include <stdbool.h>
#include <stdint.h>

#define TLS_1_0 0x0301
#define TLS_1_1 0x0302
#define TLS_1_2 0x0303
#define TLS_1_3 0x0304

enum tls_cipher {
	TLS_AES_128_GCM,
	TLS_AES_256_GCM,
	TLS_ARIA_128_GCM,
	TLS_ARIA_256_GCM,
	TLS_CHACHA20,
	TLS_AES_128_CCM,
	TLS_AES_256_CCM,
	TLS_AES_128_CCM_8,
	TLS_AES_256_CCM_8,
	TLS_FIRST_CBC, /* from here on with a MAC of its own */
	TLS_AES_128_CBC = TLS_FIRST_CBC,
	TLS_AES_256_CBC,
	TLS_CAMELLIA_128_CBC,
	TLS_CAMELLIA_256_CBC,
	TLS_ARIA_128_CBC,
	TLS_ARIA_256_CBC,
	TLS_3DES_CBC,
	TLS_NULL, /* not encrypted, but authenticated */
};

enum tls_mac {
	TLS_MAC_AEAD = 0, /* part of the cipher */
	TLS_MAC_MD5,
	TLS_MAC_SHA1,
	TLS_MAC_SHA256,
	TLS_MAC_SHA384,
};

/* What both sides agreed on. */
struct tls_suite {
	uint16_t id, version;
	uint8_t cipher; /* enum tls_cipher */
	uint8_t mac; /* enum tls_mac */
	bool sha384; /* the hash of the derivation; otherwise SHA-256 */
	bool encrypt_then_mac; /* RFC 7366; set by the caller */
};

/*
 * Returns NULL and sets *suite if records of that suite and version can be
 * decrypted; otherwise what is wrong, such as "cipher suite not supported:
 * TLS_RSA_WITH_RC4_128_SHA". Static.
 */
const char *
tls_suite_find(uint16_t version, uint16_t id, struct tls_suite *suite);

#endif
