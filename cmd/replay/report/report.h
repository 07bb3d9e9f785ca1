/* SPDX-License-Identifier: MIT */
/*
 * report - the evaluation of a run: the verdict, what the outputs (text, JSON,
 * HTML) share, the merging of shards, and the HdrHistogram log.
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
#define REPORT_RULES_CHARS 2048
#define REPORT_SHARDS_MAX 131072 /* maximum that can be merged */
#define REPORT_FILE_BYTES_MAX (64 << 20) /* of a JSON report to read */

/* What was noticed of the captures while they were read. */
struct report_capture {
	uint64_t clock_steps; /* taken out of all times */
	/* frames that waited for bytes before them, of so many connections */
	uint64_t held_frames, held_connections;
	/* the first of them, if any: since the start, and "ADDR:PORT" */
	int64_t held_ns;
	uint64_t held_packet;
	char held_client[REPORT_TEXT_CHARS];
};

/* A run: its settings and its results. Texts are NUL-terminated. */
struct report {
	struct results results; /* owned */
	char target[REPORT_TEXT_CHARS]; /* as given */
	char captures[REPORT_TEXT_CHARS]; /* "hour.pcap", or "3 captures" */
	char how[REPORT_TEXT_CHARS]; /* "--speed 2 --pacing open ..." */
	char environment[REPORT_TEXT_CHARS]; /* from the welcome, or "" */
	struct report_capture capture;
	int64_t start_ns; /* unix time: the first session was due */
	int64_t apart_ns; /* merged shards: so much later began the last */
	int64_t length_ns; /* from then to the end */
	int64_t max_late_ns; /* --max-lateness */
	uint32_t n_shards; /* merged here; 1 for a single run */
	uint32_t shard, of_shards; /* --shard I/N of the first shard; 0 of 1 */
	/* a bit for each merged shard; unused if n_shards is 1 */
	uint64_t has_shard[REPORT_SHARDS_MAX / 64];
	uint64_t sessions; /* planned */
	bool scheduled; /* false: --asap, without lateness */
	bool interrupted;
	int failure; /* errno: what the injector lacked; 0: nothing */
	/*
	 * --fail-if, as thresholds_judge() found: what decides, as texts; ""
	 * without the option, and where nothing decides against the cluster
	 */
	bool has_rules;
	uint32_t n_broken, n_undecided;
	char rules[REPORT_RULES_CHARS];
	/* --diff: frames compared, and differences by kind; 0 without it */
	bool diffed;
	uint64_t compared, differences;
};

enum verdict {
	VERDICT_VALID = 0, /* the injector kept up */
	VERDICT_LATE, /* it did not: the run is invalid */
	VERDICT_NOTHING, /* nothing was sent */
	VERDICT_FAILED, /* it lacked memory, descriptors or ports */
	VERDICT_INTERRUPTED, /* it kept up until it was told to stop */
	VERDICTS,
};

/* Of the injector, and of the cluster. */
enum judgement {
	JUDGED_PASS,
	JUDGED_FAIL,
	JUDGED_UNDECIDED,
	JUDGEMENTS,
};

extern const char *const report_judgements[JUDGEMENTS]; /* "pass" ... */

/*
 * The injector kept up if at most one send in a hundred (not counting those
 * that the peer held) was later than max_late_ns: report_late() x 100 <= all.
 * Without a schedule (--asap) it always did, if anything was sent.
 */
enum verdict report_verdict(const struct report *report);

/*
 * Counts the sends later than max_late_ns: those above its histogram slot. A
 * send up to 0.1 % later than max_late_ns is thus not late yet.
 */
uint64_t report_late(const struct report *report);

/*
 * Did the machine stall? If frames are late by no more than what an idle thread
 * was late at the same time, plus max_late_ns, they are the machine's; the
 * others alone are few enough.
 */
bool report_machine_stalled(const struct report *report);

/* "valid", "invalid", "nothing" or "interrupted". */
const char *report_word(const struct report *report);

enum judgement report_injector(const struct report *report);

/*
 * The cluster fails if --fail-if says so; without that, if more was refused,
 * lost or unanswered than in the capture. A session that it cut fails it in any
 * case. It passes only if the injector does: otherwise that is undecided.
 */
enum judgement report_cluster(const struct report *report);

/* Each as one line without a newline: "injector: pass: ..." */
void report_injector_line(
    const struct report *report, char *line, size_t line_chars);
void report_cluster_verdict(
    const struct report *report, char *line, size_t line_chars);

