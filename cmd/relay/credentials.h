/* SPDX-License-Identifier: MIT */
/*
 * credentials - the identity of a peer, by a token or a certificate, and the
 * ids that it may use.
 *
 * A token is "NAME.SECRET": SECRET is 32 random bytes in hex, from
 * credentials_make_token(). A hello carries it. A token file has one line per
 * token, without the secret:
 *
 *	# comment
 *	7 market sha256$SALT$HASH
 *	* client sha256$SALT$HASH
 *
 * The first word is the id that it may use, or * for any; then its name (up
 * to 63 of A-Z a-z 0-9 . _ -); then the salted hash of the whole token. A name
 * may be on two lines with the same id, so that a token can be replaced while
 * the old one is still in use.
 *
 * Why a single round: the check runs on a thread that carries traffic, so any
 * peer that sends a hello uses up its time. Rounds make guessing expensive if
 * a secret can be guessed, like a password; 256 random bits cannot. A check
 * costs the same for an unknown name, so that the time does not reveal which
 * names exist.
 *
 * Older versions made lines with pbkdf2-sha256$1000$. They are still accepted;
 * while a file has one, every check of its tokens pays for that hash as well.
 *
 * A table does not change after it is loaded, so any thread may use it. To
 * reload, load another and swap them. session.c checks; secrets.c loads.
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
#define CREDENTIALS_PROOF_BYTES 32
#define CREDENTIALS_TOKEN_BYTES_MAX 128 /* a longer one is not hashed */

struct x509_st; /* X509 of OpenSSL */

/* The verified identity of a peer. */
struct credentials_grant {
	/*
	 * "token:7:market", "token:*:client", "cert:bluenet:node:7" or
	 * "cert:bluenet:node:*". Equal strings are the same credentials. All
	 * holders of a * are equal, so they can take over each other's ids.
	 */
	char identity[CREDENTIALS_IDENTITY_CHARS];
	uint64_t id; /* the one id it may use; 0: any */
	uint8_t proof[CREDENTIALS_PROOF_BYTES]; /* which line of the file */
};

/* May the peer use that id? */
static inline bool
credentials_allow(const struct credentials_grant *grant, uint64_t id)
{
	return grant->id == 0 || grant->id == id;
}

/* ---- tokens ---- */

struct credentials;

/*
 * Load the tokens of a file. NULL: `err` gives the position and what was
 * expected; it never shows the contents of the file.
 */
struct credentials *
credentials_load(const char *path, char *err, size_t err_bytes);
void credentials_free(struct credentials *creds); /* NULL is allowed */

/*
 * Check the token of a hello, as the peer sent it. True: it is in the table,
 * and *grant is set. A malformed token is refused without hashing.
 */
bool credentials_check(const struct credentials *creds, const char *token,
    size_t token_bytes, struct credentials_grant *grant);

/*
 * Does the table still have the line that gave this grant? False after the
 * token was removed or replaced. `creds` NULL: no table.
 */
bool credentials_hold(
    const struct credentials *creds, const struct credentials_grant *grant);

/* How many lines have the slow hash of older versions. */
size_t credentials_n_slow(const struct credentials *creds);

/*
 * Print a new token and its line for the file, each below a comment. `id` is
 * a number or *. False: `err` says what is wrong with `id` or the name.
 */
bool credentials_make_token(
    const char *id, const char *name, FILE *out, char *err, size_t err_bytes);

/* ---- certificates ---- */

/*
 * Does the certificate's subjectAltName have the URI "bluenet:node:ID" or
 * "bluenet:node:*"? ID must be exactly wanted_id; if that is 0 (the relay
 * chooses), the first ID is taken. A number takes precedence over *. True:
 * *grant is set.
 *
 * TLS decides whether to trust the certificate: verify it under a CA of your
 * own that signs nothing else. `cert` may be NULL: no certificate.
 */
bool credentials_cert(const struct x509_st *cert, uint64_t wanted_id,
    struct credentials_grant *grant);

#endif
