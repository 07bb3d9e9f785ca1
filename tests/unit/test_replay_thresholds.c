/* SPDX-License-Identifier: MIT */
/* cmd/replay/report/thresholds: --fail-if over a run. */
#include "cmd/replay/report/thresholds.h"
#include "proto/message.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

#define MS INT64_C(1000000)
#define OTHER 7

static struct report *report;
static struct keys *keys;

/* 60 echoes: 57 answered in 1 to 57 ms, 3 errors; 40 frames of another key. */
static void
init(void)
{
	report = calloc(1, sizeof(*report));
	ck_assert_ptr_nonnull(report);
	ck_assert(results_init(&report->results, 1000 * MS));
	keys = keys_new();
	ck_assert_ptr_nonnull(keys);
	report->scheduled = true;
	report->sessions = 4;
	for (int64_t i = 1; i <= 60; i++) {
		results_sent(
		    &report->results, 0, MS, false, BNET_KEY_ECHO, 100);
		if (i <= 57) {
			results_answered(
			    &report->results, 0, BNET_KEY_ECHO, i * MS);
			continue;
		}
		results_error(&report->results, 0, BNET_KEY_ECHO, 3);
		results_unanswered(&report->results, 0, BNET_KEY_ECHO);
	}
	for (int i = 0; i < 40; i++)
		results_sent(&report->results, 0, MS, false, OTHER, 10);
	/* 30 calls: 20 answered in 2 ms, 4 failed, 6 are not answered */
	for (int i = 0; i < 30; i++) {
		results_called(&report->results, "market::GetOrders", 10);
		if (i < 24)
			results_call_answered(&report->results,
			    "market::GetOrders", i >= 20, 2 * MS, 10);
		else
			results_call_unanswered(
			    &report->results, "market::GetOrders");
	}
	results_called(&report->results, "machoNet::GetTime", 10);
	results_call_answered(
	    &report->results, "machoNet::GetTime", false, 9 * MS, 10);
	results_count(&report->results, RESULTS_PLANNED, 125);
	results_count(&report->results, RESULTS_UNSENT, 25);
	results_count(&report->results, RESULTS_SESSIONS_CUT, 1);
}

static void
done(void)
{
	keys_free(keys);
	report_free(report);
}

static const struct {
	const char *text;
	uint32_t n_broken, n_undecided;
	const char *said; /* NULL: nothing */
} rows[] = {
	{ "answered<99%", 1, 0, "answered<99%: answered is 95 %" },
	{ "answered<95%", 0, 0, NULL },
	{ "answered<=57", 1, 0, "answered is 57" },
	{ "unanswered>5%", 0, 0, NULL },
	{ "errors>0", 1, 0, "errors is 3" },
	{ "errors>3%", 0, 0, NULL },
	{ "errors>2.9%", 1, 0, "errors is 3 %" },
	{ "unsent>0", 1, 0, "unsent is 25" },
	{ "unsent>19%", 1, 0, "unsent is 20 %" },
	{ "sessions_cut>=25%", 1, 0, "sessions_cut is 25 %" },
	{ "sent<100", 0, 0, NULL },
	{ "latency.max>56ms", 1, 0, "latency.max is 57 ms" },
	{ "latency.min>1ms", 0, 0, NULL },
	{ "latency.avg>28.9ms", 1, 0, "latency.avg is 29 ms" },
	{ "latency.p50>28ms", 1, 0, "latency.p50 is" },
	{ "latency.p99>5ms", 0, 1, "latency.p99>5ms: undecided" },
	{ "late.p90>5ms", 0, 0, NULL },
	{ "late.p99>5ms", 0, 1, "undecided" },
	{ "connect.max>1s", 0, 1, "undecided" },
	{ "bluenet.echo:errors>0", 1, 0, "bluenet.echo: errors is 3" },
	{ "0x9f9003c1:errors>0", 1, 0, "bluenet.echo: errors is 3" },
	{ "0x00000007:errors>0", 0, 0, NULL },
	{ "0x7:answered<99%", 0, 1, "undecided" },
	{ "*:sent<50", 1, 0, "0x00000007: sent is 40" },
	{ "*:latency.max>5ms", 1, 0, "bluenet.echo: latency.max is 57 ms" },
	{ "nobody:errors>0", 0, 1, "no such key or method" },
	{ "market::GetOrders:latency.max>1ms", 1, 0,
	    "market::GetOrders: latency.max is 2 ms" },
	{ "market::GetOrders:latency.p50>5ms", 0, 0, NULL },
	{ "market::GetOrders:latency.p99>5ms", 0, 1,
	    "undecided of market::GetOrders" },
	{ "market::GetOrders:errors>3", 1, 0, "errors is 4" },
	{ "market::GetOrders:unanswered>5", 1, 0, "unanswered is 6" },
	{ "market::GetOrders:sent<30", 0, 0, NULL },
	{ "machoNet::*:latency.max>5ms", 1, 0,
	    "machoNet::GetTime: latency.max is 9 ms" },
	{ "*::*:latency.max>1ms", 2, 0, "market::GetOrders" },
	{ "market::Nothing:errors>0", 0, 1, "no such key or method" },
};

