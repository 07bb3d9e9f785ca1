/* SPDX-License-Identifier: MIT */
/* What the worker tells, and what the caller takes and sees of it. */
#include "cmd/ping/measure_impl.h"

#include "cmd/common/ending.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOCK_SLICE_NS INT64_C(100000000)

/* ---- events ---- */

void
measure_wake(struct measure *m)
{
	const uint64_t one = 1;

	(void)!write(m->event_fd, &one, sizeof(one));
}

struct measure_event *
measure_event(struct measure *m, enum measure_kind kind)
{
	struct measure_events *events = &m->events[m->filling];
	struct measure_event *event;

	if (events->n == MEASURE_EVENTS_MAX) {
		m->n_overflow++;
		return NULL;
	}
	/* others look every now and then; a line that is waited for is not */
	if (events->n == 0 && m->opt->verbose)
		measure_wake(m);
	event = &events->list[events->n++];
	*event = (struct measure_event){ .kind = kind };
	return event;
}

void
measure_fail(struct measure *m, const char *why)
{
	if (m->state == MEASURE_FAILED || m->state == MEASURE_DONE)
		return;
	m->state = MEASURE_FAILED;
	snprintf(m->reason, sizeof(m->reason), "%s", why);
	measure_wake(m);
}

/* ---- looking at it ---- */

int
measure_fd(const struct measure *m)
{
	return m->event_fd;
}

static size_t
n_pinged(const struct targets *targets)
{
	size_t n = 0;

	for (size_t i = 0; i < targets_n(targets); i++)
		n += targets_at(targets, i)->pinged;
	return n;
}

/* A slice of the wait: the clock of this wait may be set. */
static bool
locked(void *arg)
{
	struct measure *m = arg;
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += LOCK_SLICE_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return pthread_mutex_timedlock(&m->lock, &until) == 0;
}

/*
 * Not asked for with trylock: this mutex is handed to who waits for it. The
 * worker holds it in its turns, so one that does not end holds it for ever.
 */
static bool
lock(struct measure *m)
{
	return !m->stuck &&
	    ending_until(locked, m, "a turn of the network thread");
}

const struct measure_event *
measure_take(struct measure *m, size_t *n, struct measure_view *view)
{
	struct measure_events *taken;
	uint64_t woken;

	*n = 0;
	(void)!read(m->event_fd, &woken, sizeof(woken));
	if (!lock(m))
		return NULL;
	taken = &m->events[m->filling];
	m->filling = !m->filling;
	m->events[m->filling].n = 0;
	*view = (struct measure_view){
		.state = m->state,
		.was_up = m->was_up,
		.roster_known = m->targets.roster > 0,
		.n_targets = n_pinged(&m->targets),
		.n_waiting = m->n_waiting,
		.n_overflow = m->n_overflow,
	};
	memcpy(view->reason, m->reason, sizeof(view->reason));
	pthread_mutex_unlock(&m->lock);
	*n = taken->n;
	return taken->list;
}

struct targets *
measure_lock(struct measure *m)
{
	if (!lock(m))
		return NULL;
	return &m->targets;
}

void
measure_unlock(struct measure *m)
{
	pthread_mutex_unlock(&m->lock);
}

struct targets *
measure_targets(struct measure *m)
{
	return &m->targets;
}

const struct trace *
measure_traced(struct measure *m)
{
	return &m->trace;
}

int64_t
measure_wall_ns(const struct measure *m, int64_t at_ns)
{
	return at_ns + m->wall_ahead_ns;
}
