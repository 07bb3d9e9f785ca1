/* SPDX-License-Identifier: MIT */
/*
 * wrong_relay [--wrong NAME]...: a small relay that is right, or wrong in the
 * ways that are named ("--wrong list" lists them): what the scenarios of a
 * conformance suite have to tell apart. It shares libbluenet with the relay,
 * and nothing else; it is for a suite, not for load. Plain TCP on loopback.
 * Says "wrong-relay: ready on ADDR:PORT"; runs until it is killed.
 */
#include "tests/tools/wrong_relay_route.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define READ_BYTES 65536

/* ---- the beginning of a peer ---------------------------------------------- */

static void
send_ping(struct peer *p)
{
	struct bnet_packet ping = { .has_oob = true,
		.has_header = true,
		.header = { .source = RELAY_ID,
		    .key = bnet_message_key(BNET_MSG_KEEPALIVE),
		    .priority = true,
		    .timestamp = now_ns() / 1000 } };

	if (p->hello)
		peer_send(p, &ping);
}

static void
send_pong(struct peer *p, uint64_t timestamp)
{
	struct bnet_packet pong = { .has_oob = true,
		.has_header = true,
		.header = { .source = RELAY_ID,
		    .key = BNET_KEY_PONG,
		    .priority = true,
		    .timestamp = timestamp },
		.payload = { (const uint8_t *)"pong", 4 } };
	bool back = (timestamp & BNET_TIMESTAMP_PING_BACK) != 0;

	if (wrong[NO_PONG])
		return;
	if (!wrong[PONG_KEEPS_BIT_63])
		pong.header.timestamp &= ~BNET_TIMESTAMP_PING_BACK;
	if (wrong[PONG_OTHER_TIMESTAMP])
		pong.header.timestamp++;
	/* a stock peer's ping travels in the pong: its pong returns it */
	pong.header.latency_ms = back && !p->hello ? 1 : 0;
	peer_send(p, &pong);
	if (back)
		send_ping(p);
}

static void
leave(struct peer *p)
{
	p->leaving = true;
	(void)shutdown(p->fd, SHUT_WR);
}

static void
refuse(struct peer *p, uint32_t code)
{
	struct bnet_message message = { .type = BNET_MSG_REFUSE };

	message.u.refuse.code = code;
	p->hello = true;
	if (!wrong[REFUSE_SILENTLY])
		peer_say(p, &message, BNET_DEST_HOP, 0);
	if (!wrong[REFUSE_WITHOUT_CLOSE])
		leave(p);
}

static void
replace(uint32_t role, uint64_t id)
{
	struct peer *old = peer_find(role, id);

	if (old != NULL && !wrong[NO_REPLACE])
		refuse(old, BNET_CODE_REPLACED);
}

static void
on_hello(struct peer *p, const struct bnet_hello *hello)
{
	struct bnet_message welcome = { .type = BNET_MSG_WELCOME };

	if (hello->version != BNET_PROTOCOL_VERSION && !wrong[ANY_VERSION]) {
		refuse(p, BNET_CODE_VERSION);
		return;
	}
	p->hello = true;
	p->role = hello->role;
	p->codecs = hello->codecs;
	(void)snprintf(p->name, sizeof(p->name), "%.*s",
	    (int)hello->name.len_bytes, hello->name.p);
	if (hello->wanted_id != 0 && !wrong[WANTED_ID_IGNORED]) {
		replace(p->role, hello->wanted_id);
		p->id = hello->wanted_id;
	} else {
		p->id = free_id(p->role);
	}
	welcome.u.welcome = (struct bnet_welcome){
		.version = BNET_PROTOCOL_VERSION,
		.id = p->id + wrong[WELCOME_WRONG_ID],
		.relay_id = RELAY_ID,
		.codecs = BNET_CODEC_ZLIB | BNET_CODEC_SNAPPY,
		.frame_max_bytes = BNET_FRAME_MAX_BYTES,
		.keepalive_ms = 20000,
		.environment = { "development", 11 },
		.relay_name = { "wrong", 5 },
		.time_ns = now_ns(),
	};
	peer_say(p, &welcome, BNET_DEST_HOP, 0);
	send_ping(p);
}

/* True: it was the first packet, a hello, and is dealt with. */
static bool
first(struct peer *p, const struct bnet_packet *packet)
{
	struct bnet_message message;
	size_t left;

	if (p->id != 0)
		return false;
	if (packet->has_header && packet->header.dest_type == BNET_DEST_HOP &&
	    packet->header.key == bnet_message_key(BNET_MSG_HELLO)) {
		if (bnet_message_decode(BNET_MSG_HELLO, packet->payload,
			&message, &store, &left) == BNET_OK)
			on_hello(p, &message.u.hello);
		else
			refuse(p, BNET_CODE_MALFORMED);
		return true;
	}
	p->role = BNET_ROLE_CLIENT;
	p->id = free_id(p->role);
	return false;
}

/* ---- packets -------------------------------------------------------------- */

