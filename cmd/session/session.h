/* SPDX-License-Identifier: MIT */
/*
 * session - the client's side of a link: SESSION MESSAGES and KEEP-ALIVE of
 * bluenet-wire(5).
 *
 *	session_connect() -> CONNECTING --- next address <- session_closed()
 *	session_ready()   -> GREETED ------ hello
 *	                     UP ----------- welcome; keepalives with a ping
 *
 * It sends the hello, applies the welcome (limits, codec, keepalives), answers
 * pings with pongs and, if configured, echoes, and cuts a relay that is silent
 * for three periods. Its owner handles the rest: it has the connection, the
 * single timer of the connection, and every packet that session_packet() does
 * not take.
 *
 * Who speaks first has to find out the byte order of the peer. The first
 * packet carries a header ping, which any peer answers that can read it. If no
 * packet comes in time, or the peer closes, the session connects again and
 * tries the other order, then the first one once more. Nothing but the hello
 * and that ping is sent before open(), so nothing is lost or sent twice. A
 * peer that answers in neither order is spoken to in the first one.
 *
 * A stock peer answers that ping, and never the hello: see the hook stock().
 *
 * A plain struct, embedded in the owner's data for a connection. From
 * session_ready() to session_closed() only the worker of the connection may
 * use it. No packet causes an allocation. For bluenet-ping, bluenet-node and
 * bluenet-replay; below: cmd/engine.
 */
#ifndef SESSION_H
#define SESSION_H

#include "cmd/engine/engine.h"
#include "cmd/session/orders.h"
#include "cmd/session/target.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stdint.h>

#define SESSION_PINGS_MAX 64 /* pings that may still get a pong */
#define SESSION_PING_GAP_NS INT64_C(30000000000) /* between two keepalives */

/*
 * This bit of a timestamp marks a ping of the session itself; an owner that
 * sends header pings leaves it clear.
 */
#define SESSION_OWN_PING (UINT64_C(1) << 62)

enum session_state {
	SESSION_DOWN = 0, /* or a stock client, without a hello */
	SESSION_CONNECTING,
	SESSION_GREETED, /* the hello was sent */
	SESSION_UP, /* the welcome came */
};

enum session_count {
	SESSION_PINGED, /* pings answered */
	SESSION_FORGED, /* pongs without a ping of ours; dropped */
	SESSION_FOREIGN, /* relay messages from another sender */
	SESSION_MALFORMED, /* session messages */
	SESSION_N_COUNTS
};

/*
 * Reports to the owner, on the worker. NULL: the owner ignores the event. A
 * hook must not cut the connection; engine_conn_finish() is allowed.
 */
struct session_hooks {
	/*
	 * The owner may send: the byte order of the peer is known, or none got
	 * an answer. Once, from session_ready() or later.
	 */
	void (*open)(void *owner);
	/*
	 * The peer speaks this order, not the one to try first. Once for each
	 * address in `orders`.
	 */
	void (*order)(void *owner, enum bnet_order order);
	/*
	 * A stock peer: it answered the ping of the hello, and sent no welcome
	 * in time; or an earlier session found that, and this one said no
	 * hello. It goes on as a stock client, after open(). NULL: it is lost.
	 */
	void (*stock)(void *owner);
	/* Limits and keepalives are already in force. */
	void (*up)(void *owner, const struct bnet_welcome *welcome);
	/* The relay refused the hello, and closes next. */
	void (*refused)(void *owner, const struct bnet_refuse *refuse);
	/* NULL: session_packet() leaves it to the owner. */
	void (*drained)(void *owner, const struct bnet_drain *drain);
	/*
	 * A pong that answers no ping of the session. True: it answers a ping
	 * that the owner keeps itself.
	 */
	bool (*pong)(void *owner, const struct bnet_header *header);
	/* A pong for this ping, of session_ping() or session_note_ping(). */
	void (*own_pong)(void *owner, uint64_t ping);
	/* The session cut it: closed() comes with ENGINE_END_OWNER. */
	void (*lost)(void *owner, const char *why);
	/* n[what] has grown. */
	void (*counted)(void *owner, enum session_count what);
};

/* Buffers for the message at hand; one per worker. */
struct session_scratch {
	struct bnet_buf body; /* of a message to send */
	struct bnet_buf store; /* of a received message */
};

/* Zero-initialise, then set the rest; 0 means the default named here. */
struct session_settings {
	const struct session_target *target; /* borrowed */
	const struct address *source; /* connect from it; NULL: any */
	struct session_scratch *scratch; /* of the worker; borrowed */
	const struct session_hooks *hooks;
	void *owner; /* also the `user` of the connection */
	enum bnet_order order; /* of what we send; AUTO: find out */
	enum bnet_order first; /* AUTO: try this one first; little */
	struct orders *orders; /* what was found; NULL: it is not kept */
	int64_t order_timeout_ns; /* no answer means another order; 1 s */
	uint32_t codecs; /* bits: codecs to send with, if the relay accepts */
	int64_t connect_timeout_ns; /* per address; engine.h's default */
	int64_t welcome_timeout_ns; /* from the first hello; 15 s; < 0: none */
	bool answers_echo; /* of both layers, immediately */
};

