/* SPDX-License-Identifier: MIT */
/*
 * keylog - stores the secrets of TLS sessions, by client random and label.
 *
 *	LABEL CLIENT_RANDOM(64 hex digits) SECRET(hex)
 *
 * The NSS key log format, as in SSLKEYLOGFILE and in the secrets blocks of
 * pcapng. Comments, empty lines and unsupported labels are skipped. A bounded
 * hash table, so that look-ups are fast even in a log of many sessions. Owns
 * the secrets, and wipes them; the tools fill it, tls.c reads it.
 */
#ifndef CAPTURE_KEYLOG_H
#define CAPTURE_KEYLOG_H

#include "proto/buf.h"
#include "proto/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CAP_RANDOM_BYTES 32
#define CAP_SECRET_MAX_BYTES 48 /* a hash of SHA-384; a master secret */
#define CAP_KEYLOG_LINE_CHARS 256 /* of a line, with its NUL */
#define CAP_KEYLOG_MAX_SECRETS (UINT32_C(1) << 20)

enum cap_secret {
	CAP_SECRET_MASTER = 0, /* CLIENT_RANDOM: TLS 1.2 */
	CAP_SECRET_EARLY, /* CLIENT_EARLY_TRAFFIC_SECRET; like the rest: 1.3 */
	CAP_SECRET_CLIENT_HANDSHAKE,
	CAP_SECRET_SERVER_HANDSHAKE,
	CAP_SECRET_CLIENT_TRAFFIC, /* CLIENT_TRAFFIC_SECRET_0 */
	CAP_SECRET_SERVER_TRAFFIC,
	CAP_N_SECRETS
};

struct cap_keylog;

/* Returns NULL when out of memory. */
struct cap_keylog *cap_keylog_new(void);

/* Wipes and frees the secrets. NULL is allowed. */
void cap_keylog_free(struct cap_keylog *log);

/*
 * Takes every line of `text`; the last one may lack its newline. If a secret is
 * given twice, the later one counts.
 *	BNET_OK
 *	BNET_ETLS	a line is malformed: cap_keylog_problem() names the
 *			first one; all good lines were taken
 *	BNET_ELIMIT	CAP_KEYLOG_MAX_SECRETS; the lines before were taken
 *	BNET_ENOMEM	the same
 */
BNET_MUST enum bnet_err
cap_keylog_add(struct cap_keylog *log, struct bnet_slice text);

/*
 * The same for the rest of a file, in constant memory.
 *	as cap_keylog_add()
 *	BNET_ECUT	reading failed; errno is set
 */
BNET_MUST enum bnet_err cap_keylog_read(struct cap_keylog *log, FILE *f);

/*
 * The first error of the last add or read, such as "line 3: secret is not hex";
 * "" if there was none. Valid until the next one.
 */
const char *cap_keylog_problem(const struct cap_keylog *log);

/* The number of secrets stored. */
size_t cap_keylog_count(const struct cap_keylog *log);

/* Finds a secret. *secret is borrowed until the log changes. */
bool cap_keylog_find(const struct cap_keylog *log,
    const uint8_t random[CAP_RANDOM_BYTES], enum cap_secret which,
    struct bnet_slice *secret);

/*
 * The `i`-th of the secrets of all sessions of which cap_keylog_find() has found
 * one, as a line of a key log: each once, in order of first use. Returns 0 past
 * the last, else the number of characters.
 */
size_t cap_keylog_used(
    const struct cap_keylog *log, size_t i, char line[CAP_KEYLOG_LINE_CHARS]);

#endif
