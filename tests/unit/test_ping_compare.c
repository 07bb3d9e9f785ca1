/* SPDX-License-Identifier: MIT */
/* cmd/ping/compare */
#include "cmd/ping/compare.h"
#include "cmd/ping/report.h"
#include "tests/unit/ping_samples.h"

#include <jansson.h>

#define MINUTE (60 * SECOND)

static const struct compare_settings settings = { .tolerance = 0.05,
	.seed = 1 };

/* Each sample `permille` thousandths of the usual one. */
static struct series *
run(int n_buckets, int n_samples, int64_t permille, int n_lost)
{
	struct series *series = samples_new(MINUTE);
	int64_t at_ns;
	uint64_t n = 0;

	for (int bucket = 0; bucket < n_buckets; bucket++) {
		at_ns = NOON + bucket * MINUTE;
		for (int i = 0; i < n_samples; i++)
			samples_add(series, 7, at_ns,
			    samples_value(n++) * permille / 1000);
		for (int i = 0; i < n_lost; i++)
			series_count(series, 7, PING_NET, PING_LOST, at_ns);
	}
	series_finish(series);
	return series;
}

static const struct {
	const char *name;
	int n_buckets, n_samples;
	int64_t permille; /* after */
	int lost_before, lost_after; /* in each bucket */
	double factor;
	bool worse;
} rows[] = {
	{ "three times better", 2, 5000, 333, 0, 0, 3.003, false },
	{ "the same", 2, 5000, 1000, 0, 0, 1, false },
	{ "worse, within the tolerance", 2, 5000, 1040, 0, 0, 0.9615, false },
	{ "twice as bad", 2, 5000, 2000, 0, 0, 0.5, true },
	{ "worse, but of so few that it is chance", 1, 20, 1200, 0, 0, 0.8333,
	    false },
	{ "buckets drawn: better", 20, 200, 500, 0, 0, 2, false },
	{ "buckets drawn: worse", 20, 200, 1500, 0, 0, 0.6667, true },
	{ "as fast, but lossy", 2, 1000, 1000, 0, 100, 1, true },
	{ "lossy before, too", 2, 1000, 1000, 100, 110, 1, false },
};

START_TEST(overall)
{
	struct series *before = run(
	    rows[_i].n_buckets, rows[_i].n_samples, 1000, rows[_i].lost_before);
	struct series *after = run(rows[_i].n_buckets, rows[_i].n_samples,
	    rows[_i].permille, rows[_i].lost_after);
	const struct compare_factor *average;
	struct compare_layer result;

	ck_assert(compare_overall(before, after, PING_NET, &settings, &result));
	average = &result.factors[CLUSTER_AVERAGE];
	ck_assert(average->known && average->has_interval);
	ck_assert_double_eq_tol(average->value, rows[_i].factor, 0.001);
	ck_assert_double_le(average->low, average->value);
	ck_assert_double_ge(average->high, average->value);
	ck_assert(!result.factors[CLUSTER_MAXIMUM].has_interval);
	ck_assert_msg(result.worse == rows[_i].worse, "%s: %f (%f to %f)",
	    rows[_i].name, average->value, average->low, average->high);
	series_free(before);
	series_free(after);
}
END_TEST

/* The same seed, the same interval; another, nearly the same. */
START_TEST(seeded)
{
	const struct compare_settings other = { .seed = 2 };
	struct series *before = run(1, 1000, 1000, 0);
	struct series *after = run(1, 1000, 500, 0);
	struct compare_layer one, again, two;

	ck_assert(compare_overall(before, after, PING_NET, &settings, &one));
	ck_assert(compare_overall(before, after, PING_NET, &settings, &again));
	ck_assert(compare_overall(before, after, PING_NET, &other, &two));
	ck_assert_double_eq(one.factors[CLUSTER_AVERAGE].low,
	    again.factors[CLUSTER_AVERAGE].low);
	ck_assert_double_ne(
	    one.factors[CLUSTER_AVERAGE].low, two.factors[CLUSTER_AVERAGE].low);
	ck_assert_double_eq_tol(one.factors[CLUSTER_AVERAGE].low,
	    two.factors[CLUSTER_AVERAGE].low, 0.05);
	series_free(before);
	series_free(after);
}
END_TEST

static char *
printed(struct series *before, struct series *after, int format, bool *worse,
    unsigned *n_layers)
{
	struct compare_settings set = settings;
	char *text = NULL;

	set.format = format;
	PRINTED(text,
	    ck_assert(
		compare_print(out, before, after, &set, worse, n_layers)));
	return text;
}

