/* SPDX-License-Identifier: MIT */
/*
 * Regular expressions, weighed before regcomp() sees them: it writes x+ and
 * x{9} out as copies of x, recurses into parentheses, and with glibc takes
 * exponential time over a loop around nothing, such as (|)*. So a short text
 * could take any memory, stack and time.
 */
#include "cmd/capture/filter_impl.h"

#include <stdlib.h>
#include <string.h>

#define REGEX_CHARS_MAX 1000
#define REGEX_DEPTH_MAX 30
#define REGEX_NODES_MAX 2000 /* of one */
#define REGEX_NODES_TOTAL 20000 /* of all in a filter */

/* One level of parentheses: its nodes, and what of it can be empty. */
struct level {
	size_t nodes;
	bool some; /* one of the branches that ended */
	bool before; /* this branch, up to its last part */
	bool last; /* that last part */
};

struct weight {
	struct level level[REGEX_DEPTH_MAX + 1];
	size_t depth;
	size_t last; /* nodes of what a repetition would repeat */
	bool loop; /* something that can be empty is repeated endlessly */
};

struct repetition {
	size_t least, copies;
	bool endless;
};

static size_t
capped(size_t n)
{
	return n > REGEX_NODES_MAX ? REGEX_NODES_MAX + 1 : n;
}

static void
weigh_atom(struct weight *w, size_t nodes, bool empty)
{
	struct level *lv = &w->level[w->depth];

	w->last = nodes;
	lv->nodes = capped(lv->nodes + nodes);
	lv->before = lv->before && lv->last;
	lv->last = empty;
}

static void
weigh_repeat(struct weight *w, const struct repetition *r)
{
	struct level *lv = &w->level[w->depth];
	size_t more = capped(w->last * (capped(r->copies) - 1) + 1);

	lv->nodes = capped(lv->nodes + more);
	w->last = capped(w->last + more);
	w->loop = w->loop || (r->endless && lv->last);
	lv->last = lv->last || r->least == 0;
}

static void
weigh_open(struct weight *w)
{
	w->level[++w->depth] =
	    (struct level){ .nodes = 1, .before = true, .last = true };
}

static void
weigh_branch(struct weight *w)
{
	struct level *lv = &w->level[w->depth];

	lv->nodes = capped(lv->nodes + 1);
	lv->some = lv->some || (lv->before && lv->last);
	lv->before = lv->last = true;
}

static void
weigh_close(struct weight *w)
{
	const struct level *lv = &w->level[w->depth];

	if (w->depth == 0) { /* a character like others */
		weigh_atom(w, 1, false);
		return;
	}
	w->depth--;
	weigh_atom(w, lv->nodes, lv->some || (lv->before && lv->last));
}

/* What follows the bracket expression that starts at `s`. */
static const char *
skip_bracket(const char *s)
{
	const char *end;

	s += s[1] == '^' ? 2 : 1;
	if (*s == ']')
		s++;
	for (; *s != '\0' && *s != ']'; s++) {
		if (*s != '[' || s[1] == '\0' || strchr(".=:", s[1]) == NULL)
			continue;
		for (end = s + 2; *end != '\0'; end++)
			if (end[0] == s[1] && end[1] == ']')
				break;
		if (*end == '\0')
			return end;
		s = end + 1;
	}
	return *s == '\0' ? s : s + 1;
}

/* {n}, {n,}, {,m} or {n,m}; returns what follows it. */
static const char *
read_braces(const char *s, struct repetition *r)
{
	size_t n[2] = { 0, 0 };
	int i = 0;

	for (s++; (*s >= '0' && *s <= '9') || (*s == ',' && i == 0); s++) {
		if (*s == ',')
			i = 1;
		else
			n[i] = capped(n[i] * 10 + (size_t)(*s - '0'));
	}
	r->least = n[0];
	r->copies = (n[0] > n[1] ? n[0] : n[1]) + 1;
	r->endless = s[-1] == ',';
	return *s == '}' ? s + 1 : s;
}

