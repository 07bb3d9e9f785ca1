/* SPDX-License-Identifier: MIT */
/*
 * session - the client's side of a link: bluenet-wire(5), SESSION MESSAGES and
 * KEEP-ALIVE, as whoever connects has to keep them.
 *
 *	session_connect() -> CONNECTING --- next address <- session_closed()
 *	session_ready()   -> GREETED ------ hello
 *	                     UP ----------- welcome; keepalives with a ping
 *
 * It says hello, takes the welcome (limits, codec, keepalives), answers pings
 * with pongs and, where asked to, echoes; it cuts a relay that is silent for
 * three periods. All else is its owner's, who has the connection, the one
 * timer of it, and every packet that session_packet() does not take.
 *
 * A plain struct in what the owner keeps of a connection. From session_ready()
 * to session_closed() it is its worker's; nothing is allocated for a packet.
 * For bluenet-ping, bluenet-node and bluenet-replay; below: cmd/engine.
 */
#ifndef SESSION_H
#define SESSION_H

#include "cmd/engine/engine.h"
#include "cmd/session/target.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stdint.h>

#define SESSION_PINGS_MAX 8 /* of our own, that a pong may still come for */

/*
 * This bit of a timestamp says that the ping is the session's own; an owner
 * that sends header pings leaves it clear.
 */
#define SESSION_OWN_PING (UINT64_C(1) << 62)

enum session_state {
	SESSION_DOWN = 0, /* or said no hello, as stock clients do */
	SESSION_CONNECTING,
	SESSION_GREETED, /* hello is sent */
	SESSION_UP, /* welcome came */
};

enum session_count {
	SESSION_PINGED, /* pings answered */
	SESSION_FORGED, /* pongs that answer no ping of ours; dropped */
	SESSION_FOREIGN, /* messages of a relay that somebody else sent */
	SESSION_MALFORMED, /* session messages */
	SESSION_N_COUNTS
};

/*
 * What an owner is told, on the worker; NULL: it does not care. None of them
 * may cut the connection, but engine_conn_finish() is fine.
 */
struct session_hooks {
	/* Limits and keepalives are in force already. */
	void (*up)(void *owner, const struct bnet_welcome *welcome);
	/* The relay closes next. */
	void (*refused)(void *owner, const struct bnet_refuse *refuse);
	/* NULL: session_packet() leaves it to the owner. */
	void (*drained)(void *owner, const struct bnet_drain *drain);
	/* Any pong. True: it answers a ping of the owner's. */
	bool (*pong)(void *owner, const struct bnet_header *header);
	/* It is given up, and cut: closed() comes with ENGINE_END_OWNER. */
	void (*lost)(void *owner, const char *why);
	/* Each time that n[what] grows. */
	void (*counted)(void *owner, enum session_count what);
};

/* Room for the message at hand; one a worker. */
struct session_scratch {
	struct bnet_buf body; /* one to be sent */
	struct bnet_buf store; /* one that came */
};

/* Zero-initialise, then set what differs; 0 is the default named. */
struct session_settings {
	const struct session_target *target; /* borrowed */
	struct session_scratch *scratch; /* of the worker; borrowed */
	const struct session_hooks *hooks;
	void *owner; /* also the `user` of the connection */
	enum bnet_order order; /* that we speak in; little */
	uint32_t codecs; /* bits: to send with, where the relay takes them */
	int64_t connect_timeout_ns; /* of an address; engine.h's default */
	int64_t welcome_timeout_ns; /* 15 s; negative: none */
	bool answers_echo; /* of both layers, at once */
};

struct session {
	struct session_settings set;
	struct engine *engine;
	unsigned worker;
	size_t n_tried; /* addresses of the target */
	enum session_state state;
	struct engine_conn *conn; /* NULL: none, or still connecting */
	uint64_t id, relay_id; /* of the welcome */
	int64_t deadline_ns; /* of the welcome; 0: none */
	int64_t keepalive_ns, keepalive_at_ns; /* 0: none */
	uint64_t pings[SESSION_PINGS_MAX]; /* timestamps; 0: answered */
	unsigned n_pings;
	uint64_t n[SESSION_N_COUNTS];
};

void session_scratch_init(struct session_scratch *scratch);
void session_scratch_free(struct session_scratch *scratch);

/* ---- its life ---- */

void session_init(struct session *s, const struct session_settings *set);

/*
 * Begin to connect, to the first address of the target, on that worker; then
 * come the hooks of the engine. Again after its end. False: out of memory, or
 * there is no address.
 */
bool session_connect(struct session *s, struct engine *engine, unsigned worker);

/* The address that was tried last. */
const struct address *session_address(const struct session *s);

/*
 * In ready(): say hello, with 0 for what is usual: this version, a client, the
 * default frame limit. NULL: none, as a stock client. False: it is lost, as
 * session_timer() says.
 */
bool session_ready(struct session *s, struct engine_conn *conn,
    const struct bnet_hello *hello);

/*
 * In closed(). True: the next address is being tried, since this one did not
 * get as far as ready(). False: the connection is over.
 */
bool session_closed(struct session *s, enum engine_end end);

/* Why, in words: the connection's own reason, or what `end` means. */
const char *session_end_text(struct engine_conn *conn, enum engine_end end);

/* "refused: CODE: REASON", cut where it is long. */
void session_refused_text(
    const struct bnet_refuse *refuse, char *text, size_t text_bytes);

/* When session_timer() is to be called; INT64_MAX: never. */
int64_t session_next_ns(const struct session *s);

/*
 * In timer(), at any time. False: it is lost, and cut; closed() has come, and
 * may have freed it.
 */
bool session_timer(struct session *s, int64_t now_ns);

/* ---- packets ---- */

/* In packet(), for each. True: it is dealt with; false: it is the owner's. */
bool session_packet(struct session *s, const struct bnet_packet *packet);

/*
 * A message that is the relay's to send. What somebody else had it forward
 * names a destination: a client must not be able to play the relay. False: it
 * is not, or is malformed; then it is counted. Borrowed until the next one.
 */
bool session_take(struct session *s, const struct bnet_packet *packet,
    enum bnet_message_type type, struct bnet_message *message);

/* A packet of the owner's; a priority one is written at once. */
BNET_MUST enum engine_sent session_send(struct session *s,
    const struct bnet_header *header, struct bnet_slice payload);

/* A message to the relay itself. False: it could not be queued. */
bool session_say(struct session *s, const struct bnet_message *message);

/* A keepalive now, which is a ping; the timestamp that its pong will have. */
uint64_t session_ping(struct session *s);

/*
 * The reply to an echo: to the source that the relay wrote, in the space that
 * the asker named in the echo's flags. Cookie, times and hops are as they
 * came; padding is not. `echo` is what bnet_message_decode() made of the
 * question, and becomes the reply; received_ns and replied_ns are our unix
 * clock. Its body is appended to `body`.
 *	BNET_OK, BNET_ELIMIT, BNET_ENOMEM
 */
BNET_MUST enum bnet_err session_echo_reply(const struct bnet_header *asked,
    struct bnet_message *echo, uint64_t received_ns, uint64_t replied_ns,
    struct bnet_header *header, struct bnet_buf *body);

#endif
