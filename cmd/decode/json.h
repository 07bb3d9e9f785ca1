/* SPDX-License-Identifier: MIT */
/*
 * json - the format -o json: an object a line. The hot path of the decoder.
 * Also the fields of session messages, which -v of the text shows as well. Owns
 * nothing; called by main.c through the table, and by text.c.
 */
#ifndef DECODE_JSON_H
#define DECODE_JSON_H

#include "cmd/decode/output.h"

extern const struct output_format output_json;

/* Every field of a session message on its own line, for -v. */
void verbose_message(struct outbuf *out, const struct bnet_message *message);

#endif
