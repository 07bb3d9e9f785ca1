/* SPDX-License-Identifier: MIT */
#include "cmd/replay/play/object_diff.h"

#include "cmd/common/object_json.h"
#include "proto/header.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORK_MAX (1 << 20) /* values that are looked at */
#define DEPTH_MAX 1000
#define VALUE_WORK 256 /* of a value that is shown */
#define IDS_MAX 4 /* in the addresses of a packet */

struct object_diff {
	struct payload_reader *captured, *received;
	struct outbuf text; /* one value */
};

/* An id in the received packet, and what it was in the capture. */
struct mapped {
	const struct bnet_node *node;
	int64_t captured;
};

struct walk {
	struct object_diff *diff;
	const struct object_sides *sides;
	struct object_found *found; /* NULL: stop at the first */
	const struct bnet_node *roots[2];
	struct mapped ids[IDS_MAX];
	size_t n_ids;
	uint64_t n; /* differences */
	uint32_t work, depth;
	bool unknown; /* a bound was reached */
	char path[OBJECT_PATH_CHARS];
	size_t n_path; /* may be beyond the path that is kept */
};

static void
compare(struct walk *w, const struct bnet_node *a, const struct bnet_node *b);

struct object_diff *
object_diff_new(void)
{
	struct object_diff *diff = calloc(1, sizeof(*diff));

	if (diff == NULL)
		return NULL;
	diff->captured = payload_reader_new(false);
	diff->received = payload_reader_new(false);
	if (diff->captured != NULL && diff->received != NULL)
		return diff;
	object_diff_free(diff);
	return NULL;
}

void
object_diff_free(struct object_diff *diff)
{
	if (diff == NULL)
		return;
	payload_reader_free(diff->captured);
	payload_reader_free(diff->received);
	free(diff);
}

bool
object_diff_may_be(int32_t key, struct bnet_slice payload)
{
	return key == BNET_KEY_BATCH || bnet_marshal_is(payload);
}

/* ---- paths ---- */

static void
push(struct walk *w, const char *text, size_t n)
{
	if (w->n_path + n < sizeof(w->path))
		memcpy(w->path + w->n_path, text, n);
	w->n_path += n;
}

static void
push_index(struct walk *w, uint32_t i)
{
	char text[16];

	push(w, text, (size_t)snprintf(text, sizeof(text), "[%u]", i));
}

/* What would end a name, or part a list of them, is shown as ?. */
static void
push_name(struct walk *w, const char *name, size_t n)
{
	static const char special[] = ".,[]{}*?";

	push(w, ".", 1);
	for (size_t i = 0; i < n; i++) {
		bool plain = name[i] > ' ' && name[i] <= '~' &&
		    strchr(special, name[i]) == NULL;

		push(w, plain ? &name[i] : "?", 1);
	}
}

static void
push_key(struct walk *w, const struct bnet_node *key)
{
	char text[32];

	key = bnet_node_target(key);
	if (key != NULL &&
	    (key->type == BNET_NODE_STR || key->type == BNET_NODE_GLOBAL))
		push_name(w, (const char *)key->v.p, key->n);
	else if (key != NULL && key->type == BNET_NODE_INT)
		push(w, text,
		    (size_t)snprintf(
			text, sizeof(text), "{%lld}", (long long)key->v.i));
	else
		push(w, "{?}", 3);
}

static bool
is_masked(const struct walk *w)
{
	return w->sides->masked != NULL && w->n_path < sizeof(w->path) &&
	    w->sides->masked(w->sides->masked_arg, w->path, w->n_path);
}

/* ---- what is found ---- */

