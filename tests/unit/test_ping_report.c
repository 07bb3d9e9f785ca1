/* SPDX-License-Identifier: MIT */
/* cmd/ping/cluster_table and cmd/ping/report */
#include "cmd/ping/cluster_table.h"
#include "cmd/ping/report.h"
#include "tests/unit/ping_samples.h"

#include <jansson.h>

static const struct {
	double seconds;
	unsigned decimals;
	const char *text;
} cells[] = {
	{ 0.00065, 5, "0.00065" },
	{ 3.22, 2, "3.22" },
	{ 2, 2, "2.00" },
	{ 0.042, 3, "0.042" },
	{ 123.4567, 3, "123.457" },
	{ 0.0001, 5, "0.00010" },
	/* two significant digits, at any size */
	{ 0.25, 2, "0.25" },
	{ 0.052, 2, "0.052" },
	{ 0.0091, 3, "0.0091" },
	{ 0.00091, 3, "0.00091" },
	{ 0.000047, 5, "0.000047" },
	{ 0.00000012, 5, "0.00000012" },
	/* but none more that are all zero */
	{ 0.009, 3, "0.009" },
	{ 0.00899, 3, "0.009" },
	{ 0.00996, 3, "0.010" },
	{ 0.000000001, 2, "0.000000001" },
	{ 0.0004, 3, "0.00040" },
	{ 0, 3, "0.000" },
	{ -0.0042, 3, "-0.0042" },
	/* ms and us have no decimals where they have two digits */
	{ 3220, 0, "3220" },
	{ 42.4, 0, "42" },
	{ 5.26, 0, "5.3" },
	{ 5.04, 0, "5" },
	{ 0.091, 0, "0.091" },
	{ 0, 0, "0" },
};

START_TEST(cell)
{
	char text[CLUSTER_CELL_CHARS];

	cluster_cell(text, cells[_i].seconds, cells[_i].decimals);
	ck_assert_str_eq(text, cells[_i].text);
}
END_TEST

static const struct {
	int64_t bucket_ns, zone_ns;
	const char *text;
} times[] = {
	{ 3600 * SECOND, 0, "12:00" },
	{ 3600 * SECOND, 5400 * SECOND, "13:30" },
	{ 3600 * SECOND, -13 * 3600 * SECOND, "23:00" },
	{ 10 * SECOND, 0, "12:00:00" },
	{ 24 * 3600 * SECOND, 0, "2008-09-15" },
};

START_TEST(time_of_bucket)
{
	const struct series_settings settings = {
		.bucket_ns = times[_i].bucket_ns,
		.zone_ns = times[_i].zone_ns,
	};
	char text[CLUSTER_CELL_CHARS];

	cluster_time(text, &settings, NOON);
	ck_assert_str_eq(text, times[_i].text);
}
END_TEST

static const struct {
	uint64_t count;
	double q;
	bool known;
} known[] = { { 19, 0.5, false }, { 20, 0.5, true }, { 99, 0.9, false },
	{ 100, 0.9, true }, { 999, 0.99, false }, { 1000, 0.99, true },
	{ 9999, 0.999, false }, { 10000, 0.999, true } };

START_TEST(quantile_known)
{
	ck_assert(hdr_quantile_known(known[_i].count, known[_i].q) ==
	    known[_i].known);
}
END_TEST

static char *
report_of(const struct series *series, const struct report_settings *settings)
{
	char *text = NULL;

	PRINTED(text, ck_assert(report_print(out, series, settings)));
	return text;
}

/* What is there is told; columns that would be empty are not. */
START_TEST(plain)
{
	const struct report_settings settings = { 0 };
	struct series *series = samples_new(0);
	char *text;

	samples_add(series, 7, NOON, 2 * MS);
	samples_add(series, 7, NOON, 4 * MS);
	series_finish(series);
	text = report_of(series, &settings);
	ck_assert_str_eq(text,
	    "Time  Minimum Maximum Average  Stddev\n"
	    "12:00 0.00200  0.0040   0.003   0.001\n"
	    "\n"
	    "in all 0.00200 0.0040 0.003 0.001: 2 answered, 0 lost\n");
	free(text);
	series_free(series);
}
END_TEST

/* Everything at once: from when it was sent, what was lost, hiccups, clocks. */
static struct series *
eventful(void)
{
	struct ping_sample sample = { .node = 7,
		.wall_ns = NOON,
		.due_ns = 50 * MS,
		.sent_ns = 20 * MS,
		.has_clock = true,
		.up_ns = 12 * MS,
		.down_ns = 8 * MS,
		.clock_error_ns = 3 * MS };
	struct series *series = samples_new(0);

	series_name(series, 7, "sol \"7\"\n");
	for (int i = 0; i < 30; i++)
		series_add(series, &sample);
	sample.layer = PING_SERVICE;
	sample.has_clock = false;
	series_add(series, &sample);
	series_count(series, 7, PING_NET, PING_LOST, NOON);
	series_count(series, 7, PING_NET, PING_REORDERED, NOON);
	series_hiccup(series, NOON, 14 * MS);
	series_finish(series);
	return series;
}

