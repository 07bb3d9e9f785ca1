/* SPDX-License-Identifier: MIT */
#include "cmd/common/hiccups.h"

#include "cmd/common/clock.h"
#include "cmd/common/ending.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

struct hiccups {
	pthread_t thread;
	atomic_bool stop;
	pthread_mutex_t lock; /* of the members below */
	size_t n;
	struct hiccup held[HICCUPS_HELD_MAX];
};

static void
note(struct hiccups *hiccups, const struct hiccup *stall)
{
	size_t at;

	pthread_mutex_lock(&hiccups->lock);
	at =
	    hiccups->n < HICCUPS_HELD_MAX ? hiccups->n++ : HICCUPS_HELD_MAX - 1;
	if (at < HICCUPS_HELD_MAX - 1 ||
	    hiccups->held[at].stall_ns <= stall->stall_ns)
		hiccups->held[at] = *stall;
	pthread_mutex_unlock(&hiccups->lock);
}

/* After a stall, the periods that it covered are skipped. */
static void *
run(void *arg)
{
	struct hiccups *hiccups = arg;
	struct hiccup stall = { .at_ns = clock_now_ns() };
	struct timespec ts;

	(void)prctl(PR_SET_TIMERSLACK, 1UL);
	while (!atomic_load(&hiccups->stop)) {
		stall.at_ns += HICCUPS_PERIOD_NS;
		ts.tv_sec = stall.at_ns / 1000000000;
		ts.tv_nsec = stall.at_ns % 1000000000;
		while (clock_nanosleep(
			   CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
			;
		stall.stall_ns = clock_now_ns() - stall.at_ns;
		note(hiccups, &stall);
		stall.at_ns +=
		    stall.stall_ns / HICCUPS_PERIOD_NS * HICCUPS_PERIOD_NS;
	}
	return NULL;
}

struct hiccups *
hiccups_start(void)
{
	struct hiccups *hiccups = calloc(1, sizeof(*hiccups));
	int error;

	if (hiccups == NULL)
		return NULL;
	pthread_mutex_init(&hiccups->lock, NULL);
	error = pthread_create(&hiccups->thread, NULL, run, hiccups);
	if (error == 0)
		return hiccups;
	pthread_mutex_destroy(&hiccups->lock);
	free(hiccups);
	errno = error;
	return NULL;
}

bool
hiccups_stop(struct hiccups *hiccups)
{
	if (hiccups == NULL)
		return true;
	atomic_store(&hiccups->stop, true);
	if (!ending_join(hiccups->thread, "the thread that measures hiccups"))
		return false;
	pthread_mutex_destroy(&hiccups->lock);
	free(hiccups);
	return true;
}

size_t
hiccups_take(struct hiccups *hiccups, struct hiccup stalls[HICCUPS_HELD_MAX])
{
	size_t n;

	pthread_mutex_lock(&hiccups->lock);
	n = hiccups->n;
	memcpy(stalls, hiccups->held, n * sizeof(*stalls));
	hiccups->n = 0;
	pthread_mutex_unlock(&hiccups->lock);
	return n;
}
