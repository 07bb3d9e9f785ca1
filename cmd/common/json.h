/* SPDX-License-Identifier: MIT */
/* How a character stands in a JSON string, for all who write JSON. */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

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

#endif
