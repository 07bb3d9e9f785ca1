/* SPDX-License-Identifier: MIT */
#include "cmd/common/object_json.h"

#include <stdlib.h>

#define NODE_WORK 8 /* the least that a value costs */
#define LONG_WORK 16 /* bytes of a long number that cost one byte more each */

struct writer {
	struct outbuf *out;
	uint64_t left; /* of the work; 0: nothing more is written */
	unsigned depth;
};

static void put(struct writer *w, const struct bnet_node *node);

/* ---- bounds ---- */

/* Takes it from what is left; false if that is not enough. */
static inline bool
pay(struct writer *w, uint64_t work)
{
	if (w->left <= work) {
		w->left = 0;
		return false;
	}
	w->left -= work;
	return true;
}

static void
put_cut(struct writer *w, const char *why, size_t n)
{
	OUT_LIT(w->out, "{\"cut\":");
	out_json(w->out, why, n);
	OUT_LIT(w->out, "}");
}

/* Goes a level down; false, with a cut written, where that is too deep. */
static bool
enter(struct writer *w, unsigned levels)
{
	static const char why[] = "too deep";

	if (w->depth + levels > OBJECT_JSON_DEPTH_MAX) {
		put_cut(w, why, sizeof(why) - 1);
		return false;
	}
	w->depth += levels;
	return true;
}

/* ---- values ---- */

static void
put_hex(struct writer *w, const struct bnet_node *node)
{
	if (node->type == BNET_NODE_PICKLE)
		OUT_LIT(w->out, "{\"pickle\":\"");
	else
		OUT_LIT(w->out, "{\"bytes\":\"");
	out_hex(w->out, node->v.p, node->n);
	OUT_LIT(w->out, "\"}");
}

static void
put_global(struct writer *w, const struct bnet_node *node)
{
	OUT_LIT(w->out, "{\"global\":");
	out_json(w->out, (const char *)node->v.p, node->n);
	OUT_LIT(w->out, "}");
}

static void
put_long(struct writer *w, const struct bnet_node *node)
{
	static const char why[] = "a number too long";
	char text[bnet_long_chars(BNET_LONG_MAX_BYTES)];

	if (node->n > BNET_LONG_MAX_BYTES) {
		put_cut(w, why, sizeof(why) - 1);
		return;
	}
	(void)pay(w, (uint64_t)node->n * (node->n / LONG_WORK));
	out_bytes(w->out, text, bnet_long_text(node, text));
}

/* Ten-thousandths, with a digit after the point at least. */
static void
put_currency(struct writer *w, int64_t v)
{
	uint64_t u = v < 0 ? UINT64_C(0) - (uint64_t)v : (uint64_t)v;
	char text[8];
	unsigned part = (unsigned)(u % 10000);
	int n = 5;

	if (v < 0)
		OUT_LIT(w->out, "-");
	out_u64(w->out, u / 10000);
	text[0] = '.';
	for (int i = 4; i > 0; i--, part /= 10)
		text[i] = (char)('0' + part % 10);
	while (n > 2 && text[n - 1] == '0')
		n--;
	out_short(w->out, text, (size_t)n);
}

/* ---- containers ---- */

/* `n` nodes that follow each other. */
static void
put_array(struct writer *w, const struct bnet_node *node, uint32_t n)
{
	if (!enter(w, 1))
		return;
	OUT_LIT(w->out, "[");
	for (uint32_t i = 0; i < n; i++) {
		if (i > 0)
			OUT_LIT(w->out, ",");
		put(w, node);
		if (w->left == 0)
			break;
		node = bnet_node_next(node);
	}
	OUT_LIT(w->out, "]");
	w->depth--;
}

