/* SPDX-License-Identifier: MIT */
/*
 * follow - the formats of --follow: the payloads of one stream, in order, with
 * the direction of each. Owns nothing; called by main.c through the table.
 */
#ifndef DECODE_FOLLOW_H
#define DECODE_FOLLOW_H

#include "cmd/decode/output.h"

extern const struct output_format output_follow;

#endif