static void
judge(const char *text)
{
	struct option_texts tests = { .n = 1 };
	char err[CLI_ERR_CHARS] = "";
	char copy[64];

	snprintf(copy, sizeof(copy), "%s", text);
	tests.at[0] = copy;
	ck_assert_msg(thresholds_check(&tests, err), "%s", err);
	thresholds_judge(report, &tests, keys);
}

START_TEST(judges)
{
	judge(rows[_i].text);
	ck_assert(report->has_rules);
	ck_assert_msg(report->n_broken == rows[_i].n_broken &&
		report->n_undecided == rows[_i].n_undecided,
	    "%s: %s", rows[_i].text, report->rules);
	ck_assert_msg(rows[_i].said == NULL
		? report->rules[0] == '\0'
		: strstr(report->rules, rows[_i].said) != NULL,
	    "%s: %s", rows[_i].text, report->rules);
}
END_TEST

/* Several add up, and no list of them is too long. */
START_TEST(several)
{
	for (uint32_t i = 1; i <= 200; i++) {
		judge("*:sent<=60");
		ck_assert_uint_eq(report->n_broken, 2 * i);
	}
	ck_assert_uint_lt(strlen(report->rules), REPORT_RULES_CHARS);
}
END_TEST

static const struct {
	const char *text, *wrong;
} bad[] = {
	{ "answered", "expected >" },
	{ "answer<1", "expected answered, unanswered" },
	{ "bluenet.echo:held>0", "held is of the whole run" },
	{ "bluenet.echo:late.p99>1s", "is of the whole run" },
	{ "sessions_done<x", "a number or a percentage" },
	{ "latency.p99>1parsec", "a time" },
};

START_TEST(refuses)
{
	struct option_texts tests = { .n = 1 };
	char err[CLI_ERR_CHARS] = "", copy[64];

	snprintf(copy, sizeof(copy), "%s", bad[_i].text);
	tests.at[0] = copy;
	ck_assert_msg(
	    !thresholds_check(&tests, err), "%s: taken", bad[_i].text);
	ck_assert_msg(strstr(err, bad[_i].wrong) != NULL, "%s", err);
}
END_TEST

static Suite *
thresholds_suite(void)
{
	Suite *suite = suite_create("replay_thresholds");
	TCase *tc = unit_case(suite, "replay_thresholds");

	tcase_add_checked_fixture(tc, init, done);
	tcase_add_loop_test(tc, judges, 0, UNIT_ROWS(rows));
	tcase_add_test(tc, several);
	tcase_add_loop_test(tc, refuses, 0, UNIT_ROWS(bad));
	return suite;
}

UNIT_MAIN(thresholds_suite)
