/* SPDX-License-Identifier: MIT */
/*
 * output - how events are shown: one table of functions a format.
 */
#ifndef DECODE_OUTPUT_H
#define DECODE_OUTPUT_H

#include "cmd/common/outbuf.h"
#include "cmd/decode/options.h"
#include "cmd/filter/record.h"

struct output {
	const struct output_format *format;
	struct outbuf *out;
	const struct options *opt;
	bool color;
	char time[64]; /* the text of a time; its part up to the second */
	size_t time_chars, second_chars; /* is that of `second` */
	int64_t second;
	int64_t previous_ns; /* -ttt */
};

struct output_format {
	/* One record: a frame or something else, whole lines. */
	void (*record)(struct output *output, const struct record *record);
};

extern const struct output_format output_text;
extern const struct output_format output_json;

/* The text of the event's time as asked for with -t, into output->time. */
void output_time(struct output *output, int64_t time_ns);

/* The same as JSON has it: "seconds.nanoseconds". */
void output_epoch(struct output *output, int64_t time_ns);

/* "client", "node", ... of a bnet_role; "role N" has no name: NULL. */
const char *output_role(uint32_t role);

/* Names of cap_event_type; static. */
const char *output_event_name(enum cap_event_type type);

/* text_message.c: a session message in words. */
void text_message(struct outbuf *out, const struct bnet_message *message);

/* message_fields.c: as an object; and every field on its own line. */
void json_message(struct outbuf *out, const struct bnet_message *message);
void verbose_message(struct outbuf *out, const struct bnet_message *message);

#endif
