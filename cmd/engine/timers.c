/* SPDX-License-Identifier: MIT */
#include "cmd/engine/timers.h"

#include <stdlib.h>

#define TIMERS_CAP_MIN 64

void
timers_free(struct timers *timers)
{
	free(timers->heap);
	*timers = (struct timers){ 0 };
}

static void
put(struct timers *timers, size_t place, struct timer *timer)
{
	timers->heap[place - 1] = timer;
	timer->place = place;
}

static void
rise(struct timers *timers, struct timer *timer)
{
	size_t place = timer->place;

	while (place > 1) {
		struct timer *parent = timers->heap[place / 2 - 1];

		if (parent->at_ns <= timer->at_ns)
			break;
		put(timers, place, parent);
		place /= 2;
	}
	put(timers, place, timer);
}

static void
sink(struct timers *timers, struct timer *timer)
{
	size_t place = timer->place;

	for (;;) {
		size_t child = 2 * place;

		if (child > timers->n)
			break;
		if (child < timers->n &&
		    timers->heap[child]->at_ns < timers->heap[child - 1]->at_ns)
			child++;
		if (timers->heap[child - 1]->at_ns >= timer->at_ns)
			break;
		put(timers, place, timers->heap[child - 1]);
		place = child;
	}
	put(timers, place, timer);
}

static bool
grow(struct timers *timers)
{
	size_t cap = timers->cap == 0 ? TIMERS_CAP_MIN : 2 * timers->cap;
	struct timer **heap = realloc(timers->heap, cap * sizeof(*heap));

	if (heap == NULL)
		return false;
	timers->heap = heap;
	timers->cap = cap;
	return true;
}

bool
timers_set(struct timers *timers, struct timer *timer, int64_t at_ns)
{
	if (timer->place == 0) {
		if (timers->n == timers->cap && !grow(timers))
			return false;
		put(timers, ++timers->n, timer);
	}
	timer->at_ns = at_ns;
	rise(timers, timer);
	sink(timers, timer);
	return true;
}

void
timers_cancel(struct timers *timers, struct timer *timer)
{
	size_t place = timer->place;
	struct timer *last;

	if (place == 0)
		return;
	timer->place = 0;
	last = timers->heap[--timers->n];
	if (last == timer)
		return;
	put(timers, place, last);
	rise(timers, last);
	sink(timers, last);
}

struct timer *
timers_due(struct timers *timers, int64_t now_ns)
{
	struct timer *first;

	if (timers->n == 0 || timers->heap[0]->at_ns > now_ns)
		return NULL;
	first = timers->heap[0];
	timers_cancel(timers, first);
	return first;
}

int64_t
timers_next_ns(const struct timers *timers)
{
	return timers->n == 0 ? INT64_MAX : timers->heap[0]->at_ns;
}
