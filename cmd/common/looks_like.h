/* SPDX-License-Identifier: MIT */
/*
 * looks_like - which other protocol a stream is, by its first bytes: for
 * messages to people who connected to the wrong port. engine/conn.c asks.
 */
#ifndef COMMON_LOOKS_LIKE_H
#define COMMON_LOOKS_LIKE_H

#include "proto/buf.h"

#define LOOKS_LIKE_BYTES 16 /* as many are enough */

/* "TLS", "HTTP", "SSH", "a PROXY header"; static. NULL: none that is known. */
const char *looks_like(struct bnet_slice first);

#endif
