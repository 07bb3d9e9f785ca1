/* SPDX-License-Identifier: MIT */
/* wrong_relay: the faults that it can have, its peers, and sending to them. */
#ifndef TESTS_WRONG_RELAY_PEER_H
#define TESTS_WRONG_RELAY_PEER_H

#include "proto/bluenet.h"

#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
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
	X(ANY_TO_THE_FULL, "any-to-the-full") \
	X(ANY_TO_THE_SILENT, "any-to-the-silent") \
	X(ANY_VERSION, "any-version") \
	X(BROADCAST_FROM_CLIENTS, "broadcast-from-clients") \
	X(BROADCAST_TO_NODES, "broadcast-to-nodes") \
	X(CLIENT_TO_CLIENT, "client-to-client") \
	X(COMPRESS_ALWAYS, "compress-always") \
	X(COMPRESS_SMALL, "compress-small") \
	X(COMPRESS_TO_STOCK, "compress-to-stock") \
	X(COMPRESSED_TO_ALL, "compressed-to-all") \
	X(CORRUPT_PASSED_ON, "corrupt-passed-on") \
	X(DISCARD_ANSWERED, "discard-answered") \
	X(DRAIN_SILENT, "drain-silent") \
	X(DRAIN_WELCOME, "drain-welcome") \
	X(DROP_EMPTY, "drop-empty") \
	X(ECHO_NO_FLAG_4, "echo-no-flag-4") \
	X(ECHO_SILENT, "echo-silent") \
	X(ECHO_WRONG_COOKIE, "echo-wrong-cookie") \
	X(ERROR_ABOUT_ERROR, "error-about-error") \
	X(ERROR_WITHOUT_COOKIE, "error-without-cookie") \
	X(ERROR_WITHOUT_KEY, "error-without-key") \
	X(ERROR_WRONG_CODE, "error-wrong-code") \
	X(ERRORS_TO_STOCK, "errors-to-stock") \
	X(FORKS_FROM_CLIENTS, "forks-from-clients") \
	X(FORKS_NOT_CLEARED, "forks-not-cleared") \
	X(FORKS_TO_NODES, "forks-to-nodes") \
	X(IDS_OF_32_BITS, "ids-of-32-bits") \
	X(KEEP_SOURCE, "keep-source") \
	X(KEY_ZERO_ANSWERED, "key-zero-answered") \
	X(LATENCY_NO_JUMP, "latency-no-jump") \
	X(LATENCY_NOT_ADDED, "latency-not-added") \
	X(LATENCY_NOT_SMOOTHED, "latency-not-smoothed") \
	X(LITTLE_ALWAYS, "little-always") \
	X(MALFORMED_STAYS, "malformed-stays") \
	X(MAX_FRAME_IGNORED, "max-frame-ignored") \
	X(MESSAGES_TO_STOCK, "messages-to-stock") \
	X(NO_PONG, "no-pong") \
	X(NO_REPLACE, "no-replace") \
	X(OVERLOAD_SILENT, "overload-silent") \
	X(OVERSIZE_WAITS, "oversize-waits") \
	X(PAYLOAD_CUT, "payload-cut") \
	X(PING_EVERY_PACKET, "ping-every-packet") \
	X(PING_PASSED_ON, "ping-passed-on") \
	X(PING_WITH_BIT_63, "ping-with-bit-63") \
	X(PONG_KEEPS_BIT_63, "pong-keeps-bit-63") \
	X(PONG_OTHER_TIMESTAMP, "pong-other-timestamp") \
	X(PONG_PASSED_ON, "pong-passed-on") \
	X(PONG_PING_IGNORED, "pong-ping-ignored") \
	X(PRIORITY_DROPPED, "priority-dropped") \
	X(REFUSE_SILENTLY, "refuse-silently") \
	X(REFUSE_WITHOUT_CLOSE, "refuse-without-close") \
	X(REGISTER_IGNORED, "register-ignored") \
	X(REORDER, "reorder") \
	X(REQUIRE_NOTHING, "require-nothing") \
	X(ROSTER_IGNORES_PREFIX, "roster-ignores-prefix") \
	X(ROSTER_IGNORES_ROLES, "roster-ignores-roles") \
	X(SECOND_HELLO, "second-hello") \
	X(SERIAL_DROPPED, "serial-dropped") \
	X(SILENT_STAYS, "silent-stays") \
	X(SWALLOW_ERRORS, "swallow-errors") \
	X(TOKENS_IGNORED, "tokens-ignored") \
	X(TRACE_IGNORED, "trace-ignored") \
	X(UNUSED_BITS, "unused-bits") \
	X(WANTED_ID_IGNORED, "wanted-id-ignored") \
	X(WELCOME_WRONG_ID, "welcome-wrong-id") \
	X(WIDE_NUMBERS, "wide-numbers")

#define FAULT_ENUM(id, name) id,
#define FAULT_NAME(id, name) name,
enum fault {
	FAULTS(FAULT_ENUM) N_FAULTS
};
static const char *const fault_names[] = { FAULTS(FAULT_NAME) };
static bool wrong[N_FAULTS];

/* As the options say; none: as bluenet-wire(5). */
static struct {
	int64_t keepalive_ns, ping_ns, drain_ns;
	size_t queue_bytes;
	bool no_client_to_client, require_hello, trace, tokens;
	const char *drain_to;
} set = { .keepalive_ns = INT64_C(20000000000),
	.ping_ns = INT64_C(30000000000),
	.drain_ns = INT64_C(10000000000),
	.queue_bytes = OUT_BYTES };
