/* SPDX-License-Identifier: MIT */
/*
 * A capture under low limits, for the fuzzers: held memory is under its
 * limit, and events are in order, after each packet.
 */
#ifndef TESTS_FUZZ_CAPTURE_RUN_H
#define TESTS_FUZZ_CAPTURE_RUN_H

#include "cmd/capture/streams.h"

#include "tests/fuzz/fuzz.h"

#define FRAME_MAX_BYTES 4096
#define PAYLOAD_MAX_BYTES 8192
#define STREAM_BYTES 16384
#define STREAM_TIGHT_BYTES 700
#define TOTAL_BYTES 65536
#define TOTAL_TIGHT_BYTES 1500
#define N_STREAMS 3
#define NS_PER_MS INT64_C(1000000)
#define START_NS (INT64_C(1763850858) * 1000 * NS_PER_MS)

#define SET_ANY_PORT 0x01 /* in the byte that run_start() is given */
#define SET_OVERLAP 0x02
#define SET_ORDER 0x0c
#define SET_TIGHT 0x10 /* what may be held is soon too much */

struct run {
	struct cap *cap;
	int linktype;
	int64_t time_ns;
	uint64_t n_frames;
	uint64_t last_packet, n_late;
	uint64_t told_bytes[CAP_N_EVENTS];
	bool tls;
};

static inline void
run_check_frame(const struct cap_event *event)
{
	const struct bnet_packet *frame = event->frame;

	MUST_HOLD(event->bytes == BNET_FRAME_WORD_BYTES + frame->size_bytes);
	MUST_HOLD(frame->size_bytes <= FRAME_MAX_BYTES);
	MUST_HOLD(frame->payload.len <= PAYLOAD_MAX_BYTES);
	MUST_HOLD(event->stream->order != BNET_ORDER_AUTO ||
	    frame->codec != BNET_CODEC_ZLIB || frame->payload.len == 0 ||
	    frame->wire_payload.len > 0);
	MUST_HOLD(event->stream->recognised);
}

static inline void
run_on_event(void *arg, const struct cap_event *event)
{
	struct run *run = arg;

	MUST_HOLD(event->packet >= 1 &&
	    event->packet <= cap_counters(run->cap)->packets);
	/* what comes late is counted */
	if (event->type == CAP_FRAME) {
		run->n_late += event->packet < run->last_packet;
		if (event->packet > run->last_packet)
			run->last_packet = event->packet;
	}
	MUST_HOLD((unsigned)event->type < CAP_N_EVENTS);
	run->told_bytes[event->type] += event->bytes;
	if (event->type == CAP_FRAME) {
		MUST_HOLD(event->number == ++run->n_frames);
		run_check_frame(event);
		return;
	}
	MUST_HOLD(event->reason != NULL && event->reason[0] != '\0');
	MUST_HOLD(event->stream != NULL || event->type == CAP_LIMIT ||
	    event->type == CAP_CLOCK);
	if (event->stream == NULL)
		return;
	run->tls |= event->stream->tls;
	MUST_HOLD(strlen(event->stream->end[0]) == event->stream->end_chars[0]);
}

static inline void
run_on_closed(void *arg, struct cap_stream *stream)
{
	struct run *run = arg;

	run->tls |= stream->tls;
}

/* What the streams say they hold is what the limit is held against. */
static inline void
run_check_held(const struct cap *cap)
{
	const struct stream_list *lists[] = { &cap->streams.open,
		&cap->streams.closing, &cap->streams.dormant,
		&cap->streams.silent };
	size_t held = 0, n = 0;

	for (int i = 0; i < 4; i++)
		for (struct stream *s = lists[i]->oldest; s != NULL;
		     s = s->newer, n++) {
			held += s->tls_held_bytes;
			for (int dir = CAP_UP; dir <= CAP_DOWN; dir++)
				held += s->half[dir].held_bytes +
				    s->flow[dir].held_bytes;
		}
	MUST_HOLD(n == cap->streams.n && n <= N_STREAMS);
	MUST_HOLD(held == cap->held_bytes);
	MUST_HOLD(held <= cap->set.limits.total_bytes);
}

static inline void
run_packet(struct run *run, int linktype, struct bnet_slice data, uint8_t time)
{
	struct cap_stream *stream;

	if (time == 255)
		run->time_ns -= 1000 * NS_PER_MS;
	else if (time > 240)
		run->time_ns += (time - 240) * 100000 * NS_PER_MS;
	else
		run->time_ns += time * NS_PER_MS;
	data = fuzz_copy(data);
	MUST_HOLD(cap_packet(run->cap, linktype, run->time_ns, data,
		      data.len + time % 3 / 2, &stream) == BNET_OK);
	fuzz_free(data);
	run_check_held(run->cap);
}

/* *run is zeros, but for the link type. */
static inline void
run_start(struct run *run, uint8_t set, const struct cap_keylog *keylog)
{
	bool tight = (set & SET_TIGHT) != 0;
	const struct cap_settings settings = {
		.any_port = (set & SET_ANY_PORT) != 0,
		.overlap =
		    set & SET_OVERLAP ? CAP_OVERLAP_LAST : CAP_OVERLAP_FIRST,
		.order = (enum bnet_order)((set & SET_ORDER) >> 2) % 3,
		.frame_max_bytes = FRAME_MAX_BYTES,
		.payload_max_bytes = PAYLOAD_MAX_BYTES,
		.limits = { .stream_bytes =
				tight ? STREAM_TIGHT_BYTES : STREAM_BYTES,
		    .total_bytes = tight ? TOTAL_TIGHT_BYTES : TOTAL_BYTES,
		    .n_streams = N_STREAMS,
		    .idle_ns = 60000 * NS_PER_MS },
		.keylog = keylog,
	};
	const struct cap_sink sink = { run_on_event, run_on_closed, run };

	fuzz_random_restart();
	run->time_ns = START_NS;
	run->cap = cap_new(&settings, &sink);
	MUST_HOLD(run->cap != NULL);
}

/* All is told, nothing held. */
static inline void
run_end(struct run *run)
{
	cap_finish(run->cap);
	run_check_held(run->cap);
	MUST_HOLD(run->cap->held_bytes == 0 && run->cap->streams.n == 0);
	MUST_HOLD(cap_counters(run->cap)->events[CAP_FRAME] == run->n_frames);
	MUST_HOLD(cap_counters(run->cap)->late_frames == run->n_late);
	for (int i = 0; i < CAP_N_EVENTS; i++)
		MUST_HOLD(cap_counters(run->cap)->event_bytes[i] ==
		    run->told_bytes[i]);
}

#endif