/* "Too many open files (EMFILE)", of report->failure. */
void report_failure(const struct report *report, char text[REPORT_TEXT_CHARS]);

/*
 * Formats what was noticed of the captures, in one line without a newline.
 * Returns false with an empty line if there is nothing.
 */
bool
report_capture_line(const struct report *report, char *line, size_t line_chars);

/* Formats the verdict in one line without a newline: "valid: ..." */
void
report_verdict_line(const struct report *report, char *line, size_t line_chars);

/*
 * Formats what the cluster did not keep up with, in one line without a newline:
 * frames held, requests without an answer, errors that were not in the capture,
 * sessions cut, growing latency. Returns false with an empty line if there is none of these.
 */
bool
report_cluster_line(const struct report *report, char *line, size_t line_chars);

#define REPORT_ERROR_CHARS 128

/*
 * Formats the errors of a code: "2 no such destination (code 3), 1 of them as
 * in the capture". Returns false if there is none.
 */
bool report_error_line(
    const struct report *report, uint32_t code, char line[REPORT_ERROR_CHARS]);

void report_free(struct report *report); /* NULL is allowed */

/*
 * Merges `from`, another shard of the same run, which may have begun at another
 * time: times count from the start of each. It must have the same target, base
 * bucket width, schedule, max_late_ns and of_shards, and another
 * shard number. Returns false on failure: err says what differs, and `report`
 * is unchanged (unless out of memory).
 */
bool report_merge(
    struct report *report, const struct report *from, char err[CLI_ERR_CHARS]);

/*
 * Writes a line per interval with the tags "latency" and "late"; see
 * cmd/stats/hdr.h. Returns false on failure; err says why.
 */
bool report_write_log(
    const struct report *report, const char *path, char err[CLI_ERR_CHARS]);

/* ---- for the outputs ---- */

#define REPORT_NS_PER_S INT64_C(1000000000)
#define REPORT_NUMBER_CHARS 32
#define REPORT_NAME_CHARS 32 /* of a key, in tables */
#define REPORT_ROWS_SHOWN 20

/* "1,234,567". Each of these functions returns `text`. */
const char *report_number(char text[REPORT_NUMBER_CHARS], uint64_t v);
/* "1.23 GB" */
const char *report_bytes(char text[REPORT_NUMBER_CHARS], uint64_t v_bytes);
/* "41.2 ms": three digits */
const char *report_time(char text[REPORT_NUMBER_CHARS], int64_t v_ns);
/* "00:01:12": a time since the start */
const char *report_clock(char text[REPORT_NUMBER_CHARS], int64_t at_ns);
/* "2026-11-25 07:13:40 UTC" */
const char *report_date(char text[REPORT_NUMBER_CHARS], int64_t unix_ns);

/* The key's name, or 0x12345678, truncated if too long; "no key" for 0. */
const char *report_key_name(
    const struct keys *keys, int32_t key, char text[REPORT_NAME_CHARS]);

/* The end of the run: length_ns or the last event, whichever is later. */
int64_t report_end_ns(const struct report *report);

/*
 * The part of an interval of width_ns from start_ns that the run covers: the
 * last interval may be incomplete. Returns 0 if that is too little for a rate.
 */
int64_t report_covered_ns(
    const struct report *report, int64_t start_ns, int64_t width_ns);

/*
 * Sums buckets i .. i + n - 1; free the sum with results_row_free(). Returns
 * false when out of memory.
 */
bool report_sum_buckets(
    const struct report *report, size_t i, size_t n, struct results_row *sum);

/*
 * The keys with the most frames, or the methods with the most calls, at most
 * REPORT_ROWS_SHOWN; `rest` is the sum of all others. Free it with
 * report_rows_free().
 */
struct report_rows {
	struct report_row {
		char name[CALL_NAME_BYTES];
		const struct results_row *row;
	} top[REPORT_ROWS_SHOWN];
	size_t n;
	struct results_row rest;
	bool has_rest;
};

bool report_keys_make(struct report_rows *top, const struct report *report,
    const struct keys *keys);
bool report_methods_make(struct report_rows *top, const struct report *report);
void report_rows_free(struct report_rows *top);

/* Is this shard merged? */
bool report_has_shard(const struct report *report, uint32_t shard);

/*
 * report_create() creates a file; NULL: err says why. The other function closes
 * it. It returns false if anything failed: err says what, and the file is
 * removed.
 */
FILE *report_create(const char *path, char err[CLI_ERR_CHARS]);
bool
report_close(FILE *file, bool ok, const char *path, char err[CLI_ERR_CHARS]);

#endif
