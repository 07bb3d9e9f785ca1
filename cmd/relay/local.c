/* SPDX-License-Identifier: MIT */
/*
 * The relay's own applications: trace (the one message that a relay rewrites),
 * echo, roster, discard, counter, and the session messages after the hello.
 * For hooks.c.
 */
#include "cmd/relay/local.h"

#include "cmd/common/clock.h"
#include "cmd/relay/reply.h"
#include "cmd/relay/session.h"

#include <string.h>

/*
 * A traced echo gets (id, in, out) of this relay appended; its padding keeps
 * its length.
 */
#define HOPS_MAX 64

static bool
add_hop(struct relay *relay, struct bnet_message *message, uint64_t in_ns,
    size_t padding_bytes, struct bnet_buf *body)
{
	struct bnet_echo_hop hops[HOPS_MAX];
	struct bnet_echo *echo = &message->u.echo;

	if ((echo->flags & BNET_ECHO_F_TRACE) == 0 || echo->n >= HOPS_MAX)
		return false;
	if (echo->n > 0)
		memcpy(hops, echo->hops, echo->n * sizeof(hops[0]));
	hops[echo->n++] = (struct bnet_echo_hop){ .id = relay->id,
		.in_ns = in_ns,
		.out_ns = (uint64_t)clock_unix_ns() };
	echo->hops = hops;
	bnet_buf_clear(body);
	return bnet_message_encode(message, body) == BNET_OK &&
	    bnet_buf_append_zeros(body, padding_bytes) == BNET_OK;
}

bool
local_trace(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, struct bnet_packet *out)
{
	struct relay_worker *own = worker_of(relay, engine_conn_worker(conn));
	uint64_t in_ns = (uint64_t)clock_unix_ns();
	struct bnet_message message;
	struct bnet_slice payload;
	size_t left;

	if (packet->header.key != BNET_KEY_ECHO ||
	    payload_here(relay, conn, packet, &payload) != BNET_OK ||
	    bnet_message_decode(BNET_MSG_ECHO, payload, &message, &own->store,
		&left) != BNET_OK ||
	    !add_hop(relay, &message, in_ns, left, &own->body))
		return false;
	*out = *packet;
	out->codec = BNET_CODEC_NONE;
	out->payload = bnet_buf_slice(&own->body);
	out->wire_payload = out->payload;
	return true;
}

/* ---- applications ---- */

#define COUNTER_NAME "bluenet.counter"
#define ROSTER_BATCH 128 /* entries of one reply */
#define SERVICE_WAIT_NS (-1)

/* ---- echo ---- */

/*
 * Write the header of the reply, and its body to `body`. The request's
 * `padding_bytes` are not sent back, so that the two directions can be
 * measured apart.
 */
static bool
echo_reply(struct relay *relay, struct bnet_slice question, int64_t source,
    uint64_t received_ns, struct bnet_buf *store, struct bnet_buf *body,
    struct bnet_header *header)
{
	struct bnet_message message;
	size_t left;

	if (bnet_message_decode(
		BNET_MSG_ECHO, question, &message, store, &left) != BNET_OK)
		return false;
	message.type = BNET_MSG_ECHO_REPLY;
	message.u.echo.received_ns = received_ns;
	message.u.echo.replied_ns = (uint64_t)clock_unix_ns();
	*header = (struct bnet_header){
		.source = (int64_t)relay->id,
		.dest_type = message.u.echo.flags & BNET_ECHO_F_NODE
		    ? BNET_DEST_NODE
		    : BNET_DEST_CLIENT,
		.dest = source,
		.key = bnet_message_key(BNET_MSG_ECHO_REPLY),
	};
	bnet_buf_clear(body);
	return bnet_message_encode(&message, body) == BNET_OK;
}

/* Is it for the application's layer? Does not prepare an answer. */
static bool
wants_service(struct relay_worker *own, struct bnet_slice question)
{
	struct bnet_message message;
	size_t left;

	return bnet_message_decode(BNET_MSG_ECHO, question, &message,
		   &own->store, &left) == BNET_OK &&
	    (message.u.echo.flags & BNET_ECHO_F_SERVICE) != 0;
}

