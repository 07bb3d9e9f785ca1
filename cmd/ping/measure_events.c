/* SPDX-License-Identifier: MIT */
/* What the worker tells, and what the caller takes and sees of it. */
#include "cmd/ping/measure_impl.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

const struct measure_event *
measure_take(struct measure *m, size_t *n, struct measure_view *view)
{
	struct measure_events *taken;
	uint64_t woken;

	(void)!read(m->event_fd, &woken, sizeof(woken));
	pthread_mutex_lock(&m->lock);
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

void
measure_finish(struct measure *m)
{
	pthread_mutex_lock(&m->lock);
	m->finishing = true;
	pthread_mutex_unlock(&m->lock);
}

struct targets *
measure_lock(struct measure *m)
{
	pthread_mutex_lock(&m->lock);
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