static void
show(struct walk *w, const struct bnet_node *node, char *to)
{
	struct outbuf *text = &w->diff->text;
	size_t n = OBJECT_VALUE_CHARS - 1;

	to[0] = '\0';
	if (node == NULL)
		return;
	out_init(text, -1, false);
	object_json(text, node, VALUE_WORK);
	if (text->n <= n) {
		n = text->n;
		memcpy(to, text->p, n);
	} else {
		memcpy(to, text->p, n - 3);
		memcpy(to + n - 3, "...", 3);
	}
	to[n] = '\0';
	/* JSON escapes what is below a blank; the rest may be cut UTF-8 */
	for (char *p = to; *p != '\0'; p++)
		if ((unsigned char)*p > '~')
			*p = '?';
}

/* One of the two may be missing: NULL. */
static void
note(struct walk *w, const struct bnet_node *a, const struct bnet_node *b)
{
	struct object_place *place;
	size_t n =
	    w->n_path < sizeof(w->path) ? w->n_path : sizeof(w->path) - 1;

	w->n++;
	if (w->found == NULL || w->n > OBJECT_DIFF_SHOWN)
		return;
	place = &w->found->at[w->n - 1];
	memcpy(place->path, w->path, n);
	place->path[n] = '\0';
	show(w, a, place->captured);
	show(w, b, place->received);
}

static void
note_part(struct walk *w, const struct bnet_node *a, const struct bnet_node *b)
{
	if (!is_masked(w))
		note(w, a, b);
}

/* Nothing more has to be found out. */
static bool
is_over(const struct walk *w)
{
	return w->unknown || (w->found == NULL && w->n > 0);
}

/* ---- sequences, dicts, instances, rows ---- */

static void
compare_sequence(struct walk *w, const struct bnet_node *a, uint32_t n_a,
    const struct bnet_node *b, uint32_t n_b)
{
	const size_t mark = w->n_path;

	for (uint32_t i = 0; (i < n_a || i < n_b) && !is_over(w); i++) {
		push_index(w, i);
		if (i < n_a && i < n_b)
			compare(w, a, b);
		else
			note_part(w, i < n_a ? a : NULL, i < n_b ? b : NULL);
		w->n_path = mark;
		a = i < n_a ? bnet_node_next(a) : a;
		b = i < n_b ? bnet_node_next(b) : b;
	}
}

/* Are they equal, whatever is masked? */
static bool
is_same(struct walk *w, const struct bnet_node *a, const struct bnet_node *b)
{
	struct object_sides sides = *w->sides;
	struct walk inner = *w;

	sides.masked = NULL;
	inner.sides = &sides;
	inner.found = NULL;
	inner.n = 0;
	compare(&inner, a, b);
	w->work = inner.work;
	w->unknown = inner.unknown;
	return inner.n == 0;
}

/* An entry of a dict (a VALUE, its KEY) or of pairs (a key, its value). */
struct entry {
	const struct bnet_node *key, *value;
};

static const struct bnet_node *
next_entry(
    const struct bnet_node *dict, const struct bnet_node *at, struct entry *e)
{
	const struct bnet_node *second = bnet_node_next(at);
	bool value_first = dict->type == BNET_NODE_DICT;

	e->key = value_first ? second : at;
	e->value = value_first ? at : second;
	return bnet_node_next(second);
}

static const struct bnet_node *
value_of(
    struct walk *w, const struct bnet_node *dict, const struct bnet_node *key)
{
	const struct bnet_node *at = dict + 1;
	struct entry e;

	for (uint32_t i = 0; i < dict->n && !w->unknown; i++) {
		at = next_entry(dict, at, &e);
		if (is_same(w, key, e.key))
			return e.value;
	}
	return NULL;
}

/* In any order; mostly it is the same one. */
static void
compare_dict(
    struct walk *w, const struct bnet_node *a, const struct bnet_node *b)
{
	const struct bnet_node *at_a = a + 1, *at_b = b + 1, *value;
	const size_t mark = w->n_path;
	struct entry e, other;
	uint32_t n_found = 0;