START_TEST(all_columns)
{
	const struct report_settings settings = { .per_node = true,
		.percentiles = true };
	struct series *series = eventful();
	char *text = report_of(series, &settings);
	static const char *const parts[] = {
		"Network layer\n",
		"Service layer\n",
		"Node 7, sol \"7\"?: Network layer\n",
		"    p50     p90     p99   p99.9    Lost Disorder  Hiccup\n",
		"12:00 0.05000    0.05   0.050   0.000   0.050      ",
		"      1        1   0.014\n",
		"      0        0\n",
		" sent 0.02000    0.02   0.020   0.000\n",
		"30 answered, 1 lost (3.2 %), 1 out of order\n",
		"up 0.012, down 0.008 on average, each +- 0.003 by the clocks",
	};

	for (int i = 0; i < UNIT_ROWS(parts); i++)
		ck_assert_msg(strstr(text, parts[i]) != NULL, "%s in\n%s",
		    parts[i], text);
	free(text);
	series_free(series);
}
END_TEST

START_TEST(json)
{
	const struct report_settings settings = { .format = REPORT_JSON,
		.per_node = true };
	struct series *series = eventful();
	char *text = report_of(series, &settings), *line, *rest = text;
	json_t *row, *due;
	int n = 0;

	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		row = json_loads(line, 0, NULL);
		ck_assert_msg(row != NULL, "%s", line);
		if (n++ == 0) {
			due = json_object_get(row, "due");
			ck_assert_double_eq(json_number_value(json_object_get(
						due, "average_s")),
			    0.05);
			ck_assert_ptr_nonnull(json_object_get(due, "p50_s"));
			ck_assert(json_is_null(json_object_get(due, "p90_s")));
			ck_assert_ptr_nonnull(json_object_get(row, "hiccups"));
			ck_assert_ptr_nonnull(json_object_get(row, "clock"));
		}
		json_decref(row);
	}
	ck_assert_int_eq(n, 8); /* two layers, all and one node, rows, totals */
	free(text);
	series_free(series);
}
END_TEST

/* Every line has as many fields as the head. */
START_TEST(csv)
{
	const struct report_settings settings = { .format = REPORT_CSV };
	struct series *series = eventful();
	char *text = report_of(series, &settings), *line, *rest = text;
	int want = 0, n;

	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		n = 0;
		for (const char *p = line; *p != '\0'; p++)
			n += *p == ',';
		if (want == 0)
			want = n;
		ck_assert_msg(
		    n == want, "%d fields, not %d: %s", n, want, line);
	}
	free(text);
	series_free(series);
}
END_TEST

/* A long run: the headings once, and again when there are other columns. */
START_TEST(running)
{
	const struct report_settings settings = { 0 };
	struct series *series = samples_new(60 * SECOND);
	char *text = NULL;
	unsigned state = 0;

	for (int i = 0; i < 4; i++)
		samples_add(series, 7, NOON + i * 60 * SECOND, 10 * MS);
	PRINTED(text, {
		series_tick(series, NOON + 180 * SECOND);
		for (size_t i = 0; i < 3; i++) {
			if (i == 2)
				series_count(series, 7, PING_NET, PING_LOST,
				    NOON + 180 * SECOND);
			ck_assert(report_row(out, series, &settings,
			    series_row(series, i), &state));
		}
		series_finish(series);
	});
	ck_assert_str_eq(text,
	    "Time  Minimum Maximum Average  Stddev\n"
	    "12:00 0.01000    0.01   0.010   0.000\n"
	    "12:01 0.01000    0.01   0.010   0.000\n"
	    "Time  Minimum Maximum Average  Stddev    Lost\n"
	    "12:02 0.01000    0.01   0.010   0.000       0\n");
	free(text);
	series_free(series);
}
END_TEST

static Suite *
report_suite(void)
{
	Suite *suite = suite_create("ping_report");
	TCase *tc = unit_case(suite, "ping_report");

	tcase_add_loop_test(tc, cell, 0, UNIT_ROWS(cells));
	tcase_add_loop_test(tc, time_of_bucket, 0, UNIT_ROWS(times));
	tcase_add_loop_test(tc, quantile_known, 0, UNIT_ROWS(known));
	tcase_add_test(tc, plain);
	tcase_add_test(tc, all_columns);
	tcase_add_test(tc, json);
	tcase_add_test(tc, csv);
	tcase_add_test(tc, running);
	return suite;
}

UNIT_MAIN(report_suite)
