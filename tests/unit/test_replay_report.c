/* SPDX-License-Identifier: MIT */
/* cmd/replay/report/report: the verdict, and what is said of a run. */
#include "cmd/replay/report/report.h"
#include "cmd/replay/report/text.h"
#include "tests/unit/replay_results.h"

#include <stdlib.h>

#define MS INT64_C(1000000)
#define S (1000 * MS)

static struct report *report;

static void
init(void)
{
	report = calloc(1, sizeof(*report));
	ck_assert_ptr_nonnull(report);
	ck_assert(results_init(&report->results, S));
	report->scheduled = true;
	report->max_late_ns = 10 * MS;
	report->n_shards = report->of_shards = 1;
	snprintf(report->target, sizeof(report->target), "relay:4000");
	snprintf(report->captures, sizeof(report->captures), "hour.pcap");
}

static void
done(void)
{
	report_free(report);
}

static void
send(uint64_t n, int64_t at_ns, int64_t late_ns, bool held)
{
	for (uint64_t i = 0; i < n; i++)
		results_sent(&report->results, at_ns, late_ns, held, 7, 100);
}

static const char *
verdict_line(void)
{
	static char line[512];

	report_verdict_line(report, line, sizeof(line));
	return line;
}

static const char *
cluster_line(void)
{
	static char line[512];

	report_cluster_line(report, line, sizeof(line));
	return line;
}

static const struct {
	uint64_t n, n_late, n_held;
	enum verdict verdict;
} edges[] = {
	{ 0, 0, 0, VERDICT_NOTHING },
	{ 1, 0, 0, VERDICT_VALID },
	{ 0, 1, 0, VERDICT_LATE },
	{ 98, 1, 0, VERDICT_LATE }, /* 1 of 99 */
	{ 99, 1, 0, VERDICT_VALID }, /* 1 of 100 is at most one in a hundred */
	{ 198, 2, 0, VERDICT_VALID },
	{ 197, 2, 0, VERDICT_LATE },
	{ 9900, 100, 0, VERDICT_VALID },
	{ 9899, 101, 0, VERDICT_LATE },
	/* those held are neither late, nor are they all */
	{ 99, 0, 50, VERDICT_VALID },
	{ 50, 1, 50, VERDICT_LATE },
	{ 0, 0, 1, VERDICT_VALID },
};

START_TEST(one_in_a_hundred)
{
	send(edges[_i].n, 0, MS, false);
	send(edges[_i].n_late, 0, 50 * MS, false);
	send(edges[_i].n_held, 0, 50 * MS, true);
	ck_assert_uint_eq(report_late(report), edges[_i].n_late);
	ck_assert_int_eq(report_verdict(report), edges[_i].verdict);
}
END_TEST

/* At the limit is not late; what is 0.1 % above it surely is. */
START_TEST(limit)
{
	send(1, 0, 10 * MS, false);
	ck_assert_uint_eq(report_late(report), 0);
	send(1, 0, 10 * MS + 10 * MS / 1000, false);
	ck_assert_uint_eq(report_late(report), 1);
	send(1, 0, 2 * HDR_HOUR_NS, false);
	ck_assert_uint_eq(report_late(report), 2);
}
END_TEST

START_TEST(asap)
{
	report->scheduled = false;
	send(2000000 / 100, 0, -1, false);
	report->length_ns = S / 2;
	ck_assert_int_eq(report_verdict(report), VERDICT_VALID);
	ck_assert_str_eq(verdict_line(),
	    "valid: 20,000 frames sent in 500 ms, 40,000 a second (--asap: as"
	    " fast as they were taken, so none was late)");
}
END_TEST

