/* SPDX-License-Identifier: MIT */
/*
 * order - hands the events of all streams to the sink in the order of the
 * packets that completed them.
 *
 * While a direction holds bytes (it awaits what is before them, or the start of
 * a frame), what it will still report is earlier than what the others report
 * now. So events wait until it has let go, for at most ORDER_NS; usually none
 * waits, and nothing is copied. Within a direction they stay in the order of
 * the stream. Frames that come late are counted. Owns the events that wait;
 * called by capture.c, streams.c and flow.c.
 */
#ifndef CAPTURE_ORDER_H
#define CAPTURE_ORDER_H

#include "cmd/capture/flow.h"

/* Hands over an event of the stream (NULL: of none), now or later. */
void
order_event(struct cap *cap, struct stream *stream, struct cap_event *event);

/*
 * The usual case of it: nothing waits, and the frame is not late. Returns true
 * if the caller is to hand over the event at once.
 */
static inline bool
order_usual(struct cap *cap, struct cap_event *event)
{
	struct order *order = &cap->order;

	if (event->packet < order->usual_from)
		return false;
	order->usual_from = event->packet;
	order->last_ns = event->clock_ns = event->time_ns;
	event->number = ++order->n_frames;
	return true;
}

static inline bool
order_holds(const struct stream *stream, enum cap_dir dir)
{
	return stream->half[dir].head != NULL ||
	    !marks_empty(&stream->flow[dir].marks) ||
	    (stream->suspect != NULL && stream->suspect->dir == dir);
}

/* Does it hold bytes, or is it noted to? Usually neither. */
static inline bool
order_may_change(const struct stream *stream, enum cap_dir dir)
{
	return stream->half[dir].head != NULL ||
	    stream->hold[dir].state != HOLD_NONE ||
	    stream->flow[dir].marks.n > 0;
}

/* Notes which directions hold bytes. */
void order_note(struct cap *cap, struct stream *stream);

static inline bool
order_is_busy(const struct cap *cap)
{
	return cap->order.usual_from == UINT64_MAX;
}

/* Notes which events must wait now. */
void order_limit(struct cap *cap);

/* After each packet: hands over what need not wait. */
void order_step(struct cap *cap);

/* Hands over everything of this stream, or everything. */
void order_flush_stream(struct cap *cap, struct stream *stream);
void order_flush(struct cap *cap);

/* From now on everything waits, until order_flush(). */
void order_wait(struct cap *cap);

/* Drops what waits. */
void order_free(struct cap *cap);

#endif
