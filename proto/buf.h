/* SPDX-License-Identifier: MIT */
/*
 * bnet_buf - growable bytes with a fixed ceiling.
 *
 *	[ consumed | used ............ | free ]
 *	p          p+at                p+at+len    p+cap
 *
 * Appending at the tail, consuming at the head. A buffer that is not in use
 * holds no memory: bnet_buf_free() gives it back and keeps the ceiling.
 */
#ifndef BNET_BUF_H
#define BNET_BUF_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Borrowed bytes: valid as long as the function that gave them says. */
struct bnet_slice {
	const uint8_t *p; /* may be NULL when len is 0 */
	size_t len;
};

struct bnet_buf {
	uint8_t *p;
	size_t at; /* bytes consumed at the head */
	size_t len; /* bytes in use, from at */
	size_t cap; /* bytes allocated */
	size_t max; /* ceiling for len */
};

/* An empty buffer that never holds more than `max_bytes`. Allocates nothing. */
void bnet_buf_init(struct bnet_buf *buf, size_t max_bytes);

/* Give the memory back; the buffer stays usable, with its ceiling. */
void bnet_buf_free(struct bnet_buf *buf);

/* Forget the contents, keep the memory. */
void bnet_buf_clear(struct bnet_buf *buf);

/*
 * Make room for `n` more bytes at the tail and point *tail at it; bytes
 * written there count only after bnet_buf_added().
 *	BNET_OK		*tail has room for n bytes (never NULL, even for 0)
 *	BNET_ELIMIT	the ceiling would be passed; nothing changed
 *	BNET_ENOMEM	nothing changed
 */
BNET_MUST enum bnet_err
bnet_buf_room(struct bnet_buf *buf, size_t n, uint8_t **tail);

/*
 * The number of bytes that are allocated once there is room for `n` more, so
 * that a caller can account for them in advance.
 */
size_t bnet_buf_cap_for(const struct bnet_buf *buf, size_t n);

/* Count `n` bytes written at the tail that bnet_buf_room() gave. */
void bnet_buf_added(struct bnet_buf *buf, size_t n);

/* Append a copy of `in`. Returns as bnet_buf_room(). */
BNET_MUST enum bnet_err
bnet_buf_append(struct bnet_buf *buf, struct bnet_slice in);

/* Append `n` zero bytes. Returns as bnet_buf_room(). */
BNET_MUST enum bnet_err bnet_buf_append_zeros(struct bnet_buf *buf, size_t n);

/* Drop `n` bytes from the head; n is at most len. */
void bnet_buf_consume(struct bnet_buf *buf, size_t n);

/* The contents, borrowed until the next change of the buffer. */
static inline struct bnet_slice
bnet_buf_slice(const struct bnet_buf *buf)
{
	struct bnet_slice s = { buf->len == 0 ? NULL : buf->p + buf->at,
		buf->len };

	return s;
}

/* `in` without its first `n` bytes; n is at most in.len. */
static inline struct bnet_slice
bnet_slice_from(struct bnet_slice in, size_t n)
{
	struct bnet_slice s = { in.len == n ? NULL : in.p + n, in.len - n };

	return s;
}

#ifdef __cplusplus
}
#endif

#endif
