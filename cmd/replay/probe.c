/* SPDX-License-Identifier: MIT */
/*
 * One connection before the load: is anybody there, and in which environment?
 * Owns that connection until it returns. Called by run.c.
 */
#include "cmd/replay/probe.h"

#include "cmd/common/clock.h"
#include "proto/link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_MAX_BYTES ((size_t)1 << 16)
#define READ_BYTES 16384
#define NAME "bluenet-replay"

/* One connection. */
struct attempt {
	const struct probe_settings *set;
	struct probe *probe;
	struct bnet_codecs *codecs;
	struct bnet_link *link;
	struct bnet_buf store; /* of a message that came */
	int fd;
	int64_t until_ns;
	bool answered; /* probe->result is final */
};

/* ---- what comes ---- */

static void
copy_text(char to[PROBE_TEXT_CHARS], const struct bnet_string *from)
{
	size_t n = from->len_bytes < PROBE_TEXT_CHARS ? from->len_bytes
						      : PROBE_TEXT_CHARS - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = from->p[i] < ' ' || from->p[i] > '~' ? '?' : from->p[i];
	to[n] = '\0';
}

static enum bnet_err
take_packet(void *arg, const struct bnet_packet *packet)
{
	struct attempt *a = arg;
	struct bnet_message message;
	enum bnet_message_type type;
	size_t left;

	type = packet->has_header && packet->header.dest_type == BNET_DEST_HOP
	    ? bnet_message_type(packet->header.key)
	    : BNET_MSG_NONE;
	if ((type != BNET_MSG_WELCOME && type != BNET_MSG_REFUSE) ||
	    a->answered ||
	    bnet_message_decode(
		type, packet->payload, &message, &a->store, &left) != BNET_OK)
		return BNET_OK;
	a->answered = true;
	a->probe->result =
	    type == BNET_MSG_WELCOME ? PROBE_WELCOME : PROBE_REFUSED;
	if (type == BNET_MSG_REFUSE) {
		copy_text(a->probe->reason, &message.u.refuse.reason);
		return BNET_OK;
	}
	copy_text(a->probe->environment, &message.u.welcome.environment);
	copy_text(a->probe->name, &message.u.welcome.relay_name);
	return BNET_OK;
}

static enum bnet_err
pass_over(void *arg, const struct bnet_packet *packet, enum bnet_err why)
{
	(void)arg;
	(void)packet;
	(void)why;
	return BNET_OK;
}

/* ---- the socket ---- */

/* Waits until it may be read or written. False: time is up, or a signal. */
static bool
wait_for(struct attempt *a, short events)
{
	struct pollfd pfd = { .fd = a->fd, .events = events };
	int64_t left_ns = a->until_ns - clock_now_ns();

	return left_ns > 0 && poll(&pfd, 1, (int)(left_ns / 1000000) + 1) > 0;
}

static bool
connected(struct attempt *a, const struct address *address)
{
	int error = 0;
	socklen_t bytes = sizeof(error);

	a->fd = socket(address->sa.ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0) {
		error = errno;
	} else if (connect(a->fd, (const struct sockaddr *)&address->sa,
		       address->len_bytes) != 0 &&
	    errno != EINPROGRESS) {
		error = errno;
	} else if (!wait_for(a, POLLOUT)) {
		error = ETIMEDOUT;
	} else if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) !=
	    0) {
		error = errno;
	}
	if (error != 0)
		(void)snprintf(
		    a->probe->reason, PROBE_TEXT_CHARS, "%s", strerror(error));
	return error == 0;
}

/* All that the link has to say. False: it cannot. */
static bool
write_out(struct attempt *a)
{
	struct bnet_slice out;
	ssize_t n;

	while (bnet_link_output(a->link, &out) == BNET_OK) {
		if (out.len == 0)
			return true;
		n = send(a->fd, out.p, out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN && wait_for(a, POLLOUT))
			continue;
		if (n < 0)
			return false;
		bnet_link_output_done(a->link, (size_t)n);
	}
	return false;
}

/* It is over; `why` is reported where nothing better was. Returns false. */
static bool
closed(struct attempt *a, const char *why)
{
	if (a->answered)
		return false;
	a->probe->result = PROBE_CLOSED;
	(void)snprintf(a->probe->reason, PROBE_TEXT_CHARS, "%s", why);
	return false;
}

