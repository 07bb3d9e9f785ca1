/* SPDX-License-Identifier: MIT */
/* Owns nothing: the target and the socket are the caller's. */
#include "cmd/session/target.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#define MS_NS 1000000

void
session_target_use(
    struct session_target *target, const struct client_files *files)
{
	target->tls = files->tls;
	target->guards_token = files->token[0] != '\0' && !files->insecure;
}

/* Would the token be sent in the clear to another machine? */
static bool
exposes_token(const struct session_target *target)
{
	bool away = false;

	for (size_t i = 0; i < target->n_addresses; i++)
		away |= !address_is_loopback(&target->addresses[i]);
	return target->guards_token && target->tls == NULL && away;
}

bool
session_resolve(struct session_target *target, const char *where, int port,
    char *why, size_t why_bytes)
{
	client_host(where, target->host);
	target->n_addresses =
	    address_resolve(where, port, target->addresses, why, why_bytes);
	errno = 0;
	if (!exposes_token(target))
		return target->n_addresses > 0;
	(void)snprintf(why, why_bytes,
	    "%s: a token goes to another machine over --tls only, or with"
	    " --tls-insecure",
	    where);
	target->n_addresses = 0;
	errno = EACCES;
	return false;
}

/* Returns 0, or an errno value if it is not connected. */
static int
connected(int fd, const struct address *to, int64_t timeout_ns)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	int64_t left_ms = (timeout_ns + MS_NS - 1) / MS_NS;
	int error = 0, n;
	socklen_t bytes = sizeof(error);

	if (connect(fd, (const struct sockaddr *)&to->sa, to->len_bytes) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	n = poll(&pfd, 1, left_ms > INT32_MAX ? -1 : (int)left_ms);
	if (n == 0)
		return ETIMEDOUT;
	if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0)
		return errno;
	return error;
}

static int
dial(const struct address *to, int receive_bytes, int64_t timeout_ns)
{
	int fd = socket(
	    to->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, error;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (receive_bytes > 0) /* before connecting, which fixes the window */
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes,
		    sizeof(receive_bytes));
	error = connected(fd, to, timeout_ns);
	if (error == 0)
		return fd;
	close(fd);
	errno = error;
	return -1;
}

int
session_dial(
    const struct session_target *target, int receive_bytes, int64_t timeout_ns)
{
	int fd = -1;

	errno = EDESTADDRREQ;
	for (size_t i = 0; i < target->n_addresses && fd < 0; i++) {
		fd = dial(&target->addresses[i], receive_bytes, timeout_ns);
		if (fd < 0 && errno == EINTR)
			break;
	}
	return fd;
}
