/* SPDX-License-Identifier: MIT */
/* The options of bluenet-decode; see bluenet-decode(1). */
#ifndef DECODE_OPTIONS_H
#define DECODE_OPTIONS_H

#include "cmd/capture/capture.h"
#include "cmd/common/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DECODE_LIST_MAX 16 /* each of -z, --keys and --keylog */

enum option_output {
	OUTPUT_TEXT = 0,
	OUTPUT_JSON,
	OUTPUT_NONE,
};

enum option_time {
	TIME_OF_DAY = 0,
	TIME_NONE,
	TIME_EPOCH,
	TIME_DELTA,
	TIME_DATE,
};

enum option_when {
	WHEN_AUTO = 0,
	WHEN_ALWAYS,
	WHEN_NEVER,
};

enum option_payload {
	SHOW_NONE = 0,
	SHOW_HEX,
	SHOW_OBJECT,
};

struct decode_options {
	char *read_path; /* exactly one of these two is set, or list */
	char *iface;
	bool list_ifaces;
	char *capture_filter; /* -f */
	char *bpf; /* -f and the operands combined, or NULL */
	char *filter; /* -Y */
	uint64_t count; /* 0: all */
	enum option_output output;
	bool hex, verbose, quiet, line_buffered;
	enum option_payload payload;
	char *strings_path; /* --strings */
	char *write_path;
	char *user; /* -Z */
	enum option_time time;
	enum option_when color, progress;
	uint32_t snaplen;
	struct option_texts stats, keys, keylogs;
	struct option_ports ports;
	struct cap_settings cap;
};

extern const struct option_program decode_program;

/*
 * Fills *opt; release it with decode_options_free(). Exits after --help,
 * --version, and the lists of "-z help" and "-Y help", and on bad usage.
 */
void decode_options_parse(struct decode_options *opt, int argc, char **argv);
void decode_options_free(struct decode_options *opt);

#endif