static const char *
why_lost(const struct attempt *a, enum bnet_err err)
{
	const struct bnet_tls *tls = bnet_link_tls(a->link);

	return tls != NULL && bnet_tls_reason(tls)[0] != '\0'
	    ? bnet_tls_reason(tls)
	    : bnet_strerror(err);
}

/* False: nothing more comes. */
static bool
read_in(struct attempt *a)
{
	const struct bnet_link_sink sink = {
		.packet = take_packet, .bad = pass_over, .arg = a
	};
	uint8_t bytes[READ_BYTES];
	enum bnet_err err;
	size_t used;
	ssize_t n;

	if (!wait_for(a, POLLIN))
		return false;
	n = recv(a->fd, bytes, sizeof(bytes), 0);
	if (n < 0)
		return errno == EAGAIN || closed(a, strerror(errno));
	if (n == 0)
		return closed(a, "it closed the connection");
	err = bnet_link_feed(
	    a->link, (struct bnet_slice){ bytes, (size_t)n }, &sink, &used);
	(void)write_out(a); /* TLS: the handshake, or the alert */
	return err == BNET_OK || closed(a, why_lost(a, err));
}

/* ---- the dialogue ---- */

static bool
say_hello(struct attempt *a)
{
	const struct bnet_message message = {
		.type = BNET_MSG_HELLO,
		.u.hello = {
			.version = BNET_PROTOCOL_VERSION,
			.role = a->set->role,
			.frame_max_bytes = BNET_FRAME_MAX_BYTES,
			.name = { NAME, sizeof(NAME) - 1 },
			.token = bnet_string_of(a->set->token),
		},
	};
	struct bnet_packet packet = { .has_oob = true, .has_header = true };
	struct bnet_buf body;
	bool ok;

	packet.header.key = bnet_message_key(BNET_MSG_HELLO);
	bnet_buf_init(&body, MESSAGE_MAX_BYTES);
	ok = bnet_message_encode(&message, &body) == BNET_OK;
	packet.payload = bnet_buf_slice(&body);
	ok = ok && bnet_link_send(a->link, &packet) == BNET_OK && write_out(a);
	bnet_buf_free(&body);
	return ok;
}

static bool
make_link(struct attempt *a)
{
	const struct bnet_link_settings set = { .order = BNET_ORDER_LITTLE,
		.tls = a->set->tls,
		.tls_host = a->set->tls_host };

	a->codecs = bnet_codecs_new();
	return a->codecs != NULL &&
	    bnet_link_new(&set, a->codecs, &a->link) == BNET_OK;
}

/* TLS that does not come about is no connection. */
static bool
handshake(struct attempt *a)
{
	struct bnet_tls *tls = bnet_link_tls(a->link);
	char why[PROBE_TEXT_CHARS - 8];

	(void)snprintf(a->probe->reason, PROBE_TEXT_CHARS, "no answer in time");
	while (tls != NULL && !bnet_tls_ready(tls))
		if (!write_out(a) || !read_in(a))
			break;
	if (tls == NULL || bnet_tls_ready(tls))
		return true;
	(void)snprintf(why, sizeof(why), "%.200s", a->probe->reason);
	(void)snprintf(a->probe->reason, PROBE_TEXT_CHARS, "TLS: %s", why);
	a->probe->result = PROBE_NOBODY;
	return false;
}

/* False: try the next address. */
static bool
ask(struct attempt *a, const struct address *address)
{
	a->until_ns = clock_now_ns() + a->set->connect_timeout_ns;
	if (!connected(a, address) || !make_link(a) || !handshake(a))
		return false;
	a->probe->result = PROBE_SILENT;
	a->probe->reason[0] = '\0';
	a->until_ns = clock_now_ns() + a->set->welcome_timeout_ns;
	if (!say_hello(a))
		return true;
	while (!a->answered && read_in(a))
		;
	if (bnet_link_close(a->link) == BNET_OK)
		(void)write_out(a);
	return true;
}

void
probe_run(const struct probe_settings *set, struct probe *probe)
{
	bool found = false;

	*probe = (struct probe){ .result = PROBE_NOBODY };
	for (size_t i = 0; i < set->n_addresses && !found; i++) {
		struct attempt a = { .set = set, .probe = probe, .fd = -1 };

		probe->address = set->addresses[i];
		bnet_buf_init(&a.store, MESSAGE_MAX_BYTES);
		found = ask(&a, &set->addresses[i]);
		bnet_link_free(a.link);
		bnet_codecs_free(a.codecs);
		bnet_buf_free(&a.store);
		if (a.fd >= 0)
			close(a.fd);
	}
}
