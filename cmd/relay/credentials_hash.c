/* SPDX-License-Identifier: MIT */
#include "cmd/relay/credentials_hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS 1000 /* as the prefix says */
#define PREFIX_CHARS (sizeof(CREDENTIALS_HASH_PREFIX) - 1)

static bool
derive(const char *token, size_t token_bytes, const unsigned char *salt,
    unsigned char *hash)
{
	return PKCS5_PBKDF2_HMAC(token, (int)token_bytes, salt,
		   CREDENTIALS_SALT_BYTES, ROUNDS, EVP_sha256(),
		   CREDENTIALS_HASH_BYTES, hash) == 1;
}

bool
credentials_hash_make(
    const char *token, size_t token_bytes, struct credentials_hash *hash)
{
	return derive(token, token_bytes, hash->salt, hash->hash);
}

bool
credentials_hash_is(
    const char *token, size_t token_bytes, const struct credentials_hash *hash)
{
	unsigned char got[CREDENTIALS_HASH_BYTES];
	bool same = derive(token, token_bytes, hash->salt, got) &&
	    CRYPTO_memcmp(got, hash->hash, sizeof(got)) == 0;

	OPENSSL_cleanse(got, sizeof(got));
	return same;
}

/* Exactly `n` bytes in hex, that end with `end`. */
static bool
parse_hex(const char *text, char end, unsigned char *bytes, size_t n)
{
	char hex[CREDENTIALS_HASH_BYTES * 2 + 1];
	size_t got;

	if (strnlen(text, n * 2 + 1) < n * 2 || text[n * 2] != end)
		return false;
	memcpy(hex, text, n * 2);
	hex[n * 2] = '\0';
	return OPENSSL_hexstr2buf_ex(bytes, n, &got, hex, '\0') == 1 &&
	    got == n;
}

bool
credentials_hash_parse(const char *text, struct credentials_hash *hash)
{
	const char *salt = text + PREFIX_CHARS;

	return strncmp(text, CREDENTIALS_HASH_PREFIX, PREFIX_CHARS) == 0 &&
	    parse_hex(salt, '$', hash->salt, sizeof(hash->salt)) &&
	    parse_hex(salt + sizeof(hash->salt) * 2 + 1, '\0', hash->hash,
		sizeof(hash->hash));
}

void
credentials_hash_format(
    const struct credentials_hash *hash, char text[CREDENTIALS_HASH_CHARS])
{
	char salt[CREDENTIALS_SALT_BYTES * 2 + 1] = "";
	char bytes[CREDENTIALS_HASH_BYTES * 2 + 1] = "";

	OPENSSL_buf2hexstr_ex(
	    salt, sizeof(salt), NULL, hash->salt, sizeof(hash->salt), '\0');
	OPENSSL_buf2hexstr_ex(
	    bytes, sizeof(bytes), NULL, hash->hash, sizeof(hash->hash), '\0');
	snprintf(text, CREDENTIALS_HASH_CHARS, "%s%s$%s",
	    CREDENTIALS_HASH_PREFIX, salt, bytes);
}
