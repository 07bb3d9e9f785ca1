/* SPDX-License-Identifier: MIT */
/*
 * ending - the waits at the end of a program, none of them without a limit.
 *
 * What does not end within ENDING_LIMIT_NS is named on standard error and left
 * alone. From then on nothing may be freed that it may still use, no lock may
 * be taken that it may hold, and each further wait has only
 * ENDING_AFTER_QUOTIENT times less. The program writes what it has, and
 * ending_code() leaves with CLI_STUCK: no destructor runs beside a thread that
 * goes on.
 *
 * For the thread that ends the program; a wait that succeeds costs a few
 * microseconds more than one without a limit.
 */
#ifndef COMMON_ENDING_H
#define COMMON_ENDING_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define ENDING_LIMIT_NS INT64_C(30000000000)
#define ENDING_AFTER_QUOTIENT 10

/*
 * pthread_join() of `what`: "the thread of the noise". False: it goes on, and
 * may be joined again.
 */
bool ending_join(pthread_t thread, const char *what);

/*
 * fn(arg) on a thread of its own, for what waits without a limit in a library.
 * False: it goes on, with `arg`; or no thread could be started, and fn was not
 * called.
 */
bool ending_call(void (*fn)(void *arg), void *arg, const char *what);

/* Until done(arg), which is asked every few milliseconds. False: it is not. */
bool ending_until(bool (*done)(void *arg), void *arg, const char *what);

/* Something did not end. */
bool ending_is_stuck(void);

/*
 * The last thing of main(): `code`. Where something did not end, flush all
 * streams and _exit(CLI_STUCK), within the limit of a wait even where one of
 * them cannot be flushed.
 */
int ending_code(int code);

/* For tests: another limit; and the same, and nothing is stuck. */
void ending_set_limit(int64_t limit_ns);
void ending_reset(int64_t limit_ns);

#endif
