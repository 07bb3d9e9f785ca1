/* SPDX-License-Identifier: MIT */
/*
 * A run as JSON, written and read again. One object:
 *
 *	type		"bluenet-replay report"
 *	version		1
 *	run		what was done: texts, times (unix or lengths, in ns),
 *			shard, of_shards and the list of shards added up
 *	capture		what was noticed of the captures
 *	verdicts	derived: of the injector and of the cluster
 *	verdict		derived: word, line, cluster, late_frames
 *	counts		by the names of report_count_names
 *	errors		[16 numbers], by code; 0: all other codes
 *	late, latency, connect
 *			HIST, 3 digits: every send, answer, session
 *	hiccups		HIST, likewise: every wake-up of an idle thread
 *	bucket_ns, end_ns
 *	buckets		[ROW and "at": number of the bucket, ascending]
 *	keys		[ROW and "key": i32, "name": derived, or null]
 *	others		ROW: all keys beyond the first 1,000
 *	methods		[ROW and "method": "service::method"]
 *	other_methods	ROW: all methods beyond the first 1,000
 *
 *	ROW	sent, sent_bytes, ... as in struct results_row, errors, and
 *		latency, late and hiccups: HIST, 2 digits, where there is a
 *		value
 *	HIST	count, min_ns, max_ns, sum_ns, sum_squares_ns2: exact;
 *		histogram: HdrHistogram's compressed V2; derived: mean_ns,
 *		stddev_ns, p50_ns, p90_ns, p99_ns, p999_ns
 *
 * Derived members are for people and other programs; the reader ignores them. A
 * number above 2^53, and each sum, is a string of decimal digits, because most
 * JSON readers would round it. Times in a run count from its start_ns.
 *
 * Owns nothing but the document while it is read. Called by run.c.
 */
#include "cmd/replay/report/json.h"

#include "cmd/common/json.h"
#include "cmd/common/version.h"
#include "cmd/stats/hdr.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SAFE_MAX (UINT64_C(1) << 53)
#define LINE_CHARS 4096
#define WHERE_CHARS 128

/* ---- writing ---- */

/* The JSON names of counts; by enum results_count. */
static const char *const report_count_names[RESULTS_N_COUNTS] = {
	[RESULTS_SESSIONS_BEGUN] = "sessions_begun",
	[RESULTS_SESSIONS_READY] = "sessions_ready",
	[RESULTS_SESSIONS_REFUSED] = "sessions_refused",
	[RESULTS_SESSIONS_FAILED] = "sessions_failed",
	[RESULTS_SESSIONS_CUT] = "sessions_cut",
	[RESULTS_SESSIONS_DONE] = "sessions_done",
	[RESULTS_SESSIONS_STOPPED] = "sessions_stopped",
	[RESULTS_SESSIONS_STOCK] = "sessions_without_hello",
	[RESULTS_FRAMES_SENT] = "frames_sent",
	[RESULTS_BYTES_SENT] = "bytes_sent",
	[RESULTS_FRAMES_RECEIVED] = "frames_received",
	[RESULTS_BYTES_RECEIVED] = "bytes_received",
	[RESULTS_HELD] = "held",
	[RESULTS_UNSENT] = "unsent",
	[RESULTS_UNSENDABLE] = "unsendable",
	[RESULTS_NOT_FOR_STOCK] = "not_for_stock",
	[RESULTS_ANSWERED] = "answered",
	[RESULTS_UNANSWERED] = "unanswered",
	[RESULTS_ERRORS] = "errors",
	[RESULTS_BAD] = "bad",
	[RESULTS_PLANNED] = "planned",
	[RESULTS_SKIPPED] = "skipped",
	[RESULTS_UNSENT_NOT_CONNECTED] = "unsent_not_connected",
	[RESULTS_UNSENT_CUT] = "unsent_cut",
	[RESULTS_UNSENT_STOPPED] = "unsent_stopped",
	[RESULTS_UNSENT_INJECTOR] = "unsent_injector",
	[RESULTS_UNSENT_DAMAGED] = "unsent_damaged",
	[RESULTS_UNANSWERED_CAPTURED] = "unanswered_in_capture",
	[RESULTS_SESSIONS_INJECTOR] = "sessions_injector",
	[RESULTS_UNANSWERED_SEQUENCE] = "unanswered_by_sequence",
	[RESULTS_CALL_ERRORS] = "call_errors",
	[RESULTS_REWRITTEN] = "rewritten",
	[RESULTS_UNREWRITTEN_MALFORMED] = "unrewritten_malformed",
	[RESULTS_UNREWRITTEN_PICKLE] = "unrewritten_pickle",
	[RESULTS_UNREWRITTEN_FORM] = "unrewritten_form",
	[RESULTS_UNREWRITTEN_ID] = "unrewritten_id",
	[RESULTS_UNREWRITTEN_LARGE] = "unrewritten_large",
	[RESULTS_CALL_ERRORS_CAPTURED] = "call_errors_in_capture",
};