	for (uint32_t i = 0; i < a->n && !is_over(w); i++) {
		at_a = next_entry(a, at_a, &e);
		value = NULL;
		if (i < b->n) {
			at_b = next_entry(b, at_b, &other);
			if (is_same(w, e.key, other.key))
				value = other.value;
		}
		if (value == NULL)
			value = value_of(w, b, e.key);
		n_found += value != NULL;
		push_key(w, e.key);
		if (value != NULL)
			compare(w, e.value, value);
		else
			note_part(w, e.value, NULL);
		w->n_path = mark;
	}
	if (n_found == b->n)
		return;
	at_b = b + 1;
	for (uint32_t i = 0; i < b->n && !is_over(w); i++) {
		at_b = next_entry(b, at_b, &other);
		push_key(w, other.key);
		if (value_of(w, a, other.key) == NULL)
			note_part(w, NULL, other.value);
		w->n_path = mark;
	}
}

static void
compare_part(struct walk *w, const char *name, const struct bnet_node *a,
    const struct bnet_node *b)
{
	const size_t mark = w->n_path;

	if (a == NULL && b == NULL)
		return;
	push_name(w, name, strlen(name));
	if (a != NULL && b != NULL)
		compare(w, a, b);
	else
		note_part(w, a, b);
	w->n_path = mark;
}

static void
compare_instance(struct walk *w, const struct bnet_instance *a,
    const struct bnet_instance *b)
{
	const size_t mark = w->n_path;

	compare_part(w, "class", a->class_name, b->class_name);
	push_name(w, "args", 4);
	if (!is_masked(w))
		compare_sequence(w, a->args, a->n_args, b->args, b->n_args);
	w->n_path = mark;
	compare_part(w, "state", a->state, b->state);
	compare_part(w, "list", a->list, b->list);
	compare_part(w, "dict", a->dict, b->dict);
}

static void
compare_row(
    struct walk *w, const struct bnet_node *a, const struct bnet_node *b)
{
	const struct bnet_node *columns = bnet_node_columns(a + 1), *column;
	const struct bnet_node *x = bnet_node_next(a + 1), *name;
	const struct bnet_node *y = bnet_node_next(b + 1);
	const size_t mark = w->n_path;
	const uint64_t n_before = w->n;
	int64_t type;

	compare_part(w, "columns", a + 1, b + 1);
	if (w->n > n_before || columns == NULL || columns->n < a->n ||
	    a->n != b->n) {
		compare_sequence(w, x, a->n, y, b->n);
		return;
	}
	column = columns + 1;
	for (uint32_t i = 0; i < a->n && !is_over(w); i++) {
		if (bnet_node_column(column, &name, &type))
			push_name(w, (const char *)name->v.p, name->n);
		else
			push_index(w, i);
		compare(w, x, y);
		w->n_path = mark;
		x = bnet_node_next(x);
		y = bnet_node_next(y);
		column = bnet_node_next(column);
	}
}

/* ---- values ---- */

static bool
leaves_differ(
    struct walk *w, const struct bnet_node *a, const struct bnet_node *b)
{
	switch (a->type) {
	case BNET_NODE_NONE:
		return false;
	case BNET_NODE_BOOL:
	case BNET_NODE_INT:
	case BNET_NODE_CURRENCY:
		for (size_t i = 0; i < w->n_ids; i++)
			if (w->ids[i].node == b && w->ids[i].captured == a->v.i)
				return false;
		return a->v.i != b->v.i;
	case BNET_NODE_UINT:
		return a->v.u != b->v.u;
	case BNET_NODE_FLOAT:
		return memcmp(&a->v.d, &b->v.d, sizeof(a->v.d)) != 0;
	default:
		return a->n != b->n ||
		    (a->n > 0 && memcmp(a->v.p, b->v.p, a->n) != 0);
	}
}

static void
compare_containers(
    struct walk *w, const struct bnet_node *a, const struct bnet_node *b)
{
	struct bnet_instance x, y;

