/* SPDX-License-Identifier: MIT */
/* When the kernel got the bytes that a read takes. */
#include "cmd/engine/engine_impl.h"

#include <string.h>
#include <time.h>

/*
 * The kernel stamps with the clock that can be set. If it was, between one
 * read and the next, the two clocks went apart by more than slewing does.
 */
#define STEP_NS INT64_C(1000000)

static int64_t
ns_of(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec;
}

void
rx_time_enable(int fd)
{
	int on = 1;

	/* without it engine_conn_rx_ns() is 0, which says so */
	(void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
}

/* On the clock of CLOCK_MONOTONIC; 0: not to be trusted. */
static int64_t
to_monotonic(struct engine_conn *conn, const struct timespec *stamp)
{
	struct timespec unix_now;
	int64_t now_ns, ahead_ns, before_ns = conn->unix_ahead_ns, age_ns;

	clock_gettime(CLOCK_REALTIME, &unix_now);
	now_ns = worker_clock_ns();
	ahead_ns = ns_of(&unix_now) - now_ns;
	age_ns = ns_of(&unix_now) - ns_of(stamp);
	conn->unix_ahead_ns = ahead_ns;
	if (age_ns < 0 || before_ns == 0 || ahead_ns > before_ns + STEP_NS ||
	    ahead_ns < before_ns - STEP_NS)
		return 0;
	return now_ns - age_ns;
}

/* As recv(), and sets conn->rx_ns. */
ssize_t
rx_time_recv(struct engine_conn *conn, void *buf, size_t n)
{
	_Alignas(
	    struct cmsghdr) char control[CMSG_SPACE(sizeof(struct timespec))];
	struct iovec iov = { .iov_base = buf, .iov_len = n };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(conn->fd, &msg, 0);
	struct timespec stamp;

	conn->rx_ns = 0;
	if (got <= 0)
		return got;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL;
	     c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET ||
		    c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&stamp, CMSG_DATA(c), sizeof(stamp));
		conn->rx_ns = to_monotonic(conn, &stamp);
	}
	return got;
}

int64_t
engine_conn_rx_ns(const struct engine_conn *conn)
{
	return conn->rx_ns;
}
