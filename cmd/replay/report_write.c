/* SPDX-License-Identifier: MIT */
/*
 * A run as JSON, which report_read.c reads again. One object:
 *
 *	type		"bluenet-replay report"
 *	version		1
 *	run		what was done: texts, times (unix or lengths, in ns),
 *			shard, of_shards and the list of shards added up
 *	verdict		derived: word, line, cluster, late_frames
 *	counts		by the names of report_count_names
 *	errors		[16 numbers], by code; 0: all other codes
 *	late, latency, connect
 *			HIST, 3 digits: every send, answer, session
 *	bucket_ns, end_ns
 *	buckets		[ROW and "at": number of the bucket, ascending]
 *	keys		[ROW and "key": i32, "name": derived, or null]
 *	others		ROW: all keys beyond the first 1,000
 *
 *	ROW	sent, sent_bytes, ... as in struct results_row, errors, and
 *		latency and late: HIST, 2 digits, where there is a value
 *	HIST	count, min_ns, max_ns, sum_ns, sum_squares_ns2: exact;
 *		histogram: HdrHistogram's compressed V2; derived: mean_ns,
 *		stddev_ns, p50_ns, p90_ns, p99_ns, p999_ns
 *
 * What is derived is for people and other programs: it is not read again. A
 * number above 2^53, and each sum, is a string of its decimal digits, as most
 * who read JSON would round it. Times in a run count from its start_ns.
 */
#include "cmd/common/json.h"
#include "cmd/replay/report_impl.h"
#include "cmd/stats/hdr.h"
#include "proto/bluenet.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SAFE_MAX (UINT64_C(1) << 53)
#define LINE_CHARS 1024
#define U128_CHARS 40

const char *const report_count_names[RESULTS_N_COUNTS] = {
	[RESULTS_SESSIONS_BEGUN] = "sessions_begun",
	[RESULTS_SESSIONS_READY] = "sessions_ready",
	[RESULTS_SESSIONS_REFUSED] = "sessions_refused",
	[RESULTS_SESSIONS_FAILED] = "sessions_failed",
	[RESULTS_SESSIONS_CUT] = "sessions_cut",
	[RESULTS_SESSIONS_DONE] = "sessions_done",
	[RESULTS_SESSIONS_STOPPED] = "sessions_stopped",
	[RESULTS_FRAMES_SENT] = "frames_sent",
	[RESULTS_BYTES_SENT] = "bytes_sent",
	[RESULTS_FRAMES_RECEIVED] = "frames_received",
	[RESULTS_BYTES_RECEIVED] = "bytes_received",
	[RESULTS_HELD] = "held",
	[RESULTS_UNSENT] = "unsent",
	[RESULTS_UNSENDABLE] = "unsendable",
	[RESULTS_ANSWERED] = "answered",
	[RESULTS_UNANSWERED] = "unanswered",
	[RESULTS_ERRORS] = "errors",
	[RESULTS_BAD] = "bad",
};

#define MEMBER(name) \
	{ \
#name, offsetof(struct results_row, name) \
	}
const struct report_member report_row_members[REPORT_ROW_MEMBERS] = {
	MEMBER(sent),
	MEMBER(sent_bytes),
	MEMBER(received),
	MEMBER(received_bytes),
	MEMBER(answered),
	MEMBER(unanswered),
	MEMBER(opened),
	MEMBER(closed),
};

struct writer {
	FILE *file;
	bool first; /* no comma before the next member */
	bool ok; /* false: out of memory */
};

/* What stands before a member, or an element where `name` is NULL. */
static void
begin(struct writer *w, const char *name)
{
	if (!w->first)
		fputc(',', w->file);
	if (name != NULL)
		fprintf(w->file, "\"%s\":", name);
	w->first = false;
}

static void
open_with(struct writer *w, const char *name, char bracket)
{
	begin(w, name);
	fputc(bracket, w->file);
	w->first = true;
}

static void
close_with(struct writer *w, char bracket)
{
	fputc(bracket, w->file);
	w->first = false;
}

static void
put_str(struct writer *w, const char *name, const char *str)
{
	char text[JSON_CHAR_BYTES];
	size_t n = strlen(str), used, text_bytes;

	begin(w, name);
	fputc('"', w->file);
	for (; n > 0; str += used, n -= used) {
		used = json_char(str, n, text, &text_bytes);
		fwrite(text, 1, text_bytes, w->file);
	}
	fputc('"', w->file);
}

static void
put_u64(struct writer *w, const char *name, uint64_t v)
{
	begin(w, name);
	fprintf(w->file, v > SAFE_MAX ? "\"%" PRIu64 "\"" : "%" PRIu64, v);
}

/* Never below 0. */
static void
put_ns(struct writer *w, const char *name, int64_t v_ns)
{
	put_u64(w, name, (uint64_t)v_ns);
}

static void
put_bool(struct writer *w, const char *name, bool v)
{
	begin(w, name);
	fputs(v ? "true" : "false", w->file);
}

static void
put_u128(struct writer *w, const char *name, hdr_u128 v)
{
	char digits[U128_CHARS];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + (int)(v % 10));
		v /= 10;
	} while (v > 0);
	put_str(w, name, digits + at);
}