/* * + ? or braces; returns what follows. */
static const char *
weigh_repetition(struct weight *w, const char *s)
{
	struct repetition r = { *s == '+', *s == '+' ? 2 : 1, *s != '?' };
	const char *end = *s == '{' ? read_braces(s, &r) : s + 1;

	weigh_repeat(w, &r);
	w->level[w->depth].nodes += (size_t)(end - s);
	return end;
}

/* One part; returns where the next starts, NULL where it is too deep. */
static const char *
weigh_step(struct weight *w, const char *s)
{
	switch (*s) {
	case '\\':
		weigh_atom(w, 1, s[1] != '\0' && strchr("bB<>`'", s[1]));
		return s[1] == '\0' ? s + 1 : s + 2;
	case '[':
		weigh_atom(w, 1, false);
		return skip_bracket(s);
	case '(':
		if (w->depth == REGEX_DEPTH_MAX)
			return NULL;
		weigh_open(w);
		return s + 1;
	case ')':
		weigh_close(w);
		return s + 1;
	case '|':
		weigh_branch(w);
		return s + 1;
	case '*':
	case '+':
	case '?':
	case '{':
		return weigh_repetition(w, s);
	default:
		weigh_atom(w, 1, *s == '^' || *s == '$');
		return s + 1;
	}
}

/* Back-references are no part of POSIX, and take exponential time. */
static bool
has_back_reference(const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '[') {
			s = skip_bracket(s) - 1;
		} else if (*s == '\\') {
			s++;
			if (*s >= '1' && *s <= '9')
				return true;
			if (*s == '\0')
				return false;
		}
	}
	return false;
}

static bool
affordable(struct filter_parse *p, const char *s)
{
	struct weight w = { .level = { { 0, false, true, true } } };

	if (strlen(s) > REGEX_CHARS_MAX)
		return filter_fail(p, p->tok.at,
		    "the regular expression is longer than %d bytes",
		    REGEX_CHARS_MAX);
	if (has_back_reference(s))
		return filter_fail(p, p->tok.at,
		    "back-references are no part of extended regular "
		    "expressions");
	while (s != NULL && *s != '\0')
		s = weigh_step(&w, s);
	if (s == NULL)
		return filter_fail(p, p->tok.at,
		    "the regular expression is nested more than %d deep",
		    REGEX_DEPTH_MAX);
	if (w.loop)
		return filter_fail(p, p->tok.at,
		    "the regular expression repeats endlessly what can be "
		    "empty");
	for (; w.depth > 0; w.depth--)
		w.level[w.depth - 1].nodes += w.level[w.depth].nodes;
	p->regex_nodes += w.level[0].nodes;
	if (w.level[0].nodes > REGEX_NODES_MAX ||
	    p->regex_nodes > REGEX_NODES_TOTAL)
		return filter_fail(
		    p, p->tok.at, "the regular expression repeats too much");
	return true;
}

bool
filter_regex(struct filter_parse *p, regex_t **regex)
{
	char buf[FILTER_SHOW_CHARS], why[128];
	struct bnet_slice s = filter_token_value(p);
	const char *text = (const char *)s.p;
	int rc;

	if (p->tok.type != TOK_STRING)
		return filter_fail(p, p->tok.at,
		    "expected a regular expression in double quotes, not %s",
		    filter_show(p, buf));
	if (strlen(text) != s.len)
		return filter_fail(
		    p, p->tok.at, "a regular expression cannot hold a byte 0");
	if (!affordable(p, text))
		return false;
	*regex = malloc(sizeof(**regex));
	if (*regex == NULL)
		return filter_fail_memory(p);
	rc = regcomp(*regex, text, REG_EXTENDED | REG_NOSUB);
	if (rc == 0)
		return true;
	regerror(rc, *regex, why, sizeof(why));
	free(*regex);
	*regex = NULL;
	return rc == REG_ESPACE
	    ? filter_fail_memory(p)
	    : filter_fail(p, p->tok.at, "bad regular expression: %s", why);
}

void
filter_regex_free(regex_t *regex)
{
	if (regex == NULL)
		return;
	regfree(regex);
	free(regex);
}
