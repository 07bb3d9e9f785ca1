/* SPDX-License-Identifier: MIT */
/* The grammar of expressions; the tests in them are values.c's. */
#include "cmd/filter/filter.h"

#include "cmd/common/cli.h"
#include "cmd/filter/values.h"

#include <stdlib.h>
#include <string.h>

/* ---- the grammar: || over && over ! over tests ---- */

static bool parse_or(struct filter_parse *p);
static bool parse_term(struct filter_parse *p);

static bool
expected_test(struct filter_parse *p)
{
	char buf[FILTER_SHOW_CHARS];

	if (p->tok.type == TOK_STRING || p->tok.type == TOK_ATOM)
		return lex_fail(p, p->tok.at,
		    "expected a field, not %s: "
		    "a comparison is FIELD OPERATOR VALUE",
		    lex_show(p, buf));
	return lex_fail(
	    p, p->tok.at, "expected a field, ! or (, not %s", lex_show(p, buf));
}

static bool
is_operator(enum filter_tok tok)
{
	return tok >= TOK_EQ && tok <= TOK_IN;
}

static bool
parse_test(struct filter_parse *p)
{
	char why[FILTER_REF_ERR_CHARS];
	struct filter_ref ref;
	size_t at = 0;

	if (strchr("0123456789-+", p->text[p->tok.at]) != NULL)
		return expected_test(p);
	if (!filter_ref_parse(p->text + p->tok.at, p->tok.len, &ref, why, &at))
		return lex_fail(p, p->tok.at + at, "%s", why);
	if (!lex_next(p))
		return false;
	p->bare = !is_operator(p->tok.type);
	return p->bare ? values_bare(p, &ref) : values_comparison(p, &ref);
}

/* A test or an expression has ended, but something follows. */
static bool
expected_more(struct filter_parse *p, const char *end)
{
	char buf[FILTER_SHOW_CHARS];

	return lex_fail(p, p->tok.at, "expected %s&&, || or %s, not %s",
	    p->bare ? "an operator, " : "", end, lex_show(p, buf));
}

static bool
parse_parentheses(struct filter_parse *p)
{
	size_t open_at = p->tok.at;

	if (!lex_next(p) || !parse_or(p))
		return false;
	if (p->tok.type == TOK_END)
		return lex_fail(p, p->tok.at,
		    "expected ): the ( at column %zu is not closed",
		    lex_column(p, open_at));
	if (p->tok.type != TOK_CLOSE)
		return expected_more(p, ")");
	p->bare = false;
	return lex_next(p);
}

static bool
parse_not(struct filter_parse *p)
{
	static const struct filter_insn turn = { .op = OP_NOT };

	return lex_next(p) && parse_term(p) && lex_emit(p, &turn);
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
		return lex_fail(
		    p, p->tok.at, "nested more than %d deep", FILTER_DEPTH_MAX);
	p->depth++;
	ok = p->tok.type == TOK_OPEN ? parse_parentheses(p) : parse_not(p);
	p->depth--;
	return ok;
}

/*
 * The operands of one operator. At each jump the truth value decides whether
 * the rest matters; until the end is known, the jumps form a list through their
 * targets.
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
		if (!lex_emit(p, &jump))
			return false;
		jump.first = p->out->n_code - 1;
		if (!lex_next(p) || !operand(p))
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

static bool
parse_all(struct filter_parse *p)
{
	if (!lex_next(p) || !parse_or(p))
		return false;
	return p->tok.type == TOK_END || expected_more(p, "the end");
}

void
filter_free(struct filter *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->n_code; i++)
		pcre2_code_free(f->code[i].regex);
	filter_regexes_free(f->regexes);
	free(f->code);
	free(f->ranges);
	free(f->texts);
	free(f->bytes);
	free(f);
}

void
filter_warn_over(const struct filter *f)
{
	uint64_t n = f == NULL ? 0 : filter_n_over(f);

	if (n > 0)
		cli_warn("-Y: %llu matches of regular expressions took too"
			 " many steps, and count as none",
		    (unsigned long long)n);
}

struct filter *
filter_compile(const char *text, struct filter_error *err)
{
	struct filter_parse p = { .text = text, .err = err };

	*err = (struct filter_error){ .column = 0 };
	p.len = strnlen(text, FILTER_TEXT_MAX_BYTES + 1);
	if (p.len > FILTER_TEXT_MAX_BYTES) {
		lex_fail(&p, FILTER_TEXT_MAX_BYTES,
		    "the expression is longer than %d bytes",
		    FILTER_TEXT_MAX_BYTES);
		return NULL;
	}
	p.out = calloc(1, sizeof(*p.out));
	if (p.out == NULL) {
		snprintf(err->text, sizeof(err->text), "out of memory");
		return NULL;
	}
	if (!parse_all(&p)) {
		if (err->column == 0)
			snprintf(err->text, sizeof(err->text), "out of memory");
		filter_free(p.out);
		return NULL;
	}
	return p.out;
}
