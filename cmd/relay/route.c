/* SPDX-License-Identifier: MIT */
#include "cmd/relay/route.h"

#define COOKIE_BYTES 8
#define PAUSE_QUOTIENT 2 /* pause at ceiling / this */
#define ELSEWHERE_NS INT64_C(5000000000) /* it speaks to others until then */

/*
 * Peers believe what their relay says, whatever the source in the header: to be
 * moved, renamed or refused by another peer is not in the protocol. Pongs do
 * not come here; see hooks.c.
 */
static bool
only_a_relay_says(int32_t key)
{
	switch (bnet_message_type(key)) {
	case BNET_MSG_WELCOME:
	case BNET_MSG_REFUSE:
	case BNET_MSG_ERROR:
	case BNET_MSG_ROSTER_REPLY:
	case BNET_MSG_DRAIN:
		return true;
	default:
		return false;
	}
}

static enum route_verdict
to_client(const struct route_rules *rules, enum bnet_role sender,
    const struct bnet_header *header)
{
	if (header->forks > 0)
		return ROUTE_FORKS;
	if (sender == BNET_ROLE_CLIENT && rules->no_client_to_client)
		return ROUTE_REFUSED;
	return ROUTE_CLIENT;
}

static enum route_verdict
to_all(enum bnet_role sender, const struct bnet_header *header)
{
	if (sender != BNET_ROLE_NODE)
		return ROUTE_REFUSED;
	return header->dest == 0 ? ROUTE_BROADCAST : ROUTE_UNKNOWN;
}

enum route_verdict
route_decide(const struct route_rules *rules, enum bnet_role sender,
    const struct bnet_packet *packet)
{
	const struct bnet_header *header = &packet->header;

	if (!packet->has_header)
		return ROUTE_NO_HEADER;
	if (header->key == 0)
		return ROUTE_NO_KEY;
	if (header->forks > 0 && sender != BNET_ROLE_NODE)
		return ROUTE_REFUSED; /* for any kind of destination */
	if (header->dest_type != BNET_DEST_HOP &&
	    !(header->dest_type == BNET_DEST_NODE &&
		header->dest == rules->relay_id) &&
	    only_a_relay_says(header->key))
		return ROUTE_REFUSED;
	switch (header->dest_type) {
	case BNET_DEST_HOP:
		return ROUTE_LOCAL;
	case BNET_DEST_NODE:
		return header->dest == rules->relay_id ? ROUTE_LOCAL
						       : ROUTE_NODE;
	case BNET_DEST_CLIENT:
		return to_client(rules, sender, header);
	case BNET_DEST_BROADCAST:
		return to_all(sender, header);
	case BNET_DEST_ANY:
		return ROUTE_ANY;
	default:
		return ROUTE_UNKNOWN;
	}
}

uint64_t
route_cookie(const struct bnet_packet *packet)
{
	uint64_t cookie = 0;

	if (packet->codec != BNET_CODEC_NONE ||
	    packet->payload.len < COOKIE_BYTES)
		return 0;
	for (int i = COOKIE_BYTES - 1; i >= 0; i--)
		cookie = cookie << 8 | packet->payload.p[i];
	return cookie;
}

bool
route_should_pause(const struct route_load *load)
{
	if (load->queued_bytes <= load->queue_max_bytes / PAUSE_QUOTIENT ||
	    load->waits_bytes <= load->share_bytes)
		return false;
	return load->elsewhere_ns == 0 ||
	    load->now_ns - load->elsewhere_ns > ELSEWHERE_NS;
}