/* The JSON names of a row's numbers, and their offsets. */
struct report_member {
	const char *name;
	size_t offset; /* of a uint64_t in struct results_row */
};
#define REPORT_ROW_MEMBERS 8
#define MEMBER(name) \
	{ \
#name, offsetof(struct results_row, name) \
	}
static const struct report_member report_row_members[REPORT_ROW_MEMBERS] = {
	MEMBER(sent),
	MEMBER(sent_bytes),
	MEMBER(received),
	MEMBER(received_bytes),
	MEMBER(answered),
	MEMBER(unanswered),
	MEMBER(opened),
	MEMBER(closed),
};

/*
 * Replaces bytes that are not UTF-8 by U+FFFD. Returns NULL when out of memory.
 */
static json_t *
text_of(const char *str)
{
	char escaped[JSON_CHAR_BYTES], *literal = NULL;
	size_t n = strlen(str), used, bytes = 0;
	json_t *v = json_string(str);
	FILE *to;

	if (v != NULL)
		return v;
	to = open_memstream(&literal, &bytes);
	if (to == NULL)
		return NULL;
	fputc('"', to);
	for (; n > 0; str += used, n -= used) {
		used = json_char(str, n, escaped, &bytes);
		fwrite(escaped, 1, bytes, to);
	}
	fputc('"', to);
	if (fclose(to) == 0)
		v = json_loads(literal, JSON_DECODE_ANY, NULL);
	free(literal);
	return v;
}

static json_t *
u64_of(uint64_t v)
{
	return v > SAFE_MAX ? json_sprintf("%" PRIu64, v)
			    : json_integer((json_int_t)v);
}

/* `v_ns` is never negative. */
static json_t *
ns_of(int64_t v_ns)
{
	return u64_of((uint64_t)v_ns);
}

static json_t *
u128_of(hdr_u128 v)
{
	char digits[HDR_U128_CHARS];

	return json_string(hdr_u128_text(v, digits));
}

/* null where there are too few values */
static json_t *
quantile_of(const struct hdr *hdr, double q)
{
	return hdr_quantile_known(hdr->sums.count, q)
	    ? ns_of(hdr_quantile(hdr, q))
	    : json_null();
}

static json_t *
hdr_of(const struct hdr *hdr)
{
	const struct hdr_sums *sums = &hdr->sums;
	bool any = sums->count > 0;
	char *histogram = hdr_encode(hdr);
	json_t *v = NULL;

	if (histogram != NULL)
		v = json_pack("{so so so so so so so so so so so ss}", "count",
		    u64_of(sums->count), "min_ns",
		    any ? ns_of(sums->min) : json_null(), "max_ns",
		    any ? ns_of(sums->max) : json_null(), "mean_ns",
		    any ? ns_of((int64_t)hdr_sums_mean(sums)) : json_null(),
		    "stddev_ns",
		    any ? ns_of((int64_t)hdr_sums_stddev(sums)) : json_null(),
		    "p50_ns", quantile_of(hdr, 0.5), "p90_ns",
		    quantile_of(hdr, 0.9), "p99_ns", quantile_of(hdr, 0.99),
		    "p999_ns", quantile_of(hdr, 0.999), "sum_ns",
		    u128_of(sums->sum), "sum_squares_ns2",
		    u128_of(sums->sum_squares), "histogram", histogram);
	free(histogram);
	return v;
}

/* Frees a partial object when out of memory. Always returns NULL. */
static json_t *
gone(json_t *v)
{
	json_decref(v);
	return NULL;
}

static json_t *
errors_of(const uint64_t *errors)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < RESULTS_CODES; i++)
		if (json_array_append_new(list, u64_of(errors[i])) != 0)
			return gone(list);
	return list;
}

/* Adds the members of a row to an object. Returns NULL when out of memory. */
static json_t *
with_row(json_t *object, const struct results_row *row)
{
	bool ok = object != NULL;

	for (size_t i = 0; ok && i < REPORT_ROW_MEMBERS; i++) {
		const struct report_member *member = &report_row_members[i];
		uint64_t v;

		memcpy(&v, (const char *)row + member->offset, sizeof(v));
		ok = json_object_set_new(object, member->name, u64_of(v)) == 0;
	}
	ok = ok &&
	    json_object_set_new(object, "errors", errors_of(row->errors)) == 0;
	if (ok && row->latency.sums.count > 0)
		ok = json_object_set_new(
			 object, "latency", hdr_of(&row->latency)) == 0;
	if (ok && row->late.sums.count > 0)
		ok = json_object_set_new(object, "late", hdr_of(&row->late)) ==
		    0;
	if (ok && row->hiccups.sums.count > 0)
		ok = json_object_set_new(
			 object, "hiccups", hdr_of(&row->hiccups)) == 0;
	return ok ? object : gone(object);
}

