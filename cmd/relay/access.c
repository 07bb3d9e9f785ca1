/* SPDX-License-Identifier: MIT */
/*
 * Who gets in (DESIGN, decision 10): what listens on loopback without TLS is
 * open. Elsewhere a node shows a certificate under our CA or a token, and a
 * client a token where clients are asked for one.
 */
#include "cmd/relay/relay.h"

#include <string.h>

/*
 * Open: the listener is, and the peer is on this machine by the address of
 * its socket; what a PROXY header claims makes nobody local.
 */
static bool
is_open(struct relay *relay, struct engine_conn *conn)
{
	const struct relay_listener *listener = engine_conn_listener_user(conn);
	const struct address *peer = engine_conn_peer(conn);

	if (config_of(relay)->opt.insecure)
		return true;
	return listener->open && !engine_conn_proxied(conn) && peer != NULL &&
	    address_is_loopback(peer);
}

static bool
by_certificate(struct relay *relay, struct engine_conn *conn,
    const struct bnet_hello *hello, struct credentials_grant *grant)
{
	struct bnet_tls *tls = bnet_link_tls(engine_conn_link(conn));

	return config_of(relay)->opt.ca != NULL && tls != NULL &&
	    credentials_cert(bnet_tls_peer_cert(tls), hello->wanted_id, grant);
}

static enum access
by_token(const struct credentials *tokens, const struct bnet_hello *hello,
    struct credentials_grant *grant)
{
	if (hello->token.len_bytes == 0)
		return ACCESS_NO_CREDENTIALS;
	if (!credentials_check(
		tokens, hello->token.p, hello->token.len_bytes, grant))
		return ACCESS_WRONG_TOKEN;
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
 * What a hello is granted. A token that was shown has to be right, also where
 * none is needed: its owner believes that it counts.
 */
enum access
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
		access = by_token(tokens, hello, grant);
	if (access != ACCESS_NO_CREDENTIALS)
		return access;
	if (node)
		return no_credentials(is_open(relay, conn), grant);
	return no_credentials(config->client_tokens == NULL, grant);
}

/* A client without hello has nothing to show. */
bool
access_stock(struct relay *relay, struct engine_conn *conn)
{
	struct relay_config *config = config_of(relay);

	(void)conn;
	return !config->opt.require_hello && config->client_tokens == NULL;
}

/*
 * A newer link of the same credentials takes the id over. Open ones are all
 * the same, and give way to any that showed something; clients hold an id
 * only where their credentials name it.
 */
bool
access_may_replace(
    const struct route_entry *old, const struct route_entry *entry)
{
	const struct peer *was = (const struct peer *)(const void *)old;
	const struct peer *is = (const struct peer *)(const void *)entry;

	if (entry->role == BNET_ROLE_CLIENT && !is->owned_id)
		return false;
	return strcmp(was->identity, is->identity) == 0 ||
	    strcmp(was->identity, "open") == 0;
}
