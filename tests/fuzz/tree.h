/* SPDX-License-Identifier: MIT */
/* What holds for every tree that is read, whatever the bytes. */
#ifndef TESTS_FUZZ_TREE_H
#define TESTS_FUZZ_TREE_H

#include "cmd/common/object_json.h"
#include "proto/marshal.h"

#include "tests/fuzz/fuzz.h"

#include <jansson.h>

#define TREE_WORK ((uint64_t)40000)

/* Spans and children fit, references lead back. */
static inline void
tree_check(const struct bnet_object *o)
{
	const struct bnet_node *end = o->root + o->n_nodes, *child;

	MUST_HOLD(bnet_node_next(o->root) == end);
	for (const struct bnet_node *at = o->root; at < end; at++) {
		MUST_HOLD(at->type < BNET_N_NODES);
		if (at->type == BNET_NODE_REF)
			MUST_HOLD(at->v.back >= 1 &&
			    at->v.back <= (size_t)(at - o->root));
		if (!bnet_node_is_container(at))
			continue;
		child = at + 1;
		for (uint32_t i = bnet_node_children(at); i > 0; i--)
			child = bnet_node_next(child);
		MUST_HOLD(child == bnet_node_next(at) && child <= end);
	}
}

/* Its JSON is JSON, and no longer than it may be. */
static inline const char *
tree_json(const struct bnet_node *node)
{
	static struct outbuf out;
	json_t *value;

	out_init(&out, -1, false);
	object_json(&out, node, TREE_WORK);
	MUST_HOLD(out.n < OUTBUF_BYTES && out.error == 0);
	out.p[out.n] = '\0';
	value = json_loadb(out.p, out.n,
	    JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
	json_decref(value);
	return out.p;
}

#endif
