/* SPDX-License-Identifier: MIT */
/*
 * Forwarding a packet (bluenet-wire.5, RELAY): to one link, to any node of a
 * key, or to many links. For hooks.c.
 */
#include "cmd/relay/forward.h"

#include "cmd/relay/ping.h"
#include "cmd/relay/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORKS_PASSED_MAX 65536 /* ids that a packet keeps when forwarded */
#define FORKS_HEAVY 64 /* copies from which a packet is heavy */
#define US_MS 1000
#define REASON_CHARS 64

/* A packet that is being forwarded. */
struct passing {
	struct relay *relay;
	struct engine_worker *worker;
	struct engine_conn *conn; /* its source; NULL: on another worker */
	enum bnet_order order; /* of that link */
	const struct bnet_packet *in;
	struct bnet_packet out; /* as sent, less what differs per link */
};

/* The outcome of one copy. */
struct outcome {
	enum relay_counter counter;
	enum bnet_code code;
	const char *reason;
};

static const struct outcome no_destination = { RELAY_REFUSED_NO_DESTINATION,
	BNET_CODE_NO_DESTINATION, "no such destination" };
static const struct outcome not_allowed = { RELAY_REFUSED_NOT_ALLOWED,
	BNET_CODE_REFUSED, "not allowed for this sender" };
static const struct outcome malformed = { RELAY_REFUSED_MALFORMED,
	BNET_CODE_MALFORMED, "the payload is malformed" };
static const struct outcome too_large = { RELAY_REFUSED_TOO_LARGE,
	BNET_CODE_TOO_LARGE, "too large for the destination" };
static const struct outcome of_sent[] = {
	[ENGINE_FULL] = { RELAY_REFUSED_OVERLOADED, BNET_CODE_OVERLOADED,
	    "the destination's queue is full" },
	[ENGINE_MEMORY] = { RELAY_REFUSED_MEMORY, BNET_CODE_OVERLOADED,
	    "the relay has no memory left" },
	[ENGINE_TOO_LARGE] = { RELAY_REFUSED_TOO_LARGE, BNET_CODE_TOO_LARGE,
	    "too large for the destination" },
	[ENGINE_GONE] = { RELAY_REFUSED_NO_DESTINATION,
	    BNET_CODE_NO_DESTINATION, "no such destination" },
};

/* ---- one copy ---- */

static void
cut_overloaded(struct passing *p, const struct engine_sendq *to)
{
	struct bnet_slice bytes = { (const uint8_t *)&to->handle,
		sizeof(to->handle) };

	(void)engine_worker_message(
	    p->worker, to->worker, RELAY_MESSAGE_OVERLOADED, bytes);
}

/* Apply the overload policy to the destination's queue after this packet. */
static void
apply_policy(struct passing *p, struct engine_sendq *to, enum engine_sent sent)
{
	enum route_policy policy =
	    (enum route_policy)config_of(p->relay)->opt.overload;

	if (policy == ROUTE_CUT && sent == ENGINE_FULL)
		cut_overloaded(p, to);
	if (p->conn != NULL && policy == ROUTE_PAUSE &&
	    route_should_pause(policy,
		atomic_load_explicit(&to->queued_bytes, memory_order_relaxed),
		to->queue_max_bytes))
		engine_conn_pause_for(p->conn, to);
}

static uint32_t
add_latency(uint32_t so_far_ms, uint32_t link_us)
{
	uint32_t ms = (link_us + US_MS / 2) / US_MS;

	return so_far_ms > UINT32_MAX - ms ? UINT32_MAX : so_far_ms + ms;
}

/* NULL: the copy is queued. */
static const struct outcome *
send_copy(struct passing *p, struct route_entry *entry)
{
	struct peer *peer = (struct peer *)(void *)entry;
	struct bnet_packet out = p->out;
	enum engine_sent sent;
	enum bnet_err err;

	err = payload_for(
	    p->relay, p->worker, p->order, p->in, entry->sendq, &out);
	if (err != BNET_OK)
		return err == BNET_EPAYLOAD ? &too_large : &malformed;
	out.header.latency_ms = add_latency(p->in->header.latency_ms,
	    atomic_load_explicit(&peer->latency_us, memory_order_relaxed));
	out.header.timestamp =
	    ping_timestamp(p->relay, peer, relay_now_us(p->worker));
	sent =
	    engine_send(p->worker, entry->sendq, &out, p->in->header.priority);
	apply_policy(p, entry->sendq, sent);
	return sent == ENGINE_QUEUED ? NULL : &of_sent[sent];
}

/* ---- one destination ---- */

