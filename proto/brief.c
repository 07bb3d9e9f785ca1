/* SPDX-License-Identifier: MIT */
#include "brief.h"

#include "header.h"

#include <string.h>

#define TYPE_MASK 0x3f
#define FLAG_SHARED 0x40
#define LEN_LONG 0xff
#define SLOTS_MAX 32 /* shared objects that are kept in mind */
#define MAP_MAX 32 /* entries of the map of version 0 */
#define ADDRESS_ITEMS 4
#define PACKET_ITEMS 5

enum leaf_kind {
	LEAF_NONE,
	LEAF_INT,
	LEAF_STR,
	LEAF_OTHER
};

struct leaf {
	enum leaf_kind kind;
	int64_t i;
	struct bnet_string s;
};

struct scan {
	const uint8_t *p, *end;
	const struct bnet_strings *strings;
	uint8_t version;
	const uint8_t *map;
	uint32_t n_map, n_shared;
	bool is_macho[SLOTS_MAX]; /* the i-th shared object: a class of it */
};

static uint32_t
le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

static bool
have(const struct scan *s, size_t n)
{
	return (size_t)(s->end - s->p) >= n;
}

/* A short length, and that many bytes behind it. */
static bool
short_bytes(struct scan *s, struct bnet_string *bytes)
{
	uint32_t n;

	if (!have(s, 1) || *s->p == LEN_LONG)
		return false;
	n = *s->p++;
	if (!have(s, n))
		return false;
	*bytes = (struct bnet_string){ (const char *)s->p, n };
	s->p += n;
	return true;
}

/* Counts an object with the flag; false: too many to keep in mind. */
static inline bool
shared(struct scan *s, uint8_t op, bool is_macho)
{
	if ((op & FLAG_SHARED) == 0)
		return true;
	if (s->n_shared == SLOTS_MAX ||
	    (s->version == 0 && s->n_shared == s->n_map))
		return false;
	s->is_macho[s->n_shared++] = is_macho;
	return true;
}

/* ---- values ---- */

static bool
read_int(struct scan *s, uint32_t n, struct leaf *leaf)
{
	if (!have(s, n))
		return false;
	leaf->kind = LEAF_INT;
	leaf->i = n == 1 ? (int8_t)s->p[0]
	    : n == 2     ? (int16_t)(s->p[0] | s->p[1] << 8)
			 : (int32_t)le32(s->p);
	s->p += n;
	return true;
}

static bool
read_table(struct scan *s, struct leaf *leaf)
{
	uint32_t i;

	if (!have(s, 1))
		return false;
	i = *s->p++;
	leaf->kind = LEAF_STR;
	if (i == 0 || i > s->strings->n)
		return false;
	leaf->s = s->strings->at[i - 1];
	return true;
}

static bool
read_string(struct scan *s, struct leaf *leaf)
{
	leaf->kind = LEAF_STR;
	return short_bytes(s, &leaf->s);
}

/* The children of a container; a dict's keys and values are two each. */
static bool
read_count(struct scan *s, uint8_t op, uint64_t *n)
{
	if (!have(s, 1) || *s->p == LEN_LONG)
		return false;
	*n += *s->p * ((op & TYPE_MASK) == 0x16 ? 2u : 1u);
	s->p++;
	return shared(s, op, false);
}

/* Of up to eight bytes; a longer one is no id. */
static bool
read_long(struct scan *s, struct leaf *leaf)
{
	uint64_t v = 0;

	if (!short_bytes(s, &leaf->s) || leaf->s.len_bytes > 8)
		return false;
	for (uint32_t i = leaf->s.len_bytes; i-- > 0;)
		v = v << 8 | (uint8_t)leaf->s.p[i];
	if (leaf->s.len_bytes > 0 && leaf->s.len_bytes < 8 &&
	    (leaf->s.p[leaf->s.len_bytes - 1] & 0x80) != 0)
		v |= UINT64_MAX << (8 * leaf->s.len_bytes);
	leaf->kind = LEAF_INT;
	leaf->i = (int64_t)v;
	return true;
}

