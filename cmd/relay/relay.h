/* SPDX-License-Identifier: MIT */
/*
 * relay - what the parts of bluenet-relay share.
 *
 *	main -> hooks -> { session, forward, local } -> { routes, route, ... }
 *
 * hooks.c is called by the engine and knows the order: a packet of a peer
 * that is not known yet goes to session.c, then route.c decides, then
 * forward.c sends it on or local.c answers it.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "cmd/engine/engine.h"
#include "cmd/relay/counters.h"
#include "cmd/relay/credentials.h"
#include "cmd/relay/ping.h"
#include "cmd/relay/limits.h"
#include "cmd/relay/options.h"
#include "cmd/relay/route.h"
#include "cmd/relay/routes.h"
#include "proto/message.h"

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
 * A link, behind its outlet. What is not atomic is written by its worker,
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
	RELAY_MESSAGE_DRAIN, /* tell all who said hello */
	RELAY_MESSAGE_CLOSE, /* what still comes in is dropped */
	RELAY_MESSAGE_FINISH, /* end all, queues first */
	RELAY_MESSAGE_DROP, /* the same, but for the frame in writing */
};

/* ---- small things ---- */

static inline struct peer *
peer_of(struct engine_conn *conn)
{
	return (struct peer *)(void *)engine_conn_outlet(conn)->user;
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

int64_t relay_unix_ns(void);
int64_t relay_clock_ns(void);
uint64_t relay_now_us(struct engine_worker *worker);

/* ---- hooks.c ---- */
extern const struct engine_hooks relay_hooks, relay_hooks_recording;
void relay_leave(struct engine_conn *conn, enum relay_counter why);

/* ---- local.c: trace ---- */
bool trace(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, struct bnet_packet *out);

/* ---- session.c: hello and what follows ---- */
void session_first(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet);
void session_register(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet);
void session_refuse(struct relay *relay, struct engine_conn *conn,
    enum bnet_code code, const char *reason, enum relay_counter why);
void session_drain(struct relay *relay, struct engine_conn *conn);

/* ---- access.c: who gets in ---- */
enum access {
	ACCESS_GRANTED,
	ACCESS_NO_CREDENTIALS,
	ACCESS_WRONG_TOKEN,
	ACCESS_OTHER_ID, /* the credentials are for another one */
};
enum access access_check(struct relay *relay, struct engine_conn *conn,
    const struct bnet_hello *hello, struct credentials_grant *grant);
bool access_stock(struct relay *relay, struct engine_conn *conn);
bool access_may_replace(
    const struct route_entry *old, const struct route_entry *entry);

/* ---- forward.c: to other links ---- */
void forward(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, enum route_verdict verdict);
void forward_broadcast_here(
    struct relay *relay, struct engine_worker *worker, struct bnet_slice bytes);

/* ---- reply.c: a payload as a peer can take it ---- */
enum bnet_err payload_here(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, struct bnet_slice *payload);
enum bnet_err payload_for(struct relay *relay, struct engine_worker *worker,
    enum bnet_order order, const struct bnet_packet *packet,
    const struct engine_outlet *to, struct bnet_packet *out);
void payload_done(struct relay_worker *worker);

/* ---- reply.c: our own messages ---- */
enum engine_sent tell(struct relay *relay, struct engine_worker *worker,
    struct engine_outlet *to, const struct bnet_message *message,
    const struct bnet_header *header);
void tell_error(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, enum bnet_code code, int64_t dest,
    const char *reason);
void refuse(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, enum relay_counter counter,
    enum bnet_code code, const char *reason);

/* ---- local.c: applications of the relay itself ---- */
bool local_register(struct relay *relay);
void local_packet(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet);
void *local_thread(void *arg);

/* ---- ping.c: header pings, keepalive ---- */
void ping_answer(struct relay *relay, struct engine_conn *conn,
    const struct bnet_header *header);
void ping_pong(struct relay *relay, struct engine_conn *conn,
    const struct bnet_header *header);
void ping_start(struct relay *relay, struct engine_conn *conn);
void ping_timer(struct relay *relay, struct engine_conn *conn, int64_t now_ns);
uint64_t ping_timestamp(struct relay *relay, struct peer *to, uint64_t now_us);

#endif
