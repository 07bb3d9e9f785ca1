/* SPDX-License-Identifier: MIT */
/* A line for each ping, for those who watch. */
#include "cmd/ping/live_impl.h"

#include "proto/message.h"

#define NS_PER_MS 1e6

static const char *
layer_text(const struct live *live, enum ping_layer layer)
{
	if (live->opt->layers != PING_LAYER_BOTH)
		return "";
	return layer == PING_SERVICE ? " layer=service" : " layer=net";
}

/* When it was due is told where that makes a difference that can be seen. */
static void
sample_line(const struct live *live, const struct measure_event *event)
{
	const struct ping_sample *s = &event->sample;

	printf("answer from %s: seq=%llu%s time=%.3f ms",
	    series_name_of(live->series, s->node),
	    (unsigned long long)event->slot, layer_text(live, s->layer),
	    (double)s->sent_ns / NS_PER_MS);
	if (s->due_ns - s->sent_ns > s->sent_ns / 10)
		printf(" since_due=%.3f ms", (double)s->due_ns / NS_PER_MS);
	if (s->has_clock)
		printf(" up=%.3f down=%.3f +-%.3f ms",
		    (double)s->up_ns / NS_PER_MS,
		    (double)s->down_ns / NS_PER_MS,
		    (double)s->clock_error_ns / NS_PER_MS);
	putchar('\n');
}

static void
count_line(const struct live *live, const struct measure_event *event)
{
	const struct ping_sample *s = &event->sample;
	const char *name = series_name_of(live->series, s->node);
	unsigned long long slot = event->slot;
	const char *layer = layer_text(live, s->layer);

	switch (event->what) {
	case PING_LOST:
		printf("no answer from %s: seq=%llu%s: %s\n", name, slot, layer,
		    event->cause != 0 ? bnet_code_name(event->cause)
				      : "timed out");
		break;
	case PING_LATE:
		printf("late answer from %s: seq=%llu%s time=%.3f ms\n", name,
		    slot, layer, (double)s->due_ns / NS_PER_MS);
		break;
	case PING_DUPLICATE:
		printf(
		    "second answer from %s: seq=%llu%s\n", name, slot, layer);
		break;
	case PING_MISSED_SLOT:
		printf("not sent to %s: seq=%llu, %llu of them: this machine"
		       " was late\n",
		    name, slot, (unsigned long long)event->n);
		break;
	default:
		printf("out of order from %s: seq=%llu%s\n", name, slot, layer);
	}
}

void
live_line(struct live *live, const struct measure_event *event)
{
	switch (event->kind) {
	case MEASURE_SAMPLE:
		sample_line(live, event);
		break;
	case MEASURE_COUNT:
		count_line(live, event);
		break;
	case MEASURE_SEEN:
	case MEASURE_LEFT:
		break;
	}
}
