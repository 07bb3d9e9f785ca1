/* SPDX-License-Identifier: MIT */
/*
 * relay - what the parts of bluenet-relay share. Calls run one way:
 *
 *	main -> run
 *	engine -> hooks -> local -> session -> ping -> reply
 *	            |  '-> forward ------------^
 *	            '-> route, routes, limits, admin -> capture
 *
 * hooks.c is called by the engine and knows the order: a packet of a peer
 * that is not known yet goes to session.c, then route.c decides, then
 * forward.c sends it on or local.c answers it. main.c owns the relay.
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
#include "cmd/relay/route.h"
#include "cmd/relay/routes.h"

#include <pthread.h>
#include <stdatomic.h>

#define RELAY_NAME_BYTES 64 /* of a peer's name, the NUL too */
#define RELAY_STORE_BYTES ((size_t)1 << 20) /* of one session message */

struct record;

enum peer_state {
	PEER_NEW, /* its first packet is awaited */
	PEER_UP, /* listed */
	PEER_LEAVING, /* refused, replaced, cut: nothing of it counts */
};

/*
 * A link, behind its send queue. What is not atomic is written by its worker,
 * before others can find it; the last part is its worker's alone.
 */
struct peer {
	struct route_entry entry; /* role, id; first */
	bool hello; /* it said hello: session messages are welcome */
	bool owned_id; /* its credentials name this very id */
	uint32_t codecs; /* bits it offered */
	char name[RELAY_NAME_BYTES];
	char identity[CREDENTIALS_IDENTITY_CHARS];
	char address[ADDRESS_CHARS];
	int64_t since_s; /* unix */
	uint8_t tls; /* enum bnet_tls_version; 0: plain */
	_Atomic uint32_t latency_us; /* smoothed */
	atomic_bool ping_wanted; /* with the next packet: a stock peer */
	_Atomic uint64_t ping_us; /* the timestamp that went with it */
	/* its worker's alone */
	enum peer_state state;
	enum relay_counter leaving; /* why, for links_closed */
	struct latency latency;
	int64_t found_ns; /* the turn in which `found` was looked up */
	struct route_entry *found; /* where its last packet went */
	uint64_t discarded, counted, counted_bytes; /* load tests */
};

/* What a worker of the relay has of its own. */
struct relay_worker {
	_Atomic uint64_t counters[RELAY_N_COUNTERS];
	struct bnet_buf inflated; /* payload of the packet at hand */
	const struct bnet_packet *inflated_of;
	enum bnet_err inflated_err;
	uint64_t inflated_max_bytes; /* more was not asked for */
	bool heavy; /* the packet at hand was a lot of work */
	bool closing; /* what still comes in is dropped */
	struct bnet_buf swapped; /* a zlib payload in the other order */
	struct bnet_buf body; /* of a message that we send */
	struct bnet_buf store; /* strings of a message that we read */
	uint64_t *forks; /* ids of a packet that is passed on with them */
};

struct relay_listener {
	struct engine_listener *listener;
	struct relay *relay;
	bool tls, open; /* open: loopback and plain, or --insecure */
};

/* Replaced as a whole on SIGHUP; read under RCU. */
struct relay_config {
	struct relay_options opt;
	struct credentials *tokens, *client_tokens; /* NULL: none */
	struct route_rules rules;
	struct rcu_head rcu;
};

struct relay {
	_Atomic(struct relay_config *) config;
	struct engine *engine;
	struct routes *routes;
	struct limits *limits;
	struct record *record; /* NULL: none */
	struct relay_worker *workers; /* one a worker of the engine */
	struct relay_worker app_worker; /* counters of the other threads */
	struct relay_listener listeners[3 * OPTION_ADDRESSES_MAX];
	size_t n_listeners;
	uint64_t id;
	atomic_bool draining;
	_Atomic uint64_t admissions[RELAY_N_COUNTERS]; /* of all workers */
	pthread_t app_thread;
	atomic_bool app_stop;
	int64_t started_s; /* unix */
	_Atomic int64_t cert_expires_s; /* unix; 0: none */
};

enum relay_message {
	RELAY_MESSAGE_BROADCAST,
	RELAY_MESSAGE_REPLACED, /* bytes: the handle of the old link */
	RELAY_MESSAGE_OVERLOADED, /* bytes: the handle of the full one */
	/* barriers, in this order */
	RELAY_MESSAGE_DRAIN, /* to all who said hello */
	RELAY_MESSAGE_CLOSE, /* what still comes in is dropped */
	RELAY_MESSAGE_FINISH, /* end all, queues first */
	RELAY_MESSAGE_DROP, /* the same, but for the frame in writing */
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

/* The time of its turn. */
static inline uint64_t
relay_now_us(struct engine_worker *worker)
{
	return (uint64_t)engine_worker_now_ns(worker) / 1000;
}

#endif
