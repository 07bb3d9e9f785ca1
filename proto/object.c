/* SPDX-License-Identifier: MIT */
#include "object.h"

#include <string.h>

const struct bnet_node *
bnet_node_target(const struct bnet_node *node)
{
	for (;;) {
		switch (node->type) {
		case BNET_NODE_REF:
			if (node->flags & BNET_NODE_CIRCLE)
				return NULL;
			node -= node->v.back;
			break;
		case BNET_NODE_STREAM:
		case BNET_NODE_CALLBACK:
			if (node->n == 0)
				return NULL;
			node++;
			break;
		default:
			return node;
		}
	}
}

/* Child `i` of a tuple or list, as it stands there; or NULL. */
static const struct bnet_node *
child_at(const struct bnet_node *node, uint32_t i)
{
	node = node != NULL ? bnet_node_target(node) : NULL;
	if (node == NULL || i >= node->n ||
	    (node->type != BNET_NODE_TUPLE && node->type != BNET_NODE_LIST))
		return NULL;
	for (node++; i > 0; i--)
		node = bnet_node_next(node);
	return node;
}

const struct bnet_node *
bnet_node_item(const struct bnet_node *node, uint32_t i)
{
	node = child_at(node, i);
	return node != NULL ? bnet_node_target(node) : NULL;
}

bool
bnet_node_is(const struct bnet_node *node, const char *text)
{
	return node != NULL &&
	    (node->type == BNET_NODE_STR || node->type == BNET_NODE_GLOBAL) &&
	    node->n == strlen(text) && memcmp(node->v.p, text, node->n) == 0;
}

const struct bnet_node *
bnet_node_get(const struct bnet_node *node, const char *key)
{
	const struct bnet_node *first, *second;
	bool value_first;

	node = node != NULL ? bnet_node_target(node) : NULL;
	if (node == NULL ||
	    (node->type != BNET_NODE_DICT && node->type != BNET_NODE_PAIRS))
		return NULL;
	value_first = node->type == BNET_NODE_DICT;
	first = node + 1;
	for (uint32_t i = 0; i < node->n; i++) {
		second = bnet_node_next(first);
		if (bnet_node_is(value_first ? second : first, key))
			return bnet_node_target(value_first ? first : second);
		first = bnet_node_next(second);
	}
	return NULL;
}

bool
bnet_node_i64(const struct bnet_node *node, int64_t *value)
{
	if (node == NULL ||
	    (node->type != BNET_NODE_INT && node->type != BNET_NODE_BOOL))
		return false;
	*value = node->v.i;
	return true;
}

/* ---- instances ---- */

/* (class, args[, state]) of a reduce, (args[, state]) of a newobj. */
static bool
parts_of(const struct bnet_node *node, struct bnet_instance *to)
{
	const struct bnet_node *tuple = bnet_node_target(node + 1), *args;
	bool reduce = node->type == BNET_NODE_REDUCE;

	args = bnet_node_item(tuple, reduce ? 1 : 0);
	to->class_name =
	    reduce ? bnet_node_item(tuple, 0) : bnet_node_item(args, 0);
	to->state = child_at(tuple, reduce ? 2 : 1);
	if (to->class_name == NULL)
		return false;
	if (args == NULL || args->type != BNET_NODE_TUPLE)
		return true;
	to->args = reduce || args->n == 0 ? args + 1 : bnet_node_next(args + 1);
	to->n_args = reduce || args->n == 0 ? args->n : args->n - 1;
	return true;
}

bool
bnet_node_instance(const struct bnet_node *node, struct bnet_instance *to)
{
	const struct bnet_node *part;

	*to = (struct bnet_instance){ .n_args = 0 };
	if (node->n == 0)
		return false;
	if (node->type == BNET_NODE_INSTANCE) {
		to->class_name = bnet_node_target(node + 1);
		if (node->n > 1)
			to->state = bnet_node_next(node + 1);
		return to->class_name != NULL;
	}
	if ((node->type != BNET_NODE_REDUCE &&
		node->type != BNET_NODE_NEWOBJ) ||
	    !parts_of(node, to))
		return false;
	part = node + 1;
	for (uint32_t i = 1; i < node->n; i++) {
		part = bnet_node_next(part);
		if (part->n > 0 && part->type == BNET_NODE_LIST)
			to->list = part;
		else if (part->n > 0 && part->type == BNET_NODE_PAIRS)
			to->dict = part;
	}
	return true;
}

/* ---- rows ---- */

const struct bnet_node *
bnet_node_columns(const struct bnet_node *descriptor)
{
	const struct bnet_node *columns;
	struct bnet_instance instance;

	descriptor = bnet_node_target(descriptor);
	if (descriptor == NULL || !bnet_node_instance(descriptor, &instance) ||
	    instance.n_args == 0)
		return NULL;
	columns = bnet_node_target(instance.args);
	if (columns == NULL ||
	    (columns->type != BNET_NODE_TUPLE &&
		columns->type != BNET_NODE_LIST))
		return NULL;
	return columns;
}

