/* SPDX-License-Identifier: MIT */
/*
 * Judges a run by the tests of --fail-if. A share is one of the requests, of
 * the planned frames, or of the sessions; a percentile of too few samples, and
 * a share of nothing, is undecided. Owns nothing. Called by run.c.
 */
#include "cmd/replay/report/thresholds.h"

#include "cmd/stats/threshold.h"
#include "proto/header.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Kinds of counts are those of enum results_count, and these. */
enum kind {
	KIND_SENT = RESULTS_N_COUNTS, /* frames_sent, by a shorter name */
	KIND_RECEIVED,
	KIND_COMPARED,
	KIND_DIFFERENCES,
	KIND_LATENCY, /* and five more of each: enum part */
	KIND_LATE = KIND_LATENCY + 5,
	KIND_CONNECT = KIND_LATE + 5,
	KIND_HICCUPS = KIND_CONNECT + 5,
};

enum part {
	PART_MIN,
	PART_MAX,
	PART_AVG,
	PART_STDDEV,
	PART_QUANTILE,
};

#define TIMES(name, kind) \
	{ name ".min", THRESHOLD_TIME, (kind) + PART_MIN, 0 }, \
	    { name ".max", THRESHOLD_TIME, (kind) + PART_MAX, 0 }, \
	    { name ".avg", THRESHOLD_TIME, (kind) + PART_AVG, 0 }, \
	    { name ".stddev", THRESHOLD_TIME, (kind) + PART_STDDEV, 0 }, \
	    { name ".p50", THRESHOLD_TIME, (kind) + PART_QUANTILE, 0.5 }, \
	    { name ".p90", THRESHOLD_TIME, (kind) + PART_QUANTILE, 0.9 }, \
	    { name ".p99", THRESHOLD_TIME, (kind) + PART_QUANTILE, 0.99 }, \
	{ \
		name ".p99.9", THRESHOLD_TIME, (kind) + PART_QUANTILE, 0.999 \
	}
#define SHARE(name, kind) \
	{ \
		name, THRESHOLD_SHARE, (kind), 0 \
	}
#define COUNT(name, kind) \
	{ \
		name, THRESHOLD_COUNT, (kind), 0 \
	}

static const struct threshold_metric metrics[] = {
	SHARE("answered", RESULTS_ANSWERED),
	SHARE("unanswered", RESULTS_UNANSWERED),
	SHARE("errors", RESULTS_ERRORS),
	SHARE("sent", KIND_SENT),
	COUNT("received", KIND_RECEIVED),
	TIMES("latency", KIND_LATENCY),
	TIMES("late", KIND_LATE),
	TIMES("connect", KIND_CONNECT),
	TIMES("hiccups", KIND_HICCUPS),
	COUNT("planned", RESULTS_PLANNED),
	SHARE("skipped", RESULTS_SKIPPED),
	SHARE("unsent", RESULTS_UNSENT),
	SHARE("unsent_not_connected", RESULTS_UNSENT_NOT_CONNECTED),
	SHARE("unsent_cut", RESULTS_UNSENT_CUT),
	SHARE("unsent_stopped", RESULTS_UNSENT_STOPPED),
	SHARE("unsent_injector", RESULTS_UNSENT_INJECTOR),
	SHARE("unsent_damaged", RESULTS_UNSENT_DAMAGED),
	SHARE("unsendable", RESULTS_UNSENDABLE),
	SHARE("not_for_stock", RESULTS_NOT_FOR_STOCK),
	SHARE("held", RESULTS_HELD),
	COUNT("bad", RESULTS_BAD),
	SHARE("frames_sent", RESULTS_FRAMES_SENT),
	COUNT("frames_received", RESULTS_FRAMES_RECEIVED),
	COUNT("bytes_sent", RESULTS_BYTES_SENT),
	COUNT("bytes_received", RESULTS_BYTES_RECEIVED),
	COUNT("unanswered_in_capture", RESULTS_UNANSWERED_CAPTURED),
	COUNT("unanswered_by_sequence", RESULTS_UNANSWERED_SEQUENCE),
	COUNT("call_errors", RESULTS_CALL_ERRORS),
	COUNT("call_errors_in_capture", RESULTS_CALL_ERRORS_CAPTURED),
	COUNT("rewritten", RESULTS_REWRITTEN),
	COUNT("unrewritten_malformed", RESULTS_UNREWRITTEN_MALFORMED),
	COUNT("unrewritten_pickle", RESULTS_UNREWRITTEN_PICKLE),
	COUNT("unrewritten_form", RESULTS_UNREWRITTEN_FORM),
	COUNT("unrewritten_id", RESULTS_UNREWRITTEN_ID),
	COUNT("unrewritten_large", RESULTS_UNREWRITTEN_LARGE),
	SHARE("sessions_begun", RESULTS_SESSIONS_BEGUN),
	SHARE("sessions_ready", RESULTS_SESSIONS_READY),
	SHARE("sessions_refused", RESULTS_SESSIONS_REFUSED),
	SHARE("sessions_failed", RESULTS_SESSIONS_FAILED),
	SHARE("sessions_cut", RESULTS_SESSIONS_CUT),
	SHARE("sessions_done", RESULTS_SESSIONS_DONE),
	SHARE("sessions_stopped", RESULTS_SESSIONS_STOPPED),
	SHARE("sessions_injector", RESULTS_SESSIONS_INJECTOR),
	COUNT("compared", KIND_COMPARED),
	COUNT("differences", KIND_DIFFERENCES),
};