START_TEST(verdict_lines)
{
	ck_assert_str_eq(verdict_line(),
	    "nothing: no frame was sent, so there is nothing to judge");
	send(1234, S, 80000, false);
	ck_assert_str_eq(verdict_line(),
	    "valid: the injector kept up: 99 % of 1,234 frames left within"
	    " 80.0 us of their time (--max-lateness 10.0 ms)");
	report->interrupted = true;
	ck_assert_str_eq(verdict_line(),
	    "interrupted: the injector kept up: 99 % of 1,234 frames left"
	    " within 80.0 us of their time (--max-lateness 10.0 ms)");
	report->interrupted = false;
	send(40, 72 * S, 41 * MS, false);
	ck_assert_str_eq(verdict_line(),
	    "invalid: late because the injector could not keep up: 40 of 1,274"
	    " frames (3.1 %) left later than 10.0 ms (p99 41.0 ms, worst at"
	    " 00:01:12); use more threads, --shard, or a lower --speed");
}
END_TEST

/* Frames are late in second 3; so is an idle thread, or not, or elsewhere. */
static const struct {
	int64_t late_ns, stall_at_ns, stall_ns;
	uint64_t n_late;
	bool stalled;
} stalls[] = {
	{ 41 * MS, 3 * S, 40 * MS, 40, true },
	/* it began in the second before */
	{ 41 * MS, 2 * S + 999 * MS, 40 * MS, 40, true },
	{ 41 * MS, 1 * S, 40 * MS, 40, false },
	{ 41 * MS, 4 * S, 40 * MS, 40, false },
	/* more than it explains */
	{ 900 * MS, 3 * S, 40 * MS, 40, false },
	{ 41 * MS, 3 * S, 1 * MS, 40, false },
	/* one in a hundred may be */
	{ 900 * MS, 3 * S, 40 * MS, 10, true },
};

START_TEST(who_stalled)
{
	report->results.bucket_ns = S;
	send(1000, S, 80000, false);
	send(stalls[_i].n_late, 3 * S + S / 2, stalls[_i].late_ns, false);
	send(40, 3 * S, 41 * MS, false);
	results_hiccup(&report->results, 0, 10000);
	ck_assert(!report_machine_stalled(report));
	results_hiccup(
	    &report->results, stalls[_i].stall_at_ns, stalls[_i].stall_ns);
	ck_assert_int_eq(report_verdict(report), VERDICT_LATE);
	ck_assert_int_eq(report_machine_stalled(report), stalls[_i].stalled);
	ck_assert(strstr(verdict_line(),
		      stalls[_i].stalled ? "late because the machine stalled: "
					 : "late because the injector could"
					   " not keep up: ") != NULL);
	ck_assert(strstr(verdict_line(), ", local hiccups up to ") != NULL);
}
END_TEST

START_TEST(cluster_lines)
{
	ck_assert_str_eq(cluster_line(), "");
	send(1, 0, 5 * MS, true);
	results_unanswered(&report->results, 0, 7);
	results_unanswered(&report->results, 0, 7);
	results_error(&report->results, 0, 7, 3);
	results_count(&report->results, RESULTS_SESSIONS_CUT, 1500);
	ck_assert_str_eq(cluster_line(),
	    "the cluster: 1 frame held up; 2 requests without an answer;"
	    " 1 error; 1,500 sessions cut");
}
END_TEST