static json_t *
shards_of(const struct report *report)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < report->of_shards; i++)
		if (report_has_shard(report, i) &&
		    json_array_append_new(list, u64_of(i)) != 0)
			return gone(list);
	return list;
}

static json_t *
run_of(const struct report *report)
{
	return json_pack("{so si so so so so so so so so so so sb sb sb so so}",
	    "apart_ns", ns_of(report->apart_ns), "failure", report->failure,
	    "target", text_of(report->target), "captures",
	    text_of(report->captures), "how", text_of(report->how),
	    "environment", text_of(report->environment), "start_ns",
	    ns_of(report->start_ns), "length_ns", ns_of(report->length_ns),
	    "max_lateness_ns", ns_of(report->max_late_ns), "of_shards",
	    u64_of(report->of_shards), "shards", shards_of(report), "sessions",
	    u64_of(report->sessions), "scheduled", report->scheduled,
	    "interrupted", report->interrupted, "diffed", report->diffed,
	    "compared", u64_of(report->compared), "differences",
	    u64_of(report->differences));
}

static json_t *
capture_of(const struct report *report)
{
	const struct report_capture *capture = &report->capture;
	bool any = capture->held_frames > 0;

	return json_pack("{so so so so so so}", "clock_steps",
	    u64_of(capture->clock_steps), "held_frames",
	    u64_of(capture->held_frames), "held_connections",
	    u64_of(capture->held_connections), "held_client",
	    any ? text_of(capture->held_client) : json_null(), "held_packet",
	    any ? u64_of(capture->held_packet) : json_null(), "held_ns",
	    any ? ns_of(capture->held_ns) : json_null());
}

static json_t *
verdict_of(const struct report *report)
{
	char line[LINE_CHARS], cluster[LINE_CHARS];

	report_verdict_line(report, line, sizeof(line));
	report_cluster_line(report, cluster, sizeof(cluster));
	return json_pack("{ss so so so}", "word", report_word(report), "line",
	    text_of(line), "cluster", text_of(cluster), "late_frames",
	    u64_of(report_late(report)));
}

static json_t *
because(const struct report *report)
{
	if (report_verdict(report) != VERDICT_LATE)
		return json_null();
	return json_string(
	    report_machine_stalled(report) ? "machine" : "injector");
}

/* The two verdicts, side by side. */
static json_t *
verdicts_of(const struct report *report)
{
	char injector[LINE_CHARS], cluster[LINE_CHARS];
	char why[REPORT_TEXT_CHARS];
	bool failed = report_verdict(report) == VERDICT_FAILED;

	report_injector_line(report, injector, sizeof(injector));
	report_cluster_verdict(report, cluster, sizeof(cluster));
	report_failure(report, why);
	return json_pack("{s{ss so so so so} s{ss so so}}", "injector", "word",
	    report_judgements[report_injector(report)], "line",
	    text_of(injector), "reason", failed ? text_of(why) : json_null(),
	    "errno", failed ? json_integer(report->failure) : json_null(),
	    "late_because", because(report), "cluster", "word",
	    report_judgements[report_cluster(report)], "line", text_of(cluster),
	    "fail_if",
	    report->has_rules ? text_of(report->rules) : json_null());
}

static json_t *
counts_of(const struct results *results)
{
	json_t *counts = json_object();

	for (unsigned i = 0; i < RESULTS_N_COUNTS; i++)
		if (json_object_set_new(counts, report_count_names[i],
			u64_of(results->counts[i])) != 0)
			return gone(counts);
	return counts;
}

static json_t *
buckets_of(const struct results *results)
{
	json_t *list = json_array();

	for (size_t i = 0; i < results->n_buckets; i++)
		if (results->buckets[i] != NULL &&
		    json_array_append_new(list,
			with_row(json_pack("{so}", "at", u64_of(i)),
			    results->buckets[i])) != 0)
			return gone(list);
	return list;
}

static json_t *
key_of(const struct results_key *key, const struct keys *keys)
{
	int32_t id = (int32_t)key->key;
	const char *name = keys == NULL ? NULL : keys_name(keys, id);
	json_t *v = json_pack("{si}", "key", id);

	if (name != NULL && json_object_set_new(v, "name", text_of(name)) != 0)
		return gone(v);
	return with_row(v, &key->row);
}

