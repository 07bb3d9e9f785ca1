/* SPDX-License-Identifier: MIT */
#include "cmd/ping/noise.h"

#include "cmd/common/clock.h"
#include "cmd/common/ending.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

struct noise {
	pthread_t thread;
	atomic_bool stop;
	pthread_mutex_t lock; /* of what follows */
	size_t n;
	struct noise_stall held[NOISE_HELD_MAX];
};

static void
note(struct noise *noise, const struct noise_stall *stall)
{
	size_t at;

	pthread_mutex_lock(&noise->lock);
	at = noise->n < NOISE_HELD_MAX ? noise->n++ : NOISE_HELD_MAX - 1;
	if (at < NOISE_HELD_MAX - 1 ||
	    noise->held[at].stall_ns <= stall->stall_ns)
		noise->held[at] = *stall;
	pthread_mutex_unlock(&noise->lock);
}

/* After a stall the periods that it covered are not asked for again. */
static void *
run(void *arg)
{
	struct noise *noise = arg;
	struct noise_stall stall = { .at_ns = clock_now_ns() };
	struct timespec ts;

	(void)prctl(PR_SET_TIMERSLACK, 1UL);
	while (!atomic_load(&noise->stop)) {
		stall.at_ns += NOISE_PERIOD_NS;
		ts.tv_sec = stall.at_ns / 1000000000;
		ts.tv_nsec = stall.at_ns % 1000000000;
		while (clock_nanosleep(
			   CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
			;
		stall.stall_ns = clock_now_ns() - stall.at_ns;
		note(noise, &stall);
		stall.at_ns +=
		    stall.stall_ns / NOISE_PERIOD_NS * NOISE_PERIOD_NS;
	}
	return NULL;
}

struct noise *
noise_start(void)
{
	struct noise *noise = calloc(1, sizeof(*noise));
	int error;

	if (noise == NULL)
		return NULL;
	pthread_mutex_init(&noise->lock, NULL);
	error = pthread_create(&noise->thread, NULL, run, noise);
	if (error == 0)
		return noise;
	pthread_mutex_destroy(&noise->lock);
	free(noise);
	errno = error;
	return NULL;
}

bool
noise_stop(struct noise *noise)
{
	if (noise == NULL)
		return true;
	atomic_store(&noise->stop, true);
	if (!ending_join(noise->thread, "the thread that measures noise"))
		return false;
	pthread_mutex_destroy(&noise->lock);
	free(noise);
	return true;
}

size_t
noise_take(struct noise *noise, struct noise_stall stalls[NOISE_HELD_MAX])
{
	size_t n;

	pthread_mutex_lock(&noise->lock);
	n = noise->n;
	memcpy(stalls, noise->held, n * sizeof(*stalls));
	noise->n = 0;
	pthread_mutex_unlock(&noise->lock);
	return n;
}
