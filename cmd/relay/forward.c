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
#define BROADCASTS_MAX 16 /* of a worker, that others still work on */
#define COOKIE_BYTES 8

/* A packet that is being forwarded. */
struct passing {
	struct relay *relay;
	struct engine_worker *worker;
	struct engine_conn *conn; /* its source; NULL: on another worker */
	uint64_t from; /* its handle */
	enum route_verdict verdict;
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
static const struct outcome all_busy = { RELAY_REFUSED_OVERLOADED,
	BNET_CODE_OVERLOADED, "every node of this key is silent or full" };

/* ---- one copy ---- */

/* A client cannot have a link cut that reads: see hooks.c. */
static void
cut_overloaded(struct passing *p, const struct engine_sendq *to)
{
	struct bnet_slice bytes = { (const uint8_t *)&to->handle,
		sizeof(to->handle) };
	bool by_client =
	    p->conn != NULL && peer_of(p->conn)->entry.role == BNET_ROLE_CLIENT;

	(void)engine_worker_message(p->worker, to->worker,
	    by_client ? RELAY_MESSAGE_FLOODED : RELAY_MESSAGE_OVERLOADED,
	    bytes);
}

/* Is its source to be paused for this destination? */
static bool
should_pause(struct passing *p, const struct engine_sendq *to)
{
	struct engine *engine = p->relay->engine;
	struct route_load load;

	/* a packet to many speaks to others too */
	if (p->verdict == ROUTE_FORKS || p->verdict == ROUTE_BROADCAST)
		return false;
	load = (struct route_load){
		.queued_bytes = atomic_load_explicit(
		    &to->queued_bytes, memory_order_relaxed),
		.queue_max_bytes = engine_queue_max_bytes(engine),
		.waits_bytes = engine_waits_of(p->worker, to, p->from),
		.share_bytes = engine_share_bytes(engine),
		.now_ns = engine_worker_now_ns(p->worker),
		.elsewhere_ns = peer_of(p->conn)->elsewhere_ns,
	};

	return route_should_pause(&load);
}

/* Apply the overload policy to the destination's queue after this packet. */
static void
apply_policy(struct passing *p, struct engine_sendq *to, enum engine_sent sent)
{
	enum route_policy policy =
	    (enum route_policy)config_of(p->relay)->opt.overload;

	if (policy == ROUTE_CUT && sent == ENGINE_FULL)
		cut_overloaded(p, to);
	if (policy == ROUTE_PAUSE && should_pause(p, to))
		engine_conn_pause_for(p->conn, to);
}

static uint32_t
add_latency(uint32_t so_far_ms, uint32_t link_us)
{
	uint32_t ms = (link_us + US_MS / 2) / US_MS;

	return so_far_ms > UINT32_MAX - ms ? UINT32_MAX : so_far_ms + ms;
}

void
forward_header(struct bnet_header *header, enum route_verdict verdict,
    const struct peer *from, uint32_t latency_us)
{
	header->source = (int64_t)from->entry.id;
	if (verdict == ROUTE_NODE)
		header->priority = true;
	header->latency_ms = add_latency(header->latency_ms, latency_us);
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
	out.header.timestamp = ping_timestamp(p->relay, p->worker, peer);
	sent = engine_send_from(
	    p->worker, entry->sendq, &out, p->in->header.priority, p->from);
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

/* Does it speak to several? Then no single one of them may pause it. */
static void
note_dest(struct peer *from, uint64_t dest, int64_t now_ns)
{
	if (from->last_dest != dest && from->last_dest != 0)
		from->elsewhere_ns = now_ns;
	from->last_dest = dest;
}

void
forward_found(struct peer *from, struct route_entry *entry, int64_t now_ns)
{
	note_dest(
	    from, entry->id << 1 | (entry->role == BNET_ROLE_NODE), now_ns);
	from->found = entry;
	from->found_ns = now_ns;
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
	note_dest(from, id << 1 | (role == BNET_ROLE_NODE), turn_ns);
	from->found = routes_find(p->relay->routes, role, id);
	from->found_ns = from->found != NULL ? turn_ns : 0;
	return from->found;
}

/* ---- any node of a key ---- */

/* The next in turn; not one that is silent, or takes no more. */
static const struct outcome *
send_any(struct passing *p)
{
	const struct outcome *failed = keep_forks(p);
	struct routes_turn turn = { 0 };
	struct route_entry *entry;

	if (failed != NULL)
		return failed;
	failed = &no_destination;
	while ((entry = routes_any(
		    p->relay->routes, p->in->header.key, &turn)) != NULL) {
		struct peer *peer = (struct peer *)(void *)entry;

		if (atomic_load_explicit(&peer->silent, memory_order_relaxed)) {
			failed = &all_busy;
			continue;
		}
		failed = send_copy(p, entry);
		if (failed == &of_sent[ENGINE_FULL])
			failed = &all_busy;
		else if (failed != &of_sent[ENGINE_GONE])
			break;
	}
	return failed;
}

/* ---- many ---- */

/* Failures of many copies: reported as one error, that of the first. */
struct failures {
	const struct outcome *first;
	uint64_t first_id;
	uint64_t n, n_all;
};

/* A copy that is refused counts by its reason, as a packet does. */
static void
count_copy(struct passing *p, const struct outcome *failed)
{
	static const enum relay_counter of_copies[RELAY_N_COUNTERS] = {
		[RELAY_REFUSED_NO_DESTINATION] = RELAY_COPIES_NO_DESTINATION,
		[RELAY_REFUSED_OVERLOADED] = RELAY_COPIES_OVERLOADED,
		[RELAY_REFUSED_MEMORY] = RELAY_COPIES_MEMORY,
		[RELAY_REFUSED_TOO_LARGE] = RELAY_COPIES_TOO_LARGE,
		[RELAY_REFUSED_MALFORMED] = RELAY_COPIES_MALFORMED,
	};
	struct relay_worker *own = worker_of(p->relay, p->worker);

	relay_count(own, of_copies[failed->counter]);
}

static void
note(struct passing *p, struct failures *failures, const struct outcome *failed,
    uint64_t id)
{
	failures->n_all++;
	if (failed == NULL)
		return;
	count_copy(p, failed);
	if (failures->n++ == 0) {
		failures->first = failed;
		failures->first_id = id;
	}
}

static void
report_failures(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, const struct failures *failures)
{
	char reason[REASON_CHARS];

	if (failures->n == 0)
		return;
	(void)snprintf(reason, sizeof(reason), "%s: %llu of %llu clients",
	    failures->first->reason, (unsigned long long)failures->n,
	    (unsigned long long)failures->n_all);
	reply_error(relay, conn, packet, failures->first->code,
	    (int64_t)failures->first_id, reason);
}

/* A packet counts as forwarded if one copy was; the copies count apart. */
static void
done_many(
    struct passing *p, const struct failures *failures, enum relay_counter ok)
{
	bool none = failures->n == failures->n_all && failures->n > 0;

	relay_count(worker_of(p->relay, p->worker),
	    none ? failures->first->counter : ok);
	report_failures(p->relay, p->conn, p->in, failures);
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
		note(p, &failures,
		    entry == NULL ? &no_destination : send_copy(p, entry), id);
	}
	done_many(p, &failures, RELAY_FORWARDED_FORKS);
}

/* ---- to everybody ---- */

/*
 * A broadcast for the clients of another worker, and back: what its part came
 * to. The source's worker adds up all parts, and reports one error.
 */
struct broadcast {
	struct bnet_packet packet; /* without its borrowed parts */
	enum bnet_order order;
	uint64_t from; /* the source's handle */
	uint64_t ticket; /* of the source's worker */
	unsigned worker; /* the source's */
};

struct broadcast_part {
	uint64_t ticket;
	struct failures failures;
};

/* One that other workers work on, for its report. */
struct broadcast_open {
	uint64_t ticket; /* 0: this place is free */
	uint64_t handle; /* of the source */
	unsigned n_parts; /* still missing */
	struct failures failures;
	struct bnet_packet packet; /* header and cookie of it */
	uint8_t cookie[COOKIE_BYTES];
};

struct broadcasts {
	uint64_t last_ticket;
	struct broadcast_open open[BROADCASTS_MAX];
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
	note(fan->p, &fan->failures, send_copy(fan->p, &peer->entry),
	    peer->entry.id);
}

static void
fan_out_here(struct passing *p, struct failures *failures)
{
	struct fan_out fan = { .p = p };

	engine_each_conn(p->worker, to_client_here, &fan);
	*failures = fan.failures;
}

/* Report it, and free its place. */
static void
broadcast_end(struct relay *relay, struct engine_worker *worker,
    struct broadcast_open *open)
{
	struct engine_conn *conn = engine_conn_find(worker, open->handle);

