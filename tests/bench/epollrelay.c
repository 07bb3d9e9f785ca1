/* SPDX-License-Identifier: MIT */
/*
 * epollrelay copy|splice PORT SINK_PORT - the least that carrying bytes can
 * cost: each connection to PORT gets one to SINK_PORT, and what comes in at
 * one goes out at the other. One thread, level-triggered epoll. `copy` reads
 * into a buffer and writes it; `splice` moves it through a pipe, without a
 * copy into this process.
 *
 * Where the other end does not take all, it waits for that end: fine for the
 * one connection of a stream and for small packets, which is what it is for.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FDS_MAX 65536
#define PIECE_BYTES 65536
#define EVENTS_MAX 256

static int other[FDS_MAX]; /* other[fd]: where its bytes go */
static int pipe_fds[2];
static bool spliced;

static struct sockaddr_in
loopback(const char *port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void
watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		err(1, "epoll_ctl");
}

static void
pair(int epoll, int fd, const struct sockaddr_in *sink)
{
	int to = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (fd < 0 || to < 0 || fd >= FDS_MAX || to >= FDS_MAX)
		err(1, "sockets");
	if (connect(to, (const struct sockaddr *)sink, sizeof(*sink)) != 0) {
		close(to);
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	fcntl(to, F_SETFL, O_NONBLOCK);
	other[fd] = to;
	other[to] = fd;
	watch(epoll, fd);
	watch(epoll, to);
}

/* Closed in its turn; the number may already be that of a new connection. */
static void
part(int fd)
{
	int to = other[fd];

	close(fd);
	close(to);
	other[fd] = other[to] = -1;
}

/* May `fd` be tried again? Waits until it takes more. */
static bool
again(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return errno == EAGAIN && poll(&p, 1, -1) == 1;
}

/* Bytes read; 0 at the end and on any error. */
static ssize_t
copy(int from, int to)
{
	static char piece[PIECE_BYTES];
	ssize_t n = read(from, piece, sizeof(piece)), done = 0, w;

	while (done < n) {
		w = send(to, piece + done, (size_t)(n - done), MSG_NOSIGNAL);
		if (w < 0 && !again(to))
			return 0;
		done += w < 0 ? 0 : w;
	}
	return n < 0 ? errno == EAGAIN : n;
}

/* `n` bytes are in the pipe and must not stay there for another pair. */
static void
drain(ssize_t n)
{
	char piece[1024];

	while (n > 0)
		n -= read(pipe_fds[0], piece,
		    (size_t)n < sizeof(piece) ? (size_t)n : sizeof(piece));
}

static ssize_t
move(int from, int to)
{
	ssize_t n = splice(from, NULL, pipe_fds[1], NULL, PIECE_BYTES,
	    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	ssize_t left = n, w;

	while (left > 0) {
		w = splice(pipe_fds[0], NULL, to, NULL, (size_t)left,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (w < 0 && !again(to)) {
			drain(left);
			return 0;
		}
		left -= w < 0 ? 0 : w;
	}
	return n < 0 ? errno == EAGAIN : n;
}

static int
listen_on(const char *port)
{
	const struct sockaddr_in addr = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 ||
	    bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    listen(fd, SOMAXCONN) != 0)
		err(1, "listen on port %s", port);
	return fd;
}

int
main(int argc, char **argv)
{
	struct epoll_event events[EVENTS_MAX];
	struct sockaddr_in sink;
	int listener, epoll, n, fd;

	if (argc != 4)
		errx(2, "usage: epollrelay copy|splice PORT SINK_PORT");
	spliced = strcmp(argv[1], "splice") == 0;
	sink = loopback(argv[3]);
	listener = listen_on(argv[2]);
	epoll = epoll_create1(0);
	if (epoll < 0 || pipe(pipe_fds) != 0)
		err(1, "epoll, pipe");
	memset(other, -1, sizeof(other));
	watch(epoll, listener);
	while ((n = epoll_wait(epoll, events, EVENTS_MAX, -1)) >= 0) {
		for (int i = 0; i < n; i++) {
			fd = events[i].data.fd;
			if (fd == listener)
				pair(epoll, accept(fd, NULL, NULL), &sink);
			else if (other[fd] >= 0 &&
			    (spliced ? move : copy)(fd, other[fd]) == 0)
				part(fd);
		}
	}
	err(1, "epoll_wait");
}
