/* SPDX-License-Identifier: MIT */
/* From anywhere to the queue of a connection, or to another worker. */
#include "cmd/engine/engine_impl.h"

#include <stdlib.h>
#include <string.h>

#define PARCEL_MAX_BYTES \
	((size_t)1 << 20) /* handed over before the turn ends */
#define HEADER_MAX_BYTES 128 /* word, oob_len and header, without forks */
#define FORK_MAX_BYTES 9

/* ---- parcels for other workers ---- */

/* The parcel of this turn for worker `to`; NULL: no memory. */
struct parcel *
send_parcel(struct engine_worker *worker, unsigned to)
{
	struct parcel **parcel = &worker->parcels[to];

	if (*parcel == NULL)
		*parcel = parcel_new(&worker->engine->budget);
	return *parcel;
}

void
send_push(struct engine_worker *worker, unsigned to)
{
	struct parcel *parcel = worker->parcels[to];

	if (parcel == NULL)
		return;
	worker->parcels[to] = NULL;
	count(worker, ENGINE_HANDOVERS, 1);
	count(worker, ENGINE_HANDOVER_PACKETS, parcel->n_frames);
	if (handover_push(&worker->engine->workers[to].queue, &parcel->node))
		count(worker, ENGINE_WAKEUPS, 1);
	else
		count(worker, ENGINE_WAKEUPS_SAVED, 1);
}

void
send_push_all(struct engine_worker *worker)
{
	for (unsigned i = 0; i < worker->engine->n_workers; i++)
		send_push(worker, i);
	worker->urgent_parcels = false;
}

void
send_push_urgent(struct engine_worker *worker)
{
	for (unsigned i = 0; i < worker->engine->n_workers; i++)
		if (worker->parcels[i] != NULL && worker->parcels[i]->flush)
			send_push(worker, i);
	worker->urgent_parcels = false;
}

/* ---- frames ---- */

static enum engine_sent
sent_of(enum bnet_err err)
{
	return err == BNET_ESIZE ? ENGINE_TOO_LARGE : ENGINE_MEMORY;
}

/* An upper bound of the frame of a packet. */
static size_t
frame_bytes_max(const struct bnet_packet *packet)
{
	size_t payload = packet->codec == BNET_CODEC_NONE
	    ? packet->payload.len
	    : packet->wire_payload.len;

	return HEADER_MAX_BYTES + payload +
	    (packet->has_header ? (size_t)packet->header.forks * FORK_MAX_BYTES
				: packet->oob.len);
}

static struct bnet_wire
wire_of(struct engine_worker *worker, struct engine_outlet *to)
{
	return (struct bnet_wire){
		.order = outlet_order(to),
		.codec = (enum bnet_codec_id)atomic_load_explicit(
		    &to->codec, memory_order_relaxed),
		.frame_max_bytes = atomic_load_explicit(
		    &to->frame_max_bytes, memory_order_relaxed),
		.threshold_bytes = worker->engine->set.threshold_bytes,
	};
}

static void
queued(struct engine_worker *worker, struct engine_outlet *to, size_t n_bytes)
{
	atomic_fetch_add_explicit(
	    &to->queued_bytes, n_bytes, memory_order_relaxed);
	count(worker, ENGINE_PACKETS_QUEUED, 1);
}

static void
mark_urgent(struct engine_conn *conn)
{
	if (conn->urgent)
		return;
	conn->urgent = true;
	conn->next_urgent = conn->worker->urgent;
	conn->worker->urgent = conn;
}

static enum engine_sent
send_here(struct engine_worker *worker, struct engine_outlet *to,
    const struct bnet_packet *packet, size_t room, bool flush)
{
	struct bnet_wire wire = wire_of(worker, to);
	struct engine_conn *conn = conn_find(worker, to->handle);
	enum bnet_err err;
	size_t before;

	if (conn == NULL || conn->state > CONN_OPEN)
		return ENGINE_GONE;
	if (!conn_out_room(conn, room))
		return ENGINE_MEMORY;
	before = conn->out.len;
	err = bnet_packet_encode(&wire, worker->codecs, packet, &conn->out);
	if (err != BNET_OK) {
		conn_out_unused(conn);
		return sent_of(err);
	}
	queued(worker, to, conn->out.len - before);
	conn_out_added(conn, 1);
	if (flush)
		mark_urgent(conn);
	return ENGINE_QUEUED;
}

static enum engine_sent
send_there(struct engine_worker *worker, struct engine_outlet *to,
    const struct bnet_packet *packet, size_t room, bool flush)
{
	struct bnet_wire wire = wire_of(worker, to);
	const struct record record = { .handle = to->handle,
		.kind = RECORD_FRAMES,
		.type = (uint32_t)wire.order,
		.flush = flush };
	struct parcel *parcel = send_parcel(worker, to->worker);
	enum bnet_err err;
	size_t before;

	if (parcel == NULL ||
	    !parcel_record(parcel, &worker->engine->budget, &record, room))
		return ENGINE_MEMORY;
	before = parcel->bytes.len;
	err = bnet_packet_encode(&wire, worker->codecs, packet, &parcel->bytes);
	if (err != BNET_OK)
		return sent_of(err);
	queued(worker, to, parcel->bytes.len - before);
	parcel_added(parcel, 1, parcel->bytes.len - before);
	worker->urgent_parcels |= flush;
	if (parcel->bytes.len > PARCEL_MAX_BYTES)
		send_push(worker, to->worker);
	return ENGINE_QUEUED;
}

