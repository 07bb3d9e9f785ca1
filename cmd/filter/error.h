/* SPDX-License-Identifier: MIT */
/*
 * error - what is wrong with an expression of -Y, and where, as text with a
 * caret. Owns nothing; lex.c sets the errors, the programs print them.
 */
#ifndef FILTER_ERROR_H
#define FILTER_ERROR_H

#include <stddef.h>
#include <stdio.h>
#include <wchar.h>

#define FILTER_TEXT_MAX_BYTES 65536
#define FILTER_ERROR_CHARS 256
#define FILTER_REPORT_CHARS 1024 /* fits any filter_error_format() */

struct filter_error {
	size_t column; /* in characters of LC_CTYPE, from 1; 0: out of memory */
	size_t at_bytes; /* the same position in bytes, from 0 */
	char text[FILTER_ERROR_CHARS]; /* what is wrong, and expected */
};

/*
 * Formats three lines: the error, the expression (part of a long one), and a
 * caret below the column. Truncates to fit; NUL-terminated if size > 0. Returns
 * the full length, below FILTER_REPORT_CHARS.
 */
size_t filter_error_format(
    char *buf, size_t size, const char *text, const struct filter_error *err);

/* Prints the same to `f`. */
void
filter_error_print(FILE *f, const char *text, const struct filter_error *err);

/*
 * Reads one character in the encoding of the locale; returns its bytes. Invalid
 * bytes, and those that a terminal would interpret, become '?', one by one.
 */
size_t error_next_char(const char *s, size_t len, wchar_t *c);

/* The number of characters in `len` bytes. */
size_t error_count_chars(const char *s, size_t len);

#endif