static int64_t draining_ns; /* until then; 0: not */

struct peer {
	int fd; /* -1: free */
	uint32_t frame_max_bytes; /* of its hello */
	int64_t heard_ns, keepalive_at_ns, pinged_ns;
	uint64_t asked_us; /* 0: no ping is out */
	int64_t latency_us;
	bool latency_known, ping_wanted;
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

static int64_t
mono_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* ---- sending -------------------------------------------------------------- */

static void
peer_write(struct peer *p)
{
	struct bnet_slice out;
	ssize_t n;

	while (bnet_link_output(p->link, &out) == BNET_OK && out.len > 0) {
		n = send(p->fd, out.p, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n <= 0)
			return; /* poll() says when it takes more */
		bnet_link_output_done(p->link, (size_t)n);
	}
}

/* WIDE_NUMBERS: all numbers in all their bits. */
static void
put_wide(struct bnet_bits_wr *wr, bool sign, uint64_t v, uint32_t bits)
{
	if (bits == 64)
		bnet_bits_put(wr, sign, 1);
	bnet_bits_put(wr, 7, 3);
	bnet_bits_put(wr, v & UINT32_MAX, 32);
	if (bits == 64)
		bnet_bits_put(wr, v >> 32, 32);
}

static void
wide_header(const struct bnet_header *h, struct bnet_buf *oob)
{
	struct bnet_bits_wr wr;

	bnet_bits_write(&wr, oob);
	put_wide(&wr, h->source < 0, (uint64_t)llabs(h->source), 64);
	put_wide(&wr, false, (uint64_t)h->dest_type, 64);
	put_wide(&wr, h->dest < 0, (uint64_t)llabs(h->dest), 64);
	bnet_bits_put(&wr, h->key < 0, 1);
	put_wide(&wr, false, (uint32_t)labs(h->key), 32);
	put_wide(&wr, false, h->forks, 32);
	put_wide(&wr, false, h->serial, 32);
	put_wide(&wr, false, h->latency_ms, 32);
	bnet_bits_put(&wr, h->priority, 1);
	bnet_bits_put(&wr, 7, 3);
	bnet_bits_put(&wr, h->timestamp & UINT32_MAX, 32);
	bnet_bits_put(&wr, h->timestamp >> 32, 32);
	(void)!bnet_bits_finish(&wr);
}

static bool
has_unused_bits(struct bnet_slice oob)
{
	struct bnet_bits_rd rd;

	bnet_bits_read(&rd, oob);
	for (int i = 0; i < 3; i++)
		(void)bnet_bits_i64(&rd);
	(void)bnet_bits_i32(&rd);
	for (int i = 0; i < 3; i++)
		(void)bnet_bits_u32(&rd);
	(void)bnet_bits_bool(&rd);
	(void)bnet_bits_u64(&rd);
	return bnet_bits_left(&rd) > 0;
}

/* The header in bytes of our own: WIDE_NUMBERS, UNUSED_BITS. */
static void
odd_header(struct bnet_packet *packet)
{
	static struct bnet_buf oob;
	uint8_t *bytes;

	if (oob.max == 0)
		bnet_buf_init(&oob, MESSAGE_BYTES);
	bnet_buf_clear(&oob);
	if (wrong[WIDE_NUMBERS])
		wide_header(&packet->header, &oob);
	else if (bnet_header_encode(&packet->header, packet->fork_ids, &oob) !=
	    BNET_OK)
		return;
	packet->oob = bnet_buf_slice(&oob);
	bytes = (uint8_t *)(uintptr_t)packet->oob.p;
	if (wrong[UNUSED_BITS] && has_unused_bits(packet->oob))
		bytes[packet->oob.len - 1] |= 0x80;
	packet->has_header = false;
}

/* Compressed whatever comes of it: COMPRESS_SMALL, COMPRESS_ALWAYS. */
static void
odd_codec(struct peer *p, struct bnet_packet *packet)
{
	static struct bnet_buf body_packed;

	if (body_packed.max == 0)
		bnet_buf_init(&body_packed, MESSAGE_BYTES);
	bnet_buf_clear(&body_packed);
	if ((p->codecs & BNET_CODEC_ZLIB) == 0 ||
	    packet->codec != BNET_CODEC_NONE ||
	    (packet->payload.len < 200) != wrong[COMPRESS_SMALL] ||
	    bnet_codec_encode(codecs, BNET_CODEC_ZLIB, bnet_link_order(p->link),
		packet->payload, &body_packed) != BNET_OK)
		return;
	packet->codec = BNET_CODEC_ZLIB;
	packet->wire_payload = bnet_buf_slice(&body_packed);
}

/* False: it does not fit its queue. */
static bool
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
	struct bnet_packet out = *packet;

	if ((wrong[COMPRESS_SMALL] || wrong[COMPRESS_ALWAYS]) && p->hello)
		odd_codec(p, &out);
	if (wrong[WIDE_NUMBERS] || wrong[UNUSED_BITS])
		odd_header(&out);
	bnet_buf_clear(&frame);
	if (bnet_packet_encode(&wire, codecs, &out, &frame) != BNET_OK ||
	    bnet_link_queue(p->link, bnet_buf_slice(&frame)) != BNET_OK)
		return false;
	peer_write(p);
	return true;
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
	(void)peer_send(p, &packet);
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
