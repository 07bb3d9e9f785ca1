/* SPDX-License-Identifier: MIT */
/*
 * In this order: sending; pings and pongs; the byte order of the peer; messages
 * from the relay; echoes; timers; the life of the connection. Owns nothing but
 * the counters.
 */
#include "cmd/session/session.h"

#include "cmd/common/clock.h"
#include "proto/bluenet.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MS_NS 1000000
#define US_NS 1000
#define SCRATCH_MAX_BYTES ((size_t)1 << 20)
#define WELCOME_TIMEOUT_NS INT64_C(15000000000)
#define KEEPALIVE_MIN_MS 10 /* even if the relay asks for less */
#define SILENT_PERIODS 3
#define PONG_BYTES 4 /* arbitrary ones: what stock peers send */
#define WHY_CHARS 128
#define ORDER_TIMEOUT_NS INT64_C(1000000000)
#define ORDER_PATIENCE 3 /* the second order waits so much longer */
#define ORDER_TRIES 3 /* the first order, the other one, the first again */

void
session_scratch_init(struct session_scratch *scratch)
{
	bnet_buf_init(&scratch->body, SCRATCH_MAX_BYTES);
	bnet_buf_init(&scratch->store, SCRATCH_MAX_BYTES);
}

void
session_scratch_free(struct session_scratch *scratch)
{
	bnet_buf_free(&scratch->body);
	bnet_buf_free(&scratch->store);
}

static void
count(struct session *s, enum session_count what)
{
	s->n[what]++;
	if (s->set.hooks->counted != NULL)
		s->set.hooks->counted(s->set.owner, what);
}

static int64_t
now_ns(const struct session *s)
{
	return engine_worker_now_ns(engine_conn_worker(s->conn));
}

static void
lose(struct session *s, const char *why)
{
	struct engine_conn *conn = s->conn;

	if (s->set.hooks->lost != NULL)
		s->set.hooks->lost(s->set.owner, why);
	engine_conn_cut(conn);
}

/* ---- sending ---- */

enum engine_sent
session_send(struct session *s, const struct bnet_header *header,
    struct bnet_slice payload)
{
	const struct bnet_packet packet = {
		.has_header = true,
		.header = *header,
		.payload = payload,
	};

	return engine_send(engine_conn_worker(s->conn),
	    engine_conn_sendq(s->conn), &packet, header->priority);
}

/* `timestamp` is 0 for a packet without a ping. */
static bool
say(struct session *s, const struct bnet_message *message, uint64_t timestamp)
{
	struct bnet_buf *body = &s->set.scratch->body;
	const struct bnet_header header = {
		.key = bnet_message_key(message->type),
		.priority = timestamp != 0,
		.timestamp = timestamp,
	};

	bnet_buf_clear(body);
	return bnet_message_encode(message, body) == BNET_OK &&
	    session_send(s, &header, bnet_buf_slice(body)) == ENGINE_QUEUED;
}

bool
session_say(struct session *s, const struct bnet_message *message)
{
	return say(s, message, 0);
}

/* ---- pings and pongs ---- */

void
session_note_ping(struct session *s, uint64_t ping)
{
	s->pings[s->n_pings++ % SESSION_PINGS_MAX] =
	    ping & ~BNET_TIMESTAMP_PING_BACK;
	s->pinged_ns = now_ns(s);
}

/* Send a message with a ping; returns its timestamp. */
static uint64_t
say_ping(struct session *s, const struct bnet_message *message, bool *said)
{
	uint64_t ping = (uint64_t)now_ns(s) / US_NS | SESSION_OWN_PING;

	*said = say(s, message, ping);
	if (*said)
		session_note_ping(s, ping);
	return ping;
}

uint64_t
session_ping(struct session *s)
{
	const struct bnet_message keepalive = { .type = BNET_MSG_KEEPALIVE };
	bool said;

	/* a full queue already gives the relay something to read */
	return say_ping(s, &keepalive, &said);
}

static void
send_pong(struct session *s, uint64_t timestamp)
{
	static const uint8_t bytes[PONG_BYTES];
	const struct bnet_header header = {
		.key = BNET_KEY_PONG,
		.priority = true,
		.timestamp = timestamp & ~BNET_TIMESTAMP_PING_BACK,
	};

	/* a pong that does not fit is dropped, as above */
	(void)!session_send(
	    s, &header, (struct bnet_slice){ bytes, sizeof(bytes) });
	count(s, SESSION_PINGED);
}

