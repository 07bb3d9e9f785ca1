/* SPDX-License-Identifier: MIT */
#include "cmd/common/ending.h"

#include "cmd/common/cli.h"
#include "cmd/common/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define FIRST_STEP_NS INT64_C(10000)
#define LAST_STEP_NS INT64_C(2000000)

static int64_t limit_ns = ENDING_LIMIT_NS;
static bool stuck;

void
ending_reset(int64_t new_limit_ns)
{
	limit_ns = new_limit_ns;
	stuck = false;
}

bool
ending_is_stuck(void)
{
	return stuck;
}

static int64_t
limit_now_ns(void)
{
	return stuck ? limit_ns / ENDING_AFTER_QUOTIENT : limit_ns;
}

/*
 * It is asked and not waited for: pthread_timedjoin_np() goes by a clock that
 * may be set, and sanitizers do not know pthread_clockjoin_np().
 */
bool
ending_until(bool (*done)(void *arg), void *arg, const char *what)
{
	int64_t most_ns = limit_now_ns(), step_ns = FIRST_STEP_NS;
	int64_t until_ns = clock_now_ns() + most_ns;
	struct timespec ts = { 0 };
	bool late = false; /* one look more: we may have been stopped */

	while (!done(arg)) {
		if (late) {
			cli_warn("%s did not end within %g s", what,
			    (double)most_ns / 1e9);
			stuck = true;
			return false;
		}
		late = clock_now_ns() >= until_ns;
		ts.tv_nsec = step_ns;
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
		if (step_ns < LAST_STEP_NS)
			step_ns *= 2;
	}
	return true;
}

static bool
joined(void *arg)
{
	pthread_t *thread = arg;

	return pthread_tryjoin_np(*thread, NULL) != EBUSY;
}

bool
ending_join(pthread_t thread, const char *what)
{
	return ending_until(joined, &thread, what);
}

struct call {
	void (*fn)(void *arg);
	void *arg;
};

static void *
run(void *arg)
{
	struct call *call = arg;

	call->fn(call->arg);
	return NULL;
}

bool
ending_call(void (*fn)(void *arg), void *arg, const char *what)
{
	static struct call call; /* outlives us where it goes on */
	pthread_t thread;
	int error;

	if (stuck)
		return false; /* that may be what reads `call` */
	call = (struct call){ fn, arg };
	error = pthread_create(&thread, NULL, run, &call);
	if (error == 0 && ending_join(thread, what))
		return true;
	if (error == 0) {
		(void)pthread_detach(thread);
		return false;
	}
	cli_warn("%s was not ended: %s", what, strerror(error));
	stuck = true;
	return false;
}

/* ---- leaving ---- */

static void
leave(int sig)
{
	(void)sig;
	_exit(CLI_STUCK);
}

/* A thread that goes on may hold a stream for ever: then a signal ends us. */
static void
leave_in_time(void)
{
	const int64_t us = limit_now_ns() / 1000 + 1;
	const struct itimerval timer = { .it_value = { .tv_sec = us / 1000000,
					     .tv_usec = us % 1000000 } };
	struct sigaction action = { .sa_handler = leave };
	sigset_t alarms;

	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	(void)sigaction(SIGALRM, &action, NULL);
	(void)pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
	(void)setitimer(ITIMER_REAL, &timer, NULL);
}

int
ending_code(int code)
{
	if (!stuck)
		return code;
	leave_in_time();
	fflush(NULL);
	_exit(CLI_STUCK);
}
