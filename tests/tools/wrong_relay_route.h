/* SPDX-License-Identifier: MIT */
/* wrong_relay: what becomes of a packet. PROTOCOL's sections 4 and 5. */
#ifndef TESTS_WRONG_RELAY_ROUTE_H
#define TESTS_WRONG_RELAY_ROUTE_H

#include "tests/tools/wrong_relay_peer.h"

/* ---- errors --------------------------------------------------------------- */

static uint64_t
cookie_of(const struct bnet_packet *packet)
{
	uint64_t cookie = 0;

	if (packet->codec != BNET_CODEC_NONE || packet->payload.len < 8 ||
	    wrong[ERROR_WITHOUT_COOKIE])
		return 0;
	for (unsigned i = 0; i < 8; i++)
		cookie |= (uint64_t)packet->payload.p[i] << 8 * i;
	return cookie;
}

static void
tell(struct peer *from, const struct bnet_packet *packet, uint32_t code,
    uint64_t dest)
{
	const struct bnet_header *header = &packet->header;
	struct bnet_message message = { .type = BNET_MSG_ERROR };

	if (wrong[SWALLOW_ERRORS] ||
	    (header->key == bnet_message_key(BNET_MSG_ERROR) &&
		!wrong[ERROR_ABOUT_ERROR]))
		return;
	message.u.error = (struct bnet_error){
		.code = wrong[ERROR_WRONG_CODE] ? BNET_CODE_OVERLOADED : code,
		.dest_type = header->dest_type,
		.dest = (int64_t)dest,
		.key = wrong[ERROR_WITHOUT_KEY] ? 0 : header->key,
		.cookie = cookie_of(packet),
	};
	peer_say(from, &message, BNET_DEST_HOP, 0);
}

/* ---- passing on ----------------------------------------------------------- */

static struct bnet_packet held; /* REORDER: the one that waits for the next */
static struct peer *held_for;
static uint8_t held_payload[256];

/* Compressed as it came to whoever takes it so. */
static void
set_payload(struct peer *from, struct peer *to,
    const struct bnet_packet *packet, struct bnet_packet *out)
{
	bool same_order =
	    bnet_link_order(from->link) == bnet_link_order(to->link);

	out->payload = packet->payload;
	if (wrong[PAYLOAD_CUT] && out->payload.len > 0)
		out->payload.len--;
	if (packet->codec == BNET_CODEC_NONE ||
	    ((to->codecs & packet->codec) == 0 && !wrong[COMPRESSED_TO_ALL]) ||
	    (packet->codec == BNET_CODEC_ZLIB && !same_order))
		return;
	out->codec = packet->codec;
	out->wire_payload = packet->wire_payload;
}

/* Two that follow each other change places. */
static bool
hold(struct peer *to, const struct bnet_packet *out)
{
	if (!wrong[REORDER] || held_for != NULL ||
	    out->payload.len > sizeof(held_payload))
		return false;
	held = *out;
	held_for = to;
	if (out->payload.len > 0)
		memcpy(held_payload, out->payload.p, out->payload.len);
	held.payload.p = held_payload;
	held.codec = BNET_CODEC_NONE;
	return true;
}

/* A ping for a stock peer, with the packet that is for it. */
static uint64_t
ping_with(struct peer *to)
{
	if (!wrong[PING_EVERY_PACKET] && (to->hello || !to->ping_wanted))
		return 0;
	to->ping_wanted = false;
	to->asked_us = (uint64_t)mono_ns() / 1000;
	return to->asked_us |
	    (wrong[PING_WITH_BIT_63] ? BNET_TIMESTAMP_PING_BACK : 0);
}

/* Trace: our own hop behind the others. */
static void
add_hop(struct bnet_packet *out)
{
	static struct bnet_buf traced;
	static struct bnet_echo_hop hops[64];
	struct bnet_message m;
	size_t left;
	uint32_t n;

	if (!set.trace || wrong[TRACE_IGNORED] ||
	    out->header.key != BNET_KEY_ECHO ||
	    bnet_message_decode(
		BNET_MSG_ECHO, out->payload, &m, &store, &left) != BNET_OK ||
	    (m.u.echo.flags & BNET_ECHO_F_TRACE) == 0 || m.u.echo.n >= 64)
		return;
	n = m.u.echo.n++;
	if (n > 0)
		memcpy(hops, m.u.echo.hops, n * sizeof(hops[0]));
	hops[n] = (struct bnet_echo_hop){ RELAY_ID, now_ns(), now_ns() };
	m.u.echo.hops = hops;
	if (traced.max == 0)
		bnet_buf_init(&traced, MESSAGE_BYTES);
	bnet_buf_clear(&traced);
	if (bnet_message_encode(&m, &traced) != BNET_OK)
		return;
	out->payload = bnet_buf_slice(&traced);
	out->codec = BNET_CODEC_NONE;
}