static bool
read_other(struct scan *s, uint8_t op, struct leaf *leaf, uint64_t *n)
{
	switch (op & TYPE_MASK) {
	case 0x0a:
		if (!have(s, 8))
			return false;
		s->p += 8;
		return true;
	case 0x13:
		return short_bytes(s, &leaf->s) && shared(s, op, false);
	case 0x2f:
		return read_long(s, leaf) && shared(s, op, false);
	case 0x14:
	case 0x15:
	case 0x16:
		return read_count(s, op, n);
	case 0x24:
	case 0x26:
		return true;
	case 0x25:
	case 0x27:
		*n += 1;
		return shared(s, op, false);
	case 0x2c:
		*n += 2;
		return shared(s, op, false);
	default:
		return false;
	}
}

/*
 * One opcode: a leaf, or a container, whose children add to *n. False: one that
 * is not usual here.
 */
static inline bool
read_value(struct scan *s, struct leaf *leaf, uint64_t *n)
{
	uint8_t op;

	if (!have(s, 1))
		return false;
	op = *s->p++;
	leaf->kind = LEAF_OTHER;
	switch (op & TYPE_MASK) {
	case 0x01:
		leaf->kind = LEAF_NONE;
		return true;
	case 0x04:
		return read_int(s, 4, leaf);
	case 0x05:
		return read_int(s, 2, leaf);
	case 0x06:
		return read_int(s, 1, leaf);
	case 0x07:
	case 0x08:
	case 0x09:
		leaf->kind = LEAF_INT;
		leaf->i = (op & TYPE_MASK) - 0x08;
		return true;
	case 0x11:
		return read_table(s, leaf);
	case 0x12:
		return read_string(s, leaf);
	case 0x28:
		leaf->kind = LEAF_STR;
		leaf->s = (struct bnet_string){ "", 0 };
		return true;
	case 0x29:
		leaf->kind = LEAF_STR;
		leaf->s = (struct bnet_string){ (const char *)s->p, 1 };
		return have(s, 1) && s->p++ != NULL;
	default:
		return read_other(s, op, leaf, n);
	}
}

/* A value with all that is in it; *leaf is what it is itself. */
static bool
skip(struct scan *s, struct leaf *leaf)
{
	struct leaf inner;
	uint64_t n = 0;

	if (!read_value(s, leaf, &n))
		return false;
	for (; n > 0; n--)
		if (!read_value(s, &inner, &n))
			return false;
	return true;
}

/* ---- instances ---- */

/* This opcode, with or without the flag. */
static inline bool
expect(struct scan *s, uint8_t type)
{
	uint8_t op;

	if (!have(s, 1) || (*s->p & TYPE_MASK) != type)
		return false;
	op = *s->p++;
	return type == 0x2b || shared(s, op, false);
}

static bool
has_macho(struct bnet_string name)
{
	const char *p = name.p, *end = name.p + name.len_bytes;

	if (name.len_bytes >= 5 && memcmp(p, "macho", 5) == 0)
		return true;
	/* the rarest letter of the word */
	while ((p = memchr(p, 'h', (size_t)(end - p))) != NULL) {
		if (p - name.p >= 3 && end - p >= 2 &&
		    memcmp(p - 3, "macho", 5) == 0)
			return true;
		p++;
	}
	return false;
}

/* A reference to a class that was there before. */
static bool
is_class_ref(struct scan *s)
{
	uint32_t i, slot;

	if (!have(s, 1))
		return false;
	i = *s->p++;
	if (s->version == 1)
		return i < s->n_shared && s->is_macho[i];
	for (slot = 0; slot < s->n_shared; slot++)
		if (le32(s->map + 4 * (size_t)slot) == i)
			return s->is_macho[slot];
	return false;
}

