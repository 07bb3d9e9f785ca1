/* SPDX-License-Identifier: MIT */
/*
 * object_text - what a payload says, for people: in one line that is cut to a
 * width, or whole and indented. Called by text.c.
 */
#ifndef DECODE_OBJECT_TEXT_H
#define DECODE_OBJECT_TEXT_H

#include "cmd/common/outbuf.h"
#include "cmd/common/payload.h"

/* In at most about `width` characters; nothing for PAYLOAD_OTHER. */
void
payload_line(struct outbuf *out, const struct payload *payload, size_t width);

/* The object in lines, each value indented below its container. */
void payload_lines(struct outbuf *out, const struct payload *payload);

#endif
