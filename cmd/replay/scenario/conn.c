/* SPDX-License-Identifier: MIT */
/*
 * Connections of a scenario, all in one epoll set. Owns them, their sockets and
 * the events that came. Called by script.c.
 */
#include "cmd/replay/scenario/conn.h"

#include "cmd/common/clock.h"
#include "cmd/session/orders.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- connections that are there ---- */

double peer_timeout_s = 10;
bool peer_muted;
int peer_epoll = -1;
struct bnet_codecs *peer_codecs;
struct peer_conn *peer_conns;
struct peer_conn *
peer_conn_find(const char *name)
{
	struct peer_conn *c;

	for (c = peer_conns; c != NULL; c = c->next)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

struct peer_conn *
peer_conn(const char *name)
{
	struct peer_conn *c = peer_conn_find(name);

	if (c == NULL)
		peer_wrong("no connection is called '%s'", name);
	return c;
}

static void
peer_conn_add(struct peer_conn *c, struct peer_event *ev)
{
	if (!peer_muted)
		printf("%s: %s\n", c->name, ev->text);
	*c->last = ev;
	c->last = &ev->next;
}

struct peer_event *
peer_conn_take(struct peer_conn *c)
{
	struct peer_event *ev = c->first;

	c->first = ev->next;
	if (c->first == NULL)
		c->last = &c->first;
	return ev;
}

static void
peer_conn_shut(struct peer_conn *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
}

/* It ended: how is its last event. */
static void
peer_conn_ended(struct peer_conn *c, const char *how, const char *reason)
{
	char text[256];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s", how);
	int len = (int)n;

	if (reason != NULL)
		len +=
		    snprintf(text + n, sizeof(text) - n, " reason=%s", reason);
	for (size_t i = n + 1; i < sizeof(text) && (int)i < len; i++)
		if (!isgraph((unsigned char)text[i]))
			text[i] = '_';
	peer_conn_shut(c);
	peer_conn_add(c, peer_event_text(text));
}

static void
peer_conn_watch(struct peer_conn *c, bool writes)
{
	struct epoll_event ev = { .data.ptr = c };

	if (c->fd < 0)
		return;
	ev.events = (c->paused ? 0u : EPOLLIN) | (writes ? EPOLLOUT : 0u);
	if (epoll_ctl(peer_epoll, EPOLL_CTL_MOD, c->fd, &ev) != 0 &&
	    epoll_ctl(peer_epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0)
		peer_wrong("epoll_ctl: %s", strerror(errno));
}

bool
peer_conn_write(struct peer_conn *c)
{
	struct bnet_slice out;
	ssize_t n;

	while (c->fd >= 0 && !c->mute_writes) {
		if (bnet_link_output(c->link, &out) != BNET_OK)
			peer_wrong("%s: cannot encrypt", c->name);
		if (out.len == 0)
			break;
		n = send(c->fd, out.p, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) {
			peer_conn_watch(c, true);
			return false;
		}
		if (n < 0) /* reading will say why */
			c->mute_writes = true;
		else
			bnet_link_output_done(c->link, (size_t)n);
	}
	peer_conn_watch(c, false);
	return true;
}

static void
peer_pong(struct peer_conn *c, const struct bnet_header *ping)
{
	struct bnet_packet pong = { .has_oob = true,
		.has_header = true,
		.header = { .key = BNET_KEY_PONG,
		    .priority = true,
		    .timestamp = ping->timestamp & ~BNET_TIMESTAMP_PING_BACK },
		.payload = { (const uint8_t *)"pong", 4 } };

	if (bnet_link_send(c->link, &pong) != BNET_OK)
		peer_wrong("%s: cannot queue a pong", c->name);
}

static enum bnet_err
peer_conn_packet(void *arg, const struct bnet_packet *p)
{
	struct peer_conn *c = arg;

	peer_conn_add(c, peer_event_packet(p, BNET_OK));
	if (p->has_header && p->header.timestamp != 0 &&
	    p->header.key != BNET_KEY_PONG && !c->no_pong)
		peer_pong(c, &p->header);
	return BNET_OK;
}

static enum bnet_err
peer_conn_bad(void *arg, const struct bnet_packet *p, enum bnet_err why)
{
	peer_conn_add(arg, peer_event_packet(p, why));
	return BNET_OK;
}

static void
peer_conn_fed(struct peer_conn *c, enum bnet_err err)
{
	(void)peer_conn_write(c); /* handshake, alert, pongs */
	if (err == BNET_CLOSED)
		peer_conn_ended(c, "closed", NULL);
	else if (err == BNET_ETLS)
		peer_conn_ended(
		    c, "tls-failed", bnet_tls_reason(bnet_link_tls(c->link)));
	else if (err != BNET_OK)
		peer_conn_ended(c, "bad", bnet_strerror(err));
}

static void
peer_conn_read(struct peer_conn *c)
{
	static uint8_t bytes[PEER_READ_BYTES];
	const struct bnet_link_sink sink = { peer_conn_packet, peer_conn_bad,
		c };
	ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	size_t used;

	if (n > 0)
		peer_conn_fed(c,
		    bnet_link_feed(c->link,
			(struct bnet_slice){ bytes, (size_t)n }, &sink, &used));
	else if (n == 0 && bnet_link_end(c->link) == BNET_CLOSED)
		peer_conn_ended(c, "closed", NULL);
	else if (n == 0)
		peer_conn_ended(c, "cut", NULL);
	else if (errno != EAGAIN && errno != EINTR)
		peer_conn_ended(c, "reset", strerror(errno));
}

bool
peer_pump(int64_t deadline_ns)
{
	struct epoll_event ready[64];
	int64_t left_ms = (deadline_ns - clock_now_ns() + 999999) / 1000000;
	int n =
	    epoll_wait(peer_epoll, ready, 64, left_ms < 0 ? 0 : (int)left_ms);

	for (int i = 0; i < n; i++) {
		struct peer_conn *c = ready[i].data.ptr;

		if (ready[i].events & EPOLLOUT)
			(void)peer_conn_write(c);
		if (c->fd >= 0 && !c->paused)
			peer_conn_read(c);
		else if (c->fd >= 0 && ready[i].events & (EPOLLERR | EPOLLHUP))
			/* seen when it reads again; do not spin till then */
			(void)epoll_ctl(peer_epoll, EPOLL_CTL_DEL, c->fd, NULL);
	}
	return n > 0 || clock_now_ns() < deadline_ns;
}

int64_t
peer_deadline(void)
{
	return clock_now_ns() + (int64_t)(peer_timeout_s * 1e9);
}

struct peer_event *
peer_conn_next(struct peer_conn *c, int64_t deadline_ns)
{
	while (c->first == NULL)
		if (c->fd < 0 || !peer_pump(deadline_ns))
			return NULL;
	return peer_conn_take(c);
}

/* ---- how they begin, plain or TLS, and are forgotten ---- */

struct peer_defaults peer_defaults;

bool peer_reads_files = true;

struct bnet_slice
peer_file(const char *path)
{
	FILE *f = peer_reads_files ? fopen(path, "rb") : NULL;
	char *text, part[4096];
	size_t n, bytes;
	FILE *to = open_memstream(&text, &bytes);

	if (!peer_reads_files)
		peer_wrong("scenarios cannot read files: %s", path);
	if (f == NULL || to == NULL)
		peer_wrong("%s: %s", path, strerror(errno));
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		fwrite(part, 1, n, to);
	if (ferror(f) || fclose(to) != 0)
		peer_wrong("%s: cannot be read", path);
	(void)fclose(f);
	return (struct bnet_slice){ (uint8_t *)text, bytes };
}

static struct bnet_slice
peer_file_arg(struct peer_args *args, const char *name)
{
	const char *path = peer_arg(args, name, NULL);

	return path == NULL ? (struct bnet_slice){ NULL, 0 } : peer_file(path);
}

static struct bnet_tls_ctx *
default_tls(void)
{
	const struct session_target *target = peer_defaults.target;

	if (target == NULL || target->tls == NULL)
		return NULL;
	bnet_tls_ctx_ref(target->tls);
	return target->tls;
}

/* cert=F key=F ca=F insecure tls12: the default where not `tls`. */
static struct bnet_tls_ctx *
peer_tls(struct peer_conn *c, struct peer_args *args)
{
	struct bnet_tls_settings set = { .role = BNET_TLS_CLIENT };
	struct bnet_tls_ctx *ctx;
	char reason[256];

	if (peer_flag(args, "tls12"))
		set.version_max = BNET_TLS_1_2;
	else if (!peer_flag(args, "tls"))
		return default_tls();
	set.cert_pem = peer_file_arg(args, "cert");
	set.key_pem = peer_file_arg(args, "key");
	set.ca_pem = peer_file_arg(args, "ca");
	set.insecure = c->insecure = peer_flag(args, "insecure");
	if (bnet_tls_ctx_new(&set, &ctx, reason, sizeof(reason)) != BNET_OK)
		peer_wrong("TLS: %s", reason);
	free((void *)(uintptr_t)set.cert_pem.p);
	free((void *)(uintptr_t)set.key_pem.p);
	free((void *)(uintptr_t)set.ca_pem.p);
	return ctx;
}

/* Where TLS is the target's, so is the name; else it is that of `where`. */
static void
default_host(const char *where, char host[CLIENT_HOST_CHARS])
{
	const struct session_target *target = peer_defaults.target;

	if (target == NULL || target->tls == NULL)
		client_host(where, host);
	else
		(void)snprintf(host, CLIENT_HOST_CHARS, "%s", target->host);
}

static void
peer_link(struct peer_conn *c, struct peer_args *args, const char *where)
{
	char host[CLIENT_HOST_CHARS];
	struct bnet_link_settings set = { .tls = c->tls,
		.out_max_bytes = PEER_OUT_MAX_BYTES,
		.frame_max_bytes = (uint32_t)peer_number(args, "limit", 0) };
	const char *order =
	    peer_arg(args, "order", orders_name(peer_defaults.order));

	default_host(where, host);
	set.tls_host = peer_arg(args, "host", host);
	if (strcmp(order, "network") == 0)
		set.order = BNET_ORDER_NETWORK;
	else if (strcmp(order, "little") == 0)
		set.order = BNET_ORDER_LITTLE;
	else
		peer_wrong("order: little or network, not '%s'", order);
	c->order = set.order;
	if (bnet_link_new(&set, peer_codecs, &c->link) != BNET_OK)
		peer_wrong("cannot make a link");
}

/* HOST:PORT; -1 and errno where nobody is there. */
static int
peer_socket(const struct peer_conn *c, const char *where, int receive_bytes,
    int64_t deadline_ns)
{
	const struct session_target *usual = peer_defaults.target;
	struct session_target target = {
		.tls = c->tls,
		.guards_token = usual != NULL && usual->guards_token,
	};
	char why[256];

	if (!session_resolve(
		&target, where, ADDRESS_PORT_NONE, why, sizeof(why)))
		peer_wrong("%s", why);
	return session_dial(
	    &target, receive_bytes, deadline_ns - clock_now_ns());
}

void
peer_conn_free(struct peer_conn *c)
{
	struct peer_conn **at = &peer_conns;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	peer_conn_shut(c);
	while (c->first != NULL)
		peer_event_free(peer_conn_take(c));
	if (c->seen != NULL)
		peer_event_free(c->seen);
	bnet_link_free(c->link);
	bnet_tls_ctx_free(c->tls);
	free(c->name);
	free(c);
}

/* A name is free again once its connection has ended. */
static struct peer_conn *
peer_conn_new(const char *name)
{
	struct peer_conn *c = peer_conn_find(name);

	if (c != NULL && c->fd >= 0)
		peer_wrong("there is a connection '%s' already", name);
	if (c != NULL)
		peer_conn_free(c);
	c = peer_alloc(1, sizeof(*c));
	c->name = peer_dup(name, strlen(name));
	c->last = &c->first;
	c->role = BNET_ROLE_CLIENT;
	c->next = peer_conns;
	peer_conns = c;
	return c;
}

void
peer_connect(struct peer_args *args)
{
	struct peer_conn *c = peer_conn_new(peer_arg_at(args, 1, "NAME"));
	const char *where = peer_arg_at(args, 2, "ADDR:PORT");
	int64_t deadline_ns = peer_deadline();

	c->tls = peer_tls(c, args);
	c->no_pong = peer_flag(args, "nopong");
	peer_link(c, args, where);
	c->fd = peer_socket(
	    c, where, (int)peer_number(args, "rcvbuf", 0), deadline_ns);
	if (c->fd < 0) {
		peer_conn_ended(c, "unreachable", strerror(errno));
		return;
	}
	(void)peer_conn_write(c);
	while (c->tls != NULL && c->fd >= 0 &&
	    !bnet_tls_ready(bnet_link_tls(c->link)))
		if (!peer_pump(deadline_ns))
			peer_fail("%s: no TLS handshake in time", c->name);
}
