/* SPDX-License-Identifier: MIT */
/*
 * schedule - when the pings of one node are due: an open loop.
 *
 * Slot k is due at start + phase + k x interval, regardless of the slots
 * before, so that a slow answer never delays the next ping. With Poisson the
 * gaps are random, with the interval as their mean. It reads no clock. For
 * measure.c.
 */
#ifndef PING_SCHEDULE_H
#define PING_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
	int64_t first_ns; /* slot 0; CLOCK_MONOTONIC */
	int64_t interval_ns;
	int64_t next_ns; /* when the next slot is due */
	uint64_t n; /* its number: as many were taken or missed */
	bool poisson;
	uint64_t random; /* random state of the gaps */
};

/*
 * The offset of the slots of node number `index` within an interval: spread
 * evenly, however many nodes there will be.
 */
int64_t schedule_phase_ns(uint64_t index, int64_t interval_ns);

/* interval_ns is positive. The seed matters for Poisson only. */
void schedule_init(struct schedule *schedule, int64_t start_ns,
    int64_t interval_ns, uint64_t index, bool poisson, uint64_t seed);

/* Advance to the next slot; returns when the current one was due. */
int64_t schedule_take(struct schedule *schedule);

/*
 * Skip the slots that are overdue by more than grace_ns at now_ns, at most
 * `max` of them. Returns the number of slots missed.
 */
uint64_t schedule_skip(
    struct schedule *schedule, int64_t now_ns, int64_t grace_ns, uint64_t max);

#endif
