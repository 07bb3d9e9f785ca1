/* SPDX-License-Identifier: MIT */
/*
 * relay_load, third part: what each protocol wants said before the first
 * packet, as a user or as the node that answers.
 */
#ifndef TESTS_LOAD_GREET_H
#define TESTS_LOAD_GREET_H

#include "proto/message.h"
#include "tests/bench/load_conn.h"

#define ZMTP_GREETING_BYTES 64
#define USER_CAP_BYTES 1024

enum role {
	ROLE_USER,
	ROLE_NODE,
};

struct setup {
	enum wire wire;
	uint16_t port; /* the users' */
	uint16_t node_port; /* the node's; raw: where the sink listens */
	size_t payload_bytes;
	SSL_CTX *tls; /* of the users; NULL: plain */
	bool vary; /* no two packets in a row have the same header */
};

static void
send_hello(const struct conn *conn, enum role role)
{
	const struct bnet_message hello = { .type = BNET_MSG_HELLO,
		.u.hello = { .version = BNET_PROTOCOL_VERSION,
		    .role =
			role == ROLE_NODE ? BNET_ROLE_NODE : BNET_ROLE_CLIENT,
		    .frame_max_bytes = BNET_FRAME_MAX_BYTES,
		    .name = { "bench", 5 } } };
	const struct bnet_header header = { .key = bnet_message_key(
						BNET_MSG_HELLO) };
	struct bnet_buf body, out;

	bnet_buf_init(&body, RECORD_MAX_BYTES);
	bnet_buf_init(&out, RECORD_MAX_BYTES);
	if (bnet_message_encode(&hello, &body) != BNET_OK)
		errx(1, "encoding hello failed");
	put_frame(&out, &header, bnet_buf_slice(&body).p, body.len);
	conn_send(conn, bnet_buf_slice(&out).p, out.len);
	bnet_buf_free(&body);
	bnet_buf_free(&out);
}

/* The id where the frame is the welcome; -1 where it is something else. */
static int64_t
welcome_id(const struct bnet_frame *frame)
{
	struct bnet_header header;
	struct bnet_message message;
	struct bnet_buf store;
	size_t left;
	int64_t id;

	if (bnet_header_decode(frame->oob, &header, NULL, &left) != BNET_OK)
		return -1;
	if (header.key == bnet_message_key(BNET_MSG_REFUSE))
		errx(1, "the relay refused us");
	if (header.key != bnet_message_key(BNET_MSG_WELCOME))
		return -1;
	bnet_buf_init(&store, RECORD_MAX_BYTES);
	if (bnet_message_decode(BNET_MSG_WELCOME, frame->payload, &message,
		&store, &left) != BNET_OK)
		errx(1, "a bad welcome");
	id = (int64_t)message.u.welcome.id;
	bnet_buf_free(&store);
	return id;
}

static int64_t
greet_bnet(struct conn *conn, enum role role)
{
	struct bnet_frame frame;
	enum bnet_err why;
	int64_t id = -1;
	size_t used;

	send_hello(conn, role);
	while (id < 0) {
		why = bnet_frame_decode(
		    (struct bnet_slice){ conn->in, conn->have },
		    BNET_ORDER_LITTLE, BNET_FRAME_MAX_BYTES, &frame, &used);
		if (why == BNET_MORE) {
			conn_wait(conn);
			continue;
		}
		if (why != BNET_OK)
			errx(1, "the relay's answer: %s", bnet_strerror(why));
		id = welcome_id(&frame);
		conn_used(conn, used);
	}
	return id;
}

static bool
has_line(struct conn *conn, const char *start)
{
	uint8_t *lf = memchr(conn->in, '\n', conn->have);
	bool found;

	if (lf == NULL)
		return false;
	found = memcmp(conn->in, start, strlen(start)) == 0;
	conn_used(conn, (size_t)(lf + 1 - conn->in));
	return found;
}

/* Under TLS, INFO comes before the handshake. */
static void
greet_nats(struct conn *conn, enum role role, uint32_t user, SSL_CTX *tls)
{
	char line[160];
	int n;

	while (!has_line(conn, "INFO"))
		conn_wait(conn);
	if (tls != NULL)
		conn_handshake(conn, tls);
	n = snprintf(line, sizeof(line),
	    "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
	if (role == ROLE_NODE)
		n += snprintf(
		    line + n, sizeof(line) - (size_t)n, "SUB n 1\r\nPING\r\n");
	else
		n += snprintf(line + n, sizeof(line) - (size_t)n,
		    "SUB u%05u 1\r\nPING\r\n", user);
	conn_send(conn, (const uint8_t *)line, (size_t)n);
	while (!has_line(conn, "PONG"))
		conn_wait(conn);
}

/* ZMTP 3.0, mechanism NULL: greeting, then READY, both ways. */
static void
greet_zmtp(struct conn *conn, enum role role)
{
	static const char pull[] = "\4\x1a\5READY\013Socket-Type\0\0\0\4PULL";
	static const char push[] = "\4\x1a\5READY\013Socket-Type\0\0\0\4PUSH";
	uint8_t greeting[ZMTP_GREETING_BYTES] = {
		0xff, [9] = 0x7f, [10] = 3, [12] = 'N', 'U', 'L', 'L'
	};
	struct record record;
	size_t n;

	conn_send(conn, greeting, sizeof(greeting));
	while (conn->have < sizeof(greeting))
		conn_wait(conn);
	conn_used(conn, sizeof(greeting));
	conn_send(conn, (const uint8_t *)(role == ROLE_NODE ? pull : push),
	    sizeof(pull) - 1);
	while ((n = take_zmtp(conn->in, conn->have, &record)) == 0)
		conn_wait(conn);
	conn_used(conn, n);
}

/* The id that the relay gave, else 0. */
static int64_t
greet(struct conn *conn, const struct setup *set, enum role role, uint32_t user)
{
	SSL_CTX *tls = role == ROLE_USER ? set->tls : NULL;

	if (tls != NULL && set->wire != WIRE_NATS)
		conn_handshake(conn, tls);
	if (set->wire == WIRE_BNET)
		return greet_bnet(conn, role);
	if (set->wire == WIRE_NATS)
		greet_nats(conn, role, user, tls);
	if (set->wire == WIRE_ZMQ)
		greet_zmtp(conn, role);
	return 0;
}

static int64_t
connect_user(struct conn *conn, const struct setup *set, uint32_t user)
{
	conn_connect(conn, set->port, USER_CAP_BYTES);
	return greet(conn, set, ROLE_USER, user);
}

static int64_t
connect_node(struct conn *conn, const struct setup *set, size_t cap_bytes)
{
	conn_connect(conn, set->node_port, cap_bytes);
	return greet(conn, set, ROLE_NODE, 0);
}

#endif
