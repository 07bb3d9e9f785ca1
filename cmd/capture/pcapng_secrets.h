/* SPDX-License-Identifier: MIT */
/*
 * pcapng_secrets - the TLS key log inside a pcapng file.
 *
 *	| type u32 | total u32 | body ... | total u32 |
 *
 * libpcap reads pcapng but hides the Decryption Secrets Blocks, so they are
 * read here, beforehand, in either byte order. Only those before the first
 * packet: that is where they must be to be of use.
 */
#ifndef CAPTURE_PCAPNG_SECRETS_H
#define CAPTURE_PCAPNG_SECRETS_H

#include "cmd/capture/keylog.h"

#include <stdio.h>

#define CAP_PCAPNG_SECRETS_MAX_BYTES (64 << 20) /* of one block */

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