/* A relay that did not answer our hello does not know our keepalives. */
static void
take_ping(struct session *s, uint64_t timestamp)
{
	send_pong(s, timestamp);
	if ((timestamp & BNET_TIMESTAMP_PING_BACK) != 0 &&
	    s->state == SESSION_UP)
		(void)session_ping(s);
}

bool
session_ping_is(uint64_t ping, uint64_t pong)
{
	pong &= ~BNET_TIMESTAMP_PING_BACK;
	return ping != 0 &&
	    (pong == ping ||
		(pong != 0 && pong <= UINT32_MAX && (uint32_t)ping == pong));
}

/* The ping that a pong answers; each ping is answered once. 0: none. */
static uint64_t
answered_ping(struct session *s, uint64_t pong)
{
	for (unsigned i = 0; i < SESSION_PINGS_MAX; i++) {
		uint64_t ping = s->pings[i];

		if (!session_ping_is(ping, pong))
			continue;
		s->pings[i] = 0;
		return ping;
	}
	return 0;
}

/*
 * A pong is consumed here whatever its destination. A ping carried by a forged
 * pong is not answered either.
 */
static void
take_pong(struct session *s, const struct bnet_header *header)
{
	const struct session_hooks *hooks = s->set.hooks;
	uint64_t answered = answered_ping(s, header->timestamp);
	/* a pong carries a ping here; our reply has none, which ends this */
	uint64_t ping = header->latency_ms;
	bool ours = answered != 0;

	s->ponged = s->ponged || ours;
	if (ours && hooks->own_pong != NULL)
		hooks->own_pong(s->set.owner, answered);
	else if (!ours && hooks->pong != NULL)
		ours = hooks->pong(s->set.owner, header);
	if (!ours)
		count(s, SESSION_FORGED);
	else if (ping != 0)
		send_pong(s, ping);
}

/* ---- the byte order of the peer ---- */

static enum bnet_order
first_order(const struct session *s)
{
	return s->set.first == BNET_ORDER_AUTO ? BNET_ORDER_LITTLE
					       : s->set.first;
}

static enum bnet_order
other_order(enum bnet_order order)
{
	return order == BNET_ORDER_NETWORK ? BNET_ORDER_LITTLE
					   : BNET_ORDER_NETWORK;
}

static struct order_found
known_order(const struct session *s)
{
	if (s->set.orders == NULL)
		return (struct order_found){ .order = BNET_ORDER_AUTO };
	return orders_find(s->set.orders, session_address(s));
}

/* A stock client that got no answer speaks on; others need not ask again. */
static void
be_open(struct session *s)
{
	if (s->is_open)
		return;
	s->is_open = true;
	if (s->asking && s->state == SESSION_DOWN && s->set.orders != NULL)
		(void)orders_keep(
		    s->set.orders, session_address(s), s->order, false);
	if (s->set.hooks->open != NULL)
		s->set.hooks->open(s->set.owner);
}

/* The order for the first connection to an address. */
static void
choose_order(struct session *s)
{
	struct order_found found = known_order(s);

	s->n_orders = 1;
	s->first_closed = false;
	s->asking = false;
	s->order = s->set.order;
	if (s->order != BNET_ORDER_AUTO)
		return;
	s->asking = found.order == BNET_ORDER_AUTO || found.doubtful;
	s->order = first_order(s);
	if (found.order != BNET_ORDER_AUTO && !found.any)
		s->order = found.order;
}

/* Is there an order that did not fail yet? */
static bool
has_another(const struct session *s)
{
	return s->asking && s->n_orders < ORDER_TRIES &&
	    !(s->n_orders == 2 && s->first_closed);
}

/*
 * When to stop waiting. The peer may be slow, so the second order waits longer.
 * 0: do not wait, or not again.
 */