static const struct threshold_table table = {
	.metrics = metrics,
	.n = sizeof(metrics) / sizeof(metrics[0]),
	.of = true,
};

/* ---- what is measured ---- */

struct measure {
	const struct report *report;
	/* of a key or a method; NULL: the whole run */
	const struct results_row *row;
};

/* false: keys have no such count */
static bool
key_count(const struct results_row *row, int kind, double *v)
{
	uint64_t n;

	switch (kind) {
	case KIND_SENT:
	case RESULTS_FRAMES_SENT:
		n = row->sent;
		break;
	case KIND_RECEIVED:
	case RESULTS_FRAMES_RECEIVED:
		n = row->received;
		break;
	case RESULTS_BYTES_SENT:
		n = row->sent_bytes;
		break;
	case RESULTS_BYTES_RECEIVED:
		n = row->received_bytes;
		break;
	case RESULTS_ANSWERED:
		n = row->answered;
		break;
	case RESULTS_UNANSWERED:
		n = row->unanswered;
		break;
	case RESULTS_ERRORS:
		n = results_row_errors(row);
		break;
	default:
		return false;
	}
	*v = (double)n;
	return true;
}

static double
run_count(const struct report *report, int kind)
{
	const uint64_t *counts = report->results.counts;

	switch (kind) {
	case KIND_SENT:
		return (double)counts[RESULTS_FRAMES_SENT];
	case KIND_RECEIVED:
		return (double)counts[RESULTS_FRAMES_RECEIVED];
	case KIND_COMPARED:
		return (double)report->compared;
	case KIND_DIFFERENCES:
		return (double)report->differences;
	default:
		return (double)counts[kind];
	}
}

static double
count_of(const struct measure *what, int kind)
{
	double v = 0;

	if (what->row == NULL)
		return run_count(what->report, kind);
	(void)key_count(what->row, kind, &v);
	return v;
}

/* Requests for answers, sessions for sessions, otherwise frames. */
static double
whole_of(const struct measure *what, const struct threshold_metric *metric)
{
	if (metric->kind == RESULTS_ANSWERED ||
	    metric->kind == RESULTS_UNANSWERED)
		return count_of(what, RESULTS_ANSWERED) +
		    count_of(what, RESULTS_UNANSWERED);
	if (strncmp(metric->name, "sessions", strlen("sessions")) == 0)
		return (double)what->report->sessions;
	if (what->row != NULL || metric->kind == RESULTS_ERRORS)
		return count_of(what, KIND_SENT);
	return run_count(what->report, RESULTS_PLANNED);
}

static const struct hdr *
times_of(const struct measure *what, int kind)
{
	const struct results *results = &what->report->results;

	if (what->row != NULL)
		return &what->row->latency;
	if (kind >= KIND_HICCUPS)
		return &results->hiccups;
	if (kind >= KIND_CONNECT)
		return &results->connect;
	return kind >= KIND_LATE ? &results->late : &results->latency;
}

/* false: there is too little to tell */
static bool
measure_time(const struct measure *what, const struct threshold_metric *metric,
    double *v)
{
	const struct hdr *hdr = times_of(what, metric->kind);
	const struct hdr_sums *sums = &hdr->sums;

	if (sums->count == 0)
		return false;
	switch ((metric->kind - KIND_LATENCY) % (PART_QUANTILE + 1)) {
	case PART_MIN:
		*v = (double)sums->min;
		return true;
	case PART_MAX:
		*v = (double)sums->max;
		return true;
	case PART_AVG:
		*v = hdr_sums_mean(sums);
		return true;
	case PART_STDDEV:
		*v = hdr_sums_stddev(sums);
		return true;
	default:
		*v = (double)hdr_quantile(hdr, metric->q);
		return hdr_quantile_known(sums->count, metric->q);
	}
}

static enum threshold_result
measure(const struct measure *what, const struct threshold *test, double *v)
{
	const struct threshold_metric *metric = test->metric;
	double whole = 0;

	if (metric->unit == THRESHOLD_TIME) {
		if (!measure_time(what, metric, v))
			return THRESHOLD_UNDECIDED;
		return threshold_holds(test, *v) ? THRESHOLD_TRUE
						 : THRESHOLD_FALSE;
	}
	*v = count_of(what, metric->kind);
	if (test->percent) {
		whole = whole_of(what, metric);
		if (whole <= 0)
			return THRESHOLD_UNDECIDED;
		*v = 100 * *v / whole;
	}
	return threshold_holds(test, *v) ? THRESHOLD_TRUE : THRESHOLD_FALSE;
}

/* ---- parsing ---- */

