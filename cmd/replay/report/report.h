/* SPDX-License-Identifier: MIT */
/*
 * report - what a run amounts to: the verdict, and what its outputs share
 * (text, JSON, HTML); merging of shards; the HdrHistogram log.
 */
#ifndef REPLAY_REPORT_H
#define REPLAY_REPORT_H

#include "cmd/common/cli.h"
#include "cmd/common/keys.h"
#include "cmd/replay/play/results.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define REPORT_TEXT_CHARS 256
#define REPORT_SHARDS_MAX 131072 /* that can be added up */
#define REPORT_FILE_BYTES_MAX (64 << 20) /* of JSON that is read */

/* A run: what was done, and its results. Texts are NUL-ended. */
struct report {
	struct results results; /* owned */
	char target[REPORT_TEXT_CHARS]; /* as it was given */
	char captures[REPORT_TEXT_CHARS]; /* "hour.pcap", or "3 captures" */
	char how[REPORT_TEXT_CHARS]; /* "--speed 2 --pacing open ..." */
	char environment[REPORT_TEXT_CHARS]; /* of the welcome, or "" */
	int64_t start_ns; /* unix: the first one was due */
	int64_t length_ns; /* from then to the end */
	int64_t max_late_ns; /* --max-lateness */
	uint32_t n_shards; /* added up here; 1 of one run */
	uint32_t shard, of_shards; /* --shard I/N, the first one; 0 of 1 */
	/* which ones are added up, a bit each; unused where n_shards is 1 */
	uint64_t has_shard[REPORT_SHARDS_MAX / 64];
	uint64_t sessions; /* planned */
	bool scheduled; /* false: --asap, without lateness */
	bool interrupted;
	/* --diff: frames compared, and differences by kind; 0 without it */
	bool diffed;
	uint64_t compared, differences;
};

enum verdict {
	VERDICT_VALID = 0, /* the injector kept up */
	VERDICT_LATE, /* it did not: the run is invalid */
	VERDICT_NOTHING, /* nothing was sent */
};

/*
 * The injector kept up if at most one send in a hundred (not counting those
 * that the peer held) was later than max_late_ns: report_late() x 100 <= all.
 * Without a schedule (--asap) it always did, if anything was sent.
 */
enum verdict report_verdict(const struct report *report);

/*
 * Sends that were later than max_late_ns: those above its slot of the
 * histogram, so up to 0.1 % more than max_late_ns is not late yet.
 */
uint64_t report_late(const struct report *report);

/* The verdict alone, one line without a newline: "valid: ..." */
void
report_verdict_line(const struct report *report, char *line, size_t line_chars);

/*
 * What the cluster did not keep up with, one line without a newline: frames
 * held, requests without an answer, errors, sessions cut, growing latency.
 * False, and the line is empty: none of these.
 */
bool
report_cluster_line(const struct report *report, char *line, size_t line_chars);

void report_free(struct report *report); /* NULL is allowed */

/*
 * Add `from`, another shard of the same run: it must have the same target,
 * start, base of the bucket width, schedule, max_late_ns and of_shards, and not
 * the same shard. False: err says what differs, and `report` is unchanged
 * (unless out of memory).
 */
bool report_merge(
    struct report *report, const struct report *from, char err[CLI_ERR_CHARS]);

/*
 * A line per interval, with the tags "latency" and "late"; see stats/hdr_log.
 */
bool report_write_log(
    const struct report *report, const char *path, char err[CLI_ERR_CHARS]);

/* ---- for what prints and writes it ---- */

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

/* The end of the run: of length_ns, or the last thing that happened. */
int64_t report_end_ns(const struct report *report);

/*
 * How much of an interval of width_ns that began at start_ns was covered: the
 * last one may be cut. 0 if that is too little for a rate.
 */
int64_t report_covered_ns(
    const struct report *report, int64_t start_ns, int64_t width_ns);

/*
 * The sum of buckets i .. i + n - 1, to be freed with results_row_free().
 * False: out of memory.
 */
bool report_sum_buckets(
    const struct report *report, size_t i, size_t n, struct results_row *sum);

/*
 * The keys with the most frames, at most REPORT_KEYS_SHOWN; `rest` is the sum
 * of all others, and n_rest their number. To be freed with report_keys_free().
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

/* Is this shard included? */
bool report_has_shard(const struct report *report, uint32_t shard);

/*
 * Create a file, NULL: err; and close it. False: something went wrong, err says
 * what, and the file is removed.
 */
FILE *report_create(const char *path, char err[CLI_ERR_CHARS]);
bool
report_close(FILE *file, bool ok, const char *path, char err[CLI_ERR_CHARS]);

#endif
