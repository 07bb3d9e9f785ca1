/* SPDX-License-Identifier: MIT */
/*
 * report - a run on paper: for people, as JSON (which --merge reads again),
 * as HdrHistogram logs, and as a page with charts.
 */
#ifndef REPLAY_REPORT_H
#define REPLAY_REPORT_H

#include "cmd/common/cli.h"
#include "cmd/common/keys.h"
#include "cmd/replay/play/results.h"

#include <stdbool.h>
#include <stdio.h>

#define REPORT_TEXT_CHARS 256
#define REPORT_SHARDS_MAX 131072 /* that can be added up */
#define REPORT_FILE_BYTES_MAX (64 << 20) /* of JSON that is read */

/* What a run was, beside its results. Texts are NUL-ended. */
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
	bool scheduled; /* false: --asap, there is no lateness */
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
 * The injector kept up where at most one send in a hundred (not counting those
 * that the peer held) was later than max_late_ns: report_late() x 100 <= all.
 * Without a schedule (--asap) it always did, if anything was sent.
 */
enum verdict report_verdict(const struct report *report);

/*
 * How many sends were later than max_late_ns: those above its count of the
 * histogram, so that up to 0.1 % more than max_late_ns is not yet late.
 */
uint64_t report_late(const struct report *report);

/* The last lines of every run: the summary, and the one line of the verdict. */
void report_print_text(
    const struct report *report, const struct keys *keys, FILE *out);

/* The verdict alone, one line without a newline: "valid: ..." */
void
report_verdict_line(const struct report *report, char *line, size_t line_chars);

/*
 * What the cluster did not keep up with, one line without a newline: frames
 * held, requests without an answer, errors, sessions cut, latency that grew.
 * False, and the line is empty: nothing of that.
 */
bool
report_cluster_line(const struct report *report, char *line, size_t line_chars);

/* All of it, so that reading it gives the same. False: err says why. */
bool report_write_json(const struct report *report, const struct keys *keys,
    const char *path, char err[CLI_ERR_CHARS]);

/* To be freed with report_free(). NULL: err says what, and where. */
struct report *report_read_json(const char *path, char err[CLI_ERR_CHARS]);
void report_free(struct report *report); /* NULL is allowed */

/*
 * Add `from`: one run in several shards, which have to have the same target,
 * start, bucket width base, schedule, max_late_ns and of_shards, and not the
 * same shard twice. False, and err says what differs; `report` is as it was
 * (but not where memory ran out).
 */
bool report_merge(
    struct report *report, const struct report *from, char err[CLI_ERR_CHARS]);

/* A line an interval, tags "latency" and "late"; as stats/hdr_log. */
bool report_write_log(
    const struct report *report, const char *path, char err[CLI_ERR_CHARS]);

/* One file, nothing from elsewhere; charts by gnuplot, where it is there. */
bool report_write_html(const struct report *report, const struct keys *keys,
    const char *path, char err[CLI_ERR_CHARS]);

#endif