/* Is it counted for each key? */
static bool
is_of_keys(const struct threshold_metric *metric)
{
	const struct results_row none = { .sent = 0 };
	double v;

	return metric->unit == THRESHOLD_TIME
	    ? metric->kind >= KIND_LATENCY && metric->kind < KIND_LATE
	    : key_count(&none, metric->kind, &v);
}

static bool
take(const char *text, struct threshold *test, char err[CLI_ERR_CHARS])
{
	if (!threshold_parse(&table, text, test, err))
		return false;
	if (test->of[0] == '\0' || is_of_keys(test->metric))
		return true;
	snprintf(err, CLI_ERR_CHARS,
	    "'%.100s': %s is of the whole run; of a key or a method, expected"
	    " sent, received, answered, unanswered, errors or latency",
	    text, test->metric->name);
	return false;
}

bool
thresholds_check(const struct option_texts *tests, char err[CLI_ERR_CHARS])
{
	struct threshold test;
	bool ok = true;

	for (size_t i = 0; i < tests->n && ok; i++)
		ok = take(tests->at[i], &test, err);
	return ok;
}

/* ---- judging ---- */

static void __attribute__((format(printf, 2, 3)))
tell(struct report *report, const char *format, ...)
{
	size_t n = strlen(report->rules);
	va_list args;

	n += (size_t)snprintf(report->rules + n, sizeof(report->rules) - n,
	    "%s", n > 0 ? "; " : "");
	if (n >= sizeof(report->rules))
		return;
	va_start(args, format);
	vsnprintf(report->rules + n, sizeof(report->rules) - n, format, args);
	va_end(args);
}

/* Of one key or method, or of the whole run if `name` is "". */
static void
judge(struct report *report, const struct threshold *test, const char *name,
    const struct results_row *row)
{
	const struct measure what = { report, row };
	char value[THRESHOLD_VALUE_CHARS];
	double v = 0;

	switch (measure(&what, test, &v)) {
	case THRESHOLD_TRUE:
		report->n_broken++;
		tell(report, "--fail-if %.100s: %s%s%s is %s", test->text, name,
		    name[0] != '\0' ? ": " : "", test->metric->name,
		    threshold_value(test, v, value));
		break;
	case THRESHOLD_UNDECIDED:
		report->n_undecided++;
		tell(report, "--fail-if %.100s: undecided%s%s: too few samples",
		    test->text, name[0] != '\0' ? " of " : "", name);
		break;
	default:
		break;
	}
}

/* By its name in `keys`, its hash, or 0x and its digits. */
static bool
is_key(const char *name, uint64_t key, const struct keys *keys)
{
	const char *known = keys_name(keys, (int32_t)key);
	char *end;

	if (strncmp(name, "0x", 2) == 0)
		return strtoull(name, &end, 16) == key && *end == '\0';
	return (known != NULL && strcmp(known, name) == 0) ||
	    (uint32_t)bnet_key(name) == (uint32_t)key;
}

static bool
judge_keys(struct report *report, const struct threshold *test,
    const struct keys *keys)
{
	const struct map *map = &report->results.keys;
	bool each = strcmp(test->of, "*") == 0, any = false;
	char name[REPORT_NAME_CHARS];

	for (size_t i = 0; i < map->n; i++) {
		const struct results_key *key = map_at(map, i);

		if (!each && !is_key(test->of, key->key, keys))
			continue;
		if (each && test->metric->unit == THRESHOLD_TIME &&
		    key->row.latency.sums.count == 0)
			continue; /* not a request */
		any = true;
		judge(report, test,
		    report_key_name(keys, (int32_t)key->key, name), &key->row);
	}
	return any;
}

/* "service::method", where either may be a pattern of the shell. */
static bool
judge_methods(struct report *report, const struct threshold *test)
{
	const struct map *map = &report->results.methods;
	union call_name name;
	bool any = false;

	for (size_t i = 0; i < map->n && strstr(test->of, "::") != NULL; i++) {
		const struct results_method *method = map_at(map, i);

		memcpy(name.words, method->name, sizeof(name.words));
		if (fnmatch(test->of, name.text, 0) != 0)
			continue;
		any = true;
		judge(report, test, name.text, &method->row);
	}
	return any;
}

static void
judge_rows(struct report *report, const struct threshold *test,
    const struct keys *keys)
{
	bool key = judge_keys(report, test, keys);

	if (judge_methods(report, test) || key)
		return;
	report->n_undecided++;
	tell(report, "--fail-if %.100s: undecided: no such key or method",
	    test->text);
}

void
thresholds_judge(struct report *report, const struct option_texts *tests,
    const struct keys *keys)
{
	char err[CLI_ERR_CHARS];
	struct threshold test;

	report->has_rules = tests->n > 0;
	for (size_t i = 0; i < tests->n; i++) {
		if (!take(tests->at[i], &test, err))
			continue; /* thresholds_check() told it */
		if (test.of[0] != '\0')
			judge_rows(report, &test, keys);
		else
			judge(report, &test, "", NULL);
	}
}
