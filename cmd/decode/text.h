/* SPDX-License-Identifier: MIT */
/*
 * text - the format -o text: one line per frame; with -v each field on its own
 * line. Owns nothing; called by main.c through the table, and by follow.c.
 */
#ifndef DECODE_TEXT_H
#define DECODE_TEXT_H

#include "cmd/decode/output.h"

extern const struct output_format output_text;

/*
 * Writes bytes in hexadecimal and ASCII, 16 on a line; each line begins with
 * `margin`.
 */
void text_dump(struct outbuf *out, const char *margin, struct bnet_slice bytes);

#endif
