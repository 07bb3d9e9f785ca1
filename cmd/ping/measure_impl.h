/* SPDX-License-Identifier: MIT */
/* What the files of measure share; nobody else includes it. */
#ifndef PING_MEASURE_IMPL_H
#define PING_MEASURE_IMPL_H

#include "cmd/engine/engine.h"
#include "cmd/ping/measure.h"
#include "cmd/ping/measure_flight.h"
#include "proto/bluenet.h"

#define MEASURE_EVENTS_MAX 16384 /* between two calls of measure_take() */

/* Of bluenet-node: fixtures/node/mesh.h. */
#define MEASURE_KEY_PING "bluenet-node.ping"
#define MEASURE_KEY_PINGED "bluenet-node.pinged"

/* A list that the worker fills, and the caller takes. */
struct measure_events {
	struct measure_event *list; /* owned */
	size_t n;
};

struct measure {
	const struct ping_options *opt;
	const struct client_files *files;
	struct engine *engine;
	bool stuck; /* the engine did not stop: the main thread's */
	pthread_mutex_t lock; /* of all below; the worker's turns hold it */
	enum measure_state state;
	char reason[MEASURE_REASON_CHARS];
	char host[CLIENT_HOST_CHARS];
	struct address addresses[ADDRESS_RESOLVED_MAX];
	size_t n_addresses, n_tried;
	struct engine_conn *conn; /* NULL: none */
	uint64_t id, relay_id; /* that the relay gave */
	bool was_up;
	int64_t start_ns; /* of the schedule; 0: not begun */
	int64_t stop_ns; /* of new slots; INT64_MAX: never */
	int64_t wall_ahead_ns; /* of CLOCK_MONOTONIC, at the start */
	int64_t keepalive_ns, keepalive_at_ns; /* 0: none */
	int64_t welcome_by_ns;
	int64_t roster_at_ns; /* when to ask for it */
	bool roster_asked;
	size_t n_active; /* targets that take slots */
	struct targets targets;
	uint64_t n_waiting;
	int64_t asked_ns, late_ns; /* to be woken; later than that, lately */
	struct timers timers; /* of targets, and: */
	struct timer tick;
	struct flights flights;
	struct trace trace;
	struct bnet_buf body, store;
	struct measure_events events[2]; /* one is being filled */
	unsigned filling;
	uint64_t n_overflow;
	int event_fd;
};

/* ---- measure.c ---- */

/* Set the connection's timer to what comes first. */
void measure_arm(struct measure *m);

/* ---- measure_events.c ---- */

/* NULL: no room. Zeroed but for `kind`. */
struct measure_event *measure_event(struct measure *m, enum measure_kind kind);
/* The relay is of no more use; the first reason stays. */
void measure_fail(struct measure *m, const char *why);
/* The caller is to look at the state. */
void measure_wake(struct measure *m);

/* ---- measure_session.c: what the relay says ---- */

bool session_register(struct measure *m);
void session_hello(struct measure *m);
void session_tick(struct measure *m, int64_t now_ns);
void session_pong(struct measure *m, uint64_t timestamp);
/* A message to the relay itself. */
void session_say(struct measure *m, const struct bnet_message *message);

/* ---- measure_roster.c: whom we ping ---- */

/* The relay itself, from now on. */
void roster_begin_hop(struct measure *m);
void roster_ask(struct measure *m, int64_t now_ns);
void roster_take(struct measure *m, const struct bnet_roster_reply *reply);
void roster_tick(struct measure *m, int64_t now_ns);

/* ---- measure_send.c: slots and answers ---- */

/* Begin to take slots; an active one goes on as it is. */
void send_begin(struct measure *m, struct target *target);
/* Slots that are due at now_ns. */
void send_due(struct measure *m, struct target *target, int64_t now_ns);
/* Pings that nobody answered in time. */
void send_expire(struct measure *m, int64_t now_ns);
/* A ping will not be answered: `cause` is a code of bluenet.error, or 0. */
void send_lost(struct measure *m, struct flight *flight, uint32_t cause);
/* The answer to `cookie` from `source`; `echo` NULL: a pong. */
void send_answered(struct measure *m, uint64_t cookie, int64_t source,
    const struct bnet_echo *echo);
/* What a node says it took to ping the one it was asked to. */
void send_measured(
    struct measure *m, uint64_t cookie, int64_t source, uint64_t round_ns);
/* A packet on our connection. */
void send_packet(struct measure *m, const struct bnet_header *header,
    struct bnet_slice body);

#endif
