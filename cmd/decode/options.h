/* SPDX-License-Identifier: MIT */
/* What bluenet-decode was asked to do; see bluenet-decode(1). */
#ifndef DECODE_OPTIONS_H
#define DECODE_OPTIONS_H

#include "cmd/capture/capture.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTIONS_LIST_MAX 16 /* of -z, --keys, --keylog each */

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

struct option_list {
	const char *item[OPTIONS_LIST_MAX];
	size_t n;
};

struct options {
	const char *read_path; /* exactly one of these two is set, or list */
	const char *iface;
	bool list_ifaces;
	char *bpf; /* -f and the words behind, or NULL */
	const char *filter; /* -Y */
	uint64_t count; /* 0: all */
	enum option_output output;
	bool hex, verbose, quiet, line_buffered, payload_hex;
	const char *write_path;
	const char *user; /* -Z */
	enum option_time time;
	enum option_when color, progress;
	int snaplen;
	struct option_list stats, keys, keylogs;
	struct cap_settings cap;
};

/*
 * Parse argv; everything in *opt but bpf borrows from it. Ends the program
 * itself on --help, --version and bad usage.
 */
void decode_options_parse(struct options *opt, int argc, char **argv);

#endif
