/* SPDX-License-Identifier: MIT */
/*
 * The JSON value becomes a tree of proto/object, which the writer takes: so
 * rows, shared descriptors and long numbers need no code of their own here.
 */
#include "cmd/node/values.h"

#include "proto/marshal_write.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 100
#define DESCRIPTOR "blue.DBRowDescriptor"

/* Bytes that nodes borrow. */
struct block {
	struct block *next;
	uint8_t p[];
};

struct values {
	struct bnet_node *nodes;
	size_t n, room;
	struct block *blocks;
	unsigned depth;
	char *err; /* VALUES_ERR_CHARS; "": no error */
};

static bool put_value(struct values *v, const json_t *json);

/* Always false, so that a caller can return it. The first error counts. */
static bool
expected(struct values *v, const char *what)
{
	if (v->err[0] == '\0')
		snprintf(v->err, VALUES_ERR_CHARS, "expected %s", what);
	return false;
}

static bool
no_memory(struct values *v)
{
	snprintf(v->err, VALUES_ERR_CHARS, "out of memory");
	return false;
}

/* ---- nodes ---- */

static bool
add(struct values *v, struct bnet_node node)
{
	size_t room = v->room == 0 ? 64 : 2 * v->room;
	struct bnet_node *grown;

	if (v->n == v->room) {
		grown = realloc(v->nodes, room * sizeof(*grown));
		if (grown == NULL)
			return no_memory(v);
		v->nodes = grown;
		v->room = room;
	}
	v->nodes[v->n++] = node;
	return true;
}

/* A container; end() it after its children. */
static bool
begin(struct values *v, enum bnet_node_type type, size_t n, size_t *at)
{
	*at = v->n;
	return add(
	    v, (struct bnet_node){ .type = (uint8_t)type, .n = (uint32_t)n });
}

static bool
end(struct values *v, size_t at)
{
	v->nodes[at].v.span = (uint32_t)(v->n - at);
	return true;
}

static bool
add_text(struct values *v, enum bnet_node_type type, const char *text, size_t n)
{
	return add(v,
	    (struct bnet_node){ .type = (uint8_t)type,
		.n = (uint32_t)n,
		.v.p = (const uint8_t *)text });
}

static uint8_t *
new_bytes(struct values *v, size_t n)
{
	struct block *block = malloc(sizeof(*block) + n);

	if (block == NULL)
		return NULL;
	block->next = v->blocks;
	v->blocks = block;
	return block->p;
}

/* ---- leaves ---- */

static bool
put_string(struct values *v, const json_t *json)
{
	return add_text(v, BNET_NODE_STR, json_string_value(json),
	    json_string_length(json));
}

static bool
put_bytes(struct values *v, const json_t *json)
{
	static const char digits[] = "0123456789abcdef";
	const char *text = json_string_value(json), *digit;
	size_t n = text == NULL ? 1 : strlen(text);
	uint8_t *p;

	if (n % 2 != 0 || strspn(text, digits) != n)
		return expected(
		    v, "\"bytes\" to be pairs of the digits 0-9a-f");
	p = new_bytes(v, n / 2);
	if (p == NULL)
		return no_memory(v);
	for (size_t i = 0; i < n; i++) {
		digit = strchr(digits, text[i]);
		p[i / 2] = (uint8_t)(p[i / 2] << 4 | (digit - digits));
	}
	return add_text(v, BNET_NODE_BYTES, (const char *)p, n / 2);
}

/* p = p * 10 + digit, little-endian. */
static void
times_ten(uint8_t *p, size_t n, unsigned digit)
{
	for (size_t i = 0; i < n; i++) {
		digit += p[i] * 10u;
		p[i] = (uint8_t)digit;
		digit >>= 8;
	}
}

static void
negate(uint8_t *p, size_t n)
{
	unsigned carry = 1;

	for (size_t i = 0; i < n; i++) {
		carry += (uint8_t)~p[i];
		p[i] = (uint8_t)carry;
		carry >>= 8;
	}
}

/* Without the bytes at its end that only repeat the sign. */
static size_t
shortest(const uint8_t *p, size_t n)
{
	while (n > 1 &&
	    ((p[n - 1] == 0 && p[n - 2] < 0x80) ||
		(p[n - 1] == 0xff && p[n - 2] >= 0x80)))
		n--;
	return n;
}

