/* SPDX-License-Identifier: MIT */
/*
 * relay_load, first part: the same payload in the words of each protocol.
 *
 *	bnet	a BlueNet frame, client -> relay -> node and back
 *	raw	the same frame, through something that only copies bytes
 *	nats	PUB of a user, MSG at the node; PUB of the node, MSG at the user
 *	zmq	a ZMTP message, PUSH -> PULL (one way only)
 *
 * A payload ends in a mark and the number of its user, so the node knows whom
 * to answer and what is not ours (pings, session messages) is not counted.
 */
#ifndef TESTS_LOAD_WIRE_H
#define TESTS_LOAD_WIRE_H

#include "proto/frame.h"
#include "proto/header.h"
#include "proto/link.h"

#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK UINT32_C(0x4b52414d)
#define TAIL_BYTES 8 /* mark, user */
#define PAYLOAD_MAX_BYTES 1024
#define RECORD_MAX_BYTES (PAYLOAD_MAX_BYTES + 64)

enum wire {
	WIRE_BNET,
	WIRE_RAW,
	WIRE_NATS,
	WIRE_ZMQ,
	N_WIRES
};

static const char *const wire_names[N_WIRES] = { "bnet", "raw", "nats", "zmq" };

/* One record of a stream; its user is only set where it is ours. */
struct record {
	bool ours;
	uint32_t user;
};

static void
put_payload(uint8_t *p, size_t n, uint32_t user)
{
	const uint32_t mark = MARK;

	memset(p, 'x', n - TAIL_BYTES);
	memcpy(p + n - TAIL_BYTES, &mark, sizeof(mark));
	memcpy(p + n - sizeof(user), &user, sizeof(user));
}

/* `end` is behind the payload, of which there are at least TAIL_BYTES. */
static void
get_payload(const uint8_t *end, struct record *record)
{
	uint32_t mark;

	memcpy(&mark, end - TAIL_BYTES, sizeof(mark));
	memcpy(&record->user, end - sizeof(record->user), sizeof(record->user));
	record->ours = mark == MARK;
}

/* Append a packet with that header and payload to `out`. */
static void
put_frame(struct bnet_buf *out, const struct bnet_header *header,
    const uint8_t *payload, size_t n)
{
	const struct bnet_wire plain = { .order = BNET_ORDER_LITTLE,
		.codec = BNET_CODEC_NONE,
		.frame_max_bytes = BNET_FRAME_MAX_BYTES };
	struct bnet_packet packet = { .has_oob = true,
		.has_header = true,
		.header = *header,
		.payload = { payload, n } };
	static struct bnet_codecs *codecs;

	if (codecs == NULL)
		codecs = bnet_codecs_new();
	if (codecs == NULL ||
	    bnet_packet_encode(&plain, codecs, &packet, out) != BNET_OK)
		errx(1, "encoding a frame failed");
}

static void
put_bytes(struct bnet_buf *out, const void *p, size_t n)
{
	if (bnet_buf_append(out, (struct bnet_slice){ p, n }) != BNET_OK)
		errx(1, "out of memory");
}

/* "PUB subject n" and the payload. */
static void
put_pub(
    struct bnet_buf *out, const char *subject, const uint8_t *payload, size_t n)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "PUB %s %zu\r\n", subject, n);

	put_bytes(out, line, (size_t)len);
	put_bytes(out, payload, n);
	put_bytes(out, "\r\n", 2);
}

static void
put_zmtp(struct bnet_buf *out, const uint8_t *payload, size_t n)
{
	const uint8_t head[2] = { 0, (uint8_t)n }; /* last part, short */

	if (n > UINT8_MAX)
		errx(1, "zmq: the payload is longer than a short message");
	put_bytes(out, head, sizeof(head));
	put_bytes(out, payload, n);
}

/* What user `user` sends to node `node`. */
static void
put_question(struct bnet_buf *out, enum wire wire, uint32_t user, int64_t node,
    uint32_t serial, size_t payload_bytes)
{
	const struct bnet_header header = { .dest_type = BNET_DEST_NODE,
		.dest = node,
		.key = bnet_key("bench"),
		.serial = serial };
	uint8_t payload[PAYLOAD_MAX_BYTES];

	put_payload(payload, payload_bytes, user);
	if (wire == WIRE_NATS)
		put_pub(out, "n", payload, payload_bytes);
	else if (wire == WIRE_ZMQ)
		put_zmtp(out, payload, payload_bytes);
	else
		put_frame(out, &header, payload, payload_bytes);
}

/* What the node answers to user `user`, whom the relay knows as `client`. */
static void
put_answer(struct bnet_buf *out, enum wire wire, uint32_t user, int64_t client,
    size_t payload_bytes)
{
	const struct bnet_header header = { .dest_type = BNET_DEST_CLIENT,
		.dest = client,
		.key = bnet_key("bench") };
	uint8_t payload[PAYLOAD_MAX_BYTES];
	char subject[16];

	put_payload(payload, payload_bytes, user);
	snprintf(subject, sizeof(subject), "u%05u", user);
	if (wire == WIRE_NATS)
		put_pub(out, subject, payload, payload_bytes);
	else
		put_frame(out, &header, payload, payload_bytes);
}

static size_t
take_frame(const uint8_t *p, size_t n, struct record *record)
{
	size_t size;
	uint32_t word;

	if (n < BNET_FRAME_WORD_BYTES)
		return 0;
	word = bnet_order_get_u32(BNET_ORDER_LITTLE, p);
	size = BNET_FRAME_WORD_BYTES + (word & BNET_FRAME_MAX_BYTES_TOP);
	if (n < size)
		return 0;
	if (size >= BNET_FRAME_WORD_BYTES + TAIL_BYTES)
		get_payload(p + size, record);
	return size;
}

/* "MSG subject sid n" and the payload; any other line is a record itself. */
static size_t
take_nats(
    const uint8_t *p, size_t n, size_t payload_bytes, struct record *record)
{
	const uint8_t *lf = memchr(p, '\n', n);
	size_t size;

	if (lf == NULL)
		return 0;
	size = (size_t)(lf + 1 - p);
	if (p[0] != 'M')
		return size;
	size += payload_bytes + 2;
	if (n < size)
		return 0;
	get_payload(p + size - 2, record);
	return size;
}

static size_t
take_zmtp(const uint8_t *p, size_t n, struct record *record)
{
	size_t size;

	if (n < 2)
		return 0;
	size = 2 + (size_t)p[1];
	if (n < size)
		return 0;
	if (p[0] == 0 && p[1] >= TAIL_BYTES)
		get_payload(p + size, record);
	return size;
}

/* How many bytes the first record of p takes; 0: it is not whole yet. */
static inline size_t
take_record(enum wire wire, const uint8_t *p, size_t n, size_t payload_bytes,
    struct record *record)
{
	record->ours = false;
	if (wire == WIRE_NATS)
		return take_nats(p, n, payload_bytes, record);
	if (wire == WIRE_ZMQ)
		return take_zmtp(p, n, record);
	return take_frame(p, n, record);
}

#endif
