/* SPDX-License-Identifier: MIT */
/*
 * loopback FILE: listens on a port of 127.0.0.1 that is free and prints its
 * number; once standard input ends or has a line, connects to itself and
 * sends the file through that connection.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int
listen_anywhere(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*addr = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd < 0 || bind(fd, (struct sockaddr *)addr, len) != 0 ||
	    listen(fd, 1) != 0 ||
	    getsockname(fd, (struct sockaddr *)addr, &len) != 0)
		err(1, "listening");
	return fd;
}

/* A piece at a time, read at the other end before the next is sent. */
static void
send_file(FILE *f, int from, int to)
{
	char out[1024], in[1024];
	size_t n;

	while ((n = fread(out, 1, sizeof(out), f)) > 0) {
		if (send(from, out, n, MSG_NOSIGNAL) != (ssize_t)n)
			err(1, "sending");
		if (recv(to, in, n, MSG_WAITALL) != (ssize_t)n)
			err(1, "receiving");
	}
	if (ferror(f))
		err(1, "reading");
}

int
main(int argc, char **argv)
{
	struct sockaddr_in addr;
	int listener, from, to;
	char end;
	FILE *f;

	if (argc != 2) {
		fputs("usage: loopback FILE\n", stderr);
		return 2;
	}
	f = fopen(argv[1], "rb");
	if (f == NULL)
		err(1, "%s", argv[1]);
	listener = listen_anywhere(&addr);
	printf("%u\n", ntohs(addr.sin_port));
	if (fflush(stdout) != 0)
		err(1, "standard output");
	(void)getchar();
	from = socket(AF_INET, SOCK_STREAM, 0);
	if (from < 0 ||
	    connect(from, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		err(1, "connecting");
	to = accept(listener, NULL, NULL);
	if (to < 0)
		err(1, "accepting");
	send_file(f, from, to);
	(void)shutdown(from, SHUT_WR);
	if (recv(to, &end, 1, 0) != 0)
		err(1, "the end");
	(void)close(to);
	(void)close(from);
	(void)close(listener);
	(void)fclose(f);
	return 0;
}