static int64_t
order_deadline_ns(const struct session *s, int64_t at_ns)
{
	int64_t timeout_ns = s->set.order_timeout_ns != 0
	    ? s->set.order_timeout_ns
	    : ORDER_TIMEOUT_NS;

	if (!s->asking || s->n_orders == ORDER_TRIES)
		return 0;
	return at_ns + (s->n_orders == 1 ? 1 : ORDER_PATIENCE) * timeout_ns;
}

/* Whatever came first: only who can read us, or speaks like us, is read. */
static void
hear(struct session *s)
{
	bool news = s->order != first_order(s);

	s->heard = true;
	if (!s->asking)
		return;
	s->asking = false;
	s->order_at_ns = 0;
	if (s->set.orders != NULL &&
	    !orders_keep(s->set.orders, session_address(s), s->order, false))
		news = false;
	if (news && s->set.hooks->order != NULL)
		s->set.hooks->order(s->set.owner, s->order);
	be_open(s);
}

/* A relay that sends a welcome understands both. */
static void
note_welcome(struct session *s)
{
	if (s->set.orders != NULL)
		(void)orders_keep(
		    s->set.orders, session_address(s), s->order, true);
}

/* Ends of a peer that cannot read us, or whom we cannot read. */
static bool
is_misunderstood(enum engine_end end)
{
	return end == ENGINE_END_PEER || end == ENGINE_END_CUT ||
	    end == ENGINE_END_IO || end == ENGINE_END_MALFORMED ||
	    end == ENGINE_END_OVERSIZE;
}

/* The connection ended without an answer: is there another order to try? */
static bool
may_switch(struct session *s, enum engine_end end, bool greeted)
{
	bool closed = !s->switching && is_misunderstood(end);

	if (!s->asking || s->n_orders == ORDER_TRIES ||
	    (!s->switching && !closed))
		return false;
	/* who closes on both either wants no hello, or no question at all */
	if (!has_another(s) && greeted)
		return false;
	s->asking = has_another(s);
	if (s->n_orders == 1)
		s->first_closed = closed;
	s->n_orders++;
	s->order = other_order(s->order);
	return true;
}

/* ---- stock peers ---- */

/* It gets what a stock client sends from now on. */
static void
be_stock(struct session *s)
{
	s->is_stock = true;
	s->state = SESSION_DOWN;
	s->deadline_ns = 0;
	if (s->set.orders != NULL)
		orders_stock(s->set.orders, session_address(s), s->order);
	s->set.hooks->stock(s->set.owner);
}

const char *
session_unheard(const struct session *s)
{
	if (s->heard)
		return NULL;
	return s->n_orders > 1 ? "little or network" : orders_name(s->order);
}

/* What was tried, where no welcome came. */
static void
no_welcome(const struct session *s, char why[WHY_CHARS])
{
	if (s->ponged)
		snprintf(why, WHY_CHARS,
		    "no welcome in time, but an answer to"
		    " a header ping: this is a stock peer");
	else if (s->heard)
		snprintf(why, WHY_CHARS, "no welcome in time");
	else
		snprintf(why, WHY_CHARS,
		    "no welcome in time, nor an answer to"
		    " a header ping, in %s order",
		    session_unheard(s));
}

static void
welcome_is_late(struct session *s)
{
	char why[WHY_CHARS];

	s->deadline_ns = 0;
	if (s->ponged && s->set.hooks->stock != NULL) {
		be_stock(s);
		return;
	}
	no_welcome(s, why);
	lose(s, why);
}

/* ---- messages from the relay ---- */

bool
session_take(struct session *s, const struct bnet_packet *packet,
    enum bnet_message_type type, struct bnet_message *message)
{
	size_t left;

	if (packet->header.dest_type != BNET_DEST_HOP) {
		count(s, SESSION_FOREIGN);
		return false;
	}
	if (bnet_message_decode(type, packet->payload, message,
		&s->set.scratch->store, &left) == BNET_OK)
		return true;
	count(s, SESSION_MALFORMED);
	return false;
}

static enum bnet_codec_id
codec_for(uint32_t codecs)
{
	if ((codecs & BNET_CODEC_SNAPPY) != 0)
		return BNET_CODEC_SNAPPY;
	return (codecs & BNET_CODEC_ZLIB) != 0 ? BNET_CODEC_ZLIB
					       : BNET_CODEC_NONE;
}

