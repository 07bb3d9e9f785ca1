/* SPDX-License-Identifier: MIT */
/*
 * json - JSON written directly, where a tree in memory would be too large or
 * too slow: escapes characters, and builds a page in memory with a size limit.
 * Used by everything that writes JSON records or pages.
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include "proto/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define JSON_CHAR_BYTES 8 /* maximum size of an escaped character */

/*
 * Escapes the first character of the `n` bytes at `s`, n > 0, for a JSON
 * string. Also escapes what a terminal would interpret (DEL, C1); each byte
 * that is not UTF-8 (RFC 3629) becomes U+FFFD. Returns the number of bytes read
 * from `s`; *text_bytes is the length of `text`.
 */
size_t json_char(
    const char *s, size_t n, char text[JSON_CHAR_BYTES], size_t *text_bytes);

/* ---- a page in memory ---- */

/*
 * Errors stick: after something did not fit, or memory ran out, nothing more is
 * added and text_ok() is false. Check once, at the end.
 */
struct text {
	struct bnet_buf buf;
	bool failed;
};

/* Starts empty; limited to max_bytes. Allocates nothing. */
void text_init(struct text *text, size_t max_bytes);
void text_free(struct text *text);

static inline bool
text_ok(const struct text *text)
{
	return !text->failed;
}

/* The contents; borrowed until the next change. */
static inline struct bnet_slice
text_slice(const struct text *text)
{
	return bnet_buf_slice(&text->buf);
}

void text_bytes(struct text *text, const char *p, size_t n);
void text_str(struct text *text, const char *s);
void text_printf(struct text *text, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds a JSON string with its quotes, escaped by json_char(). NULL: null. */
void text_json(struct text *text, const char *s);

#endif
