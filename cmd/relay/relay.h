/* SPDX-License-Identifier: MIT */
/*
 * relay - what the parts of bluenet-relay share. Calls run one way:
 *
 *	main -> run
 *	engine -> hooks -> local -> session -> ping -> reply
 *	            |  '-> express -> forward -^
 *	            '-> route, routes, limits, admin -> capture
 *
 * The engine calls hooks.c, which knows the order: the packet of a peer that
 * is not known yet goes to session.c; then route.c decides, and forward.c sends
 * it on or local.c answers it. control.c sends messages to hooks.c, as an
 * operator asks. main.c owns the relay.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "cmd/engine/engine.h"
#include "cmd/engine/rcu.h"
#include "cmd/relay/counters.h"
#include "cmd/relay/credentials.h"
#include "cmd/relay/ping.h"
#include "cmd/relay/limits.h"
#include "cmd/relay/options.h"
#include "cmd/relay/rates.h"
#include "cmd/relay/route.h"
#include "cmd/relay/routes.h"

#include <pthread.h>
#include <stdatomic.h>

#define RELAY_NAME_BYTES 64 /* of a peer's name, with the NUL */
#define RELAY_STORE_BYTES ((size_t)1 << 20) /* of one session message */

struct broadcasts;
struct express;
struct record;

enum peer_state {
	PEER_NEW, /* waiting for its first packet */
	PEER_UP, /* listed */
	PEER_LEAVING, /* refused, replaced, cut: its packets are ignored */
};

/*
 * A link; its send queue refers to it. Its worker writes the members that are
 * not atomic, before other threads can find the link. Only its worker uses the
 * last part.
 */
struct peer {
	struct route_entry entry; /* role, id; first */
	bool hello; /* it sent a hello: it takes session messages */
	uint32_t codecs; /* bits of the codecs it offered */
	char name[RELAY_NAME_BYTES];
	struct credentials_grant grant;
	char address[ADDRESS_CHARS];
	int64_t since_s; /* unix */
	uint8_t tls; /* enum bnet_tls_version; 0: plain */
	_Atomic uint32_t latency_us; /* smoothed */
	atomic_bool silent; /* for so long that ANY passes it over */
	atomic_bool ping_wanted; /* a stock peer: with the next packet */
	_Atomic uint64_t ping_us; /* the timestamp sent with that packet */
	/* for its worker only */
	enum peer_state state;
	enum relay_counter leaving; /* the reason, for links_closed */
	struct latency latency;
	int64_t keepalive_at_ns; /* when the next one is due */
	int64_t drain_at_ns; /* when it is told to go; 0: not yet, or done */
	int64_t finish_at_ns; /* it was told to go; 0: it was not */
	int64_t found_ns; /* the turn in which `found` was looked up */
	struct route_entry *found; /* where its last packet went */
	uint64_t last_dest; /* of a packet to one link: its id and role */
	int64_t elsewhere_ns; /* when that changed last; 0: never */
	struct rates rates; /* of a client */
	uint64_t discarded, counted, counted_bytes; /* load tests */
};

/* The relay's data of one worker. */
struct relay_worker {
	_Atomic uint64_t counters[RELAY_N_COUNTERS];
	struct bnet_buf inflated; /* payload of the packet at hand */
	const struct bnet_packet *inflated_of;
	enum bnet_err inflated_err;
	uint64_t inflated_max_bytes; /* limit of that inflation */
	bool heavy; /* the packet at hand took much work */
	bool closing; /* drop incoming packets */
	struct bnet_buf swapped; /* a zlib payload in the other order */
	struct bnet_buf body; /* of a message to send */
	struct bnet_buf store; /* strings of a received message */
	uint64_t *forks; /* fork ids of a packet being forwarded */
	struct broadcasts *broadcasts; /* that others still work on */
	struct express *express; /* headers it knows; NULL: none yet */
};

struct relay_listener {
	struct engine_listener *listener;
	struct relay *relay;
	bool tls, open; /* open: loopback and plain */
};

/* Replaced as a whole on SIGHUP; read under RCU. */
struct relay_config {
	struct relay_options opt;
	struct credentials *tokens, *client_tokens; /* NULL: none */
	struct bnet_tls_ctx *tls; /* NULL: none; owned */
	struct route_rules rules;
	struct rates_settings rates;
	struct rcu_head rcu;
};

struct relay {
	_Atomic(struct relay_config *) config;
	struct engine *engine;
	struct routes *routes;
	struct limits *limits;
	struct record *record; /* NULL: none */
	struct relay_worker *workers; /* one per worker of the engine */
	struct relay_worker app_worker; /* counters of the other threads */
	struct relay_listener listeners[3 * OPTION_ADDRESSES_MAX];
	size_t n_listeners;
	uint64_t id;
	atomic_bool draining;
	_Atomic int64_t drain_spread_ns; /* of the drain that runs */
	atomic_uint n_reloaded; /* workers that took RELAY_MESSAGE_RELOADED */
	_Atomic uint64_t admissions[RELAY_N_COUNTERS]; /* of all workers */
	pthread_t app_thread;
	atomic_bool app_stop;
	int64_t started_s; /* unix */
	_Atomic int64_t cert_expires_s; /* unix; 0: none */
};

enum relay_message {
	RELAY_MESSAGE_BROADCAST,
	RELAY_MESSAGE_BROADCAST_DONE, /* back to the worker of its source */
	RELAY_MESSAGE_REPLACED, /* bytes: handle of the old link */
	RELAY_MESSAGE_OVERLOADED, /* bytes: handle of the full link */
	RELAY_MESSAGE_FLOODED, /* the same, and it is full of clients' */
	RELAY_MESSAGE_KICK, /* bytes: handle of the link to end */
	RELAY_MESSAGE_DRAIN_LINK, /* bytes: handle of the link to tell */
	RELAY_MESSAGE_BLOCKED, /* check who has an address that is blocked */
	RELAY_MESSAGE_RELOADED, /* a barrier: check who may stay */
	/* barriers, in this order */
	RELAY_MESSAGE_DRAIN, /* to all links with a hello */
	RELAY_MESSAGE_CLOSE, /* drop incoming packets */
	RELAY_MESSAGE_FINISH, /* end all links, after their queues */
	RELAY_MESSAGE_DROP, /* end all links, after the frame being written */
};

/* ---- small things ---- */

static inline struct peer *
peer_of(struct engine_conn *conn)
{
	return (struct peer *)(void *)engine_conn_sendq(conn)->user;
}

static inline struct relay_config *
config_of(struct relay *relay)
{
	return atomic_load_explicit(&relay->config, memory_order_acquire);
}

static inline struct relay_worker *
worker_of(struct relay *relay, struct engine_worker *worker)
{
	return &relay->workers[engine_worker_index(worker)];
}

static inline void
relay_count(struct relay_worker *worker, enum relay_counter which)
{
	counter_add(&worker->counters[which], 1);
}

/* The time of the worker's turn. */
static inline uint64_t
relay_now_us(struct engine_worker *worker)
{
	return (uint64_t)engine_worker_now_ns(worker) / 1000;
}

#endif