static void
take_welcome(struct session *s, const struct bnet_welcome *welcome)
{
	uint32_t keepalive_ms = welcome->keepalive_ms;

	if (s->state != SESSION_GREETED)
		return;
	s->state = SESSION_UP;
	s->deadline_ns = 0;
	s->id = welcome->id;
	s->relay_id = welcome->relay_id;
	note_welcome(s);
	engine_conn_set_peer(s->conn,
	    codec_for(welcome->codecs & s->set.codecs),
	    bnet_frame_max(welcome->frame_max_bytes));
	if (keepalive_ms != 0 && keepalive_ms < KEEPALIVE_MIN_MS)
		keepalive_ms = KEEPALIVE_MIN_MS;
	s->keepalive_ns = (int64_t)keepalive_ms * MS_NS;
	s->keepalive_at_ns =
	    s->keepalive_ns != 0 ? now_ns(s) + s->keepalive_ns : 0;
	if (s->set.hooks->up != NULL)
		s->set.hooks->up(s->set.owner, welcome);
}

static void
take_message(struct session *s, const struct bnet_packet *packet,
    enum bnet_message_type type)
{
	const struct session_hooks *hooks = s->set.hooks;
	struct bnet_message message;

	if (!session_take(s, packet, type, &message))
		return;
	if (type == BNET_MSG_WELCOME)
		take_welcome(s, &message.u.welcome);
	else if (type == BNET_MSG_REFUSE && hooks->refused != NULL)
		hooks->refused(s->set.owner, &message.u.refuse);
	else if (type == BNET_MSG_DRAIN)
		hooks->drained(s->set.owner, &message.u.drain);
}

/* ---- echoes ---- */

enum bnet_err
session_echo_reply(const struct bnet_header *asked, struct bnet_message *echo,
    uint64_t received_ns, uint64_t replied_ns, struct bnet_header *header,
    struct bnet_buf *body)
{
	bool to_node = (echo->u.echo.flags & BNET_ECHO_F_NODE) != 0;

	*header = (struct bnet_header){
		.dest_type = to_node ? BNET_DEST_NODE : BNET_DEST_CLIENT,
		.dest = asked->source,
		.key = bnet_message_key(BNET_MSG_ECHO_REPLY),
	};
	echo->type = BNET_MSG_ECHO_REPLY;
	echo->u.echo.received_ns = received_ns;
	echo->u.echo.replied_ns = replied_ns;
	return bnet_message_encode(echo, body);
}

static void
take_echo(struct session *s, const struct bnet_packet *packet)
{
	struct session_scratch *scratch = s->set.scratch;
	uint64_t received_ns = (uint64_t)clock_unix_ns();
	struct bnet_message echo;
	struct bnet_header header;
	size_t left;

	bnet_buf_clear(&scratch->body);
	if (bnet_message_decode(BNET_MSG_ECHO, packet->payload, &echo,
		&scratch->store, &left) != BNET_OK) {
		count(s, SESSION_MALFORMED);
		return;
	}
	if (session_echo_reply(&packet->header, &echo, received_ns,
		(uint64_t)clock_unix_ns(), &header, &scratch->body) != BNET_OK)
		return;
	header.priority = true;
	/* a reply that does not fit is lost; the asker's timeout reports it */
	(void)!session_send(s, &header, bnet_buf_slice(&scratch->body));
}

bool
session_packet(struct session *s, const struct bnet_packet *packet)
{
	const struct bnet_header *header = &packet->header;
	enum bnet_message_type type;

	hear(s);
	if (!packet->has_header || header->key == 0)
		return false;
	if (header->key == BNET_KEY_PONG) {
		take_pong(s, header);
		return true;
	}
	if (header->timestamp != 0)
		take_ping(s, header->timestamp);
	type = bnet_message_type(header->key);
	switch (type) {
	case BNET_MSG_KEEPALIVE:
		return true; /* its ping was answered, and the silence ended */
	case BNET_MSG_ECHO:
		if (!s->set.answers_echo)
			return false;
		take_echo(s, packet);
		return true;
	case BNET_MSG_DRAIN:
		if (s->set.hooks->drained == NULL)
			return false;
		take_message(s, packet, type);
		return true;
	case BNET_MSG_WELCOME:
	case BNET_MSG_REFUSE:
		take_message(s, packet, type);
		return true;
	default:
		return false;
	}
}

