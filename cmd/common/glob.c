/* SPDX-License-Identifier: MIT */
#include "cmd/common/glob.h"

#include <fnmatch.h>
#include <stddef.h>
#include <string.h>

#define BRACKET_CHARS 64 /* of one [...] */

/* A part of the pattern, and a part of the text. */
struct part {
	const char *at, *end;
};

static bool match(struct part pattern, struct part text);

static struct part
from(const char *at, struct part whole)
{
	return (struct part){ at, whole.end };
}

/* The ] of the bracket expression that `at` begins; NULL: it is none. */
static const char *
bracket_end(const char *at, const char *end)
{
	const char *p = at + 1;

	if (p < end && (*p == '!' || *p == '^'))
		p++;
	for (const char *first = p; p < end; p++) {
		if (*p == ']' && p > first)
			return p - at < BRACKET_CHARS - 1 ? p : NULL;
		if (*p == '[' && p + 1 < end && p[1] == ':') {
			while (p + 1 < end && !(p[0] == ':' && p[1] == ']'))
				p++;
			p++;
		}
	}
	return NULL;
}

static bool
in_bracket(const char *at, const char *last, char c)
{
	char expression[BRACKET_CHARS] = "", one[2] = { c, '\0' };

	memcpy(expression, at, (size_t)(last - at) + 1);
	return fnmatch(expression, one, 0) == 0;
}

/* Where the list after "*(" ends: at its ), or at one of its |. */
static const char *
alternative_end(const char *p, const char *end, bool stops_at_bar)
{
	unsigned depth = 0;

	for (; p < end; p++) {
		const char *last = *p == '[' ? bracket_end(p, end) : NULL;

		if (last != NULL)
			p = last;
		else if (*p == '\\' && p + 1 < end)
			p++;
		else if (*p == '(')
			depth++;
		else if (*p == ')' && depth-- == 0)
			return p;
		else if (*p == '|' && depth == 0 && stops_at_bar)
			return p;
	}
	return NULL;
}

static bool
any_matches(struct part list, struct part text)
{
	/* the ) stands after the list: see match_list() */
	for (const char *at = list.at;;) {
		const char *end = alternative_end(at, list.end + 1, true);

		if (match((struct part){ at, end }, text))
			return true;
		if (end == list.end)
			return false;
		at = end + 1;
	}
}

/* `list` so often as `how` says (*, +, ?, @, !), then `rest`. */
static bool
match_list(char how, struct part list, struct part rest, struct part text)
{
	if ((how == '*' || how == '?') && match(rest, text))
		return true;
	for (const char *cut = text.at; cut <= text.end; cut++) {
		bool fits = any_matches(list, (struct part){ text.at, cut });

		if (fits != (how != '!'))
			continue;
		if (match(rest, from(cut, text)))
			return true;
		if ((how == '*' || how == '+') && cut > text.at &&
		    match_list('*', list, rest, from(cut, text)))
			return true;
	}
	return false;
}

static bool
match_star(struct part rest, struct part text)
{
	for (const char *cut = text.at; cut <= text.end; cut++)
		if (match(rest, from(cut, text)))
			return true;
	return false;
}

/* One character of the text against what stands at pattern->at. */
static bool
match_one(struct part *pattern, struct part *text)
{
	const char *p = pattern->at;
	const char *last = *p == '[' ? bracket_end(p, pattern->end) : NULL;
	bool fits;

	if (text->at == text->end)
		return false;
	if (last != NULL) {
		fits = in_bracket(p, last, *text->at);
		p = last;
	} else {
		if (*p == '\\' && p + 1 < pattern->end)
			fits = *++p == *text->at;
		else
			fits = *p == '?' || *p == *text->at;
	}
	pattern->at = p + 1;
	text->at++;
	return fits;
}

static bool
match(struct part pattern, struct part text)
{
	while (pattern.at < pattern.end) {
		const char *p = pattern.at, *close = NULL;

		if (strchr("*+?@!", *p) != NULL && p + 1 < pattern.end &&
		    p[1] == '(')
			close = alternative_end(p + 2, pattern.end, false);
		if (close != NULL)
			return match_list(*p, (struct part){ p + 2, close },
			    from(close + 1, pattern), text);
		if (*p == '*')
			return match_star(from(p + 1, pattern), text);
		if (!match_one(&pattern, &text))
			return false;
	}
	return text.at == text.end;
}

bool
glob_match(const char *pattern, const char *text)
{
	return match((struct part){ pattern, pattern + strlen(pattern) },
	    (struct part){ text, text + strlen(text) });
}
