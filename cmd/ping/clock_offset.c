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

static struct trace_relay *
relay_of(struct trace *trace, uint64_t id)
{
	for (size_t i = 0; i < trace->n; i++)
		if (trace->relays[i].id == id)
			return &trace->relays[i];
	if (trace->n == TRACE_RELAYS_MAX)
		return NULL;
	trace->relays[trace->n].id = id;
	return &trace->relays[trace->n++];
}

/* A place on the path of an echo: when it was there, and how exactly known. */
struct place {
	int64_t left_ns, bound_ns;
};

static void
way(struct summary *ways_ns, struct summary *bounds_ns,
    const struct place *from, int64_t arrived_ns,
    const struct clock_offset *clock)
{
	int64_t at_ns = arrived_ns - clock_offset_ns(clock);
	int64_t bound_ns = from->bound_ns + clock_offset_bound_ns(clock);

	summary_add(ways_ns, (double)(at_ns - from->left_ns));
	summary_add(bounds_ns, (double)bound_ns);
}

void
trace_add(struct trace *trace, const struct bnet_echo *echo,
    const struct clock_times *times, const struct clock_offset *node)
{
	struct place from = { times->sent_ns, 0 };

	for (uint32_t i = 0; i < echo->n; i++) {
		const struct bnet_echo_hop *hop = &echo->hops[i];
		struct trace_relay *relay = relay_of(trace, hop->id);
		const struct clock_times theirs = { times->sent_ns,
			times->came_ns, (int64_t)hop->in_ns,
			(int64_t)hop->out_ns };

		/* ignore a clock that runs backwards */
		if (relay == NULL || hop->in_ns > hop->out_ns ||
		    hop->out_ns > INT64_MAX ||
		    !clock_offset_add(&relay->clock, &theirs))
			continue;
		summary_add(
		    &relay->inside_ns, (double)(hop->out_ns - hop->in_ns));
		way(&relay->way_ns, &relay->bound_ns, &from, theirs.received_ns,
		    &relay->clock);
		from.left_ns =
		    theirs.replied_ns - clock_offset_ns(&relay->clock);
		from.bound_ns = clock_offset_bound_ns(&relay->clock);
	}
	if (echo->n > 0)
		way(&trace->last_ns, &trace->last_bound_ns, &from,
		    times->received_ns, node);
}
