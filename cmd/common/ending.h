/* SPDX-License-Identifier: MIT */
/*
 * ending - waits with a time limit for the end of a program.
 *
 * Whatever does not end within ENDING_LIMIT_NS is named on standard error and
 * abandoned. From then on nothing that it may use may be freed, no lock that it
 * may hold may be taken, and each further wait is ENDING_AFTER_QUOTIENT times
 * shorter. The program writes what it has, and ending_code() exits with
 * CLI_STUCK, so that no destructor runs beside a running thread.
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
 * pthread_join() with a limit; `what` names the thread in the message: "the
 * thread of ...". Returns false if the thread still runs; it may be joined
 * again.
 */
bool ending_join(pthread_t thread, const char *what);

/*
 * Runs fn(arg) on its own thread, for library calls that wait without a limit.
 * Returns false if fn still runs, and uses `arg`, or if no thread could be
 * started, so that fn was not called.
 */
bool ending_call(void (*fn)(void *arg), void *arg, const char *what);

/*
 * Waits until done(arg), polled every few milliseconds. Returns false on
 * timeout.
 */
bool ending_until(bool (*done)(void *arg), void *arg, const char *what);

/* Has anything not ended? */
bool ending_is_stuck(void);

/*
 * Call it last in main(). Returns `code`; but if anything is stuck, flushes all
 * streams and calls _exit(CLI_STUCK), within the limit of a wait even if a
 * stream cannot be flushed.
 */
int ending_code(int code);

/* For tests: set another limit; ending_reset() also clears the stuck state. */
void ending_set_limit(int64_t limit_ns);
void ending_reset(int64_t limit_ns);

#endif
