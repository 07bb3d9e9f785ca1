/* SPDX-License-Identifier: MIT */
/*
 * The applications of an engine: who gets which key, and the inbox of those
 * that have no callback.
 *
 * Owns the packets that wait. Workers put them in from their hooks, a thread
 * of the owner takes them out.
 */
#include "cmd/engine/inbox.h"

#include "cmd/common/clock.h"
#include "cmd/engine/conn.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define APPS_MAX 32

struct app {
	int32_t key;
	engine_app *app; /* NULL: the inbox */
	void *arg;
};

struct inbox {
	struct mailbox mailbox;
	struct batches taken; /* by the application's thread */
	atomic_size_t n_bytes;
	atomic_bool woken; /* engine_wake() was called */
	struct app apps[APPS_MAX];
	size_t n_apps;
};

struct inbox_item {
	struct cds_wfcq_node node;
	size_t n_bytes; /* of this block */
	struct engine_packet packet;
};

struct inbox *
inbox_new(void)
{
	struct inbox *inbox = calloc(1, sizeof(*inbox));

	if (inbox == NULL)
		return NULL;
	__cds_wfcq_init(&inbox->taken.head, &inbox->taken.tail);
	if (mailbox_init(&inbox->mailbox))
		return inbox;
	free(inbox);
	return NULL;
}

static struct inbox_item *
next_item(struct inbox *inbox)
{
	struct cds_wfcq_node *node = batches_next_node(&inbox->taken);

	if (node == NULL) {
		mailbox_take(&inbox->mailbox, &inbox->taken);
		node = batches_next_node(&inbox->taken);
	}
	return node == NULL ? NULL
			    : container_of(node, struct inbox_item, node);
}

static void
item_free(struct inbox *inbox, struct budget *budget, struct inbox_item *item)
{
	size_t n_bytes = item->n_bytes;

	free(item);
	atomic_fetch_sub(&inbox->n_bytes, n_bytes);
	budget_give(budget, n_bytes);
}

void
inbox_free(struct inbox *inbox, struct budget *budget)
{
	struct inbox_item *item;

	if (inbox == NULL)
		return;
	while ((item = next_item(inbox)) != NULL)
		item_free(inbox, budget, item);
	mailbox_free(&inbox->mailbox, budget);
	free(inbox);
}

/* ---- putting in: workers ---- */

static struct inbox_item *
item_new(struct engine *engine, size_t payload_bytes)
{
	struct inbox *inbox = engine->inbox;
	size_t n_bytes = sizeof(struct inbox_item) + payload_bytes;
	struct inbox_item *item = NULL;
	size_t before = atomic_fetch_add(&inbox->n_bytes, n_bytes);

	if (before + n_bytes <= engine->set.inbox_max_bytes &&
	    budget_take(&engine->budget, n_bytes, BUDGET_QUEUE)) {
		item = malloc(n_bytes);
		if (item == NULL)
			budget_give(&engine->budget, n_bytes);
	}
	if (item == NULL) {
		atomic_fetch_sub(&inbox->n_bytes, n_bytes);
		return NULL;
	}
	item->n_bytes = n_bytes;
	return item;
}

enum engine_delivery
engine_to_inbox(struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct engine_worker *worker = conn->worker;
	struct engine *engine = worker->engine;
	struct inbox_item *item = item_new(engine, packet->payload.len);
	uint8_t *payload;

	if (item == NULL)
		return ENGINE_INBOX_FULL;
	payload = (uint8_t *)(item + 1);
	if (packet->payload.len > 0)
		memcpy(payload, packet->payload.p, packet->payload.len);
	item->packet = (struct engine_packet){
		.handle = conn->sendq->handle,
		.worker = worker->index,
		.user = conn->user,
		.at_ns = worker->now_ns,
		.has_header = packet->has_header,
		.header = packet->header,
		.payload = { payload, packet->payload.len },
	};
	count(worker, ENGINE_INBOX_PACKETS, 1);
	(void)mailbox_push(&engine->inbox->mailbox, &item->node);
	return ENGINE_DELIVERED;
}

/* ---- who gets which key ---- */

static bool
add_app(struct inbox *inbox, const struct app *app)
{
	if (inbox->n_apps == APPS_MAX)
		return false;
	inbox->apps[inbox->n_apps++] = *app;
	return true;
}

bool
engine_on_key(struct engine *engine, int32_t key, engine_app *app, void *arg)
{
	const struct app one = { .key = key, .app = app, .arg = arg };

	return add_app(engine->inbox, &one);
}

bool
engine_inbox_key(struct engine *engine, int32_t key)
{
	const struct app one = { .key = key };

	return add_app(engine->inbox, &one);
}

enum engine_delivery
engine_deliver(struct engine_conn *conn, const struct bnet_packet *packet)
{
	const struct inbox *inbox = conn->worker->engine->inbox;

	for (size_t i = 0; i < inbox->n_apps; i++) {
		const struct app *app = &inbox->apps[i];

		if (app->key != packet->header.key)
			continue;
		if (app->app == NULL)
			return engine_to_inbox(conn, packet);
		app->app(app->arg, conn, packet);
		return ENGINE_DELIVERED;
	}
	return ENGINE_NO_APP;
}

/* ---- taking out: the application's thread ---- */

/* May end early: the wake-up may be for what was taken without waiting. */
static void
wait_for(struct inbox *inbox, int64_t timeout_ns)
{
	struct pollfd pfd = { .fd = inbox->mailbox.wake_fd, .events = POLLIN };
	struct timespec ts = { .tv_sec = timeout_ns / 1000000000,
		.tv_nsec = timeout_ns % 1000000000 };

	if (ppoll(&pfd, 1, timeout_ns < 0 ? NULL : &ts, NULL) > 0)
		mailbox_heard(&inbox->mailbox);
}

struct engine_packet *
engine_take(struct engine *engine, int64_t timeout_ns)
{
	struct inbox *inbox = engine->inbox;
	struct inbox_item *item = next_item(inbox);
	int64_t until_ns = 0, left_ns = timeout_ns;

	if (timeout_ns > 0 && item == NULL)
		until_ns = clock_now_ns() + timeout_ns;
	while (item == NULL && left_ns != 0) {
		if (atomic_exchange(&inbox->woken, false))
			break;
		wait_for(inbox, left_ns);
		item = next_item(inbox);
		if (timeout_ns > 0)
			left_ns = until_ns - clock_now_ns();
		if (timeout_ns > 0 && left_ns < 0)
			left_ns = 0;
	}
	return item == NULL ? NULL : &item->packet;
}

void
engine_packet_free(struct engine *engine, struct engine_packet *packet)
{
	if (packet != NULL)
		item_free(engine->inbox, &engine->budget,
		    container_of(packet, struct inbox_item, packet));
}

void
engine_wake(struct engine *engine)
{
	atomic_store(&engine->inbox->woken, true);
	mailbox_wake(&engine->inbox->mailbox);
}
