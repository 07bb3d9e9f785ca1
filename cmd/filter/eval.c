/* SPDX-License-Identifier: MIT */
/* Runs the program of a filter on a record. */
#include "cmd/filter/eval.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- regular expressions ---- */

/* Uses malloc(), so that tests can make it fail. */
static void *
take(size_t n_bytes, void *arg)
{
	(void)arg;
	return malloc(n_bytes);
}

static void
give(void *p, void *arg)
{
	(void)arg;
	free(p);
}

struct filter_regexes *
filter_regexes_new(void)
{
	struct filter_regexes *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->memory = pcre2_general_context_create(take, give, NULL);
	if (r->memory != NULL) {
		r->compile = pcre2_compile_context_create(r->memory);
		r->limits = pcre2_match_context_create(r->memory);
		r->data = pcre2_match_data_create(1, NULL);
	}
	if (r->compile == NULL || r->limits == NULL || r->data == NULL) {
		filter_regexes_free(r);
		return NULL;
	}
	(void)pcre2_set_depth_limit(r->limits, REGEX_DEPTH_MAX);
	(void)pcre2_set_heap_limit(r->limits, REGEX_HEAP_MAX_KIB);
	return r;
}

void
filter_regexes_free(struct filter_regexes *r)
{
	if (r == NULL)
		return;
	pcre2_match_data_free(r->data);
	pcre2_match_context_free(r->limits);
	pcre2_compile_context_free(r->compile);
	pcre2_general_context_free(r->memory);
	free(r);
}

/*
 * Matches bytes, not characters, as everywhere in the filter. As in POSIX, a
 * dot matches a newline, $ only the very end, and parentheses only group.
 */
pcre2_code *
filter_regex_new(
    struct filter_regexes *r, struct bnet_slice text, int *code, size_t *offset)
{
	const uint32_t options = PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY |
	    PCRE2_NO_AUTO_CAPTURE | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP;
	pcre2_code *regex =
	    pcre2_compile(text.p, text.len, options, code, offset, r->compile);
	size_t n_bytes = 0;

	if (regex != NULL)
		(void)pcre2_pattern_info(regex, PCRE2_INFO_SIZE, &n_bytes);
	r->n_bytes += n_bytes;
	return regex;
}

/* PCRE2 counts anew at each place of the subject where a match may begin. */
static uint32_t
steps_of(size_t subject_len)
{
	const size_t steps = REGEX_STEPS_ALL_MAX / (subject_len + 1);

	if (steps > REGEX_STEPS_MAX)
		return REGEX_STEPS_MAX;
	return steps < REGEX_STEPS_MIN ? REGEX_STEPS_MIN : (uint32_t)steps;
}

bool
filter_regex_match(struct filter_regexes *r, const pcre2_code *regex,
    struct bnet_slice subject)
{
	PCRE2_SPTR text = subject.p != NULL ? subject.p : (PCRE2_SPTR) "";
	int rc;

	(void)pcre2_set_match_limit(r->limits, steps_of(subject.len));
	rc = pcre2_match(regex, text, subject.len, 0, 0, r->data, r->limits);
	if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
		r->n_over++;
	return rc >= 0;
}

/* ---- fields ---- */

static const void *
payload_base(const struct payload *p, enum filter_base base)
{
	const struct bnet_macho *macho =
	    p->kind == PAYLOAD_MACHO ? &p->macho : NULL;
	const bool is_error =
	    macho != NULL && macho->type == BNET_MACHO_ERRORRESPONSE;

	switch (base) {
	case BASE_MACHO_CALL:
		return macho != NULL && macho->has_call_id ? macho : NULL;
	case BASE_MACHO_ERROR:
		return is_error ? macho : NULL;
	case BASE_OBJECT:
		return p->root != NULL && p->kind != PAYLOAD_BATCH ? p : NULL;
	case BASE_OBJECT_ERROR:
		return p->reason != NULL && p->reason[0] != '\0' ? p : NULL;
	case BASE_BATCH:
		return p->kind == PAYLOAD_BATCH ? p : NULL;
	case BASE_CLOCK:
		return p->kind >= PAYLOAD_CLOCK_INIT ? p : NULL;
	case BASE_CLOCK_TIMES:
		return p->kind == PAYLOAD_CLOCK_INIT ||
			p->kind == PAYLOAD_CLOCK_UPDATE
		    ? p
		    : NULL;
	default:
		return NULL;
	}
}

