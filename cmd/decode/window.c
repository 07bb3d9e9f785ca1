/* SPDX-License-Identifier: MIT */
#include "cmd/decode/window.h"

#include "cmd/common/date.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_DIGITS 9
#define SECONDS_DIGITS 10 /* more do not fit as ns */
#define EXPECTED \
	"a date such as \"2026-11-30 12:00\", a time of day, seconds since" \
	" 1970, or a time since the first packet such as +5s"

/* Seconds since 1970, with up to nine decimals. */
static bool
read_seconds(const char *text, int64_t *ns)
{
	const size_t n = strspn(text, "0123456789");
	size_t n_part = 0;
	const char *part = text + n;
	int64_t v = 0;

	if (n == 0 || n > SECONDS_DIGITS)
		return false;
	for (size_t i = 0; i < n; i++)
		v = v * 10 + (text[i] - '0');
	if (v >= INT64_MAX / NS_PER_S)
		return false;
	if (*part == '.') {
		n_part = strspn(++part, "0123456789");
		if (n_part == 0 || n_part > NS_DIGITS)
			return false;
	}
	for (size_t i = 0; i < NS_DIGITS; i++)
		v = v * 10 + (i < n_part ? part[i] - '0' : 0);
	*ns = v;
	return part[n_part] == '\0';
}

bool
window_bound_read(
    struct window_bound *bound, const char *text, char err[OPTION_ERR_CHARS])
{
	char why[DATE_ERR_CHARS];

	*bound = (struct window_bound){ .kind = WINDOW_SINCE };
	if (text[0] == '+')
		return option_time(text + 1, 0, INT64_MAX / 4, &bound->ns, err);
	bound->kind = WINDOW_UNIX;
	if (read_seconds(text, &bound->ns) ||
	    date_parse(text, DATE_NO_DAY, &bound->ns, why))
		return true;
	bound->kind = WINDOW_OF_DAY;
	if (strlen(text) < sizeof(bound->text) &&
	    date_parse(text, 0, &bound->ns, why)) {
		(void)snprintf(bound->text, sizeof(bound->text), "%s", text);
		return true;
	}
	if (why[0] == '\0')
		return option_expected(err, EXPECTED);
	(void)snprintf(err, OPTION_ERR_CHARS, "%s", why);
	return false;
}

bool
window_is_empty(const struct window *window)
{
	return window->first.kind == window->last.kind &&
	    window->first.kind != WINDOW_NONE &&
	    window->first.ns > window->last.ns;
}

static int64_t
resolve(const struct window_bound *bound, int64_t first_packet_ns, int64_t none)
{
	char why[DATE_ERR_CHARS];
	int64_t ns = none;

	switch (bound->kind) {
	case WINDOW_UNIX:
		return bound->ns;
	case WINDOW_SINCE:
		if (__builtin_add_overflow(first_packet_ns, bound->ns, &ns))
			return INT64_MAX;
		return ns;
	case WINDOW_OF_DAY: /* an hour that the day lacks: unbounded */
		return date_parse(bound->text, first_packet_ns, &ns, why)
		    ? ns
		    : none;
	default:
		return none;
	}
}

void
window_begin(struct window *window, int64_t first_packet_ns)
{
	window->from_ns = resolve(&window->first, first_packet_ns, INT64_MIN);
	window->to_ns = resolve(&window->last, first_packet_ns, INT64_MAX);
}