static void
done(struct passing *p, const struct outcome *failed, enum relay_counter ok)
{
	if (failed == NULL)
		relay_count(worker_of(p->relay, p->worker), ok);
	else
		reply_refuse(p->relay, p->conn, p->in, failed->counter,
		    failed->code, failed->reason);
}

/*
 * Fork ids of a packet that is not multicast are forwarded with the header.
 * BNET_OK, or why that failed.
 */
static const struct outcome *
keep_forks(struct passing *p)
{
	struct relay_worker *own = worker_of(p->relay, p->worker);
	struct bnet_bits_rd rd = p->in->forks;
	uint64_t *ids;

	if (p->in->header.forks == 0)
		return NULL;
	if (p->in->header.forks > FORKS_PASSED_MAX)
		return &too_large;
	ids = realloc(own->forks, p->in->header.forks * sizeof(*ids));
	if (ids == NULL)
		return &of_sent[ENGINE_MEMORY];
	own->forks = ids;
	for (uint32_t i = 0; i < p->in->header.forks; i++)
		ids[i] = bnet_bits_u64(&rd);
	p->out.fork_ids = ids;
	return NULL;
}

static const struct outcome *
send_one(struct passing *p, struct route_entry *entry)
{
	const struct outcome *failed = keep_forks(p);

	if (failed != NULL)
		return failed;
	return entry == NULL ? &no_destination : send_copy(p, entry);
}

/*
 * A link usually sends to the same destination again. A look-up stays valid
 * for the turn, which is identified by its time.
 */
static struct route_entry *
find(struct passing *p, enum bnet_role role)
{
	struct peer *from = peer_of(p->conn);
	int64_t turn_ns = engine_worker_now_ns(p->worker);
	uint64_t id = (uint64_t)p->in->header.dest;

	if (from->found_ns == turn_ns && from->found->id == id &&
	    from->found->role == role)
		return from->found;
	from->found = routes_find(p->relay->routes, role, id);
	from->found_ns = from->found != NULL ? turn_ns : 0;
	return from->found;
}

/* ---- many ---- */

/* Failures of many copies: reported as one error, that of the first. */
struct failures {
	const struct outcome *first;
	uint64_t first_id;
	uint64_t n, n_all;
};

static void
note(struct failures *failures, const struct outcome *failed, uint64_t id)
{
	failures->n_all++;
	if (failed == NULL)
		return;
	if (failures->n++ == 0) {
		failures->first = failed;
		failures->first_id = id;
	}
}

/* A packet counts as forwarded if one copy was; the copies count apart. */
static void
done_many(
    struct passing *p, const struct failures *failures, enum relay_counter ok)
{
	struct relay_worker *own = worker_of(p->relay, p->worker);
	bool none = failures->n == failures->n_all && failures->n > 0;
	char reason[REASON_CHARS];

	relay_count(own, none ? failures->first->counter : ok);
	if (failures->n == 0)
		return;
	counter_add(&own->counters[RELAY_COPIES_REFUSED], failures->n);
	(void)snprintf(reason, sizeof(reason), "%s: %llu of %llu clients",
	    failures->first->reason, (unsigned long long)failures->n,
	    (unsigned long long)failures->n_all);
	reply_error(p->relay, p->conn, p->in, failures->first->code,
	    (int64_t)failures->first_id, reason);
}

static void
to_forks(struct passing *p)
{
	struct bnet_bits_rd rd = p->in->forks;
	struct failures failures = { 0 };
	struct route_entry *entry;
	uint64_t id;

	p->out.header.forks = 0;
	worker_of(p->relay, p->worker)->heavy |=
	    p->in->header.forks > FORKS_HEAVY;
	for (uint32_t i = 0; i < p->in->header.forks; i++) {
		id = bnet_bits_u64(&rd);
		entry = routes_find(p->relay->routes, BNET_ROLE_CLIENT, id);
		p->out.header.dest = (int64_t)id;
		note(&failures,
		    entry == NULL ? &no_destination : send_copy(p, entry), id);
	}
	done_many(p, &failures, RELAY_FORWARDED_FORKS);
}

/* ---- to everybody ---- */

/* A broadcast for the clients of another worker. */
struct broadcast {
	struct bnet_packet packet; /* without its borrowed parts */
	enum bnet_order order;
	uint64_t source_handle;
};

struct fan_out {
	struct passing *p;
	struct failures failures;
};

static void
to_client_here(void *arg, struct engine_conn *conn)
{
	struct fan_out *fan = arg;
	struct peer *peer = peer_of(conn);

	if (peer->state != PEER_UP || peer->entry.role != BNET_ROLE_CLIENT)
		return;
	note(&fan->failures, send_copy(fan->p, &peer->entry), peer->entry.id);
}

