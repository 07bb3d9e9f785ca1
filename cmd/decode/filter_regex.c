/* SPDX-License-Identifier: MIT */
/*
 * Regular expressions, weighed before regcomp() sees them: it writes x+ and
 * x{9} out as copies of x and recurses into parentheses, so a short text can
 * take any memory and stack.
 */
#include "cmd/decode/filter_impl.h"

#include <stdlib.h>
#include <string.h>

#define REGEX_CHARS_MAX 1000
#define REGEX_DEPTH_MAX 30
#define REGEX_NODES_MAX 2000 /* of one */
#define REGEX_NODES_TOTAL 20000 /* of all in a filter */

struct weight {
	size_t group[REGEX_DEPTH_MAX + 1]; /* nodes so far, a level each */
	size_t last; /* nodes of what a repetition would repeat */
	size_t depth;
};

static size_t
capped(size_t n)
{
	return n > REGEX_NODES_MAX ? REGEX_NODES_MAX + 1 : n;
}

static void
weigh_atom(struct weight *w, size_t nodes)
{
	w->last = nodes;
	w->group[w->depth] = capped(w->group[w->depth] + nodes);
}

static void
weigh_repeat(struct weight *w, size_t times)
{
	size_t more = capped(w->last * (capped(times) - 1) + 1);

	w->group[w->depth] = capped(w->group[w->depth] + more);
	w->last = capped(w->last + more);
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

/* {n}, {n,} or {n,m}: what follows it, and *times the most copies. */
static const char *
skip_braces(const char *s, size_t *times)
{
	size_t n[2] = { 0, 0 };
	int i = 0;

	for (s++; (*s >= '0' && *s <= '9') || (*s == ',' && i == 0); s++) {
		if (*s == ',')
			i = 1;
		else
			n[i] = capped(n[i] * 10 + (size_t)(*s - '0'));
	}
	*times = (n[0] > n[1] ? n[0] : n[1]) + 1;
	return *s == '}' ? s + 1 : s;
}

/* One character or bracket; where the next starts, NULL where too deep. */
static const char *
weigh_step(struct weight *w, const char *s)
{
	const size_t depth = w->depth;
	const char *end;
	size_t times;

	switch (*s) {
	case '\\':
		weigh_atom(w, 1);
		return s[1] == '\0' ? s + 1 : s + 2;
	case '[':
		weigh_atom(w, 1);
		return skip_bracket(s);
	case '(':
		if (w->depth == REGEX_DEPTH_MAX)
			return NULL;
		w->group[++w->depth] = 1;
		return s + 1;
	case ')':
		if (w->depth > 0)
			w->depth--;
		weigh_atom(w, w->depth < depth ? w->group[depth] : 1);
		return s + 1;
	case '+':
		weigh_repeat(w, 2);
		return s + 1;
	case '{':
		end = skip_braces(s, &times);
		weigh_repeat(w, times);
		w->group[w->depth] += (size_t)(end - s);
		return end;
	default:
		weigh_atom(w, 1);
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
	struct weight w = { .depth = 0 };

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
	for (; w.depth > 0; w.depth--)
		w.group[w.depth - 1] += w.group[w.depth];
	p->regex_nodes += w.group[0];
	if (w.group[0] > REGEX_NODES_MAX || p->regex_nodes > REGEX_NODES_TOTAL)
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
