/* SPDX-License-Identifier: MIT */
/* Connections of a peer: how they begin, plain or TLS, and are forgotten. */
#ifndef REPLAY_PEER_CONNECT_H
#define REPLAY_PEER_CONNECT_H

#include "cmd/replay/scenario/conn.h"

/* What a connection has that does not say otherwise. NULL: plain; no token. */
struct peer_defaults {
	struct bnet_tls_ctx *tls; /* borrowed */
	const char *tls_host, *token;
};

extern struct peer_defaults peer_defaults;

/* ---- connecting ----------------------------------------------------------- */

/* A whole file; the caller frees it. */
/* False: a script that asks for one is wrong. */
extern bool peer_reads_files;
struct bnet_slice peer_file(const char *path);

/* Forget it, with what came over it. */
void peer_conn_free(struct peer_conn *c);

/* connect NAME ADDR:PORT ...: waits for the end of a TLS handshake. */
void peer_connect(struct peer_args *args);

#endif
