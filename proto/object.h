/* SPDX-License-Identifier: MIT */
/*
 * bnet_object - a tree of values, as marshal streams hold them
 * (bluenet-marshal.5).
 *
 *	| node | node | node ...	one array, a parent before its children
 *
 * A container is followed by its children, the subtree of each complete; so a
 * walk is bnet_node_next() from child to child. Positions are relative: a node
 * and what it reaches belong to the array that they stand in. bnet_marshal
 * makes it, and the writer takes it. Nothing here is ever executed: a global,
 * an instance or a pickle is a name, values or bytes.
 */
#ifndef BNET_OBJECT_H
#define BNET_OBJECT_H

#include "buf.h"
#include "message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum bnet_node_type {
	BNET_NODE_NONE = 0,
	BNET_NODE_BOOL, /* v.i */
	BNET_NODE_INT, /* v.i; n: where its opcode is in its stream; or 0 */
	BNET_NODE_UINT, /* v.u: above INT64_MAX (columns of rows) */
	BNET_NODE_LONG, /* n bytes at v.p: two's complement, little-endian */
	BNET_NODE_FLOAT, /* v.d */
	BNET_NODE_CURRENCY, /* v.i: ten-thousandths (columns of rows) */
	BNET_NODE_STR, /* n bytes at v.p: UTF-8, unless the peer lied */
	BNET_NODE_BYTES, /* n bytes at v.p */
	BNET_NODE_GLOBAL, /* n bytes at v.p: "module.name" */
	BNET_NODE_PICKLE, /* n bytes at v.p: never loaded */
	BNET_NODE_REF, /* v.back: see bnet_node_target() */
	BNET_NODE_CUT, /* reading ended here: n bytes at v.p say why */
	/* containers of n children, in v.span nodes including this one */
	BNET_NODE_TUPLE,
	BNET_NODE_LIST,
	BNET_NODE_DICT, /* 2n children: a VALUE, its KEY, ... */
	BNET_NODE_PAIRS, /* 2n children: a KEY, its value, ... */
	BNET_NODE_INSTANCE, /* name, state */
	BNET_NODE_REDUCE, /* tuple, LIST, PAIRS; fewer when cut */
	BNET_NODE_NEWOBJ, /* the same */
	BNET_NODE_ROW, /* 1 + n: the descriptor, then a value a column */
	BNET_NODE_STREAM, /* what a substream holds */
	BNET_NODE_CALLBACK, /* what is handed to one */
	BNET_N_NODES
};

#define BNET_NODE_SHARED 1 /* flag: entered in the table of shared objects */
#define BNET_NODE_CIRCLE 2 /* flag of a REF: to what it is inside of */

struct bnet_node {
	uint8_t type; /* enum bnet_node_type */
	uint8_t flags; /* BNET_NODE_SHARED, BNET_NODE_CIRCLE */
	uint32_t n; /* bytes, children or entries; of an INT see there */
	union {
		int64_t i;
		uint64_t u;
		double d;
		const uint8_t *p; /* borrowed from the stream or its reader */
		uint32_t span;
		uint32_t back; /* how many nodes before this one */
	} v;
};

static inline bool
bnet_node_is_container(const struct bnet_node *node)
{
	return node->type >= BNET_NODE_TUPLE;
}

/* The first child; of a container that has children. */
static inline const struct bnet_node *
bnet_node_child(const struct bnet_node *node)
{
	return node + 1;
}

/* What follows the node and all that is in it. */
static inline const struct bnet_node *
bnet_node_next(const struct bnet_node *node)
{
	return node + (bnet_node_is_container(node) ? node->v.span : 1);
}

/* The number of children. */
static inline uint32_t
bnet_node_children(const struct bnet_node *node)
{
	switch (node->type) {
	case BNET_NODE_DICT:
	case BNET_NODE_PAIRS:
		return 2 * node->n;
	case BNET_NODE_ROW:
		return 1 + node->n;
	default:
		return bnet_node_is_container(node) ? node->n : 0;
	}
}

/*
 * The node itself; what a reference refers to, what is in a substream and
 * what a callback gets. NULL where a reference goes in a circle.
 */
const struct bnet_node *bnet_node_target(const struct bnet_node *node);

/*
 * Child `i` of a tuple or list (or of a REF or STREAM of one), with target;
 * NULL if there is none.
 */
const struct bnet_node *
bnet_node_item(const struct bnet_node *node, uint32_t i);

/* The value of a string key of a dict or of pairs, with target; NULL: none. */
const struct bnet_node *
bnet_node_get(const struct bnet_node *node, const char *key);

/*
 * As bnet_node_get(); or the value of a row's column; or the "class", "state",
 * "list" or "dict" of an instance. NULL: none.
 */
const struct bnet_node *
bnet_node_part(const struct bnet_node *node, const char *name);

/* Is it a string (or a global) that reads `text`? */
bool bnet_node_is(const struct bnet_node *node, const char *text);

/* The integer of a BOOL or INT; false for anything else, and NULL. */
bool bnet_node_i64(const struct bnet_node *node, int64_t *value);

/* The parts of an INSTANCE, REDUCE or NEWOBJ; NULL: it has none. */
struct bnet_instance {
	const struct bnet_node *class_name; /* GLOBAL, STR or anything */
	const struct bnet_node *args; /* n_args, one after the other */
	uint32_t n_args;
	const struct bnet_node *state;
	const struct bnet_node *list; /* LIST of items, at least one */
	const struct bnet_node *dict; /* PAIRS, at least one */
};

/* False: `node` is nothing of the kind, or no parts can be told. */
bool bnet_node_instance(
    const struct bnet_node *node, struct bnet_instance *instance);

/*
 * The columns of a row's descriptor: a tuple or list of (name, type). NULL:
 * it is no descriptor.
 */
const struct bnet_node *bnet_node_columns(const struct bnet_node *descriptor);

/* The name and the OLE DB type of one of them; false if it has none. */
bool bnet_node_column(const struct bnet_node *column,
    const struct bnet_node **name, int64_t *type);

/*
 * The digits of a LONG of at most BNET_LONG_MAX_BYTES, as text with a sign.
 * `text` has room for bnet_long_chars(n). Returns the number of characters.
 */
#define BNET_LONG_MAX_BYTES 1024
#define bnet_long_chars(n_bytes) ((size_t)(n_bytes)*5 / 2 + 12)
size_t bnet_long_text(const struct bnet_node *node, char *text);

#ifdef __cplusplus
}
#endif

#endif
