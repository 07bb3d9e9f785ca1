/* SPDX-License-Identifier: MIT */
#include "cmd/relay/latency.h"

#define SMOOTH 3 /* by a third of the difference */
#define JUMP_US 75000
#define TIMESTAMP_MASK ((UINT64_C(1) << 62) - 1)

bool
latency_due(const struct latency *latency, uint64_t now_us)
{
	return now_us >= latency->next_us;
}

uint64_t
latency_ask(struct latency *latency, uint64_t now_us, uint64_t interval_us)
{
	latency->asked_us = now_us & TIMESTAMP_MASK;
	if (latency->asked_us == 0)
		latency->asked_us = 1;
	latency->next_us = now_us + interval_us;
	return latency->asked_us;
}

bool
latency_answer(struct latency *latency, uint64_t timestamp, uint64_t now_us)
{
	uint64_t half_us;
	int64_t change_us;

	if (latency->asked_us == 0 || timestamp != latency->asked_us ||
	    (now_us & TIMESTAMP_MASK) < timestamp)
		return false;
	half_us = ((now_us & TIMESTAMP_MASK) - timestamp) / 2;
	if (half_us > UINT32_MAX)
		half_us = UINT32_MAX;
	latency->asked_us = 0;
	if (!latency->known) {
		latency->known = true;
		latency->smooth_us = (uint32_t)half_us;
		return true;
	}
	change_us = (int64_t)half_us - (int64_t)latency->smooth_us;
	latency->smooth_us =
	    (uint32_t)((int64_t)latency->smooth_us + change_us / SMOOTH);
	if (change_us > JUMP_US || change_us < -JUMP_US)
		latency->next_us = now_us;
	return true;
}
