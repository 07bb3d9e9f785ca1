/* SPDX-License-Identifier: MIT */
/* cmd/ping/series */
#include "tests/unit/failmalloc.h"
#include "tests/unit/ping_samples.h"

#define MINUTE (60 * SECOND)

START_TEST(buckets_of_the_zone)
{
	struct series_settings settings = { .zone_ns = -30 * MINUTE };
	struct series *series = series_new(&settings);

	ck_assert_int_eq(series_bucket_start(series, NOON + 29 * MINUTE),
	    NOON - 30 * MINUTE);
	ck_assert_int_eq(series_bucket_start(series, NOON + 30 * MINUTE),
	    NOON + 30 * MINUTE);
	ck_assert_int_eq(series_bucket_start(series, -1), -30 * MINUTE);
	series_free(series);
}
END_TEST

/* All together and each node, bucket by bucket, and the whole run. */
START_TEST(rows)
{
	struct series *series = samples_new(MINUTE);

	samples_add(series, 7, NOON, 2 * MS);
	samples_add(series, 9, NOON + SECOND, 4 * MS);
	samples_add(series, 7, NOON + MINUTE, 6 * MS);
	series_count(series, 9, PING_NET, PING_LOST, NOON + MINUTE);
	series_count(series, 9, PING_NET, PING_LATE, NOON + MINUTE);
	series_finish(series);
	ck_assert_uint_eq(series_n_rows(series), 6);
	ck_assert_uint_eq(series_row(series, 0)->node, SERIES_ALL);
	ck_assert_int_eq(series_row(series, 0)->start_ns, NOON);
	ck_assert_uint_eq(series_row(series, 0)->due.count, 2);
	ck_assert_double_eq(hdr_sums_mean(&series_row(series, 0)->due), 3e6);
	ck_assert_uint_eq(series_row(series, 1)->counts[PING_LOST], 1);
	ck_assert_uint_eq(series_row(series, 1)->counts[PING_LATE], 1);
	ck_assert_uint_eq(series_row(series, 2)->node, 7);
	ck_assert_uint_eq(series_row(series, 3)->node, 9);
	ck_assert_uint_eq(series_n_nodes(series), 2);
	ck_assert_uint_eq(
	    series_total(series, SERIES_ALL, PING_NET)->due.sums.count, 3);
	ck_assert_uint_eq(series_total(series, 7, PING_NET)->due.sums.count, 2);
	ck_assert_ptr_null(series_total(series, 7, PING_SERVICE));
	ck_assert_ptr_null(series_total(series, 8, PING_NET));
	series_free(series);
}
END_TEST

/* A pong that comes in the next minute counts when its ping was due. */
START_TEST(grace)
{
	const struct series_settings settings = { .bucket_ns = MINUTE,
		.grace_ns = 10 * SECOND };
	struct series *series = series_new(&settings);

	samples_add(series, 7, NOON, MS);
	samples_add(series, 7, NOON + MINUTE, MS);
	ck_assert(!series_tick(series, NOON + MINUTE + 9 * SECOND));
	samples_add(series, 7, NOON + 59 * SECOND, 9 * SECOND);
	ck_assert(series_tick(series, NOON + MINUTE + 10 * SECOND));
	ck_assert_uint_eq(series_row(series, 0)->due.count, 2);
	/* And what is later still: in what is open. */
	samples_add(series, 7, NOON + 59 * SECOND, 12 * SECOND);
	series_finish(series);
	ck_assert_int_eq(series_row(series, 1)->start_ns, NOON + MINUTE);
	ck_assert_uint_eq(series_row(series, 1)->due.count, 2);
	series_free(series);
}
END_TEST

/* An answer for what is closed, and nothing open: the next bucket's. */
START_TEST(late_and_nothing_open)
{
	struct series *series = samples_new(MINUTE);

	samples_add(series, 7, NOON, MS);
	ck_assert(series_tick(series, NOON + MINUTE));
	samples_add(series, 7, NOON + 59 * SECOND, MS);
	series_finish(series);
	ck_assert_uint_eq(series_row(series, 0)->due.count, 1);
	ck_assert_int_eq(series_row(series, 1)->start_ns, NOON + MINUTE);
	series_free(series);
}
END_TEST

/* Steps of the wall clock: rows of other times, the same durations. */
static const int64_t steps_ns[] = { -3600 * SECOND, 3600 * SECOND, -30 * SECOND,
	86400 * SECOND };

