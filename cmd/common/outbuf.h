/* SPDX-License-Identifier: MIT */
/*
 * outbuf - builds lines quickly and writes them in large pieces.
 *
 * The decoder's hot path: numbers, strings and JSON strings go straight into
 * one buffer. Write errors stick; check once.
 */
#ifndef COMMON_OUTBUF_H
#define COMMON_OUTBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define OUTBUF_BYTES (256 * 1024)
#define OUTBUF_SPARE 4096 /* always free between calls of out_line() */

struct outbuf {
	int fd;
	int error; /* errno of the first failed write; 0 */
	bool each_line; /* write after every line */
	size_t n;
	char p[OUTBUF_BYTES + OUTBUF_SPARE];
};

void out_init(struct outbuf *out, int fd, bool each_line);
void out_flush(struct outbuf *out);

/* Ends a line; writes when enough has accumulated. */
void out_line(struct outbuf *out);

/* Appends bytes of any length. */
void out_bytes(struct outbuf *out, const void *p, size_t n);
void out_str(struct outbuf *out, const char *s);

/* Two lower-case digits per byte. */
void out_hex(struct outbuf *out, const uint8_t *p, size_t n);

/* "...", escaped for JSON; bytes that are not UTF-8 become U+FFFD. */
void out_json(struct outbuf *out, const char *s, size_t n);

/* Printable ASCII unchanged; the rest, quotes and backslash as \xNN. */
void out_safe(struct outbuf *out, const char *s, size_t n);

/* Decimal, at most 20 characters. */
void out_u64(struct outbuf *out, uint64_t v);
void out_i64(struct outbuf *out, int64_t v);

/*
 * A JSON number that reads back as `v`, as short as it gets, with a point or an
 * exponent; "nan", "inf" and "-inf" are strings.
 */
void out_f64(struct outbuf *out, double v);

void out_printf(struct outbuf *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A literal; the compiler knows its length. */
#define OUT_LIT(out, s) out_short((out), (s), sizeof(s) - 1)

/* Few bytes (below OUTBUF_SPARE / 4): no check for room. */
static inline void
out_short(struct outbuf *out, const char *s, size_t n)
{
	memcpy(out->p + out->n, s, n);
	out->n += n;
	if (out->n > OUTBUF_BYTES)
		out_flush(out);
}

#endif
