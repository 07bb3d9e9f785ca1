/* SPDX-License-Identifier: MIT */
/*
 * Mailboxes, batches and outboxes. A mailbox belongs to a worker, or to the
 * inbox of the applications; a batch to who fills it until it is pushed, then
 * to the owner of the mailbox. worker.c, send.c and inbox.c call it.
 */
#include "cmd/engine/handover.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CONTROL_BYTES_MAX 64
#define PARCEL_MAX_BYTES ((size_t)1 << 20) /* pushed before the turn ends */

bool
handover_init(struct handover_queue *queue)
{
	__cds_wfcq_init(&queue->head, &queue->tail);
	queue->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return queue->wake_fd >= 0;
}

void
handover_free(struct handover_queue *queue, struct budget *budget)
{
	struct parcels parcels;
	struct parcel *parcel;

	if (queue->wake_fd < 0)
		return;
	handover_take(queue, &parcels);
	while ((parcel = parcels_next(&parcels)) != NULL)
		if (!parcel->marker)
			parcel_free(parcel, budget);
	close(queue->wake_fd);
	queue->wake_fd = -1;
}

struct parcel *
parcel_new(struct budget *budget)
{
	struct parcel *parcel;

	if (!budget_take_kept(budget, sizeof(*parcel)))
		return NULL;
	parcel = calloc(1, sizeof(*parcel));
	if (parcel == NULL) {
		budget_give(budget, sizeof(*parcel));
		return NULL;
	}
	bnet_buf_init(&parcel->bytes, SIZE_MAX / 4);
	parcel->last = SIZE_MAX;
	return parcel;
}

void
parcel_free(struct parcel *parcel, struct budget *budget)
{
	budget_free_buf(budget, &parcel->bytes);
	free(parcel);
	budget_give(budget, sizeof(*parcel));
}

static void
last_record(const struct parcel *parcel, struct record *record)
{
	memcpy(record, parcel->bytes.p + parcel->last, sizeof(*record));
}

static bool
goes_on(const struct parcel *parcel, const struct record *record)
{
	struct record last;

	if (parcel->last == SIZE_MAX || record->kind != RECORD_FRAMES)
		return false;
	last_record(parcel, &last);
	return last.kind == RECORD_FRAMES && last.handle == record->handle &&
	    last.type == record->type && last.flush == record->flush;
}

/* A few bytes that must arrive even when memory is short. */
static bool
is_control(const struct record *record, size_t room_bytes)
{
	return record->kind != RECORD_FRAMES && record->kind != RECORD_PACKET &&
	    room_bytes <= CONTROL_BYTES_MAX;
}

bool
parcel_record(struct parcel *parcel, struct budget *budget,
    const struct record *record, size_t room_bytes)
{
	size_t need = sizeof(*record) + room_bytes;

	if (!budget_buf_room(
		budget, &parcel->bytes, need, is_control(record, room_bytes)))
		return false;
	if (goes_on(parcel, record))
		return true;
	parcel->last = parcel->bytes.len;
	memcpy(parcel->bytes.p + parcel->last, record, sizeof(*record));
	bnet_buf_added(&parcel->bytes, sizeof(*record));
	return true;
}

void
parcel_added(struct parcel *parcel, uint32_t n_frames, size_t n_bytes)
{
	struct record record;

	last_record(parcel, &record);
	record.n_frames += n_frames;
	record.n_bytes += n_bytes;
	parcel->n_frames += n_frames;
	parcel->flush |= record.flush;
	memcpy(parcel->bytes.p + parcel->last, &record, sizeof(record));
}

bool
parcel_put(struct parcel *parcel, struct budget *budget,
    const struct record *record, struct bnet_slice bytes)
{
	if (!parcel_record(parcel, budget, record, bytes.len))
		return false;
	if (bnet_buf_append(&parcel->bytes, bytes) != BNET_OK)
		return false; /* not reached: there is room */
	parcel_added(parcel, record->kind == RECORD_PACKET, bytes.len);
	return true;
}