/* ---- timers ---- */

int64_t
session_next_ns(const struct session *s)
{
	int64_t at_ns = INT64_MAX;

	if (s->deadline_ns != 0)
		at_ns = s->deadline_ns;
	if (s->keepalive_at_ns != 0 && s->keepalive_at_ns < at_ns)
		at_ns = s->keepalive_at_ns;
	if (s->order_at_ns != 0 && s->order_at_ns < at_ns)
		at_ns = s->order_at_ns;
	return at_ns;
}

static bool
is_silent(struct session *s, int64_t at_ns)
{
	int64_t silent_ns = at_ns - engine_conn_last_in_ns(s->conn);
	char why[WHY_CHARS];

	if (silent_ns <= SILENT_PERIODS * s->keepalive_ns)
		return false;
	snprintf(
	    why, sizeof(why), "silent for %.3f s", (double)silent_ns / 1e9);
	lose(s, why);
	return true;
}

/*
 * At most one ping in SESSION_PING_GAP_NS, except after a silent period: if the
 * last ping was answered, another one asks whether the peer is still there.
 */
static void
keep_alive(struct session *s, int64_t at_ns)
{
	const struct bnet_message keepalive = { .type = BNET_MSG_KEEPALIVE };
	int64_t heard_ns = engine_conn_last_in_ns(s->conn);
	bool silent = at_ns - heard_ns >= s->keepalive_ns;

	if (s->pinged_ns == 0 || at_ns - s->pinged_ns >= SESSION_PING_GAP_NS ||
	    (silent && heard_ns > s->pinged_ns))
		(void)session_ping(s);
	else
		(void)session_say(s, &keepalive);
	s->keepalive_at_ns = at_ns + s->keepalive_ns;
}

bool
session_timer(struct session *s, int64_t at_ns)
{
	if (s->conn == NULL)
		return true;
	if (s->deadline_ns != 0 && s->deadline_ns <= at_ns) {
		welcome_is_late(s);
		if (!s->is_stock)
			return false;
	}
	if (s->order_at_ns != 0 && s->order_at_ns <= at_ns) {
		s->order_at_ns = 0;
		s->switching = has_another(s);
		if (s->switching) {
			engine_conn_cut(s->conn);
			return false;
		}
		be_open(s);
	}
	if (s->keepalive_at_ns == 0 || s->keepalive_at_ns > at_ns)
		return true;
	if (is_silent(s, at_ns))
		return false;
	keep_alive(s, at_ns);
	return true;
}

/* ---- the life of the connection ---- */

void
session_init(struct session *s, const struct session_settings *set)
{
	*s = (struct session){ .set = *set };
}

static bool
connect_now(struct session *s)
{
	const struct session_target *target = s->set.target;
	struct engine_connect set = {
		.address = *session_address(s),
		.tls = target->tls,
		.tls_host = target->host,
		.timeout_ns = s->set.connect_timeout_ns,
		.order = s->order,
		.worker = s->worker,
		.user = s->set.owner,
	};

	if (s->set.source != NULL)
		set.source = *s->set.source;
	s->state = SESSION_CONNECTING;
	s->heard = s->ponged = s->switching = s->is_stock = false;
	if (engine_connect(s->engine, &set))
		return true;
	s->state = SESSION_DOWN;
	return false;
}

static bool
connect_next(struct session *s)
{
	if (s->n_tried == s->set.target->n_addresses)
		return false;
	s->n_tried++;
	choose_order(s);
	return connect_now(s);
}

bool
session_connect(struct session *s, struct engine *engine, unsigned worker)
{
	const struct session_settings set = s->set;

	session_init(s, &set);
	s->engine = engine;
	s->worker = worker;
	return connect_next(s);
}

const struct address *
session_address(const struct session *s)
{
	return &s->set.target->addresses[s->n_tried > 0 ? s->n_tried - 1 : 0];
}

/*
 * Does the hello carry a ping? It asks for the byte order, or tells a stock
 * peer from one that is silent, unless the address has sent a welcome before.
 */
static bool
hello_pings(const struct session *s)
{
	return s->asking ||
	    (s->deadline_ns != 0 && s->set.orders != NULL &&
		!known_order(s).any);
}

