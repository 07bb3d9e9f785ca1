/* SPDX-License-Identifier: MIT */
/*
 * text - the format -o text: a line a frame, with -v every field on its own.
 * Owns nothing; called by main.c through the table.
 */
#ifndef DECODE_TEXT_H
#define DECODE_TEXT_H

#include "cmd/decode/output.h"

extern const struct output_format output_text;

#endif