static json_t *
keys_of(const struct results *results, const struct keys *keys)
{
	json_t *list = json_array();

	for (size_t i = 0; i < results->keys.n; i++)
		if (json_array_append_new(
			list, key_of(map_at(&results->keys, i), keys)) != 0)
			return gone(list);
	return list;
}

static json_t *
methods_of(const struct results *results)
{
	json_t *list = json_array(), *v;
	union call_name name;

	for (size_t i = 0; i < results->methods.n; i++) {
		const struct results_method *method =
		    map_at(&results->methods, i);

		memcpy(name.words, method->name, sizeof(name.words));
		v = json_pack("{so}", "method", text_of(name.text));
		if (json_array_append_new(list, with_row(v, &method->row)) != 0)
			return gone(list);
	}
	return list;
}

static json_t *
report_of(const struct report *report, const struct keys *keys)
{
	const struct results *results = &report->results;

	return json_pack("{ss si ss so so so so so so so so so"
			 " so so so so so so so so so}",
	    "type", "bluenet-replay report", "version", 1, "tool",
	    tools_version(), "verdicts", verdicts_of(report), "run",
	    run_of(report), "capture", capture_of(report), "verdict",
	    verdict_of(report), "counts", counts_of(results), "errors",
	    errors_of(results->errors), "errors_as_captured",
	    errors_of(results->captured_errors), "late", hdr_of(&results->late),
	    "latency", hdr_of(&results->latency), "connect",
	    hdr_of(&results->connect), "hiccups", hdr_of(&results->hiccups),
	    "bucket_ns", ns_of(results->bucket_ns), "end_ns",
	    ns_of(results->end_ns), "buckets", buckets_of(results), "keys",
	    keys_of(results, keys), "others",
	    with_row(json_object(), results_others(results)), "methods",
	    methods_of(results), "other_methods",
	    with_row(json_object(), results_other_methods(results)));
}

bool
report_write_json(const struct report *report, const struct keys *keys,
    const char *path, char err[CLI_ERR_CHARS])
{
	FILE *file = report_create(path, err);
	json_t *v;
	bool ok;

	if (file == NULL)
		return false;
	v = report_of(report, keys);
	ok = v != NULL &&
	    (json_dumpf(v, file, JSON_COMPACT | JSON_ENSURE_ASCII) == 0 ||
		ferror(file) != 0);
	fputc('\n', file);
	json_decref(v);
	return report_close(file, ok, path, err);
}

/*
 * ---- typed access to the members of a JSON file ----
 *
 * These functions return false if the member is missing or has another type;
 * err then reads "FILE: buckets[3].latency.count: expected ...".
 */

struct in {
	const char *path; /* of the file */
	char *err; /* CLI_ERR_CHARS */
	const struct in *up; /* NULL: the top */
	const char *name; /* in its parent; NULL: an array element */
	size_t i; /* index of the element */
	json_t *v;
};

/* "buckets[3].latency.count" */
static void
say_where(const struct in *at, char where[WHERE_CHARS])
{
	size_t n;

	if (at->up == NULL)
		return;
	say_where(at->up, where);
	n = strlen(where);
	if (at->name == NULL)
		snprintf(where + n, WHERE_CHARS - n, "[%zu]", at->i);
	else
		snprintf(where + n, WHERE_CHARS - n, "%s%s", n > 0 ? "." : "",
		    at->name);
}

/* Sets the error. Always returns false. */
static bool
in_bad(const struct in *at, const char *format, ...)
{
	char where[WHERE_CHARS] = "", what[WHERE_CHARS];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	say_where(at, where);
	snprintf(at->err, CLI_ERR_CHARS, "%.200s: %s%sexpected %s", at->path,
	    where, where[0] != '\0' ? ": " : "", what);
	return false;
}

static bool
in_no_memory(const struct in *at)
{
	snprintf(at->err, CLI_ERR_CHARS, "%.200s: out of memory", at->path);
	return false;
}

static const char *
type_name(json_type type)
{
	switch (type) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	default:
		return "a whole number";
	}
}

static void
enter(const struct in *up, const char *name, size_t i, struct in *at)
{
	*at = (struct in){
		.path = up->path, .err = up->err, .up = up, .name = name, .i = i
	};
	at->v = name != NULL ? json_object_get(up->v, name)
			     : json_array_get(up->v, i);
}

/* Gets a member of an object, or an element of an array, of that type. */
static bool
in_member(const struct in *up, const char *name, json_type type, struct in *at)
{
	enter(up, name, 0, at);
	if (at->v == NULL || json_typeof(at->v) != type)
		return in_bad(at, "%s", type_name(type));
	return true;
}

