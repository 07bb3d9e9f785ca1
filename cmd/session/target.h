/* SPDX-License-Identifier: MIT */
/*
 * target - whom a client connects to: addresses that are tried in turn, and
 * what TLS needs to know the peer by.
 *
 * session.c connects to it on an engine; session_dial() is for who keeps raw
 * sockets (the scenarios of bluenet-replay).
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
	char host[CLIENT_HOST_CHARS]; /* that a certificate has to name */
};

/*
 * Look "HOST:PORT" up; without ":PORT" it is `port`, as address_resolve() has
 * it, and this can block as long. A certificate has to name the host as it
 * stands there. `tls` stays as it is. False: `why` says why.
 */
bool session_resolve(struct session_target *target, const char *where, int port,
    char *why, size_t why_bytes);

/*
 * A TCP connection to the first address that takes one, each within
 * timeout_ns; the socket does not block, and TLS is the caller's to begin.
 * receive_bytes: of the socket's buffer; 0: the system's choice. -1: errno,
 * which is EINTR at a signal.
 */
int session_dial(
    const struct session_target *target, int receive_bytes, int64_t timeout_ns);

#endif
