/* SPDX-License-Identifier: MIT */
/*
 * output - how events are shown: one table of functions a format. Here is what
 * the formats share; text.c and json.c are built on it, and main.c chooses.
 */
#ifndef DECODE_OUTPUT_H
#define DECODE_OUTPUT_H

#include "cmd/common/outbuf.h"
#include "cmd/decode/options.h"
#include "cmd/filter/record.h"

struct output {
	const struct output_format *format;
	struct outbuf *out;
	const struct decode_options *opt;
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

/* The text of the event's time as asked for with -t, into output->time. */
void output_time(struct output *output, int64_t time_ns);

/* The same as JSON has it: "seconds.nanoseconds". */
void output_epoch(struct output *output, int64_t time_ns);

/* "client", "node", ... of a bnet_role; "role N" has no name: NULL. */
const char *output_role(uint32_t role);

/* Names of cap_event_type; static. */
const char *output_event_name(enum cap_event_type type);

#endif
