/* SPDX-License-Identifier: MIT */
/*
 * Prints the summary at the end of a run, for people. Owns nothing. Called by
 * run.c.
 */
#include "cmd/replay/report/text.h"

#include "cmd/replay/report/report.h"
#include "cmd/stats/table.h"
#include "proto/message.h"

#include <stdlib.h>
#include <string.h>

#define TIMES_SHOWN 20 /* maximum rows of the table over time */
#define LINE_CHARS 4096
#define COLUMNS 80
#define ROW_NAME "  %-11s "
#define NS_PER_MS 1e6

/* Escapes file names, and text from the cluster or from another report. */
static void
put_text(const char *before, const char *text, FILE *out)
{
	char plain[REPORT_TEXT_CHARS];

	(void)snprintf(plain, sizeof(plain), "%s", text);
	cli_plain(plain);
	if (text[0] != '\0')
		fprintf(out, "%s%s", before, plain);
}

static void
print_head(const struct report *report, FILE *out)
{
	char date[REPORT_NUMBER_CHARS], length[REPORT_NUMBER_CHARS];
	char line[REPORT_TEXT_CHARS];

	put_text("\n", report->captures, out);
	put_text(" to ", report->target, out);
	put_text(", ", report->how, out);
	fprintf(out, "\n" ROW_NAME "%s, %s", "run",
	    report_date(date, report->start_ns),
	    report_time(length, report_end_ns(report)));
	put_text(", environment ", report->environment, out);
	fprintf(out, "%s\n", report->interrupted ? ", interrupted" : "");
	if (report_capture_line(report, line, sizeof(line)))
		fprintf(out, ROW_NAME, "capture");
	put_text("", line, out);
	if (line[0] != '\0')
		fputc('\n', out);
	if (report->of_shards <= 1)
		return;
	fprintf(out, ROW_NAME "%u of %u", "shards", report->n_shards,
	    report->of_shards);
	if (report->apart_ns > 0)
		fprintf(out,
		    ", which began %s apart: times count from the start of"
		    " each",
		    report_time(length, report->apart_ns));
	fputc('\n', out);
}

struct count_row {
	enum results_count which;
	const char *name;
};

/*
 * Prints the counts that are not 0 after the first `column` columns, or on a
 * line of their own if they do not fit.
 */
static void
print_counts(const struct report *report, int column,
    const struct count_row *rows, size_t n_rows, FILE *out)
{
	char n[REPORT_NUMBER_CHARS], text[64];
	int n_chars;

	for (size_t i = 0; i < n_rows; i++) {
		if (report->results.counts[rows[i].which] == 0)
			continue;
		n_chars = snprintf(text, sizeof(text), "%s %s",
		    report_number(n, report->results.counts[rows[i].which]),
		    rows[i].name);
		if (column + 2 + n_chars + 1 > COLUMNS) {
			fputc(',', out);
			column = fprintf(out, "\n" ROW_NAME "%s", "", text) - 1;
		} else {
			column += fprintf(out, ", %s", text);
		}
	}
	fputc('\n', out);
}

static void
print_sessions(const struct report *report, FILE *out)
{
	static const struct count_row rows[] = {
		{ RESULTS_SESSIONS_READY, "ready" },
		{ RESULTS_SESSIONS_DONE, "done" },
		{ RESULTS_SESSIONS_STOPPED, "stopped" },
		{ RESULTS_SESSIONS_FAILED, "failed" },
		{ RESULTS_SESSIONS_REFUSED, "refused" },
		{ RESULTS_SESSIONS_CUT, "cut" },
		{ RESULTS_SESSIONS_INJECTOR, "failed here" },
		{ RESULTS_SESSIONS_STOCK, "without hello" },
	};
	char n[REPORT_NUMBER_CHARS];
	int column;

	column = fprintf(out, ROW_NAME "%s planned", "sessions",
	    report_number(n, report->sessions));
	print_counts(report, column, rows, sizeof(rows) / sizeof(rows[0]), out);
}

