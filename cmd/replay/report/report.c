/* SPDX-License-Identifier: MIT */
/*
 * Evaluates a run: the verdict, the rows to show, the merging of shards, and
 * the HdrHistogram log. Owns the results in a report. Called by run.c and by
 * text.c, json.c and html.c.
 */
#include "cmd/replay/report/report.h"

#include "cmd/common/cli.h"
#include "cmd/stats/hdr.h"
#include "proto/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RATE_PART 4 /* a smaller part of an interval gives no rate */
#define PARTS 3 /* compares the latency of the first and the last part */
#define GREW_COUNT 100 /* answers needed in each of them */
#define GREW_TIMES 2
#define GREW_NS 1000000

/* ---- formatting of numbers, times and names; files ---- */

struct unit {
	double from; /* applies to values from here on */
	double per; /* value of one unit */
	const char *name;
};

/* A little below each power, where three digits round up to it. */
static const struct unit time_units[] = {
	{ 599.5e9, 60e9, "min" },
	{ 0.9995e9, 1e9, "s" },
	{ 0.9995e6, 1e6, "ms" },
	{ 0.9995e3, 1e3, "us" },
	{ 0, 1, "ns" },
};

static const struct unit byte_units[] = {
	{ 0.9995e12, 1e12, "TB" },
	{ 0.9995e9, 1e9, "GB" },
	{ 0.9995e6, 1e6, "MB" },
	{ 0.9995e3, 1e3, "kB" },
	{ 0, 1, "bytes" },
};

static const char *
scaled(char text[REPORT_NUMBER_CHARS], double v, const struct unit *unit)
{
	int decimals;

	while (v < unit->from)
		unit++;
	v /= unit->per;
	decimals = unit->per <= 1 || v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2;
	snprintf(text, REPORT_NUMBER_CHARS, "%.*f %s", decimals, v, unit->name);
	return text;
}

const char *
report_time(char text[REPORT_NUMBER_CHARS], int64_t v_ns)
{
	return scaled(text, v_ns < 0 ? 0 : (double)v_ns, time_units);
}

const char *
report_bytes(char text[REPORT_NUMBER_CHARS], uint64_t v_bytes)
{
	return scaled(text, (double)v_bytes, byte_units);
}