START_TEST(clock_steps)
{
	struct series *series = samples_new(MINUTE);
	const struct series_cell *all;
	int64_t at_ns = NOON + MINUTE / 2;

	for (int i = 0; i < 100; i++) {
		if (i == 50)
			at_ns += steps_ns[_i];
		series_tick(series, at_ns);
		samples_add(series, 7, at_ns, 3 * MS);
		at_ns += SECOND;
	}
	series_finish(series);
	all = series_total(series, SERIES_ALL, PING_NET);
	ck_assert_uint_eq(all->due.sums.count, 100);
	ck_assert_int_eq(all->due.sums.min, 3 * MS);
	ck_assert_int_eq(all->due.sums.max, 3 * MS);
	ck_assert_uint_le(series_n_rows(series), 10);
	series_free(series);
}
END_TEST

START_TEST(hiccups)
{
	struct series *series = samples_new(MINUTE);

	series_hiccup(series, NOON, 5 * MS);
	samples_add(series, 7, NOON + SECOND, MS);
	series_hiccup(series, NOON + 2 * SECOND, 0);
	series_hiccup(series, NOON + MINUTE, 9 * MS);
	samples_add(series, 7, NOON + MINUTE, MS);
	series_finish(series);
	ck_assert_uint_eq(series_row(series, 0)->hiccups.count, 2);
	ck_assert_int_eq(series_row(series, 0)->hiccups.max, 5 * MS);
	ck_assert_int_eq(series_row(series, 1)->hiccups.max, 9 * MS);
	ck_assert_uint_eq(series_row(series, 2)->hiccups.count, 0);
	ck_assert_uint_eq(series_total_hiccups(series)->count, 3);
	series_free(series);
}
END_TEST

/* Outages come in any order, grow, and may overlap: their union counts. */
static const struct {
	int64_t s[8]; /* starts and ends; 0: no more */
	size_t n;
	int64_t sum_s;
} outages[] = {
	{ { 10, 20 }, 1, 10 },
	{ { 10, 10, 10, 15, 10, 20 }, 1, 10 },
	{ { 10, 20, 30, 40 }, 2, 20 },
	{ { 30, 40, 10, 20 }, 2, 20 },
	{ { 10, 20, 30, 40, 50, 60, 15, 55 }, 1, 50 },
	{ { 10, 20, 30, 40, 50, 60, 35, 36 }, 3, 30 },
	{ { 30, 40, 10, 20, 20, 30 }, 1, 30 },
	{ { 30, 40, 10, 25, 20, 28 }, 2, 28 },
};

START_TEST(outages_join)
{
	struct series *series = samples_new(MINUTE);
	const struct series_outage *list;
	size_t n;

	for (int i = 0; i < 8 && outages[_i].s[i] != 0; i += 2)
		series_outage(series, NOON + outages[_i].s[i] * SECOND,
		    NOON + outages[_i].s[i + 1] * SECOND);
	list = series_outages(series, &n);
	ck_assert_uint_eq(n, outages[_i].n);
	for (size_t i = 1; i < n; i++)
		ck_assert_int_gt(list[i].start_ns, list[i - 1].end_ns);
	ck_assert_int_eq(
	    series_outage_ns(series, 0, INT64_MAX), outages[_i].sum_s * SECOND);
	ck_assert_int_eq(
	    series_outage_ns(series, NOON + 12 * SECOND, NOON + 13 * SECOND),
	    SECOND);
	series_free(series);
}
END_TEST

struct seen {
	size_t n;
	struct series_row rows[8];
};

static void
see(void *ctx, const struct series_row *row, const struct series_cell *cell)
{
	struct seen *seen = ctx;

	ck_assert_uint_eq(cell->due.sums.count, row->due.count);
	seen->rows[seen->n++] = *row;
}

/* The open buckets can be read as rows, again and again, and stay open. */
START_TEST(open_rows)
{
	struct series *series = samples_new(MINUTE);
	struct seen seen = { 0 };

	series_measured(series, NOON + 20 * SECOND, NOON + 70 * SECOND);
	series_open_rows(series, see, &seen);
	ck_assert_uint_eq(seen.n, 0);
	samples_add(series, 7, NOON + 30 * SECOND, MS);
	samples_add(series, 7, NOON + MINUTE, 3 * MS);
	series_hiccup(series, NOON + MINUTE, MS);
	for (int i = 0; i < 2; i++) {
		seen.n = 0;
		series_open_rows(series, see, &seen);
		ck_assert_uint_eq(seen.n, 4);
		ck_assert_int_eq(seen.rows[0].start_ns, NOON);
		ck_assert_int_eq(seen.rows[0].begin_ns, NOON + 20 * SECOND);
		ck_assert_int_eq(seen.rows[0].length_ns, 40 * SECOND);
		ck_assert_uint_eq(seen.rows[1].node, 7);
		ck_assert_int_eq(seen.rows[2].begin_ns, NOON + MINUTE);
		ck_assert_int_eq(seen.rows[2].length_ns, 10 * SECOND);
		ck_assert_uint_eq(seen.rows[2].hiccups.count, 1);
	}
	series_finish(series);
	ck_assert_uint_eq(series_n_rows(series), 4);
	ck_assert_uint_eq(series_row(series, 1)->hiccups.count, 1);
	series_free(series);
}
END_TEST

