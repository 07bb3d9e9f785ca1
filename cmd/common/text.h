/* SPDX-License-Identifier: MIT */
/*
 * text - a page built in memory, with a ceiling.
 *
 * Failing sticks: once something did not fit, or memory ran out, nothing more
 * is added and text_ok() is false. Look once, at the end.
 */
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include "proto/buf.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct text {
	struct bnet_buf buf;
	bool failed;
};

/* Empty; never more than max_bytes. Allocates nothing. */
void text_init(struct text *text, size_t max_bytes);
void text_free(struct text *text);

static inline bool
text_ok(const struct text *text)
{
	return !text->failed;
}

/* What is in it, borrowed until it is next changed. */
static inline struct bnet_slice
text_slice(const struct text *text)
{
	return bnet_buf_slice(&text->buf);
}

void text_bytes(struct text *text, const char *p, size_t n);
void text_str(struct text *text, const char *s);
void text_printf(struct text *text, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A JSON string, with its quotes; as json_char(). NULL: null. */
void text_json(struct text *text, const char *s);

#endif
