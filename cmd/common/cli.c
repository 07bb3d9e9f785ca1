/* SPDX-License-Identifier: MIT */
#include "cmd/common/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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
