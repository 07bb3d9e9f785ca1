/* SPDX-License-Identifier: MIT */
#include "cmd/common/json.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Length of the UTF-8 character at `p` (RFC 3629); 0 if invalid. */
static size_t
utf8_bytes(const unsigned char *p, size_t n)
{
	static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = p[0] < 0x80    ? 1
	    : (p[0] & 0xe0) == 0xc0 ? 2
	    : (p[0] & 0xf0) == 0xe0 ? 3
	    : (p[0] & 0xf8) == 0xf0 ? 4
				    : 0;
	uint32_t v;

	if (len <= 1 || len > n)
		return len <= n ? len : 0;
	v = p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (p[i] & 0x3f);
	}
	if (v < lowest[len] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		return 0;
	return len;
}

static size_t
escape(unsigned char c, char text[JSON_CHAR_BYTES])
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *at = c == 0 ? NULL : strchr(from, c);

	if (at == NULL)
		return (size_t)snprintf(text, JSON_CHAR_BYTES, "\\u%04x", c);
	text[0] = '\\';
	text[1] = to[at - from];
	return 2;
}

size_t
json_char(
    const char *s, size_t n, char text[JSON_CHAR_BYTES], size_t *text_bytes)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t len = utf8_bytes(p, n);

	*text_bytes = len;
	if (len == 0) {
		*text_bytes = 6;
		memcpy(text, "\\ufffd", 6);
		return 1;
	}
	if (p[0] < 0x20 || p[0] == '"' || p[0] == '\\' || p[0] == 0x7f)
		*text_bytes = escape(p[0], text);
	else if (p[0] == 0xc2 && p[1] < 0xa0) /* C1 */
		*text_bytes = escape(p[1], text);
	else
		memcpy(text, p, len);
	return len;
}

/* ---- a page in memory ---- */

void
text_init(struct text *text, size_t max_bytes)
{
	text->failed = false;
	bnet_buf_init(&text->buf, max_bytes);
}

void
text_free(struct text *text)
{
	bnet_buf_free(&text->buf);
}

void
text_bytes(struct text *text, const char *p, size_t n)
{
	const struct bnet_slice in = { (const uint8_t *)p, n };

	if (!text->failed && bnet_buf_append(&text->buf, in) != BNET_OK)
		text->failed = true;
}

void
text_str(struct text *text, const char *s)
{
	text_bytes(text, s, strlen(s));
}

/* Formats `n` characters, counted before, and a NUL that is not kept. */
static void
print(struct text *text, size_t n, const char *fmt, va_list args)
{
	uint8_t *tail;

	if (bnet_buf_room(&text->buf, n + 1, &tail) != BNET_OK) {
		text->failed = true;
		return;
	}
	(void)vsnprintf((char *)tail, n + 1, fmt, args);
	bnet_buf_added(&text->buf, n);
}

void
text_printf(struct text *text, const char *fmt, ...)
{
	va_list args;
	int n;

	if (text->failed)
		return;
	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0) {
		text->failed = true;
		return;
	}
	va_start(args, fmt);
	print(text, (size_t)n, fmt, args);
	va_end(args);
}

void
text_json(struct text *text, const char *s)
{
	char one[JSON_CHAR_BYTES];
	size_t left, used, n;

	if (s == NULL) {
		text_str(text, "null");
		return;
	}
	text_str(text, "\"");
	for (left = strlen(s); left > 0; left -= used, s += used) {
		used = json_char(s, left, one, &n);
		text_bytes(text, one, n);
	}
	text_str(text, "\"");
}
