/* SPDX-License-Identifier: MIT */
/*
 * The text is written at a pointer that the functions hand on: the buffer is
 * looked at once a value, since there is always room for a short one.
 */
#include "cmd/common/object_json.h"

#include "cmd/common/json.h"

#include <stdlib.h>

#define VALUE_WORK 8 /* the least that a value costs */
#define LONG_WORK 16 /* bytes of a long number that cost one byte more each */
#define PART_BYTES 256 /* of a string, between two looks at the buffer */
#define WORD sizeof(uint64_t)
#define HALF sizeof(uint32_t)
#define BLANKS UINT64_C(0x2020202000000000) /* beside half a word */

_Static_assert(PART_BYTES *JSON_CHAR_BYTES + WORD < OUTBUF_SPARE,
    "escaped, a part of a string fits into what is spare");

#define NAMES_MAX 64
#define NAMES_BYTES 2048
#define NAME_COPY 32 /* bytes of a name that are copied at once */

/* The names of the last row's columns as they are written: ,"price": */
struct names {
	const struct bnet_node *columns; /* NULL: of none */
	uint32_t n;
	uint16_t at[NAMES_MAX + 1];
	char text[NAMES_BYTES + NAME_COPY];
};

struct writer {
	struct outbuf *out;
	const char *full; /* past this, the buffer is written out */
	uint64_t left; /* of the work; 0: nothing more is written */
	unsigned depth;
	struct names *names;
};

static char *put(struct writer *w, char *o, const struct bnet_node *node);

/* ---- the buffer, and bounds ---- */

/* Where to go on, with the spare bytes free. */
static inline char *
spare(struct writer *w, char *o)
{
	if (o <= w->full)
		return o;
	w->out->n = (size_t)(o - w->out->p);
	out_flush(w->out);
	return w->out->p + w->out->n;
}

#define LIT(o, s) (memcpy((o), (s), sizeof(s) - 1), (o) + (sizeof(s) - 1))

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

/* ---- text ---- */

/* Is any of eight bytes below 0x20, above 0x7e, a quote or a backslash? */
static inline bool
needs_escape(uint64_t v)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
	const uint64_t quote = v ^ ones * '"', slash = v ^ ones * '\\';
	const uint64_t del = v ^ ones * 0x7f;

	return ((v | (v - ones * 0x20) | (quote - ones) | (slash - ones) |
		    (del - ones)) &
		   high) != 0;
}