/* The struct that contains the field; NULL if the record has none. */
static const void *
base_of(const struct record *r, enum filter_base base)
{
	const struct cap_event *e = r->event;
	const bool frame = e->type == CAP_FRAME && e->frame != NULL;

	switch (base) {
	case BASE_EVENT:
		return e;
	case BASE_EVENT_FRAME:
		return frame ? e : NULL;
	case BASE_EVENT_CUT:
		return frame && e->cut_of > 0 ? e : NULL;
	case BASE_EVENT_CLOCK:
		return e->type == CAP_CLOCK ? e : NULL;
	case BASE_EVENT_LOSS:
		return e->type != CAP_FRAME ? e : NULL;
	case BASE_EVENT_STREAM:
		return e->stream != NULL ? e : NULL;
	case BASE_STREAM:
		return e->stream;
	case BASE_FRAME:
		return frame ? e->frame : NULL;
	case BASE_HEADER:
		return frame && e->frame->has_header ? &e->frame->header : NULL;
	case BASE_RECORD:
		return r;
	case BASE_MACHO:
		return r->payload != NULL && r->payload->kind == PAYLOAD_MACHO
		    ? &r->payload->macho
		    : NULL;
	case BASE_MACHO_CALL:
	case BASE_MACHO_ERROR:
	case BASE_OBJECT:
	case BASE_OBJECT_ERROR:
	case BASE_BATCH:
	case BASE_CLOCK:
	case BASE_CLOCK_TIMES:
		return r->payload != NULL ? payload_base(r->payload, base)
					  : NULL;
	case BASE_ANY_MESSAGE:
	case BASE_MESSAGE:
		break;
	}
	return NULL;
}

/* The field itself; not for one in a list. */
static const void *
place_of(const struct record *r, const struct filter_row *row)
{
	const char *base;

	if (row->base < BASE_ANY_MESSAGE) {
		base = base_of(r, row->base);
		return base == NULL ? NULL : base + row->offset;
	}
	if (r->message == NULL)
		return NULL;
	if (row->base == BASE_ANY_MESSAGE)
		row = filter_row_of(row, r->message->type);
	if (row == NULL ||
	    (int)r->message->type != (int)row->base - BASE_MESSAGE)
		return NULL;
	return (const char *)r->message + row->offset;
}

static const char *
end_of(const struct record *r, bool dst, size_t *len)
{
	const struct cap_event *e = r->event;
	const size_t i = (e->dir == CAP_DOWN) != dst;

	*len = e->stream->end_chars[i];
	return e->stream->end[i];
}

static bool
port_of(const struct record *r, bool dst, uint64_t *v)
{
	size_t len;
	const char *end = end_of(r, dst, &len), *p = end + len;
	uint64_t unit = 1;

	*v = 0;
	for (; p > end && p[-1] >= '0' && p[-1] <= '9'; p--, unit *= 10)
		*v += unit * (uint64_t)(p[-1] - '0');
	return p > end && p[-1] == ':';
}

/* Loads a number as ranges store it: signed ones with the top bit flipped. */
static inline bool
load_number(const struct record *r, const struct filter_row *row,
    const void *at, uint64_t *v)
{
	const struct bnet_header *h = at;

	if (at == NULL)
		return false;
	switch (row->load) {
	case LOAD_BOOL:
		*v = *(const bool *)at;
		return true;
	case LOAD_ENUM:
	case LOAD_U32:
		*v = *(const uint32_t *)at;
		return true;
	case LOAD_U64:
		*v = *(const uint64_t *)at;
		return true;
	case LOAD_PONG_PING:
		*v = h->latency_ms;
		return h->key == BNET_KEY_PONG && *v != 0;
	case LOAD_SIZE:
		*v = *(const size_t *)at;
		return true;
	case LOAD_KEY:
		*v = (uint64_t)(int64_t) * (const int32_t *)at ^ FILTER_BIAS;
		return true;
	case LOAD_I64:
		*v = (uint64_t) * (const int64_t *)at ^ FILTER_BIAS;
		return true;
	case LOAD_IS_SET:
		*v = ((const struct bnet_string *)at)->len_bytes > 0;
		return true;
	case LOAD_PORT_SRC:
	case LOAD_PORT_DST:
		return port_of(r, row->load == LOAD_PORT_DST, v);
	default:
		return false;
	}
}