/* The code of an error, or 0. */
static uint32_t
pass(struct peer *from, struct peer *to, const struct bnet_packet *packet)
{
	struct bnet_packet out = {
		.has_oob = true, .has_header = true, .header = packet->header
	};
	struct bnet_header *header = &out.header;
	static uint64_t same[1];

	if (wrong[DROP_EMPTY] && packet->payload.len == 0)
		return 0;
	if (!wrong[KEEP_SOURCE])
		header->source = (int64_t)from->id;
	if (wrong[IDS_OF_32_BITS])
		header->source = (int32_t)header->source;
	if (!wrong[PING_PASSED_ON])
		header->timestamp = ping_with(to);
	if (!wrong[LATENCY_NOT_ADDED])
		header->latency_ms += (uint32_t)(to->latency_us / 1000);
	if (wrong[SERIAL_DROPPED])
		header->serial = 0;
	if (header->dest_type == BNET_DEST_NODE)
		header->priority = true;
	if (wrong[PRIORITY_DROPPED])
		header->priority = false;
	if (header->dest_type != BNET_DEST_CLIENT)
		header->forks = 0;
	if (header->forks > 0) {
		same[0] = to->id;
		header->forks = wrong[FORKS_NOT_CLEARED] ? 1 : 0;
		header->dest = (int64_t)to->id;
		out.fork_ids = same;
	}
	set_payload(from, to, packet, &out);
	add_hop(&out);
	if (out.payload.len > to->frame_max_bytes && !wrong[MAX_FRAME_IGNORED])
		return BNET_CODE_TOO_LARGE;
	if (hold(to, &out))
		return 0;
	if (!peer_send(to, &out))
		return wrong[OVERLOAD_SILENT] ? 0 : BNET_CODE_OVERLOADED;
	if (held_for != NULL) {
		(void)peer_send(held_for, &held);
		held_for = NULL;
	}
	return 0;
}

static void
to_forks(struct peer *from, const struct bnet_packet *packet)
{
	struct bnet_bits_rd forks = packet->forks;
	uint64_t first_bad = 0, id;
	struct peer *to;

	for (uint32_t i = 0; i < packet->header.forks; i++) {
		id = bnet_bits_u64(&forks);
		to = peer_find(BNET_ROLE_CLIENT, id);
		if (to != NULL)
			(void)pass(from, to, packet);
		else if (first_bad == 0)
			first_bad = id;
	}
	if (first_bad != 0)
		tell(from, packet, BNET_CODE_NO_DESTINATION, first_bad);
}

static bool
has_key(const struct peer *p, int32_t key)
{
	for (unsigned i = 0; i < p->n_keys; i++)
		if (p->keys[i] == key)
			return true;
	return false;
}

/* In turn: the next one behind the last that got one. */
static struct peer *
any_of(int32_t key)
{
	static unsigned last;
	unsigned from = wrong[ANY_TO_THE_FIRST] ? 0 : last + 1;

	for (unsigned i = 0; i < PEERS_MAX; i++) {
		struct peer *p = &peers[(from + i) % PEERS_MAX];

		if (p->fd < 0 || p->leaving || !has_key(p, key) ||
		    (mono_ns() - p->heard_ns >= 2 * set.keepalive_ns &&
			!wrong[ANY_TO_THE_SILENT]))
			continue;
		last = (unsigned)(p - peers);
		return p;
	}
	return NULL;
}

static void
to_all_clients(struct peer *from, const struct bnet_packet *packet)
{
	EACH_PEER(p)
	if (p->role == BNET_ROLE_CLIENT ||
	    (wrong[BROADCAST_TO_NODES] && p != from))
		(void)pass(from, p, packet);
}

/* ---- messages ------------------------------------------------------------- */

static void
on_roster(struct peer *p, const struct bnet_roster *roster)
{
	static struct bnet_roster_entry entries[PEERS_MAX];
	struct bnet_message reply = { .type = BNET_MSG_ROSTER_REPLY };
	uint32_t n = 0;

	EACH_PEER(q)
	{
		if (q->id == 0 ||
		    ((roster->roles & q->role) == 0 &&
			!wrong[ROSTER_IGNORES_ROLES]) ||
		    (strncmp(q->name,
			 roster->prefix.p != NULL ? roster->prefix.p : "",
			 roster->prefix.len_bytes) != 0 &&
			!wrong[ROSTER_IGNORES_PREFIX]))
			continue;
		entries[n++] = (struct bnet_roster_entry){ .id = q->id,
			.role = q->role,
			.name = { q->name, (uint32_t)strlen(q->name) } };
	}
	reply.u.roster_reply.n = n;
	reply.u.roster_reply.entries = entries;
	peer_say(p, &reply, BNET_DEST_HOP, 0);
}

static void
on_echo(struct peer *p, struct bnet_message *echo)
{
	if (wrong[ECHO_SILENT])
		return;
	echo->type = BNET_MSG_ECHO_REPLY;
	if (wrong[ECHO_WRONG_COOKIE])
		echo->u.echo.cookie++;
	echo->u.echo.received_ns = now_ns();
	echo->u.echo.replied_ns = now_ns();
	peer_say(p, echo,
	    (echo->u.echo.flags & BNET_ECHO_F_NODE) != 0 &&
		    !wrong[ECHO_NO_FLAG_4]
		? BNET_DEST_NODE
		: BNET_DEST_CLIENT,
	    (int64_t)p->id);
}