	open->ticket = 0;
	if (conn != NULL && peer_of(conn)->state == PEER_UP)
		report_failures(relay, conn, &open->packet, &open->failures);
}

/* A free place; that of the oldest, which is reported as far as it got. */
static struct broadcast_open *
broadcast_place(struct relay *relay, struct engine_worker *worker)
{
	struct broadcast_open *open =
	    worker_of(relay, worker)->broadcasts->open;
	struct broadcast_open *oldest = &open[0];

	for (size_t i = 0; i < BROADCASTS_MAX && oldest->ticket != 0; i++)
		if (open[i].ticket < oldest->ticket)
			oldest = &open[i];
	if (oldest->ticket != 0)
		broadcast_end(relay, worker, oldest);
	return oldest;
}

static void
broadcast_remember(struct passing *p, uint64_t ticket, unsigned n_parts,
    const struct failures *failures)
{
	struct broadcast_open *open = broadcast_place(p->relay, p->worker);

	*open = (struct broadcast_open){ .ticket = ticket,
		.handle = engine_conn_sendq(p->conn)->handle,
		.n_parts = n_parts,
		.failures = *failures };
	open->packet.has_header = true;
	open->packet.header = p->in->header;
	open->packet.codec = p->in->codec;
	if (p->in->payload.len < COOKIE_BYTES)
		return;
	memcpy(open->cookie, p->in->payload.p, COOKIE_BYTES);
	open->packet.payload =
	    (struct bnet_slice){ open->cookie, COOKIE_BYTES };
}

/*
 * Hand it to the other workers: each serves its own clients. Returns how many
 * will say what their part came to; *n_lost have no part.
 */
static unsigned
fan_out_there(struct passing *p, uint64_t ticket, unsigned *n_lost)
{
	struct broadcast head = { .packet = p->out,
		.order = p->order,
		.from = p->from,
		.ticket = ticket,
		.worker = engine_worker_index(p->worker) };
	struct bnet_buf *swap = &worker_of(p->relay, p->worker)->swapped;
	unsigned n = engine_n_workers(p->relay->engine), n_sent = 0;
	struct bnet_slice bytes = { (const uint8_t *)&head, sizeof(head) };

	head.packet.header.latency_ms = p->in->header.latency_ms;
	bnet_buf_clear(swap);
	if (bnet_buf_append(swap, bytes) == BNET_OK &&
	    bnet_buf_append(swap, p->in->wire_payload) == BNET_OK)
		for (unsigned i = 0; i < n; i++)
			n_sent += i != head.worker &&
			    engine_worker_message(p->worker, i,
				RELAY_MESSAGE_BROADCAST, bnet_buf_slice(swap));
	*n_lost = n - 1 - n_sent;
	return n_sent;
}

static struct broadcasts *
broadcasts_of(struct relay_worker *own)
{
	if (own->broadcasts == NULL)
		own->broadcasts = calloc(1, sizeof(*own->broadcasts));
	return own->broadcasts;
}

/* The clients of a worker that did not get to hear of it count as one. */
static void
note_lost(struct passing *p, struct failures *failures, unsigned n_lost)
{
	for (unsigned i = 0; i < n_lost; i++)
		note(p, failures, &of_sent[ENGINE_MEMORY], 0);
}

static void
to_everybody(struct passing *p)
{
	struct relay_worker *own = worker_of(p->relay, p->worker);
	bool alone = engine_n_workers(p->relay->engine) == 1;
	unsigned n_parts = 0, n_lost = 0;
	struct failures failures;
	uint64_t ticket = 0;

	p->out.header.forks = 0; /* copies have none; the ids are not kept */
	if (!alone && peer_of(p->conn)->hello && broadcasts_of(own) != NULL)
		ticket = ++own->broadcasts->last_ticket;
	if (!alone)
		n_parts = fan_out_there(p, ticket, &n_lost);
	fan_out_here(p, &failures);
	note_lost(p, &failures, n_lost);
	/* clients of other workers may get it, so it counts as forwarded */
	relay_count(own,
	    n_parts == 0 && failures.n > 0 && failures.n == failures.n_all
		? failures.first->counter
		: RELAY_FORWARDED_BROADCAST);
	if (n_parts > 0 && ticket != 0)
		broadcast_remember(p, ticket, n_parts, &failures);
	else
		report_failures(p->relay, p->conn, p->in, &failures);
}

void
forward_broadcast_here(
    struct relay *relay, struct engine_worker *worker, struct bnet_slice bytes)
{
	struct broadcast head;
	struct broadcast_part part = { 0 };
	struct bnet_slice back = { (const uint8_t *)&part, sizeof(part) };
	struct passing p = {
		.relay = relay, .worker = worker, .verdict = ROUTE_BROADCAST
	};

