/* SPDX-License-Identifier: MIT */
/*
 * keylog - the secrets of TLS sessions, by client random and label.
 *
 *	LABEL CLIENT_RANDOM(64 hex digits) SECRET(hex)
 *
 * The NSS key log format, as SSLKEYLOGFILE and the secrets blocks of pcapng
 * hold it. Comments, empty lines and labels that decrypt nothing here are
 * passed over. A hash table, so that a log of many sessions costs nothing a
 * look-up; it has a ceiling. Owns the secrets, and wipes them; the tools fill it,
 * tls.c reads it.
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
#define CAP_KEYLOG_MAX_SECRETS (UINT32_C(1) << 20)
#define CAP_PCAPNG_SECRETS_MAX_BYTES (64 << 20) /* of one block */

enum cap_secret {
	CAP_SECRET_MASTER = 0, /* CLIENT_RANDOM: TLS 1.2 */
	CAP_SECRET_EARLY, /* CLIENT_EARLY_TRAFFIC_SECRET, as the rest: 1.3 */
	CAP_SECRET_CLIENT_HANDSHAKE,
	CAP_SECRET_SERVER_HANDSHAKE,
	CAP_SECRET_CLIENT_TRAFFIC, /* CLIENT_TRAFFIC_SECRET_0 */
	CAP_SECRET_SERVER_TRAFFIC,
	CAP_N_SECRETS
};

struct cap_keylog;

/* NULL when out of memory. */
struct cap_keylog *cap_keylog_new(void);

/* Wipes the secrets. NULL is allowed. */
void cap_keylog_free(struct cap_keylog *log);

/*
 * Take every line of `text`; the last one may lack its newline. Of a secret
 * given twice the later counts.
 *	BNET_OK
 *	BNET_ETLS	a line is malformed: cap_keylog_problem() names the
 *			first such; all good lines were taken
 *	BNET_ELIMIT	CAP_KEYLOG_MAX_SECRETS; the lines before were taken
 *	BNET_ENOMEM	the same
 */
BNET_MUST enum bnet_err
cap_keylog_add(struct cap_keylog *log, struct bnet_slice text);

/*
 * The same of what is left of a file, in constant memory.
 *	as cap_keylog_add()
 *	BNET_ECUT	reading failed; errno tells why
 */
BNET_MUST enum bnet_err cap_keylog_read(struct cap_keylog *log, FILE *f);

/*
 * What the last add or read found wrong, as "line 3: secret is not hex";
 * "" for nothing. Valid until the next one.
 */
const char *cap_keylog_problem(const struct cap_keylog *log);

/* How many secrets it holds. */
size_t cap_keylog_count(const struct cap_keylog *log);

/* *secret is borrowed until the log next changes. */
bool cap_keylog_find(const struct cap_keylog *log,
    const uint8_t random[CAP_RANDOM_BYTES], enum cap_secret which,
    struct bnet_slice *secret);

/* ---- the key log inside a pcapng file ---- */

/*
 *	| type u32 | total u32 | body ... | total u32 |
 *
 * libpcap reads pcapng but hides the Decryption Secrets Blocks, so they are
 * read here, beforehand, in either byte order. Only those before the first
 * packet: that is where they must be to be of use.
 */

/*
 * Add the secrets of the pcapng file that begins where `f` is. Its position
 * is as it was afterwards. *n_blocks: how many blocks of TLS secrets.
 *	BNET_OK		also for what is no pcapng, or no regular file: those
 *			are left as they are, *n_blocks is 0
 *	BNET_ECUT	reading failed, or a block is inconsistent or cut; the
 *			secrets before it were taken
 *	BNET_ELIMIT	a block is over the limit, or as cap_keylog_add()
 *	BNET_ETLS	a line is malformed; all good ones of all blocks were
 *			taken. cap_keylog_problem() is of the last block only
 *	BNET_ENOMEM
 */
BNET_MUST enum bnet_err
cap_pcapng_secrets(FILE *f, struct cap_keylog *log, size_t *n_blocks);

/* The same of a file; BNET_ECUT with errno where it can not be opened. */
BNET_MUST enum bnet_err cap_pcapng_secrets_path(
    const char *path, struct cap_keylog *log, size_t *n_blocks);

#endif
