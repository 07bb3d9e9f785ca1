/* SPDX-License-Identifier: MIT */
/* What we say to a relay, and what it says. */
#include "cmd/ping/measure_impl.h"

#include "cmd/common/clock.h"

#include <stdio.h>
#include <string.h>

#define MS_NS 1000000
#define WELCOME_TIMEOUT_NS INT64_C(15000000000)
#define KEEPALIVE_MIN_MS 10 /* whatever the relay asks for */
#define PONG_BYTES 4 /* arbitrary ones: what stock peers send */

static struct bnet_string
string_of(const char *s)
{
	return (struct bnet_string){ s, (uint32_t)strlen(s) };
}

/* ---- to the relay ---- */

void
session_say(struct measure *m, const struct bnet_message *message)
{
	const struct bnet_header header = { .key = bnet_message_key(
						message->type) };

	bnet_buf_clear(&m->body);
	if (bnet_message_encode(message, &m->body) == BNET_OK)
		send_packet(m, &header, bnet_buf_slice(&m->body));
}

static void
set_stop(struct measure *m)
{
	if (m->opt->deadline_ns != 0)
		m->stop_ns = clock_now_ns() + m->opt->deadline_ns;
}

/*
 * A stock peer passes over the hello and answers header pings, so for these
 * there is nothing to wait for.
 */
void
session_hello(struct measure *m)
{
	struct bnet_message message = { .type = BNET_MSG_HELLO };

	message.u.hello = (struct bnet_hello){
		.version = BNET_PROTOCOL_VERSION,
		.role = m->opt->as_node ? BNET_ROLE_NODE : BNET_ROLE_CLIENT,
		.wanted_id = m->opt->as_id,
		.frame_max_bytes = BNET_FRAME_MAX_BYTES,
		.name = string_of(m->opt->name),
		.token = string_of(m->files->token),
	};
	session_say(m, &message);
	m->welcome_by_ns = clock_now_ns() + WELCOME_TIMEOUT_NS;
	if (m->opt->hop != PING_HOP_PING)
		return;
	m->state = MEASURE_UP;
	m->was_up = true;
	set_stop(m);
	roster_begin_hop(m);
}

void
session_pong(struct measure *m, uint64_t timestamp)
{
	static const uint8_t bytes[PONG_BYTES];
	const struct bnet_header header = {
		.key = BNET_KEY_PONG,
		.priority = true,
		.timestamp = timestamp,
	};

	send_packet(m, &header, (struct bnet_slice){ bytes, sizeof(bytes) });
}

/* ---- from the relay ---- */

/* A message that is the relay's to send, not one that it forwards. */
static bool
take(struct measure *m, const struct bnet_packet *packet,
    enum bnet_message_type type, struct bnet_message *message)
{
	size_t left;

	return packet->header.dest_type == BNET_DEST_HOP &&
	    bnet_message_decode(
		type, packet->payload, message, &m->store, &left) == BNET_OK;
}

static void
on_welcome(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct measure *m = arg;
	struct bnet_message message;
	const struct bnet_welcome *welcome = &message.u.welcome;
	int64_t now_ns = clock_now_ns(), keepalive_ms;

	if (m->id != 0 || !take(m, packet, BNET_MSG_WELCOME, &message))
		return;
	engine_conn_set_peer(conn, BNET_CODEC_NONE, welcome->frame_max_bytes);
	m->id = welcome->id;
	m->relay_id = welcome->relay_id;
	keepalive_ms = welcome->keepalive_ms;
	if (keepalive_ms != 0 && keepalive_ms < KEEPALIVE_MIN_MS)
		keepalive_ms = KEEPALIVE_MIN_MS;
	m->keepalive_ns = keepalive_ms * MS_NS;
	m->keepalive_at_ns = now_ns + m->keepalive_ns;
	if (m->state != MEASURE_GREETED)
		return;
	m->state = MEASURE_UP;
	m->was_up = true;
	set_stop(m);
	if (m->opt->hop != PING_HOP_NONE)
		roster_begin_hop(m);
	else
		roster_ask(m, now_ns);
}

static void
on_refuse(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct measure *m = arg;
	struct bnet_message message;
	const struct bnet_refuse *refuse = &message.u.refuse;
	char why[MEASURE_REASON_CHARS];

	(void)conn;
	if (!take(m, packet, BNET_MSG_REFUSE, &message))
		return;
	snprintf(why, sizeof(why), "refused: %s: %.*s",
	    bnet_code_name(refuse->code), (int)refuse->reason.len_bytes,
	    refuse->reason.p != NULL ? refuse->reason.p : "");
	measure_fail(m, why);
}