/* An end without its port, and without the brackets of IPv6. */
static struct bnet_slice
ip_of(const struct record *r, bool dst)
{
	size_t len;
	const char *end = end_of(r, dst, &len);

	while (len > 0 && end[len - 1] != ':')
		len--;
	len -= len > 0;
	if (len > 1 && end[0] == '[') {
		end++;
		len -= 2;
	}
	return (struct bnet_slice){ (const void *)end, len };
}

/* ---- values in the payload ---- */

#define VALUE_CHARS (bnet_long_chars(BNET_LONG_MAX_BYTES) + 1)

/* A step of a path, ".key" or "[0]"; advances. NULL: there is none such. */
static const struct bnet_node *
step(const struct bnet_node *node, const char **path)
{
	const char *p = *path + 1;
	char key[FILTER_PATH_CHARS];
	size_t n = 0;
	char *end;
	unsigned long i;

	if (**path == '[') {
		i = strtoul(p, &end, 10);
		*path = end + 1;
		return end > p && *end == ']' && i < UINT32_MAX
		    ? bnet_node_item(node, (uint32_t)i)
		    : NULL;
	}
	for (; *p != '\0' && *p != '.' && *p != '['; p++)
		key[n++] = *p;
	key[n] = '\0';
	*path = p;
	return bnet_node_part(node, key);
}

/* The text of a leaf: strings as they are, numbers in decimal. */
static bool
leaf_text(const struct bnet_node *node, struct bnet_slice *s)
{
	static _Thread_local char text[VALUE_CHARS];
	int n = 0;

	switch (node->type) {
	case BNET_NODE_STR:
	case BNET_NODE_GLOBAL:
	case BNET_NODE_BYTES:
		*s = (struct bnet_slice){ node->v.p, node->n };
		return true;
	case BNET_NODE_NONE:
		n = snprintf(text, sizeof(text), "null");
		break;
	case BNET_NODE_BOOL:
		n = snprintf(text, sizeof(text), "%s",
		    node->v.i != 0 ? "true" : "false");
		break;
	case BNET_NODE_INT:
		n = snprintf(text, sizeof(text), "%lld", (long long)node->v.i);
		break;
	case BNET_NODE_FLOAT:
		n = snprintf(text, sizeof(text), "%.15g", node->v.d);
		break;
	case BNET_NODE_UINT:
		n = snprintf(
		    text, sizeof(text), "%llu", (unsigned long long)node->v.u);
		break;
	case BNET_NODE_CURRENCY:
		n = snprintf(
		    text, sizeof(text), "%.15g", (double)node->v.i / 10000);
		break;
	case BNET_NODE_LONG:
		if (node->n > BNET_LONG_MAX_BYTES)
			return false;
		n = (int)bnet_long_text(node, text);
		text[n] = '\0';
		break;
	default:
		return false;
	}
	*s = (struct bnet_slice){ (const uint8_t *)text, (size_t)n };
	return true;
}

static const struct bnet_node *
follow(const struct bnet_node *node, const char *path)
{
	node = node != NULL ? bnet_node_target(node) : NULL;
	while (node != NULL && path != NULL && *path != '\0')
		node = step(node, &path);
	return node;
}

/* The name of a destination's type; or the number that has none. */
static bool
dest_value(const struct filter_row *row, int64_t type, struct bnet_node *own)
{
	const struct filter_word *w = row->field.words;

	if (type < 0)
		return false;
	while (w->name != NULL && (int64_t)w->value != type)
		w++;
	*own = (struct bnet_node){ .type = BNET_NODE_INT, .v.i = type };
	if (w->name != NULL)
		*own = (struct bnet_node){ .type = BNET_NODE_STR,
			.n = (uint32_t)strlen(w->name),
			.v.p = (const uint8_t *)w->name };
	return true;
}