/* Digits of a number of any size. Half a byte a digit is room for it. */
static bool
put_long(struct values *v, const json_t *json)
{
	const char *text = json_string_value(json);
	const char *digits = text != NULL && text[0] == '-' ? text + 1 : text;
	size_t n = digits == NULL ? 0 : strlen(digits);
	size_t n_bytes = n / 2 + 2;
	uint8_t *p;

	if (n == 0 || n > BNET_LONG_MAX_BYTES ||
	    strspn(digits, "0123456789") != n)
		return expected(v, "\"long\" to be at most 1024 digits");
	p = new_bytes(v, n_bytes);
	if (p == NULL)
		return no_memory(v);
	memset(p, 0, n_bytes);
	for (size_t i = 0; i < n; i++)
		times_ten(p, n_bytes, (unsigned)(digits[i] - '0'));
	if (digits != text)
		negate(p, n_bytes);
	return add_text(
	    v, BNET_NODE_LONG, (const char *)p, shortest(p, n_bytes));
}

/* JSON has no number for these. */
static bool
put_float(struct values *v, const json_t *json)
{
	struct bnet_node node = { .type = BNET_NODE_FLOAT };
	const char *text = json_string_value(json);

	if (json_is_number(json))
		node.v.d = json_number_value(json);
	else if (text != NULL && strcmp(text, "nan") == 0)
		node.v.d = (double)NAN;
	else if (text != NULL && strcmp(text, "inf") == 0)
		node.v.d = HUGE_VAL;
	else if (text != NULL && strcmp(text, "-inf") == 0)
		node.v.d = -HUGE_VAL;
	else
		return expected(
		    v, "\"float\" to be a number, nan, inf or -inf");
	return add(v, node);
}

static bool
put_global(struct values *v, const json_t *json)
{
	if (!json_is_string(json))
		return expected(v, "\"global\" to be a name");
	return add_text(v, BNET_NODE_GLOBAL, json_string_value(json),
	    json_string_length(json));
}

/* ---- containers ---- */

static bool
put_items(struct values *v, enum bnet_node_type type, const json_t *items)
{
	size_t at;

	if (!begin(v, type, json_array_size(items), &at))
		return false;
	for (size_t i = 0; i < json_array_size(items); i++)
		if (!put_value(v, json_array_get(items, i)))
			return false;
	return end(v, at);
}

static bool
put_tuple(struct values *v, const json_t *json)
{
	if (!json_is_array(json))
		return expected(v, "\"tuple\" to be an array");
	return put_items(v, BNET_NODE_TUPLE, json);
}

/* Pairs of any kind of key. In a dict the value comes first. */
static bool
put_pairs(struct values *v, enum bnet_node_type type, const json_t *json)
{
	const json_t *pair;
	size_t at, first = type == BNET_NODE_DICT ? 1 : 0;

	if (json != NULL && !json_is_array(json))
		return expected(v, "\"dict\" to be an array of [key, value]");
	if (!begin(v, type, json_array_size(json), &at))
		return false;
	for (size_t i = 0; i < json_array_size(json); i++) {
		pair = json_array_get(json, i);
		if (json_array_size(pair) != 2)
			return expected(
			    v, "\"dict\" to be an array of [key, value]");
		if (!put_value(v, json_array_get(pair, first)) ||
		    !put_value(v, json_array_get(pair, 1 - first)))
			return false;
	}
	return end(v, at);
}

static bool
put_dict(struct values *v, const json_t *json)
{
	return put_pairs(v, BNET_NODE_DICT, json);
}

/* A JSON object whose only meaning is its keys. */
static bool
put_object(struct values *v, const json_t *json)
{
	size_t at;
	void *it;

	if (!begin(v, BNET_NODE_DICT, json_object_size(json), &at))
		return false;
	for (it = json_object_iter((json_t *)(uintptr_t)json); it != NULL;
	     it = json_object_iter_next((json_t *)(uintptr_t)json, it)) {
		if (!put_value(v, json_object_iter_value(it)) ||
		    !add_text(v, BNET_NODE_STR, json_object_iter_key(it),
			strlen(json_object_iter_key(it))))
			return false;
	}
	return end(v, at);
}

/* ((class, args...), state) */
static bool
put_class(struct values *v, const json_t *json)
{
	const json_t *args = json_object_get(json, "args");
	const json_t *state = json_object_get(json, "state");
	size_t whole, inner;

	if (!begin(v, BNET_NODE_TUPLE, state == NULL ? 1 : 2, &whole) ||
	    !begin(v, BNET_NODE_TUPLE, 1 + json_array_size(args), &inner) ||
	    !put_global(v, json_object_get(json, "class")))
		return false;
	for (size_t i = 0; i < json_array_size(args); i++)
		if (!put_value(v, json_array_get(args, i)))
			return false;
	end(v, inner);
	return (state == NULL || put_value(v, state)) && end(v, whole);
}

