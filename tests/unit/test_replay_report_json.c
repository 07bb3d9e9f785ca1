/* SPDX-License-Identifier: MIT */
/* cmd/replay/report/json: written, read and merged, nothing is lost. */
#include "cmd/replay/report/json.h"
#include "cmd/replay/report/report.h"
#include "cmd/stats/hdr.h"
#include "tests/unit/replay_results.h"
#include "tests/unit/temp_file.h"

#include <jansson.h>

#include <stdlib.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define S (1000 * MS)

static char err[CLI_ERR_CHARS];

static struct report *
make(uint32_t shard, uint32_t of_shards)
{
	struct report *report = calloc(1, sizeof(*report));

	ck_assert_ptr_nonnull(report);
	ck_assert(results_init(&report->results, MADE_BUCKET_NS));
	report->scheduled = true;
	report->max_late_ns = 10 * MS;
	report->n_shards = 1;
	report->shard = shard;
	report->of_shards = of_shards;
	report->start_ns = INT64_C(1764054820123456789);
	report->length_ns = 100 * S + shard;
	report->sessions = 10 + shard;
	snprintf(report->target, sizeof(report->target), "relay:4000");
	snprintf(report->captures, sizeof(report->captures),
	    "\"a\\b\"\t\xc3\xa4 </script>.pcap");
	snprintf(report->how, sizeof(report->how), "--speed 2");
	return report;
}

static void
same_reports(const struct report *a, const struct report *b)
{
	ck_assert_str_eq(a->target, b->target);
	ck_assert_str_eq(a->captures, b->captures);
	ck_assert_str_eq(a->how, b->how);
	ck_assert_str_eq(a->environment, b->environment);
	ck_assert_int_eq(a->start_ns, b->start_ns);
	ck_assert_int_eq(a->length_ns, b->length_ns);
	ck_assert_int_eq(a->max_late_ns, b->max_late_ns);
	ck_assert_uint_eq(a->n_shards, b->n_shards);
	ck_assert_uint_eq(a->shard, b->shard);
	ck_assert_uint_eq(a->of_shards, b->of_shards);
	ck_assert_uint_eq(a->sessions, b->sessions);
	ck_assert_int_eq(a->scheduled, b->scheduled);
	ck_assert_int_eq(a->interrupted, b->interrupted);
	ck_assert_int_eq(a->diffed, b->diffed);
	ck_assert_uint_eq(a->compared, b->compared);
	ck_assert_uint_eq(a->differences, b->differences);
	same_results(&a->results, &b->results);
}

/* What reading gives of what was written. */
static struct report *
through_file(const struct report *report)
{
	struct report *got;

	ck_assert_msg(
	    report_write_json(report, NULL, temp_path, err), "%s", err);
	got = report_read_json(temp_path, err);
	ck_assert_msg(got != NULL, "%s", err);
	return got;
}

START_TEST(empty)
{
	struct report *report = make(0, 1), *got = through_file(report);

	same_reports(report, got);
	report_free(report);
	report_free(got);
}
END_TEST

START_TEST(round_trip)
{
	struct report *report = make(2, 4), *got;
	uint64_t seed = 12345;

	for (int i = 0; i < 20000; i++)
		made_event(&report->results, &seed,
		    (int64_t)(unit_random(&seed) % (uint64_t)(900 * S)), 1200);
	report->interrupted = report->diffed = true;
	report->compared = UINT64_MAX;
	report->differences = (UINT64_C(1) << 53) + 1;
	report->results.counts[0] = UINT64_MAX;
	report->results.counts[1] = INT64_MAX;
	results_answered(&report->results, 0, INT32_MIN, INT64_MAX);
	ck_assert(report->results.keys.n_refused > 0);
	got = through_file(report);
	same_reports(report, got);
	/* and it can be counted on */
	results_sent(&got->results, 0, 1, false, 1, 1);
	results_sent(&report->results, 0, 1, false, 1, 1);
	same_reports(report, got);
	report_free(report);
	report_free(got);
}
END_TEST

