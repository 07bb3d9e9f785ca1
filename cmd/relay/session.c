/* SPDX-License-Identifier: MIT */
/*
 * The beginning of a link: hello and welcome, or a stock client; and admission.
 * A loopback listener without TLS is open. Elsewhere a node needs a certificate
 * under our CA or a token, and a client needs a token if client tokens are
 * configured.
 */
#include "cmd/relay/session.h"

#include "cmd/common/clock.h"
#include "cmd/common/log.h"
#include "cmd/relay/ping.h"
#include "cmd/relay/reply.h"

#include <stdio.h>
#include <string.h>

#define MS_NS 1000000
#define STOCK_PATIENCE_PERIODS 3 /* of a keepalive, which it does not send */

/* ---- admission ---- */

enum access {
	ACCESS_GRANTED,
	ACCESS_NO_CREDENTIALS,
	ACCESS_WRONG_TOKEN,
	ACCESS_OTHER_ID, /* the credentials are for another id */
	ACCESS_BACK_OFF, /* too many wrong tokens from that address */
};

/*
 * Open: the listener is open, and the socket's peer address is on this machine.
 * The address in a PROXY header makes no peer local.
 */
static bool
is_open(struct relay *relay, struct engine_conn *conn)
{
	const struct relay_listener *listener = engine_conn_listener_user(conn);
	const struct address *peer = engine_conn_peer(conn);

	if (config_of(relay)->opt.insecure_nodes)
		return true;
	return listener->open && !engine_conn_proxied(conn) && peer != NULL &&
	    address_is_loopback(peer);
}

static bool
by_certificate(struct relay *relay, struct engine_conn *conn,
    const struct bnet_hello *hello, struct credentials_grant *grant)
{
	const struct relay_config *config = config_of(relay);
	struct bnet_tls *tls = bnet_link_tls(engine_conn_link(conn));

	/* the handshake may be older than the last reload */
	return config->opt.ca != NULL && tls != NULL &&
	    bnet_tls_ctx_refuses(config->tls, tls) == NULL &&
	    credentials_cert(bnet_tls_peer_cert(tls), hello->wanted_id, grant);
}

static void
wrong_token(struct relay *relay, struct engine_conn *conn, int64_t now_ns)
{
	const struct address *addr = engine_conn_peer(conn);
	int64_t wait_ns;

	if (addr == NULL)
		return;
	wait_ns = limits_failed(relay->limits, addr, now_ns);
	if (wait_ns > 0)
		log_warn("wrong tokens, so the address has to wait",
		    LOG_STR("peer", peer_of(conn)->address),
		    LOG_TIME("wait", wait_ns));
}

static enum access
by_token(struct relay *relay, struct engine_conn *conn,
    const struct credentials *tokens, const struct bnet_hello *hello,
    struct credentials_grant *grant)
{
	const struct address *addr = engine_conn_peer(conn);
	int64_t now_ns = engine_worker_now_ns(engine_conn_worker(conn));

	if (hello->token.len_bytes == 0)
		return ACCESS_NO_CREDENTIALS;
	if (addr != NULL && limits_wait_ns(relay->limits, addr, now_ns) > 0)
		return ACCESS_BACK_OFF;
	if (!credentials_check(
		tokens, hello->token.p, hello->token.len_bytes, grant)) {
		wrong_token(relay, conn, now_ns);
		return ACCESS_WRONG_TOKEN;
	}
	if (hello->wanted_id != 0 &&
	    !credentials_allow(grant, hello->wanted_id))
		return ACCESS_OTHER_ID;
	return ACCESS_GRANTED;
}

static enum access
no_credentials(bool enough, struct credentials_grant *grant)
{
	*grant = (struct credentials_grant){ .identity = "open" };
	return enough ? ACCESS_GRANTED : ACCESS_NO_CREDENTIALS;
}

/*
 * The access that a hello is granted. A token has to be right even if none is
 * needed: the peer relies on it.
 */
