/* SPDX-License-Identifier: MIT */
#include "buf.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BUF_MIN_BYTES 256
/* Longer buffers grow by a quarter, in pages: half of them is not left empty. */
#define BUF_LONG_BYTES ((size_t)64 << 10)
#define BUF_PAGE_BYTES ((size_t)4 << 10)

void
bnet_buf_init(struct bnet_buf *buf, size_t max_bytes)
{
	*buf = (struct bnet_buf){ .max = max_bytes };
}

void
bnet_buf_free(struct bnet_buf *buf)
{
	free(buf->p);
	bnet_buf_init(buf, buf->max);
}

void
bnet_buf_clear(struct bnet_buf *buf)
{
	buf->at = 0;
	buf->len = 0;
}

/*
 * Find room for `n` more bytes at the tail, or move the contents to the front.
 * Move only if that frees at least as much as it moves, so that a long queue
 * that is consumed in small steps does not move each time. At the ceiling,
 * moving is the only way.
 */
static bool
fits(const struct bnet_buf *buf, size_t n)
{
	if (buf->p == NULL || buf->cap < buf->len + n)
		return false;
	return buf->cap - buf->at - buf->len >= n || buf->at >= buf->len ||
	    buf->cap >= buf->max;
}

static size_t
next_cap(size_t cap)
{
	if (cap > SIZE_MAX / 2)
		return SIZE_MAX;
	if (cap < BUF_LONG_BYTES)
		return cap * 2;
	return cap +
	    (cap / 4 + BUF_PAGE_BYTES - 1) / BUF_PAGE_BYTES * BUF_PAGE_BYTES;
}

size_t
bnet_buf_cap_for(const struct bnet_buf *buf, size_t n)
{
	size_t cap = buf->cap < BUF_MIN_BYTES ? BUF_MIN_BYTES : buf->cap;
	size_t need = buf->len + n;

	if (fits(buf, n))
		return buf->cap;
	if (buf->p != NULL && buf->cap >= need)
		cap = next_cap(cap);
	while (cap < need)
		cap = next_cap(cap);
	/* do not allocate far beyond a ceiling that is close */
	if (cap > buf->max && need <= buf->max && buf->max > BUF_MIN_BYTES)
		cap = buf->max;
	return cap;
}

/* realloc() moves the pages of a long buffer instead of copying them. */
static uint8_t *
bigger(struct bnet_buf *buf, size_t cap)
{
	uint8_t *p;

	if (buf->at == 0 && buf->cap >= BUF_LONG_BYTES)
		return realloc(buf->p, cap);
	p = malloc(cap);
	if (p == NULL)
		return NULL;
	if (buf->len > 0)
		memcpy(p, buf->p + buf->at, buf->len);
	free(buf->p);
	return p;
}

static enum bnet_err
grow(struct bnet_buf *buf, size_t n)
{
	size_t cap = bnet_buf_cap_for(buf, n);
	uint8_t *p = bigger(buf, cap);

	if (p == NULL)
		return BNET_ENOMEM;
	buf->p = p;
	buf->at = 0;
	buf->cap = cap;
	return BNET_OK;
}

enum bnet_err
bnet_buf_room(struct bnet_buf *buf, size_t n, uint8_t **tail)
{
	enum bnet_err err;

	if (n > buf->max || buf->len > buf->max - n)
		return BNET_ELIMIT;
	if (!fits(buf, n)) {
		err = grow(buf, n);
		if (err != BNET_OK)
			return err;
	} else if (buf->cap - buf->at - buf->len < n) {
		memmove(buf->p, buf->p + buf->at, buf->len);
		buf->at = 0;
	}
	*tail = buf->p + buf->at + buf->len;
	return BNET_OK;
}

void
bnet_buf_added(struct bnet_buf *buf, size_t n)
{
	buf->len += n;
}

enum bnet_err
bnet_buf_append(struct bnet_buf *buf, struct bnet_slice in)
{
	uint8_t *tail;
	enum bnet_err err;

	if (in.len == 0)
		return BNET_OK;
	err = bnet_buf_room(buf, in.len, &tail);
	if (err != BNET_OK)
		return err;
	memcpy(tail, in.p, in.len);
	buf->len += in.len;
	return BNET_OK;
}

enum bnet_err
bnet_buf_append_zeros(struct bnet_buf *buf, size_t n)
{
	uint8_t *tail;
	enum bnet_err err;

	if (n == 0)
		return BNET_OK;
	err = bnet_buf_room(buf, n, &tail);
	if (err != BNET_OK)
		return err;
	memset(tail, 0, n);
	bnet_buf_added(buf, n);
	return BNET_OK;
}

void
bnet_buf_consume(struct bnet_buf *buf, size_t n)
{
	buf->at += n;
	buf->len -= n;
	if (buf->len == 0)
		buf->at = 0;
}
