/* SPDX-License-Identifier: MIT */
#include "cmd/common/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* glibc has strerrorname_np() since 2.32 */
#ifdef __GLIBC__
#define LIBC_HAS_ERRNO_NAMES __GLIBC_PREREQ(2, 32)
#else
#define LIBC_HAS_ERRNO_NAMES 0
#endif

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
			/* the lowest: fd */
			(void)open("/dev/null", fd == 1 ? O_RDONLY : O_RDWR);
	(void)signal(SIGPIPE, SIG_IGN);
}

/* The first error of standard output; later calls of stdio forget it. */
static int output_error;

static void
flush(void)
{
	errno = 0;
	if ((fflush(stdout) != 0 || ferror(stdout)) && output_error == 0)
		output_error = errno != 0 ? errno : EIO;
}

/* Has its reader gone? Tells what stdio wrote, and failed at, on its own. */
static bool
reader_is_gone(void)
{
	struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

bool
cli_output_ok(int error)
{
	static bool told;

	if (error == 0 || error == EPIPE || (error == EIO && reader_is_gone()))
		return true;
	if (!told)
		cli_warn("standard output: %s",
		    error == EBADF ? "closed" : strerror(error));
	told = true;
	return false;
}

bool
cli_flush(void)
{
	flush();
	return cli_output_ok(output_error);
}

static void
say(const char *fmt, va_list ap)
{
	flush();
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

const char *
cli_errno_name(int error)
{
#if LIBC_HAS_ERRNO_NAMES
	return strerrorname_np(error);
#else
	(void)error;
	return NULL;
#endif
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
