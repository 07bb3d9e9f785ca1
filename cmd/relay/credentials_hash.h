/* SPDX-License-Identifier: MIT */
/* credentials_hash - salted hashes of tokens (see credentials.h). */
#ifndef RELAY_CREDENTIALS_HASH_H
#define RELAY_CREDENTIALS_HASH_H

#include <stdbool.h>
#include <stddef.h>

#define CREDENTIALS_SALT_BYTES 16
#define CREDENTIALS_HASH_BYTES 32
#define CREDENTIALS_HASH_PREFIX "pbkdf2-sha256$1000$"
#define CREDENTIALS_HASH_CHARS \
	(sizeof(CREDENTIALS_HASH_PREFIX) + CREDENTIALS_SALT_BYTES * 2 + 1 + \
	    CREDENTIALS_HASH_BYTES * 2)

struct credentials_hash {
	unsigned char salt[CREDENTIALS_SALT_BYTES];
	unsigned char hash[CREDENTIALS_HASH_BYTES];
};

/* Hash a token with the salt that is in *hash. False: OpenSSL failed. */
bool credentials_hash_make(
    const char *token, size_t token_bytes, struct credentials_hash *hash);

/* The token has that hash. Takes the same time whether or not. */
bool credentials_hash_is(
    const char *token, size_t token_bytes, const struct credentials_hash *hash);

/* "pbkdf2-sha256$1000$SALT$HASH". False: `text` is not that. */
bool credentials_hash_parse(const char *text, struct credentials_hash *hash);
void credentials_hash_format(
    const struct credentials_hash *hash, char text[CREDENTIALS_HASH_CHARS]);

#endif
