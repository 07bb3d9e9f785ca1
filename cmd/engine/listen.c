/* SPDX-License-Identifier: MIT */
/*
 * Listeners: a socket for each worker on the same address (SO_REUSEPORT), or
 * one socket that we were given for all workers.
 *
 * Owns the sockets and the TLS settings. The owner of the engine makes
 * listeners, the loop of each worker watches them and accepts.
 */
#include "cmd/engine/listen.h"

#include "cmd/engine/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BACKLOG 4096
#define ACCEPTS_A_TURN 64
#define UNSENT_BYTES \
	(128 << 10) /* that the kernel takes ahead of the network */
#define REST_NS INT64_C(100000000)

struct engine_listener {
	struct source source;
	struct engine *engine;
	struct engine_listener *next;
	int fd[ENGINE_WORKERS_MAX]; /* one for each worker, or all the same */
	bool shared_fd;
	pthread_mutex_t lock; /* of tls */
	struct bnet_tls_ctx *tls;
	bool (*is_proxy)(void *arg, const struct address *from);
	void *user;
};

/* ---- making one ---- */

static bool
bind_to(int fd, const struct address *address)
{
	return bind(fd, (const struct sockaddr *)&address->sa,
		   address->len_bytes) == 0;
}

static int
listen_on(const struct address *address)
{
	int fd = socket(address->sa.ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, saved;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->sa.ss_family == AF_INET6)
		(void)setsockopt(
		    fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0 &&
	    bind_to(fd, address) && listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/*
 * With SO_REUSEPORT we would silently share a port with another program of the
 * same user: try without it first.
 */
static bool
port_is_free(const struct address *address)
{
	int fd = socket(address->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1, saved;
	bool ok;

	if (fd < 0)
		return false;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->sa.ss_family == AF_INET6)
		(void)setsockopt(
		    fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	ok = bind_to(fd, address);
	saved = errno;
	close(fd);
	errno = saved;
	return ok;
}

/* The first socket finds the port, the others share it. */
static bool
open_all(struct engine_listener *listener, const struct address *address)
{
	struct address real = *address;

	if (!port_is_free(address))
		return false;
	for (unsigned i = 0; i < listener->engine->n_workers; i++) {
		listener->fd[i] = listen_on(&real);
		if (listener->fd[i] < 0)
			return false;
		real = engine_listener_address(listener);
	}
	return true;
}

static void
share_fd(struct engine_listener *listener, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	listener->shared_fd = true;
	for (unsigned i = 0; i < listener->engine->n_workers; i++)
		listener->fd[i] = fd;
}

static void
listen_free(struct engine_listener *listener)
{
	unsigned n = listener->shared_fd ? 1 : listener->engine->n_workers;

	for (unsigned i = 0; i < n; i++)
		if (listener->fd[i] >= 0)
			close(listener->fd[i]);
	bnet_tls_ctx_free(listener->tls);
	pthread_mutex_destroy(&listener->lock);
	free(listener);
}

/*
 * Bound what the kernel holds for each connection; accepted sockets inherit
 * it. What it has not sent is bounded by UNSENT_BYTES, and what is on its way by
 * the window of the peer; a send buffer of fixed size would only slow down links
 * that are far away.
 */
static void
bound_kernel(const struct engine_listener *listener)
{
	int unsent = UNSENT_BYTES;
	int ahead = (int)listener->engine->set.socket_bytes;

	for (unsigned i = 0; i < listener->engine->n_workers; i++) {
		(void)setsockopt(listener->fd[i], IPPROTO_TCP,
		    TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
		if (ahead > 0)
			(void)setsockopt(listener->fd[i], SOL_SOCKET, SO_RCVBUF,
			    &ahead, sizeof(ahead));
	}
}

struct engine_listener *
engine_listen(struct engine *engine, const struct engine_listen *set)
{
	struct engine_listener *listener = calloc(1, sizeof(*listener));
	int saved;

	if (listener == NULL)
		return NULL;
	listener->source.kind = SOURCE_LISTENER;
	listener->engine = engine;
	listener->user = set->user;
	listener->is_proxy = set->is_proxy;
	for (unsigned i = 0; i < ENGINE_WORKERS_MAX; i++)
		listener->fd[i] = -1;
	pthread_mutex_init(&listener->lock, NULL);
	if (set->address == NULL) {
		share_fd(listener, set->fd);
	} else if (!open_all(listener, set->address)) {
		saved = errno;
		listen_free(listener);
		errno = saved;
		return NULL;
	}
	bound_kernel(listener);
	engine_listener_set_tls(listener, set->tls);
	listener->next = engine->listeners;
	engine->listeners = listener;
	return listener;
}

struct address
engine_listener_address(const struct engine_listener *listener)
{
	struct address real = { .len_bytes = sizeof(real.sa) };

	if (getsockname(listener->fd[0], (struct sockaddr *)&real.sa,
		&real.len_bytes) != 0)
		real.len_bytes = 0;
	return real;
}

void
engine_listener_set_tls(
    struct engine_listener *listener, struct bnet_tls_ctx *tls)
{
	struct bnet_tls_ctx *old;

	if (tls != NULL)
		bnet_tls_ctx_ref(tls);
	pthread_mutex_lock(&listener->lock);
	old = listener->tls;
	listener->tls = tls;
	pthread_mutex_unlock(&listener->lock);
	bnet_tls_ctx_free(old);
}

static bool
listen_watch(struct engine_listener *listener, struct engine_worker *worker)
{
	struct epoll_event event = {
		.events = EPOLLIN | (listener->shared_fd ? EPOLLEXCLUSIVE : 0),
		.data.ptr = &listener->source,
	};

	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD,
		   listener->fd[worker->index], &event) == 0;
}

/*
 * The sockets are closed when the engine is freed. A socket that we were given
 * stays open for connections: systemd keeps it for our successor.
 */
static void
listen_close(struct engine_listener *listener, struct engine_worker *worker)
{
	int fd = listener->fd[worker->index];

	(void)epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	if (!listener->shared_fd)
		(void)shutdown(fd, SHUT_RDWR); /* new connections are refused */
}

void
listen_watch_all(struct engine_worker *worker)
{
	for (struct engine_listener *l = worker->engine->listeners; l != NULL;
	     l = l->next)
		(void)listen_watch(l, worker);
}

void
listen_close_all(struct engine_worker *worker)
{
	worker->deaf = true;
	for (struct engine_listener *l = worker->engine->listeners; l != NULL;
	     l = l->next)
		listen_close(l, worker);
}

void
listen_free_all(struct engine *engine)
{
	struct engine_listener *listener;

	while ((listener = engine->listeners) != NULL) {
		engine->listeners = listener->next;
		listen_free(listener);
	}
}

/* ---- accepting ---- */

static void
set_options(int fd)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static struct engine_conn *
make(struct engine_listener *listener, struct engine_worker *worker, int fd)
{
	struct bnet_tls_ctx *tls;
	struct engine_conn *conn;

	pthread_mutex_lock(&listener->lock);
	tls = listener->tls;
	if (tls != NULL)
		bnet_tls_ctx_ref(tls);
	pthread_mutex_unlock(&listener->lock);
	conn = conn_new(worker, fd, tls, NULL, listener->user);
	bnet_tls_ctx_free(tls);
	return conn;
}

static void
begin(struct engine_listener *listener, struct engine_worker *worker, int fd,
    const struct address *from)
{
	const struct engine_settings *set = &worker->engine->set;
	bool proxied =
	    listener->is_proxy != NULL && listener->is_proxy(set->arg, from);
	const struct address *known = proxied ? NULL : from;
	struct engine_conn *conn;

	if (set->hooks->admit != NULL &&
	    !set->hooks->admit(set->arg, listener->user, known)) {
		close(fd);
		return;
	}
	conn = make(listener, worker, fd);
	if (conn == NULL) {
		count(worker, ENGINE_ACCEPTS_NO_MEMORY, 1);
		close(fd);
		if (set->hooks->no_conn != NULL)
			set->hooks->no_conn(set->arg, listener->user, known);
		return;
	}
	conn->admitted = true;
	conn->peer = *from;
	conn->proxied = proxied;
	conn->state = proxied ? CONN_PROXY : CONN_OPENING;
	if (!conn_watch_fd(conn)) {
		conn_end(conn, ENGINE_END_MEMORY);
		return;
	}
	conn_set_deadline(conn, worker->now_ns + handshake_timeout(worker));
	if (!conn->is_tls && conn->state == CONN_OPENING)
		conn_ready(conn);
}

/*
 * Out of descriptors or of memory: the listener would be ready for ever. Close
 * the spare descriptor, accept and close the connection, and open a spare
 * again. False: that did not help either, because another worker was faster,
 * or it is the kernel that has no memory.
 */
static bool
turn_away(struct engine_worker *worker, int listen_fd)
{
	int fd;

	if (worker->spare_fd >= 0)
		close(worker->spare_fd);
	fd = accept(listen_fd, NULL, NULL);
	if (fd >= 0) {
		count(worker, ENGINE_ACCEPTS_NO_MEMORY, 1);
		close(fd);
	}
	worker->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd >= 0 && worker->spare_fd >= 0;
}

/* Do not even look for connections for a while: looking costs a whole core. */
static void
rest(struct engine_worker *worker)
{
	if (worker->deaf)
		return;
	count(worker, ENGINE_ACCEPT_RESTS, 1);
	worker->rest_until_ns = worker->now_ns + REST_NS;
	for (struct engine_listener *l = worker->engine->listeners; l != NULL;
	     l = l->next)
		(void)epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL,
		    l->fd[worker->index], NULL);
}

void
listen_rested(struct engine_worker *worker)
{
	if (worker->rest_until_ns == 0 || worker->deaf ||
	    worker->now_ns < worker->rest_until_ns)
		return;
	worker->rest_until_ns = 0;
	if (worker->spare_fd < 0)
		worker->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	listen_watch_all(worker);
}

static bool
is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM ||
	    error == ENOBUFS;
}

void
listen_accept(struct source *source, struct engine_worker *worker)
{
	struct engine_listener *listener =
	    container_of(source, struct engine_listener, source);
	int listen_fd = listener->fd[worker->index], fd;
	struct address from;

	for (int i = 0; i < ACCEPTS_A_TURN && worker->rest_until_ns == 0; i++) {
		from = (struct address){ .len_bytes = sizeof(from.sa) };
		fd = accept4(listen_fd, (struct sockaddr *)&from.sa,
		    &from.len_bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && is_shortage(errno) &&
		    !turn_away(worker, listen_fd))
			rest(worker);
		if (fd < 0)
			return;
		count(worker, ENGINE_ACCEPTS, 1);
		set_options(fd);
		begin(listener, worker, fd, &from);
	}
}
