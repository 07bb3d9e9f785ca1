/* SPDX-License-Identifier: MIT */
/*
 * replay_sink - accepts, reads and throws away, as fast as that can be done;
 * says "ready on ADDR:PORT". At the end of its input it prints how many bytes
 * came over how many connections, and the CPU seconds that it took.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (1 << 18)
#define EVENTS 256

static uint64_t n_bytes, n_conns;

static void
watch(int epoll_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
		err(1, "epoll_ctl");
}

static int
listen_somewhere(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, len) != 0 ||
	    listen(fd, 4096) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) != 0)
		err(1, "listen");
	printf("ready on 127.0.0.1:%d\n", ntohs(sin.sin_port));
	fflush(stdout);
	return fd;
}

static void
take(int fd)
{
	static char buf[READ_BYTES];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_TRUNC | MSG_DONTWAIT);

	if (n > 0)
		n_bytes += (uint64_t)n;
	else if (n == 0 || errno != EAGAIN)
		close(fd);
}

static void
accept_all(int epoll_fd, int listener)
{
	int fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		n_conns++;
		watch(epoll_fd, fd);
	}
}

static void
summary(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	printf("%" PRIu64 " bytes %" PRIu64 " connections %.3f s\n", n_bytes,
	    n_conns,
	    (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
		(double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
}

int
main(void)
{
	struct epoll_event events[EVENTS];
	int epoll_fd = epoll_create1(0), listener = listen_somewhere(), n;

	watch(epoll_fd, listener);
	watch(epoll_fd, STDIN_FILENO);
	for (;;) {
		n = epoll_wait(epoll_fd, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == STDIN_FILENO) {
				summary();
				return 0;
			}
			if (events[i].data.fd == listener)
				accept_all(epoll_fd, listener);
			else
				take(events[i].data.fd);
		}
	}
}