static void
on_echo(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct relay *relay = arg;
	struct engine_worker *worker = engine_conn_worker(conn);
	struct relay_worker *own = worker_of(relay, worker);
	struct bnet_packet reply = { .has_header = true };
	int64_t source = (int64_t)peer_of(conn)->entry.id;
	enum engine_sent sent;

	if (wants_service(own, packet->payload)) {
		if (engine_to_inbox(conn, packet) == ENGINE_DELIVERED)
			relay_count(own, RELAY_LOCAL_ECHO);
		else
			reply_refuse(relay, conn, packet,
			    RELAY_REFUSED_OVERLOADED, BNET_CODE_OVERLOADED,
			    "the relay's application is behind");
		return;
	}
	if (!echo_reply(relay, packet->payload, source,
		(uint64_t)clock_unix_ns(), &own->store, &own->body,
		&reply.header)) {
		reply_refuse(relay, conn, packet, RELAY_REFUSED_MALFORMED,
		    BNET_CODE_MALFORMED, "the echo is malformed");
		return;
	}
	reply.payload = bnet_buf_slice(&own->body);
	sent = engine_send(
	    worker, engine_conn_sendq(conn), &reply, packet->header.priority);
	if (sent == ENGINE_QUEUED)
		relay_count(own, RELAY_LOCAL_ECHO);
	else
		reply_refuse(relay, conn, packet, RELAY_REFUSED_OVERLOADED,
		    BNET_CODE_OVERLOADED, "your own queue is full");
}

/* ---- roster ---- */

struct roster_job {
	struct relay *relay;
	struct engine_conn *conn;
	uint32_t roles;
	struct bnet_string prefix;
	struct bnet_roster_entry entries[ROSTER_BATCH];
	uint32_t n;
	bool failed;
};

static void
roster_send(struct roster_job *job, bool more)
{
	struct bnet_message message = { .type = BNET_MSG_ROSTER_REPLY };

	message.u.roster_reply.more = more;
	message.u.roster_reply.n = job->n;
	message.u.roster_reply.entries = job->entries;
	if (reply_send(job->relay, engine_conn_worker(job->conn),
		engine_conn_sendq(job->conn), &message, NULL) != ENGINE_QUEUED)
		job->failed = true;
	job->n = 0;
}

static bool
roster_entry(void *arg, const struct route_entry *entry)
{
	struct roster_job *job = arg;
	const struct peer *peer = (const struct peer *)(const void *)entry;
	size_t len = strlen(peer->name);

	if ((job->roles & entry->role) == 0 || len < job->prefix.len_bytes ||
	    (job->prefix.len_bytes > 0 &&
		memcmp(peer->name, job->prefix.p, job->prefix.len_bytes) != 0))
		return true;
	if (job->n == ROSTER_BATCH)
		roster_send(job, true);
	job->entries[job->n++] = (struct bnet_roster_entry){
		.id = entry->id,
		.role = entry->role,
		.name = { peer->name, (uint32_t)len },
		.latency_us = atomic_load_explicit(
		    &((struct peer *)(uintptr_t)peer)->latency_us,
		    memory_order_relaxed),
	};
	return !job->failed;
}

static void
on_roster(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct relay *relay = arg;
	struct relay_worker *own = worker_of(relay, engine_conn_worker(conn));
	struct roster_job job = { .relay = relay, .conn = conn };
	struct bnet_message message;
	size_t left;

	if (bnet_message_decode(BNET_MSG_ROSTER, packet->payload, &message,
		&own->store, &left) != BNET_OK) {
		reply_refuse(relay, conn, packet, RELAY_REFUSED_MALFORMED,
		    BNET_CODE_MALFORMED, "the roster request is malformed");
		return;
	}
	job.roles = message.u.roster.roles;
	job.prefix =
	    message.u.roster.prefix; /* reply_send() does not change `store` */
	own->heavy = true; /* even if the answer is short */
	routes_each(relay->routes, roster_entry, &job);
	if (!job.failed)
		roster_send(&job, false);
	if (job.failed)
		reply_refuse(relay, conn, packet, RELAY_REFUSED_OVERLOADED,
		    BNET_CODE_OVERLOADED, "your own queue is full");
	else
		relay_count(own, RELAY_LOCAL_ROSTER);
}

/* ---- load tests ---- */

static void
on_discard(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct relay *relay = arg;

	(void)packet;
	relay_count(
	    worker_of(relay, engine_conn_worker(conn)), RELAY_LOCAL_DISCARD);
}

/*
 * bluenet.counter: packets with a payload are counted, per link. One without
 * is a query: the answer is u64 packets, u64 bytes (primitives) since the last
 * query.
 */