static enum access
access_check(struct relay *relay, struct engine_conn *conn,
    const struct bnet_hello *hello, struct credentials_grant *grant)
{
	struct relay_config *config = config_of(relay);
	bool node = hello->role == BNET_ROLE_NODE;
	const struct credentials *tokens =
	    node ? config->tokens : config->client_tokens;
	enum access access = ACCESS_NO_CREDENTIALS;

	if (node && by_certificate(relay, conn, hello, grant))
		return ACCESS_GRANTED;
	if (tokens != NULL)
		access = by_token(relay, conn, tokens, hello, grant);
	if (access != ACCESS_NO_CREDENTIALS)
		return access;
	if (node)
		return no_credentials(is_open(relay, conn), grant);
	return no_credentials(config->client_tokens == NULL, grant);
}

/* A client without a hello has no credentials. */
static bool
access_stock(struct relay *relay, struct engine_conn *conn)
{
	struct relay_config *config = config_of(relay);

	(void)conn;
	return !config->opt.require_hello && config->client_tokens == NULL;
}

/*
 * A newer link with the same credentials takes over the id. All open peers are
 * equal, and give way to any peer with credentials. A client may take over an
 * id only if its credentials name that id.
 */
static bool
access_may_replace(
    const struct route_entry *old, const struct route_entry *entry)
{
	const struct peer *was = (const struct peer *)(const void *)old;
	const struct peer *is = (const struct peer *)(const void *)entry;

	if (entry->role == BNET_ROLE_CLIENT && !entry->owns_id)
		return false;
	return strcmp(was->grant.identity, is->grant.identity) == 0 ||
	    strcmp(was->grant.identity, "open") == 0;
}

/* A peer's strings are bytes; the copy ends at a NUL or at our limit. */
static void
keep_name(char name[RELAY_NAME_BYTES], const struct bnet_string *from)
{
	size_t n = from->len_bytes < RELAY_NAME_BYTES ? from->len_bytes
						      : RELAY_NAME_BYTES - 1;

	if (n > 0)
		memcpy(name, from->p, n);
	name[n] = '\0';
}

/* ---- refusing ---- */

void
session_refuse(struct relay *relay, struct engine_conn *conn,
    enum bnet_code code, const char *reason, enum relay_counter why)
{
	struct bnet_message message = { .type = BNET_MSG_REFUSE };

	message.u.refuse.code = code;
	message.u.refuse.reason = bnet_string_of(reason);
	engine_conn_line_up(conn); /* the last word */
	(void)reply_send(relay, engine_conn_worker(conn),
	    engine_conn_sendq(conn), &message, NULL);
	log_info("link refused", LOG_STR("peer", peer_of(conn)->address),
	    LOG_STR("name", peer_of(conn)->name), LOG_U64("code", code),
	    LOG_STR("reason", reason));
	relay_leave(conn, why);
	engine_conn_finish(conn);
}

struct refusal {
	enum bnet_code code;
	const char *reason;
	enum relay_counter why;
};

static const struct refusal of_access[] = {
	[ACCESS_NO_CREDENTIALS] = { BNET_CODE_NOT_AUTHORISED,
	    "credentials are needed here", RELAY_CLOSED_NOT_AUTHORISED },
	[ACCESS_WRONG_TOKEN] = { BNET_CODE_NOT_AUTHORISED,
	    "the token is not valid", RELAY_CLOSED_NOT_AUTHORISED },
	[ACCESS_OTHER_ID] = { BNET_CODE_NOT_AUTHORISED,
	    "the credentials are for another id", RELAY_CLOSED_NOT_AUTHORISED },
	[ACCESS_BACK_OFF] = { BNET_CODE_OVERLOADED,
	    "too many wrong tokens from this address: wait a minute",
	    RELAY_CLOSED_BACK_OFF },
};

/* The wanted id, or the one that the credentials name, is the relay's own. */
static const struct refusal own_id = { BNET_CODE_REFUSED,
	"that id is the relay's own", RELAY_CLOSED_NOT_AUTHORISED };

/* What is wrong with the hello itself; NULL: nothing. */
static const struct refusal *
judge_hello(struct relay *relay, const struct bnet_hello *hello)
{
	static const struct refusal version = { BNET_CODE_VERSION,
		"this relay speaks version 1", RELAY_CLOSED_BAD_VERSION };
	static const struct refusal role = { BNET_CODE_MALFORMED,
		"role must be 1 (client) or 2 (node)", RELAY_CLOSED_MALFORMED };
	static const struct refusal id = { BNET_CODE_MALFORMED,
		"the id is out of range", RELAY_CLOSED_MALFORMED };
	static const struct refusal frame = { BNET_CODE_MALFORMED,
		"max frame is too small", RELAY_CLOSED_MALFORMED };

	if (hello->version != BNET_PROTOCOL_VERSION)
		return &version;
	if (hello->role != BNET_ROLE_CLIENT && hello->role != BNET_ROLE_NODE)
		return &role;
	if (hello->wanted_id > INT64_MAX)
		return &id;
	if (hello->role == BNET_ROLE_NODE && hello->wanted_id == relay->id)
		return &own_id;
	if (hello->frame_max_bytes != 0 && hello->frame_max_bytes < 256)
		return &frame;
	return NULL;
}

