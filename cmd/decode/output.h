/* SPDX-License-Identifier: MIT */
/*
 * output - the output formats: a table of functions for each. Contains what the
 * formats share; text.c and json.c build on it, and main.c selects one.
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
	size_t width; /* characters of a line */
	char time[64]; /* formatted time; its cached part up to the second */
	size_t time_chars, second_chars; /* belongs to `second` */
	int64_t second;
	int64_t previous_ns; /* -ttt */
	bool followed; /* --follow has shown the ends of its stream */
	const struct columns *columns; /* of -o fields and csv, or NULL */
};

struct output_format {
	/* Writes one record: a frame or another event, in whole lines. */
	void (*record)(struct output *output, const struct record *record);
};

/* Formats the event's time as selected with -t into output->time. */
void output_time(struct output *output, int64_t time_ns, int64_t clock_ns);

/* The same for JSON: "seconds.nanoseconds". */
void output_epoch(struct output *output, int64_t time_ns);

/* "client", "node", ... for a bnet_role; NULL: no name. */
const char *output_role(uint32_t role);

/* "node", "client", ... of a dest_type; NULL: no name. */
const char *output_dest_name(int64_t dest_type);

/* The name of a cap_event_type; static. */
const char *output_event_name(enum cap_event_type type);

#endif