/* More nodes than the ceiling share one entry; all together misses none. */
START_TEST(nodes_max)
{
	const struct series_settings settings = { .nodes_max = 2 };
	struct series *series = series_new(&settings);

	for (uint64_t node = 0; node < 5; node++) {
		series_name(series, node, "a name");
		samples_add(series, node, NOON, MS);
	}
	ck_assert_uint_eq(series_n_nodes(series), 3);
	ck_assert_uint_eq(series_node(series, 2), SERIES_OTHERS);
	ck_assert_uint_eq(
	    series_total(series, SERIES_OTHERS, PING_NET)->due.sums.count, 3);
	ck_assert_uint_eq(
	    series_total(series, SERIES_ALL, PING_NET)->due.sums.count, 5);
	ck_assert_str_eq(series_name_of(series, 1), "a name");
	ck_assert_str_eq(series_name_of(series, 4), "");
	ck_assert_str_eq(series_name_of(series, SERIES_OTHERS), "");
	series_free(series);
}
END_TEST

START_TEST(rows_max)
{
	const struct series_settings settings = { .bucket_ns = MINUTE,
		.rows_max = 100 };
	struct series *series = series_new(&settings);

	for (int i = 0; i < 1000; i++)
		samples_add(series, 7, NOON + i * MINUTE, MS + i);
	series_finish(series);
	ck_assert_uint_eq(series_n_rows(series), 200);
	ck_assert_uint_eq(series_n_dropped(series), 1800);
	ck_assert_int_eq(series_row(series, 0)->start_ns, NOON + 900 * MINUTE);
	ck_assert_int_eq(series_row(series, 99)->start_ns, NOON + 999 * MINUTE);
	ck_assert_uint_eq(series_row(series, 100)->node, 7);
	series_free(series);
}
END_TEST

/* Each allocation that fails: nothing leaks, and what is missing is told. */
START_TEST(no_memory)
{
	struct series_settings settings = { .bucket_ns = MINUTE };
	struct series *series;

	for (unsigned long nth = 1; nth < 40; nth++) {
		failmalloc_arm(nth, nth % 2 == 0);
		series = series_new(&settings);
		if (series != NULL) {
			samples_add(series, 7, NOON, MS);
			samples_add(series, 7, NOON + MINUTE, MS);
			series_finish(series);
		}
		(void)failmalloc_stop();
		series_free(series);
	}
}
END_TEST

START_TEST(differs)
{
	struct hdr_sums due = { 0 }, sent = { 0 };

	ck_assert(!series_sent_differs(&due, &sent));
	hdr_sums_add(&due, 10 * MS);
	hdr_sums_add(&sent, 10 * MS - 900);
	ck_assert(!series_sent_differs(&due, &sent));
	hdr_sums_add(&due, 30 * MS);
	hdr_sums_add(&sent, 10 * MS);
	ck_assert(series_sent_differs(&due, &sent));
}
END_TEST

static Suite *
series_suite(void)
{
	Suite *suite = suite_create("ping_series");
	TCase *tc = unit_case(suite, "ping_series");

	tcase_add_test(tc, buckets_of_the_zone);
	tcase_add_test(tc, rows);
	tcase_add_test(tc, grace);
	tcase_add_test(tc, late_and_nothing_open);
	tcase_add_loop_test(tc, clock_steps, 0, UNIT_ROWS(steps_ns));
	tcase_add_test(tc, hiccups);
	tcase_add_loop_test(tc, outages_join, 0, UNIT_ROWS(outages));
	tcase_add_test(tc, open_rows);
	tcase_add_test(tc, nodes_max);
	tcase_add_test(tc, rows_max);
	tcase_add_test(tc, no_memory);
	tcase_add_test(tc, differs);
	return suite;
}

UNIT_MAIN(series_suite)
