/* SPDX-License-Identifier: MIT */
/*
 * The relay's own messages, and payloads in a form that the receiver can take:
 * inflated for a peer that did not offer the codec, and with the raw size of
 * zlib in the peer's byte order; otherwise unchanged. For all senders.
 */
#include "cmd/relay/reply.h"

#define KEEP_BYTES ((size_t)64 << 10) /* scratch memory to keep */
#define RAW_SIZE_BYTES 4

static enum bnet_order
known(enum bnet_order order)
{
	return order == BNET_ORDER_AUTO ? BNET_ORDER_LITTLE : order;
}

/*
 * The payload, decompressed once for any number of receivers. `order` is that
 * of its source. BNET_OK, or as bnet_codec_decode().
 */
static enum bnet_err
inflate(struct relay *relay, struct engine_worker *worker,
    enum bnet_order order, const struct bnet_packet *packet, uint64_t max_bytes,
    struct bnet_slice *payload)
{
	struct relay_worker *own = worker_of(relay, worker);
	const struct relay_options *opt = &config_of(relay)->opt;

	if (max_bytes > opt->payload_max_bytes)
		max_bytes = opt->payload_max_bytes;
	if (own->inflated_of != packet ||
	    (own->inflated_err == BNET_EPAYLOAD &&
		max_bytes > own->inflated_max_bytes)) {
		own->inflated_of = packet;
		own->inflated_max_bytes = max_bytes;
		own->inflated_err = bnet_codec_decode(
		    engine_worker_codecs(worker), packet->codec, known(order),
		    packet->wire_payload, (uint32_t)max_bytes, &own->inflated);
		own->heavy |= own->inflated.cap > KEEP_BYTES;
	}
	*payload = bnet_buf_slice(&own->inflated);
	if (own->inflated_err == BNET_OK && payload->len > max_bytes)
		return BNET_EPAYLOAD;
	return own->inflated_err;
}

enum bnet_err
payload_here(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, struct bnet_slice *payload)
{
	if (packet->codec != BNET_CODEC_NONE)
		return inflate(relay, engine_conn_worker(conn),
		    bnet_link_order(engine_conn_link(conn)), packet,
		    config_of(relay)->opt.frame_max_bytes, payload);
	*payload = packet->payload;
	return BNET_OK;
}

static enum bnet_err
swap_raw_size(struct relay_worker *own, const struct bnet_packet *packet,
    struct bnet_packet *out)
{
	uint32_t raw_bytes;
	enum bnet_err err;

	bnet_buf_clear(&own->swapped);
	err = bnet_buf_append(&own->swapped, packet->wire_payload);
	if (err != BNET_OK)
		return err;
	raw_bytes = bnet_order_get_u32(BNET_ORDER_LITTLE, own->swapped.p);
	bnet_order_put_u32(BNET_ORDER_NETWORK, own->swapped.p, raw_bytes);
	out->wire_payload = bnet_buf_slice(&own->swapped);
	relay_count(own, RELAY_REORDERED_FOR_PEER);
	return BNET_OK;
}

enum bnet_err
payload_for(struct relay *relay, struct engine_worker *worker,
    enum bnet_order order, const struct bnet_packet *packet,
    const struct engine_sendq *to, struct bnet_packet *out)
{
	struct relay_worker *own = worker_of(relay, worker);
	const struct peer *peer = (const struct peer *)(const void *)to->user;
	enum bnet_order theirs = known((enum bnet_order)atomic_load_explicit(
	    &to->order, memory_order_relaxed));
	enum bnet_err err;

	if (packet->codec == BNET_CODEC_NONE)
		return BNET_OK;
	if ((peer->codecs & packet->codec) == 0) {
		/* a payload beyond the peer's frame limit is not made */
		err = inflate(relay, worker, order, packet,
		    atomic_load_explicit(
			&to->frame_max_bytes, memory_order_relaxed),
		    &out->payload);
		out->codec = BNET_CODEC_NONE;
		if (err == BNET_OK)
			relay_count(own, RELAY_INFLATED_FOR_PEER);
		return err;
	}
	if (packet->codec == BNET_CODEC_ZLIB && theirs != known(order) &&
	    packet->wire_payload.len >= RAW_SIZE_BYTES)
		return swap_raw_size(own, packet, out);
	return BNET_OK;
}

void
payload_done(struct relay_worker *worker)
{
	worker->inflated_of = NULL;
	if (worker->inflated.cap > KEEP_BYTES)
		bnet_buf_free(&worker->inflated);
	if (worker->swapped.cap > KEEP_BYTES)
		bnet_buf_free(&worker->swapped);
}

/* The relay's own messages to a link, above all errors. */

void
relay_leave(struct engine_conn *conn, enum relay_counter why)
{
	struct peer *peer = peer_of(conn);

	peer->state = PEER_LEAVING;
	if (peer->leaving == 0)
		peer->leaving = why;
}

enum engine_sent
reply_send(struct relay *relay, struct engine_worker *worker,
    struct engine_sendq *to, const struct bnet_message *message,
    const struct bnet_header *header)
{
	struct relay_worker *own = worker_of(relay, worker);
	struct bnet_packet packet = { .has_header = true };

	bnet_buf_clear(&own->body);
	if (bnet_message_encode(message, &own->body) != BNET_OK)
		return ENGINE_MEMORY;
	if (header != NULL)
		packet.header = *header;
	packet.header.source = (int64_t)relay->id;
	packet.header.key = bnet_message_key(message->type);
	packet.payload = bnet_buf_slice(&own->body);
	return engine_send(worker, to, &packet, packet.header.priority);
}

void
reply_error(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, enum bnet_code code, int64_t dest,
    const char *reason)
{
	struct engine_worker *worker = engine_conn_worker(conn);
	struct bnet_message message = { .type = BNET_MSG_ERROR };
	const struct bnet_header *header = &packet->header;

	if (!peer_of(conn)->hello ||
	    (packet->has_header &&
		header->key == bnet_message_key(BNET_MSG_ERROR)))
		return;
	message.u.error.code = code;
	if (packet->has_header) {
		message.u.error.dest_type = header->dest_type;
		message.u.error.dest = dest;
		message.u.error.key = header->key;
	}
	message.u.error.cookie = route_cookie(packet);
	message.u.error.reason = bnet_string_of(reason);
	relay_count(worker_of(relay, worker),
	    reply_send(relay, worker, engine_conn_sendq(conn), &message,
		NULL) == ENGINE_QUEUED
		? RELAY_ERRORS_SENT + code - 1
		: RELAY_ERRORS_NOT_SENT);
}

void
reply_refuse(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, enum relay_counter counter,
    enum bnet_code code, const char *reason)
{
	relay_count(worker_of(relay, engine_conn_worker(conn)), counter);
	reply_error(relay, conn, packet, code, packet->header.dest, reason);
}