static void
on_counter(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct relay *relay = arg;
	struct engine_worker *worker = engine_conn_worker(conn);
	struct relay_worker *own = worker_of(relay, worker);
	struct peer *peer = peer_of(conn);
	struct bnet_packet reply = { .has_header = true,
		.header = {
		    .source = (int64_t)relay->id, .key = packet->header.key } };
	struct bnet_bits_wr wr;

	relay_count(own, RELAY_LOCAL_COUNTER);
	if (packet->payload.len > 0) {
		peer->counted++;
		peer->counted_bytes += packet->payload.len;
		return;
	}
	bnet_buf_clear(&own->body);
	bnet_bits_write(&wr, &own->body);
	bnet_bits_put_u64(&wr, peer->counted);
	bnet_bits_put_u64(&wr, peer->counted_bytes);
	if (bnet_bits_finish(&wr) != BNET_OK)
		return;
	reply.payload = bnet_buf_slice(&own->body);
	if (engine_send(worker, engine_conn_sendq(conn), &reply, false) ==
	    ENGINE_QUEUED) {
		peer->counted = 0;
		peer->counted_bytes = 0;
	}
}

/* ---- the rest of the session ---- */

static void
on_keepalive(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct relay *relay = arg;

	(void)packet; /* arriving is enough: see engine_conn_last_in_ns() */
	relay_count(
	    worker_of(relay, engine_conn_worker(conn)), RELAY_LOCAL_SESSION);
}

static void
on_second_hello(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct relay *relay = arg;

	reply_refuse(relay, conn, packet, RELAY_REFUSED_NOT_ALLOWED,
	    BNET_CODE_REFUSED, "hello is the first packet or none");
}

bool
local_register(struct relay *relay)
{
	const struct {
		int32_t key;
		engine_app *app;
	} apps[] = {
		{ BNET_KEY_ECHO, on_echo },
		{ bnet_message_key(BNET_MSG_ROSTER), on_roster },
		{ bnet_message_key(BNET_MSG_REGISTER), session_register },
		{ bnet_message_key(BNET_MSG_KEEPALIVE), on_keepalive },
		{ bnet_message_key(BNET_MSG_DISCARD), on_discard },
		{ bnet_message_key(BNET_MSG_HELLO), on_second_hello },
		{ bnet_key(COUNTER_NAME), on_counter },
	};

	for (size_t i = 0; i < sizeof(apps) / sizeof(apps[0]); i++)
		if (!engine_on_key(
			relay->engine, apps[i].key, apps[i].app, relay))
			return false;
	return true;
}

void
local_packet(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet)
{
	struct bnet_packet whole = *packet;
	enum bnet_err err;

	whole.header.source = (int64_t)peer_of(conn)->entry.id;
	err = payload_here(relay, conn, packet, &whole.payload);
	if (err != BNET_OK) {
		reply_refuse(relay, conn, packet,
		    err == BNET_EPAYLOAD ? RELAY_REFUSED_TOO_LARGE
					 : RELAY_REFUSED_MALFORMED,
		    err == BNET_EPAYLOAD ? BNET_CODE_TOO_LARGE
					 : BNET_CODE_MALFORMED,
		    bnet_strerror(err));
	} else {
		if (engine_deliver(conn, &whole) == ENGINE_NO_APP)
			reply_refuse(relay, conn, packet,
			    RELAY_REFUSED_NO_DESTINATION,
			    BNET_CODE_NO_DESTINATION,
			    "no application here has that key");
	}
	payload_done(worker_of(relay, engine_conn_worker(conn)));
}

/* ---- the application's thread: service echoes ---- */

static uint64_t
unix_of(int64_t monotonic_ns)
{
	return (uint64_t)(clock_unix_ns() - (clock_now_ns() - monotonic_ns));
}

static void
service_echo(struct relay *relay, const struct engine_packet *packet,
    struct bnet_buf *store, struct bnet_buf *body)
{
	struct bnet_packet reply = { .has_header = true };

	if (!echo_reply(relay, packet->payload, packet->header.source,
		unix_of(packet->at_ns), store, body, &reply.header))
		return; /* not reached: it was decoded before */
	reply.payload = bnet_buf_slice(body);
	if (engine_post(relay->engine, packet->handle, &reply) != ENGINE_QUEUED)
		relay_count(&relay->app_worker, RELAY_ERRORS_NOT_SENT);
}

void *
local_thread(void *arg)
{
	struct relay *relay = arg;
	struct bnet_buf store, body;
	struct engine_packet *packet;

	bnet_buf_init(&store, RELAY_STORE_BYTES);
	bnet_buf_init(&body, RELAY_STORE_BYTES);
	while (!atomic_load(&relay->app_stop)) {
		packet = engine_take(relay->engine, SERVICE_WAIT_NS);
		if (packet == NULL)
			continue;
		service_echo(relay, packet, &store, &body);
		engine_packet_free(relay->engine, packet);
	}
	bnet_buf_free(&store);
	bnet_buf_free(&body);
	return NULL;
}
