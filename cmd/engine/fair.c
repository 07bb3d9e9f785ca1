/* SPDX-License-Identifier: MIT */
/*
 * Turns of the sources of a long queue. send.c calls it.
 *
 * Without it a queue is first in, first out: whoever fills it decides how long
 * all others wait, and whether they get in at all. So:
 *
 *  - While the peer reads what it gets, there is nothing to share. Frames go
 *    straight to the queue, and nothing here is used or allocated.
 *  - When the socket is full and FAIR_MARK_BYTES wait, frames are kept here,
 *    in the order of each source, and sources take turns: deficit round robin,
 *    QUANTUM_BYTES a turn. Who sends little waits for the mark and one turn.
 *  - A source whose frames are all gone has its next ones served first, once
 *    a round (as in RFC 8290, FQ-CoDel): a packet now and then does not wait
 *    for a round of all who have much.
 *  - A source may have so much on its way as send.c allows it (see
 *    SHARE_TIMES there), so one that fills its share leaves room to others.
 *
 * What is ahead of the mark, in the kernel and at the peer, cannot be called
 * back. Sources are told apart by their slots: up to FAIR_SHARES connections
 * have a share each; of more, some have one together.
 */
#include "cmd/engine/fair.h"

#include <stdlib.h>

#define QUANTUM_BYTES 16384
#define SIZE_MASK ((UINT32_C(1) << 28) - 1)

/* The frames of one source. */
struct flow {
	struct bnet_buf buf;
	uint64_t n_frames;
	int64_t deficit_bytes; /* what it may still send in this turn */
	unsigned share;
	struct flow *next;
};

struct flows {
	struct flow *first, **end;
};

struct fair {
	atomic_size_t held[FAIR_SHARES];
	struct budget *budget;
	struct flow *of[FAIR_SHARES]; /* owned; NULL: it has no turn */
	struct flows fresh, waiting; /* fresh ones come first */
	size_t n_bytes;
	enum bnet_order order;
};

static void
flows_init(struct flows *flows)
{
	flows->first = NULL;
	flows->end = &flows->first;
}

static void
flows_add(struct flows *flows, struct flow *flow)
{
	flow->next = NULL;
	*flows->end = flow;
	flows->end = &flow->next;
}

static struct flow *
flows_pop(struct flows *flows)
{
	struct flow *flow = flows->first;

	flows->first = flow->next;
	if (flows->first == NULL)
		flows->end = &flows->first;
	return flow;
}

/* ---- making and freeing ---- */

struct fair *
fair_new(struct budget *budget)
{
	struct fair *fair;

	if (!budget_take(budget, sizeof(*fair), BUDGET_FIRST))
		return NULL;
	fair = calloc(1, sizeof(*fair));
	if (fair == NULL) {
		budget_give(budget, sizeof(*fair));
		return NULL;
	}
	fair->budget = budget;
	flows_init(&fair->fresh);
	flows_init(&fair->waiting);
	return fair;
}

static void
flow_free(struct fair *fair, struct flow *flow)
{
	fair->of[flow->share] = NULL;
	budget_free_buf(fair->budget, &flow->buf);
	free(flow);
	budget_give(fair->budget, sizeof(*flow));
}

static void
free_flows(struct fair *fair)
{
	while (fair->fresh.first != NULL)
		flow_free(fair, flows_pop(&fair->fresh));
	while (fair->waiting.first != NULL)
		flow_free(fair, flows_pop(&fair->waiting));
}

void
fair_clear(struct fair *fair)
{
	free_flows(fair);
	budget_give(fair->budget, sizeof(*fair));
}

void
fair_free(struct fair *fair)
{
	free(fair);
}

atomic_size_t *
fair_held(struct fair *fair, unsigned share)
{
	return &fair->held[share];
}

size_t
fair_bytes(const struct fair *fair)
{
	return fair->n_bytes;
}

enum bnet_order
fair_order(const struct fair *fair)
{
	return fair->n_bytes == 0 ? BNET_ORDER_AUTO : fair->order;
}

/* ---- putting ---- */

static struct flow *
flow_new(struct fair *fair, unsigned share, enum budget_for purpose)
{
	struct flow *flow;

	if (!budget_take(fair->budget, sizeof(*flow), purpose))
		return NULL;
	flow = calloc(1, sizeof(*flow));
	if (flow == NULL) {
		budget_give(fair->budget, sizeof(*flow));
		return NULL;
	}
	bnet_buf_init(&flow->buf, SIZE_MAX / 4);
	flow->share = share;
	return flow;
}

bool
fair_put(struct fair *fair, unsigned share, enum bnet_order order,
    struct bnet_slice frames, uint64_t n_frames, enum budget_for purpose)
{
	struct flow *flow = fair->of[share];
	bool fresh = flow == NULL;

