/* SPDX-License-Identifier: MIT */
/*
 * text - the format -o text: one line per frame; with -v each field on its own
 * line. Owns nothing; called by main.c through the table.
 */
#ifndef DECODE_TEXT_H
#define DECODE_TEXT_H

#include "cmd/decode/output.h"

extern const struct output_format output_text;

#endif
