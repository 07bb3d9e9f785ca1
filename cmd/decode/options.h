/* SPDX-License-Identifier: MIT */
/* The options of bluenet-decode; see bluenet-decode(1). */
#ifndef DECODE_OPTIONS_H
#define DECODE_OPTIONS_H

#include "cmd/capture/capture.h"
#include "cmd/common/options.h"
#include "cmd/decode/window.h"
#include "cmd/stats/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DECODE_LIST_MAX 16 /* each of -z, --keys and --keylog */

enum option_output {
	OUTPUT_TEXT = 0,
	OUTPUT_JSON,
	OUTPUT_FIELDS,
	OUTPUT_CSV,
	OUTPUT_NONE,
};

enum option_time {
	TIME_OF_DAY = 0,
	TIME_NONE,
	TIME_EPOCH,
	TIME_DELTA,
	TIME_DATE,
	TIME_UTC_CLOCK,
	TIME_UTC_DATE,
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

enum option_follow {
	FOLLOW_NOT = 0,
	FOLLOW_TEXT,
	FOLLOW_HEX,
	FOLLOW_RAW,
};

enum option_occurrence {
	OCCURRENCE_ALL = 0,
	OCCURRENCE_FIRST,
	OCCURRENCE_LAST,
};

/* -E; 0: the default of the format */
struct option_columns {
	bool header;
	char separator, aggregator;
	char quote; /* 'n': never, 0: where it is needed */
	enum option_occurrence occurrence;
};

struct decode_options {
	/* exactly one of the two is set, or list_ifaces; merge: paths */
	const char **paths; /* -r and the files behind it; n_paths */
	char *iface;
	size_t n_paths;
	struct option_texts reads; /* -r */
	bool list_ifaces;
	bool merge; /* the paths are of JSON */
	char *capture_filter; /* -f */
	char *bpf; /* -f and the other operands combined, or NULL */
	char *filter; /* -Y */
	uint64_t count; /* 0: all */
	enum option_output output;
	bool hex, verbose, quiet, line_buffered;
	enum option_payload payload;
	char *strings_path; /* --strings */
	char *write_path;
	char *user; /* -Z */
	enum option_time time;
	bool time_given;
	struct option_texts fields; /* -e */
	struct option_columns columns;
	enum option_follow follow;
	uint64_t follow_stream;
	char *export_path;
	bool export_streams;
	uint64_t export_max;
	struct window window;
	enum option_when color, progress;
	uint32_t snaplen;
	struct option_texts stats, keys, keylogs;
	struct option_ports ports;
	struct cap_settings cap;
};

extern const struct option_program decode_program;

/*
 * Fills *opt, which may refer to argv; release it with decode_options_free(). Exits after --help,
 * --version, and the lists of "-z help" and "-Y help", and on bad usage.
 */
void decode_options_parse(struct decode_options *opt, int argc, char **argv);
void decode_options_free(struct decode_options *opt);

/* How statistics are printed. */
static inline enum table_format
option_tables(const struct decode_options *opt)
{
	if (opt->output == OUTPUT_JSON)
		return TABLE_AS_JSON;
	return opt->output == OUTPUT_CSV ? TABLE_AS_CSV : TABLE_AS_TEXT;
}

#endif