/* The value of a field of any type: in the payload, or in *own; NULL: none. */
static const struct bnet_node *
value_of(const struct filter_ref *ref, const void *at, struct bnet_node *own)
{
	const struct bnet_node *node;
	int64_t type;

	if (at == NULL)
		return NULL;
	if (ref->row->load == LOAD_F64) {
		*own = (struct bnet_node){ .type = BNET_NODE_FLOAT };
		memcpy(&own->v.d, at, sizeof(own->v.d));
		return own;
	}
	if (ref->row->load == LOAD_DEST) {
		memcpy(&type, at, sizeof(type));
		return dest_value(ref->row, type, own) ? own : NULL;
	}
	memcpy(&node, at, sizeof(node));
	return follow(follow(node, ref->row->path), ref->path);
}

/* The same as text. */
static bool
value_text(const struct filter_ref *ref, const void *at, struct bnet_slice *s)
{
	struct bnet_node own;
	const struct bnet_node *node = value_of(ref, at, &own);

	return node != NULL && leaf_text(node, s);
}

static bool
load_node(const struct filter_row *row, const void *at, struct bnet_slice *s)
{
	const struct bnet_node *node;
	const char *name;
	int64_t number;

	if (row->load == LOAD_NODE) {
		memcpy(&node, at, sizeof(node));
		return node != NULL && leaf_text(node, s);
	}
	memcpy(&number, at, sizeof(number));
	if (row->load == LOAD_MACHO_ERROR && number < 0)
		return false;
	name = row->load == LOAD_MACHO_ERROR ? bnet_macho_error_name(number)
					     : bnet_macho_type_name(number);
	*s = (struct bnet_slice){ (const void *)name, strlen(name) };
	return true;
}

static inline bool
load_bytes(const struct record *r, const struct filter_row *row, const void *at,
    struct bnet_slice *s)
{
	const struct bnet_string *string = at;
	const char *c;

	if (at == NULL)
		return false;
	switch (row->load) {
	case LOAD_CSTR:
		memcpy(&c, at, sizeof(c));
		*s = (struct bnet_slice){ (const void *)c,
			c == NULL ? 0 : strlen(c) };
		return c != NULL;
	case LOAD_SLICE:
		memcpy(s, at, sizeof(*s));
		return true;
	case LOAD_STRING:
		*s = (struct bnet_slice){ (const void *)string->p,
			string->len_bytes };
		return true;
	case LOAD_END_SRC:
	case LOAD_END_DST:
		c = end_of(r, row->load == LOAD_END_DST, &s->len);
		s->p = (const void *)c;
		return true;
	case LOAD_IP_SRC:
	case LOAD_IP_DST:
		*s = ip_of(r, row->load == LOAD_IP_DST);
		return true;
	case LOAD_NODE:
	case LOAD_MACHO_TYPE:
	case LOAD_MACHO_ERROR:
		return load_node(row, at, s);
	default:
		return false;
	}
}

/* Takes the slice; returns false if it is not wholly there. */
static bool
cut(const struct filter_ref *ref, struct bnet_slice *s)
{
	int64_t len = (int64_t)s->len;
	int64_t from = ref->from < 0 ? len + ref->from : ref->from;

	if (from < 0 || from > len || ref->len > len - from)
		return false;
	*s = bnet_slice_from(*s, (size_t)from);
	if (ref->len >= 0)
		s->len = (size_t)ref->len;
	return true;
}

/* The only value of a field that can have no more than one. */
static bool
number_of(const struct record *r, const struct filter_row *row, uint64_t *v)
{
	return load_number(r, row, place_of(r, row), v);
}

static bool
bytes_of(
    const struct record *r, const struct filter_ref *ref, struct bnet_slice *s)
{
	if (ref->row->field.type == FILTER_VALUE)
		return value_text(ref, place_of(r, ref->row), s);
	return load_bytes(r, ref->row, place_of(r, ref->row), s) &&
	    (!ref->sliced || cut(ref, s));
}

/* ---- fields of several values ---- */

typedef bool filter_visit(void *arg, const struct filter_value *value);

static bool
each_id(const struct record *r, filter_visit *visit, void *arg)
{
	const struct bnet_header *h = base_of(r, BASE_HEADER);
	struct filter_value v = { 0 };
	struct bnet_bits_rd ids;

	if (h == NULL || h->forks == 0)
		return false;
	ids = r->event->frame->forks;
	for (uint32_t i = 0; i < h->forks && !ids.bad; i++) {
		v.number = bnet_bits_u64(&ids);
		if (visit(arg, &v))
			return true;
	}
	return false;
}