	if (fresh)
		flow = flow_new(fair, share, purpose);
	if (flow == NULL)
		return false;
	if (!budget_buf_room(fair->budget, &flow->buf, frames.len, purpose) ||
	    bnet_buf_append(&flow->buf, frames) != BNET_OK) {
		if (fresh)
			flow_free(fair, flow);
		return false;
	}
	if (fresh) {
		fair->of[share] = flow;
		flow->deficit_bytes = QUANTUM_BYTES;
		flows_add(&fair->fresh, flow);
	}
	flow->n_frames += n_frames;
	fair->n_bytes += frames.len;
	fair->order = order;
	return true;
}

/* ---- taking ---- */

/*
 * How many bytes of whole frames it may send now: at least one frame, then as
 * long as its deficit and `room_bytes` last.
 */
static size_t
run_of(const struct fair *fair, const struct flow *flow, size_t room_bytes,
    uint64_t *n_frames)
{
	struct bnet_slice left = bnet_buf_slice(&flow->buf);
	size_t n = 0, step;

	*n_frames = 0;
	do {
		step = BNET_FRAME_WORD_BYTES +
		    (bnet_order_get_u32(fair->order, left.p) & SIZE_MASK);
		left = bnet_slice_from(left, step);
		n += step;
		(*n_frames)++;
	} while (
	    left.len > 0 && n < room_bytes && (int64_t)n < flow->deficit_bytes);
	return n;
}

static void
moved(struct fair *fair, struct flow *flow, size_t n, uint64_t n_frames)
{
	flow->n_frames -= n_frames;
	flow->deficit_bytes -= (int64_t)n;
	fair->n_bytes -= n;
	atomic_fetch_sub_explicit(
	    &fair->held[flow->share], n, memory_order_relaxed);
}

/* Without memory to copy, an empty `out` gets all that the source has. */
static uint64_t
swap_in(struct fair *fair, struct flow *flow, struct bnet_buf *out)
{
	uint64_t n_frames = flow->n_frames;

	budget_free_buf(fair->budget, out);
	*out = flow->buf;
	bnet_buf_init(&flow->buf, SIZE_MAX / 4);
	moved(fair, flow, out->len, n_frames);
	return n_frames;
}

/* Some frames of the source whose turn it is. 0: no memory. */
static uint64_t
take_run(struct fair *fair, struct flow *flow, struct bnet_buf *out,
    size_t mark_bytes)
{
	uint64_t n_frames;
	struct bnet_slice run = bnet_buf_slice(&flow->buf);

	run.len = run_of(fair, flow, mark_bytes - out->len, &n_frames);
	if (!budget_buf_room(fair->budget, out, run.len, BUDGET_NODE) ||
	    bnet_buf_append(out, run) != BNET_OK)
		return out->len == 0 ? swap_in(fair, flow, out) : 0;
	bnet_buf_consume(&flow->buf, run.len);
	moved(fair, flow, run.len, n_frames);
	return n_frames;
}

/*
 * Its turn is over. One that has nothing left waits a round too, so that it
 * cannot be fresh again at once.
 */
static void
end_turn(struct fair *fair, struct flows *list)
{
	struct flow *flow = flows_pop(list);

	if (flow->buf.len == 0 && list == &fair->waiting) {
		flow_free(fair, flow);
		return;
	}
	if (flow->deficit_bytes <= 0)
		flow->deficit_bytes += QUANTUM_BYTES;
	flows_add(&fair->waiting, flow);
}

uint64_t
fair_take(struct fair *fair, struct bnet_buf *out, size_t mark_bytes)
{
	uint64_t n_frames = 0, n;
	struct flows *list;

	while (fair->n_bytes > 0 && out->len < mark_bytes) {
		list =
		    fair->fresh.first != NULL ? &fair->fresh : &fair->waiting;
		if (list->first->buf.len == 0 ||
		    list->first->deficit_bytes <= 0) {
			end_turn(fair, list);
			continue;
		}
		n = take_run(fair, list->first, out, mark_bytes);
		if (n == 0)
			break;
		n_frames += n;
	}
	if (fair->n_bytes == 0)
		free_flows(fair);
	return n_frames;
}

static uint64_t
drop_all(struct fair *fair, const struct flows *flows)
{
	uint64_t n_frames = 0;

	for (struct flow *flow = flows->first; flow != NULL;
	     flow = flow->next) {
		n_frames += flow->n_frames;
		moved(fair, flow, flow->buf.len, 0);
	}
	return n_frames;
}

uint64_t
fair_drop(struct fair *fair)
{
	uint64_t n_frames =
	    drop_all(fair, &fair->fresh) + drop_all(fair, &fair->waiting);

	free_flows(fair);
	return n_frames;
}