static void
on_second_hello(struct peer *p, const struct bnet_packet *packet)
{
	struct bnet_message welcome = { .type = BNET_MSG_WELCOME };

	welcome.u.welcome.version = 1;
	welcome.u.welcome.id = p->id;
	if (wrong[SECOND_HELLO])
		peer_say(p, &welcome, BNET_DEST_HOP, 0);
	else
		tell(p, packet, BNET_CODE_REFUSED, 0);
}

static void
local(struct peer *p, const struct bnet_packet *packet)
{
	enum bnet_message_type type = bnet_message_type(packet->header.key);
	struct bnet_message message;
	size_t left;

	if (type == BNET_MSG_NONE) {
		tell(p, packet, BNET_CODE_NO_DESTINATION,
		    (uint64_t)packet->header.dest);
		return;
	}
	if (bnet_message_decode(
		type, packet->payload, &message, &store, &left) != BNET_OK) {
		tell(p, packet, BNET_CODE_MALFORMED,
		    (uint64_t)packet->header.dest);
		return;
	}
	if (type == BNET_MSG_ROSTER)
		on_roster(p, &message.u.roster);
	else if (type == BNET_MSG_ECHO)
		on_echo(p, &message);
	else if (type == BNET_MSG_DISCARD && wrong[DISCARD_ANSWERED] &&
	    packet->payload.len > 0) /* not that of a fence */
		tell(p, packet, BNET_CODE_NO_DESTINATION, 0);
	else if (type == BNET_MSG_HELLO)
		on_second_hello(p, packet);
	else if (type == BNET_MSG_REGISTER && p->role != BNET_ROLE_NODE)
		tell(p, packet, BNET_CODE_REFUSED, 0);
	else if (type == BNET_MSG_REGISTER && p->n_keys < KEYS_MAX &&
	    !wrong[REGISTER_IGNORED])
		p->keys[p->n_keys++] = message.u.reg.key;
}

/* ---- routing -------------------------------------------------------------- */

static void
route_one(struct peer *from, const struct bnet_packet *packet, struct peer *to)
{
	uint32_t code = BNET_CODE_NO_DESTINATION;

	if (to != NULL)
		code = pass(from, to, packet);
	if (code != 0)
		tell(from, packet, code, (uint64_t)packet->header.dest);
}

/* The next in turn that has room for it. */
static void
route_any(struct peer *from, const struct bnet_packet *packet)
{
	struct peer *to;
	uint32_t code = BNET_CODE_NO_DESTINATION;
	unsigned n = 0;

	for (unsigned i = 0; i < PEERS_MAX; i++)
		n += peers[i].fd >= 0 && has_key(&peers[i], packet->header.key);
	do {
		to = any_of(packet->header.key);
		if (to != NULL)
			code = pass(from, to, packet);
	} while (to != NULL && code == BNET_CODE_OVERLOADED && n-- > 1 &&
	    !wrong[ANY_TO_THE_FULL]);
	if (code != 0)
		tell(from, packet, code, (uint64_t)packet->header.dest);
}

static void
route(struct peer *from, const struct bnet_packet *packet)
{
	const struct bnet_header *header = &packet->header;
	bool node = from->role == BNET_ROLE_NODE;

	if (header->forks > 0 && !node && !wrong[FORKS_FROM_CLIENTS] &&
	    !(wrong[FORKS_TO_NODES] && header->dest_type != BNET_DEST_CLIENT)) {
		tell(from, packet, BNET_CODE_REFUSED, (uint64_t)header->dest);
		return;
	}
	switch (header->dest_type) {
	case BNET_DEST_HOP:
		local(from, packet);
		break;
	case BNET_DEST_NODE:
		if (header->dest == RELAY_ID)
			local(from, packet);
		else
			route_one(from, packet,
			    peer_find(BNET_ROLE_NODE, (uint64_t)header->dest));
		break;
	case BNET_DEST_CLIENT:
		if (header->forks > 0)
			to_forks(from, packet);
		else if (node || !set.no_client_to_client ||
		    wrong[CLIENT_TO_CLIENT])
			route_one(from, packet,
			    peer_find(
				BNET_ROLE_CLIENT, (uint64_t)header->dest));
		else
			tell(from, packet, BNET_CODE_REFUSED,
			    (uint64_t)header->dest);
		break;
	case BNET_DEST_BROADCAST:
		if (node || wrong[BROADCAST_FROM_CLIENTS])
			to_all_clients(from, packet);
		else
			tell(from, packet, BNET_CODE_REFUSED,
			    (uint64_t)header->dest);
		break;
	case BNET_DEST_ANY:
		route_any(from, packet);
		break;
	default:
		tell(from, packet, BNET_CODE_NO_DESTINATION,
		    (uint64_t)header->dest);
	}
}

#endif
