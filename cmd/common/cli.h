/* SPDX-License-Identifier: MIT */
/* cli - what all tools say in the same way: exit codes and messages. */
#ifndef COMMON_CLI_H
#define COMMON_CLI_H

#define CLI_ERR_CHARS 512

/* The same in every tool where it has the case at all. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1, /* could not read, or did not do it */
	CLI_USAGE = 2,
	CLI_LOSSY = 3, /* read, but not all of it was good */
	CLI_STUCK = 70, /* done, but a part of it did not end: ending.h */
};

/* The name that messages start with; borrowed. */
void cli_name(const char *name);

/*
 * Before anything is opened: a standard descriptor that is closed becomes
 * /dev/null, so that no file takes its number.
 */
void cli_standard_fds(void);

/*
 * Text from elsewhere, made fit to be shown: what a terminal would act on
 * (control characters, DEL, C1) becomes '?'.
 */
void cli_plain(char *text);

/* "NAME: message" on standard error. */
void cli_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same, a hint where the manual is, and exit with CLI_USAGE. */
_Noreturn void
cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same without the hint, and exit with CLI_FAILED. */
_Noreturn void
cli_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
