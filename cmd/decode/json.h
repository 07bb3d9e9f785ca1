/* SPDX-License-Identifier: MIT */
/*
 * json - the format -o json: one object per line. The hot path of the decoder.
 * Also writes the fields of session messages for -v of the text format. Owns
 * nothing; called by main.c through the table, and by text.c.
 */
#ifndef DECODE_JSON_H
#define DECODE_JSON_H

#include "cmd/decode/output.h"

extern const struct output_format output_json;

/* Writes every field of a session message on its own line, for -v. */
void verbose_message(struct outbuf *out, const struct bnet_message *message);

#endif
