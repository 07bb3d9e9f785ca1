/* SPDX-License-Identifier: MIT */
#include "cmd/common/cli.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORDS_CHARS 512

static const char *program = "bluenet";

void
cli_name(const char *name)
{
	program = name;
}

void
cli_standard_fds(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)open("/dev/null", O_RDWR); /* the lowest: fd */
}

static void
say(const char *fmt, va_list ap)
{
	fflush(stdout);
	fprintf(stderr, "%s: ", program);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void
cli_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

void
cli_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	fprintf(stderr, "Try '%s --help'.\n", program);
	exit(CLI_USAGE);
}

void
cli_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	exit(CLI_FAILED);
}

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };
static const struct unit size_units[] = {
	{ "", 1 },
	{ "K", UINT64_C(1) << 10 },
	{ "M", UINT64_C(1) << 20 },
	{ "G", UINT64_C(1) << 30 },
	{ NULL, 0 },
};

static bool
whole(const char *text, const struct unit *unit, uint64_t *v)
{
	char *end;

	errno = 0;
	*v = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || errno != 0)
		return false;
	while (unit->name != NULL && strcasecmp(unit->name, end) != 0)
		unit++;
	if (unit->name == NULL || *v > UINT64_MAX / unit->factor)
		return false;
	*v *= unit->factor;
	return true;
}

uint64_t
cli_number(const char *what, const char *text, uint64_t min, uint64_t max)
{
	uint64_t v;

	if (!whole(text, no_units, &v) || v < min || v > max)
		cli_usage("%s: '%s': expected a number from %llu to %llu", what,
		    text, (unsigned long long)min, (unsigned long long)max);
	return v;
}

uint64_t
cli_size(const char *what, const char *text, uint64_t min, uint64_t max)
{
	uint64_t v;

	if (!whole(text, size_units, &v) || v < min || v > max)
		cli_usage("%s: '%s': expected a size from %llu to %llu bytes"
			  " (K, M or G may follow)",
		    what, text, (unsigned long long)min,
		    (unsigned long long)max);
	return v;
}

int64_t
cli_duration_ns(
    const char *what, const char *text, int64_t min_ns, int64_t max_ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { { "", 1e9 }, { "s", 1e9 }, { "ms", 1e6 }, { "us", 1e3 },
		{ "ns", 1 }, { "m", 60e9 }, { "h", 3600e9 } };
	char *end;
	double v = strtod(text, &end), ns = -1;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (end != text && strcmp(end, units[i].name) == 0)
			ns = v * units[i].ns;
	/* strtod() takes blanks, signs, words and hexadecimal as well */
	if (!isfinite(ns) || ns < (double)min_ns || ns > (double)max_ns ||
	    ns >= (double)INT64_MAX || !isdigit((unsigned char)text[0]) ||
	    tolower((unsigned char)text[1]) == 'x')
		cli_usage("%s: '%s': expected a duration such as 0.5, 500ms"
			  " or 10m, from %g to %g s",
		    what, text, (double)min_ns / 1e9, (double)max_ns / 1e9);
	return (int64_t)ns;
}

int
cli_word(const char *what, const char *text, const char *const *words)
{
	char list[WORDS_CHARS] = "";
	size_t n = 0;

	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], text) == 0)
			return i;
	for (int i = 0; words[i] != NULL && n < sizeof(list); i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s",
		    i == 0 ? "" : ", ", words[i]);
	cli_usage("%s: '%s': expected one of %s", what, text, list);
}