/* Does it stand for something else when it is the only key? */
static bool
is_word(const struct bnet_node *key)
{
	static const char *const words[] = { "bytes", "dict", "row", "global",
		"instance", "pickle", "cut" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (bnet_node_is(key, words[i]))
			return true;
	return false;
}

/* The entries of a DICT (value, key) or of PAIRS (key, value). */
struct entries {
	const struct bnet_node *at;
	uint32_t n;
	bool value_first;
};

/* The next entry. */
static inline void
take(struct entries *e, const struct bnet_node **key,
    const struct bnet_node **value)
{
	const struct bnet_node *second = bnet_node_next(e->at);

	*key = e->value_first ? second : e->at;
	*value = e->value_first ? e->at : second;
	e->at = bnet_node_next(second);
	e->n--;
}

static bool
is_plain(struct entries e)
{
	const uint32_t n = e.n;
	const struct bnet_node *key = NULL, *value;

	while (e.n > 0) {
		take(&e, &key, &value);
		if (key->type != BNET_NODE_STR)
			return false;
	}
	return n != 1 || !is_word(key);
}

static void
put_object(struct writer *w, struct entries e)
{
	const struct bnet_node *key, *value;

	if (!enter(w, 1))
		return;
	OUT_LIT(w->out, "{");
	while (e.n > 0 && w->left > 0) {
		take(&e, &key, &value);
		(void)pay(w, key->n);
		out_json(w->out, (const char *)key->v.p, key->n);
		OUT_LIT(w->out, ":");
		put(w, value);
		if (e.n > 0 && w->left > 0)
			OUT_LIT(w->out, ",");
	}
	OUT_LIT(w->out, "}");
	w->depth--;
}

static void
put_dict(struct writer *w, struct entries e)
{
	const struct bnet_node *key, *value;

	if (!enter(w, 3))
		return;
	OUT_LIT(w->out, "{\"dict\":[");
	while (e.n > 0 && w->left > 0) {
		take(&e, &key, &value);
		OUT_LIT(w->out, "[");
		put(w, key);
		OUT_LIT(w->out, ",");
		put(w, value);
		OUT_LIT(w->out, "]");
		if (e.n > 0 && w->left > 0)
			OUT_LIT(w->out, ",");
	}
	OUT_LIT(w->out, "]}");
	w->depth -= 3;
}

static void
put_entries(struct writer *w, const struct bnet_node *node)
{
	const struct entries e = { node + 1, node->n,
		node->type == BNET_NODE_DICT };

	if (is_plain(e))
		put_object(w, e);
	else
		put_dict(w, e);
}

/* A class by its name, if it has one. */
static void
put_class(struct writer *w, const struct bnet_node *node)
{
	if (node->type == BNET_NODE_GLOBAL)
		out_json(w->out, (const char *)node->v.p, node->n);
	else
		put(w, node);
}

static void
put_parts(struct writer *w, const struct bnet_instance *instance)
{
	if (instance->n_args > 0) {
		OUT_LIT(w->out, ",\"args\":");
		put_array(w, instance->args, instance->n_args);
	}
	if (instance->state != NULL) {
		OUT_LIT(w->out, ",\"state\":");
		put(w, instance->state);
	}
	if (instance->list != NULL) {
		OUT_LIT(w->out, ",\"list\":");
		put_array(w, instance->list + 1, instance->list->n);
	}
	if (instance->dict != NULL) {
		OUT_LIT(w->out, ",\"dict\":");
		put_entries(w, instance->dict);
	}
}

static void
put_instance(struct writer *w, const struct bnet_node *node)
{
	struct bnet_instance instance;

	if (!bnet_node_instance(node, &instance)) {
		/* cut, or of a shape that says nothing */
		put_array(w, node + 1, bnet_node_children(node));
		return;
	}
	if (!enter(w, 2))
		return;
	OUT_LIT(w->out, "{\"instance\":{\"class\":");
	put_class(w, instance.class_name);
	put_parts(w, &instance);
	OUT_LIT(w->out, "}}");
	w->depth -= 2;
}

static void
put_row(struct writer *w, const struct bnet_node *node)
{
	const struct bnet_node *columns = bnet_node_columns(node + 1);
	const struct bnet_node *value = bnet_node_next(node + 1), *name;
	const struct bnet_node *column = columns != NULL ? columns + 1 : NULL;
	int64_t type;

	if (columns == NULL) {
		put_array(w, node + 1, 1 + node->n);
		return;
	}
	if (!enter(w, 2))
		return;
	OUT_LIT(w->out, "{\"row\":{");
	for (uint32_t i = 0; i < node->n && w->left > 0; i++) {
		if (!bnet_node_column(column, &name, &type))
			break;
		if (i > 0)
			OUT_LIT(w->out, ",");
		(void)pay(w, name->n);
		out_json(w->out, (const char *)name->v.p, name->n);
		OUT_LIT(w->out, ":");
		put(w, value);
		value = bnet_node_next(value);
		column = bnet_node_next(column);
	}
	OUT_LIT(w->out, "}}");
	w->depth -= 2;
}

/* ---- any of them ---- */

static void
put_target(struct writer *w, const struct bnet_node *node)
{
	static const char why[] = "a circle of references";
	const struct bnet_node *target = bnet_node_target(node);

	if (target != NULL)
		put(w, target);
	else
		put_cut(w, why, sizeof(why) - 1);
}

static void
put_container(struct writer *w, const struct bnet_node *node)
{
	switch (node->type) {
	case BNET_NODE_TUPLE:
	case BNET_NODE_LIST:
		put_array(w, node + 1, node->n);
		break;
	case BNET_NODE_DICT:
	case BNET_NODE_PAIRS:
		put_entries(w, node);
		break;
	case BNET_NODE_ROW:
		put_row(w, node);
		break;
	case BNET_NODE_INSTANCE:
	case BNET_NODE_REDUCE:
	case BNET_NODE_NEWOBJ:
		put_instance(w, node);
		break;
	default:
		put_target(w, node);
	}
}

static void
put_rare(struct writer *w, const struct bnet_node *node)
{
	switch (node->type) {
	case BNET_NODE_UINT:
		out_u64(w->out, node->v.u);
		break;
	case BNET_NODE_LONG:
		put_long(w, node);
		break;
	case BNET_NODE_CURRENCY:
		put_currency(w, node->v.i);
		break;
	case BNET_NODE_GLOBAL:
		put_global(w, node);
		break;
	case BNET_NODE_PICKLE:
	case BNET_NODE_BYTES:
		put_hex(w, node);
		break;
	case BNET_NODE_REF:
		put_target(w, node);
		break;
	case BNET_NODE_CUT:
		put_cut(w, (const char *)node->v.p, node->n);
		break;
	default:
		put_container(w, node);
	}
}

static void
put(struct writer *w, const struct bnet_node *node)
{
	static const char why[] = "too long";
	uint32_t n_bytes = node->type >= BNET_NODE_LONG &&
		node->type <= BNET_NODE_PICKLE && node->type != BNET_NODE_FLOAT
	    ? node->n
	    : 0;

	if (!pay(w, NODE_WORK + n_bytes)) {
		put_cut(w, why, sizeof(why) - 1);
		return;
	}
	switch (node->type) {
	case BNET_NODE_NONE:
		OUT_LIT(w->out, "null");
		break;
	case BNET_NODE_BOOL:
		if (node->v.i != 0)
			OUT_LIT(w->out, "true");
		else
			OUT_LIT(w->out, "false");
		break;
	case BNET_NODE_INT:
		out_i64(w->out, node->v.i);
		break;
	case BNET_NODE_FLOAT:
		out_f64(w->out, node->v.d);
		break;
	case BNET_NODE_STR:
		out_json(w->out, (const char *)node->v.p, node->n);
		break;
	default:
		put_rare(w, node);
	}
}

void
object_json(struct outbuf *out, const struct bnet_node *node, uint64_t work_max)
{
	struct writer w = { out, work_max, 0 };

	put(&w, node);
}

void
object_json_list(struct outbuf *out, const struct bnet_node *node, uint32_t n,
    uint64_t work_max)
{
	struct writer w = { out, work_max, 0 };

	put_array(&w, node, n);
}