void
handover_wake(struct handover_queue *queue)
{
	uint64_t one = 1;

	/* full: a wake-up is in progress */
	while (write(queue->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void
handover_heard(struct handover_queue *queue)
{
	uint64_t n;

	while (read(queue->wake_fd, &n, sizeof(n)) < 0 && errno == EINTR)
		;
}

bool
handover_push(struct handover_queue *queue, struct cds_wfcq_node *node)
{
	cds_wfcq_node_init(node);
	rcu_tsan_release(queue);
	if (cds_wfcq_enqueue(&queue->head, &queue->tail, node))
		return false;
	handover_wake(queue);
	return true;
}

void
handover_take(struct handover_queue *queue, struct parcels *parcels)
{
	__cds_wfcq_init(&parcels->head, &parcels->tail);
	(void)__cds_wfcq_splice_blocking(
	    &parcels->head, &parcels->tail, &queue->head, &queue->tail);
	rcu_tsan_acquire(queue);
}

struct cds_wfcq_node *
parcels_next_node(struct parcels *parcels)
{
	return __cds_wfcq_dequeue_blocking(&parcels->head, &parcels->tail);
}

struct parcel *
parcels_next(struct parcels *parcels)
{
	struct cds_wfcq_node *node = parcels_next_node(parcels);

	if (node == NULL)
		return NULL;
	return container_of(node, struct parcel, node);
}

bool
parcel_read(const struct parcel *parcel, size_t *at, struct record *record,
    struct bnet_slice *bytes)
{
	const uint8_t *p = parcel->bytes.p + *at;

	if (*at == parcel->bytes.len)
		return false;
	memcpy(record, p, sizeof(*record));
	*bytes =
	    (struct bnet_slice){ p + sizeof(*record), (size_t)record->n_bytes };
	*at += sizeof(*record) + bytes->len;
	return true;
}

bool
handover_post(struct handover_queue *queue, struct budget *budget,
    const struct record *record, const struct bnet_slice *pieces, size_t n)
{
	struct parcel *parcel = parcel_new(budget);
	size_t len = 0;
	bool fits;

	if (parcel == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		len += pieces[i].len;
	fits = parcel_record(parcel, budget, record, len);
	for (size_t i = 0; i < n && fits; i++)
		fits = bnet_buf_append(&parcel->bytes, pieces[i]) == BNET_OK;
	if (!fits) {
		parcel_free(parcel, budget);
		return false;
	}
	parcel_added(parcel, record->kind == RECORD_PACKET, len);
	(void)handover_push(queue, &parcel->node);
	return true;
}

/* ---- outbox: what a worker has for the others in this turn ---- */

bool
outbox_init(struct outbox *outbox)
{
	outbox->parcels = calloc(outbox->n, sizeof(*outbox->parcels));
	return outbox->parcels != NULL;
}

void
outbox_free(struct outbox *outbox)
{
	if (outbox->parcels == NULL)
		return;
	for (unsigned i = 0; i < outbox->n; i++)
		if (outbox->parcels[i] != NULL)
			parcel_free(outbox->parcels[i], outbox->budget);
	free(outbox->parcels);
	outbox->parcels = NULL;
}

static void
outbox_push(struct outbox *outbox, unsigned to)
{
	struct parcel *parcel = outbox->parcels[to];

	if (parcel == NULL)
		return;
	outbox->parcels[to] = NULL;
	counter_add(&outbox->counters[ENGINE_HANDOVERS], 1);
	counter_add(
	    &outbox->counters[ENGINE_HANDOVER_PACKETS], parcel->n_frames);
	if (handover_push(outbox->queues[to], &parcel->node))
		counter_add(&outbox->counters[ENGINE_WAKEUPS], 1);
	else
		counter_add(&outbox->counters[ENGINE_WAKEUPS_SAVED], 1);
}

void
outbox_push_all(struct outbox *outbox)
{
	for (unsigned i = 0; i < outbox->n; i++)
		outbox_push(outbox, i);
	outbox->urgent = false;
}

void
outbox_push_urgent(struct outbox *outbox)
{
	for (unsigned i = 0; i < outbox->n; i++)
		if (outbox->parcels[i] != NULL && outbox->parcels[i]->flush)
			outbox_push(outbox, i);
	outbox->urgent = false;
}

/* The batch of this turn for worker `to`; NULL: no memory. */
static struct parcel *
outbox_parcel(struct outbox *outbox, unsigned to)
{
	struct parcel **parcel = &outbox->parcels[to];

	if (*parcel == NULL)
		*parcel = parcel_new(outbox->budget);
	return *parcel;
}

struct parcel *
outbox_record(struct outbox *outbox, unsigned to, const struct record *record,
    size_t room_bytes)
{
	struct parcel *parcel = outbox_parcel(outbox, to);

	if (parcel == NULL ||
	    !parcel_record(parcel, outbox->budget, record, room_bytes))
		return NULL;
	return parcel;
}

void
outbox_added(
    struct outbox *outbox, unsigned to, uint32_t n_frames, size_t n_bytes)
{
	struct parcel *parcel = outbox->parcels[to];

	parcel_added(parcel, n_frames, n_bytes);
	outbox->urgent |= parcel->flush;
	if (parcel->bytes.len > PARCEL_MAX_BYTES)
		outbox_push(outbox, to);
}

static bool
try_put(struct outbox *outbox, unsigned to, const struct record *record,
    struct bnet_slice bytes)
{
	struct parcel *parcel = outbox_parcel(outbox, to);

	return parcel != NULL &&
	    parcel_put(parcel, outbox->budget, record, bytes);
}

bool
outbox_put(struct outbox *outbox, unsigned to, const struct record *record,
    struct bnet_slice bytes)
{
	if (try_put(outbox, to, record, bytes))
		return true;
	outbox_push(outbox, to);
	return try_put(outbox, to, record, bytes);
}
