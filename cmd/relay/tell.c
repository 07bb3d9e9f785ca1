/* SPDX-License-Identifier: MIT */
/* Messages of our own to a link: errors above all. */
#include "cmd/relay/relay.h"

#include <string.h>

/* A message with the session header, or with `header` where it is not NULL. */
enum engine_sent
tell(struct relay *relay, struct engine_worker *worker,
    struct engine_outlet *to, const struct bnet_message *message,
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

static struct bnet_string
string_of(const char *s)
{
	return (struct bnet_string){ s, (uint32_t)strlen(s) };
}

/*
 * bluenet.error about a packet of a sender that said hello; never about an
 * error. `dest` is what failed, of the packet's destinations.
 */
void
tell_error(struct relay *relay, struct engine_conn *conn,
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
	message.u.error.reason = string_of(reason);
	relay_count(worker_of(relay, worker),
	    tell(relay, worker, engine_conn_outlet(conn), &message, NULL) ==
		    ENGINE_QUEUED
		? RELAY_ERRORS_SENT + code - 1
		: RELAY_ERRORS_NOT_SENT);
}

/* Count it, and tell. */
void
refuse(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, enum relay_counter counter,
    enum bnet_code code, const char *reason)
{
	relay_count(worker_of(relay, engine_conn_worker(conn)), counter);
	tell_error(relay, conn, packet, code, packet->header.dest, reason);
}
