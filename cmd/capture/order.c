/* SPDX-License-Identifier: MIT */
#include "cmd/capture/order.h"

#include <stdlib.h>
#include <string.h>

#define ORDER_NS INT64_C(1000000000) /* no event waits for longer */
#define ORDER_BYTES ((size_t)16 << 20) /* nor more than this */
#define CHECK_NS INT64_C(10000000) /* between checks of those that hold */

struct order_entry {
	uint64_t key; /* packet number; not before that of the one before */
	uint64_t serial;
	struct stream *stream; /* or NULL */
	struct cap_event event;
	struct bnet_packet frame;
	size_t bytes;
	uint8_t data[]; /* what the frame borrows */
};

/* ---- to the sink ---- */

static void
deliver(struct cap *cap, struct cap_event *event)
{
	struct order *order = &cap->order;
	const struct cap_mark mark = { event->time_ns, event->packet };

	event->clock_ns =
	    cap->clock.n == 0 ? event->time_ns : clock_at(&cap->clock, mark);
	if (event->type == CAP_FRAME) {
		event->number = ++order->n_frames;
		if (order->usual_from != UINT64_MAX) {
			order->last_packet = order->usual_from;
			order->usual_from = UINT64_MAX;
		}
		if (event->packet >= order->last_packet) {
			order->last_packet = event->packet;
			order->last_ns = event->clock_ns;
		} else {
			cap->counters.late_frames++;
			if (order->last_ns - event->clock_ns >
			    cap->counters.late_ns)
				cap->counters.late_ns =
				    order->last_ns - event->clock_ns;
		}
	}
	cap->sink.event(cap->sink.arg, event);
}

/* ---- the events that wait: a heap ---- */

static bool
before(const struct order_entry *a, const struct order_entry *b)
{
	return a->key != b->key ? a->key < b->key : a->serial < b->serial;
}

static void
sift_up(struct order *order, size_t i)
{
	struct order_entry *entry = order->heap[i];

	for (; i > 0 && before(entry, order->heap[(i - 1) / 2]);
	     i = (i - 1) / 2)
		order->heap[i] = order->heap[(i - 1) / 2];
	order->heap[i] = entry;
}

static void
sift_down(struct order *order, struct order_entry *entry)
{
	size_t i = 0, child;

	while ((child = 2 * i + 1) < order->n) {
		if (child + 1 < order->n &&
		    before(order->heap[child + 1], order->heap[child]))
			child++;
		if (!before(order->heap[child], entry))
			break;
		order->heap[i] = order->heap[child];
		i = child;
	}
	order->heap[i] = entry;
}

static struct order_entry *
pop(struct order *order)
{
	struct order_entry *entry = order->heap[0];

	order->bytes -= entry->bytes;
	if (--order->n > 0)
		sift_down(order, order->heap[order->n]);
	if (entry->stream != NULL)
		entry->stream->n_waiting--;
	return entry;
}

static void
deliver_first(struct cap *cap)
{
	struct order_entry *entry = pop(&cap->order);

	deliver(cap, &entry->event);
	free(entry);
}

static bool
push(struct order *order, struct order_entry *entry)
{
	size_t cap = order->cap == 0 ? 64 : 2 * order->cap;
	struct order_entry **heap;

	if (order->n == order->cap) {
		heap = realloc(order->heap, cap * sizeof(struct order_entry *));
		if (heap == NULL)
			return false;
		order->heap = heap;
		order->cap = cap;
	}
	entry->serial = order->serial++;
	order->bytes += entry->bytes;
	if (entry->stream != NULL)
		entry->stream->n_waiting++;
	order->heap[order->n++] = entry;
	sift_up(order, order->n - 1);
	return true;
}

static struct bnet_slice
copy(uint8_t **to, struct bnet_slice from)
{
	struct bnet_slice out = { *to, from.len };

	if (from.len == 0)
		return (struct bnet_slice){ NULL, 0 };
	memcpy(*to, from.p, from.len);
	*to += from.len;
	return out;
}