static inline bool
is_ordinary(char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* A part of a string. */
static char *
put_part(char *o, const char *s, size_t n)
{
	const char *end = s + n;
	size_t used, n_text;
	uint64_t v;
	uint32_t half;

	while (s < end) {
		while ((size_t)(end - s) >= WORD) {
			memcpy(&v, s, WORD);
			if (needs_escape(v))
				break;
			memcpy(o, &v, WORD);
			o += WORD;
			s += WORD;
		}
		if ((size_t)(end - s) >= HALF) {
			memcpy(&half, s, HALF);
			if (!needs_escape(half | BLANKS)) {
				memcpy(o, &half, HALF);
				o += HALF;
				s += HALF;
			}
		}
		while (s < end && is_ordinary(*s))
			*o++ = *s++;
		if (s == end)
			break;
		used = json_char(s, (size_t)(end - s), o, &n_text);
		s += used;
		o += n_text;
	}
	return o;
}

/* Where a part can end, so that no character is cut in two. */
static size_t
part_bytes(const char *s, size_t n)
{
	size_t part = PART_BYTES;

	if (n <= PART_BYTES)
		return n;
	for (int back = 0; back < 3; back++)
		if (((unsigned char)s[part] & 0xc0) == 0x80)
			part--;
	return part;
}

static inline char *
put_string(struct writer *w, char *o, const struct bnet_node *node)
{
	const char *s = (const char *)node->v.p;
	size_t left = node->n, part;

	*o++ = '"';
	while (left > 0) {
		part = part_bytes(s, left);
		o = put_part(o, s, part);
		s += part;
		left -= part;
		if (left > 0)
			o = spare(w, o);
	}
	*o++ = '"';
	return o;
}

static char *
put_hex(struct writer *w, char *o, const struct bnet_node *node)
{
	static const char digits[] = "0123456789abcdef";

	o = node->type == BNET_NODE_PICKLE ? LIT(o, "{\"pickle\":\"")
					   : LIT(o, "{\"bytes\":\"");
	for (uint32_t i = 0; i < node->n; i++) {
		*o++ = digits[node->v.p[i] >> 4];
		*o++ = digits[node->v.p[i] & 15];
		if (i % PART_BYTES == 0)
			o = spare(w, o);
	}
	return LIT(o, "\"}");
}

static char *
put_cut(struct writer *w, char *o, const char *why, size_t n)
{
	const struct bnet_node node = { .n = (uint32_t)n,
		.v.p = (const uint8_t *)why };

	o = LIT(o, "{\"cut\":");
	o = put_string(w, o, &node);
	*o++ = '}';
	return o;
}

#define PUT_CUT(w, o, why) put_cut((w), (o), (why), sizeof(why) - 1)

/* ---- numbers ---- */

static const char pairs[] = "0001020304050607080910111213141516171819"
			    "2021222324252627282930313233343536373839"
			    "4041424344454647484950515253545556575859"
			    "6061626364656667686970717273747576777879"
			    "8081828384858687888990919293949596979899";

static char *
put_u64(char *o, uint64_t v)
{
	char text[20];
	size_t at = sizeof(text);

	if (v < 10) {
		*o++ = (char)('0' + v);
		return o;
	}
	while (v >= 100) {
		at -= 2;
		memcpy(text + at, pairs + v % 100 * 2, 2);
		v /= 100;
	}
	if (v >= 10) {
		at -= 2;
		memcpy(text + at, pairs + v * 2, 2);
	} else {
		text[--at] = (char)('0' + v);
	}
	memcpy(o, text + at, sizeof(text) - at);
	return o + (sizeof(text) - at);
}

static inline char *
put_i64(char *o, int64_t v)
{
	if (v >= 0)
		return put_u64(o, (uint64_t)v);
	*o++ = '-';
	return put_u64(o, UINT64_C(0) - (uint64_t)v);
}

static char *
put_f64(struct writer *w, char *o, double v)
{
	w->out->n = (size_t)(o - w->out->p);
	out_f64(w->out, v);
	return w->out->p + w->out->n;
}

static char *
put_long(struct writer *w, char *o, const struct bnet_node *node)
{
	if (node->n > BNET_LONG_MAX_BYTES)
		return PUT_CUT(w, o, "a number too long");
	(void)pay(w, (uint64_t)node->n * (node->n / LONG_WORK));
	return o + bnet_long_text(node, o);
}

_Static_assert(bnet_long_chars(BNET_LONG_MAX_BYTES) < OUTBUF_SPARE - 64,
    "the longest number fits into what is spare");

/* Ten-thousandths, with a digit after the point at least. */
static char *
put_currency(char *o, int64_t v)
{
	uint64_t u = v < 0 ? UINT64_C(0) - (uint64_t)v : (uint64_t)v;
	unsigned part = (unsigned)(u % 10000);

	if (v < 0)
		*o++ = '-';
	o = put_u64(o, u / 10000);
	*o = '.';
	for (int i = 4; i > 0; i--, part /= 10)
		o[i] = (char)('0' + part % 10);
	for (o += 5; o[-1] == '0' && o[-2] != '.'; o--)
		;
	return o;
}

/* ---- containers ---- */

/* Goes some levels down; false where that is too deep. */
static inline bool
enter(struct writer *w, unsigned levels)
{
	if (w->depth + levels > OBJECT_JSON_DEPTH_MAX)
		return false;
	w->depth += levels;
	return true;
}

#define TOO_DEEP(w, o) PUT_CUT((w), (o), "too deep")

/* `n` nodes that follow each other. */
static char *
put_array(struct writer *w, char *o, const struct bnet_node *node, uint32_t n)
{
	if (!enter(w, 1))
		return TOO_DEEP(w, o);
	*o++ = '[';
	for (uint32_t i = 0; i < n; i++) {
		if (i > 0)
			*o++ = ',';
		o = put(w, o, node);
		if (w->left == 0)
			break;
		node = bnet_node_next(node);
	}
	*o++ = ']';
	w->depth--;
	return o;
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

static char *
put_object(struct writer *w, char *o, struct entries e)
{
	const struct bnet_node *key, *value;

	if (!enter(w, 1))
		return TOO_DEEP(w, o);
	*o++ = '{';
	while (e.n > 0 && w->left > 0) {
		take(&e, &key, &value);
		(void)pay(w, key->n);
		o = spare(w, o);
		o = put_string(w, o, key);
		*o++ = ':';
		o = put(w, o, value);
		if (e.n > 0 && w->left > 0)
			*o++ = ',';
	}
	*o++ = '}';
	w->depth--;
	return o;
}

static char *
put_dict(struct writer *w, char *o, struct entries e)
{
	const struct bnet_node *key, *value;

	if (!enter(w, 3))
		return TOO_DEEP(w, o);
	o = LIT(o, "{\"dict\":[");
	while (e.n > 0 && w->left > 0) {
		take(&e, &key, &value);
		*o++ = '[';
		o = put(w, o, key);
		*o++ = ',';
		o = put(w, o, value);
		*o++ = ']';
		if (e.n > 0 && w->left > 0)
			*o++ = ',';
	}
	w->depth -= 3;
	return LIT(o, "]}");
}

static char *
put_entries(struct writer *w, char *o, const struct bnet_node *node)
{
	const struct entries e = { node + 1, node->n,
		node->type == BNET_NODE_DICT };

	return is_plain(e) ? put_object(w, o, e) : put_dict(w, o, e);
}

static char *
put_parts(struct writer *w, char *o, const struct bnet_instance *instance)
{
	if (instance->n_args > 0) {
		o = LIT(o, ",\"args\":");
		o = put_array(w, o, instance->args, instance->n_args);
	}
	if (instance->state != NULL) {
		o = LIT(o, ",\"state\":");
		o = put(w, o, instance->state);
	}
	if (instance->list != NULL) {
		o = LIT(o, ",\"list\":");
		o = put_array(w, o, instance->list + 1, instance->list->n);
	}
	if (instance->dict != NULL) {
		o = LIT(o, ",\"dict\":");
		o = put_entries(w, o, instance->dict);
	}
	return o;
}

static char *
put_instance(struct writer *w, char *o, const struct bnet_node *node)
{
	struct bnet_instance instance;

	/* cut, or of a shape that says nothing */
	if (!bnet_node_instance(node, &instance))
		return put_array(w, o, node + 1, bnet_node_children(node));
	if (!enter(w, 2))
		return TOO_DEEP(w, o);
	o = LIT(o, "{\"instance\":{\"class\":");
	if (instance.class_name->type == BNET_NODE_GLOBAL)
		o = put_string(w, o, instance.class_name);
	else
		o = put(w, o, instance.class_name);
	o = put_parts(w, o, &instance);
	w->depth -= 2;
	return LIT(o, "}}");
}

/* The name of a column: nearly all are a tuple of a string and a number. */
static inline const struct bnet_node *
column_name(const struct bnet_node *column)
{
	const struct bnet_node *name;
	int64_t type;

	if (column->type == BNET_NODE_TUPLE && column->n == 2 &&
	    column[1].type == BNET_NODE_STR)
		return column + 1;
	return bnet_node_column(column, &name, &type) ? name : NULL;
}

/* False: one has no name, or they are too many. */
static bool
names_of(struct names *names, const struct bnet_node *columns, uint32_t n)
{
	const struct bnet_node *column = columns + 1, *name;
	char *o = names->text, *end = o + NAMES_BYTES;

	if (names->columns == columns && names->n == n)
		return true;
	names->columns = NULL;
	if (n > NAMES_MAX || n > columns->n)
		return false;
	for (uint32_t i = 0; i < n; i++, column = bnet_node_next(column)) {
		name = column_name(column);
		if (name == NULL ||
		    ((size_t)name->n + 1) * JSON_CHAR_BYTES + WORD >
			(size_t)(end - o))
			return false;
		names->at[i] = (uint16_t)(o - names->text);
		o = i > 0 ? LIT(o, ",\"") : LIT(o, "\"");
		o = put_part(o, (const char *)name->v.p, name->n);
		o = LIT(o, "\":");
	}
	names->at[n] = (uint16_t)(o - names->text);
	names->columns = columns;
	names->n = n;
	return true;
}

/* The same as put_row() does, with names that are ready. */
static char *
put_columns(struct writer *w, char *o, const struct bnet_node *value)
{
	const struct names *names = w->names;
	const uint32_t n = names->n;
	const struct bnet_node *columns = names->columns;

	for (uint32_t i = 0; i < n && w->left > 0; i++) {
		const char *name;
		size_t n_bytes;

		if (names->columns != columns) { /* of a row in this one */
			(void)pay(w, NAMES_BYTES);
			(void)names_of(w->names, columns, n);
		}
		name = names->text + names->at[i];
		n_bytes = (size_t)(names->at[i + 1] - names->at[i]);
		(void)pay(w, n_bytes);
		o = spare(w, o);
		if (n_bytes <= NAME_COPY)
			memcpy(o, name, NAME_COPY);
		else
			memcpy(o, name, n_bytes);
		o = put(w, o + n_bytes, value);
		value = bnet_node_next(value);
	}
	return o;
}

static char *
put_row(struct writer *w, char *o, const struct bnet_node *node)
{
	const struct bnet_node *columns = bnet_node_columns(node + 1);
	const struct bnet_node *value = bnet_node_next(node + 1), *name;
	const struct bnet_node *column;

	if (columns == NULL)
		return put_array(w, o, node + 1, 1 + node->n);
	if (!enter(w, 2))
		return TOO_DEEP(w, o);
	column = columns + 1;
	o = LIT(o, "{\"row\":{");
	if (names_of(w->names, columns, node->n)) {
		o = put_columns(w, o, value);
		w->depth -= 2;
		return LIT(o, "}}");
	}
	for (uint32_t i = 0; i < node->n && w->left > 0; i++) {
		name = column_name(column);
		if (name == NULL)
			break;
		if (i > 0)
			*o++ = ',';
		(void)pay(w, name->n);
		o = put_string(w, spare(w, o), name);
		*o++ = ':';
		o = put(w, o, value);
		value = bnet_node_next(value);
		column = bnet_node_next(column);
	}
	w->depth -= 2;
	return LIT(o, "}}");
}

/* ---- any of them ---- */

static char *
put_target(struct writer *w, char *o, const struct bnet_node *node)
{
	const struct bnet_node *target = bnet_node_target(node);

	if (target == NULL)
		return PUT_CUT(w, o, "a circle of references");
	return put(w, o, target);
}

static char *
put_rare(struct writer *w, char *o, const struct bnet_node *node)
{
	switch (node->type) {
	case BNET_NODE_UINT:
		return put_u64(o, node->v.u);
	case BNET_NODE_LONG:
		return put_long(w, o, node);
	case BNET_NODE_CURRENCY:
		return put_currency(o, node->v.i);
	case BNET_NODE_GLOBAL:
		o = LIT(o, "{\"global\":");
		o = put_string(w, o, node);
		*o++ = '}';
		return o;
	case BNET_NODE_PICKLE:
	case BNET_NODE_BYTES:
		return put_hex(w, o, node);
	case BNET_NODE_CUT:
		return put_cut(w, o, (const char *)node->v.p, node->n);
	case BNET_NODE_ROW:
		return put_row(w, o, node);
	case BNET_NODE_INSTANCE:
	case BNET_NODE_REDUCE:
	case BNET_NODE_NEWOBJ:
		return put_instance(w, o, node);
	default:
		return put_target(w, o, node);
	}
}

/* The bytes that a leaf says it has. */
static inline uint32_t
bytes_of(const struct bnet_node *node)
{
	const uint32_t types = 1u << BNET_NODE_LONG | 1u << BNET_NODE_STR |
	    1u << BNET_NODE_BYTES | 1u << BNET_NODE_GLOBAL |
	    1u << BNET_NODE_PICKLE;

	return (types >> node->type & 1) != 0 ? node->n : 0;
}

static char *
put(struct writer *w, char *o, const struct bnet_node *node)
{
	o = spare(w, o);
	if (!pay(w, VALUE_WORK + bytes_of(node)))
		return PUT_CUT(w, o, "too long");
	switch (node->type) {
	case BNET_NODE_NONE:
		return LIT(o, "null");
	case BNET_NODE_BOOL:
		return node->v.i != 0 ? LIT(o, "true") : LIT(o, "false");
	case BNET_NODE_INT:
		return put_i64(o, node->v.i);
	case BNET_NODE_FLOAT:
		return put_f64(w, o, node->v.d);
	case BNET_NODE_STR:
		return put_string(w, o, node);
	case BNET_NODE_TUPLE:
	case BNET_NODE_LIST:
		return put_array(w, o, node + 1, node->n);
	case BNET_NODE_DICT:
	case BNET_NODE_PAIRS:
		return put_entries(w, o, node);
	default:
		return put_rare(w, o, node);
	}
}

void
object_json(struct outbuf *out, const struct bnet_node *node, uint64_t work_max)
{
	struct names names;
	struct writer w = { out, out->p + OUTBUF_BYTES, work_max, 0, &names };
	char *o;

	names.columns = NULL;
	o = put(&w, out->p + out->n, node);
	out->n = (size_t)(spare(&w, o) - out->p);
}
