/* SPDX-License-Identifier: MIT */
/* The grammar of a filter: || over && over ! over tests. */
#include "cmd/capture/filter_impl.h"

static bool parse_or(struct filter_parse *p);
static bool parse_term(struct filter_parse *p);

bool
filter_is_operator(enum filter_tok tok)
{
	return tok >= TOK_EQ && tok <= TOK_IN;
}

static bool
expected_test(struct filter_parse *p)
{
	char buf[FILTER_SHOW_CHARS];
	enum filter_tok type = p->tok.type;

	if (type == TOK_STRING)
		return filter_fail(p, p->tok.at,
		    "expected a field, not %s: "
		    "a comparison is FIELD OPERATOR VALUE",
		    filter_show(p, buf));
	return filter_fail(p, p->tok.at, "expected a field, ! or (, not %s",
	    filter_show(p, buf));
}

static bool
unknown_field(struct filter_parse *p)
{
	const char *s = p->text + p->tok.at, *near;
	char buf[FILTER_SHOW_CHARS];

	if ((*s >= '0' && *s <= '9') || *s == '-' || *s == '+')
		return filter_fail(p, p->tok.at,
		    "expected a field, not %s: "
		    "a comparison is FIELD OPERATOR VALUE",
		    filter_show(p, buf));
	near = filter_row_nearest(s, p->tok.len);
	if (near == NULL)
		return filter_fail(p, p->tok.at,
		    "unknown field %s (-Y help lists them)",
		    filter_show(p, buf));
	return filter_fail(p, p->tok.at,
	    "unknown field %s: did you mean \"%s\"?", filter_show(p, buf),
	    near);
}

static bool
parse_test(struct filter_parse *p)
{
	const struct filter_row *row =
	    filter_row_find(p->text + p->tok.at, p->tok.len);

	if (row == NULL)
		return unknown_field(p);
	if (!filter_next(p))
		return false;
	p->bare = !filter_is_operator(p->tok.type);
	return p->bare ? filter_bare(p, row) : filter_compare(p, row);
}

/* A test or a whole expression ended; what follows does not fit. */
static bool
expected_more(struct filter_parse *p, const char *end)
{
	char buf[FILTER_SHOW_CHARS];

	return filter_fail(p, p->tok.at, "expected %s&&, || or %s, not %s",
	    p->bare ? "an operator, " : "", end, filter_show(p, buf));
}

static bool
parse_parentheses(struct filter_parse *p)
{
	size_t open_at = p->tok.at;

	if (!filter_next(p) || !parse_or(p))
		return false;
	if (p->tok.type == TOK_END)
		return filter_fail(p, p->tok.at,
		    "expected ): the ( at column %zu is not closed",
		    filter_column(p, open_at));
	if (p->tok.type != TOK_CLOSE)
		return expected_more(p, ")");
	p->bare = false;
	return filter_next(p);
}

static bool
parse_not(struct filter_parse *p)
{
	static const struct filter_insn turn = { .op = OP_NOT };

	return filter_next(p) && parse_term(p) && filter_emit(p, &turn);
}

static bool
parse_term(struct filter_parse *p)
{
	bool ok;

	if (p->tok.type == TOK_ATOM)
		return parse_test(p);
	if (p->tok.type != TOK_OPEN && p->tok.type != TOK_NOT)
		return expected_test(p);
	if (p->depth == FILTER_DEPTH_MAX)
		return filter_fail(
		    p, p->tok.at, "nested more than %d deep", FILTER_DEPTH_MAX);
	p->depth++;
	ok = p->tok.type == TOK_OPEN ? parse_parentheses(p) : parse_not(p);
	p->depth--;
	return ok;
}

/*
 * Operands of one operator. The truth so far decides at each jump whether
 * the rest matters; until the end is known, the jumps are a list through
 * their targets.
 */
static bool
parse_joined(struct filter_parse *p, enum filter_tok tok, enum filter_op op,
    bool (*operand)(struct filter_parse *))
{
	const size_t none = SIZE_MAX;
	struct filter_insn jump = { .op = op, .first = none };
	size_t next;

	if (!operand(p))
		return false;
	while (p->tok.type == tok) {
		if (!filter_emit(p, &jump))
			return false;
		jump.first = p->out->n_code - 1;
		if (!filter_next(p) || !operand(p))
			return false;
	}
	for (size_t at = jump.first; at != none; at = next) {
		next = p->out->code[at].first;
		p->out->code[at].first = p->out->n_code;
	}
	return true;
}

static bool
parse_and(struct filter_parse *p)
{
	return parse_joined(p, TOK_AND, OP_AND, parse_term);
}

static bool
parse_or(struct filter_parse *p)
{
	return parse_joined(p, TOK_OR, OP_OR, parse_and);
}

bool
filter_parse_all(struct filter_parse *p)
{
	if (!filter_next(p) || !parse_or(p))
		return false;
	return p->tok.type == TOK_END || expected_more(p, "the end");
}
