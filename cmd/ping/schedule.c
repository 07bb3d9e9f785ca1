/* SPDX-License-Identifier: MIT */
#include "cmd/ping/schedule.h"

#include <math.h>

/* Steele, Lea and Flood's splitmix64. */
#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

static uint64_t
draw(uint64_t *state)
{
	uint64_t z = *state += GOLDEN;

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* At least 0, below 1. */
static double
unit(uint64_t bits)
{
	return (double)(bits >> 11) * 0x1p-53;
}

static int64_t
gap_ns(struct schedule *schedule)
{
	double gap;

	if (!schedule->poisson)
		return schedule->interval_ns;
	gap = -log1p(-unit(draw(&schedule->random))) *
	    (double)schedule->interval_ns;
	return gap < 1 ? 1 : (int64_t)gap;
}

/* Multiples of the golden ratio: each falls into the widest gap. */
int64_t
schedule_phase_ns(uint64_t index, int64_t interval_ns)
{
	return (int64_t)(unit(index * GOLDEN) * (double)interval_ns);
}

void
schedule_init(struct schedule *schedule, int64_t start_ns, int64_t interval_ns,
    uint64_t index, bool poisson, uint64_t seed)
{
	*schedule = (struct schedule){
		.interval_ns = interval_ns,
		.poisson = poisson,
		.random = seed ^ (index + 1) * GOLDEN,
	};
	schedule->first_ns = poisson
	    ? start_ns + gap_ns(schedule)
	    : start_ns + schedule_phase_ns(index, interval_ns);
	schedule->next_ns = schedule->first_ns;
}

int64_t
schedule_take(struct schedule *schedule)
{
	int64_t due_ns = schedule->next_ns;

	schedule->next_ns += gap_ns(schedule);
	schedule->n++;
	return due_ns;
}

uint64_t
schedule_skip(
    struct schedule *schedule, int64_t now_ns, int64_t grace_ns, uint64_t max)
{
	int64_t over_ns = now_ns - grace_ns - schedule->next_ns;
	uint64_t n = 0;

	if (over_ns <= 0)
		return 0;
	if (!schedule->poisson) {
		/* rounded up: the slot that is left is within the grace */
		n = ((uint64_t)over_ns - 1) / (uint64_t)schedule->interval_ns +
		    1;
		n = n < max ? n : max;
		schedule->n += n;
		schedule->next_ns += (int64_t)n * schedule->interval_ns;
		return n;
	}
	while (n < max && schedule->next_ns < now_ns - grace_ns) {
		(void)schedule_take(schedule);
		n++;
	}
	return n;
}
