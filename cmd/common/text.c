/* SPDX-License-Identifier: MIT */
#include "cmd/common/text.h"

#include "cmd/common/json.h"

#include <stdio.h>
#include <string.h>

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

/* `n` characters, as they were counted, and the NUL that is not kept. */
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