	memcpy(&head, bytes.p, sizeof(head));
	head.packet.wire_payload = bnet_slice_from(bytes, sizeof(head));
	head.packet.payload = head.packet.wire_payload;
	p.order = head.order;
	p.from = head.from;
	p.in = &head.packet;
	p.out = head.packet;
	fan_out_here(&p, &part.failures);
	payload_done(worker_of(relay, worker));
	part.ticket = head.ticket;
	if (head.ticket != 0)
		(void)engine_worker_message(
		    worker, head.worker, RELAY_MESSAGE_BROADCAST_DONE, back);
}

void
forward_broadcast_done(
    struct relay *relay, struct engine_worker *worker, struct bnet_slice bytes)
{
	struct broadcasts *all = worker_of(relay, worker)->broadcasts;
	struct broadcast_part part;
	struct broadcast_open *open;

	memcpy(&part, bytes.p, sizeof(part));
	for (size_t i = 0; i < BROADCASTS_MAX; i++) {
		open = &all->open[i];
		if (open->ticket != part.ticket)
			continue;
		open->failures.n_all += part.failures.n_all;
		if (open->failures.n == 0) {
			open->failures.first = part.failures.first;
			open->failures.first_id = part.failures.first_id;
		}
		open->failures.n += part.failures.n;
		if (--open->n_parts == 0)
			broadcast_end(relay, worker, open);
	}
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
		.from = engine_conn_sendq(conn)->handle,
		.verdict = verdict,
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
		done(&p, send_any(&p), RELAY_FORWARDED_ANY);
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