/* Returns the number of columns used. */
static int
print_way(const struct report *report, const char *name,
    enum results_count frames, enum results_count bytes, FILE *out)
{
	const uint64_t *counts = report->results.counts;
	double s = (double)report_end_ns(report) / 1e9;
	char n[REPORT_NUMBER_CHARS], rate[REPORT_NUMBER_CHARS];
	char size[REPORT_NUMBER_CHARS];

	int column = fprintf(out, ROW_NAME "%s frames, %s", name,
	    report_number(n, counts[frames]),
	    report_bytes(size, counts[bytes]));

	if (s > 0)
		column += fprintf(out, ", %s frames a second",
		    report_number(
			rate, (uint64_t)((double)counts[frames] / s + 0.5)));
	return column;
}

static void
print_frames(const struct report *report, FILE *out)
{
	static const struct count_row unsent[] = {
		{ RESULTS_SKIPPED, "made anew" },
		{ RESULTS_UNSENDABLE, "too large" },
		{ RESULTS_NOT_FOR_STOCK, "not for a stock peer" },
		{ RESULTS_UNSENT_NOT_CONNECTED, "not connected" },
		{ RESULTS_UNSENT_CUT, "cut" },
		{ RESULTS_UNSENT_STOPPED, "stopped" },
		{ RESULTS_UNSENT_INJECTOR, "failed here" },
		{ RESULTS_UNSENT_DAMAGED, "damaged" },
	};
	static const struct count_row held[] = {
		{ RESULTS_HELD, "held up" },
	};
	static const struct count_row bad[] = { { RESULTS_BAD, "bad" } };
	const uint64_t *counts = report->results.counts;
	uint64_t n_captured = results_errors_captured(&report->results);
	char n[REPORT_NUMBER_CHARS], without[REPORT_NUMBER_CHARS];
	int column;

	column = fprintf(out, ROW_NAME "%s frames: %s sent", "planned",
	    report_number(n, counts[RESULTS_PLANNED]),
	    report_number(without, counts[RESULTS_FRAMES_SENT]));
	print_counts(
	    report, column, unsent, sizeof(unsent) / sizeof(unsent[0]), out);
	column = print_way(
	    report, "sent", RESULTS_FRAMES_SENT, RESULTS_BYTES_SENT, out);
	print_counts(report, column, held, 1, out);
	column = print_way(report, "received", RESULTS_FRAMES_RECEIVED,
	    RESULTS_BYTES_RECEIVED, out);
	print_counts(report, column, bad, 1, out);
	fprintf(out, ROW_NAME "%s answered, %s not", "requests",
	    report_number(n, counts[RESULTS_ANSWERED]),
	    report_number(without, counts[RESULTS_UNANSWERED]));
	if (n_captured > 0)
		fprintf(out, ", %s with an error as in the capture",
		    report_number(n, n_captured));
	if (counts[RESULTS_CALL_ERRORS] > 0)
		fprintf(out, ", %s calls failed",
		    report_number(n, counts[RESULTS_CALL_ERRORS]));
	fputc('\n', out);
	if (report->diffed)
		fprintf(out, ROW_NAME "%s differences in %s frames\n", "diff",
		    report_number(n, report->differences),
		    report_number(without, report->compared));
}

/* --rewrite-payload */
static void
print_rewritten(const struct report *report, FILE *out)
{
	static const struct count_row kept[] = {
		{ RESULTS_UNREWRITTEN_MALFORMED, "as captured: malformed" },
		{ RESULTS_UNREWRITTEN_PICKLE, "as captured: pickled" },
		{ RESULTS_UNREWRITTEN_FORM, "as captured: unknown form" },
		{ RESULTS_UNREWRITTEN_ID, "as captured: no id left" },
		{ RESULTS_UNREWRITTEN_LARGE, "as captured: too large" },
	};
	const uint64_t *counts = report->results.counts;
	uint64_t n = 0;
	char text[REPORT_NUMBER_CHARS];
	int column;

	for (int i = RESULTS_REWRITTEN; i <= RESULTS_UNREWRITTEN_LARGE; i++)
		n += counts[i];
	if (n == 0)
		return;
	column = fprintf(out, ROW_NAME "%s payloads", "rewritten",
	    report_number(text, counts[RESULTS_REWRITTEN]));
	print_counts(report, column, kept, sizeof(kept) / sizeof(kept[0]), out);
}

