/* SPDX-License-Identifier: MIT */
/*
 * When the kernel received bytes, as a time of our own clock.
 */
#include "cmd/engine/rx_time.h"

#include "cmd/common/clock.h"

#include <string.h>
#include <sys/socket.h>
#include <time.h>

/*
 * The kernel stamps with the clock that can be set. If it was set between two
 * reads, the two clocks moved apart by more than slewing does.
 */
#define CLOCK_STEP_NS INT64_C(1000000)

void
rx_time_enable(int fd)
{
	int on = 1;

	/* where this fails, engine_conn_rx_ns() is 0 */
	(void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
}

/* `stamp` as a time of CLOCK_MONOTONIC; 0: it cannot be trusted. */
static int64_t
to_monotonic(struct engine_conn *conn, const struct timespec *stamp)
{
	int64_t unix_ns = clock_unix_ns(), now_ns = clock_now_ns();
	int64_t ahead_ns = unix_ns - now_ns, before_ns = conn->unix_ahead_ns;
	int64_t age_ns =
	    unix_ns - stamp->tv_sec * INT64_C(1000000000) - stamp->tv_nsec;

	conn->unix_ahead_ns = ahead_ns;
	if (age_ns < 0 || before_ns == 0 ||
	    ahead_ns > before_ns + CLOCK_STEP_NS ||
	    ahead_ns < before_ns - CLOCK_STEP_NS)
		return 0;
	return now_ns - age_ns;
}

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