/* Four shards through files, in any order and as a tree: as if it were one. */
START_TEST(merged)
{
	static const unsigned orders[][4] = { { 0, 1, 2, 3 }, { 3, 1, 0, 2 },
		{ 2, 3, 1, 0 } };
	struct report *part[4], *single = make(0, 1), *sum, *right;
	uint64_t seed = 4711, copy;

	for (unsigned i = 0; i < 4; i++)
		part[i] = make(i, 4);
	for (int i = 0; i < 10000; i++) {
		uint64_t which = unit_random(&seed) % 4;
		int64_t at_ns = (int64_t)(unit_random(&seed) %
		    (uint64_t)(300 * S << which));

		copy = seed;
		made_event(&single->results, &seed, at_ns, 50);
		made_event(&part[which]->results, &copy, at_ns, 50);
	}
	for (size_t o = 0; o < 3; o++) {
		sum = through_file(part[orders[o][0]]);
		ck_assert(report_merge(sum, part[orders[o][1]], err));
		right = through_file(part[orders[o][2]]);
		ck_assert(report_merge(right, part[orders[o][3]], err));
		ck_assert(!report_merge(right, part[orders[o][3]], err));
		ck_assert(report_merge(sum, right, err));
		same_results(&sum->results, &single->results);
		ck_assert_uint_eq(sum->n_shards, 4);
		ck_assert_uint_eq(sum->sessions, 46);
		ck_assert_int_eq(sum->length_ns, 100 * S + 3);
		report_free(right);
		right = through_file(sum);
		same_reports(sum, right);
		for (unsigned i = 0; i < 4; i++)
			ck_assert(!report_merge(right, part[i], err));
		report_free(right);
		report_free(sum);
	}
	for (unsigned i = 0; i < 4; i++)
		report_free(part[i]);
	report_free(single);
}
END_TEST

static const struct {
	const char *what;
	uint32_t shard, of_shards;
	int64_t start_ns, max_late_ns, bucket_ns;
	const char *target;
	bool scheduled;
	const char *err;
} strangers[] = {
	{ "number", 1, 5, 0, 1, S, "t", true, "a different number of shards" },
	{ "twice", 0, 4, 0, 1, S, "t", true, "shard 0/4 is already included" },
	{ "later", 1, 4, 3 * S, 1, S, "t", true, NULL },
	{ "lateness", 1, 4, 0, 2, S, "t", true, "a different --max-lateness" },
	{ "bucket", 1, 4, 0, 1, 3 * S, "t", true, "a different --bucket" },
	{ "target", 1, 4, 0, 1, S, "u", true, "a different target" },
	{ "asap", 1, 4, 0, 1, S, "t", false, "--asap in one of them" },
	{ "fits", 1, 4, 0, 1, S, "t", true, NULL },
	{ "fits, wider", 1, 4, 0, 1, 8 * S, "t", true, NULL },
};

START_TEST(not_the_same_run)
{
	struct report *report = make(0, 4);
	struct report *from =
	    make(strangers[_i].shard, strangers[_i].of_shards);
	bool ok;

	snprintf(report->target, sizeof(report->target), "t");
	snprintf(
	    from->target, sizeof(from->target), "%s", strangers[_i].target);
	report->max_late_ns = 1;
	from->max_late_ns = strangers[_i].max_late_ns;
	from->start_ns += strangers[_i].start_ns;
	from->scheduled = strangers[_i].scheduled;
	from->results.bucket_ns = strangers[_i].bucket_ns;
	ok = report_merge(report, from, err);
	ck_assert_int_eq(ok, strangers[_i].err == NULL);
	if (!ok)
		ck_assert_msg(strstr(err, strangers[_i].err) != NULL, "%s: %s",
		    strangers[_i].what, err);
	else
		ck_assert_int_eq(report->apart_ns, strangers[_i].start_ns);
	report_free(report);
	report_free(from);
}
END_TEST

/* Whichever is merged first, and whatever a file says. */
START_TEST(apart)
{
	struct report *report = make(0, 4), *early = make(1, 4);
	struct report *late = make(2, 4), *absurd = make(3, 4);
	int64_t start_ns = report->start_ns;

	early->start_ns -= 2 * S;
	late->start_ns += 3 * S;
	absurd->start_ns = absurd->apart_ns = INT64_MAX;
	ck_assert(report_merge(report, early, err));
	ck_assert_int_eq(report->start_ns, start_ns - 2 * S);
	ck_assert_int_eq(report->apart_ns, 2 * S);
	ck_assert(report_merge(report, late, err));
	ck_assert_int_eq(report->start_ns, start_ns - 2 * S);
	ck_assert_int_eq(report->apart_ns, 5 * S);
	ck_assert(report_merge(report, absurd, err));
	ck_assert_int_eq(report->apart_ns, INT64_MAX - (start_ns - 2 * S));
	report_free(report);
	report_free(early);
	report_free(late);
	report_free(absurd);
}
END_TEST

/* A written report as a tree, to be bent. */
static json_t *
tree(void)
{
	struct report *report = make(1, 4);
	json_t *v;

	for (int i = 0; i < 5; i++)
		results_answered(&report->results, i * S, i, i * MS);
	ck_assert(report_write_json(report, NULL, temp_path, err));
	report_free(report);
	v = json_load_file(temp_path, 0, NULL);
	ck_assert_ptr_nonnull(v);
	return v;
}

