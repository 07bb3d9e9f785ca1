/* SPDX-License-Identifier: MIT */
/* wrong_relay: the faults that it can have, its peers, and sending to them. */
#ifndef TESTS_WRONG_RELAY_PEER_H
#define TESTS_WRONG_RELAY_PEER_H

#include "proto/bluenet.h"

#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PEERS_MAX 256
#define KEYS_MAX 16
#define NAME_CHARS 128
#define RELAY_ID 1
#define MESSAGE_BYTES (1 << 20)
#define OUT_BYTES ((size_t)64 << 20)

/* One thing that it does wrong; the names are those of --wrong. */
#define FAULTS(X) \
	X(ANY_TO_THE_FIRST, "any-to-the-first") \
	X(ANY_VERSION, "any-version") \
	X(BROADCAST_FROM_CLIENTS, "broadcast-from-clients") \
	X(BROADCAST_TO_NODES, "broadcast-to-nodes") \
	X(COMPRESSED_TO_ALL, "compressed-to-all") \
	X(COMPRESS_TO_STOCK, "compress-to-stock") \
	X(DISCARD_ANSWERED, "discard-answered") \
	X(DROP_EMPTY, "drop-empty") \
	X(ECHO_SILENT, "echo-silent") \
	X(ECHO_WRONG_COOKIE, "echo-wrong-cookie") \
	X(ERROR_ABOUT_ERROR, "error-about-error") \
	X(ERROR_WITHOUT_COOKIE, "error-without-cookie") \
	X(ERROR_WITHOUT_KEY, "error-without-key") \
	X(ERROR_WRONG_CODE, "error-wrong-code") \
	X(ERRORS_TO_STOCK, "errors-to-stock") \
	X(FORKS_FROM_CLIENTS, "forks-from-clients") \
	X(FORKS_NOT_CLEARED, "forks-not-cleared") \
	X(IDS_OF_32_BITS, "ids-of-32-bits") \
	X(KEEP_SOURCE, "keep-source") \
	X(LITTLE_ALWAYS, "little-always") \
	X(MALFORMED_STAYS, "malformed-stays") \
	X(MESSAGES_TO_STOCK, "messages-to-stock") \
	X(NO_PONG, "no-pong") \
	X(NO_REPLACE, "no-replace") \
	X(OVERSIZE_WAITS, "oversize-waits") \
	X(PAYLOAD_CUT, "payload-cut") \
	X(PING_PASSED_ON, "ping-passed-on") \
	X(PONG_KEEPS_BIT_63, "pong-keeps-bit-63") \
	X(PONG_OTHER_TIMESTAMP, "pong-other-timestamp") \
	X(PRIORITY_DROPPED, "priority-dropped") \
	X(REFUSE_SILENTLY, "refuse-silently") \
	X(REFUSE_WITHOUT_CLOSE, "refuse-without-close") \
	X(REGISTER_IGNORED, "register-ignored") \
	X(REORDER, "reorder") \
	X(ROSTER_IGNORES_PREFIX, "roster-ignores-prefix") \
	X(ROSTER_IGNORES_ROLES, "roster-ignores-roles") \
	X(SERIAL_DROPPED, "serial-dropped") \
	X(SWALLOW_ERRORS, "swallow-errors") \
	X(WANTED_ID_IGNORED, "wanted-id-ignored") \
	X(WELCOME_WRONG_ID, "welcome-wrong-id")

#define FAULT_ENUM(id, name) id,
#define FAULT_NAME(id, name) name,
enum fault {
	FAULTS(FAULT_ENUM) N_FAULTS
};
static const char *const fault_names[] = { FAULTS(FAULT_NAME) };
static bool wrong[N_FAULTS];

struct peer {
	int fd; /* -1: free */
	struct bnet_link *link;
	uint64_t id; /* 0: it has said nothing yet */
	uint32_t role, codecs;
	bool hello, leaving;
	char name[NAME_CHARS];
	int32_t keys[KEYS_MAX];
	unsigned n_keys;
};

static struct peer peers[PEERS_MAX];
static struct bnet_codecs *codecs;
static struct bnet_buf body, store, frame;

#define EACH_PEER(p) \
	for (struct peer * (p) = peers; (p) < peers + PEERS_MAX; (p)++) \
		if ((p)->fd >= 0 && !(p)->leaving)

static uint64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* ---- sending -------------------------------------------------------------- */

static void
peer_write(struct peer *p)
{
	struct bnet_slice out;
	ssize_t n;

	while (bnet_link_output(p->link, &out) == BNET_OK && out.len > 0) {
		n = send(p->fd, out.p, out.len, MSG_NOSIGNAL);
		if (n <= 0)
			return; /* reading will find out */
		bnet_link_output_done(p->link, (size_t)n);
	}
}

static void
peer_send(struct peer *p, const struct bnet_packet *packet)
{
	const struct bnet_wire wire = {
		.order = wrong[LITTLE_ALWAYS] ? BNET_ORDER_LITTLE
					      : bnet_link_order(p->link),
		.codec = wrong[COMPRESS_TO_STOCK] && !p->hello
		    ? BNET_CODEC_ZLIB
		    : BNET_CODEC_NONE,
		.frame_max_bytes = BNET_FRAME_MAX_BYTES,
		.threshold_bytes = 1,
	};

	bnet_buf_clear(&frame);
	if (bnet_packet_encode(&wire, codecs, packet, &frame) == BNET_OK &&
	    bnet_link_queue(p->link, bnet_buf_slice(&frame)) == BNET_OK)
		peer_write(p);
}

/* A session message; stock clients get none. */
static void
peer_say(struct peer *p, const struct bnet_message *message, int64_t dest_type,
    int64_t dest)
{
	struct bnet_packet packet = { .has_oob = true,
		.has_header = true,
		.header = { .source = RELAY_ID,
		    .dest_type = dest_type,
		    .dest = dest,
		    .key = bnet_message_key(message->type) } };

	if (!p->hello && !wrong[MESSAGES_TO_STOCK] &&
	    message->type != BNET_MSG_ECHO_REPLY &&
	    !(wrong[ERRORS_TO_STOCK] && message->type == BNET_MSG_ERROR))
		return;
	bnet_buf_clear(&body);
	if (bnet_message_encode(message, &body) != BNET_OK)
		return;
	packet.payload = bnet_buf_slice(&body);
	peer_send(p, &packet);
}

/* ---- ids ------------------------------------------------------------------ */

static struct peer *
peer_find(uint32_t role, uint64_t id)
{
	EACH_PEER(p)
	if (p->role == role && p->id == id && id != 0)
		return p;
	return NULL;
}

static uint64_t
free_id(uint32_t role)
{
	uint64_t id = role == BNET_ROLE_NODE ? RELAY_ID + 1 : 1;

	while (peer_find(role, id) != NULL)
		id++;
	return id;
}

#endif
