/* SPDX-License-Identifier: MIT */
/* Runs the program of a filter on a record. */
#include "cmd/filter/eval.h"

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
	(void)pcre2_set_match_limit(r->limits, REGEX_STEPS_MAX);
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

bool
filter_regex_match(struct filter_regexes *r, const pcre2_code *regex,
    struct bnet_slice subject)
{
	PCRE2_SPTR text = subject.p != NULL ? subject.p : (PCRE2_SPTR) "";
	int rc =
	    pcre2_match(regex, text, subject.len, 0, 0, r->data, r->limits);

	if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
		r->n_over++;
	return rc >= 0;
}

/* ---- fields ---- */

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
	case BASE_MESSAGE:
		break;
	}
	return NULL;
}

/* The field itself. */
static const void *
place_of(const struct record *r, const struct filter_row *row)
{
	const char *base;

	if (row->base <= BASE_MESSAGE)
		base = base_of(r, row->base);
	else if (r->message != NULL &&
	    (int)r->message->type == (int)row->base - BASE_MESSAGE)
		base = (const char *)r->message;
	else
		return NULL;
	return base == NULL ? NULL : base + row->offset;
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
static bool
number_of(const struct record *r, const struct filter_row *row, uint64_t *v)
{
	const void *at = place_of(r, row);
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
	case LOAD_PORT_SRC:
	case LOAD_PORT_DST:
		return port_of(r, row->load == LOAD_PORT_DST, v);
	default:
		return false;
	}
}

static bool
bytes_of(
    const struct record *r, const struct filter_row *row, struct bnet_slice *s)
{
	const void *at = place_of(r, row);
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
	default:
		return false;
	}
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
test_ids(const struct filter *f, const struct filter_insn *insn,
    const struct record *r)
{
	const struct bnet_header *h = base_of(r, BASE_HEADER);
	struct bnet_bits_rd ids;

	if (h == NULL || h->forks == 0)
		return false;
	ids = r->event->frame->forks;
	for (uint32_t i = 0; i < h->forks && !ids.bad; i++)
		if (in_ranges(f, insn, bnet_bits_u64(&ids)))
			return !insn->negate;
	return insn->negate;
}

static bool
test_ranges(const struct filter *f, const struct filter_insn *insn,
    const struct record *r)
{
	uint64_t v;

	if (insn->row->load == LOAD_IDS)
		return test_ids(f, insn, r);
	return number_of(r, insn->row, &v) &&
	    in_ranges(f, insn, v) != insn->negate;
}

static bool
test_words(const struct filter_insn *insn, const struct record *r)
{
	uint64_t v;

	return number_of(r, insn->row, &v) && v < 64 &&
	    (insn->words >> v & 1) != 0;
}

static bool
equals(struct bnet_slice s, const char *bytes, const struct filter_text *t)
{
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

static bool
test_bytes(const struct filter *f, const struct filter_insn *insn,
    const struct record *r)
{
	const struct filter_text *t;
	struct bnet_slice s;

	if (!bytes_of(r, insn->row, &s))
		return false;
	if (insn->op == OP_REGEX)
		return filter_regex_match(f->regexes, insn->regex, s);
	t = f->texts + insn->first;
	if (insn->op == OP_CONTAINS)
		return holds(s, f->bytes, t);
	for (size_t i = 0; i < insn->n; i++)
		if (equals(s, f->bytes, &t[i]))
			return !insn->negate;
	return insn->negate;
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