static bool
in_element(const struct in *up, size_t i, json_type type, struct in *at)
{
	enter(up, NULL, i, at);
	if (at->v == NULL || json_typeof(at->v) != type)
		return in_bad(at, "%s", type_name(type));
	return true;
}

static bool
whole(const struct in *at, uint64_t max, uint64_t *v)
{
	json_int_t number =
	    json_is_integer(at->v) ? json_integer_value(at->v) : -1;
	hdr_u128 wide = (hdr_u128)number;
	bool ok = number >= 0;

	if (json_is_string(at->v))
		ok = hdr_u128_read(json_string_value(at->v), &wide);
	*v = (uint64_t)wide;
	if (ok && wide <= max)
		return true;
	return in_bad(at, "a number from 0 to %" PRIu64, max);
}

/* Reads a number from 0 to max, or a string of its digits. */
static bool
in_u64(const struct in *up, const char *name, uint64_t max, uint64_t *v)
{
	struct in at;

	enter(up, name, 0, &at);
	return whole(&at, max, v);
}

static bool
in_element_u64(const struct in *up, size_t i, uint64_t max, uint64_t *v)
{
	struct in at;

	enter(up, NULL, i, &at);
	return whole(&at, max, v);
}

static bool
in_ns(const struct in *up, const char *name, int64_t max_ns, int64_t *v)
{
	uint64_t wide;

	if (!in_u64(up, name, (uint64_t)max_ns, &wide))
		return false;
	*v = (int64_t)wide;
	return true;
}

static bool
in_i32(const struct in *up, const char *name, int32_t *v)
{
	struct in at;
	json_int_t number;

	if (!in_member(up, name, JSON_INTEGER, &at))
		return false;
	number = json_integer_value(at.v);
	if (number < INT32_MIN || number > INT32_MAX)
		return in_bad(&at, "a number of 32 bits");
	*v = (int32_t)number;
	return true;
}

static bool
in_bool(const struct in *up, const char *name, bool *v)
{
	struct in at;

	enter(up, name, 0, &at);
	if (!json_is_boolean(at.v))
		return in_bad(&at, "true or false");
	*v = json_is_true(at.v);
	return true;
}

/* Truncates text that is too long. */
static bool
in_text(const struct in *up, const char *name, char text[REPORT_TEXT_CHARS])
{
	struct in at;
	size_t n;

	if (!in_member(up, name, JSON_STRING, &at))
		return false;
	n = json_string_length(at.v);
	if (n >= REPORT_TEXT_CHARS)
		n = REPORT_TEXT_CHARS - 1;
	memcpy(text, json_string_value(at.v), n);
	text[n] = '\0'; /* jansson rejects embedded NULs */
	return true;
}

static bool
in_u128(const struct in *up, const char *name, hdr_u128 *v)
{
	struct in at;

	if (!in_member(up, name, JSON_STRING, &at))
		return false;
	if (!hdr_u128_read(json_string_value(at.v), v))
		return in_bad(&at, "a number of at most 128 bits, as a string");
	return true;
}

/* null, as no value has: 0 */
static bool
in_value(const struct in *up, const char *name, bool any, int64_t *v)
{
	*v = 0;
	return (!any && json_is_null(json_object_get(up->v, name))) ||
	    in_ns(up, name, INT64_MAX, v);
}

static bool
read_sums(const struct in *at, struct hdr_sums *sums)
{
	return in_u64(at, "count", UINT64_MAX, &sums->count) &&
	    in_value(at, "min_ns", sums->count > 0, &sums->min) &&
	    in_value(at, "max_ns", sums->count > 0, &sums->max) &&
	    in_u128(at, "sum_ns", &sums->sum) &&
	    in_u128(at, "sum_squares_ns2", &sums->sum_squares);
}

/*
 * Reads a histogram into *hdr, which defines the layout. Allocates counts only
 * if there are values.
 */
static bool
in_hdr(const struct in *up, const char *name, struct hdr *hdr)
{
	struct in at, text;
	struct hdr_sums sums;
	const char *wrong;
	struct hdr got;

	if (!in_member(up, name, JSON_OBJECT, &at) || !read_sums(&at, &sums) ||
	    !in_member(&at, "histogram", JSON_STRING, &text))
		return false;
	wrong = hdr_decode(
	    (struct bnet_slice){ (const uint8_t *)json_string_value(text.v),
		json_string_length(text.v) },
	    &got);
	if (wrong != NULL)
		return in_bad(&text, "a histogram: %s", wrong);
	if (got.digits != hdr->digits || got.highest != hdr->highest) {
		hdr_free(&got);
		return in_bad(&text, "a histogram of %u digits to %" PRId64,
		    hdr->digits, hdr->highest);
	}
	if (!hdr_sums_fit(&got, &sums)) {
		hdr_free(&got);
		return in_bad(&at, "sums that the histogram can have");
	}
	got.sums = sums;
	hdr_free(hdr);
	*hdr = got;
	return true;
}

