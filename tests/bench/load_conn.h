/* SPDX-License-Identifier: MIT */
/*
 * relay_load, second part: connections, plain or TLS, and their buffers.
 * Sockets block while they are set up, and are non-blocking afterwards.
 */
#ifndef TESTS_LOAD_CONN_H
#define TESTS_LOAD_CONN_H

#include "tests/bench/load_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE_S 10 /* nothing that works takes so long */

struct conn {
	int fd;
	SSL *ssl; /* NULL: plain */
	uint8_t *in; /* owned; `have` of `cap` bytes are in use */
	size_t cap, have;
};

static struct sockaddr_in
loopback(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* Closing resets, so that no port waits for the next run. */
static void
set_options(int fd)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 0 };
	const struct timeval tv = { .tv_sec = PATIENCE_S };
	const int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) != 0)
		err(1, "setsockopt");
}

static void
conn_init(struct conn *conn, int fd, size_t cap_bytes)
{
	*conn = (struct conn){ .fd = fd, .cap = cap_bytes };
	conn->in = malloc(cap_bytes);
	if (conn->in == NULL)
		err(1, "memory for a connection");
	set_options(fd);
}

static void
conn_connect(struct conn *conn, uint16_t port, size_t cap_bytes)
{
	const struct sockaddr_in addr = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "socket");
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0)
		err(1, "connect to port %u", port);
	conn_init(conn, fd, cap_bytes);
}

static int
listen_on(uint16_t port)
{
	const struct sockaddr_in addr = loopback(port);
	const struct timeval tv = { .tv_sec = PATIENCE_S };
	const int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) != 0 ||
	    bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    listen(fd, SOMAXCONN) != 0)
		err(1, "listen on port %u", port);
	return fd;
}

static void
conn_accept(struct conn *conn, int listener, size_t cap_bytes)
{
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		err(1, "nothing was connected to the sink");
	conn_init(conn, fd, cap_bytes);
}

/* "1.2" or "1.3"; one cipher, so that all peers do the same work. */
static SSL_CTX *
tls_context(const char *version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int v = strcmp(version, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;

	if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, v) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, v) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") != 1 ||
	    SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256") != 1)
		errx(1, "no TLS %s with AES-128-GCM here", version);
	SSL_CTX_set_mode(ctx,
	    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return ctx;
}

static void
conn_handshake(struct conn *conn, SSL_CTX *ctx)
{
	conn->ssl = SSL_new(ctx);
	if (conn->ssl == NULL || SSL_set_fd(conn->ssl, conn->fd) != 1 ||
	    SSL_connect(conn->ssl) != 1)
		errx(1, "TLS handshake: %s",
		    ERR_error_string(ERR_get_error(), NULL));
}

/* Bytes read or written, 0 where the socket would block; else it ends all. */
static size_t
tls_result(const struct conn *conn, int n)
{
	int why;

	if (n > 0)
		return (size_t)n;
	why = SSL_get_error(conn->ssl, n);
	if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
		errx(1, "TLS connection was cut");
	return 0;
}

static size_t
plain_result(ssize_t n)
{
	if (n > 0)
		return (size_t)n;
	if (n == 0)
		errx(1, "connection was closed");
	if (errno != EAGAIN && errno != EINTR)
		err(1, "connection");
	return 0;
}

static size_t
conn_write(const struct conn *conn, const uint8_t *p, size_t n)
{
	if (conn->ssl != NULL)
		return tls_result(conn, SSL_write(conn->ssl, p, (int)n));
	return plain_result(send(conn->fd, p, n, MSG_NOSIGNAL));
}

/* Read more behind what is there. */
static size_t
conn_fill(struct conn *conn)
{
	size_t room = conn->cap - conn->have, n;

	if (room == 0)
		errx(1, "a record is longer than %zu bytes", conn->cap);
	if (conn->ssl != NULL)
		n = tls_result(conn,
		    SSL_read(conn->ssl, conn->in + conn->have, (int)room));
	else
		n = plain_result(
		    recv(conn->fd, conn->in + conn->have, room, 0));
	conn->have += n;
	return n;
}

/* The first n bytes of the input are dealt with. */
static void
conn_used(struct conn *conn, size_t n)
{
	conn->have -= n;
	if (conn->have != 0)
		memmove(conn->in, conn->in + n, conn->have);
}

/* All of it; the peer has to take it at once or within PATIENCE_S. */
static void
conn_send(const struct conn *conn, const uint8_t *p, size_t n)
{
	if (conn_write(conn, p, n) != n)
		errx(1, "a small write was not taken whole");
}

/* During set-up only: waits for more. */
static void
conn_wait(struct conn *conn)
{
	if (conn_fill(conn) == 0)
		errx(1, "no answer within %d s", PATIENCE_S);
}

static void
conn_nonblocking(const struct conn *conn)
{
	if (fcntl(conn->fd, F_SETFL, O_NONBLOCK) != 0)
		err(1, "fcntl");
}

static void
conn_close(struct conn *conn)
{
	SSL_free(conn->ssl);
	close(conn->fd);
	free(conn->in);
}

#endif
