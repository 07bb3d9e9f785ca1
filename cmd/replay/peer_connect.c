/* SPDX-License-Identifier: MIT */
#include "cmd/replay/peer_connect.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

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
		peer_wrong("scenarios read no files: %s", path);
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
	if (peer_defaults.tls != NULL)
		bnet_tls_ctx_ref(peer_defaults.tls);
	return peer_defaults.tls;
}

/* cert=F key=F ca=F tls12: the default where not `tls`. */
static struct bnet_tls_ctx *
peer_tls(struct peer_args *args)
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
	if (bnet_tls_ctx_new(&set, &ctx, reason, sizeof(reason)) != BNET_OK)
		peer_wrong("TLS: %s", reason);
	free((void *)(uintptr_t)set.cert_pem.p);
	free((void *)(uintptr_t)set.key_pem.p);
	free((void *)(uintptr_t)set.ca_pem.p);
	return ctx;
}

static void
peer_link(struct peer_conn *c, struct peer_args *args)
{
	struct bnet_link_settings set = { .tls = c->tls,
		.out_max_bytes = PEER_OUT_MAX_BYTES,
		.tls_host = peer_arg(args, "host", peer_defaults.tls_host),
		.frame_max_bytes = (uint32_t)peer_number(args, "limit", 0) };
	const char *order = peer_arg(args, "order", "little");

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

/* Of ADDR:PORT; an IPv6 address stands in brackets. */
static char *
host_of(const char *where, const char *colon)
{
	size_t len = (size_t)(colon - where);

	if (len >= 2 && where[0] == '[' && colon[-1] == ']')
		return peer_dup(where + 1, len - 2);
	return peer_dup(where, len);
}

/* ADDR:PORT; -1 and errno where nobody is there. */
static int
peer_socket(const char *where, int receive_bytes)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(where, ':');
	struct addrinfo *to;
	char *host;
	int fd, on = 1;

	if (colon == NULL)
		peer_wrong("'%s' is not ADDR:PORT", where);
	host = host_of(where, colon);
	if (getaddrinfo(host, colon + 1, &hints, &to) != 0)
		peer_wrong("'%s' is not ADDR:PORT", where);
	free(host);
	fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		peer_wrong("socket: %s", strerror(errno));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (receive_bytes > 0) /* before, so that the window is small */
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes,
		    sizeof(receive_bytes));
	if (connect(fd, to->ai_addr, to->ai_addrlen) != 0) {
		(void)close(fd);
		fd = -1;
	}
	freeaddrinfo(to);
	return fd;
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

	c->tls = peer_tls(args);
	c->no_pong = peer_flag(args, "nopong");
	peer_link(c, args);
	c->fd = peer_socket(where, (int)peer_number(args, "rcvbuf", 0));
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