static bool
each_end(const struct filter_row *row, const struct record *r,
    filter_visit *visit, void *arg)
{
	struct filter_value v = { 0 };
	const char *end;

	for (int dst = 0; dst < 2 && r->event->stream != NULL; dst++) {
		if (row->load == LOAD_END_BOTH) {
			end = end_of(r, dst, &v.bytes.len);
			v.bytes.p = (const void *)end;
		} else if (!port_of(r, dst, &v.number)) {
			continue;
		}
		if (visit(arg, &v))
			return true;
	}
	return false;
}

/* Loads and visits the value at `at`. */
static bool
visit_at(const struct filter_ref *ref, const struct record *r, const void *at,
    filter_visit *visit, void *arg)
{
	struct filter_value v = { 0 };

	if (ref->row->field.type == FILTER_VALUE)
		return value_text(ref, at, &v.bytes) && visit(arg, &v);
	if (filter_row_number(ref->row)
		? !load_number(r, ref->row, at, &v.number)
		: !load_bytes(r, ref->row, at, &v.bytes) ||
		    (ref->sliced && !cut(ref, &v.bytes)))
		return false;
	return visit(arg, &v);
}

static bool
each_element(const struct filter_ref *ref, const struct record *r,
    filter_visit *visit, void *arg)
{
	const struct bnet_field *list = ref->row->list;
	const char *of = (const char *)r->message, *element;
	uint32_t n;

	if (of == NULL ||
	    (int)r->message->type != (int)ref->row->base - BASE_MESSAGE)
		return false;
	memcpy(&n, of + list->at, sizeof(n));
	memcpy(&element, of + list->list->p_at, sizeof(element));
	for (uint32_t i = 0; i < n && element != NULL;
	     i++, element += list->list->element_bytes)
		if (visit_at(ref, r, element + ref->row->offset, visit, arg))
			return true;
	return false;
}

bool
filter_each(const struct filter_ref *ref, const struct record *r,
    bool (*visit)(void *arg, const struct filter_value *value), void *arg)
{
	const struct filter_row *row = ref->row;
	struct filter_ref own = *ref;

	if (row->load == LOAD_IDS)
		return each_id(r, visit, arg);
	if (row->load == LOAD_END_BOTH || row->load == LOAD_PORT_BOTH)
		return each_end(row, r, visit, arg);
	if (row->base == BASE_ANY_MESSAGE && row->many) {
		if (r->message == NULL)
			return false;
		own.row = filter_row_of(row, r->message->type);
		return own.row != NULL && each_element(&own, r, visit, arg);
	}
	if (row->list != NULL)
		return each_element(ref, r, visit, arg);
	return visit_at(ref, r, place_of(r, row), visit, arg);
}

/* ---- tests ---- */

/* A test of a field of several values. */
struct many {
	const struct filter *f;
	const struct filter_insn *insn;
	bool some; /* there is a value */
};

/*
 * Tests each value: true if any passes or, with !=, if there are some and all
 * are others.
 */
static bool
test_many(const struct filter *f, const struct filter_insn *insn,
    const struct record *r, filter_visit *visit)
{
	struct many m = { f, insn, false };
	const bool passed = filter_each(&insn->ref, r, visit, &m);

	return insn->negate ? m.some && !passed : passed;
}

static bool
in_ranges(const struct filter *f, const struct filter_insn *insn, uint64_t v)
{
	const struct filter_range *r;
	size_t n = insn->n, half;

	if (n == 0) /* no value fits, such as an unsigned number below 0 */
		return false;
	r = f->ranges + insn->first;
	while (n > 1) {
		half = n / 2;
		if (r[half].lo <= v)
			r += half;
		n -= half;
	}
	return r->lo <= v && v <= r->hi;
}

static bool
visit_ranges(void *arg, const struct filter_value *v)
{
	struct many *m = arg;

	m->some = true;
	return in_ranges(m->f, m->insn, v->number);
}

static bool
test_ranges(const struct filter *f, const struct filter_insn *insn,
    const struct record *r)
{
	uint64_t v;

	if (insn->ref.row->many)
		return test_many(f, insn, r, visit_ranges);
	return number_of(r, insn->ref.row, &v) &&
	    in_ranges(f, insn, v) != insn->negate;
}

