/* SPDX-License-Identifier: MIT */
/*
 * Mailboxes, batches and outboxes. A mailbox belongs to a worker, or to the
 * inbox of the applications; a batch to who fills it until it is pushed, then
 * to the owner of the mailbox. worker.c, send.c and inbox.c call it.
 */
#include "cmd/engine/mailbox.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CONTROL_BYTES_MAX 64
#define BATCH_MAX_BYTES ((size_t)1 << 20) /* pushed before the turn ends */

bool
mailbox_init(struct mailbox *mailbox)
{
	__cds_wfcq_init(&mailbox->head, &mailbox->tail);
	mailbox->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return mailbox->wake_fd >= 0;
}

void
mailbox_free(struct mailbox *mailbox, struct budget *budget)
{
	struct batches batches;
	struct batch *batch;

	if (mailbox->wake_fd < 0)
		return;
	mailbox_take(mailbox, &batches);
	while ((batch = batches_next(&batches)) != NULL)
		if (!batch->marker)
			batch_free(batch, budget);
	close(mailbox->wake_fd);
	mailbox->wake_fd = -1;
}

struct batch *
batch_new(struct budget *budget)
{
	struct batch *batch;

	if (!budget_take(budget, sizeof(*batch), BUDGET_CONTROL))
		return NULL;
	batch = calloc(1, sizeof(*batch));
	if (batch == NULL) {
		budget_give(budget, sizeof(*batch));
		return NULL;
	}
	bnet_buf_init(&batch->bytes, SIZE_MAX / 4);
	batch->last = SIZE_MAX;
	return batch;
}

void
batch_free(struct batch *batch, struct budget *budget)
{
	budget_free_buf(budget, &batch->bytes);
	free(batch);
	budget_give(budget, sizeof(*batch));
}

static void
last_record(const struct batch *batch, struct record *record)
{
	memcpy(record, batch->bytes.p + batch->last, sizeof(*record));
}

static bool
goes_on(const struct batch *batch, const struct record *record)
{
	struct record last;

	if (batch->last == SIZE_MAX || record->kind != RECORD_FRAMES)
		return false;
	last_record(batch, &last);
	return last.kind == RECORD_FRAMES && last.handle == record->handle &&
	    last.type == record->type && last.flush == record->flush &&
	    last.share == record->share;
}

/* A few bytes that must arrive even when memory is short. */
static bool
is_control(const struct record *record, size_t room_bytes)
{
	return record->kind != RECORD_FRAMES && record->kind != RECORD_PACKET &&
	    room_bytes <= CONTROL_BYTES_MAX;
}

bool
batch_record(struct batch *batch, struct budget *budget,
    const struct record *record, size_t room_bytes)
{
	size_t need = sizeof(*record) + room_bytes;

	if (!budget_buf_room(budget, &batch->bytes, need,
		is_control(record, room_bytes)
		    ? BUDGET_CONTROL
		    : (enum budget_for)record->purpose))
		return false;
	if (goes_on(batch, record))
		return true;
	batch->last = batch->bytes.len;
	memcpy(batch->bytes.p + batch->last, record, sizeof(*record));
	bnet_buf_added(&batch->bytes, sizeof(*record));
	return true;
}

void
batch_added(struct batch *batch, uint32_t n_frames, size_t n_bytes)
{
	struct record record;

	last_record(batch, &record);
	record.n_frames += n_frames;
	record.n_bytes += n_bytes;
	batch->n_frames += n_frames;
	batch->flush |= record.flush;
	memcpy(batch->bytes.p + batch->last, &record, sizeof(record));
}

bool
batch_put(struct batch *batch, struct budget *budget,
    const struct record *record, struct bnet_slice bytes)
{
	if (!batch_record(batch, budget, record, bytes.len))
		return false;
	if (bnet_buf_append(&batch->bytes, bytes) != BNET_OK)
		return false; /* not reached: there is room */
	batch_added(batch, record->kind == RECORD_PACKET, bytes.len);
	return true;
}