static struct series *
plain(int64_t at_ns, int64_t first_ns, int64_t second_ns)
{
	struct series *series = samples_new(MINUTE);

	samples_add(series, 7, at_ns, first_ns);
	samples_add(series, 7, at_ns, 3 * first_ns);
	samples_add(series, 7, at_ns + MINUTE, second_ns);
	samples_add(series, 7, at_ns + MINUTE, 3 * second_ns);
	series_finish(series);
	return series;
}

static const char same_times[] =
    "Time      Min   Max   Avg   Std     Min   Max   Avg   Std  Min  Max  Avg"
    "  Std\n"
    "12:00 0.20000  0.60 0.400 0.200 0.10000  0.30 0.200 0.100  2.0  2.0  2.0"
    "  2.0\n"
    "12:01 0.20000  0.60 0.400 0.200 0.05000  0.15 0.100 0.050  4.0  4.0  4.0"
    "  4.0\n"
    "total 0.20000  0.60 0.400 0.200 0.05000  0.30 0.150 0.094  4.0  2.0  2.7"
    "  2.1\n"
    "\n"
    "minimum lower by a factor of 4.0\n"
    "maximum lower by a factor of 2.0\n"
    "average lower by a factor of 2.7 (95 %: ";

START_TEST(text)
{
	struct series *before = plain(NOON, 200 * MS, 200 * MS);
	struct series *after = plain(NOON, 100 * MS, 50 * MS);
	unsigned n_layers;
	bool worse;
	char *got = printed(before, after, REPORT_TEXT, &worse, &n_layers);

	ck_assert_msg(strstr(got, same_times) != NULL, "%s", got);
	ck_assert_uint_eq(n_layers, 1);
	ck_assert(!worse);
	free(got);
	got = printed(after, before, REPORT_TEXT, &worse, &n_layers);
	ck_assert_msg(
	    strstr(got, "maximum higher by a factor of 2.0\n") != NULL, "%s",
	    got);
	free(got);
	series_free(before);
	series_free(after);
}
END_TEST

/* Of another day: a second column of times; and more rows on one side. */
START_TEST(other_times)
{
	struct series *before = plain(NOON, 200 * MS, 200 * MS);
	struct series *after = run(3, 5, 1000, 0);
	unsigned n_layers;
	bool worse;
	char *got;

	series_free(before);
	before = plain(NOON + 3600 * SECOND, 200 * MS, 200 * MS);
	got = printed(before, after, REPORT_TEXT, &worse, &n_layers);
	ck_assert_msg(
	    strstr(got, "\n13:00 0.20000  0.60 0.400 0.200 12:00 ") != NULL,
	    "%s", got);
	ck_assert_msg(strstr(got, "0.200 12:02") == NULL &&
		strstr(got, " 12:02 ") != NULL,
	    "%s", got);
	free(got);
	series_free(before);
	series_free(after);
}
END_TEST

START_TEST(json)
{
	struct series *before = run(2, 100, 1000, 0);
	struct series *after = run(2, 100, 500, 0);
	unsigned n_layers;
	bool worse;
	char *got = printed(before, after, REPORT_JSON, &worse, &n_layers);
	char *line, *rest = got;
	json_t *row = NULL;
	int n = 0;

	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		json_decref(row);
		row = json_loads(line, 0, NULL);
		ck_assert_msg(row != NULL, "%s", line);
		n++;
	}
	ck_assert_int_eq(n, 3);
	ck_assert_double_eq_tol(json_number_value(json_object_get(
				    json_object_get(row, "factor"), "average")),
	    2, 0.001);
	ck_assert(json_is_false(json_object_get(row, "worse")));
	json_decref(row);
	free(got);
	series_free(before);
	series_free(after);
}
END_TEST

/* Nothing was answered after: worse. Nothing measured: nothing to compare. */
START_TEST(nothing)
{
	struct series *before = run(1, 10, 1000, 0);
	struct series *silent = run(1, 0, 1000, 10);
	struct series *empty = samples_new(0);
	unsigned n_layers;
	bool worse;

	free(printed(before, silent, REPORT_TEXT, &worse, &n_layers));
	ck_assert(worse);
	ck_assert_uint_eq(n_layers, 1);
	free(printed(before, empty, REPORT_TEXT, &worse, &n_layers));
	ck_assert(!worse);
	ck_assert_uint_eq(n_layers, 0);
	series_free(before);
	series_free(silent);
	series_free(empty);
}
END_TEST

static Suite *
compare_suite(void)
{
	Suite *suite = suite_create("ping_compare");
	TCase *tc = unit_case(suite, "ping_compare");

	tcase_add_loop_test(tc, overall, 0, UNIT_ROWS(rows));
	tcase_add_test(tc, seeded);
	tcase_add_test(tc, text);
	tcase_add_test(tc, other_times);
	tcase_add_test(tc, json);
	tcase_add_test(tc, nothing);
	return suite;
}

UNIT_MAIN(compare_suite)
