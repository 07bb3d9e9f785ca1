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
cli_plain(char *text)
{
	unsigned char before = 0, c;

	for (; (c = (unsigned char)*text) != '\0'; text++, before = c)
		if (c < ' ' || c == 0x7f ||
		    (before == 0xc2 && c >= 0x80 && c < 0xa0))
			*text = '?';
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

bool
cli_take_number(const char *text, uint64_t min, uint64_t max, uint64_t *v,
    char err[CLI_ERR_CHARS])
{
	if (whole(text, no_units, v) && *v >= min && *v <= max)
		return true;
	snprintf(err, CLI_ERR_CHARS, "expected a number from %llu to %llu",
	    (unsigned long long)min, (unsigned long long)max);
	return false;
}

bool
cli_take_size(const char *text, uint64_t min, uint64_t max, uint64_t *v,
    char err[CLI_ERR_CHARS])
{
	if (whole(text, size_units, v) && *v >= min && *v <= max)
		return true;
	snprintf(err, CLI_ERR_CHARS,
	    "expected a size from %llu to %llu bytes (K, M or G may follow)",
	    (unsigned long long)min, (unsigned long long)max);
	return false;
}

bool
cli_take_duration_ns(const char *text, int64_t min_ns, int64_t max_ns,
    int64_t *v_ns, char err[CLI_ERR_CHARS])
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
	    tolower((unsigned char)text[1]) == 'x') {
		snprintf(err, CLI_ERR_CHARS,
		    "expected a duration such as 0.5, 500ms or 10m,"
		    " from %g to %g s",
		    (double)min_ns / 1e9, (double)max_ns / 1e9);
		return false;
	}
	*v_ns = (int64_t)ns;
	return true;
}

bool
cli_take_word(
    const char *text, const char *const *words, int *v, char err[CLI_ERR_CHARS])
{
	size_t n;

	for (int i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], text) == 0) {
			*v = i;
			return true;
		}
	}
	n = (size_t)snprintf(err, CLI_ERR_CHARS, "expected one of ");
	for (int i = 0; words[i] != NULL && n < CLI_ERR_CHARS; i++)
		n += (size_t)snprintf(err + n, CLI_ERR_CHARS - n, "%s%s",
		    i == 0 ? "" : ", ", words[i]);
	return false;
}

uint64_t
cli_number(const char *what, const char *text, uint64_t min, uint64_t max)
{
	char err[CLI_ERR_CHARS];
	uint64_t v;

	if (!cli_take_number(text, min, max, &v, err))
		cli_usage("%s: '%s': %s", what, text, err);
	return v;
}

uint64_t
cli_size(const char *what, const char *text, uint64_t min, uint64_t max)
{
	char err[CLI_ERR_CHARS];
	uint64_t v;

	if (!cli_take_size(text, min, max, &v, err))
		cli_usage("%s: '%s': %s", what, text, err);
	return v;
}

int64_t
cli_duration_ns(
    const char *what, const char *text, int64_t min_ns, int64_t max_ns)
{
	char err[CLI_ERR_CHARS];
	int64_t v_ns;

	if (!cli_take_duration_ns(text, min_ns, max_ns, &v_ns, err))
		cli_usage("%s: '%s': %s", what, text, err);
	return v_ns;
}

int
cli_word(const char *what, const char *text, const char *const *words)
{
	char err[CLI_ERR_CHARS];
	int v;

	if (!cli_take_word(text, words, &v, err))
		cli_usage("%s: '%s': %s", what, text, err);
	return v;
}

char *
cli_secret(char *arg)
{
	char *copy = strdup(arg);

	if (copy == NULL)
		cli_die("out of memory");
	memset(arg, '*', strlen(arg));
	return copy;
}
