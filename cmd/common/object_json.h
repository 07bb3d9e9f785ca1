/* SPDX-License-Identifier: MIT */
/*
 * object_json - a tree of proto/object as JSON (bluenet-decode(1), PAYLOADS).
 * Called for each frame with --payload object.
 */
#ifndef COMMON_OBJECT_JSON_H
#define COMMON_OBJECT_JSON_H

#include "cmd/common/outbuf.h"
#include "proto/object.h"

#define OBJECT_JSON_DEPTH_MAX 240 /* of nested JSON: jq reads 256 */
#define OBJECT_JSON_WORK_MAX (UINT64_C(256) << 20) /* the default */

/*
 * Writes the node, and what its references refer to. `work_max` bounds the
 * bytes that come of it, roughly: what is beyond, or too deep, or in a circle,
 * is {"cut":"why"}.
 */
void object_json(
    struct outbuf *out, const struct bnet_node *node, uint64_t work_max);

#endif