static bool
test_words(const struct filter_insn *insn, const struct record *r)
{
	uint64_t v;

	return number_of(r, insn->ref.row, &v) && v < 64 &&
	    (insn->words >> v & 1) != 0;
}

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool
is_ipv4(const uint8_t ip[16])
{
	return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

bool
filter_address_read(struct bnet_slice text, uint8_t ip[16])
{
	char copy[INET6_ADDRSTRLEN];

	if (text.len == 0 || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	if (strlen(copy) != text.len)
		return false;
	if (strchr(copy, ':') != NULL)
		return inet_pton(AF_INET6, copy, ip) == 1;
	memcpy(ip, mapped, sizeof(mapped));
	return inet_pton(AF_INET, copy, ip + sizeof(mapped)) == 1;
}

/* An address, or an end with its port, without that. */
static struct bnet_slice
without_port(struct bnet_slice s)
{
	const uint8_t *close;
	const uint8_t *colon = s.len > 0 ? memchr(s.p, ':', s.len) : NULL;

	if (s.len > 0 && s.p[0] == '[') {
		close = memchr(s.p, ']', s.len);
		s = bnet_slice_from(s, 1);
		s.len = close != NULL ? (size_t)(close - s.p) : 0;
	} else if (colon != NULL &&
	    memchr(colon + 1, ':', s.len - (size_t)(colon + 1 - s.p)) == NULL) {
		s.len = (size_t)(colon - s.p);
	}
	return s;
}

static bool
in_block(struct bnet_slice s, const char *bytes, const struct filter_text *t)
{
	struct filter_block block;
	uint8_t ip[16];

	memcpy(&block, bytes + t->at, sizeof(block));
	return filter_address_read(without_port(s), ip) &&
	    is_ipv4(ip) == is_ipv4(block.lo) && /* ::/0 covers IPv6 only */
	    memcmp(ip, block.lo, sizeof(ip)) >= 0 &&
	    memcmp(ip, block.hi, sizeof(ip)) <= 0;
}

static bool
equals(struct bnet_slice s, const char *bytes, const struct filter_text *t)
{
	if (t->block)
		return in_block(s, bytes, t);
	if (t->prefix ? s.len < t->len : s.len != t->len)
		return false;
	return t->len == 0 || memcmp(s.p, bytes + t->at, t->len) == 0;
}

static bool
holds(struct bnet_slice s, const char *bytes, const struct filter_text *t)
{
	if (t->len == 0 || s.len < t->len)
		return t->len == 0;
	return memmem(s.p, s.len, bytes + t->at, t->len) != NULL;
}

/* Does the value pass, apart from `negate`? */
static bool
passes(
    const struct filter *f, const struct filter_insn *insn, struct bnet_slice s)
{
	const struct filter_text *t;

	if (insn->op == OP_REGEX)
		return filter_regex_match(f->regexes, insn->regex, s);
	t = f->texts + insn->first;
	if (insn->op == OP_CONTAINS)
		return holds(s, f->bytes, t);
	for (size_t i = 0; i < insn->n; i++)
		if (equals(s, f->bytes, &t[i]))
			return true;
	return false;
}

static bool
visit_bytes(void *arg, const struct filter_value *v)
{
	struct many *m = arg;

	m->some = true;
	return passes(m->f, m->insn, v->bytes);
}

/* ---- values of any type ---- */

/* False: it is none. */
static bool
number_in(const struct bnet_node *node, long double *number)
{
	struct bnet_slice s;

	switch (node->type) {
	case BNET_NODE_INT:
		*number = (long double)node->v.i;
		return true;
	case BNET_NODE_UINT:
		*number = (long double)node->v.u;
		return true;
	case BNET_NODE_FLOAT:
		*number = (long double)node->v.d;
		return true;
	case BNET_NODE_CURRENCY:
		*number = (long double)node->v.i / 10000;
		return true;
	case BNET_NODE_LONG: /* its text ends with a NUL */
		if (!leaf_text(node, &s))
			return false;
		*number = strtold((const char *)s.p, NULL);
		return true;
	default:
		return false;
	}
}

/* The number of an expression, as precise as the value that it meets. */
static long double
as_read(const struct bnet_node *node, long double number)
{
	return node->type == BNET_NODE_FLOAT ? (double)number : number;
}

/* Puts a value before (-1) or behind (1) the text; false: they do not compare. */
static bool
compare(const struct bnet_node *node, const char *bytes,
    const struct filter_text *t, int *order)
{
	struct bnet_slice s;
	long double number;
	size_t n;

	if (t->is_number) {
		if (!number_in(node, &number) || number != number)
			return false;
		*order = (number > as_read(node, t->number)) -
		    (number < as_read(node, t->number));
		return true;
	}
	if ((node->type != BNET_NODE_STR && node->type != BNET_NODE_GLOBAL &&
		node->type != BNET_NODE_BYTES) ||
	    !leaf_text(node, &s))
		return false;
	n = s.len < t->len ? s.len : t->len;
	*order = n > 0 ? memcmp(s.p, bytes + t->at, n) : 0;
	if (*order == 0)
		*order = (s.len > t->len) - (s.len < t->len);
	return true;
}

static bool
is_ordered(const struct filter *f, const struct filter_insn *insn,
    const struct bnet_node *node)
{
	int order;

	if (!compare(node, f->bytes, f->texts + insn->first, &order))
		return false;
	switch (insn->op) {
	case OP_LESS:
		return order < 0;
	case OP_LESS_EQUAL:
		return order <= 0;
	case OP_GREATER:
		return order > 0;
	default:
		return order >= 0;
	}
}

static bool
is_true(const struct bnet_node *node)
{
	long double number;

	if (node->type == BNET_NODE_NONE)
		return false;
	if (node->type == BNET_NODE_BOOL)
		return node->v.i != 0;
	if (number_in(node, &number))
		return number != 0;
	return node->n > 0;
}

/* One of the texts: numbers as such, so that 1.0 is 1. */
static bool
is_one_of(const struct filter *f, const struct filter_insn *insn,
    const struct bnet_node *node)
{
	const struct filter_text *t = f->texts + insn->first;
	struct bnet_slice s;
	long double number;

	/* a long number has more digits than `number` */
	for (size_t i = 0; i < insn->n; i++)
		if (t[i].is_number && node->type != BNET_NODE_LONG &&
			    number_in(node, &number)
			? number == as_read(node, t[i].number)
			: leaf_text(node, &s) && equals(s, f->bytes, &t[i]))
			return true;
	return false;
}

static bool
test_value(const struct filter *f, const struct filter_insn *insn,
    const struct record *r)
{
	struct bnet_node own;
	const struct bnet_node *node =
	    value_of(&insn->ref, place_of(r, insn->ref.row), &own);
	struct bnet_slice s;

	if (node == NULL)
		return false;
	switch (insn->op) {
	case OP_EQUAL:
		return leaf_text(node, &s) &&
		    is_one_of(f, insn, node) != insn->negate;
	case OP_CONTAINS:
	case OP_REGEX:
		return leaf_text(node, &s) && passes(f, insn, s);
	case OP_TRUTH:
		return is_true(node);
	default:
		return is_ordered(f, insn, node);
	}
}

static bool
test_bytes(const struct filter *f, const struct filter_insn *insn,
    const struct record *r)
{
	struct bnet_slice s;

	if (insn->ref.row->field.type == FILTER_VALUE)
		return test_value(f, insn, r);
	if (insn->ref.row->many)
		return test_many(f, insn, r, visit_bytes);
	return bytes_of(r, &insn->ref, &s) &&
	    passes(f, insn, s) != insn->negate;
}

bool
filter_needs_payload(const struct filter *f)
{
	for (size_t i = 0; i < f->n_code; i++)
		if (filter_ref_payload(&f->code[i].ref))
			return true;
	return false;
}

bool
filter_match(const struct filter *f, const struct record *r)
{
	bool truth = false;

	for (size_t pc = 0; pc < f->n_code;) {
		const struct filter_insn *insn = &f->code[pc++];

		switch (insn->op) {
		case OP_AND:
			pc = truth ? pc : insn->first;
			break;
		case OP_OR:
			pc = truth ? insn->first : pc;
			break;
		case OP_NOT:
			truth = !truth;
			break;
		case OP_WORDS:
			truth = test_words(insn, r);
			break;
		case OP_RANGES:
			truth = test_ranges(f, insn, r);
			break;
		default:
			truth = test_bytes(f, insn, r);
		}
	}
	return truth;
}