enum engine_sent
engine_send(struct engine_worker *worker, struct engine_outlet *to,
    const struct bnet_packet *packet, bool flush)
{
	size_t room = frame_bytes_max(packet);
	size_t waiting =
	    atomic_load_explicit(&to->queued_bytes, memory_order_relaxed);

	if (room > to->queue_max_bytes || waiting > to->queue_max_bytes - room)
		return ENGINE_FULL;
	if (to->worker == worker->index)
		return send_here(worker, to, packet, room, flush);
	return send_there(worker, to, packet, room, flush);
}

/* ---- records that came in ---- */

static void
take_frames(struct engine_worker *worker, const struct record *record,
    struct bnet_slice bytes)
{
	struct engine_conn *conn = conn_find(worker, record->handle);

	if (bytes.len == 0)
		return; /* it could not be encoded */
	if (conn == NULL || conn->state > CONN_OPEN ||
	    !conn_out_room(conn, bytes.len) ||
	    bnet_buf_append(&conn->out, bytes) != BNET_OK) {
		count(worker, ENGINE_PACKETS_LOST, record->n_frames);
		if (conn != NULL)
			atomic_fetch_sub_explicit(&conn->outlet->queued_bytes,
			    bytes.len, memory_order_relaxed);
		/* its sender was told that they go: rather none than a gap */
		if (conn != NULL && conn->state <= CONN_OPEN)
			conn_end(conn, ENGINE_END_MEMORY);
		return;
	}
	if (outlet_order(conn->outlet) != record->type)
		conn->order_mixed = true;
	conn_out_added(conn, record->n_frames);
	if (record->flush)
		mark_urgent(conn);
}

static void
take_packet(struct engine_worker *worker, const struct record *record,
    struct bnet_slice bytes)
{
	struct engine_conn *conn = conn_find(worker, record->handle);
	struct bnet_packet packet = { .has_header = true };
	struct record_packet head;
	uint64_t *ids = NULL;
	size_t n_ids;

	memcpy(&head, bytes.p, sizeof(head));
	n_ids = head.header.forks;
	packet.header = head.header;
	packet.payload.len = (size_t)head.payload_bytes;
	packet.payload.p = bytes.p + bytes.len - packet.payload.len;
	if (n_ids > 0) {
		ids = malloc(n_ids * sizeof(*ids));
		if (ids != NULL)
			memcpy(
			    ids, bytes.p + sizeof(head), n_ids * sizeof(*ids));
		packet.fork_ids = ids;
	}
	if (conn == NULL || conn->state > CONN_OPEN ||
	    (n_ids > 0 && ids == NULL) ||
	    engine_send(worker, conn->outlet, &packet,
		packet.header.priority) != ENGINE_QUEUED) {
		count(worker, ENGINE_PACKETS_QUEUED, 1);
		count(worker, ENGINE_PACKETS_LOST, 1);
	}
	free(ids);
}

/* `waiter` is to be read again when the queue of `full` is shorter. */
static void
take_watch(struct engine_worker *worker, uint64_t full, struct bnet_slice bytes)
{
	static const struct bnet_slice nothing = { NULL, 0 };
	struct engine_conn *conn = conn_find(worker, full);
	uint64_t waiter, *watchers = NULL;

	memcpy(&waiter, bytes.p, sizeof(waiter));
	if (conn != NULL && conn->state <= CONN_OPEN)
		watchers = realloc(
		    conn->watchers, (conn->n_watchers + 1) * sizeof(*watchers));
	if (watchers == NULL) {
		(void)send_control(worker, waiter, RECORD_RESUME, nothing);
		return;
	}
	conn->watchers = watchers;
	watchers[conn->n_watchers++] = waiter;
	conn_notify_watchers(conn, false);
}

static void
take_record(struct engine_worker *worker, const struct record *record,
    struct bnet_slice bytes)
{
	const struct engine_settings *set = &worker->engine->set;
	struct engine_conn *conn;

	switch ((enum record_kind)record->kind) {
	case RECORD_FRAMES:
		take_frames(worker, record, bytes);
		break;
	case RECORD_PACKET:
		take_packet(worker, record, bytes);
		break;
	case RECORD_WATCH:
		take_watch(worker, record->handle, bytes);
		break;
	case RECORD_CONNECT:
		connect_begin(worker, bytes);
		break;
	case RECORD_MESSAGE:
		if (set->hooks->message != NULL)
			set->hooks->message(
			    set->arg, worker, record->type, bytes);
		break;
	case RECORD_RESUME:
	case RECORD_FINISH:
		conn = conn_find(worker, record->handle);
		if (conn != NULL && record->kind == RECORD_RESUME)
			conn_resume(conn);
		else if (conn != NULL)
			engine_conn_finish(conn);
	}
}

