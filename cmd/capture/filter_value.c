/* SPDX-License-Identifier: MIT */
/* A field, an operator and its values, held against the field's type. */
#include "cmd/capture/filter_impl.h"

#include <stdio.h>
#include <string.h>

/* Which operators fit which type; filter_type_operators() is its text. */
#define BIT(tok) (1u << (tok))
#define IS (BIT(TOK_EQ) | BIT(TOK_NE))
#define SORTS (BIT(TOK_LT) | BIT(TOK_LE) | BIT(TOK_GT) | BIT(TOK_GE))
#define READS (BIT(TOK_CONTAINS) | BIT(TOK_MATCHES))

static const struct {
	unsigned operators;
	enum filter_op op; /* of == != in */
	const char *called; /* a field of it */
} types[FILTER_N_TYPES] = {
	[FILTER_NUMBER] = { IS | SORTS | BIT(TOK_IN), OP_RANGES, "a number" },
	[FILTER_TIME] = { IS | SORTS | BIT(TOK_IN), OP_RANGES, "a time" },
	[FILTER_BOOL] = { IS, OP_WORDS, "true or false" },
	[FILTER_WORD] = { IS | READS | BIT(TOK_IN), OP_WORDS, "a word" },
	[FILTER_STRING] = { IS | READS | BIT(TOK_IN), OP_EQUAL, "a string" },
	[FILTER_ADDRESS] = { IS | READS | BIT(TOK_IN), OP_EQUAL, "an address" },
	[FILTER_BYTES] = { IS | BIT(TOK_CONTAINS) | BIT(TOK_IN), OP_EQUAL,
	    "bytes" },
};

#define MESSAGE_PREFIX "bluenet."

static bool
is_name(struct bnet_slice v, const char *name)
{
	return v.len == strlen(name) && memcmp(v.p, name, v.len) == 0;
}

/* Words may be quoted; of messages the whole name is one as well. */
const struct filter_word *
filter_find_word(const struct filter_parse *p, const struct filter_row *row)
{
	struct bnet_slice v = filter_token_value(p);
	const struct filter_word *w = row->field.words;
	const size_t n = strlen(MESSAGE_PREFIX);

	if (w == NULL || (p->tok.type != TOK_ATOM && p->tok.type != TOK_STRING))
		return NULL;
	if (strcmp(row->field.name, "message") == 0 && v.len > n &&
	    memcmp(v.p, MESSAGE_PREFIX, n) == 0)
		v = bnet_slice_from(v, n);
	for (; w->name != NULL; w++)
		if (is_name(v, w->name))
			return w;
	return NULL;
}

void
filter_list_words(const struct filter_row *row, char buf[FILTER_LIST_CHARS])
{
	const struct filter_word *w = row->field.words;
	size_t n = 0;

	for (; w->name != NULL && n < FILTER_LIST_CHARS; w++) {
		const char *join = w[1].name != NULL ? ", " : " or ";

		n += (size_t)snprintf(buf + n, FILTER_LIST_CHARS - n, "%s%s",
		    n == 0 ? "" : join, w->name);
	}
}

static bool
not_a_word(struct filter_parse *p, const struct filter_row *row)
{
	char buf[FILTER_SHOW_CHARS], words[FILTER_LIST_CHARS];

	filter_list_words(row, words);
	return filter_fail(p, p->tok.at, "%s is %s, not %s", row->field.name,
	    words, filter_show(p, buf));
}

static bool
add_word(struct filter_parse *p, struct filter_insn *insn)
{
	const struct filter_row *row = insn->row;
	const struct filter_word *w = filter_find_word(p, row);
	struct bnet_slice v = filter_token_value(p);

	if (row->field.type == FILTER_BOOL && p->tok.type != TOK_ATOM)
		w = NULL;
	else if (row->field.type == FILTER_BOOL && is_name(v, "1"))
		w = &row->field.words[0];
	else if (row->field.type == FILTER_BOOL && is_name(v, "0"))
		w = &row->field.words[1];
	if (w == NULL)
		return not_a_word(p, row);
	insn->words |= UINT64_C(1) << w->value;
	return filter_next(p);
}

static bool
add_string(struct filter_parse *p, struct filter_insn *insn)
{
	char buf[FILTER_SHOW_CHARS];

	if (p->tok.type != TOK_STRING)
		return filter_fail(p, p->tok.at,
		    "%s is %s: expected text in double quotes, not %s",
		    insn->row->field.name, types[insn->row->field.type].called,
		    filter_show(p, buf));
	return filter_add_text(p, insn, p->tok.text) && filter_next(p);
}

/* One value, or in a set a range of numbers. */
static bool
add_value(struct filter_parse *p, struct filter_insn *insn, enum filter_tok op)
{
	switch (insn->row->field.type) {
	case FILTER_NUMBER:
	case FILTER_TIME:
		return filter_add_number(p, insn, op);
	case FILTER_BOOL:
	case FILTER_WORD:
		return add_word(p, insn);
	case FILTER_ADDRESS:
		return filter_add_address(p, insn);
	case FILTER_BYTES:
		return filter_add_bytes(p, insn);
	default:
		return add_string(p, insn);
	}
}

