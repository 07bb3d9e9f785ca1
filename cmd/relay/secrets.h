/* SPDX-License-Identifier: MIT */
/*
 * secrets - certificates, keys and tokens of the relay, read from files.
 * For the main thread: main.c and run.c.
 */
#ifndef RELAY_SECRETS_H
#define RELAY_SECRETS_H

#include "cmd/relay/credentials.h"
#include "cmd/relay/options.h"
#include "proto/tls.h"

#define SECRETS_FILE_MAX_BYTES ((size_t)1 << 20)

/*
 * When the first certificate of a file ends, or revocation list, unix time; 0:
 * none, or unknown.
 */
struct secrets_ends {
	int64_t cert_s, ca_s, crl_s;
};

/*
 * Make the TLS context of the options. *ctx is NULL if there is no certificate.
 * False: `err` names the file and what is wrong with it.
 */
bool secrets_tls(const struct relay_options *opt, bnet_tls_keylog *keylog,
    void *keylog_arg, struct bnet_tls_ctx **ctx, struct secrets_ends *ends,
    char err[RELAY_ERR_CHARS]);

/* Load the tokens; NULL if the options name none. False as above. */
bool
secrets_tokens(const struct relay_options *opt, struct credentials **tokens,
    struct credentials **client_tokens, char err[RELAY_ERR_CHARS]);

#endif
