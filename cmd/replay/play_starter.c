/* SPDX-License-Identifier: MIT */
/* The thread that connects players when they are due. */
#include "cmd/replay/play_impl.h"

#include "cmd/common/clock.h"

#define NS_PER_S INT64_C(1000000000)

/* When --duration is over. */
static int64_t
end_ns(const struct play *play)
{
	int64_t duration_ns = play->set.opt->duration_ns;

	return duration_ns == 0 || duration_ns > INT64_MAX - play->start_ns
	    ? INT64_MAX
	    : play->start_ns + duration_ns;
}

/* Wait for that time, or until nobody plays where that is asked for. */
static bool
wait_for(struct play *play, int64_t at_ns, bool players)
{
	int64_t until_ns = at_ns < end_ns(play) ? at_ns : end_ns(play);
	const struct timespec ts = { .tv_sec = until_ns / NS_PER_S,
		.tv_nsec = until_ns % NS_PER_S };
	bool stop;

	pthread_mutex_lock(&play->lock);
	while (!play->stop && clock_now_ns() < until_ns &&
	    !(players && atomic_load(&play->n_live) == 0))
		(void)pthread_cond_timedwait(&play->changed, &play->lock, &ts);
	stop = play->stop;
	pthread_mutex_unlock(&play->lock);
	return !stop && clock_now_ns() < end_ns(play);
}

/* False: it is to stop. */
static bool
wait_until(struct play *play, int64_t at_ns)
{
	return wait_for(play, at_ns, false);
}

/*
 * Where it is not the clock alone that says when a round is over, the next one
 * begins when it is.
 */
static bool
waits_for_answers(const struct replay_options *opt)
{
	return opt->timing == REPLAY_ASAP || opt->pacing != REPLAY_OPEN;
}

static bool
wait_for_players(struct play *play)
{
	return wait_for(play, INT64_MAX, true);
}

static bool
start_round(struct play *play, int64_t start_ns)
{
	const struct plan *plan = play->set.plan;
	uint32_t round;

	pthread_mutex_lock(&play->lock);
	play->n_planned += plan->n;
	pthread_mutex_unlock(&play->lock);
	round = live_again(&play->live);
	for (uint32_t i = 0; i < plan->n; i++) {
		int64_t at_ns = start_ns + plan->players[i].start_ns;

		if (!wait_until(play, at_ns))
			return false;
		if (!player_begin(play, i, round, at_ns)) {
			play_set_reason(play, "out of memory");
			return false;
		}
	}
	return true;
}

static void
start_rounds(struct play *play)
{
	const struct replay_options *opt = play->set.opt;
	int64_t start_ns = play->start_ns;

	for (uint64_t i = 0; opt->loop == 0 || i < opt->loop; i++) {
		if (!start_round(play, start_ns) || play->set.plan->n == 0)
			return;
		start_ns = opt->timing == REPLAY_ASAP
		    ? 0
		    : start_ns + play->set.plan->length_ns;
		if (!waits_for_answers(opt))
			continue;
		if (!wait_for_players(play))
			return;
		if (start_ns < clock_now_ns())
			start_ns = clock_now_ns();
	}
}

void *
play_starter(void *arg)
{
	struct play *play = arg;

	start_rounds(play);
	if (play->set.opt->duration_ns != 0) {
		(void)wait_for_players(play);
		play_drain(play);
	}
	pthread_mutex_lock(&play->lock);
	play->starter_done = true;
	pthread_cond_broadcast(&play->changed);
	pthread_mutex_unlock(&play->lock);
	return NULL;
}