/* ---- listing ---- */

static void
replaced(struct engine_worker *worker, const struct route_entry *old)
{
	uint64_t handle = old->sendq->handle;
	struct bnet_slice bytes = { (const uint8_t *)&handle, sizeof(handle) };

	(void)engine_worker_message(
	    worker, old->sendq->worker, RELAY_MESSAGE_REPLACED, bytes);
}

/*
 * Find an id and list the link. A client may ask for a free id of our block,
 * and gets another if that one is not available.
 */
static enum routes_added
list(struct relay *relay, struct engine_conn *conn, uint64_t wanted_id)
{
	struct peer *peer = peer_of(conn);
	struct route_entry *old;
	enum routes_added added;
	bool wish =
	    peer->entry.role == BNET_ROLE_CLIENT && !peer->entry.owns_id;

	peer->entry.sendq = engine_conn_sendq(conn);
	if (wish && wanted_id != 0 &&
	    !routes_cover(relay->routes, BNET_ROLE_CLIENT, wanted_id))
		wanted_id = 0;
	added = routes_add(
	    relay->routes, &peer->entry, wanted_id, access_may_replace, &old);
	if (added == ROUTES_TAKEN && wish)
		added = routes_add(
		    relay->routes, &peer->entry, 0, access_may_replace, &old);
	if (added == ROUTES_REPLACED)
		replaced(engine_conn_worker(conn), old);
	return added;
}

static void
up(struct relay *relay, struct engine_conn *conn)
{
	struct relay_worker *own = worker_of(relay, engine_conn_worker(conn));
	struct peer *peer = peer_of(conn);
	bool node = peer->entry.role == BNET_ROLE_NODE;

	peer->state = PEER_UP;
	if (node)
		engine_conn_trust(conn);
	relay_count(own,
	    node              ? RELAY_OPENED_NODE
		: peer->hello ? RELAY_OPENED_CLIENT
			      : RELAY_OPENED_STOCK);
	log_info("link up", LOG_U64("id", peer->entry.id),
	    LOG_STR("role", node ? "node" : "client"),
	    LOG_STR("name", peer->name), LOG_STR("peer", peer->address),
	    LOG_STR("by", peer->hello ? peer->grant.identity : "stock"));
	ping_start(relay, conn);
}

static void
welcome(struct relay *relay, struct engine_conn *conn)
{
	const struct relay_options *opt = &config_of(relay)->opt;
	struct bnet_message message = { .type = BNET_MSG_WELCOME };
	struct bnet_welcome *w = &message.u.welcome;

	w->version = BNET_PROTOCOL_VERSION;
	w->id = peer_of(conn)->entry.id;
	w->relay_id = relay->id;
	w->codecs = opt->codecs;
	w->frame_max_bytes = (uint32_t)opt->frame_max_bytes;
	w->keepalive_ms = (uint32_t)(opt->keepalive_ns / MS_NS);
	w->environment = bnet_string_of(opt->environment);
	w->relay_name = bnet_string_of(opt->name);
	w->time_ns = (uint64_t)clock_unix_ns();
	(void)reply_send(relay, engine_conn_worker(conn),
	    engine_conn_sendq(conn), &message, NULL);
}

/*
 * --reserve-nodes: may one more client be listed? Workers that ask at the same
 * time may let in one each.
 */
static bool
client_fits(struct relay *relay)
{
	const struct relay_options *opt = &config_of(relay)->opt;

	return routes_count(relay->routes, BNET_ROLE_CLIENT) <
	    opt->max_connections - opt->reserve_nodes;
}

/* ---- hello ---- */