static void
fan_out_here(struct passing *p, struct failures *failures)
{
	struct fan_out fan = { .p = p };

	engine_each_conn(p->worker, to_client_here, &fan);
	*failures = fan.failures;
}

/* Hand it to the other workers: each serves its own clients. */
static void
fan_out_there(struct passing *p)
{
	struct broadcast head = { .packet = p->out,
		.order = p->order,
		.source_handle = engine_conn_sendq(p->conn)->handle };
	struct bnet_buf *swap = &worker_of(p->relay, p->worker)->swapped;
	unsigned n = engine_n_workers(p->relay->engine);
	struct bnet_slice bytes = { (const uint8_t *)&head, sizeof(head) };

	if (n == 1)
		return;
	head.packet.header.latency_ms = p->in->header.latency_ms;
	bnet_buf_clear(swap);
	if (bnet_buf_append(swap, bytes) != BNET_OK ||
	    bnet_buf_append(swap, p->in->wire_payload) != BNET_OK) {
		relay_count(
		    worker_of(p->relay, p->worker), RELAY_COPIES_REFUSED);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		if (i != engine_worker_index(p->worker) &&
		    !engine_worker_message(p->worker, i,
			RELAY_MESSAGE_BROADCAST, bnet_buf_slice(swap)))
			relay_count(worker_of(p->relay, p->worker),
			    RELAY_COPIES_REFUSED);
}

static void
to_everybody(struct passing *p)
{
	struct failures failures;

	p->out.header.forks = 0; /* copies have none; the ids are not kept */
	fan_out_there(p);
	fan_out_here(p, &failures);
	/* clients of other workers may get it, so it counts as forwarded */
	failures.n_all++;
	done_many(p, &failures, RELAY_FORWARDED_BROADCAST);
}

void
forward_broadcast_here(
    struct relay *relay, struct engine_worker *worker, struct bnet_slice bytes)
{
	struct relay_worker *own = worker_of(relay, worker);
	struct broadcast head;
	struct failures failures;
	struct passing p = { .relay = relay, .worker = worker };

	memcpy(&head, bytes.p, sizeof(head));
	head.packet.wire_payload = bnet_slice_from(bytes, sizeof(head));
	head.packet.payload = head.packet.wire_payload;
	p.order = head.order;
	p.in = &head.packet;
	p.out = head.packet;
	fan_out_here(&p, &failures);
	counter_add(&own->counters[RELAY_COPIES_REFUSED], failures.n);
	payload_done(own);
}

/* ---- all ---- */

static void
forward_refused(struct passing *p, enum route_verdict verdict)
{
	switch (verdict) {
	case ROUTE_NO_HEADER:
		reply_refuse(p->relay, p->conn, p->in, RELAY_DROPPED_NO_HEADER,
		    BNET_CODE_NO_DESTINATION, "no header");
		break;
	case ROUTE_NO_KEY:
		reply_refuse(p->relay, p->conn, p->in, RELAY_DROPPED_NO_KEY,
		    BNET_CODE_NO_DESTINATION, "no key");
		break;
	case ROUTE_UNKNOWN:
		reply_refuse(p->relay, p->conn, p->in,
		    RELAY_REFUSED_NO_DESTINATION, BNET_CODE_NO_DESTINATION,
		    "no such kind of destination");
		break;
	default:
		done(p, &not_allowed, RELAY_REFUSED_NOT_ALLOWED);
	}
}

void
forward(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, enum route_verdict verdict)
{
	struct passing p = { .relay = relay,
		.worker = engine_conn_worker(conn),
		.conn = conn,
		.order = bnet_link_order(engine_conn_link(conn)),
		.in = packet,
		.out = *packet };

	p.out.header.source = (int64_t)peer_of(conn)->entry.id;
	switch (verdict) {
	case ROUTE_NODE:
		p.out.header.priority = true;
		done(&p, send_one(&p, find(&p, BNET_ROLE_NODE)),
		    RELAY_FORWARDED_NODE);
		break;
	case ROUTE_CLIENT:
		done(&p, send_one(&p, find(&p, BNET_ROLE_CLIENT)),
		    RELAY_FORWARDED_CLIENT);
		break;
	case ROUTE_ANY:
		done(&p,
		    send_one(&p, routes_any(relay->routes, packet->header.key)),
		    RELAY_FORWARDED_ANY);
		break;
	case ROUTE_FORKS:
		to_forks(&p);
		break;
	case ROUTE_BROADCAST:
		to_everybody(&p);
		break;
	default:
		forward_refused(&p, verdict);
	}
	payload_done(worker_of(relay, p.worker));
}
