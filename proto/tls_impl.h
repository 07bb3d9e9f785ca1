/* SPDX-License-Identifier: MIT */
/* What tls_ctx.c offers to tls.c; not installed. */
#ifndef BNET_TLS_IMPL_H
#define BNET_TLS_IMPL_H

#include "tls.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

struct bnet_tls_ctx {
	SSL_CTX *ssl_ctx;
	enum bnet_tls_role role;
	bool require_alpn;
	size_t pair_bytes;
	bnet_tls_keylog *keylog;
	void *keylog_arg;
	atomic_uint n_refs; /* connections may end in any thread */
};

/*
 * Empty OpenSSL's error queue and put into `reason` what it held: `what` as
 * a prefix where it is not NULL, then the words of the first that counts.
 *	BNET_ENOMEM	an allocation failed
 *	BNET_ETLS	anything else
 */
enum bnet_err
bnet_tls_take_errors(const char *what, char *reason, size_t reason_bytes);

#endif