/* Copies the frame with what it borrows. */
static void
copy_frame(struct order_entry *entry, const struct bnet_packet *from)
{
	struct bnet_packet *frame = &entry->frame;
	uint8_t *to = entry->data;

	*frame = *from;
	frame->oob = copy(&to, from->oob);
	frame->wire_payload = copy(&to, from->wire_payload);
	if (from->payload.p == from->wire_payload.p)
		frame->payload = frame->wire_payload;
	else
		frame->payload = copy(&to, from->payload);
	if (frame->has_header && frame->header.forks > 0) {
		frame->forks.p = frame->oob.p + (from->forks.p - from->oob.p);
		frame->forks.end =
		    frame->oob.p + (from->forks.end - from->oob.p);
		frame->forks.from =
		    frame->oob.p + (from->forks.from - from->oob.p);
	}
	entry->event.frame = frame;
}

static struct order_entry *
new_entry(struct stream *stream, const struct cap_event *event, uint64_t key)
{
	const struct bnet_packet *frame = event->frame;
	size_t n = 0;
	struct order_entry *entry;

	if (frame != NULL) {
		n = frame->oob.len + frame->wire_payload.len;
		if (frame->payload.p != frame->wire_payload.p)
			n += frame->payload.len;
	}
	entry = malloc(sizeof(*entry) + n);
	if (entry == NULL)
		return NULL;
	entry->bytes = sizeof(*entry) + n;
	entry->stream = stream;
	entry->key = key;
	entry->event = *event;
	if (frame != NULL)
		copy_frame(entry, frame);
	return entry;
}

void
order_event(struct cap *cap, struct stream *stream, struct cap_event *event)
{
	struct order *order = &cap->order;
	struct order_entry *entry;
	uint64_t key = event->packet, *last;

	if (stream != NULL) {
		last = &stream->hold[event->dir].last_key;
		if (key < *last)
			key = *last;
		*last = key;
	}
	if (order->n == 0 && order->limit == UINT64_MAX) {
		deliver(cap, event);
		return;
	}
	entry = new_entry(stream, event, key);
	if (entry == NULL || !push(order, entry)) {
		free(entry); /* out of memory: better out of order than lost */
		order_flush(cap);
		deliver(cap, event);
		return;
	}
	while (order->bytes > ORDER_BYTES)
		deliver_first(cap);
}

/* ---- who holds bytes ---- */

static void
unlink_hold(struct hold_list *list, struct hold *hold)
{
	*(hold->prev == NULL ? &list->first : &hold->prev->next) = hold->next;
	*(hold->next == NULL ? &list->last : &hold->next->prev) = hold->prev;
}

/* By packet. */
static void
link_hold(struct hold_list *list, struct hold *hold)
{
	struct hold *prev = list->last;

	while (prev != NULL && prev->packet > hold->packet)
		prev = prev->prev;
	hold->prev = prev;
	hold->next = prev == NULL ? list->first : prev->next;
	*(prev == NULL ? &list->first : &prev->next) = hold;
	*(hold->next == NULL ? &list->last : &hold->next->prev) = hold;
}

static struct hold_list *
list_of(struct order *order, const struct hold *hold)
{
	return hold->state == HOLD_STALE ? &order->stale : &order->fresh;
}

/* Is what comes next as usual? */
static void
set_usual(struct cap *cap)
{
	struct order *order = &cap->order;

	if (order->usual_from != UINT64_MAX)
		order->last_packet = order->usual_from;
	order->usual_from = UINT64_MAX;
	if (order->limit == UINT64_MAX && order->n == 0 && cap->clock.n == 0 &&
	    order->stale.first == NULL)
		order->usual_from = order->last_packet;
}