static bool
read_class(struct scan *s)
{
	struct bnet_string name;
	uint8_t op;

	if (!have(s, 1))
		return false;
	op = *s->p++;
	if ((op & TYPE_MASK) == 0x1b)
		return is_class_ref(s);
	return (op & TYPE_MASK) == 0x02 && short_bytes(s, &name) &&
	    has_macho(name) && shared(s, op, true);
}

/* Up to the items of its state, of which there are *n. */
static bool
open_instance(struct scan *s, uint32_t *n)
{
	if (!expect(s, 0x23) || !expect(s, 0x2c) || !expect(s, 0x25) ||
	    !read_class(s) || !have(s, 1))
		return false;
	if ((*s->p & TYPE_MASK) == 0x2c) {
		*n = 2;
		return expect(s, 0x2c);
	}
	if (!expect(s, 0x14) || !have(s, 1) || *s->p == LEN_LONG)
		return false;
	*n = *s->p++;
	return true;
}

static bool
read_address(struct scan *s, struct leaf items[ADDRESS_ITEMS])
{
	struct leaf other;
	uint32_t n;

	for (int i = 0; i < ADDRESS_ITEMS; i++)
		items[i].kind = LEAF_NONE;
	if (!open_instance(s, &n))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!skip(s, i < ADDRESS_ITEMS ? &items[i] : &other))
			return false;
	if (!have(s, 2) || s->p[0] != 0x2d || s->p[1] != 0x2d)
		return false;
	s->p += 2;
	return items[0].kind == LEAF_INT;
}

/* Where an address of this type has its call id, its service; 0: nowhere. */
static int
at_of(int64_t type, bool service)
{
	switch (type) {
	case BNET_DEST_ANY:
		return service ? 1 : 2;
	case BNET_DEST_NODE:
		return service ? 2 : 3;
	case BNET_DEST_CLIENT:
		return service ? 3 : 2;
	default:
		return 0;
	}
}

/* The call id of an address; false: what it has there is no usual number. */
static bool
take_call_id(const struct leaf *items, struct bnet_brief *b)
{
	const struct leaf *leaf = &items[at_of(items[0].i, false)];

	if (leaf == items || leaf->kind == LEAF_NONE || b->has_call_id)
		return true;
	b->has_call_id = leaf->kind == LEAF_INT;
	b->call_id = leaf->i;
	return b->has_call_id;
}

static int64_t
client_of(const struct leaf *items)
{
	return (items[0].i == BNET_DEST_CLIENT ||
		   items[0].i == BNET_DEST_NODE) &&
		items[1].kind == LEAF_INT
	    ? items[1].i
	    : 0;
}

/* ---- packets ---- */

static const struct bnet_string no_string = { "?", 1 };

/* As short_bytes(), of any length. */
static bool
any_bytes(struct scan *s, struct bnet_string *bytes)
{
	uint32_t n;

	if (!have(s, 5) || *s->p != LEN_LONG)
		return short_bytes(s, bytes);
	n = le32(s->p + 1);
	s->p += 5;
	if (!have(s, n))
		return false;
	*bytes = (struct bnet_string){ (const char *)s->p, n };
	s->p += n;
	return true;
}

/* The method: in a stream in the payload. */
static bool
read_method(struct scan *s, struct bnet_brief *b)
{
	struct bnet_string inner;
	struct leaf leaf;
	uint8_t type;

	if (!have(s, 1))
		return false;
	type = *s->p & TYPE_MASK;
	if (!expect(s, type == 0x2c ? 0x2c : 0x25) || !expect(s, 0x2c) ||
	    !skip(s, &leaf) || !expect(s, 0x2b) || !any_bytes(s, &inner) ||
	    inner.len_bytes < 8)
		return false;
	/* the usual stream: version 0, nothing shared */
	s->p = (const uint8_t *)inner.p;
	s->end = s->p + inner.len_bytes;
	if (s->p[0] != 0x7e || le32(s->p + 1) != 0)
		return false;
	s->p += 5;
	s->version = 0; /* with a table of its own, which is empty */
	s->n_map = s->n_shared = 0;
	if ((*s->p & TYPE_MASK) != 0x14 || !expect(s, 0x14) || !have(s, 1) ||
	    *s->p == LEN_LONG || *s->p < 2)
		return false;
	s->p++;
	if (!skip(s, &leaf) || !skip(s, &leaf) || leaf.kind != LEAF_STR)
		return false;
	b->method = leaf.s;
	return true;
}