static void
print_errors(const struct report *report, FILE *out)
{
	char line[REPORT_ERROR_CHARS];

	for (uint32_t code = 0; code < RESULTS_CODES; code++)
		if (report_error_line(report, code, line))
			fprintf(out, ROW_NAME "%s\n", "error", line);
}

static void
print_times(const char *name, const struct hdr *hdr, FILE *out)
{
	static const struct {
		const char *name;
		double q;
	} parts[] = { { "p50", 0.5 }, { "p99", 0.99 }, { "p99.9", 0.999 } };
	char text[REPORT_NUMBER_CHARS];

	if (hdr->sums.count == 0)
		return;
	fprintf(out, ROW_NAME, name);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (hdr_quantile_known(hdr->sums.count, parts[i].q))
			fprintf(out, "%s %s, ", parts[i].name,
			    report_time(text, hdr_quantile(hdr, parts[i].q)));
	fprintf(out, "max %s\n", report_time(text, hdr->sums.max));
}

static void
put_ms(struct table *table, const struct hdr *hdr, double ns)
{
	if (hdr->sums.count == 0)
		table_null(table);
	else
		table_f64(table, ns / NS_PER_MS);
}

static void
put_quantile(struct table *table, const struct hdr *hdr, double q)
{
	if (!hdr_quantile_known(hdr->sums.count, q))
		table_null(table);
	else
		put_ms(table, hdr, (double)hdr_quantile(hdr, q));
}

static void
put_row(struct table *table, const char *name, const struct results_row *row)
{
	const struct hdr *latency = &row->latency;
	const struct hdr_sums *sums = &latency->sums;

	table_row(table);
	table_str(table, name);
	table_u64(table, row->sent);
	table_u64(table, row->received);
	table_u64(table, row->answered);
	table_u64(table, row->unanswered);
	table_u64(table, results_row_errors(row));
	put_ms(table, latency, (double)sums->min);
	put_ms(table, latency, hdr_sums_mean(sums));
	put_ms(table, latency, (double)sums->max);
	put_ms(table, latency, hdr_sums_stddev(sums));
	put_quantile(table, latency, 0.5);
	put_quantile(table, latency, 0.99);
}

static bool
print_rows(const char *name, const char *title, const struct report_rows *rows,
    FILE *out)
{
	static const struct table_column columns[] = {
		{ .left = true },
		{ .head = "sent" },
		{ .head = "received" },
		{ .head = "answered" },
		{ .head = "un- answered" },
		{ .head = "errors" },
		{ .head = "min", .unit = "ms", .decimals = 3 },
		{ .head = "avg", .unit = "ms", .decimals = 3 },
		{ .head = "max", .unit = "ms", .decimals = 3 },
		{ .head = "stddev", .unit = "ms", .decimals = 3 },
		{ .head = "p50", .unit = "ms", .decimals = 3 },
		{ .head = "p99", .unit = "ms", .decimals = 3 },
	};
	struct table_column all[sizeof(columns) / sizeof(columns[0])];
	struct table table;
	bool ok;

	memcpy(all, columns, sizeof(columns));
	all[0].head = name;
	table_init(
	    &table, name, title, all, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < rows->n; i++)
		put_row(&table, rows->top[i].name, rows->top[i].row);
	if (rows->has_rest)
		put_row(&table, "all others", &rows->rest);
	ok = table.n_rows == 0 || table_print(&table, out, TABLE_AS_TEXT);
	table_free(&table);
	return ok;
}

static bool
print_keys(const struct report *report, const struct keys *keys, FILE *out)
{
	struct report_rows rows;
	bool ok = report_keys_make(&rows, report, keys) &&
	    print_rows("key", "\nBy key", &rows, out);

	report_rows_free(&rows);
	return ok;
}