const char *
report_number(char text[REPORT_NUMBER_CHARS], uint64_t v)
{
	char digits[REPORT_NUMBER_CHARS];
	int n = snprintf(digits, sizeof(digits), "%" PRIu64, v);
	char *to = text;

	for (int i = 0; i < n; i++) {
		if (i > 0 && (n - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return text;
}

const char *
report_clock(char text[REPORT_NUMBER_CHARS], int64_t at_ns)
{
	int64_t s = at_ns / REPORT_NS_PER_S;

	snprintf(text, REPORT_NUMBER_CHARS,
	    "%02" PRId64 ":%02" PRId64 ":%02" PRId64, s / 3600, s / 60 % 60,
	    s % 60);
	return text;
}

const char *
report_date(char text[REPORT_NUMBER_CHARS], int64_t unix_ns)
{
	time_t s = (time_t)(unix_ns / REPORT_NS_PER_S);
	struct tm tm;

	text[0] = '\0';
	if (gmtime_r(&s, &tm) != NULL)
		strftime(
		    text, REPORT_NUMBER_CHARS, "%Y-%m-%d %H:%M:%S UTC", &tm);
	return text;
}

const char *
report_key_name(
    const struct keys *keys, int32_t key, char text[REPORT_NAME_CHARS])
{
	const char *name = keys == NULL ? NULL : keys_name(keys, key);

	if (key == 0)
		name = "no key";
	if (name == NULL)
		snprintf(
		    text, REPORT_NAME_CHARS, "0x%08" PRIx32, (uint32_t)key);
	else if (strlen(name) < REPORT_NAME_CHARS)
		snprintf(text, REPORT_NAME_CHARS, "%s", name);
	else
		snprintf(text, REPORT_NAME_CHARS, "%.*s..",
		    REPORT_NAME_CHARS - 3, name);
	return text;
}

FILE *
report_create(const char *path, char err[CLI_ERR_CHARS])
{
	FILE *file = fopen(path, "we");

	if (file == NULL)
		snprintf(
		    err, CLI_ERR_CHARS, "%.300s: %s", path, strerror(errno));
	return file;
}

bool
report_close(FILE *file, bool ok, const char *path, char err[CLI_ERR_CHARS])
{
	struct stat st;
	bool regular = fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode);
	int error = 0;

	if (ferror(file))
		error = EIO;
	if (fclose(file) != 0)
		error = errno;
	if (ok && error == 0)
		return true;
	snprintf(err, CLI_ERR_CHARS, "%.300s: %s", path,
	    strerror(ok ? error : ENOMEM));
	if (regular) /* do not remove a device */
		unlink(path);
	return false;
}

/* ---- selection and sums of intervals and keys ---- */

int64_t
report_end_ns(const struct report *report)
{
	if (report->length_ns > report->results.end_ns)
		return report->length_ns;
	return report->results.end_ns;
}

int64_t
report_covered_ns(
    const struct report *report, int64_t start_ns, int64_t width_ns)
{
	int64_t left_ns = report_end_ns(report) - start_ns;

	if (left_ns >= width_ns)
		return width_ns;
	if (left_ns < width_ns / RATE_PART && start_ns > 0)
		return 0;
	return left_ns < 0 ? 0 : left_ns;
}

bool
report_sum_buckets(
    const struct report *report, size_t i, size_t n, struct results_row *sum)
{
	const struct results *results = &report->results;
	bool ok = true;

	results_row_init(sum);
	for (size_t end = i + n; i < end && i < results->n_buckets; i++)
		if (results->buckets[i] != NULL)
			ok = results_row_merge(sum, results->buckets[i]) && ok;
	return ok;
}

static int
by_frames(const void *a, const void *b)
{
	const struct results_key *const *left = a, *const *right = b;
	uint64_t l = (*left)->row.sent + (*left)->row.received;
	uint64_t r = (*right)->row.sent + (*right)->row.received;

	if (l != r)
		return l > r ? -1 : 1;
	return (*left)->key < (*right)->key ? -1 : 1;
}

static bool
counts_anything(const struct results_row *row)
{
	return row->sent + row->received + row->answered + row->unanswered +
	    results_row_errors(row) >
	    0;
}

/* By calls, then by name. */
static int
by_calls(const void *a, const void *b)
{
	const struct results_method *const *left = a, *const *right = b;

	if ((*left)->row.sent != (*right)->row.sent)
		return (*left)->row.sent > (*right)->row.sent ? -1 : 1;
	return memcmp((*left)->name, (*right)->name, sizeof((*left)->name));
}

/* Returns the place of one more row; NULL: it is one of the rest. */
static struct report_row *
next_row(
    struct report_rows *top, const struct results_row *row, bool *no_memory)
{
	if (top->n < REPORT_ROWS_SHOWN) {
		top->top[top->n].row = row;
		return &top->top[top->n++];
	}
	if (counts_anything(row))
		top->has_rest = true;
	*no_memory |= !results_row_merge(&top->rest, row);
	return NULL;
}

bool
report_keys_make(struct report_rows *top, const struct report *report,
    const struct keys *keys)
{
	const struct map *map = &report->results.keys;
	void **all = map_sorted(map, by_frames);
	const struct results_row *others = results_others(&report->results);
	bool no_memory = all == NULL && map->n > 0;

	*top = (struct report_rows){ .n = 0 };
	results_row_init(&top->rest);
	for (size_t i = 0; all != NULL && i < map->n; i++) {
		const struct results_key *key = all[i];
		struct report_row *to = next_row(top, &key->row, &no_memory);

		if (to != NULL)
			(void)report_key_name(
			    keys, (int32_t)(uint32_t)key->key, to->name);
	}
	free(all);
	top->has_rest = top->has_rest || counts_anything(others);
	return results_row_merge(&top->rest, others) && !no_memory;
}

bool
report_methods_make(struct report_rows *top, const struct report *report)
{
	const struct map *map = &report->results.methods;
	void **all = map_sorted(map, by_calls);
	const struct results_row *others =
	    results_other_methods(&report->results);
	bool no_memory = all == NULL && map->n > 0;

	*top = (struct report_rows){ .n = 0 };
	results_row_init(&top->rest);
	for (size_t i = 0; all != NULL && i < map->n; i++) {
		const struct results_method *method = all[i];
		struct report_row *to = next_row(top, &method->row, &no_memory);

		if (to != NULL)
			memcpy(to->name, method->name, sizeof(to->name));
	}
	free(all);
	top->has_rest = top->has_rest || counts_anything(others);
	return results_row_merge(&top->rest, others) && !no_memory;
}

void
report_rows_free(struct report_rows *top)
{
	results_row_free(&top->rest);
}

bool
report_has_shard(const struct report *report, uint32_t shard)
{
	if (report->n_shards <= 1)
		return report->shard == shard;
	return shard < REPORT_SHARDS_MAX &&
	    (report->has_shard[shard / 64] >> shard % 64 & 1) != 0;
}

/* ---- the verdict ---- */

void
report_free(struct report *report)
{
	if (report != NULL)
		results_free(&report->results);
	free(report);
}

static uint64_t
later_than(const struct hdr *late, int64_t limit_ns)
{
	uint32_t limit = hdr_index(late, limit_ns);
	uint64_t n = 0;

	for (uint32_t i = late->first; i <= late->last; i++)
		if (i > limit)
			n += late->counts[i];
	return n;
}

uint64_t
report_late(const struct report *report)
{
	return later_than(&report->results.late, report->max_late_ns);
}

/* The longest stall in bucket i. */
static int64_t
stall_ns(const struct results *results, size_t i)
{
	const struct results_row *row = results->buckets[i];

	return row != NULL && row->hiccups.sums.count > 0
	    ? (int64_t)row->hiccups.sums.max
	    : 0;
}

/* A stall counts in the bucket of its start, and may reach into the next. */
bool
report_machine_stalled(const struct report *report)
{
	const struct results *results = &report->results;
	int64_t before_ns = 0, longest_ns;
	uint64_t n = 0;

	for (size_t i = 0; i < results->n_buckets; i++) {
		const struct results_row *row = results->buckets[i];

		longest_ns = stall_ns(results, i);
		if (before_ns > longest_ns)
			longest_ns = before_ns;
		before_ns = stall_ns(results, i);
		if (row != NULL && row->late.sums.count > 0)
			n += later_than(
			    &row->late, report->max_late_ns + longest_ns);
	}
	return report_late(report) > 0 && n <= results->late.sums.count / 100;
}

/* What the cluster is to blame for, as a row of a table. */
struct blame {
	const char *one, *many;
	enum results_count which;
	bool fails; /* otherwise it is only told */
};

static const struct blame blames[] = {
	{ "frame held up", "frames held up", RESULTS_HELD, false },
	{ "request without an answer", "requests without an answer",
	    RESULTS_UNANSWERED, true },
	{ "frame without the reply that followed it in the capture",
	    "frames without the reply that followed them in the capture",
	    RESULTS_UNANSWERED_SEQUENCE, false },
	{ "error", "errors", RESULTS_ERRORS, true },
	{ "call failed", "calls failed", RESULTS_CALL_ERRORS, true },
	{ "session not connected", "sessions not connected",
	    RESULTS_SESSIONS_FAILED, true },
	{ "session refused", "sessions refused", RESULTS_SESSIONS_REFUSED,
	    true },
	{ "session cut", "sessions cut", RESULTS_SESSIONS_CUT, true },
};

/* How many, and how many of them as in the capture. */
static uint64_t
blamed(
    const struct report *report, const struct blame *blame, uint64_t *captured)
{
	const struct results *results = &report->results;
	uint64_t guessed = results->counts[RESULTS_UNANSWERED_SEQUENCE];
	uint64_t n = results->counts[blame->which];

	*captured = 0;
	if (blame->which == RESULTS_ERRORS)
		*captured = results_errors_captured(results);
	if (blame->which == RESULTS_CALL_ERRORS)
		*captured = results->counts[RESULTS_CALL_ERRORS_CAPTURED];
	if (blame->which == RESULTS_UNANSWERED) {
		*captured = results->counts[RESULTS_UNANSWERED_CAPTURED];
		n -= guessed < n ? guessed : n;
	}
	return n;
}

/* More than in the capture. */
static bool
is_to_blame(const struct report *report)
{
	uint64_t n, captured;

	for (size_t i = 0; i < sizeof(blames) / sizeof(blames[0]); i++) {
		n = blamed(report, &blames[i], &captured);
		if (blames[i].fails && n > captured)
			return true;
	}
	return false;
}

const char *const report_judgements[JUDGEMENTS] = {
	[JUDGED_PASS] = "pass",
	[JUDGED_FAIL] = "fail",
	[JUDGED_UNDECIDED] = "undecided",
};

enum verdict
report_verdict(const struct report *report)
{
	const uint64_t *counts = report->results.counts;

	if (counts[RESULTS_SESSIONS_INJECTOR] > 0 ||
	    counts[RESULTS_UNSENT_INJECTOR] > 0)
		return VERDICT_FAILED;
	/*
	 * without a remainder: late x 100 > all if and only if late > all / 100
	 */
	if (report->scheduled &&
	    report_late(report) > report->results.late.sums.count / 100)
		return VERDICT_LATE;
	if (report->interrupted)
		return VERDICT_INTERRUPTED;
	return counts[RESULTS_FRAMES_SENT] == 0 ? VERDICT_NOTHING
						: VERDICT_VALID;
}

enum judgement
report_injector(const struct report *report)
{
	switch (report_verdict(report)) {
	case VERDICT_VALID:
		return JUDGED_PASS;
	case VERDICT_LATE:
	case VERDICT_FAILED:
		return JUDGED_FAIL;
	default:
		return JUDGED_UNDECIDED;
	}
}

enum judgement
report_cluster(const struct report *report)
{
	bool fails = report->has_rules ? report->n_broken > 0 ||
		report->results.counts[RESULTS_SESSIONS_CUT] > 0
				       : is_to_blame(report);

	if (fails)
		return JUDGED_FAIL;
	return report->n_undecided > 0 || report_injector(report) != JUDGED_PASS
	    ? JUDGED_UNDECIDED
	    : JUDGED_PASS;
}

static const char *const report_words[VERDICTS] = {
	[VERDICT_VALID] = "valid",
	[VERDICT_LATE] = "invalid",
	[VERDICT_NOTHING] = "nothing",
	[VERDICT_FAILED] = "invalid",
	[VERDICT_INTERRUPTED] = "interrupted",
};

const char *
report_word(const struct report *report)
{
	return report_words[report_verdict(report)];
}

/* The due time of the frame that was sent latest. */
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
	char at[REPORT_NUMBER_CHARS], stall[REPORT_NUMBER_CHARS];
	const struct hdr_sums *stalls = &report->results.hiccups.sums;
	uint64_t n_late = report_late(report);
	bool stalled = report_machine_stalled(report);

	snprintf(line, line_chars,
	    "late because %s: %s of %s frames (%.1f %%) left later than %s (p99"
	    " %s, worst at %s)%s%s; %s",
	    stalled ? "the machine stalled" : "the injector could not keep up",
	    report_number(n, n_late), report_number(all, late->sums.count),
	    100 * (double)n_late / (double)late->sums.count,
	    report_time(limit, report->max_late_ns),
	    report_time(p99, hdr_quantile(late, 0.99)),
	    report_clock(at, worst_ns(&report->results)),
	    stalls->count > 0 ? ", local hiccups up to " : "",
	    stalls->count > 0 ? report_time(stall, (int64_t)stalls->max) : "",
	    stalled ? "use --realtime, --cpu, or a machine that is less busy"
		    : "use more threads, --shard, or a lower --speed");
}

static void
say_valid(const struct report *report, char *line, size_t line_chars)
{
	const struct hdr *late = &report->results.late;
	bool known = hdr_quantile_known(late->sums.count, 0.99);
	char n[REPORT_NUMBER_CHARS], within[REPORT_NUMBER_CHARS];
	char limit[REPORT_NUMBER_CHARS];

	snprintf(line, line_chars,
	    "the injector kept up: %s%s frames left within %s of their time"
	    " (--max-lateness %s)",
	    known ? "99 % of " : "", report_number(n, late->sums.count),
	    report_time(
		within, known ? hdr_quantile(late, 0.99) : late->sums.max),
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
	    "%s frames sent in %s, %s a second (--asap: as fast as they"
	    " were taken, so none was late)",
	    report_number(n, sent), report_time(length, end_ns),
	    report_number(
		rate, (uint64_t)((double)sent * 1e9 / (double)end_ns + 0.5)));
}

void
report_failure(const struct report *report, char text[REPORT_TEXT_CHARS])
{
	const char *name = cli_errno_name(report->failure);

	snprintf(text, REPORT_TEXT_CHARS, "%s (%s)",
	    report->failure != 0 ? strerror(report->failure) : "out of memory",
	    name != NULL && report->failure != 0 ? name : "ENOMEM");
}

static void
say_failed(const struct report *report, char *line, size_t line_chars)
{
	const uint64_t *counts = report->results.counts;
	char n[REPORT_NUMBER_CHARS], frames[REPORT_NUMBER_CHARS];
	char why[REPORT_TEXT_CHARS];

	report_failure(report, why);
	snprintf(line, line_chars,
	    "the injector failed: %s: %s sessions not connected, %s frames not"
	    " sent",
	    why, report_number(n, counts[RESULTS_SESSIONS_INJECTOR]),
	    report_number(frames, counts[RESULTS_UNSENT_INJECTOR]));
}

static void
say_kept_up(const struct report *report, char *line, size_t line_chars)
{
	if (report->results.counts[RESULTS_FRAMES_SENT] == 0)
		snprintf(line, line_chars,
		    "no frame was sent, so there is nothing to judge");
	else if (!report->scheduled)
		say_asap(report, line, line_chars);
	else
		say_valid(report, line, line_chars);
}

/* Without the word. */
static void
say_verdict(const struct report *report, char *line, size_t line_chars)
{
	switch (report_verdict(report)) {
	case VERDICT_FAILED:
		say_failed(report, line, line_chars);
		break;
	case VERDICT_LATE:
		say_late(report, line, line_chars);
		break;
	default:
		say_kept_up(report, line, line_chars);
		break;
	}
}

void
report_verdict_line(const struct report *report, char *line, size_t line_chars)
{
	int n = snprintf(
	    line, line_chars, "%s: ", report_words[report_verdict(report)]);

	say_verdict(report, line + n, line_chars - (size_t)n);
}

void
report_injector_line(const struct report *report, char *line, size_t line_chars)
{
	int n = snprintf(line, line_chars, "injector: %s: %s",
	    report_judgements[report_injector(report)],
	    report->interrupted ? "interrupted: " : "");

	say_verdict(report, line + n, line_chars - (size_t)n);
}

/* Appends a complaint to the line. */
static void __attribute__((format(printf, 3, 4)))
complain(char *line, size_t line_chars, const char *format, ...)
{
	size_t n = strlen(line);
	va_list args;

	snprintf(line + n, line_chars - n, "%s", n == 0 ? "" : "; ");
	n = strlen(line);
	va_start(args, format);
	vsnprintf(line + n, line_chars - n, format, args);
	va_end(args);
}

bool
report_capture_line(const struct report *report, char *line, size_t line_chars)
{
	const struct report_capture *capture = &report->capture;
	char n[REPORT_NUMBER_CHARS], of[REPORT_NUMBER_CHARS];

	line[0] = '\0';
	if (capture->clock_steps > 0)
		complain(line, line_chars,
		    capture->clock_steps == 1
			? "its clock stepped once, which is taken out"
			: "its clock stepped %s times, which is taken out",
		    report_number(n, capture->clock_steps));
	if (capture->held_frames > 0)
		complain(line, line_chars,
		    "%s frames of %s connections waited for bytes before"
		    " them, but keep their times; the first of %s, after"
		    " %.3f s",
		    report_number(n, capture->held_frames),
		    report_number(of, capture->held_connections),
		    capture->held_client, (double)capture->held_ns / 1e9);
	return line[0] != '\0';
}

/* p99 of one part of the run. Returns false without enough answers in it. */
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
report_error_line(
    const struct report *report, uint32_t code, char line[REPORT_ERROR_CHARS])
{
	uint64_t n = report->results.errors[code];
	uint64_t n_captured = report->results.captured_errors[code];
	char all[REPORT_NUMBER_CHARS], part[REPORT_NUMBER_CHARS];
	char what[64] = "any other code", captured[64] = "";

	line[0] = '\0';
	if (n == 0)
		return false;
	if (code != 0)
		snprintf(what, sizeof(what), "%s (code %u)",
		    bnet_code_name(code), code);
	if (n_captured == n)
		snprintf(captured, sizeof(captured), ", as in the capture");
	else if (n_captured > 0)
		snprintf(captured, sizeof(captured),
		    ", %s of them as in the capture",
		    report_number(part, n_captured));
	snprintf(line, REPORT_ERROR_CHARS, "%s %s%s", report_number(all, n),
	    what, captured);
	return true;
}

/* What the cluster did not keep up with; errors as captured are not told. */
static void
say_blames(const struct report *report, char *line, size_t line_chars)
{
	char n[REPORT_NUMBER_CHARS], part[REPORT_NUMBER_CHARS];
	uint64_t count, captured;

	line[0] = '\0';
	for (size_t i = 0; i < sizeof(blames) / sizeof(blames[0]); i++) {
		count = blamed(report, &blames[i], &captured);
		if (blames[i].which == RESULTS_ERRORS ||
		    blames[i].which == RESULTS_CALL_ERRORS) {
			count -= captured < count ? captured : count;
			captured = 0;
		}
		if (count > 0)
			complain(line, line_chars, "%s %s",
			    report_number(n, count),
			    count == 1 ? blames[i].one : blames[i].many);
		if (count > 0 && captured > 0)
			complain(line, line_chars, "%s in the capture",
			    report_number(part, captured));
	}
	complain_of_latency(report, line, line_chars);
}

bool
report_cluster_line(const struct report *report, char *line, size_t line_chars)
{
	int n = snprintf(line, line_chars, "the cluster: ");

	say_blames(report, line + n, line_chars - (size_t)n);
	if (line[n] != '\0')
		return true;
	line[0] = '\0';
	return false;
}

void
report_cluster_verdict(
    const struct report *report, char *line, size_t line_chars)
{
	const uint64_t *counts = report->results.counts;
	uint64_t asked = counts[RESULTS_ANSWERED] + counts[RESULTS_UNANSWERED];
	char n[REPORT_NUMBER_CHARS], all[REPORT_NUMBER_CHARS];
	char blame[REPORT_RULES_CHARS];

	snprintf(line, line_chars,
	    "cluster: %s: ", report_judgements[report_cluster(report)]);
	snprintf(line + strlen(line), line_chars - strlen(line),
	    asked > 0 ? "%s of %s requests answered" : "no request was sent",
	    report_number(n, counts[RESULTS_ANSWERED]),
	    report_number(all, asked));
	say_blames(report, blame, sizeof(blame));
	if (blame[0] != '\0')
		complain(line, line_chars, "%s", blame);
	if (report->rules[0] != '\0')
		complain(line, line_chars, "%s", report->rules);
}

/* ---- merging the shards of a run ---- */

/* Returns the name of a setting that differs but must not; NULL: all agree. */
static const char *
differs(const struct report *a, const struct report *b)
{
	if (a->of_shards != b->of_shards)
		return "a different number of shards";
	if (strcmp(a->target, b->target) != 0)
		return "a different target";
	if (strcmp(a->captures, b->captures) != 0)
		return "different captures";
	if (strcmp(a->how, b->how) != 0)
		return "different options";
	if (a->scheduled != b->scheduled)
		return "--asap in one of them";
	if (a->max_late_ns != b->max_late_ns)
		return "a different --max-lateness";
	if (!results_fit(&a->results, &b->results))
		return "a different --bucket";
	return NULL;
}

static bool
mergeable(const struct report *report, const struct report *from,
    char err[CLI_ERR_CHARS])
{
	const char *what = differs(report, from);

	if (what != NULL) {
		snprintf(
		    err, CLI_ERR_CHARS, "not a part of the same run: %s", what);
		return false;
	}
	if (report->of_shards > REPORT_SHARDS_MAX) {
		snprintf(err, CLI_ERR_CHARS, "more than %d shards",
		    REPORT_SHARDS_MAX);
		return false;
	}
	for (uint32_t i = 0; i < report->of_shards; i++) {
		if (!report_has_shard(report, i) || !report_has_shard(from, i))
			continue;
		snprintf(err, CLI_ERR_CHARS,
		    "shard %" PRIu32 "/%" PRIu32 " is already included", i,
		    report->of_shards);
		return false;
	}
	return true;
}

static void
merge_shards(struct report *report, const struct report *from)
{
	uint64_t *has = report->has_shard;

	for (uint32_t i = 0; i < report->of_shards; i++)
		if (report_has_shard(from, i) || i == report->shard)
			has[i / 64] |= UINT64_C(1) << i % 64;
	if (from->shard < report->shard)
		report->shard = from->shard;
	report->n_shards += from->n_shards;
}

/* When the last of its shards began; a file may say anything. */
static int64_t
last_start_ns(const struct report *report)
{
	return report->start_ns > INT64_MAX - report->apart_ns
	    ? INT64_MAX
	    : report->start_ns + report->apart_ns;
}

static void
merge_starts(struct report *report, const struct report *from)
{
	int64_t last_ns = last_start_ns(report);

	if (last_start_ns(from) > last_ns)
		last_ns = last_start_ns(from);
	if (from->start_ns < report->start_ns)
		report->start_ns = from->start_ns;
	report->apart_ns = last_ns - report->start_ns;
}

bool
report_merge(
    struct report *report, const struct report *from, char err[CLI_ERR_CHARS])
{
	if (!mergeable(report, from, err))
		return false;
	if (!results_merge(&report->results, &from->results)) {
		snprintf(err, CLI_ERR_CHARS, "out of memory");
		return false;
	}
	merge_shards(report, from);
	merge_starts(report, from);
	if (report->environment[0] == '\0')
		memcpy(report->environment, from->environment,
		    sizeof(report->environment));
	if (from->length_ns > report->length_ns)
		report->length_ns = from->length_ns;
	report->sessions += from->sessions;
	report->interrupted = report->interrupted || from->interrupted;
	if (report->failure == 0)
		report->failure = from->failure;
	report->diffed = report->diffed || from->diffed;
	report->compared += from->compared;
	report->differences += from->differences;
	return true;
}

/* ---- the HdrHistogram log ---- */

bool
report_write_log(
    const struct report *report, const char *path, char err[CLI_ERR_CHARS])
{
	const struct results *results = &report->results;
	const struct results_row *row;
	FILE *file = report_create(path, err);
	int64_t at_ns;
	bool ok = true;

	if (file == NULL)
		return false;
	hdr_log_head(file, report->start_ns);
	hdr_log_legend(file);
	for (size_t i = 0; i < results->n_buckets; i++) {
		row = results->buckets[i];
		at_ns = report->start_ns + (int64_t)i * results->bucket_ns;
		if (row != NULL && row->latency.sums.count > 0)
			ok = hdr_log_line(file, "latency", at_ns,
				 results->bucket_ns, &row->latency) &&
			    ok;
		if (row != NULL && row->late.sums.count > 0)
			ok = hdr_log_line(file, "late", at_ns,
				 results->bucket_ns, &row->late) &&
			    ok;
	}
	return report_close(file, ok, path, err);
}
