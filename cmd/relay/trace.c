/* SPDX-License-Identifier: MIT */
/*
 * Trace: the one message that a relay rewrites. An echo with the flag gets
 * (id, in, out) of this relay appended; its padding keeps its length.
 */
#include "cmd/relay/relay.h"

#include <string.h>

#define HOPS_MAX 64

static bool
append_padding(struct bnet_buf *body, size_t n)
{
	uint8_t *tail;

	if (bnet_buf_room(body, n, &tail) != BNET_OK)
		return false;
	memset(tail, 0, n);
	bnet_buf_added(body, n);
	return true;
}

static bool
add_hop(struct relay *relay, struct bnet_message *message, uint64_t in_ns,
    size_t padding_bytes, struct bnet_buf *body)
{
	struct bnet_echo_hop hops[HOPS_MAX];
	struct bnet_echo *echo = &message->u.echo;

	if ((echo->flags & BNET_ECHO_F_TRACE) == 0 || echo->n >= HOPS_MAX)
		return false;
	if (echo->n > 0)
		memcpy(hops, echo->hops, echo->n * sizeof(hops[0]));
	hops[echo->n++] = (struct bnet_echo_hop){ .id = relay->id,
		.in_ns = in_ns,
		.out_ns = (uint64_t)relay_unix_ns() };
	echo->hops = hops;
	bnet_buf_clear(body);
	return bnet_message_encode(message, body) == BNET_OK &&
	    append_padding(body, padding_bytes);
}

/*
 * `out` becomes the packet with our hop in it, uncompressed; borrowed until
 * the next packet. False: it is none that wants it, pass it on as it is.
 */
bool
trace(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, struct bnet_packet *out)
{
	struct relay_worker *own = worker_of(relay, engine_conn_worker(conn));
	uint64_t in_ns = (uint64_t)relay_unix_ns();
	struct bnet_message message;
	struct bnet_slice payload;
	size_t left;

	if (packet->header.key != BNET_KEY_ECHO ||
	    payload_here(relay, conn, packet, &payload) != BNET_OK ||
	    bnet_message_decode(BNET_MSG_ECHO, payload, &message, &own->store,
		&left) != BNET_OK ||
	    !add_hop(relay, &message, in_ns, left, &own->body))
		return false;
	*out = *packet;
	out->codec = BNET_CODEC_NONE;
	out->payload = bnet_buf_slice(&own->body);
	out->wire_payload = out->payload;
	return true;
}