struct session {
	struct session_settings set;
	struct engine *engine;
	unsigned worker;
	size_t n_tried; /* addresses of the target tried so far */
	enum session_state state;
	struct engine_conn *conn; /* NULL: none, or still connecting */
	enum bnet_order order; /* that of this connection */
	unsigned n_orders; /* connections to this address to find it out */
	bool asking; /* for the order: no packet came yet */
	bool is_open; /* open() was called */
	bool heard; /* a packet came on this connection */
	bool ponged; /* a pong for a ping of ours did */
	bool is_stock; /* the peer: see the hook */
	bool switching; /* we cut it to try the other order */
	bool first_closed; /* the peer closed on the first order */
	int64_t order_at_ns; /* when to try the other order; 0: never */
	uint64_t id, relay_id; /* of the welcome */
	int64_t deadline_ns; /* of the welcome; 0: none */
	int64_t keepalive_ns, keepalive_at_ns; /* 0: none */
	int64_t pinged_ns; /* when the last ping was sent; 0: none was */
	uint64_t pings[SESSION_PINGS_MAX]; /* timestamps; 0: answered */
	unsigned n_pings;
	uint64_t n[SESSION_N_COUNTS];
};

void session_scratch_init(struct session_scratch *scratch);
void session_scratch_free(struct session_scratch *scratch);

/* ---- life cycle ---- */

void session_init(struct session *s, const struct session_settings *set);

/*
 * Begin to connect on that worker, to the first address of the target; the
 * hooks of the engine report the rest. May be called again once the connection
 * is over. False: out of memory, or the target has no address.
 */
bool session_connect(struct session *s, struct engine *engine, unsigned worker);

/* The last address that was tried. */
const struct address *session_address(const struct session *s);

/*
 * For ready(): send the hello. Members that are 0 get the usual values: this
 * version, a client, the default frame limit. A NULL hello sends none, like a
 * stock client. Each connection that the session makes is ready() again, and
 * needs the same hello. False: the connection is lost, as for session_timer().
 */
bool session_ready(struct session *s, struct engine_conn *conn,
    const struct bnet_hello *hello);

/*
 * For closed(). True: it connects again, to the next address, since this one
 * did not reach ready(), or to the same one in the other byte order. False: the
 * connection is over; always so if it may not `retry`.
 */
bool session_closed(struct session *s, enum engine_end end, bool retry);

/*
 * What this machine lacked for it, as an errno; 0: that is not why it ended. A
 * full table of ports is EADDRNOTAVAIL or EAGAIN, a local firewall EPERM.
 */
int session_lacked(const struct engine_conn *conn, enum engine_end end);

/* The reason as text: the connection's own, or the meaning of `end`. */
const char *session_end_text(struct engine_conn *conn, enum engine_end end);

/*
 * The byte orders that were tried on this connection and those before it to the
 * address, such as "little or network"; NULL: something came.
 */
const char *session_unheard(const struct session *s);

/* "refused: CODE: REASON", truncated if it is too long. */
void session_refused_text(
    const struct bnet_refuse *refuse, char *text, size_t text_bytes);

/* When to call session_timer(); INT64_MAX: never. */
int64_t session_next_ns(const struct session *s);

/*
 * For timer(), at any time. False: the connection was cut, because it is lost
 * or to try the other byte order; closed() has run, and may have freed the
 * session.
 */
bool session_timer(struct session *s, int64_t now_ns);

/* ---- packets ---- */

/* For packet(). True: the session handled it; false: the owner has to. */
bool session_packet(struct session *s, const struct bnet_packet *packet);

/*
 * Decode a message that only the relay may send. A message that the relay
 * forwarded for another peer names a destination, and is rejected: a client
 * must not be able to impersonate the relay. False: it was forwarded or is
 * malformed, and was counted. Borrowed until the next call.
 */
bool session_take(struct session *s, const struct bnet_packet *packet,
    enum bnet_message_type type, struct bnet_message *message);

/* Send a packet of the owner; a priority packet is written at once. */
BNET_MUST enum engine_sent session_send(struct session *s,
    const struct bnet_header *header, struct bnet_slice payload);

/* Send a message to the relay itself. False: it could not be queued. */
bool session_say(struct session *s, const struct bnet_message *message);

/* Send a keepalive with a ping now; returns the timestamp of its pong. */
uint64_t session_ping(struct session *s);

/*
 * The owner sent a packet with this ping, which is neither 0 nor has
 * SESSION_OWN_PING: expect its pong. Of more than SESSION_PINGS_MAX the oldest
 * are forgotten.
 */
void session_note_ping(struct session *s, uint64_t ping);

/*
 * Is this the timestamp that a pong returns for that ping? Stock peers return
 * it as it was, with bit 63 set, or only its lower 32 bits.
 */
bool session_ping_is(uint64_t ping, uint64_t pong);

/*
 * Make the reply to an echo: to the source that the relay wrote, in the space
 * that the echo's flags name. Cookie, times and hops are unchanged; padding is
 * left out. `echo` is the question as bnet_message_decode() returned it, and
 * becomes the reply; received_ns and replied_ns are our unix clock. The body
 * of the reply is appended to `body`.
 *	BNET_OK, BNET_ELIMIT, BNET_ENOMEM
 */
BNET_MUST enum bnet_err session_echo_reply(const struct bnet_header *asked,
    struct bnet_message *echo, uint64_t received_ns, uint64_t replied_ns,
    struct bnet_header *header, struct bnet_buf *body);

#endif
