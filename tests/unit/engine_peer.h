/* SPDX-License-Identifier: MIT */
/*
 * Foreign peers of an engine: plain blocking sockets of the test's own
 * thread, which put their frames together by hand.
 */
#ifndef UNIT_ENGINE_PEER_H
#define UNIT_ENGINE_PEER_H

#include "cmd/common/address.h"
#include "proto/frame.h"
#include "tests/unit/unit.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define WAIT_S 60 /* for what has to happen; nobody waits that long */

/* With `buffer_bytes` != 0 the socket takes no more than about so many. */
static inline int
peer_connect_to(const struct address *at, int buffer_bytes)
{
	struct timeval wait = { .tv_sec = WAIT_S };
	int fd = socket(at->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	if (buffer_bytes != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes,
		    sizeof(buffer_bytes));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	ck_assert_int_eq(
	    connect(fd, (const struct sockaddr *)&at->sa, at->len_bytes), 0);
	return fd;
}

static inline void
peer_write(int fd, const void *p, size_t n)
{
	const uint8_t *from = p;

	while (n > 0) {
		ssize_t done = send(fd, from, n, MSG_NOSIGNAL);

		ck_assert_msg(done > 0, "write: %zu left", n);
		from += done;
		n -= (size_t)done;
	}
}

/* Exactly n bytes; false at the end of file, or a reset, before the first. */
static inline bool
peer_read(int fd, void *p, size_t n)
{
	uint8_t *to = p;
	size_t got = 0;

	while (got < n) {
		ssize_t done = recv(fd, to + got, n - got, 0);

		if (done <= 0 && got == 0)
			return false;
		if (done <= 0)
			ck_abort_msg("%zu bytes of %zu, then the end", got, n);
		got += (size_t)done;
	}
	return true;
}

/* A frame with a payload only, in either order. */
static inline void
peer_send(int fd, enum bnet_order order, const void *payload, size_t n)
{
	uint8_t *frame = malloc(n + BNET_FRAME_WORD_BYTES);

	ck_assert_ptr_nonnull(frame);
	bnet_order_put_u32(order, frame, (uint32_t)n);
	if (n > 0)
		memcpy(frame + BNET_FRAME_WORD_BYTES, payload, n);
	peer_write(fd, frame, n + BNET_FRAME_WORD_BYTES);
	free(frame);
}

static inline void
peer_send_u32(int fd, uint32_t v)
{
	peer_send(fd, BNET_ORDER_LITTLE, &v, sizeof(v));
}

/* The payload of the next such frame: how long; SIZE_MAX at the end. */
static inline size_t
peer_take(int fd, enum bnet_order order, void *payload, size_t max_bytes)
{
	uint8_t word[BNET_FRAME_WORD_BYTES];
	uint32_t n;

	if (!peer_read(fd, word, sizeof(word)))
		return SIZE_MAX;
	n = bnet_order_get_u32(order, word);
	ck_assert_uint_le(n, max_bytes);
	if (n > 0)
		ck_assert(peer_read(fd, payload, n));
	return n;
}

static inline void
peer_expect_u32(int fd, uint32_t want)
{
	uint32_t got = ~want;

	if (peer_take(fd, BNET_ORDER_LITTLE, &got, sizeof(got)) !=
		sizeof(got) ||
	    got != want)
		ck_abort_msg("packet %u, not %u", got, want);
}

static inline void
peer_expect_end(int fd)
{
	uint8_t byte;

	ck_assert(!peer_read(fd, &byte, 1));
}

#endif