/* False: no room to send it. */
static bool
say_hello(struct session *s, const struct bnet_hello *hello)
{
	struct bnet_message message = { .type = BNET_MSG_HELLO,
		.u.hello = *hello };
	int64_t timeout_ns = s->set.welcome_timeout_ns;
	bool said;

	s->state = SESSION_GREETED;
	if (timeout_ns == 0)
		timeout_ns = WELCOME_TIMEOUT_NS;
	if (timeout_ns > 0 && s->deadline_ns == 0)
		s->deadline_ns = now_ns(s) + timeout_ns;
	if (hello->version == 0)
		message.u.hello.version = BNET_PROTOCOL_VERSION;
	if (hello->role == 0)
		message.u.hello.role = BNET_ROLE_CLIENT;
	if (hello->frame_max_bytes == 0)
		message.u.hello.frame_max_bytes = BNET_FRAME_MAX_BYTES;
	if (!hello_pings(s))
		return session_say(s, &message);
	(void)say_ping(s, &message, &said);
	return said;
}

bool
session_ready(
    struct session *s, struct engine_conn *conn, const struct bnet_hello *hello)
{
	s->conn = conn;
	s->state = SESSION_DOWN;
	if (hello != NULL && s->set.hooks->stock != NULL &&
	    known_order(s).stock) {
		be_open(s);
		be_stock(s);
		return true;
	}
	if (hello == NULL && s->asking)
		(void)session_ping(s);
	if (hello != NULL && !say_hello(s, hello)) {
		lose(s, "no room to send the hello");
		return false;
	}
	s->order_at_ns = order_deadline_ns(s, now_ns(s));
	if (s->order_at_ns == 0)
		be_open(s);
	return true;
}

/* Another address only before ready(): later the relay took a connection. */
bool
session_closed(struct session *s, enum engine_end end, bool retry)
{
	bool came_up = s->state != SESSION_CONNECTING;
	bool greeted = s->state == SESSION_GREETED;

	s->conn = NULL;
	s->state = SESSION_DOWN;
	s->order_at_ns = 0;
	if (retry && came_up && may_switch(s, end, greeted))
		return connect_now(s);
	if (greeted && !s->heard && !s->asking && s->set.orders != NULL)
		orders_doubt(s->set.orders, session_address(s));
	return retry && !came_up && end != ENGINE_END_OWNER && connect_next(s);
}

const char *
session_end_text(struct engine_conn *conn, enum engine_end end)
{
	static const char *const texts[ENGINE_N_ENDS] = {
		[ENGINE_END_PEER] = "the relay closed the connection",
		[ENGINE_END_CUT] = "the connection was cut",
		[ENGINE_END_MALFORMED] = "a malformed frame came",
		[ENGINE_END_OVERSIZE] = "a frame over the limit came",
		[ENGINE_END_TLS] = "TLS failed",
		[ENGINE_END_PROXY] = "PROXY",
		[ENGINE_END_HANDSHAKE_TIMEOUT] = "no answer in time",
		[ENGINE_END_CONNECT] = "no connection",
		[ENGINE_END_FRAME_TIMEOUT] = "a frame took too long",
		[ENGINE_END_IO] = "I/O error",
		[ENGINE_END_MEMORY] = "out of memory",
		[ENGINE_END_NOT_ADMITTED] = "not admitted",
		[ENGINE_END_OWNER] = "we closed",
	};
	const char *reason = engine_conn_reason(conn);

	return reason[0] != '\0' ? reason : texts[end];
}

int
session_lacked(const struct engine_conn *conn, enum engine_end end)
{
	static const int ours[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM,
		EADDRNOTAVAIL, EADDRINUSE, EAGAIN, EPERM };
	int error = engine_conn_errno(conn);

	if (end == ENGINE_END_MEMORY)
		return ENOMEM;
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (error == ours[i])
			return error;
	return 0;
}

void
session_refused_text(
    const struct bnet_refuse *refuse, char *text, size_t text_bytes)
{
	snprintf(text, text_bytes, "refused: %s: %.*s",
	    bnet_code_name(refuse->code), (int)refuse->reason.len_bytes,
	    refuse->reason.p != NULL ? refuse->reason.p : "");
}