void
order_limit(struct cap *cap)
{
	struct order *order = &cap->order;

	order->limit = UINT64_MAX;
	if (order->fresh.first != NULL)
		order->limit = order->fresh.first->packet;
	if (cap->clock.suspect && cap->clock.doubt.packet < order->limit)
		order->limit = cap->clock.doubt.packet;
	set_usual(cap);
}

static void
note(struct cap *cap, struct stream *s, enum cap_dir dir)
{
	struct order *order = &cap->order;
	struct hold *hold = &s->hold[dir];

	if (order_holds(s, dir) == (hold->state != HOLD_NONE))
		return;
	if (!order_holds(s, dir)) {
		unlink_hold(list_of(order, hold), hold);
		hold->state = HOLD_NONE;
		return;
	}
	hold->state = HOLD_FRESH;
	hold->stream = s;
	hold->dir = dir;
	hold->packet = cap->tcp.now.packet;
	hold->since_ns = cap->time_ns;
	link_hold(&order->fresh, hold);
}

void
order_note(struct cap *cap, struct stream *s)
{
	note(cap, s, CAP_UP);
	note(cap, s, CAP_DOWN);
	order_limit(cap);
}

/* What some direction awaited for long enough is given up. */
static void
judge(struct cap *cap, struct hold *hold)
{
	struct flow_ref ref = { cap, hold->stream, hold->dir };

	tcp_judge(&ref.stream->half[ref.dir], &cap->tcp, cap->time_ns, &ref);
	order_note(cap, ref.stream);
}

static void
judge_list(struct cap *cap, struct hold_list *list)
{
	struct hold *hold, *next;

	for (hold = list->first; hold != NULL; hold = next) {
		next = hold->next;
		judge(cap, hold);
	}
}

/* It has held bytes for long, but perhaps not the same ones. */
static bool
is_fresh(const struct cap *cap, struct hold *hold)
{
	const struct stream *s = hold->stream;

	if (s->half[hold->dir].head == NULL ||
	    !marks_empty(&s->flow[hold->dir].marks))
		return false;
	hold->since_ns = tcp_held_since(&s->half[hold->dir], &hold->packet);
	return cap->time_ns - hold->since_ns <= ORDER_NS;
}

static void
check(struct cap *cap)
{
	struct order *order = &cap->order;
	struct hold *hold;

	order->check_ns = cap->time_ns + CHECK_NS;
	judge_list(cap, &order->fresh);
	if (cap->time_ns >= order->check_stale_ns) {
		order->check_stale_ns = cap->time_ns + ORDER_NS;
		judge_list(cap, &order->stale);
	}
	while ((hold = order->fresh.first) != NULL &&
	    cap->time_ns - hold->since_ns > ORDER_NS) {
		unlink_hold(&order->fresh, hold);
		if (!is_fresh(cap, hold))
			hold->state = HOLD_STALE;
		link_hold(list_of(order, hold), hold);
	}
}

void
order_step(struct cap *cap)
{
	struct order *order = &cap->order;

	if ((order->fresh.first != NULL || order->stale.first != NULL) &&
	    cap->time_ns >= order->check_ns)
		check(cap);
	order_limit(cap);
	while (order->n > 0 && order->heap[0]->key < order->limit)
		deliver_first(cap);
	set_usual(cap);
}

void
order_flush_stream(struct cap *cap, struct stream *s)
{
	for (int dir = CAP_UP; dir <= CAP_DOWN; dir++)
		if (s->hold[dir].state != HOLD_NONE) {
			unlink_hold(
			    list_of(&cap->order, &s->hold[dir]), &s->hold[dir]);
			s->hold[dir].state = HOLD_NONE;
		}
	while (s->n_waiting > 0)
		deliver_first(cap);
}

void
order_flush(struct cap *cap)
{
	while (cap->order.n > 0)
		deliver_first(cap);
}

void
order_wait(struct cap *cap)
{
	cap->order.limit = 0;
	set_usual(cap);
}

void
order_free(struct cap *cap)
{
	while (cap->order.n > 0)
		free(pop(&cap->order));
	free(cap->order.heap);
}
