/* SPDX-License-Identifier: MIT */
#include "cmd/common/json.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Length of the UTF-8 character at `p` (RFC 3629), 0 if it is none. */
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