static void
take_hello(struct relay *relay, struct engine_conn *conn,
    const struct bnet_hello *hello, const struct credentials_grant *grant)
{
	const struct relay_options *opt = &config_of(relay)->opt;
	struct peer *peer = peer_of(conn);
	uint64_t wanted_id =
	    hello->wanted_id != 0 ? hello->wanted_id : grant->id;

	if (hello->role == BNET_ROLE_NODE && wanted_id == relay->id) {
		session_refuse(
		    relay, conn, own_id.code, own_id.reason, own_id.why);
		return;
	}
	if (hello->role == BNET_ROLE_CLIENT && !client_fits(relay)) {
		session_refuse(relay, conn, BNET_CODE_OVERLOADED,
		    "the connections that are left are for nodes",
		    RELAY_CLOSED_LIMIT);
		return;
	}
	peer->hello = true;
	peer->entry.role = (enum bnet_role)hello->role;
	peer->codecs = hello->codecs & opt->codecs;
	peer->entry.owns_id = grant->id != 0;
	peer->grant = *grant;
	/* payloads are forwarded as they came: the engine compresses nothing */
	engine_conn_set_peer(
	    conn, BNET_CODEC_NONE, bnet_frame_max(hello->frame_max_bytes));
	switch (list(relay, conn, wanted_id)) {
	case ROUTES_ADDED:
	case ROUTES_REPLACED:
		welcome(relay, conn);
		up(relay, conn);
		break;
	case ROUTES_TAKEN:
		session_refuse(relay, conn, BNET_CODE_NOT_AUTHORISED,
		    "that id is in use by other credentials",
		    RELAY_CLOSED_NOT_AUTHORISED);
		break;
	case ROUTES_NO_ID:
		session_refuse(relay, conn, BNET_CODE_OVERLOADED,
		    "no id is free", RELAY_CLOSED_OVERLOAD);
	}
}

static void
on_hello(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet)
{
	struct relay_worker *own = worker_of(relay, engine_conn_worker(conn));
	struct bnet_message message;
	struct bnet_slice body;
	struct credentials_grant grant;
	const struct refusal *no;
	enum access access;
	size_t left;

	relay_count(own, RELAY_LOCAL_SESSION);
	peer_of(conn)->hello = true; /* it can read a refusal */
	if (payload_here(relay, conn, packet, &body) != BNET_OK ||
	    bnet_message_decode(BNET_MSG_HELLO, body, &message, &own->store,
		&left) != BNET_OK) {
		session_refuse(relay, conn, BNET_CODE_MALFORMED,
		    "the hello is malformed", RELAY_CLOSED_MALFORMED);
		return;
	}
	keep_name(peer_of(conn)->name, &message.u.hello.name);
	no = judge_hello(relay, &message.u.hello);
	if (no == NULL && atomic_load(&relay->draining)) {
		session_refuse(relay, conn, BNET_CODE_SHUTTING_DOWN,
		    config_of(relay)->opt.drain_to != NULL
			? config_of(relay)->opt.drain_to
			: "the relay is shutting down",
		    RELAY_CLOSED_SHUTTING_DOWN);
		return;
	}
	if (no == NULL) {
		access = access_check(relay, conn, &message.u.hello, &grant);
		if (access != ACCESS_GRANTED)
			no = &of_access[access];
	}
	if (no != NULL)
		session_refuse(relay, conn, no->code, no->reason, no->why);
	else
		take_hello(relay, conn, &message.u.hello, &grant);
}

/* ---- stock clients ---- */

static bool
on_stock(struct relay *relay, struct engine_conn *conn)
{
	struct peer *peer = peer_of(conn);

	if (!access_stock(relay, conn)) {
		log_info("link refused", LOG_STR("peer", peer->address),
		    LOG_STR("reason", "no hello"));
		relay_leave(conn, RELAY_CLOSED_NOT_AUTHORISED);
		engine_conn_finish(conn);
		return false;
	}
	if (atomic_load(&relay->draining)) {
		relay_leave(conn, RELAY_CLOSED_SHUTTING_DOWN);
		engine_conn_finish(conn);
		return false;
	}
	if (!client_fits(relay)) {
		relay_leave(conn, RELAY_CLOSED_LIMIT);
		engine_conn_finish(conn);
		return false;
	}
	peer->entry.role = BNET_ROLE_CLIENT;
	(void)no_credentials(true, &peer->grant);
	if (list(relay, conn, 0) != ROUTES_ADDED) {
		relay_leave(conn, RELAY_CLOSED_OVERLOAD);
		engine_conn_finish(conn);
		return false;
	}
	engine_conn_set_patience(
	    conn, STOCK_PATIENCE_PERIODS * config_of(relay)->opt.keepalive_ns);
	up(relay, conn);
	return true;
}