void
send_records(struct engine_worker *worker, struct parcel *parcel)
{
	struct record record;
	struct bnet_slice bytes;
	size_t at = 0;

	while (parcel_read(parcel, &at, &record, &bytes))
		take_record(worker, &record, bytes);
	if (worker->urgent != NULL)
		conn_flush_urgent(worker);
}

/* The same where there is no worker any more. */
void
send_drop(struct engine_worker *worker, const struct parcel *parcel)
{
	struct record record;
	struct bnet_slice bytes;
	size_t at = 0;

	while (parcel_read(parcel, &at, &record, &bytes)) {
		if (record.kind == RECORD_PACKET)
			count(worker, ENGINE_PACKETS_QUEUED, 1);
		if (record.kind == RECORD_CONNECT)
			connect_forget(bytes);
		count(worker, ENGINE_PACKETS_LOST, record.n_frames);
	}
}

/* ---- control, and other threads ---- */

/*
 * A record in the parcel of this turn; where that can not grow, in one of its
 * own, for which there is always a little memory.
 */
static bool
put_record(struct engine_worker *from, unsigned to, const struct record *record,
    struct bnet_slice bytes)
{
	struct budget *budget = &from->engine->budget;
	struct parcel *parcel = send_parcel(from, to);

	if (parcel != NULL && parcel_put(parcel, budget, record, bytes))
		return true;
	send_push(from, to);
	parcel = send_parcel(from, to);
	return parcel != NULL && parcel_put(parcel, budget, record, bytes);
}

/* A record to the worker of handle `to`. */
bool
send_control(struct engine_worker *from, uint64_t to, uint32_t kind,
    struct bnet_slice bytes)
{
	const struct record record = { .handle = to, .kind = kind };

	return put_record(from, handle_worker(to), &record, bytes);
}

bool
engine_worker_message(struct engine_worker *from, unsigned worker,
    uint32_t type, struct bnet_slice bytes)
{
	const struct record record = { .kind = RECORD_MESSAGE, .type = type };

	return put_record(from, worker, &record, bytes);
}

/* A parcel of one record from a thread that is no worker. */
static bool
post(struct engine *engine, unsigned worker, const struct record *record,
    const struct bnet_slice *pieces, size_t n)
{
	struct parcel *parcel = parcel_new(&engine->budget);
	size_t len = 0;
	bool fits;

	if (parcel == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		len += pieces[i].len;
	fits = parcel_record(parcel, &engine->budget, record, len);
	for (size_t i = 0; i < n && fits; i++)
		fits = bnet_buf_append(&parcel->bytes, pieces[i]) == BNET_OK;
	if (!fits) {
		parcel_free(parcel, &engine->budget);
		return false;
	}
	parcel_added(parcel, record->kind == RECORD_PACKET, len);
	(void)handover_push(&engine->workers[worker].queue, &parcel->node);
	return true;
}

bool
engine_message(struct engine *engine, unsigned worker, uint32_t type,
    struct bnet_slice bytes)
{
	const struct record record = { .kind = RECORD_MESSAGE, .type = type };

	return post(engine, worker, &record, &bytes, 1);
}

enum engine_sent
engine_post(
    struct engine *engine, uint64_t handle, const struct bnet_packet *packet)
{
	const struct record record = { .handle = handle,
		.kind = RECORD_PACKET };
	struct record_packet head = { .header = packet->header,
		.payload_bytes = packet->payload.len };
	struct bnet_slice pieces[] = {
		{ (const uint8_t *)&head, sizeof(head) },
		{ (const uint8_t *)packet->fork_ids,
		    packet->header.forks * sizeof(uint64_t) },
		packet->payload,
	};

	return post(engine, handle_worker(handle), &record, pieces, 3)
	    ? ENGINE_QUEUED
	    : ENGINE_MEMORY;
}

void
engine_post_finish(struct engine *engine, uint64_t handle)
{
	const struct record record = { .handle = handle,
		.kind = RECORD_FINISH };

	(void)post(engine, handle_worker(handle), &record, NULL, 0);
}

bool
engine_connect(struct engine *engine, const struct engine_connect *set)
{
	const struct record record = { .kind = RECORD_CONNECT };
	struct engine_connect copy = *set;
	char *host = NULL;
	struct bnet_slice bytes = { (const uint8_t *)&copy, sizeof(copy) };

	if (set->tls_host != NULL) {
		host = strdup(set->tls_host);
		if (host == NULL)
			return false;
	}
	copy.tls_host = host;
	if (post(engine, set->worker % engine->n_workers, &record, &bytes, 1))
		return true;
	free(host);
	return false;
}