void
mailbox_wake(struct mailbox *mailbox)
{
	uint64_t one = 1;

	/* full: a wake-up is in progress */
	while (write(mailbox->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void
mailbox_heard(struct mailbox *mailbox)
{
	uint64_t n;

	while (read(mailbox->wake_fd, &n, sizeof(n)) < 0 && errno == EINTR)
		;
}

bool
mailbox_push(struct mailbox *mailbox, struct cds_wfcq_node *node)
{
	cds_wfcq_node_init(node);
	rcu_tsan_release(mailbox);
	if (cds_wfcq_enqueue(&mailbox->head, &mailbox->tail, node))
		return false;
	mailbox_wake(mailbox);
	return true;
}

void
mailbox_take(struct mailbox *mailbox, struct batches *batches)
{
	__cds_wfcq_init(&batches->head, &batches->tail);
	(void)__cds_wfcq_splice_blocking(
	    &batches->head, &batches->tail, &mailbox->head, &mailbox->tail);
	rcu_tsan_acquire(mailbox);
}

struct cds_wfcq_node *
batches_next_node(struct batches *batches)
{
	return __cds_wfcq_dequeue_blocking(&batches->head, &batches->tail);
}

struct batch *
batches_next(struct batches *batches)
{
	struct cds_wfcq_node *node = batches_next_node(batches);

	if (node == NULL)
		return NULL;
	return container_of(node, struct batch, node);
}

bool
batch_read(const struct batch *batch, size_t *at, struct record *record,
    struct bnet_slice *bytes)
{
	const uint8_t *p = batch->bytes.p + *at;

	if (*at == batch->bytes.len)
		return false;
	memcpy(record, p, sizeof(*record));
	*bytes =
	    (struct bnet_slice){ p + sizeof(*record), (size_t)record->n_bytes };
	*at += sizeof(*record) + bytes->len;
	return true;
}

bool
mailbox_post(struct mailbox *mailbox, struct budget *budget,
    const struct record *record, const struct bnet_slice *pieces, size_t n)
{
	struct batch *batch = batch_new(budget);
	size_t len = 0;
	bool fits;

	if (batch == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		len += pieces[i].len;
	fits = batch_record(batch, budget, record, len);
	for (size_t i = 0; i < n && fits; i++)
		fits = bnet_buf_append(&batch->bytes, pieces[i]) == BNET_OK;
	if (!fits) {
		batch_free(batch, budget);
		return false;
	}
	batch_added(batch, record->kind == RECORD_PACKET, len);
	(void)mailbox_push(mailbox, &batch->node);
	return true;
}

/* ---- outbox: what a worker has for the others in this turn ---- */

bool
outbox_init(struct outbox *outbox)
{
	outbox->batches = calloc(outbox->n, sizeof(*outbox->batches));
	return outbox->batches != NULL;
}

void
outbox_free(struct outbox *outbox)
{
	if (outbox->batches == NULL)
		return;
	for (unsigned i = 0; i < outbox->n; i++)
		if (outbox->batches[i] != NULL)
			batch_free(outbox->batches[i], outbox->budget);
	free(outbox->batches);
	outbox->batches = NULL;
}

static void
outbox_push(struct outbox *outbox, unsigned to)
{
	struct batch *batch = outbox->batches[to];

	if (batch == NULL)
		return;
	outbox->batches[to] = NULL;
	counter_add(&outbox->counters[ENGINE_BATCHES], 1);
	counter_add(&outbox->counters[ENGINE_BATCH_PACKETS], batch->n_frames);
	if (mailbox_push(outbox->mailboxes[to], &batch->node))
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
		if (outbox->batches[i] != NULL && outbox->batches[i]->flush)
			outbox_push(outbox, i);
	outbox->urgent = false;
}

/* The batch of this turn for worker `to`; NULL: no memory. */
static struct batch *
outbox_batch(struct outbox *outbox, unsigned to)
{
	struct batch **batch = &outbox->batches[to];

	if (*batch == NULL)
		*batch = batch_new(outbox->budget);
	return *batch;
}

struct batch *
outbox_record(struct outbox *outbox, unsigned to, const struct record *record,
    size_t room_bytes)
{
	struct batch *batch = outbox_batch(outbox, to);

	if (batch == NULL ||
	    !batch_record(batch, outbox->budget, record, room_bytes))
		return NULL;
	return batch;
}

void
outbox_added(
    struct outbox *outbox, unsigned to, uint32_t n_frames, size_t n_bytes)
{
	struct batch *batch = outbox->batches[to];

	batch_added(batch, n_frames, n_bytes);
	outbox->urgent |= batch->flush;
	if (batch->bytes.len > BATCH_MAX_BYTES)
		outbox_push(outbox, to);
}

static bool
try_put(struct outbox *outbox, unsigned to, const struct record *record,
    struct bnet_slice bytes)
{
	struct batch *batch = outbox_batch(outbox, to);

	return batch != NULL && batch_put(batch, outbox->budget, record, bytes);
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
