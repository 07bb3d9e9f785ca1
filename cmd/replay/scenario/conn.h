/* SPDX-License-Identifier: MIT */
/*
 * conn - the connections of a scenario, all in one epoll set: waiting for one
 * of them reads, answers and writes for all.
 */
#ifndef REPLAY_SCENARIO_CONN_H
#define REPLAY_SCENARIO_CONN_H

#include "cmd/replay/scenario/event.h"
#include "cmd/session/target.h"

#define PEER_READ_BYTES 65536
#define PEER_OUT_MAX_BYTES (1u << 30)

struct peer_conn {
	struct peer_conn *next;
	char *name;
	int fd; /* -1: gone */
	struct bnet_link *link;
	struct bnet_tls_ctx *tls;
	struct peer_event *first, **last;
	struct peer_event *seen; /* the last one expected: $NAME.FIELD */
	bool insecure; /* the peer is not verified */
	bool paused; /* reads nothing */
	bool no_pong;
	bool mute_writes; /* the peer takes no more */
	uint32_t role;
	uint64_t id; /* of the welcome */
	enum bnet_order order;
};

extern struct peer_conn *peer_conns;
extern struct bnet_codecs *peer_codecs;
extern int peer_epoll;
extern bool peer_muted;
extern double peer_timeout_s; /* of one expectation */

struct peer_conn *peer_conn_find(const char *name);

struct peer_conn *peer_conn(const char *name);

/* Its oldest event, of at least one; the caller frees it. */
struct peer_event *peer_conn_take(struct peer_conn *c);

/* The same, waited for; NULL at the end of the connection or of the time. */
struct peer_event *peer_conn_next(struct peer_conn *c, int64_t deadline_ns);

/* Write what the socket accepts. True: nothing is left. */
bool peer_conn_write(struct peer_conn *c);

/* Wait for anything, at most until `deadline_ns`. False: nothing came. */
bool peer_pump(int64_t deadline_ns);

int64_t peer_deadline(void);

/* ---- how they begin, and are forgotten ---- */

/* The defaults of a connection; both borrowed. */
struct peer_defaults {
	const struct session_target *target; /* its TLS; NULL: plain */
	const char *token; /* NULL: none */
	enum bnet_order order; /* AUTO: little */
};

extern struct peer_defaults peer_defaults;

/* False: a script must not ask for a file. */
extern bool peer_reads_files;

/* A whole file; the caller frees it. */
struct bnet_slice peer_file(const char *path);

/* Free it, with the events that came. */
void peer_conn_free(struct peer_conn *c);

/* connect NAME ADDR:PORT ...: waits for the end of a TLS handshake. */
void peer_connect(struct peer_args *args);

#endif