static bool
print_methods(const struct report *report, FILE *out)
{
	struct report_rows rows;
	bool ok = report_methods_make(&rows, report) &&
	    print_rows("method", "\nBy method", &rows, out);

	report_rows_free(&rows);
	return ok;
}

static void
put_rate(struct table *table, uint64_t n, int64_t covered_ns)
{
	if (covered_ns == 0)
		table_null(table);
	else
		table_f64(table, (double)n * 1e9 / (double)covered_ns);
}

static void
put_interval(struct table *table, const struct report *report, int64_t at_ns,
    int64_t width_ns, const struct results_row *row)
{
	int64_t covered_ns = report_covered_ns(report, at_ns, width_ns);
	const struct hdr *latency = &row->latency, *late = &row->late;
	char time[REPORT_NUMBER_CHARS];

	table_row(table);
	if (width_ns < REPORT_NS_PER_S)
		table_fmt(table, "%.3f s", (double)at_ns / 1e9);
	else
		table_str(table, report_clock(time, at_ns));
	put_rate(table, row->sent, covered_ns);
	put_rate(table, row->received, covered_ns);
	table_u64(table, results_row_errors(row));
	table_u64(table, row->unanswered);
	put_quantile(table, latency, 0.5);
	put_quantile(table, latency, 0.99);
	put_ms(table, latency, (double)latency->sums.max);
	put_quantile(table, late, 0.99);
	put_ms(table, late, (double)late->sums.max);
	put_ms(table, &row->hiccups, (double)row->hiccups.sums.max);
}

static bool
print_over_time(const struct report *report, FILE *out)
{
	static const struct table_column columns[] = {
		{ .head = "time", .left = true },
		{ .head = "sent /s" },
		{ .head = "received /s" },
		{ .head = "errors" },
		{ .head = "un- answered" },
		{ .head = "latency p50", .unit = "ms", .decimals = 3 },
		{ .head = "p99", .unit = "ms", .decimals = 3 },
		{ .head = "max", .unit = "ms", .decimals = 3 },
		{ .head = "late p99", .unit = "ms", .decimals = 3 },
		{ .head = "max", .unit = "ms", .decimals = 3 },
		{ .head = "hiccups max", .unit = "ms", .decimals = 3 },
	};
	const struct results *results = &report->results;
	size_t step = (results->n_buckets + TIMES_SHOWN - 1) / TIMES_SHOWN;
	struct results_row sum;
	struct table table;
	bool ok = true;

	if (results->n_buckets < 2)
		return true; /* a single row would repeat the totals */
	table_init(&table, "time", "\nOver time", columns,
	    sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < results->n_buckets; i += step) {
		ok = report_sum_buckets(report, i, step, &sum) && ok;
		put_interval(&table, report, (int64_t)i * results->bucket_ns,
		    (int64_t)step * results->bucket_ns, &sum);
		results_row_free(&sum);
	}
	ok = table_print(&table, out, TABLE_AS_TEXT) && ok;
	table_free(&table);
	return ok;
}

void
report_print_text(
    const struct report *report, const struct keys *keys, FILE *out)
{
	char line[LINE_CHARS];

	print_head(report, out);
	print_sessions(report, out);
	print_frames(report, out);
	print_rewritten(report, out);
	print_errors(report, out);
	print_times("latency", &report->results.latency, out);
	print_times("lateness", &report->results.late, out);
	print_times("hiccups", &report->results.hiccups, out);
	print_times("connecting", &report->results.connect, out);
	if (!print_keys(report, keys, out) || !print_methods(report, out) ||
	    !print_over_time(report, out))
		fprintf(out, "(out of memory: tables are missing)\n");
	fputc('\n', out);
	report_injector_line(report, line, sizeof(line));
	fprintf(out, "%s\n", line);
	report_cluster_verdict(report, line, sizeof(line));
	fprintf(out, "%s\n", line);
}