bool
bnet_node_column(const struct bnet_node *column, const struct bnet_node **name,
    int64_t *type)
{
	*name = bnet_node_item(column, 0);
	return *name != NULL && (*name)->type == BNET_NODE_STR &&
	    bnet_node_i64(bnet_node_item(column, 1), type);
}

/* ---- by name ---- */

static const struct bnet_node *
row_part(const struct bnet_node *row, const char *name)
{
	const struct bnet_node *columns = bnet_node_columns(row + 1);
	const struct bnet_node *value = bnet_node_next(row + 1), *column;
	const struct bnet_node *column_name;
	int64_t type;

	if (columns == NULL)
		return NULL;
	column = columns + 1;
	for (uint32_t i = 0; i < row->n && i < columns->n; i++) {
		if (bnet_node_column(column, &column_name, &type) &&
		    bnet_node_is(column_name, name))
			return bnet_node_target(value);
		value = bnet_node_next(value);
		column = bnet_node_next(column);
	}
	return NULL;
}

const struct bnet_node *
bnet_node_part(const struct bnet_node *node, const char *name)
{
	const struct bnet_node *part = NULL;
	struct bnet_instance instance;

	node = node != NULL ? bnet_node_target(node) : NULL;
	if (node == NULL)
		return NULL;
	if (node->type == BNET_NODE_ROW)
		return row_part(node, name);
	if (!bnet_node_is_container(node) ||
	    !bnet_node_instance(node, &instance))
		return bnet_node_get(node, name);
	if (strcmp(name, "state") == 0)
		part = instance.state;
	else if (strcmp(name, "class") == 0)
		part = instance.class_name;
	else if (strcmp(name, "list") == 0)
		part = instance.list;
	else if (strcmp(name, "dict") == 0)
		part = instance.dict;
	return part != NULL ? bnet_node_target(part) : NULL;
}

/* ---- long integers ---- */

#define LIMB_BYTES 4
#define LIMB_DIGITS 9
#define LIMB_TEN UINT32_C(1000000000)

/* The magnitude in limbs of 32 bits, lowest first. Returns whether below 0. */
static bool
magnitude(const struct bnet_node *node, uint32_t *limbs, uint32_t *n_limbs)
{
	bool negative = node->n > 0 && (node->v.p[node->n - 1] & 0x80) != 0;
	uint64_t carry = negative;

	*n_limbs = (node->n + LIMB_BYTES - 1) / LIMB_BYTES;
	for (uint32_t i = 0; i < *n_limbs; i++) {
		uint32_t limb = negative ? UINT32_MAX : 0;

		for (uint32_t k = 0; k < LIMB_BYTES; k++) {
			uint32_t at = i * LIMB_BYTES + k;

			if (at >= node->n)
				break;
			limb &= ~(UINT32_C(0xff) << (8 * k));
			limb |= (uint32_t)node->v.p[at] << (8 * k);
		}
		carry += negative ? ~limb : limb;
		limbs[i] = (uint32_t)carry;
		carry >>= 32;
	}
	/* -2^(32k) has no room for its magnitude in k limbs */
	if (carry != 0)
		limbs[(*n_limbs)++] = 1;
	return negative;
}

/* Divide by 10^9; the remainder. */
static uint32_t
divide(uint32_t *limbs, uint32_t *n_limbs)
{
	uint64_t rest = 0;

	for (uint32_t i = *n_limbs; i-- > 0;) {
		rest = rest << 32 | limbs[i];
		limbs[i] = (uint32_t)(rest / LIMB_TEN);
		rest %= LIMB_TEN;
	}
	while (*n_limbs > 0 && limbs[*n_limbs - 1] == 0)
		(*n_limbs)--;
	return (uint32_t)rest;
}

size_t
bnet_long_text(const struct bnet_node *node, char *text)
{
	uint32_t limbs[BNET_LONG_MAX_BYTES / LIMB_BYTES + 1], n_limbs, part;
	bool negative = magnitude(node, limbs, &n_limbs);
	size_t n = 0;

	do {
		part = divide(limbs, &n_limbs);
		for (int k = 0; k < LIMB_DIGITS; k++, part /= 10)
			text[n++] = (char)('0' + part % 10);
	} while (n_limbs > 0);
	while (n > 1 && text[n - 1] == '0')
		n--;
	if (negative)
		text[n++] = '-';
	for (size_t i = 0; i < n / 2; i++) {
		char c = text[i];

		text[i] = text[n - 1 - i];
		text[n - 1 - i] = c;
	}
	return n;
}