/* How the two verdicts follow from what was counted. */
static const struct {
	const char *name;
	uint64_t sent, late, unanswered, uncaptured, cut, injector;
	uint64_t guessed, failed, failed_captured;
	bool interrupted, ruled;
	uint32_t broken, undecided;
	enum judgement of_injector, of_cluster;
} judged[] = {
	{ "all is well", .sent = 1, .of_injector = JUDGED_PASS,
	    .of_cluster = JUDGED_PASS },
	{ "nothing sent", .of_injector = JUDGED_UNDECIDED,
	    .of_cluster = JUDGED_UNDECIDED },
	{ "late", .late = 1, .of_injector = JUDGED_FAIL,
	    .of_cluster = JUDGED_UNDECIDED },
	{ "out of descriptors", .sent = 1, .injector = 1,
	    .of_injector = JUDGED_FAIL, .of_cluster = JUDGED_UNDECIDED },
	{ "interrupted", .sent = 1, .interrupted = true,
	    .of_injector = JUDGED_UNDECIDED, .of_cluster = JUDGED_UNDECIDED },
	{ "unanswered", .sent = 9, .unanswered = 1, .of_injector = JUDGED_PASS,
	    .of_cluster = JUDGED_FAIL },
	{ "unanswered, as in the capture", .sent = 9, .unanswered = 3,
	    .uncaptured = 3, .of_injector = JUDGED_PASS,
	    .of_cluster = JUDGED_PASS },
	{ "one more than in the capture", .sent = 9, .unanswered = 4,
	    .uncaptured = 3, .of_injector = JUDGED_PASS,
	    .of_cluster = JUDGED_FAIL },
	{ "only their order made them requests", .sent = 9, .unanswered = 3,
	    .guessed = 3, .of_injector = JUDGED_PASS,
	    .of_cluster = JUDGED_PASS },
	{ "one of them was a request", .sent = 9, .unanswered = 4, .guessed = 3,
	    .of_injector = JUDGED_PASS, .of_cluster = JUDGED_FAIL },
	{ "calls failed, as in the capture", .sent = 9, .failed = 2,
	    .failed_captured = 2, .of_injector = JUDGED_PASS,
	    .of_cluster = JUDGED_PASS },
	{ "one more call failed", .sent = 9, .failed = 3, .failed_captured = 2,
	    .of_injector = JUDGED_PASS, .of_cluster = JUDGED_FAIL },
	{ "unanswered, and late", .late = 1, .unanswered = 1,
	    .of_injector = JUDGED_FAIL, .of_cluster = JUDGED_FAIL },
	{ "a rule in place of it", .sent = 9, .unanswered = 1, .ruled = true,
	    .of_injector = JUDGED_PASS, .of_cluster = JUDGED_PASS },
	{ "a rule is broken", .sent = 9, .ruled = true, .broken = 1,
	    .of_injector = JUDGED_PASS, .of_cluster = JUDGED_FAIL },
	{ "a rule is undecided", .sent = 9, .ruled = true, .undecided = 1,
	    .of_injector = JUDGED_PASS, .of_cluster = JUDGED_UNDECIDED },
	{ "cut, whatever the rule", .sent = 9, .cut = 1, .ruled = true,
	    .of_injector = JUDGED_PASS, .of_cluster = JUDGED_FAIL },
};

START_TEST(two_verdicts)
{
	struct results *results = &report->results;

	send(judged[_i].sent, 0, MS, false);
	send(judged[_i].late, 0, S, false);
	for (uint64_t i = 0; i < judged[_i].unanswered; i++)
		results_unanswered(results, 0, 7);
	results_count(
	    results, RESULTS_UNANSWERED_CAPTURED, judged[_i].uncaptured);
	results_count(results, RESULTS_UNANSWERED_SEQUENCE, judged[_i].guessed);
	for (uint64_t i = 0; i < judged[_i].failed; i++)
		results_call_answered(results, "a::b", true, MS, 10);
	results_count(
	    results, RESULTS_CALL_ERRORS_CAPTURED, judged[_i].failed_captured);
	results_count(results, RESULTS_SESSIONS_CUT, judged[_i].cut);
	results_count(results, RESULTS_SESSIONS_INJECTOR, judged[_i].injector);
	report->interrupted = judged[_i].interrupted;
	report->has_rules = judged[_i].ruled;
	report->n_broken = judged[_i].broken;
	report->n_undecided = judged[_i].undecided;
	ck_assert_msg(report_injector(report) == judged[_i].of_injector,
	    "%s: injector", judged[_i].name);
	ck_assert_msg(report_cluster(report) == judged[_i].of_cluster,
	    "%s: cluster", judged[_i].name);
}
END_TEST

/* Twice as long, and a millisecond more; of a hundred at least. */
static const struct {
	int64_t first_ns, last_ns;
	int n;
	bool grew;
} growth[] = {
	{ 2 * MS, 40 * MS, 100, true },
	{ 2 * MS, 40 * MS, 99, false },
	{ 20 * MS, 39 * MS, 100, false },
	{ 20 * MS, 41 * MS, 100, true },
	{ MS / 10, MS, 100, false },
	{ 40 * MS, 2 * MS, 100, false },
};

