/* SPDX-License-Identifier: MIT */
#include "cmd/ping/clock_offset.h"

static int64_t
drift_ns(int64_t time_ns)
{
	return time_ns / (1000000 / CLOCK_DRIFT_PPM) + 1;
}

bool
clock_offset_add(struct clock_offset *clock, const struct clock_times *times)
{
	int64_t low_ns = times->replied_ns - times->came_ns;
	int64_t high_ns = times->received_ns - times->sent_ns;
	int64_t wider_ns;

	if (low_ns > high_ns)
		return false;
	if (!clock->known) {
		clock->known = true;
		clock->low_ns = low_ns;
		clock->high_ns = high_ns;
		clock->at_ns = times->came_ns;
		return true;
	}
	if (times->came_ns > clock->at_ns) {
		wider_ns = drift_ns(times->came_ns - clock->at_ns);
		clock->low_ns -= wider_ns;
		clock->high_ns += wider_ns;
		clock->at_ns = times->came_ns;
	}
	if (low_ns > clock->high_ns || high_ns < clock->low_ns) {
		clock->low_ns = low_ns;
		clock->high_ns = high_ns;
		clock->n_steps++;
		return true;
	}
	if (low_ns > clock->low_ns)
		clock->low_ns = low_ns;
	if (high_ns < clock->high_ns)
		clock->high_ns = high_ns;
	return true;
}

int64_t
clock_offset_ns(const struct clock_offset *clock)
{
	return clock->low_ns + (clock->high_ns - clock->low_ns) / 2;
}

int64_t
clock_offset_bound_ns(const struct clock_offset *clock)
{
	return (clock->high_ns - clock->low_ns + 1) / 2;
}

void
clock_offset_ways(const struct clock_offset *clock,
    const struct clock_times *times, int64_t *up_ns, int64_t *down_ns)
{
	int64_t offset_ns = clock_offset_ns(clock);

	*up_ns = times->received_ns - times->sent_ns - offset_ns;
	*down_ns = times->came_ns - times->replied_ns + offset_ns;
}
