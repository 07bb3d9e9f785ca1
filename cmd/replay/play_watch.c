/* SPDX-License-Identifier: MIT */
/* For whoever looks on from outside: how far it is, and making it stop. */
#include "cmd/replay/play_impl.h"

#include "cmd/common/clock.h"

#define NS_PER_S INT64_C(1000000000)

void
play_publish(struct play_worker *worker)
{
	const uint64_t *n = worker->results.counts;
	struct play_progress *seen = &worker->seen;

	pthread_mutex_lock(&worker->play->lock);
	seen->begun = n[RESULTS_SESSIONS_BEGUN];
	seen->ready = n[RESULTS_SESSIONS_READY];
	seen->done = n[RESULTS_SESSIONS_DONE];
	seen->failed = n[RESULTS_SESSIONS_FAILED] +
	    n[RESULTS_SESSIONS_REFUSED] + n[RESULTS_SESSIONS_CUT];
	seen->sent = n[RESULTS_FRAMES_SENT];
	seen->received = n[RESULTS_FRAMES_RECEIVED];
	seen->errors = n[RESULTS_ERRORS];
	seen->held = n[RESULTS_HELD];
	seen->late_p99_ns = hdr_quantile(&worker->window, 0.99);
	seen->late_max_ns = worker->window_max_ns;
	pthread_mutex_unlock(&worker->play->lock);
	hdr_clear(&worker->window);
	worker->window_max_ns = 0;
}

static int64_t
larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static bool
is_over(struct play *play)
{
	return play->starter_done && atomic_load(&play->n_live) == 0;
}

/* The workers tell it as of now for the next time. */
void
play_progress(struct play *play, struct play_progress *progress)
{
	*progress = (struct play_progress){ 0 };
	pthread_mutex_lock(&play->lock);
	for (unsigned i = 0; i < play->n_workers; i++) {
		const struct play_progress *seen = &play->workers[i].seen;

		progress->begun += seen->begun;
		progress->ready += seen->ready;
		progress->done += seen->done;
		progress->failed += seen->failed;
		progress->sent += seen->sent;
		progress->received += seen->received;
		progress->errors += seen->errors;
		progress->held += seen->held;
		progress->late_p99_ns =
		    larger(progress->late_p99_ns, seen->late_p99_ns);
		progress->late_max_ns =
		    larger(progress->late_max_ns, seen->late_max_ns);
	}
	progress->sessions_planned = play->n_planned;
	progress->over = is_over(play);
	pthread_mutex_unlock(&play->lock);
	progress->production = atomic_load(&play->production);
	play_tell_all(play, PLAY_SAY_PUBLISH);
}

void
play_drain(struct play *play)
{
	pthread_mutex_lock(&play->lock);
	play->stop = true;
	pthread_cond_broadcast(&play->changed);
	pthread_mutex_unlock(&play->lock);
	atomic_store(&play->stopping, true);
	play_tell_all(play, PLAY_SAY_STOP);
}

bool
play_wait(struct play *play, int64_t timeout_ns)
{
	int64_t until_ns = clock_now_ns() + timeout_ns;
	const struct timespec ts = { .tv_sec = until_ns / NS_PER_S,
		.tv_nsec = until_ns % NS_PER_S };
	bool over;

	pthread_mutex_lock(&play->lock);
	while (!is_over(play) && clock_now_ns() < until_ns)
		(void)pthread_cond_timedwait(&play->changed, &play->lock, &ts);
	over = is_over(play);
	pthread_mutex_unlock(&play->lock);
	return over;
}
