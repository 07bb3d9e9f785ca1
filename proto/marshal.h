/* SPDX-License-Identifier: MIT */
/*
 * bnet_marshal - read a marshal stream into a tree (bluenet-marshal.5).
 *
 *	v0	7e, u32 n, object, n x i32 map
 *	v1	7d 01, object
 *	78 ..	a zlib stream of one of them
 *
 * Memory in, a bounded tree out: one array that is used again for the next
 * stream, so nothing is allocated per value. Nothing is ever executed, and
 * references are kept as such: who expands them bounds what comes out, and
 * none of them leads into a circle that is not marked. Depth, values and
 * inflated bytes have ceilings; time is linear in the input and the values.
 */
#ifndef BNET_MARSHAL_H
#define BNET_MARSHAL_H

#include "buf.h"
#include "err.h"
#include "object.h"
#include "strings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BNET_MARSHAL_DEPTH_MAX 1000 /* the ceiling, and the default */
#define BNET_MARSHAL_STREAMS_MAX 16 /* depth of streams in streams */

/* A member that is 0 or NULL takes its default. */
struct bnet_marshal_settings {
	size_t struct_bytes; /* sizeof; 0: the members of version 0.1 */
	const struct bnet_strings *strings; /* the published table; borrowed */
	uint32_t depth_max; /* BNET_MARSHAL_DEPTH_MAX */
	uint32_t nodes_max; /* 4,194,304; 16 bytes each */
	uint32_t inflated_max_bytes; /* BNET_PAYLOAD_MAX_BYTES */
};

/* What was read; borrowed until the reader's next use. */
struct bnet_object {
	const struct bnet_node *root; /* NULL: nothing was read */
	uint32_t n_nodes; /* of the array that starts at root */
	uint32_t version; /* 0 or 1 */
	bool has_checksum; /* which is right, if the result is BNET_OK */
	const char *reason; /* what is wrong; "" if nothing; static */
	size_t at_byte; /* and where, in the stream that holds it */
};

struct bnet_marshal;

/*
 * `set` may be NULL. Returns NULL when out of memory, or if a member is set
 * that this version does not know.
 */
struct bnet_marshal *bnet_marshal_new(const struct bnet_marshal_settings *set);
void bnet_marshal_free(struct bnet_marshal *m); /* NULL is allowed */

/*
 * Does it begin as a stream does? Cheap; false for nearly all other bytes.
 */
bool bnet_marshal_is(struct bnet_slice in);

/*
 * Read the stream at the start of `in`, which must outlive *object.
 *	BNET_OK		all of it
 *	BNET_ECUT	it ends early
 *	BNET_EMARSHAL	it is none, or malformed
 *	BNET_ELIMIT	a ceiling of the settings was reached
 *	BNET_ENOMEM	root is NULL
 * Where root is not NULL, the tree is whole, and a BNET_NODE_CUT stands where
 * reading ended.
 */
BNET_MUST enum bnet_err bnet_marshal_read(
    struct bnet_marshal *m, struct bnet_slice in, struct bnet_object *object);

#ifdef __cplusplus
}
#endif

#endif