static enum bnet_err
on_packet(void *arg, const struct bnet_packet *packet)
{
	struct peer *p = arg;

	if (p->leaving || first(p, packet))
		return BNET_OK;
	if (!packet->has_header || packet->header.key == 0)
		return BNET_OK; /* not BlueNet's: nowhere to send it */
	if (packet->header.key == BNET_KEY_PONG &&
	    packet->header.dest_type == BNET_DEST_HOP)
		return BNET_OK;
	if (packet->header.timestamp != 0)
		send_pong(p, packet->header.timestamp);
	route(p, packet);
	return BNET_OK;
}

/* Corrupt: on to who takes it so, never to one for whom it is inflated. */
static enum bnet_err
on_bad(void *arg, const struct bnet_packet *packet, enum bnet_err why)
{
	struct peer *p = arg, *to = NULL;

	(void)why;
	if (p->leaving || first(p, packet) || !packet->has_header)
		return BNET_OK;
	if (packet->header.dest_type == BNET_DEST_NODE)
		to = peer_find(BNET_ROLE_NODE, (uint64_t)packet->header.dest);
	else if (packet->header.dest_type == BNET_DEST_CLIENT)
		to = peer_find(BNET_ROLE_CLIENT, (uint64_t)packet->header.dest);
	if (to != NULL && (to->codecs & packet->codec) != 0)
		pass(p, to, packet);
	else
		tell(p, packet, BNET_CODE_MALFORMED,
		    (uint64_t)packet->header.dest);
	return BNET_OK;
}

/* ---- sockets -------------------------------------------------------------- */

static void
forget(struct peer *p)
{
	if (held_for == p)
		held_for = NULL;
	(void)close(p->fd);
	bnet_link_free(p->link);
	*p = (struct peer){ .fd = -1 };
}

static void
peer_read(struct peer *p)
{
	static uint8_t bytes[READ_BYTES];
	const struct bnet_link_sink sink = { on_packet, on_bad, p };
	ssize_t n = recv(p->fd, bytes, sizeof(bytes), 0);
	enum bnet_err err;
	size_t used;

	if (n <= 0) {
		forget(p);
		return;
	}
	err = bnet_link_feed(
	    p->link, (struct bnet_slice){ bytes, (size_t)n }, &sink, &used);
	if (err != BNET_OK && !wrong[MALFORMED_STAYS])
		forget(p);
}

static void
peer_new(int fd)
{
	const struct bnet_link_settings set = {
		.out_max_bytes = OUT_BYTES,
		.frame_max_bytes =
		    wrong[OVERSIZE_WAITS] ? BNET_FRAME_MAX_BYTES_TOP : 0,
	};

	for (struct peer *p = peers; fd >= 0 && p < peers + PEERS_MAX; p++) {
		if (p->fd >= 0)
			continue;
		p->fd = fd;
		if (bnet_link_new(&set, codecs, &p->link) != BNET_OK)
			errx(1, "out of memory");
		return;
	}
	if (fd >= 0)
		(void)close(fd);
}

static int
listen_somewhere(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, len) != 0 ||
	    listen(fd, 128) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) != 0)
		err(1, "listen");
	printf("wrong-relay: ready on 127.0.0.1:%d\n", ntohs(sin.sin_port));
	(void)fflush(stdout);
	return fd;
}

static void
turn(int listener)
{
	struct pollfd ready[PEERS_MAX + 1] = { { .fd = listener,
	    .events = POLLIN } };

	for (int i = 0; i < PEERS_MAX; i++)
		ready[i + 1] =
		    (struct pollfd){ .fd = peers[i].fd, .events = POLLIN };
	if (poll(ready, PEERS_MAX + 1, -1) < 0)
		return;
	for (int i = 0; i < PEERS_MAX; i++)
		if (ready[i + 1].revents != 0 && peers[i].fd >= 0)
			peer_read(&peers[i]);
	if (ready[0].revents != 0)
		peer_new(accept(listener, NULL, NULL));
}

static void
set_wrong(const char *name)
{
	for (int i = 0; i < N_FAULTS; i++) {
		if (strcmp(name, "list") == 0)
			puts(fault_names[i]);
		if (strcmp(name, fault_names[i]) == 0) {
			wrong[i] = true;
			return;
		}
	}
	if (strcmp(name, "list") == 0)
		exit(0);
	errx(2, "no such fault: %s", name);
}

int
main(int argc, char **argv)
{
	int listener;

	for (int i = 1; i < argc; i += 2) {
		if (strcmp(argv[i], "--wrong") != 0 || i + 1 == argc)
			errx(2, "usage: wrong_relay [--wrong NAME]...");
		set_wrong(argv[i + 1]);
	}
	for (int i = 0; i < PEERS_MAX; i++)
		peers[i].fd = -1;
	codecs = bnet_codecs_new();
	if (codecs == NULL)
		errx(1, "out of memory");
	bnet_buf_init(&body, MESSAGE_BYTES);
	bnet_buf_init(&store, MESSAGE_BYTES);
	bnet_buf_init(&frame, OUT_BYTES);
	listener = listen_somewhere();
	for (;;)
		turn(listener);
}