/* One member of it, by path, is something else; NULL: is not there. */
static const struct {
	const char *at[5];
	const char *to;
	const char *err;
} bent[] = {
	{ { "type" }, "\"other\"", "expected type \"bluenet-replay report\"" },
	{ { "version" }, "2", "expected version 1" },
	{ { "version" }, "1.0", ": version: expected a number from 0" },
	{ { "run" }, NULL, ": run: expected an object" },
	{ { "run", "target" }, "7", ": run.target: expected a string" },
	{ { "run", "start_ns" }, "-1",
	    ": run.start_ns: expected a number from 0 to 9223372036854775807" },
	{ { "run", "start_ns" }, "\"9223372036854775808\"", "run.start_ns: " },
	{ { "run", "start_ns" }, "\"\"", "run.start_ns: " },
	{ { "run", "start_ns" }, "\"1e3\"", "run.start_ns: " },
	{ { "run", "of_shards" }, "0", "run.shards: expected at least one" },
	{ { "run", "of_shards" }, "131073", "run.of_shards: expected" },
	{ { "run", "shards" }, "[]", "run.shards: expected at least one" },
	{ { "run", "shards" }, "[4]",
	    "run.shards[0]: expected a number from 0"
	    " to 3" },
	{ { "run", "shards" }, "[1,1]", "run.shards: expected shards in" },
	{ { "run", "scheduled" }, "1", "run.scheduled: expected true or" },
	{ { "counts", "held" }, NULL, "counts.held: expected a number" },
	{ { "counts", "held" }, "0.5", "counts.held: expected a number" },
	{ { "errors" }, "[0]", "errors: expected an array of 16 numbers" },
	{ { "bucket_ns" }, "0", "expected bucket_ns above 0" },
	{ { "bucket_ns" }, "\"9000000000000000000\"", "bucket_ns: expected" },
	{ { "latency", "histogram" }, "\"####\"",
	    "latency.histogram: expected a histogram: not base64" },
	{ { "latency", "sum_ns" }, "5", "latency.sum_ns: expected a string" },
	{ { "latency", "sum_ns" },
	    "\"340282366920938463463374607431768211456\"",
	    "latency.sum_ns: expected a number of at most 128 bits" },
	{ { "latency", "sum_ns" }, "\"99000000\"",
	    "latency: expected sums that the histogram can have" },
	{ { "latency", "sum_squares_ns2" }, "\"1000000000000000000\"",
	    "latency: expected sums" },
	{ { "latency", "count" }, "4", "latency: expected sums" },
	{ { "latency", "min_ns" }, "1000000", "latency: expected sums" },
	{ { "latency", "max_ns" }, "9000000", "latency: expected sums" },
	{ { "late", "max_ns" }, "1", "late: expected sums" },
	{ { "buckets" }, "{}", "buckets: expected an array" },
	{ { "buckets", "3", "at" }, "1", "buckets[3]: expected buckets in" },
	{ { "buckets", "3", "at" }, "400",
	    "buckets[3].at: expected a number"
	    " from 0 to 399" },
	{ { "buckets", "3", "sent" }, NULL, "buckets[3].sent: expected" },
	{ { "buckets", "3", "errors", "2" }, "-1", "buckets[3].errors[2]: " },
	{ { "buckets", "3", "latency", "count" }, "2",
	    "buckets[3].latency: expected sums" },
	{ { "keys", "2", "key" }, "1", "keys[2]: expected each key once" },
	{ { "keys", "2", "key" }, "2147483648", "keys[2].key: expected" },
	{ { "others" }, "[]", "others: expected an object" },
};

/* Object or array, by a name or a number. */
static json_t *
step(json_t *v, const char *name)
{
	if (json_is_array(v))
		return json_array_get(v, (size_t)strtoul(name, NULL, 10));
	return json_object_get(v, name);
}

static void
bend(json_t *v, const char *const *at, const char *to)
{
	json_t *new = NULL;

	for (; at[1] != NULL; at++) {
		v = step(v, at[0]);
		ck_assert_ptr_nonnull(v);
	}
	ck_assert_ptr_nonnull(step(v, at[0]));
	if (to == NULL) {
		json_object_del(v, at[0]);
		return;
	}
	new = json_loads(to, JSON_DECODE_ANY, NULL);
	ck_assert_ptr_nonnull(new);
	if (json_is_array(v))
		json_array_set_new(v, (size_t)strtoul(at[0], NULL, 10), new);
	else
		json_object_set_new(v, at[0], new);
}