/*
 * ---- reading ----
 *
 * The file is not trusted: numbers must be in range, and histograms must agree
 * with their sums. Derived members are ignored.
 */

/* Twice this times the maximum number of buckets still fits a time. */
#define BUCKET_NS_MAX (INT64_MAX / (2 * RESULTS_BUCKETS_MAX))

static bool
read_errors(
    const struct in *up, const char *name, uint64_t errors[RESULTS_CODES])
{
	struct in list;
	bool ok = in_member(up, name, JSON_ARRAY, &list);

	if (ok && json_array_size(list.v) != RESULTS_CODES)
		return in_bad(&list, "an array of %d numbers", RESULTS_CODES);
	for (size_t i = 0; ok && i < RESULTS_CODES; i++)
		ok = in_element_u64(&list, i, UINT64_MAX, &errors[i]);
	return ok;
}

static bool
read_row_hdr(const struct in *up, const char *name, struct hdr *hdr)
{
	if (json_object_get(up->v, name) == NULL)
		return true;
	if (!in_hdr(up, name, hdr))
		return false;
	return hdr->sums.count > 0 || in_bad(up, "values, or no %s", name);
}

static bool
read_row(const struct in *at, struct results_row *row)
{
	for (size_t i = 0; i < REPORT_ROW_MEMBERS; i++) {
		const struct report_member *member = &report_row_members[i];
		uint64_t v;

		if (!in_u64(at, member->name, UINT64_MAX, &v))
			return false;
		memcpy((char *)row + member->offset, &v, sizeof(v));
	}
	return read_errors(at, "errors", row->errors) &&
	    read_row_hdr(at, "latency", &row->latency) &&
	    read_row_hdr(at, "late", &row->late) &&
	    read_row_hdr(at, "hiccups", &row->hiccups);
}

static bool
read_buckets(const struct in *top, struct results *results)
{
	struct in list, at;
	uint64_t i;

	if (!in_member(top, "buckets", JSON_ARRAY, &list))
		return false;
	for (size_t n = 0; n < json_array_size(list.v); n++) {
		struct results_row *row;

		if (!in_element(&list, n, JSON_OBJECT, &at) ||
		    !in_u64(&at, "at", RESULTS_BUCKETS_MAX - 1, &i))
			return false;
		if (i < results->n_buckets)
			return in_bad(&at, "buckets in their order");
		row = results_bucket(results, (int64_t)i * results->bucket_ns);
		if (row == NULL)
			return in_no_memory(&at);
		if (!read_row(&at, row))
			return false;
	}
	return true;
}

static bool
read_keys(const struct in *top, struct results *results)
{
	struct in list, at;
	int32_t key = 0;

	if (!in_member(top, "keys", JSON_ARRAY, &list))
		return false;
	if (json_array_size(list.v) > RESULTS_KEYS_MAX)
		return in_bad(&list, "at most %d keys", RESULTS_KEYS_MAX);
	for (size_t n = 0; n < json_array_size(list.v); n++) {
		struct results_row *row;

		if (!in_element(&list, n, JSON_OBJECT, &at) ||
		    !in_i32(&at, "key", &key))
			return false;
		row = results_key(results, key);
		if (row == results_others(results))
			return in_no_memory(&at);
		if (results->keys.n != n + 1)
			return in_bad(&at, "each key once");
		if (!read_row(&at, row))
			return false;
	}
	return in_member(top, "others", JSON_OBJECT, &at) &&
	    read_row(&at, results_others(results));
}

/* As call_name_of() makes them. */
static bool
in_method(const struct in *up, union call_name *name)
{
	struct in at;
	size_t n;

	*name = (union call_name){ .words = { 0 } };
	if (!in_member(up, "method", JSON_STRING, &at))
		return false;
	n = json_string_length(at.v);
	if (n == 0 || n >= CALL_NAME_BYTES)
		return in_bad(
		    &at, "1 to %d characters", (int)CALL_NAME_BYTES - 1);
	memcpy(name->text, json_string_value(at.v), n);
	for (size_t i = 0; i < n; i++)
		if (name->text[i] < ' ' || name->text[i] > '~')
			return in_bad(&at, "printable ASCII");
	return true;
}

