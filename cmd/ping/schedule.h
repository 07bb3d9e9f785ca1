/* SPDX-License-Identifier: MIT */
/*
 * schedule - when the pings of one node are due: an open loop.
 *
 * Slot k is due at start + phase + k x interval, whatever became of those
 * before it, so that a slow answer never keeps the next question back. With
 * Poisson the gaps are drawn, with the interval as their mean. Nothing here
 * looks at a clock. For measure.c.
 */
#ifndef PING_SCHEDULE_H
#define PING_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
	int64_t first_ns; /* slot 0; CLOCK_MONOTONIC */
	int64_t interval_ns;
	int64_t next_ns; /* the slot that is next */
	uint64_t n; /* its number: so many were taken or missed */
	bool poisson;
	uint64_t random; /* state of the gaps */
};

/*
 * How far into an interval the slots of node number `index` lie: apart from
 * each other, and evenly, however many nodes there will be.
 */
int64_t schedule_phase_ns(uint64_t index, int64_t interval_ns);

/* interval_ns is positive. The seed counts for Poisson only. */
void schedule_init(struct schedule *schedule, int64_t start_ns,
    int64_t interval_ns, uint64_t index, bool poisson, uint64_t seed);

/* Go on to the next slot; returns when the one left was due. */
int64_t schedule_take(struct schedule *schedule);

/*
 * Pass over the slots that are overdue by more than grace_ns at now_ns, but
 * not more than `max` of them. Returns how many: they were missed.
 */
uint64_t schedule_skip(
    struct schedule *schedule, int64_t now_ns, int64_t grace_ns, uint64_t max);

#endif
