/* SPDX-License-Identifier: MIT */
/* cli - exit codes and messages common to all tools. */
#ifndef COMMON_CLI_H
#define COMMON_CLI_H

#include <stdbool.h>

#define CLI_ERR_CHARS 512

/* The same in every tool that has the case. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1, /* could not read, or could not do the task */
	CLI_USAGE = 2,
	CLI_LOSSY = 3, /* read, but not all of it was valid */
	CLI_STUCK = 70, /* done, but some part did not end: see ending.h */
};

/* Sets the name that messages start with; borrowed. */
void cli_name(const char *name);

/*
 * Call before opening anything. Gives closed standard descriptors to /dev/null,
 * so that no other file gets their numbers; standard output for reading only,
 * so that what is written there fails. Ignores SIGPIPE: a reader that is gone
 * is found by cli_flush().
 */
void cli_standard_fds(void);

/*
 * Writes what standard output holds. Returns false, with a message the first
 * time, if that or something before failed; a reader that is gone is no
 * failure.
 */
bool cli_flush(void);

/* The same for an errno of one's own writing to standard output; 0: none. */
bool cli_output_ok(int error);

/*
 * Makes foreign text safe to print: control characters, DEL and C1, which a
 * terminal would interpret, become '?'.
 */
void cli_plain(char *text);

/* "ENOENT" of an errno, where the system has its names; NULL: it has not. */
const char *cli_errno_name(int error);

/* Prints "NAME: message" on standard error. */
void cli_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same, plus a hint at the manual; exits with CLI_USAGE. */
_Noreturn void
cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same without the hint; exits with CLI_FAILED. */
_Noreturn void
cli_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