/* Reports of earlier versions do not have them. */
static bool
read_methods(const struct in *top, struct results *results)
{
	union call_name name;
	struct in list, at;

	if (json_object_get(top->v, "methods") == NULL)
		return true;
	if (!in_member(top, "methods", JSON_ARRAY, &list))
		return false;
	if (json_array_size(list.v) > RESULTS_METHODS_MAX)
		return in_bad(&list, "at most %d methods", RESULTS_METHODS_MAX);
	for (size_t n = 0; n < json_array_size(list.v); n++) {
		struct results_row *row;

		if (!in_element(&list, n, JSON_OBJECT, &at) ||
		    !in_method(&at, &name))
			return false;
		row = results_method(results, name.text);
		if (row == results_other_methods(results))
			return in_no_memory(&at);
		if (results->methods.n != n + 1)
			return in_bad(&at, "each method once");
		if (!read_row(&at, row))
			return false;
	}
	return in_member(top, "other_methods", JSON_OBJECT, &at) &&
	    read_row(&at, results_other_methods(results));
}

/* Reports of earlier versions do not have it. */
static bool
read_captured_errors(const struct in *top, struct results *results)
{
	if (json_object_get(top->v, "errors_as_captured") == NULL)
		return true;
	if (!read_errors(top, "errors_as_captured", results->captured_errors))
		return false;
	for (size_t i = 0; i < RESULTS_CODES; i++)
		if (results->captured_errors[i] > results->errors[i])
			return in_bad(
			    top, "no more errors_as_captured than errors");
	return true;
}

/* Reports of earlier versions do not have these. */
static bool
is_new_count(unsigned which)
{
	return which == RESULTS_SESSIONS_STOCK ||
	    which == RESULTS_NOT_FOR_STOCK || which >= RESULTS_PLANNED;
}

static bool
read_results(const struct in *top, struct results *results)
{
	struct in counts;
	int64_t bucket_ns;
	bool ok = in_ns(top, "bucket_ns", BUCKET_NS_MAX, &bucket_ns);

	if (ok && bucket_ns == 0)
		return in_bad(top, "bucket_ns above 0");
	if (!ok || !in_member(top, "counts", JSON_OBJECT, &counts))
		return false;
	if (!results_init(results, bucket_ns))
		return in_no_memory(top);
	for (unsigned i = 0; ok && i < RESULTS_N_COUNTS; i++)
		ok = (is_new_count(i) &&
			 json_object_get(counts.v, report_count_names[i]) ==
			     NULL) ||
		    in_u64(&counts, report_count_names[i], UINT64_MAX,
			&results->counts[i]);
	return ok && read_errors(top, "errors", results->errors) &&
	    read_captured_errors(top, results) &&
	    in_hdr(top, "late", &results->late) &&
	    in_hdr(top, "latency", &results->latency) &&
	    in_hdr(top, "connect", &results->connect) &&
	    (json_object_get(top->v, "hiccups") == NULL || /* older */
		in_hdr(top, "hiccups", &results->hiccups)) &&
	    in_ns(top, "end_ns", INT64_MAX, &results->end_ns) &&
	    read_buckets(top, results) && read_keys(top, results) &&
	    read_methods(top, results);
}

/* Requires ascending order, so that no bucket occurs twice. */
static bool
read_shards(const struct in *run, struct report *report)
{
	uint64_t of, shard, next = 0;
	struct in list;

	if (!in_u64(run, "of_shards", REPORT_SHARDS_MAX, &of) ||
	    !in_member(run, "shards", JSON_ARRAY, &list))
		return false;
	report->of_shards = (uint32_t)of;
	report->n_shards = (uint32_t)json_array_size(list.v);
	if (of == 0 || report->n_shards == 0)
		return in_bad(&list, "at least one shard");
	for (size_t i = 0; i < json_array_size(list.v); i++) {
		if (!in_element_u64(&list, i, of - 1, &shard))
			return false;
		if (shard < next)
			return in_bad(&list, "shards in their order");
		if (i == 0)
			report->shard = (uint32_t)shard;
		report->has_shard[shard / 64] |= UINT64_C(1) << shard % 64;
		next = shard + 1;
	}
	return true;
}

/* Older reports have none of these. */
static bool
read_newer(const struct in *run, struct report *report)
{
	uint64_t v = 0;

	if (json_object_get(run->v, "apart_ns") != NULL &&
	    !in_ns(run, "apart_ns", INT64_MAX, &report->apart_ns))
		return false;
	if (json_object_get(run->v, "failure") != NULL &&
	    !in_u64(run, "failure", INT_MAX, &v))
		return false;
	report->failure = (int)v;
	return true;
}

