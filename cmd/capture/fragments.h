/* SPDX-License-Identifier: MIT */
/*
 * fragments - IP fragments made whole again.
 *
 * At most FRAGMENTS_MAX datagrams wait at a time; a further one takes the
 * place of the oldest. Where fragments overlap, what came first stands.
 */
#ifndef CAPTURE_FRAGMENTS_H
#define CAPTURE_FRAGMENTS_H

#include "cmd/capture/layers.h"
#include "proto/err.h"

#define FRAGMENTS_MAX 256

struct cap_fragments;

/* Returns NULL when out of memory. */
struct cap_fragments *cap_fragments_new(void);
void cap_fragments_free(struct cap_fragments *frags);

/*
 * One fragment. *evicted_bytes: what was held of a datagram that had to go.
 *	BNET_OK		`ip` is now the whole datagram, its data borrowed
 *			until the next call
 *	BNET_MORE	held
 *	BNET_ELIMIT	it reaches beyond 64 KiB or the datagram's end, or was
 *			not captured whole
 *	BNET_ENOMEM
 */
BNET_MUST enum bnet_err cap_fragments_add(struct cap_fragments *frags,
    struct cap_ip *ip, int64_t time_ns, size_t *evicted_bytes);

#endif
