/* SPDX-License-Identifier: MIT */
/*
 * target - the peer that a client connects to: addresses to try in turn, and
 * what TLS needs to verify the peer.
 *
 * session.c connects to it on an engine; session_dial() is for raw sockets
 * (the scenarios of bluenet-replay).
 */
#ifndef SESSION_TARGET_H
#define SESSION_TARGET_H

#include "cmd/common/address.h"
#include "cmd/common/client_files.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session_target {
	struct address addresses[ADDRESS_RESOLVED_MAX]; /* in this order */
	size_t n_addresses; /* 0: not resolved */
	struct bnet_tls_ctx *tls; /* NULL: plain; borrowed */
	bool
	    guards_token; /* there is one, and it is for a verified peer only */
	char host[CLIENT_HOST_CHARS]; /* the name required of a certificate */
};

/* Take TLS from `files`, which must outlive the target, and note the token. */
void session_target_use(
    struct session_target *target, const struct client_files *files);

/*
 * Resolve "HOST:PORT", or "HOST" with `port`, by address_resolve(), which can
 * block. A certificate has to name HOST as it is written there. `tls` is left
 * unchanged. False: `why` is the reason, which may be that the token would go
 * over a network in the clear.
 * errno is EACCES if it would expose the token, otherwise 0.
 */
bool session_resolve(struct session_target *target, const char *where, int port,
    char *why, size_t why_bytes);

/*
 * Make a TCP connection to the first address that accepts one, each within
 * timeout_ns. The socket is non-blocking; starting TLS is up to the caller.
 * receive_bytes is the size of the socket's receive buffer; 0: the system's
 * default. Returns -1 and sets errno, to EINTR after a signal.
 */
int session_dial(
    const struct session_target *target, int receive_bytes, int64_t timeout_ns);

#endif
