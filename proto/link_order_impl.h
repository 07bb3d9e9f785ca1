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
 * bnet_frame_detect(), and where that says both: the order under which the
 * out-of-band bytes are a header with nothing behind it, if only one does.
 *	BNET_OK		*order is LITTLE, NETWORK or AUTO, as there
 *	BNET_MORE	`in` is too short to tell; *need_bytes is how long it
 *			has to be. Both readings have a frame of that length
 *			at least, so waiting stalls nobody.
 *	else		neither order does
 * The answer to `in` is the answer to all that starts with it.
 */
BNET_MUST enum bnet_err bnet_link_find_order(struct bnet_slice in,
    uint32_t frame_max_bytes, enum bnet_order *order, size_t *need_bytes);

#endif