static bool
read_capture(const struct in *top, struct report_capture *capture)
{
	struct in at;

	if (json_object_get(top->v, "capture") == NULL)
		return true; /* an older report */
	return in_member(top, "capture", JSON_OBJECT, &at) &&
	    in_u64(&at, "clock_steps", UINT64_MAX, &capture->clock_steps) &&
	    in_u64(&at, "held_frames", UINT64_MAX, &capture->held_frames) &&
	    in_u64(&at, "held_connections", UINT64_MAX,
		&capture->held_connections) &&
	    (capture->held_frames == 0 ||
		(in_text(&at, "held_client", capture->held_client) &&
		    in_u64(&at, "held_packet", UINT64_MAX,
			&capture->held_packet) &&
		    in_ns(&at, "held_ns", INT64_MAX, &capture->held_ns)));
}

static bool
read_run(const struct in *top, struct report *report)
{
	struct in run;

	return in_member(top, "run", JSON_OBJECT, &run) &&
	    in_text(&run, "target", report->target) &&
	    in_text(&run, "captures", report->captures) &&
	    in_text(&run, "how", report->how) &&
	    in_text(&run, "environment", report->environment) &&
	    in_ns(&run, "start_ns", INT64_MAX, &report->start_ns) &&
	    in_ns(&run, "length_ns", INT64_MAX, &report->length_ns) &&
	    in_ns(&run, "max_lateness_ns", INT64_MAX, &report->max_late_ns) &&
	    read_shards(&run, report) &&
	    in_u64(&run, "sessions", UINT64_MAX, &report->sessions) &&
	    in_bool(&run, "scheduled", &report->scheduled) &&
	    in_bool(&run, "interrupted", &report->interrupted) &&
	    read_newer(&run, report) &&
	    in_bool(&run, "diffed", &report->diffed) &&
	    in_u64(&run, "compared", UINT64_MAX, &report->compared) &&
	    in_u64(&run, "differences", UINT64_MAX, &report->differences);
}

static bool
read_report(const struct in *top, struct report *report)
{
	char type[REPORT_TEXT_CHARS];
	uint64_t version;

	if (!json_is_object(top->v))
		return in_bad(top, "an object: a report of bluenet-replay");
	if (!in_text(top, "type", type))
		return false;
	if (strcmp(type, "bluenet-replay report") != 0)
		return in_bad(top, "type \"bluenet-replay report\"");
	if (!in_u64(top, "version", UINT64_MAX, &version))
		return false;
	if (version != 1)
		return in_bad(top, "version 1, the only one known");
	return read_run(top, report) && read_capture(top, &report->capture) &&
	    read_results(top, &report->results);
}

struct source {
	FILE *file;
	size_t left_bytes;
};

/* Reads up to the size limit of the file. */
static size_t
next_bytes(void *buffer, size_t n, void *arg)
{
	struct source *source = arg;

	if (n > source->left_bytes)
		n = source->left_bytes;
	n = fread(buffer, 1, n, source->file);
	source->left_bytes -= n;
	return n;
}

static json_t *
load(const char *path, char err[CLI_ERR_CHARS])
{
	struct source source = { fopen(path, "re"), REPORT_FILE_BYTES_MAX };
	json_error_t error;
	json_t *v;

	if (source.file == NULL) {
		snprintf(
		    err, CLI_ERR_CHARS, "%.300s: %s", path, strerror(errno));
		return NULL;
	}
	errno = 0;
	v = json_load_callback(
	    next_bytes, &source, JSON_REJECT_DUPLICATES, &error);
	if (ferror(source.file))
		snprintf(err, CLI_ERR_CHARS, "%.300s: %s", path,
		    strerror(errno != 0 ? errno : EIO));
	else if (v == NULL && source.left_bytes == 0)
		snprintf(err, CLI_ERR_CHARS,
		    "%.300s: expected a report of at most %d bytes", path,
		    REPORT_FILE_BYTES_MAX);
	else if (v == NULL)
		snprintf(err, CLI_ERR_CHARS,
		    "%.300s, line %d, column %d: expected a report: %.100s",
		    path, error.line, error.column, error.text);
	fclose(source.file);
	return v;
}

struct report *
report_read_json(const char *path, char err[CLI_ERR_CHARS])
{
	struct report *report = calloc(1, sizeof(*report));
	struct in top = { .path = path, .err = err };
	bool ok;

	if (report == NULL) {
		snprintf(err, CLI_ERR_CHARS, "%.300s: out of memory", path);
		return NULL;
	}
	top.v = load(path, err);
	ok = top.v != NULL && read_report(&top, report);
	json_decref(top.v);
	if (ok)
		return report;
	report_free(report);
	return NULL;
}
