/* SPDX-License-Identifier: MIT */
/*
 * bnet_header - the out-of-band header of BlueNet (bluenet-wire.5, HEADER).
 *
 *	source dest_type dest key forks serial latency priority timestamp
 *	then `forks` client ids
 *
 * bit-packed, usually 8 to 20 bytes. Fork ids are read one by one from the
 * borrowed bytes: no claim of a peer causes an allocation.
 */
#ifndef BNET_HEADER_H
#define BNET_HEADER_H

#include "bits.h"
#include "buf.h"
#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum bnet_dest_type {
	BNET_DEST_HOP = 0, /* whoever reads it next */
	BNET_DEST_NODE = 1,
	BNET_DEST_CLIENT = 2,
	BNET_DEST_BROADCAST = 4,
	BNET_DEST_ANY = 8,
};

#define BNET_TIMESTAMP_PING_BACK (UINT64_C(1) << 63)

#define BNET_KEY_PONG (-1807880710) /* BlueNet::pong */

struct bnet_header {
	int64_t source; /* node or client id of the sender */
	int64_t dest_type; /* enum bnet_dest_type, or an unknown value */
	int64_t dest; /* id in that space */
	int32_t key; /* bnet_key() of the application's name */
	uint32_t forks; /* number of client ids after the header */
	uint32_t serial;
	uint32_t latency_ms; /* over the hops so far */
	bool priority;
	uint64_t timestamp; /* non-zero: ping; BNET_TIMESTAMP_PING_BACK */
};

/*
 * Decode the header at the start of `oob`. If `forks` is not NULL it is set to
 * read the fork ids from `oob` (borrowed) with header->forks calls of
 * bnet_bits_u64(); all of them are there. *trailing_bytes is the number of
 * whole bytes after the header.
 *	BNET_OK
 *	BNET_EHEADER	it ends before its last field or fork id, or a field
 *			does not fit its type; *header is unspecified
 */
BNET_MUST enum bnet_err
bnet_header_decode(struct bnet_slice oob, struct bnet_header *header,
    struct bnet_bits_rd *forks, size_t *trailing_bytes);

/*
 * Append the header and header->forks ids of `fork_ids` (NULL if forks is 0)
 * to `out`.
 *	BNET_OK, BNET_ELIMIT, BNET_ENOMEM; on error `out` may hold a part
 */
BNET_MUST enum bnet_err bnet_header_encode(const struct bnet_header *header,
    const uint64_t *fork_ids, struct bnet_buf *out);

/*
 * The key of an application's name: FNV-1a-32 over its bytes and its
 * terminating NUL, as signed. The empty name is 0, "no key".
 */
int32_t bnet_key(const char *name);

#ifdef __cplusplus
}
#endif

#endif
