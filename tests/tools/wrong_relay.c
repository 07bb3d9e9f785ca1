/* SPDX-License-Identifier: MIT */
/*
 * wrong_relay [--wrong NAME]...: a small relay that is right, or wrong in the
 * ways that are named ("--wrong list" lists them): what the scenarios of a
 * conformance suite have to tell apart. It shares libbluenet with the relay,
 * and nothing else; it is for a suite, not for load. Plain TCP on loopback.
 * It takes the options of bluenet-relay that scenarios ask for. Says
 * "wrong-relay: ready on ADDR:PORT"; drains and ends on SIGTERM.
 */
#include "tests/tools/wrong_relay_route.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define READ_BYTES 65536

/* ---- the beginning of a peer ---------------------------------------------- */

/* A keepalive, with a ping or without. */
static void
send_keepalive(struct peer *p, bool ping)
{
	struct bnet_packet keepalive = { .has_oob = true,
		.has_header = true,
		.header = { .source = RELAY_ID,
		    .key = bnet_message_key(BNET_MSG_KEEPALIVE),
		    .priority = true } };

	if (!p->hello)
		return;
	p->keepalive_at_ns = mono_ns() + set.keepalive_ns;
	if (ping) {
		p->pinged_ns = mono_ns();
		p->asked_us = (uint64_t)p->pinged_ns / 1000;
		keepalive.header.timestamp = p->asked_us |
		    (wrong[PING_WITH_BIT_63] ? BNET_TIMESTAMP_PING_BACK : 0);
	}
	(void)peer_send(p, &keepalive);
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
	(void)peer_send(p, &pong);
	if (back)
		send_keepalive(p, true);
}

static void
on_pong(struct peer *p, const struct bnet_header *header)
{
	int64_t half_us, change_us;

	if (p->asked_us == 0 || header->timestamp != p->asked_us)
		return;
	half_us = (mono_ns() / 1000 - (int64_t)p->asked_us) / 2;
	change_us = p->latency_known ? half_us - p->latency_us : 0;
	p->latency_us = !p->latency_known || wrong[LATENCY_NOT_SMOOTHED]
	    ? half_us
	    : p->latency_us + change_us / 3;
	p->latency_known = true;
	p->asked_us = 0;
	if (header->latency_ms != 0 && !wrong[PONG_PING_IGNORED])
		send_pong(p, header->latency_ms);
	if (llabs(change_us) > 75000 && !wrong[LATENCY_NO_JUMP])
		send_keepalive(p, true);
}