/* The cookie of the echo whose first 8 bytes the relay sent back. */
static bool
cookie_of(uint64_t first_bytes, uint64_t *cookie)
{
	uint8_t bytes[8];
	struct bnet_bits_rd rd;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(first_bytes >> 8 * i);
	bnet_bits_read(&rd, (struct bnet_slice){ bytes, sizeof(bytes) });
	*cookie = bnet_bits_u64(&rd);
	return !rd.bad;
}

static void
on_error(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct measure *m = arg;
	struct bnet_message message;
	const struct bnet_error *error = &message.u.error;
	struct flight *flight;
	uint64_t cookie;

	(void)conn;
	if (!take(m, packet, BNET_MSG_ERROR, &message) ||
	    error->key != BNET_KEY_ECHO || !cookie_of(error->cookie, &cookie))
		return;
	flight = flights_find(&m->flights, cookie);
	if (flight != NULL && (int64_t)flight->target->id == error->dest)
		send_lost(m, flight, error->code);
}

static void
on_roster_reply(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct measure *m = arg;
	struct bnet_message message;
	const struct bnet_roster_reply *reply = &message.u.roster_reply;

	(void)conn;
	if (!take(m, packet, BNET_MSG_ROSTER_REPLY, &message))
		return;
	roster_take(m, reply);
}

static void
on_echo_reply(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct measure *m = arg;
	struct bnet_message message;
	size_t left;

	(void)conn;
	if (bnet_message_decode(BNET_MSG_ECHO_REPLY, packet->payload, &message,
		&m->store, &left) == BNET_OK)
		send_answered(m, message.u.echo.cookie, packet->header.source,
		    &message.u.echo);
}

static void
on_pong(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct measure *m = arg;
	const struct bnet_header *header = &packet->header;

	(void)conn;
	/* their ping may travel there; ours has none, so that ends here */
	if (header->latency_ms != 0)
		session_pong(m, header->latency_ms);
	send_answered(m, header->timestamp, header->source, NULL);
}

static void
on_pinged(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct bnet_bits_rd rd;
	uint64_t cookie, round_ns;

	(void)conn;
	bnet_bits_read(&rd, packet->payload);
	cookie = bnet_bits_u64(&rd);
	round_ns = bnet_bits_u64(&rd);
	if (!rd.bad)
		send_measured(arg, cookie, packet->header.source, round_ns);
}

static uint64_t
unix_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* We are somebody's client or node, too. */
static void
on_echo(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct measure *m = arg;
	uint64_t received_ns = unix_ns();
	struct bnet_header header = {
		.dest = packet->header.source,
		.key = bnet_message_key(BNET_MSG_ECHO_REPLY),
		.priority = true,
	};
	struct bnet_message echo;
	size_t left;

	(void)conn;
	if (bnet_message_decode(BNET_MSG_ECHO, packet->payload, &echo,
		&m->store, &left) != BNET_OK)
		return;
	echo.type = BNET_MSG_ECHO_REPLY;
	header.dest_type = (echo.u.echo.flags & BNET_ECHO_F_NODE) != 0
	    ? BNET_DEST_NODE
	    : BNET_DEST_CLIENT;
	echo.u.echo.received_ns = received_ns;
	echo.u.echo.replied_ns = unix_ns();
	bnet_buf_clear(&m->body);
	if (bnet_message_encode(&echo, &m->body) == BNET_OK)
		send_packet(m, &header, bnet_buf_slice(&m->body));
}

/* ---- time ---- */

void
session_tick(struct measure *m, int64_t now_ns)
{
	const struct bnet_message keepalive = { .type = BNET_MSG_KEEPALIVE };

	if (m->state == MEASURE_GREETED && now_ns >= m->welcome_by_ns)
		measure_fail(m, "no welcome in time");
	if (m->keepalive_ns != 0 && now_ns >= m->keepalive_at_ns) {
		session_say(m, &keepalive);
		m->keepalive_at_ns = now_ns + m->keepalive_ns;
	}
	if (m->state == MEASURE_UP && m->opt->hop == PING_HOP_NONE)
		roster_tick(m, now_ns);
}

bool
session_register(struct measure *m)
{
	static const struct {
		enum bnet_message_type type;
		engine_app *app;
	} apps[] = {
		{ BNET_MSG_WELCOME, on_welcome },
		{ BNET_MSG_REFUSE, on_refuse },
		{ BNET_MSG_ERROR, on_error },
		{ BNET_MSG_ROSTER_REPLY, on_roster_reply },
		{ BNET_MSG_ECHO_REPLY, on_echo_reply },
		{ BNET_MSG_ECHO, on_echo },
	};

	for (size_t i = 0; i < sizeof(apps) / sizeof(apps[0]); i++)
		if (!engine_on_key(m->engine, bnet_message_key(apps[i].type),
			apps[i].app, m))
			return false;
	return engine_on_key(m->engine, BNET_KEY_PONG, on_pong, m) &&
	    engine_on_key(
		m->engine, bnet_key(MEASURE_KEY_PINGED), on_pinged, m);
}
