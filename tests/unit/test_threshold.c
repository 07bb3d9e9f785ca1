/* SPDX-License-Identifier: MIT */
/* cmd/stats/threshold */
#include "cmd/stats/threshold.h"

#include "tests/unit/unit.h"

static const struct threshold_metric metrics[] = {
	{ "p99", THRESHOLD_TIME, 0, 0.99 },
	{ "p99.9", THRESHOLD_TIME, 0, 0.999 },
	{ "sent", THRESHOLD_COUNT, 0, 0 },
	{ "answered", THRESHOLD_SHARE, 0, 0 },
	{ "lost%", THRESHOLD_PERCENT, 0, 0 },
};

static const struct threshold_table whole = { metrics, 5, false };
static const struct threshold_table keyed = { metrics, 5, true };

static const struct {
	const char *text, *of, *metric;
	bool below, equal, percent;
	double limit;
} good[] = {
	{ "p99>5ms", "", "p99", false, false, false, 5e6 },
	{ " p99.9 >= 2", "", "p99.9", false, true, false, 2e9 },
	{ "sent<3", "", "sent", true, false, false, 3 },
	{ "answered<99%", "", "answered", true, false, true, 99 },
	{ "answered<99", "", "answered", true, false, false, 99 },
	{ "lost%<=1", "", "lost%", true, true, true, 1 },
	{ "lost%<=1%", "", "lost%", true, true, true, 1 },
	{ "bluenet.echo:p99>1us", "bluenet.echo", "p99", false, false, false,
	    1e3 },
	{ "BlueNet::pong:sent>0", "BlueNet::pong", "sent", false, false, false,
	    0 },
	{ "*: sent > 0", "*", "sent", false, false, false, 0 },
};

START_TEST(takes)
{
	struct threshold test;
	char err[CLI_ERR_CHARS] = "";

	ck_assert_msg(
	    threshold_parse(&keyed, good[_i].text, &test, err), "%s", err);
	ck_assert_str_eq(test.of, good[_i].of);
	ck_assert_str_eq(test.metric->name, good[_i].metric);
	ck_assert(test.below == good[_i].below);
	ck_assert(test.equal == good[_i].equal);
	ck_assert(test.percent == good[_i].percent);
	ck_assert_double_eq(test.limit, good[_i].limit);
}
END_TEST

static const struct {
	const struct threshold_table *table;
	const char *text, *wrong;
} bad[] = {
	{ &whole, "",
	    "column 1: expected p99, p99.9, sent, answered or lost%" },
	{ &whole, "p98>5ms", "column 1: expected p99" },
	{ &whole, "a:p99>5ms", "column 1: expected p99" },
	{ &keyed, ":p99>5ms", "column 1: expected a name before the colon" },
	{ &keyed, "a:p98>5ms", "column 3: expected p99" },
	{ &whole, "p99", "column 4: expected >, >=, < or <=" },
	{ &whole, "sent>5%", "column 6: expected a number" },
	{ &whole, "answered>x", "column 10: expected a number or a percent" },
	{ &whole, "p99>5", NULL },
	{ &whole, "p99>5parsecs", "column 5: expected a time" },
};

START_TEST(refuses)
{
	struct threshold test;
	char err[CLI_ERR_CHARS] = "";
	bool ok = threshold_parse(bad[_i].table, bad[_i].text, &test, err);

	ck_assert_msg(
	    ok == (bad[_i].wrong == NULL), "%s: %s", bad[_i].text, err);
	if (!ok)
		ck_assert_msg(strstr(err, bad[_i].wrong) != NULL, "%s", err);
}
END_TEST

static const struct {
	const char *text;
	double v;
	bool holds;
	const char *said;
} values[] = {
	{ "p99>5ms", 5e6, false, "5 ms" },
	{ "p99>=5ms", 5e6, true, "5 ms" },
	{ "sent<3", 2, true, "2" },
	{ "sent<3", 3, false, "3" },
	{ "sent<=3", 3, true, "3" },
	{ "answered<99%", 98.5, true, "98.5 %" },
};

START_TEST(judges)
{
	char err[CLI_ERR_CHARS] = "", said[THRESHOLD_VALUE_CHARS];
	struct threshold test;

	ck_assert(threshold_parse(&whole, values[_i].text, &test, err));
	ck_assert(threshold_holds(&test, values[_i].v) == values[_i].holds);
	ck_assert_str_eq(
	    threshold_value(&test, values[_i].v, said), values[_i].said);
}
END_TEST

static Suite *
threshold_suite(void)
{
	Suite *suite = suite_create("threshold");
	TCase *tc = unit_case(suite, "threshold");

	tcase_add_loop_test(tc, takes, 0, UNIT_ROWS(good));
	tcase_add_loop_test(tc, refuses, 0, UNIT_ROWS(bad));
	tcase_add_loop_test(tc, judges, 0, UNIT_ROWS(values));
	return suite;
}

UNIT_MAIN(threshold_suite)
