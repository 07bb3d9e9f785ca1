/* SPDX-License-Identifier: MIT */
/*
 * json - JSON written by hand, for what is too much or too often written for
 * a tree in memory: how a character stands in a string, and a page that is
 * built in memory, with a ceiling. Used by all who write JSON or pages.
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include "proto/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define JSON_CHAR_BYTES 8 /* the most that a character takes */

/*
 * The first character of the `n` bytes at `s`, n > 0, as it stands between
 * the quotes: escaped where JSON wants it, and what a terminal would act on
 * (DEL, C1) too; bytes that are no UTF-8 (RFC 3629) one by one as U+FFFD.
 * Returns how many bytes of `s` it was; *text_bytes is the length of `text`.
 */
size_t json_char(
    const char *s, size_t n, char text[JSON_CHAR_BYTES], size_t *text_bytes);

/* ---- a page in memory ---- */

/*
 * Failing sticks: once something did not fit, or memory ran out, nothing more
 * is added and text_ok() is false. Look once, at the end.
 */
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