/* Version, map and checksum: up to the object. */
static bool
read_start(struct scan *s, struct bnet_slice in)
{
	uint32_t seen = 0, id;

	if (in.len < 6 || (in.p[0] != 0x7e && in.p[0] != 0x7d))
		return false;
	s->version = in.p[0] == 0x7d;
	s->p = in.p + (s->version == 1 ? 2 : 5);
	s->end = in.p + in.len;
	if (s->version == 0) {
		s->n_map = le32(in.p + 1);
		if (s->n_map > MAP_MAX || s->n_map > (in.len - 5) / 4)
			return false;
		s->end -= 4 * (size_t)s->n_map;
		s->map = s->end;
	} else if (in.p[1] != 1) {
		return false;
	}
	for (uint32_t i = 0; i < s->n_map; i++) {
		id = le32(s->map + 4 * (size_t)i);
		if (id < 1 || id > s->n_map || (seen >> (id - 1) & 1) != 0)
			return false;
		seen |= UINT32_C(1) << (id - 1);
	}
	if (have(s, 6) && (*s->p & TYPE_MASK) == 0x1c)
		s->p += 5;
	return true;
}

bool
bnet_brief_scan(struct bnet_slice in, const struct bnet_strings *strings,
    struct bnet_brief *b)
{
	struct scan s = { .strings = strings, .n_map = 0, .n_shared = 0 };
	struct leaf type, user_id, from[ADDRESS_ITEMS], to[ADDRESS_ITEMS];
	const struct leaf *first, *second;
	uint32_t n;
	int at;

	*b = (struct bnet_brief){ .has_call_id = false };
	if (!read_start(&s, in) || !open_instance(&s, &n) || n < PACKET_ITEMS ||
	    !skip(&s, &type) || type.kind != LEAF_INT ||
	    !read_address(&s, from) || !read_address(&s, to) ||
	    !skip(&s, &user_id))
		return false;
	b->type = type.i;
	first = b->type == BNET_MACHO_CALL_REQ ? from : to;
	second = b->type == BNET_MACHO_CALL_REQ ? to : from;
	if (!take_call_id(first, b) || !take_call_id(second, b))
		return false;
	b->client = client_of(first);
	if (b->type == BNET_MACHO_NOTIFICATION &&
	    to[0].i == BNET_DEST_BROADCAST && to[1].kind == LEAF_STR)
		b->event = to[1].s;
	if (b->type != BNET_MACHO_CALL_REQ)
		return true;
	at = at_of(to[0].i, true);
	if (at == 0 || to[at].kind != LEAF_STR)
		return false;
	b->service = to[at].s;
	return read_method(&s, b);
}

/* ---- the same of a tree ---- */

static struct bnet_string
string_of(const struct bnet_node *node)
{
	if (node == NULL || node->type != BNET_NODE_STR)
		return no_string;
	return (struct bnet_string){ (const char *)node->v.p, node->n };
}

void
bnet_brief_of(const struct bnet_macho *m, struct bnet_brief *b)
{
	const bool call = m->type == BNET_MACHO_CALL_REQ;

	*b = (struct bnet_brief){ .type = m->type,
		.has_call_id = m->has_call_id,
		.call_id = m->has_call_id ? m->call_id : 0 };
	if (!bnet_node_i64(call ? m->source.id : m->destination.id, &b->client))
		b->client = 0;
	if (call) {
		b->service = string_of(m->service);
		b->method = string_of(m->method);
	}
	if (m->event != NULL)
		b->event = string_of(m->event);
}