static bool
add_set(struct filter_parse *p, struct filter_insn *insn)
{
	char buf[FILTER_SHOW_CHARS];
	const struct filter_field *field = &insn->row->field;
	bool more = true;

	if (p->tok.type != TOK_SET_OPEN)
		return filter_fail(p, p->tok.at, "expected { after in, not %s",
		    filter_show(p, buf));
	while (more) {
		if (!filter_next(p) || !add_value(p, insn, TOK_RANGE))
			return false;
		more = p->tok.type == TOK_COMMA;
	}
	if (p->tok.type == TOK_RANGE)
		return filter_fail(p, p->tok.at,
		    types[field->type].op == OP_RANGES
			? "expected a comma or }, not a third end of a range"
			: "%s is %s: ranges are for numbers",
		    field->name, types[field->type].called);
	if (p->tok.type != TOK_SET_CLOSE)
		return filter_fail(p, p->tok.at,
		    "expected a comma or }, not %s", filter_show(p, buf));
	return filter_next(p);
}

/* Of words it is found out here and now which of them fit. */
static bool
contains_words(struct filter_parse *p, struct filter_insn *insn)
{
	struct bnet_slice v = filter_token_value(p);
	char buf[FILTER_SHOW_CHARS];

	if (p->tok.type != TOK_STRING)
		return filter_fail(p, p->tok.at,
		    "expected text in double quotes, not %s",
		    filter_show(p, buf));
	for (const struct filter_word *w = insn->row->field.words;
	     w->name != NULL; w++)
		if (memmem(w->name, strlen(w->name), v.p, v.len) != NULL)
			insn->words |= UINT64_C(1) << w->value;
	return filter_next(p);
}

static bool
contains(struct filter_parse *p, struct filter_insn *insn)
{
	if (insn->op == OP_WORDS)
		return contains_words(p, insn);
	insn->op = OP_CONTAINS;
	if (insn->row->field.type == FILTER_BYTES)
		return filter_add_bytes(p, insn);
	return add_string(p, insn);
}

static bool
matches(struct filter_parse *p, struct filter_insn *insn)
{
	if (!filter_regex(p, &insn->regex))
		return false;
	if (insn->op != OP_WORDS) {
		insn->op = OP_REGEX;
		return filter_next(p);
	}
	for (const struct filter_word *w = insn->row->field.words;
	     w->name != NULL; w++)
		if (regexec(insn->regex, w->name, 0, NULL, 0) == 0)
			insn->words |= UINT64_C(1) << w->value;
	filter_regex_free(insn->regex);
	insn->regex = NULL;
	return filter_next(p);
}

static uint64_t
all_words(const struct filter_row *row, bool but_nothing)
{
	uint64_t all = 0;

	for (const struct filter_word *w = row->field.words; w->name != NULL;
	     w++)
		if (!but_nothing ||
		    (strcmp(w->name, "none") != 0 &&
			strcmp(w->name, "false") != 0))
			all |= UINT64_C(1) << w->value;
	return all;
}

static bool
add_operand(
    struct filter_parse *p, struct filter_insn *insn, enum filter_tok op)
{
	switch (op) {
	case TOK_IN:
		return add_set(p, insn);
	case TOK_CONTAINS:
		return contains(p, insn);
	case TOK_MATCHES:
		return matches(p, insn);
	case TOK_NE:
		if (!add_value(p, insn, op))
			return false;
		if (insn->op == OP_WORDS)
			insn->words =
			    all_words(insn->row, false) & ~insn->words;
		else
			insn->negate = true;
		return true;
	default:
		return add_value(p, insn, op);
	}
}

static bool
finish(struct filter_parse *p, struct filter_insn *insn)
{
	if (insn->op == OP_RANGES)
		filter_sort_ranges(p->out, insn);
	return filter_emit(p, insn);
}

bool
filter_compare(struct filter_parse *p, const struct filter_row *row)
{
	struct filter_insn insn = { .op = types[row->field.type].op,
		.row = row };
	enum filter_tok op = p->tok.type;
	char buf[FILTER_SHOW_CHARS];

	if ((types[row->field.type].operators & BIT(op)) == 0)
		return filter_fail(p, p->tok.at,
		    "%s is %s: %s does not fit it, but %s do", row->field.name,
		    types[row->field.type].called, filter_show(p, buf),
		    filter_type_operators(row->field.type));
	if (filter_next(p) && add_operand(p, &insn, op) && finish(p, &insn))
		return true;
	filter_regex_free(insn.regex);
	return false;
}

bool
filter_bare(struct filter_parse *p, const struct filter_row *row)
{
	struct filter_insn insn = { .op = types[row->field.type].op,
		.row = row };
	uint64_t zero = filter_row_signed(row) ? FILTER_BIAS : 0;
	struct filter_text empty;
	bool ok = true;

	if (insn.op == OP_WORDS) {
		insn.words = all_words(row, true);
	} else if (insn.op == OP_EQUAL) {
		insn.negate = true;
		ok = filter_push_text(p, "", 0, &empty) &&
		    filter_add_text(p, &insn, empty);
	} else if (row->load == LOAD_IDS) { /* an id of 0 is one, too */
		ok = filter_add_range(p, &insn, 0, UINT64_MAX);
	} else {
		insn.negate = true;
		ok = filter_add_range(p, &insn, zero, zero);
	}
	return ok && filter_emit(p, &insn);
}