START_TEST(wrong)
{
	json_t *v = tree();

	bend(v, bent[_i].at, bent[_i].to);
	ck_assert_int_eq(json_dump_file(v, temp_path, 0), 0);
	json_decref(v);
	ck_assert_ptr_null(report_read_json(temp_path, err));
	ck_assert_msg(
	    strstr(err, bent[_i].err) != NULL, "%s: %s", bent[_i].err, err);
	ck_assert_int_eq(strncmp(err, temp_path, strlen(temp_path)), 0);
}
END_TEST

START_TEST(no_report)
{
	static const struct {
		const char *text, *err;
	} rows[] = {
		{ "", "line 1, column 0: expected a report: " },
		{ "{\n\"a\":", "line 2, column" },
		{ "[]", "expected an object: a report" },
		{ "{}", "type: expected a string" },
		{ "{\"type\":1,\"type\":1}", "duplicate object key" },
		{ "{\"type\":\"\\u0000\"}", "\\u0000" },
	};
	char deep[5000];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		temp_write(rows[i].text, strlen(rows[i].text));
		ck_assert_ptr_null(report_read_json(temp_path, err));
		ck_assert_msg(strstr(err, rows[i].err) != NULL, "%s", err);
	}
	memset(deep, '[', sizeof(deep));
	temp_write(deep, sizeof(deep));
	ck_assert_ptr_null(report_read_json(temp_path, err));
	unlink(temp_path);
	ck_assert_ptr_null(report_read_json(temp_path, err));
	ck_assert_msg(strstr(err, "No such file") != NULL, "%s", err);
}
END_TEST

/* Cut at many places: told, never read past the end. */
START_TEST(cut)
{
	json_t *v = tree();
	char *text = json_dumps(v, JSON_COMPACT);
	size_t n = strlen(text);

	json_decref(v);
	for (size_t i = 0; i < n; i += n / 100 + 1) {
		temp_write(text, i);
		ck_assert_ptr_null(report_read_json(temp_path, err));
	}
	temp_write(text, n);
	report_free(report_read_json(temp_path, err));
	free(text);
}
END_TEST

START_TEST(unwritable)
{
	struct report *report = make(0, 1);

	ck_assert(!report_write_json(report, NULL, "/nowhere/x", err));
	ck_assert_str_eq(err, "/nowhere/x: No such file or directory");
	ck_assert(!report_write_json(report, NULL, "/dev/full", err));
	ck_assert_ptr_nonnull(strstr(err, "/dev/full: "));
	ck_assert(!report_write_log(report, "/dev/full", err));
	ck_assert_int_eq(access("/dev/full", F_OK), 0);
	report_free(report);
}
END_TEST

START_TEST(log_lines)
{
	struct report *report = make(0, 1);
	struct hdr_log log;
	FILE *file;

	results_answered(&report->results, 3 * S, 1, 5 * MS);
	results_sent(&report->results, 3 * S, MS, false, 1, 1);
	results_sent(&report->results, 5 * S, MS, false, 1, 1);
	ck_assert(report_write_log(report, temp_path, err));
	report_free(report);
	file = fopen(temp_path, "re");
	ck_assert_ptr_nonnull(file);
	hdr_log_open(&log, file);
	while (hdr_log_next(&log) == HDR_LOG_COMMENT)
		;
	ck_assert_str_eq(log.tag, "latency");
	ck_assert_int_eq(log.start_ns, INT64_C(1764054823123000000));
	ck_assert_int_eq(log.length_ns, S);
	ck_assert_uint_eq(log.hdr.sums.count, 1);
	ck_assert_int_eq(hdr_log_next(&log), HDR_LOG_INTERVAL);
	ck_assert_str_eq(log.tag, "late");
	ck_assert_int_eq(hdr_log_next(&log), HDR_LOG_INTERVAL);
	ck_assert_str_eq(log.tag, "late");
	ck_assert_int_eq(log.start_ns, INT64_C(1764054825123000000));
	ck_assert_int_eq(hdr_log_next(&log), HDR_LOG_END);
	hdr_log_free(&log);
	fclose(file);
}
END_TEST

static Suite *
json_suite(void)
{
	Suite *suite = suite_create("replay_report_json");
	TCase *tc = unit_case(suite, "json");

	tcase_add_checked_fixture(tc, temp_setup, temp_teardown);
	tcase_add_test(tc, empty);
	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, merged);
	tcase_add_test(tc, apart);
	tcase_add_loop_test(tc, not_the_same_run, 0, UNIT_ROWS(strangers));
	tcase_add_loop_test(tc, wrong, 0, UNIT_ROWS(bent));
	tcase_add_test(tc, no_report);
	tcase_add_test(tc, cut);
	tcase_add_test(tc, unwritable);
	tcase_add_test(tc, log_lines);
	return suite;
}

UNIT_MAIN(json_suite)
