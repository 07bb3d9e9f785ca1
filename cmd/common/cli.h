/* SPDX-License-Identifier: MIT */
/*
 * cli - what all tools say and take in the same way: exit codes, messages,
 * sizes and durations.
 */
#ifndef COMMON_CLI_H
#define COMMON_CLI_H

#include <stdbool.h>
#include <stdint.h>

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

/*
 * A number, a size (K, M, G: powers of 1024) or a duration (ns, us, ms, s, m,
 * h; none: s) from the text of option `what`, within [min, max]; otherwise
 * it is bad usage, and says what was expected.
 */
uint64_t
cli_number(const char *what, const char *text, uint64_t min, uint64_t max);
uint64_t
cli_size(const char *what, const char *text, uint64_t min, uint64_t max);
int64_t cli_duration_ns(
    const char *what, const char *text, int64_t min_ns, int64_t max_ns);

/*
 * The index of `text` in `words`, which end with NULL; otherwise it is bad
 * usage, and says what there is.
 */
int cli_word(const char *what, const char *text, const char *const *words);

/*
 * A secret of the command line: a copy, for free(), while `arg` itself is
 * overwritten, so that nobody reads it in the list of processes.
 */
char *cli_secret(char *arg);

/*
 * Numbers and words for who goes on after bad text: true and the value, or false and
 * in `err` what was expected. *v is anything then.
 */
bool cli_take_number(const char *text, uint64_t min, uint64_t max, uint64_t *v,
    char err[CLI_ERR_CHARS]);
bool cli_take_size(const char *text, uint64_t min, uint64_t max, uint64_t *v,
    char err[CLI_ERR_CHARS]);
bool cli_take_duration_ns(const char *text, int64_t min_ns, int64_t max_ns,
    int64_t *v_ns, char err[CLI_ERR_CHARS]);
bool cli_take_word(const char *text, const char *const *words, int *v,
    char err[CLI_ERR_CHARS]);

#endif
