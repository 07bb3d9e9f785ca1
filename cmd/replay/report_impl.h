/* SPDX-License-Identifier: MIT */
/* What the files of report and page share, and nobody else. */
#ifndef REPLAY_REPORT_IMPL_H
#define REPLAY_REPORT_IMPL_H

#include "cmd/replay/report/report.h"

#include <stddef.h>

#define REPORT_NS_PER_S INT64_C(1000000000)
#define REPORT_NUMBER_CHARS 32
#define REPORT_NAME_CHARS 32 /* of a key, as tables show it */
#define REPORT_KEYS_SHOWN 20

/* "1,234,567". Each of these returns `text`. */
const char *report_number(char text[REPORT_NUMBER_CHARS], uint64_t v);
/* "1.23 GB" */
const char *report_bytes(char text[REPORT_NUMBER_CHARS], uint64_t v_bytes);
/* "41.2 ms", three digits */
const char *report_time(char text[REPORT_NUMBER_CHARS], int64_t v_ns);
/* "00:01:12", of a time since the start */
const char *report_clock(char text[REPORT_NUMBER_CHARS], int64_t at_ns);
/* "2026-11-25 07:13:40 UTC" */
const char *report_date(char text[REPORT_NUMBER_CHARS], int64_t unix_ns);

/* Its name, or 0x12345678, cut where it is too long. "no key" for 0. */
const char *report_key_name(
    const struct keys *keys, int32_t key, char text[REPORT_NAME_CHARS]);

/* When it was over: the end of length_ns, or the last thing that happened. */
int64_t report_end_ns(const struct report *report);

/*
 * How long what began at start_ns took, of width_ns at most: the last one may
 * be cut. 0 where what is left is too little to tell a rate from.
 */
int64_t report_covered_ns(
    const struct report *report, int64_t start_ns, int64_t width_ns);

/*
 * Buckets i .. i + n - 1 in one: to be freed with results_row_free(). False:
 * out of memory.
 */
bool report_sum_buckets(
    const struct report *report, size_t i, size_t n, struct results_row *sum);

/*
 * The keys with the most frames, at most REPORT_KEYS_SHOWN; in `rest` the sum
 * of all others, and in *n_rest how many these are. To be freed with
 * report_keys_free().
 */
struct report_keys {
	const struct results_key *top[REPORT_KEYS_SHOWN];
	size_t n;
	struct results_row rest;
	size_t n_rest; /* without those of results_others() */
	bool has_rest;
};

bool report_keys_make(struct report_keys *top, const struct report *report);
void report_keys_free(struct report_keys *top);

/* Is it one of those that are added up? */
bool report_has_shard(const struct report *report, uint32_t shard);

/* The names of counts and runs in JSON; by enum results_count. */
extern const char *const report_count_names[RESULTS_N_COUNTS];

/* The numbers of a row in JSON, and where they are. */
struct report_member {
	const char *name;
	size_t offset; /* of a uint64_t in struct results_row */
};
#define REPORT_ROW_MEMBERS 8
extern const struct report_member report_row_members[REPORT_ROW_MEMBERS];

/*
 * A file to be written, and its end: false, and what there is of it is
 * removed, where something went wrong. NULL: err.
 */
FILE *report_create(const char *path, char err[CLI_ERR_CHARS]);
bool
report_close(FILE *file, bool ok, const char *path, char err[CLI_ERR_CHARS]);

#endif
