/* SPDX-License-Identifier: MIT */
/* cmd/ping/failif */
#include "cmd/ping/failif.h"
#include "tests/unit/ping_samples.h"

/* Of 1 to 1,000 ms, and 10 of 1,010 lost. */
static const struct {
	const char *text;
	bool holds;
} tests[] = {
	{ "min<1ms", false },
	{ "min<=1ms", true },
	{ "min>0", true },
	{ "max>1", false },
	{ "max>=1", true },
	{ "max>999ms", true },
	{ "avg>500ms", true },
	{ "avg>0.501s", false },
	{ "avg>=0.5005s", true },
	{ "stddev > 288ms", true },
	{ "stddev > 289ms", false },
	{ " p50>499ms", true },
	{ "p50>502ms", false },
	{ "p90>899ms", true },
	{ "p99>989ms", true },
	{ "p99>992ms", false },
	{ "p99>989ms", true },
	{ "lost>9", true },
	{ "lost>10", false },
	{ "lost%>0.9", true },
	{ "lost% > 1%", false },
	{ "lost%<1%", true },
};

static struct series *
example(bool answered)
{
	struct series *series = samples_new(0);

	for (int64_t i = 1; answered && i <= 1000; i++)
		samples_add(series, 7, NOON, i * MS);
	for (int i = 0; i < 10; i++)
		series_count(series, 7, PING_NET, PING_LOST, NOON);
	return series;
}

START_TEST(holds)
{
	struct series *series = example(true);
	char err[CLI_ERR_CHARS] = "";
	struct threshold test;

	ck_assert_msg(failif_parse(tests[_i].text, &test, err), "%s", err);
	ck_assert_msg((failif_result(&test, series, err) == THRESHOLD_TRUE) ==
		tests[_i].holds,
	    "%s: %s", tests[_i].text, err);
	series_free(series);
}
END_TEST

/* One sample less than the percentile needs, and as many as it needs. */
static const struct {
	const char *text;
	int64_t n;
	enum threshold_result result;
} few[] = {
	{ "p50>1ns", 19, THRESHOLD_UNDECIDED },
	{ "p50>1ns", 20, THRESHOLD_TRUE },
	{ "p50>1h", 20, THRESHOLD_FALSE },
	{ "p50<1h", 19, THRESHOLD_UNDECIDED },
	{ "p90>1ns", 99, THRESHOLD_UNDECIDED },
	{ "p90>1ns", 100, THRESHOLD_TRUE },
	{ "p99>1ns", 999, THRESHOLD_UNDECIDED },
	{ "p99>1ns", 1000, THRESHOLD_TRUE },
	{ "p99.9>1ns", 9999, THRESHOLD_UNDECIDED },
	{ "p99.9>1ns", 10000, THRESHOLD_TRUE },
	{ "max>1ns", 1, THRESHOLD_TRUE },
	{ "loss>1%", 1, THRESHOLD_FALSE },
	{ "loss<1%", 1, THRESHOLD_TRUE },
};

START_TEST(too_few)
{
	struct series *series = samples_new(0);
	char what[CLI_ERR_CHARS] = "";
	struct threshold test;

	for (int64_t i = 0; i < few[_i].n; i++)
		samples_add(series, 7, NOON, MS);
	ck_assert(failif_parse(few[_i].text, &test, what));
	ck_assert_int_eq(failif_result(&test, series, what), few[_i].result);
	series_free(series);
}
END_TEST

START_TEST(says_what_is_missing)
{
	struct series *series = samples_new(0);
	char what[CLI_ERR_CHARS] = "";
	struct threshold test;

	samples_add(series, 7, NOON, MS);
	ck_assert(failif_parse("p99>5ms", &test, what));
	ck_assert_int_eq(
	    failif_result(&test, series, what), THRESHOLD_UNDECIDED);
	ck_assert_str_eq(what,
	    "p99>5ms: undecided: 1 answered at layer net, and p99 needs 1000");
	series_free(series);
}
END_TEST

static const struct {
	const char *text, *wrong;
} bad[] = {
	{ "", "'', column 1: expected min, max" },
	{ "p98>5ms", "'p98>5ms', column 1: expected min" },
	{ "p99", "'p99', column 4: expected >, >=, < or <=" },
	{ "p99=5ms", "column 4: expected >" },
	{ "p99>", "column 5: expected a time" },
	{ "p99>=5parsecs", "column 6: expected a time" },
	{ "p99>-5ms", "column 5: expected a time" },
	{ "avg>25h", "column 5: expected a time" },
	{ "lost%>x", "column 7: expected a number" },
	{ "lost>1ms", "column 6: expected a number" },
	{ "lost>-1", "column 6: expected a number" },
	{ "lost>nan", "column 6: expected a number" },
};

START_TEST(errors)
{
	char err[CLI_ERR_CHARS] = "";
	struct threshold test;

	ck_assert_msg(
	    !failif_parse(bad[_i].text, &test, err), "%s: taken", bad[_i].text);
	ck_assert_msg(strstr(err, bad[_i].wrong) != NULL, "%s", err);
}
END_TEST

START_TEST(says_what)
{
	struct series *series = example(true);
	char what[CLI_ERR_CHARS];
	struct threshold test;

	ck_assert(failif_parse("max>5ms", &test, what));
	ck_assert_int_eq(failif_result(&test, series, what), THRESHOLD_TRUE);
	ck_assert_str_eq(what, "max>5ms: max is 1000 ms at layer net");
	series_free(series);
}
END_TEST

/* No answer at all is not as good as any. */
START_TEST(no_answer)
{
	struct series *series = example(false);
	char what[CLI_ERR_CHARS];
	struct threshold test;

	ck_assert(failif_parse("p99>5ms", &test, what));
	ck_assert_int_eq(failif_result(&test, series, what), THRESHOLD_TRUE);
	ck_assert(failif_parse("lost%<100%", &test, what));
	ck_assert_int_eq(failif_result(&test, series, what), THRESHOLD_FALSE);
	series_free(series);
}
END_TEST

static Suite *
failif_suite(void)
{
	Suite *suite = suite_create("ping_failif");
	TCase *tc = unit_case(suite, "ping_failif");

	tcase_add_loop_test(tc, holds, 0, UNIT_ROWS(tests));
	tcase_add_loop_test(tc, errors, 0, UNIT_ROWS(bad));
	tcase_add_loop_test(tc, too_few, 0, UNIT_ROWS(few));
	tcase_add_test(tc, says_what_is_missing);
	tcase_add_test(tc, says_what);
	tcase_add_test(tc, no_answer);
	return suite;
}

UNIT_MAIN(failif_suite)
