/* SPDX-License-Identifier: MIT */
/* link_order - the byte order of a stream, for link.c; not installed. */
#ifndef BNET_LINK_ORDER_IMPL_H
#define BNET_LINK_ORDER_IMPL_H

#include "buf.h"
#include "err.h"
#include "frame.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Like bnet_frame_detect(). If both orders are possible, choose the one in
 * which the out-of-band bytes are exactly a header, if only one does that.
 *	BNET_OK		*order is LITTLE, NETWORK or AUTO, as there
 *	BNET_MORE	`in` is too short to decide; *need_bytes is the length
 *			to wait for. Both readings have a frame of at least
 *			that length, so waiting stalls nobody.
 *	else		neither order is possible
 * More bytes after `in` do not change an answer other than BNET_MORE.
 */
BNET_MUST enum bnet_err bnet_link_find_order(struct bnet_slice in,
    uint32_t frame_max_bytes, enum bnet_order *order, size_t *need_bytes);

#endif