void
session_first(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet)
{
	struct relay_worker *own = worker_of(relay, engine_conn_worker(conn));

	/* one that is addressed to another is a packet of a stock client */
	if (packet->has_header &&
	    packet->header.key == bnet_message_key(BNET_MSG_HELLO) &&
	    packet->header.dest_type == BNET_DEST_HOP)
		on_hello(relay, conn, packet);
	else if (!on_stock(relay, conn))
		relay_count(own, RELAY_REFUSED_NOT_ALLOWED);
	payload_done(own); /* of a compressed hello */
}

/* ---- after the hello ---- */

void
session_register(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct relay *relay = arg;
	struct relay_worker *own = worker_of(relay, engine_conn_worker(conn));
	struct peer *peer = peer_of(conn);
	struct bnet_message message;
	size_t left;

	if (peer->entry.role != BNET_ROLE_NODE) {
		reply_refuse(relay, conn, packet, RELAY_REFUSED_NOT_ALLOWED,
		    BNET_CODE_REFUSED, "only nodes register keys");
		return;
	}
	if (bnet_message_decode(BNET_MSG_REGISTER, packet->payload, &message,
		&own->store, &left) != BNET_OK) {
		reply_refuse(relay, conn, packet, RELAY_REFUSED_MALFORMED,
		    BNET_CODE_MALFORMED, "the register is malformed");
		return;
	}
	if (!routes_register(relay->routes, &peer->entry, message.u.reg.key)) {
		reply_refuse(relay, conn, packet, RELAY_REFUSED_OVERLOADED,
		    BNET_CODE_OVERLOADED, "too many keys are registered");
		return;
	}
	relay_count(own, RELAY_LOCAL_SESSION);
}

/* Is its token gone? */
static bool
token_is_revoked(const struct relay_config *config, const struct peer *peer)
{
	return strncmp(peer->grant.identity, "token:", 6) == 0 &&
	    !credentials_hold(peer->entry.role == BNET_ROLE_NODE
		    ? config->tokens
		    : config->client_tokens,
		&peer->grant);
}

/* Why its certificate is no longer accepted; NULL: it is, or it has none. */
static const char *
certificate_is_revoked(
    const struct relay_config *config, struct engine_conn *conn)
{
	struct bnet_tls *tls = bnet_link_tls(engine_conn_link(conn));

	return tls == NULL || config->tls == NULL
	    ? NULL
	    : bnet_tls_ctx_refuses(config->tls, tls);
}

void
session_reloaded(struct relay *relay, struct engine_conn *conn)
{
	const struct relay_config *config = config_of(relay);
	const struct peer *peer = peer_of(conn);
	char reason[128];
	const char *why;

	if (peer->state != PEER_UP || config->opt.keep_revoked)
		return;
	if (token_is_revoked(config, peer)) {
		session_refuse(relay, conn, BNET_CODE_NOT_AUTHORISED,
		    "the token was revoked", RELAY_CLOSED_REVOKED);
		return;
	}
	why = certificate_is_revoked(config, conn);
	if (why == NULL)
		return;
	(void)snprintf(reason, sizeof(reason),
	    "the certificate is no longer accepted: %s", why);
	session_refuse(relay, conn, BNET_CODE_NOT_AUTHORISED, reason,
	    RELAY_CLOSED_REVOKED);
}

void
session_drain(struct relay *relay, struct engine_conn *conn)
{
	const struct relay_options *opt = &config_of(relay)->opt;
	struct bnet_message message = { .type = BNET_MSG_DRAIN };
	struct bnet_header header = { .priority = true };

	if (peer_of(conn)->state != PEER_UP || !peer_of(conn)->hello)
		return;
	message.u.drain.seconds =
	    (uint32_t)(opt->drain_timeout_ns / 1000000000);
	if (opt->drain_to != NULL)
		message.u.drain.where = bnet_string_of(opt->drain_to);
	engine_conn_line_up(conn); /* what was forwarded comes first */
	(void)reply_send(relay, engine_conn_worker(conn),
	    engine_conn_sendq(conn), &message, &header);
}
