/* SPDX-License-Identifier: MIT */
#include "cmd/common/ending.h"

#include "cmd/common/cli.h"
#include "cmd/common/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIRST_STEP_NS INT64_C(10000)
#define LAST_STEP_NS INT64_C(2000000)
#define MESSAGE_CHARS 256

static int64_t limit_ns = ENDING_LIMIT_NS;
static bool stuck;

void
ending_set_limit(int64_t new_limit_ns)
{
	limit_ns = new_limit_ns;
}

void
ending_reset(int64_t new_limit_ns)
{
	ending_set_limit(new_limit_ns);
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

/* Without a stream: a stuck thread may hold its lock, or the list of all. */
static void
say(const char *what, int64_t most_ns)
{
	char line[MESSAGE_CHARS];
	int n = snprintf(line, sizeof(line), "%s: %s did not end within %g s\n",
	    program_invocation_short_name, what, (double)most_ns / 1e9);

	if (n > 0 && n < MESSAGE_CHARS)
		(void)!write(STDERR_FILENO, line, (size_t)n);
}

/*
 * Polls, because pthread_timedjoin_np() uses a clock that may be set, and
 * sanitizers do not support pthread_clockjoin_np().
 */
bool
ending_until(bool (*done)(void *arg), void *arg, const char *what)
{
	int64_t most_ns = limit_now_ns(), step_ns = FIRST_STEP_NS;
	int64_t until_ns = clock_now_ns() + most_ns;
	struct timespec ts = { 0 };
	bool late = false; /* one more check: we may have been suspended */

	while (!done(arg)) {
		if (late) {
			say(what, most_ns);
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
	static struct call call; /* outlives us if the call does not end */
	pthread_t thread;
	int error;

	if (stuck)
		return false; /* a stuck call may still read `call` */
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

/* ---- exit ---- */

static void *
flush(void *arg)
{
	(void)arg;
	fflush(NULL);
	return NULL;
}

/* On its own thread, because a stuck thread may hold a stream forever. */
int
ending_code(int code)
{
	pthread_t thread;

	if (!stuck)
		return code;
	if (pthread_create(&thread, NULL, flush, NULL) == 0)
		(void)ending_join(thread, "the writing of output");
	_exit(CLI_STUCK);
}