	if (bnet_node_instance(a, &x) && bnet_node_instance(b, &y))
		compare_instance(w, &x, &y);
	else if (a->type != b->type)
		note(w, a, b);
	else if (a->type == BNET_NODE_DICT || a->type == BNET_NODE_PAIRS)
		compare_dict(w, a, b);
	else if (a->type == BNET_NODE_ROW)
		compare_row(w, a, b);
	else
		compare_sequence(w, a + 1, a->n, b + 1, b->n);
}

/*
 * References to what stands at the same place need not be followed: it is
 * compared there. Not if something may be masked there that is not masked here.
 */
static bool
refer_alike(
    const struct walk *w, const struct bnet_node *a, const struct bnet_node *b)
{
	return a->type == BNET_NODE_REF && b->type == BNET_NODE_REF &&
	    a - a->v.back - w->roots[0] == b - b->v.back - w->roots[1] &&
	    (w->sides->masked == NULL || (a->flags & BNET_NODE_CIRCLE) != 0);
}

static void
compare(struct walk *w, const struct bnet_node *a, const struct bnet_node *b)
{
	const struct bnet_node *x, *y;

	if (++w->work > WORK_MAX || w->depth == DEPTH_MAX)
		w->unknown = true;
	if (is_over(w) || is_masked(w) || refer_alike(w, a, b))
		return;
	x = bnet_node_target(a);
	y = bnet_node_target(b);
	if (x == NULL || y == NULL) {
		note(w, a, b); /* of circles, one is another one */
		return;
	}
	w->depth++;
	if (bnet_node_is_container(x) && bnet_node_is_container(y))
		compare_containers(w, x, y);
	else if (x->type != y->type || leaves_differ(w, x, y))
		note(w, x, y);
	w->depth--;
}

/* ---- entry point ---- */

static void
add_id(struct walk *w, const struct bnet_node *node, int64_t captured)
{
	if (node != NULL && node->type == BNET_NODE_INT && w->n_ids < IDS_MAX)
		w->ids[w->n_ids++] = (struct mapped){ node, captured };
}

static void
map_address(struct walk *w, const struct bnet_macho_address *address)
{
	const struct object_sides *sides = w->sides;
	bool node = address->type == BNET_DEST_NODE;
	int64_t id;

	if (bnet_node_i64(address->id, &id) && sides->captured_id != NULL &&
	    (node || address->type == BNET_DEST_CLIENT))
		add_id(w, address->id,
		    sides->captured_id(sides->id_arg, node, id));
	if (bnet_node_i64(address->call_id, &id) && id == sides->call_id)
		add_id(w, address->call_id, sides->captured_call_id);
}

static bool
is_whole(const struct payload *payload)
{
	return payload->root != NULL && payload->reason[0] == '\0';
}

enum object_result
object_diff_compare(struct object_diff *diff, const struct object_sides *sides,
    struct object_found *found)
{
	const struct payload *a, *b;
	struct walk w = { .diff = diff, .sides = sides, .found = found };

	if (!object_diff_may_be(sides->key, sides->captured) ||
	    !object_diff_may_be(sides->key, sides->received))
		return OBJECT_UNKNOWN;
	a = payload_read(diff->captured, sides->key, sides->captured);
	b = payload_read(diff->received, sides->key, sides->received);
	if (!is_whole(a) || !is_whole(b))
		return OBJECT_UNKNOWN;
	w.roots[0] = a->root;
	w.roots[1] = b->root;
	if (b->kind == PAYLOAD_MACHO) {
		map_address(&w, &b->macho.source);
		map_address(&w, &b->macho.destination);
	}
	push(&w, "object", 6);
	compare(&w, a->root, b->root);
	if (found != NULL)
		found->n = w.n;
	if (w.unknown)
		return OBJECT_UNKNOWN;
	return w.n > 0 ? OBJECT_DIFFERENT : OBJECT_SAME;
}