/* Keepalives, pings, silence. */
static void
tick(struct peer *p)
{
	int64_t now = mono_ns(), every_ns = set.keepalive_ns * 3 / 2;

	if (!p->hello || p->id == 0)
		return;
	if (set.ping_ns < every_ns)
		every_ns = set.ping_ns;
	if (now - p->heard_ns >= 3 * set.keepalive_ns && !wrong[SILENT_STAYS]) {
		p->leaving = true;
		(void)shutdown(p->fd, SHUT_RDWR);
	} else if (now - p->pinged_ns >= every_ns) {
		send_keepalive(p, true);
	} else if (now >= p->keepalive_at_ns) {
		send_keepalive(p, false);
	}
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
	if (draining_ns != 0 && !wrong[DRAIN_WELCOME]) {
		refuse(p, BNET_CODE_SHUTTING_DOWN);
		return;
	}
	if (set.tokens && hello->role == BNET_ROLE_CLIENT &&
	    !wrong[TOKENS_IGNORED]) {
		refuse(p, BNET_CODE_NOT_AUTHORISED);
		return;
	}
	p->hello = true;
	p->frame_max_bytes = bnet_frame_max(hello->frame_max_bytes);
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
		.keepalive_ms = (uint32_t)(set.keepalive_ns / 1000000),
		.environment = { "development", 11 },
		.relay_name = { "wrong", 5 },
		.time_ns = now_ns(),
	};
	peer_say(p, &welcome, BNET_DEST_HOP, 0);
	send_keepalive(p, true);
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
	if ((set.require_hello || set.tokens) && !wrong[REQUIRE_NOTHING]) {
		leave(p);
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

	p->heard_ns = mono_ns();
	if (p->leaving || first(p, packet))
		return BNET_OK;
	if (packet->has_header && packet->header.key == 0 &&
	    packet->header.timestamp != 0 && wrong[KEY_ZERO_ANSWERED])
		send_pong(p, packet->header.timestamp);
	if (!packet->has_header || packet->header.key == 0)
		return BNET_OK; /* not BlueNet's: nowhere to send it */
	if (packet->header.key == BNET_KEY_PONG &&
	    (packet->header.dest_type == BNET_DEST_HOP ||
		!wrong[PONG_PASSED_ON])) {
		on_pong(p, &packet->header);
		return BNET_OK;
	}
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
	if (to != NULL &&
	    ((to->codecs & packet->codec) != 0 || wrong[CORRUPT_PASSED_ON]))
		(void)pass(p, to, packet);
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
	const struct bnet_link_settings link = {
		.out_max_bytes = set.queue_bytes,
		.frame_max_bytes =
		    wrong[OVERSIZE_WAITS] ? BNET_FRAME_MAX_BYTES_TOP : 0,
	};

	for (struct peer *p = peers; fd >= 0 && p < peers + PEERS_MAX; p++) {
		if (p->fd >= 0)
			continue;
		*p = (struct peer){ .fd = fd,
			.frame_max_bytes = BNET_FRAME_MAX_BYTES,
			.heard_ns = mono_ns(),
			.ping_wanted = true };
		if (bnet_link_new(&link, codecs, &p->link) != BNET_OK)
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

static bool
has_output(struct peer *p)
{
	struct bnet_slice out;

	return bnet_link_output(p->link, &out) == BNET_OK && out.len > 0;
}

static void
turn(int listener)
{
	struct pollfd ready[PEERS_MAX + 1] = { { .fd = listener,
	    .events = POLLIN } };

	for (int i = 0; i < PEERS_MAX; i++)
		ready[i + 1] = (struct pollfd){ .fd = peers[i].fd,
			.events = peers[i].fd >= 0 && has_output(&peers[i])
			    ? POLLIN | POLLOUT
			    : POLLIN };
	if (poll(ready, PEERS_MAX + 1, 20) < 0)
		return;
	for (int i = 0; i < PEERS_MAX; i++) {
		if (peers[i].fd < 0)
			continue;
		if ((ready[i + 1].revents & POLLOUT) != 0)
			peer_write(&peers[i]);
		if ((ready[i + 1].revents & ~POLLOUT) != 0)
			peer_read(&peers[i]);
		else
			tick(&peers[i]);
	}
	if (ready[0].revents != 0)
		peer_new(accept(listener, NULL, NULL));
}

/* ---- its end -------------------------------------------------------------- */

static volatile sig_atomic_t told_to_end;

static void
on_term(int sig)
{
	(void)sig;
	told_to_end = 1;
}

/* True: all peers are gone, or the time is over. */
static bool
drained(void)
{
	struct bnet_message drain = { .type = BNET_MSG_DRAIN };
	unsigned n = 0;

	if (draining_ns == 0) {
		draining_ns = mono_ns() + set.drain_ns;
		drain.u.drain.seconds = (uint32_t)(set.drain_ns / 1000000000);
		drain.u.drain.where =
		    bnet_string_of(set.drain_to != NULL ? set.drain_to : "");
		EACH_PEER(p)
		if (p->id != 0 && !wrong[DRAIN_SILENT])
			peer_say(p, &drain, BNET_DEST_HOP, 0);
	}
	EACH_PEER(p)
	n++;
	return n == 0 || mono_ns() >= draining_ns;
}

/* ---- options -------------------------------------------------------------- */

/* 500ms, 2s, 10m */
static int64_t
time_of(const char *text)
{
	char *end;
	double v = strtod(text, &end);

	return (int64_t)(v *
	    (strcmp(end, "ms") == 0         ? 1e6
		    : strcmp(end, "m") == 0 ? 6e10
					    : 1e9));
}

static bool
set_option(const char *name, const char *value)
{
	if (strcmp(name, "--keepalive") == 0)
		set.keepalive_ns = time_of(value);
	else if (strcmp(name, "--ping-interval") == 0)
		set.ping_ns = time_of(value);
	else if (strcmp(name, "--drain-timeout") == 0)
		set.drain_ns = time_of(value);
	else if (strcmp(name, "--drain-to") == 0)
		set.drain_to = value;
	else if (strcmp(name, "--queue") == 0)
		set.queue_bytes = strtoul(value, NULL, 0) << 10;
	else if (strcmp(name, "--client-tokens") == 0)
		set.tokens = true;
	else
		return false;
	return true;
}

static bool
set_flag(const char *name)
{
	if (strcmp(name, "--no-client-to-client") == 0)
		set.no_client_to_client = true;
	else if (strcmp(name, "--require-hello") == 0)
		set.require_hello = true;
	else if (strcmp(name, "--trace") == 0)
		set.trace = true;
	else
		return false;
	return true;
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

	for (int i = 1; i < argc; i++) {
		if (set_flag(argv[i]))
			continue;
		if (i + 1 < argc && strcmp(argv[i], "--wrong") == 0)
			set_wrong(argv[++i]);
		else if (i + 1 == argc || !set_option(argv[i], argv[i + 1]))
			errx(2, "usage: wrong_relay [--wrong NAME]...");
		else
			i++;
	}
	(void)signal(SIGTERM, on_term);
	for (int i = 0; i < PEERS_MAX; i++)
		peers[i].fd = -1;
	codecs = bnet_codecs_new();
	if (codecs == NULL)
		errx(1, "out of memory");
	bnet_buf_init(&body, MESSAGE_BYTES);
	bnet_buf_init(&store, MESSAGE_BYTES);
	bnet_buf_init(&frame, OUT_BYTES);
	listener = listen_somewhere();
	while (!told_to_end || !drained())
		turn(listener);
	return 0;
}
