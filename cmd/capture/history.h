/* SPDX-License-Identifier: MIT */
/*
 * history - the last bytes of a direction that were passed on, so that a
 * retransmission that differs from them is noticed.
 *
 * A ring of HISTORY_BYTES, made with the first byte; where all rings together
 * would be over their budget a direction goes without.
 */
#ifndef CAPTURE_HISTORY_H
#define CAPTURE_HISTORY_H

#include "proto/buf.h"

#include <stddef.h>
#include <stdint.h>

#define HISTORY_BYTES 16384 /* a power of two */

struct history_budget {
	size_t used_bytes, max_bytes;
};

struct history {
	uint8_t *ring; /* HISTORY_BYTES, by sequence number; NULL: none */
	uint32_t n; /* valid bytes before the next sequence number */
};

/* `data` was passed on; `seq` is that of its first byte. */
void history_add(struct history *history, struct history_budget *budget,
    uint32_t seq, struct bnet_slice data);

/*
 * How many bytes of `data`, sent again from `seq` on and all of it before
 * next_seq, differ from what is remembered.
 */
uint64_t history_differs(const struct history *history, uint32_t next_seq,
    uint32_t seq, struct bnet_slice data);

/* Bytes are missing before what comes next. */
void history_break(struct history *history);

void history_free(struct history *history, struct history_budget *budget);

#endif
