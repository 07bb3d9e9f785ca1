/* SPDX-License-Identifier: MIT */
/* What is to be thought of a run: of the injector, and of the cluster. */
#include "cmd/replay/report/report.h"

#include "cmd/replay/report_impl.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PARTS 3 /* latency of the first is compared with that of the last */
#define GREW_COUNT 100 /* answers in either */
#define GREW_TIMES 2
#define GREW_NS 1000000

void
report_free(struct report *report)
{
	if (report != NULL)
		results_free(&report->results);
	free(report);
}

uint64_t
report_late(const struct report *report)
{
	const struct hdr *late = &report->results.late;
	uint32_t limit = hdr_index(late, report->max_late_ns);
	uint64_t n = 0;

	for (uint32_t i = late->first; i <= late->last; i++)
		if (i > limit)
			n += late->counts[i];
	return n;
}

enum verdict
report_verdict(const struct report *report)
{
	if (report->results.counts[RESULTS_FRAMES_SENT] == 0)
		return VERDICT_NOTHING;
	/* without a remainder: late x 100 > all is late > all / 100 */
	if (report->scheduled &&
	    report_late(report) > report->results.late.sums.count / 100)
		return VERDICT_LATE;
	return VERDICT_VALID;
}

/* When the frame was due that left latest. */
static int64_t
worst_ns(const struct results *results)
{
	const struct results_row *row;
	int64_t at_ns = 0, worst = -1;

	for (size_t i = 0; i < results->n_buckets; i++) {
		row = results->buckets[i];
		if (row == NULL || row->late.sums.max <= worst)
			continue;
		worst = row->late.sums.max;
		at_ns = (int64_t)i * results->bucket_ns;
	}
	return at_ns;
}

static void
say_late(const struct report *report, char *line, size_t line_chars)
{
	const struct hdr *late = &report->results.late;
	char n[REPORT_NUMBER_CHARS], all[REPORT_NUMBER_CHARS];
	char limit[REPORT_NUMBER_CHARS], p99[REPORT_NUMBER_CHARS];
	char at[REPORT_NUMBER_CHARS];
	uint64_t n_late = report_late(report);

	snprintf(line, line_chars,
	    "invalid: the injector fell behind: %s of %s frames (%.1f %%) left"
	    " later than %s (p99 %s, worst at %s); use more threads, --shard,"
	    " or a lower --speed",
	    report_number(n, n_late), report_number(all, late->sums.count),
	    100 * (double)n_late / (double)late->sums.count,
	    report_time(limit, report->max_late_ns),
	    report_time(p99, hdr_quantile(late, 0.99)),
	    report_clock(at, worst_ns(&report->results)));
}

static void
say_valid(const struct report *report, char *line, size_t line_chars)
{
	const struct hdr *late = &report->results.late;
	char n[REPORT_NUMBER_CHARS], p99[REPORT_NUMBER_CHARS];
	char limit[REPORT_NUMBER_CHARS];

	snprintf(line, line_chars,
	    "valid: the injector kept up: 99 %% of %s frames left within %s of"
	    " their time (--max-lateness %s)",
	    report_number(n, late->sums.count),
	    report_time(p99, hdr_quantile(late, 0.99)),
	    report_time(limit, report->max_late_ns));
}

static void
say_asap(const struct report *report, char *line, size_t line_chars)
{
	uint64_t sent = report->results.counts[RESULTS_FRAMES_SENT];
	int64_t end_ns = report_end_ns(report);
	char n[REPORT_NUMBER_CHARS], rate[REPORT_NUMBER_CHARS];
	char length[REPORT_NUMBER_CHARS];

	if (end_ns < 1)
		end_ns = 1;
	snprintf(line, line_chars,
	    "valid: %s frames sent in %s, %s a second (--asap: as fast as they"
	    " were taken, so none was late)",
	    report_number(n, sent), report_time(length, end_ns),
	    report_number(
		rate, (uint64_t)((double)sent * 1e9 / (double)end_ns + 0.5)));
}

void
report_verdict_line(const struct report *report, char *line, size_t line_chars)
{
	switch (report_verdict(report)) {
	case VERDICT_NOTHING:
		snprintf(line, line_chars,
		    "nothing: no frame was sent, so there is nothing to judge");
		break;
	case VERDICT_LATE:
		say_late(report, line, line_chars);
		break;
	case VERDICT_VALID:
		if (!report->scheduled)
			say_asap(report, line, line_chars);
		else
			say_valid(report, line, line_chars);
		break;
	}
}

/* Another complaint behind those that are there. */
static void __attribute__((format(printf, 3, 4)))
complain(char *line, size_t line_chars, const char *format, ...)
{
	size_t n = strlen(line);
	va_list args;

	snprintf(
	    line + n, line_chars - n, "%s", n == 0 ? "the cluster: " : "; ");
	n = strlen(line);
	va_start(args, format);
	vsnprintf(line + n, line_chars - n, format, args);
	va_end(args);
}

/* p99 of a third of the run, and whether there were enough answers in it. */
static bool
part_p99(const struct report *report, size_t part, int64_t *p99_ns)
{
	size_t n = report->results.n_buckets, from = n * part / PARTS;
	struct results_row sum;
	bool enough = report_sum_buckets(
	    report, from, n * (part + 1) / PARTS - from, &sum);

	enough = enough && sum.latency.sums.count >= GREW_COUNT;
	*p99_ns = hdr_quantile(&sum.latency, 0.99);
	results_row_free(&sum);
	return enough;
}

static void
complain_of_latency(const struct report *report, char *line, size_t line_chars)
{
	char before[REPORT_NUMBER_CHARS], after[REPORT_NUMBER_CHARS];
	int64_t first_ns, last_ns;

	if (!part_p99(report, 0, &first_ns) ||
	    !part_p99(report, PARTS - 1, &last_ns) ||
	    last_ns / GREW_TIMES < first_ns || last_ns - first_ns < GREW_NS)
		return;
	complain(line, line_chars,
	    "answers took longer and longer (p99 %s in the first third, %s in"
	    " the last)",
	    report_time(before, first_ns), report_time(after, last_ns));
}

bool
report_cluster_line(const struct report *report, char *line, size_t line_chars)
{
	static const struct {
		enum results_count which;
		const char *one, *many;
	} rows[] = {
		{ RESULTS_HELD, "frame held up", "frames held up" },
		{ RESULTS_UNANSWERED, "request without an answer",
		    "requests without an answer" },
		{ RESULTS_ERRORS, "error", "errors" },
		{ RESULTS_SESSIONS_FAILED, "session not connected",
		    "sessions not connected" },
		{ RESULTS_SESSIONS_REFUSED, "session refused",
		    "sessions refused" },
		{ RESULTS_SESSIONS_CUT, "session cut", "sessions cut" },
	};
	char n[REPORT_NUMBER_CHARS];
	uint64_t count;

	line[0] = '\0';
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		count = report->results.counts[rows[i].which];
		if (count > 0)
			complain(line, line_chars, "%s %s",
			    report_number(n, count),
			    count == 1 ? rows[i].one : rows[i].many);
	}
	complain_of_latency(report, line, line_chars);
	return line[0] != '\0';
}