static bool
put_instance(struct values *v, const json_t *json)
{
	const json_t *args = json_object_get(json, "args");
	const json_t *list = json_object_get(json, "list");
	size_t at;

	if (!json_is_string(json_object_get(json, "class")) ||
	    (args != NULL && !json_is_array(args)) ||
	    (list != NULL && !json_is_array(list)))
		return expected(v,
		    "\"instance\" to have a \"class\", and arrays as \"args\" "
		    "and \"list\"");
	return begin(v, BNET_NODE_NEWOBJ, 3, &at) && put_class(v, json) &&
	    put_items(v, BNET_NODE_LIST, list) &&
	    put_pairs(v, BNET_NODE_PAIRS, json_object_get(json, "dict")) &&
	    end(v, at);
}

/* ---- rows ---- */

static const struct column_type {
	const char *name;
	int64_t number; /* of OLE DB */
} column_types[] = { { "i64", 20 }, { "u64", 21 }, { "filetime", 64 },
	{ "double", 5 }, { "currency", 6 }, { "i32", 3 }, { "u32", 19 },
	{ "float", 4 }, { "i16", 2 }, { "u16", 18 }, { "i8", 16 }, { "u8", 17 },
	{ "bool", 11 }, { "str", 129 }, { "wstr", 130 }, { "bytes", 128 } };

#define N_COLUMN_TYPES (sizeof(column_types) / sizeof(column_types[0]))
#define COLUMN_CURRENCY 6
#define COLUMN_DOUBLE 5
#define COLUMN_FLOAT 4

/* -1: no such type */
static int64_t
column_type(const json_t *column)
{
	const char *name = json_string_value(json_array_get(column, 1));

	for (size_t i = 0; name != NULL && i < N_COLUMN_TYPES; i++)
		if (strcmp(column_types[i].name, name) == 0)
			return column_types[i].number;
	return -1;
}

static bool
put_column(struct values *v, const json_t *column)
{
	const int64_t type = column_type(column);
	size_t at;

	if (json_array_size(column) != 2 || type < 0 ||
	    !json_is_string(json_array_get(column, 0)))
		return expected(v, "a column to be [name, type]");
	return begin(v, BNET_NODE_TUPLE, 2, &at) &&
	    put_string(v, json_array_get(column, 0)) &&
	    add(v, (struct bnet_node){ .type = BNET_NODE_INT, .v.i = type }) &&
	    end(v, at);
}

/* (blue.DBRowDescriptor, (((name, type), ...),)) */
static bool
put_descriptor(struct values *v, const json_t *columns)
{
	size_t reduce, outer, args, list;

	if (!begin(v, BNET_NODE_REDUCE, 3, &reduce) ||
	    !begin(v, BNET_NODE_TUPLE, 2, &outer) ||
	    !add_text(v, BNET_NODE_GLOBAL, DESCRIPTOR, strlen(DESCRIPTOR)) ||
	    !begin(v, BNET_NODE_TUPLE, 1, &args) ||
	    !begin(v, BNET_NODE_TUPLE, json_array_size(columns), &list))
		return false;
	v->nodes[reduce].flags = BNET_NODE_SHARED;
	for (size_t i = 0; i < json_array_size(columns); i++)
		if (!put_column(v, json_array_get(columns, i)))
			return false;
	end(v, list);
	end(v, args);
	end(v, outer);
	return put_items(v, BNET_NODE_LIST, NULL) &&
	    put_pairs(v, BNET_NODE_PAIRS, NULL) && end(v, reduce);
}

/* A number may stand for money and for a float. */
static bool
put_cell(struct values *v, int64_t type, const json_t *json)
{
	const double number = json_number_value(json);

	if (json_is_number(json) && type == COLUMN_CURRENCY) {
		if (!(fabs(number) < 9e14))
			return expected(v, "an amount below 9e14");
		return add(v,
		    (struct bnet_node){ .type = BNET_NODE_CURRENCY,
			.v.i = llround(number * 10000) });
	}
	if (json_is_number(json) &&
	    (type == COLUMN_DOUBLE || type == COLUMN_FLOAT))
		return put_float(v, json);
	return put_value(v, json);
}

/* `shared` is the descriptor of a row before it; 0: this is the first. */
static bool
put_one_row(struct values *v, const json_t *columns, const json_t *cells,
    size_t *shared)
{
	const size_t n = json_array_size(columns);
	size_t at;

	if (!json_is_array(cells) || json_array_size(cells) != n)
		return expected(v, "a value for each column");
	if (!begin(v, BNET_NODE_ROW, n, &at))
		return false;
	if (*shared != 0) {
		if (!add(v,
			(struct bnet_node){ .type = BNET_NODE_REF,
			    .v.back = (uint32_t)(v->n - *shared) }))
			return false;
	} else {
		*shared = v->n;
		if (!put_descriptor(v, columns))
			return false;
	}
	for (size_t i = 0; i < n; i++)
		if (!put_cell(v, column_type(json_array_get(columns, i)),
			json_array_get(cells, i)))
			return false;
	return end(v, at);
}

