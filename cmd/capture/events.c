/* SPDX-License-Identifier: MIT */
/* What the stages tell the sink, counted on the way. */
#include "cmd/capture/stream.h"

void
cap_emit(struct cap *cap, struct stream *stream, enum cap_dir dir,
    enum cap_event_type type, uint64_t bytes, const char *reason)
{
	struct cap_event event = { .type = type,
		.dir = dir,
		.time_ns = cap->time_ns,
		.packet = cap->counters.packets,
		.bytes = bytes,
		.reason = reason };

	if (stream != NULL) {
		if (stream->ignored || stream->undecided)
			return;
		event.stream = &stream->pub;
	}
	cap->counters.events[type]++;
	cap->counters.event_bytes[type] += bytes;
	cap->sink.event(cap->sink.arg, &event);
}

void
cap_emit_frame(struct cap *cap, struct stream *stream, enum cap_dir dir,
    const struct bnet_packet *frame)
{
	struct cap_event event;

	if (!stream->pub.recognised) {
		stream->pub.recognised = true;
		cap->counters.streams_selected++;
	}
	event.type = CAP_FRAME;
	event.dir = dir;
	event.time_ns = cap->time_ns;
	event.packet = cap->counters.packets;
	event.number = ++cap->counters.events[CAP_FRAME];
	event.stream = &stream->pub;
	event.bytes = BNET_FRAME_WORD_BYTES + (uint64_t)frame->size_bytes;
	event.reason = NULL;
	event.frame = frame;
	cap->counters.event_bytes[CAP_FRAME] += event.bytes;
	cap->sink.event(cap->sink.arg, &event);
}

/* Called from within the stages, so what they use is freed afterwards. */
void
cap_ignore(struct stream *stream)
{
	stream->ignored = true;
}
