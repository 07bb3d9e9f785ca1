/* SPDX-License-Identifier: MIT */
/*
 * credentials - who a peer is, by a token or a certificate, and which ids
 * that lets it use.
 *
 * A token is "NAME.SECRET": SECRET is 32 random bytes in hex, from
 * credentials_make_token(). It comes in a hello. A file of tokens holds one
 * line each, without the secret:
 *
 *	# comment
 *	7 market pbkdf2-sha256$1000$SALT$HASH
 *	* client pbkdf2-sha256$1000$SALT$HASH
 *
 * The first word is the id that it may use, or * for any; then its name (up
 * to 63 of A-Z a-z 0-9 . _ -); then the hash of the whole token, salted. A
 * name may be on two lines with one id, so that a token can be replaced while
 * the old one is still in use.
 *
 * Why only 1000 rounds: the check runs on a thread that carries traffic, so
 * whoever can say hello can buy its time. Rounds make guessing dear where
 * a secret can be guessed, as a password can. 256 random bits cannot, after
 * one round or after a million; those here are the least that the standard
 * (SP 800-132) has. A check is two hashes, about half a millisecond together,
 * and always two: for a name that is not there, too, so that time does not
 * tell which there are. The number is in the file for later versions to
 * change; this one takes no other, as it would take another time.
 *
 * A table is not changed after it was loaded: any thread may use it. To load
 * it again, load another and swap them. session.c asks; secrets.c loads.
 */
#ifndef RELAY_CREDENTIALS_H
#define RELAY_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CREDENTIALS_TOKENS_MAX 65536 /* lines of a file */
#define CREDENTIALS_NAME_CHARS 64 /* with the NUL */
#define CREDENTIALS_IDENTITY_CHARS 96

struct x509_st; /* X509 of OpenSSL */

/* What a peer has shown. */
struct credentials_grant {
	/*
	 * "token:7:market", "token:*:client", "cert:bluenet:node:7" or
	 * "cert:bluenet:node:*". Equal: the same credentials. All holders of
	 * a * are one, so they can take each other's ids.
	 */
	char identity[CREDENTIALS_IDENTITY_CHARS];
	uint64_t id; /* the one id it may use; 0: any */
};

/* It may use that id. */
static inline bool
credentials_allow(const struct credentials_grant *grant, uint64_t id)
{
	return grant->id == 0 || grant->id == id;
}

/* ---- tokens: credentials.c ---- */

struct credentials;

/*
 * The tokens of a file. NULL: `err` says where, and what was expected; it
 * never shows what is in the file.
 */
struct credentials *
credentials_load(const char *path, char *err, size_t err_bytes);
void credentials_free(struct credentials *creds); /* NULL is allowed */

/*
 * The token of a hello, as the peer sent it. True: it is one of these, and
 * *grant is set. What is no token by its form is refused at once.
 */
bool credentials_check(const struct credentials *creds, const char *token,
    size_t token_bytes, struct credentials_grant *grant);

/*
 * Print a new token and the line for the file, each below a comment. `id` is
 * a number or *. False: `err` says what is wrong with them.
 */
bool credentials_make_token(
    const char *id, const char *name, FILE *out, char *err, size_t err_bytes);

/* ---- certificates: credentials_cert.c ---- */

/*
 * Does the certificate's subjectAltName have the URI "bluenet:node:ID", or
 * "bluenet:node:*"? ID is exactly wanted_id; where that is 0 ("give me one")
 * any will do, the first of them. A number goes before *. True: *grant is set.
 *
 * Whether to trust the certificate is TLS's business: have it verified
 * under a CA of your own, which signs nothing else. NULL is no certificate.
 */
bool credentials_cert(const struct x509_st *cert, uint64_t wanted_id,
    struct credentials_grant *grant);

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

/* The token has that hash. Takes the same time whether or not. */
bool credentials_hash_is(
    const char *token, size_t token_bytes, const struct credentials_hash *hash);

/* "pbkdf2-sha256$1000$SALT$HASH". False: `text` is not that. */
bool credentials_hash_parse(const char *text, struct credentials_hash *hash);
void credentials_hash_format(
    const struct credentials_hash *hash, char text[CREDENTIALS_HASH_CHARS]);

#endif