START_TEST(latency_grows)
{
	for (int64_t s = 0; s < 9; s++)
		for (int i = 0; i < growth[_i].n && s % 4 == 0; i++)
			results_answered(&report->results, s * S, 7,
			    s < 3 ? growth[_i].first_ns : growth[_i].last_ns);
	ck_assert_int_eq(strstr(cluster_line(), "longer and longer") != NULL,
	    growth[_i].grew);
}
END_TEST

static char *
printed(void)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	ck_assert_ptr_nonnull(out);
	report_print_text(report, NULL, out);
	fclose(out);
	return text;
}

/* All but the last two lines, which are sentences, fit in 80 columns. */
START_TEST(fits)
{
	uint64_t seed = 99;
	char *text, *line, *last = NULL;

	for (int i = 0; i < 20000; i++)
		made_event(&report->results, &seed,
		    (int64_t)(unit_random(&seed) % (uint64_t)(3600 * S)), 100);
	report->length_ns = 3600 * S;
	text = printed();
	for (line = text; *line != '\0';) {
		size_t n = strcspn(line, "\n");

		line[n] = '\0';
		if (n > 80 && strncmp(line, "cluster: ", 9) != 0)
			ck_assert_msg(strncmp(line, "injector: ", 10) == 0,
			    "%zu columns: %s", n, line);
		last = line;
		line += n + 1;
	}
	ck_assert_ptr_nonnull(last);
	ck_assert_int_eq(strncmp(last, "cluster: ", 9), 0);
	free(text);
}
END_TEST

START_TEST(tables)
{
	char *text;

	send(30, 0, MS, false);
	send(30, S, MS, false);
	results_answered(&report->results, 0, 7, 5 * MS);
	results_error(&report->results, S, 7, 3);
	results_error(&report->results, S, 7, 4);
	results_error(&report->results, S, 7, 5);
	results_error(&report->results, S, 7, 5);
	results_error(&report->results, S, 7, 99);
	results_error_captured(&report->results, 4);
	results_error_captured(&report->results, 5);
	report->length_ns = 2 * S;
	text = printed();
	ck_assert_ptr_nonnull(strstr(text, "hour.pcap to relay:4000\n"));
	ck_assert_ptr_nonnull(strstr(text, "60 frames, 6.00 kB, 30 frames a"));
	ck_assert_ptr_nonnull(strstr(text, "1 no such destination (code 3)\n"));
	ck_assert_ptr_nonnull(
	    strstr(text, "1 refused (code 4), as in the capture\n"));
	ck_assert_ptr_nonnull(strstr(
	    text, "2 overloaded (code 5), 1 of them as in the capture\n"));
	ck_assert_ptr_nonnull(strstr(text, "1 any other code\n"));
	ck_assert_ptr_nonnull(
	    strstr(text, "not, 2 with an error as in the capture\n"));
	ck_assert_ptr_nonnull(strstr(
	    text, "cluster: fail: 1 of 1 requests answered; 3 errors\n"));
	ck_assert_ptr_nonnull(strstr(text, "0x00000007"));
	ck_assert_ptr_nonnull(strstr(text, "\n  00:00:01"));
	free(text);
}
END_TEST

static Suite *
report_suite(void)
{
	Suite *suite = suite_create("replay_report");
	TCase *tc = unit_case(suite, "report");

	tcase_add_checked_fixture(tc, init, done);
	tcase_add_loop_test(tc, one_in_a_hundred, 0, UNIT_ROWS(edges));
	tcase_add_test(tc, limit);
	tcase_add_test(tc, asap);
	tcase_add_test(tc, verdict_lines);
	tcase_add_loop_test(tc, who_stalled, 0, UNIT_ROWS(stalls));
	tcase_add_loop_test(tc, two_verdicts, 0, UNIT_ROWS(judged));
	tcase_add_test(tc, cluster_lines);
	tcase_add_loop_test(tc, latency_grows, 0, UNIT_ROWS(growth));
	tcase_add_test(tc, fits);
	tcase_add_test(tc, tables);
	return suite;
}

UNIT_MAIN(report_suite)