/* The columns of a "row" or "rows"; NULL: there are none. */
static const json_t *
columns_of(const json_t *json)
{
	const json_t *columns = json_object_get(json, "columns");

	return json_array_size(columns) > 0 ? columns : NULL;
}

static bool
put_row(struct values *v, const json_t *json)
{
	const json_t *columns = columns_of(json);
	size_t shared = 0;

	if (columns == NULL)
		return expected(
		    v, "\"row\" to have \"columns\" and \"values\"");
	return put_one_row(
	    v, columns, json_object_get(json, "values"), &shared);
}

/* A list of rows with one descriptor. */
static bool
put_rows(struct values *v, const json_t *json)
{
	const json_t *columns = columns_of(json);
	const json_t *rows = json_object_get(json, "values");
	size_t at, shared = 0;

	if (columns == NULL || !json_is_array(rows))
		return expected(
		    v, "\"rows\" to have \"columns\" and \"values\"");
	if (!begin(v, BNET_NODE_LIST, json_array_size(rows), &at))
		return false;
	for (size_t i = 0; i < json_array_size(rows); i++)
		if (!put_one_row(v, columns, json_array_get(rows, i), &shared))
			return false;
	return end(v, at);
}

/* ---- any value ---- */

/* An object with one of these as its only key is not a dict. */
static const struct word {
	const char *word;
	bool (*put)(struct values *v, const json_t *json);
} words[] = { { "bytes", put_bytes }, { "long", put_long },
	{ "float", put_float }, { "global", put_global },
	{ "tuple", put_tuple }, { "dict", put_dict },
	{ "instance", put_instance }, { "row", put_row },
	{ "rows", put_rows } };

static bool
put_braces(struct values *v, const json_t *json)
{
	const json_t *inner;

	if (json_object_size(json) == 1)
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			inner = json_object_get(json, words[i].word);
			if (inner != NULL)
				return words[i].put(v, inner);
		}
	return put_object(v, json);
}

static bool
put_plain(struct values *v, const json_t *json)
{
	struct bnet_node node = { .type = BNET_NODE_NONE };

	switch (json_typeof(json)) {
	case JSON_TRUE:
	case JSON_FALSE:
		node.type = BNET_NODE_BOOL;
		node.v.i = json_is_true(json);
		break;
	case JSON_INTEGER:
		node.type = BNET_NODE_INT;
		node.v.i = json_integer_value(json);
		break;
	case JSON_REAL:
		node.type = BNET_NODE_FLOAT;
		node.v.d = json_real_value(json);
		break;
	case JSON_STRING:
		return put_string(v, json);
	case JSON_ARRAY:
		return put_items(v, BNET_NODE_LIST, json);
	case JSON_OBJECT:
		return put_braces(v, json);
	case JSON_NULL:
	default:
		break;
	}
	return add(v, node);
}

static bool
put_value(struct values *v, const json_t *json)
{
	bool ok;

	if (v->depth == DEPTH_MAX)
		return expected(v, "at most 100 values inside of each other");
	v->depth++;
	ok = put_plain(v, json);
	v->depth--;
	return ok;
}

/* ---- the stream ---- */

static bool
write_tree(struct values *v, struct bnet_buf *out)
{
	const struct bnet_marshal_form form = { .share = true };
	struct bnet_marshal_wr *w = bnet_marshal_wr_new(NULL);
	enum bnet_err err;

	if (w == NULL)
		return no_memory(v);
	bnet_marshal_begin(w, out, &form);
	bnet_put_node(w, v->nodes);
	err = bnet_marshal_finish(w);
	bnet_marshal_wr_free(w);
	if (err == BNET_EMARSHAL)
		return expected(v, "values that fit their columns");
	if (err == BNET_ELIMIT)
		return expected(v, "a shorter value");
	return err == BNET_OK || no_memory(v);
}

bool
values_stream(
    const json_t *json, struct bnet_buf *out, char err[VALUES_ERR_CHARS])
{
	struct values v = { .err = err };
	struct block *block;
	bool ok;

	err[0] = '\0';
	ok = put_value(&v, json) && write_tree(&v, out);
	while ((block = v.blocks) != NULL) {
		v.blocks = block->next;
		free(block);
	}
	free(v.nodes);
	return ok;
}