static void
put_hdr(struct writer *w, const char *name, const struct hdr *hdr)
{
	const struct hdr_sums *sums = &hdr->sums;
	char *text = hdr_encode(hdr);

	open_with(w, name, '{');
	put_u64(w, "count", sums->count);
	put_ns(w, "min_ns", sums->min);
	put_ns(w, "max_ns", sums->max);
	put_ns(w, "mean_ns", (int64_t)hdr_sums_mean(sums));
	put_ns(w, "stddev_ns", (int64_t)hdr_sums_stddev(sums));
	put_ns(w, "p50_ns", hdr_quantile(hdr, 0.5));
	put_ns(w, "p90_ns", hdr_quantile(hdr, 0.9));
	put_ns(w, "p99_ns", hdr_quantile(hdr, 0.99));
	put_ns(w, "p999_ns", hdr_quantile(hdr, 0.999));
	put_u128(w, "sum_ns", sums->sum);
	put_u128(w, "sum_squares_ns2", sums->sum_squares);
	if (text == NULL)
		w->ok = false;
	else
		put_str(w, "histogram", text);
	free(text);
	close_with(w, '}');
}

static void
put_errors(struct writer *w, const uint64_t *errors)
{
	open_with(w, "errors", '[');
	for (unsigned i = 0; i < RESULTS_CODES; i++)
		put_u64(w, NULL, errors[i]);
	close_with(w, ']');
}

/* The members of a row, into an object that is open. */
static void
put_row(struct writer *w, const struct results_row *row)
{
	for (size_t i = 0; i < REPORT_ROW_MEMBERS; i++) {
		const char *at =
		    (const char *)row + report_row_members[i].offset;
		uint64_t v;

		memcpy(&v, at, sizeof(v));
		put_u64(w, report_row_members[i].name, v);
	}
	put_errors(w, row->errors);
	if (row->latency.sums.count > 0)
		put_hdr(w, "latency", &row->latency);
	if (row->late.sums.count > 0)
		put_hdr(w, "late", &row->late);
}

static void
put_run(struct writer *w, const struct report *report)
{
	open_with(w, "run", '{');
	put_str(w, "target", report->target);
	put_str(w, "captures", report->captures);
	put_str(w, "how", report->how);
	put_str(w, "environment", report->environment);
	put_ns(w, "start_ns", report->start_ns);
	put_ns(w, "length_ns", report->length_ns);
	put_ns(w, "max_lateness_ns", report->max_late_ns);
	put_u64(w, "of_shards", report->of_shards);
	open_with(w, "shards", '[');
	for (uint32_t i = 0; i < report->of_shards; i++)
		if (report_has_shard(report, i))
			put_u64(w, NULL, i);
	close_with(w, ']');
	put_u64(w, "sessions", report->sessions);
	put_bool(w, "scheduled", report->scheduled);
	put_bool(w, "interrupted", report->interrupted);
	put_bool(w, "diffed", report->diffed);
	put_u64(w, "compared", report->compared);
	put_u64(w, "differences", report->differences);
	close_with(w, '}');
}

static void
put_verdict(struct writer *w, const struct report *report)
{
	static const char *const words[] = { "valid", "invalid", "nothing" };
	char line[LINE_CHARS];

	open_with(w, "verdict", '{');
	put_str(w, "word", words[report_verdict(report)]);
	report_verdict_line(report, line, sizeof(line));
	put_str(w, "line", line);
	report_cluster_line(report, line, sizeof(line));
	put_str(w, "cluster", line);
	put_u64(w, "late_frames", report_late(report));
	close_with(w, '}');
}

static void
put_buckets(struct writer *w, const struct results *results)
{
	put_ns(w, "bucket_ns", results->bucket_ns);
	put_ns(w, "end_ns", results->end_ns);
	open_with(w, "buckets", '[');
	for (size_t i = 0; i < results->n_buckets; i++) {
		if (results->buckets[i] == NULL)
			continue;
		open_with(w, NULL, '{');
		put_u64(w, "at", i);
		put_row(w, results->buckets[i]);
		close_with(w, '}');
	}
	close_with(w, ']');
}

static void
put_keys(
    struct writer *w, const struct results *results, const struct keys *keys)
{
	const struct results_key *key;
	const char *name;

	open_with(w, "keys", '[');
	for (size_t i = 0; i < results->keys.n; i++) {
		key = map_at(&results->keys, i);
		name = keys == NULL ? NULL : keys_name(keys, (int32_t)key->key);
		open_with(w, NULL, '{');
		begin(w, "key");
		fprintf(w->file, "%" PRId32, (int32_t)key->key);
		if (name != NULL)
			put_str(w, "name", name);
		put_row(w, &key->row);
		close_with(w, '}');
	}
	close_with(w, ']');
	open_with(w, "others", '{');
	put_row(w, results_others(results));
	close_with(w, '}');
}

bool
report_write_json(const struct report *report, const struct keys *keys,
    const char *path, char err[CLI_ERR_CHARS])
{
	const struct results *results = &report->results;
	struct writer w = { report_create(path, err), true, true };

	if (w.file == NULL)
		return false;
	open_with(&w, NULL, '{');
	put_str(&w, "type", "bluenet-replay report");
	put_u64(&w, "version", 1);
	put_str(&w, "tool", BNET_VERSION);
	put_run(&w, report);
	put_verdict(&w, report);
	open_with(&w, "counts", '{');
	for (unsigned i = 0; i < RESULTS_N_COUNTS; i++)
		put_u64(&w, report_count_names[i], results->counts[i]);
	close_with(&w, '}');
	put_errors(&w, results->errors);
	put_hdr(&w, "late", &results->late);
	put_hdr(&w, "latency", &results->latency);
	put_hdr(&w, "connect", &results->connect);
	put_buckets(&w, results);
	put_keys(&w, results, keys);
	close_with(&w, '}');
	fputc('\n', w.file);
	return report_close(w.file, w.ok, path, err);
}
