/* SPDX-License-Identifier: MIT */
/* cmd/replay/play/results */
#include "tests/unit/failmalloc.h"
#include "tests/unit/replay_results.h"

#define MS INT64_C(1000000)
#define S (1000 * MS)

static struct results results;

static void
init(void)
{
	ck_assert(results_init(&results, S));
}

static void
done(void)
{
	results_free(&results);
}

static const struct results_row *
bucket(size_t i)
{
	ck_assert_uint_lt(i, results.n_buckets);
	ck_assert_ptr_nonnull(results.buckets[i]);
	return results.buckets[i];
}

START_TEST(counted)
{
	results_sent(&results, 900 * MS, 200 * MS, false, 7, 100);
	results_sent(&results, 900 * MS, 300 * MS, true, 7, 10);
	results_sent(&results, 2 * S, -1, false, -7, 1);
	ck_assert_uint_eq(results.counts[RESULTS_FRAMES_SENT], 3);
	ck_assert_uint_eq(results.counts[RESULTS_BYTES_SENT], 111);
	ck_assert_uint_eq(results.counts[RESULTS_HELD], 1);
	/* sent is where it left, lateness where it was due; not of held ones */
	ck_assert_uint_eq(results.late.sums.count, 1);
	ck_assert_uint_eq(bucket(0)->sent, 0);
	ck_assert_uint_eq(bucket(0)->late.sums.count, 1);
	ck_assert_uint_eq(bucket(1)->sent, 2);
	ck_assert_uint_eq(bucket(1)->sent_bytes, 110);
	ck_assert_ptr_null(bucket(1)->late.counts);
	ck_assert_uint_eq(bucket(2)->sent, 1);
	ck_assert_uint_eq(results.keys.n, 2);
	ck_assert_uint_eq(results_key(&results, 7)->sent, 2);
	ck_assert_uint_eq(results_key(&results, -7)->sent, 1);
	ck_assert_int_eq(results.end_ns, 2 * S);
}
END_TEST

START_TEST(answers)
{
	results_received(&results, 5 * S, 1, 20);
	results_answered(&results, 2 * S, 1, 3 * S);
	results_unanswered(&results, 0, 1);
	ck_assert_uint_eq(bucket(5)->received, 1);
	ck_assert_uint_eq(bucket(5)->received_bytes, 20);
	ck_assert_uint_eq(bucket(2)->answered, 1);
	ck_assert_int_eq(bucket(2)->latency.sums.max, 3 * S);
	ck_assert_uint_eq(bucket(0)->unanswered, 1);
	ck_assert_ptr_null(results.buckets[1]);
	ck_assert_uint_eq(results_key(&results, 1)->answered, 1);
	ck_assert_uint_eq(results_key(&results, 1)->unanswered, 1);
	ck_assert_int_eq(results.latency.sums.max, 3 * S);
	ck_assert_int_eq(results.end_ns, 5 * S);
}
END_TEST

START_TEST(errors)
{
	results_error(&results, S, 1, 3);
	results_error(&results, S, 1, 15);
	results_error(&results, S, 2, 16);
	results_error(&results, S, 2, UINT32_MAX);
	ck_assert_uint_eq(results.counts[RESULTS_ERRORS], 4);
	ck_assert_uint_eq(results.errors[0], 2);
	ck_assert_uint_eq(results.errors[3], 1);
	ck_assert_uint_eq(results.errors[15], 1);
	ck_assert_uint_eq(results_row_errors(bucket(1)), 4);
	ck_assert_uint_eq(results_key(&results, 2)->errors[0], 2);
}
END_TEST

START_TEST(sessions)
{
	results_ready(&results, 5 * MS);
	results_opened(&results, 1);
	results_closed(&results, S);
	ck_assert_uint_eq(results.counts[RESULTS_SESSIONS_READY], 1);
	ck_assert_int_eq(results.connect.sums.max, 5 * MS);
	ck_assert_uint_eq(bucket(0)->opened, 1);
	ck_assert_uint_eq(bucket(1)->closed, 1);
}
END_TEST

/* What is before the start belongs to it. */
START_TEST(before_the_start)
{
	results_received(&results, 3 * S, 1, 1);
	results_received(&results, -5 * S, 1, 1);
	results_sent(&results, -MS, 0, false, 1, 1);
	ck_assert_uint_eq(bucket(0)->received, 1);
	ck_assert_uint_eq(bucket(0)->sent, 1);
}
END_TEST

START_TEST(widens)
{
	for (int64_t i = 0; i < RESULTS_BUCKETS_MAX; i++)
		results_answered(&results, i * S, 1, i);
	ck_assert_int_eq(results.bucket_ns, S);
	ck_assert_uint_eq(results.n_buckets, RESULTS_BUCKETS_MAX);
	results_received(&results, RESULTS_BUCKETS_MAX * S, 1, 1);
	ck_assert_int_eq(results.bucket_ns, 2 * S);
	ck_assert_uint_eq(results.n_buckets, RESULTS_BUCKETS_MAX / 2 + 1);
	for (size_t i = 0; i < RESULTS_BUCKETS_MAX / 2; i++) {
		ck_assert_uint_eq(bucket(i)->answered, 2);
		ck_assert_int_eq(bucket(i)->latency.sums.min, (int64_t)i * 2);
	}
	results_answered(&results, 0, 1, 1);
	ck_assert_uint_eq(bucket(0)->answered, 3);
	/* by far more than twice, at once; and an empty neighbour */
	results_received(&results, 4000000 * S, 1, 1);
	ck_assert_int_eq(results.bucket_ns, 16384 * S);
	ck_assert_uint_eq(results.n_buckets, 4000000 / 16384 + 1);
	ck_assert_uint_eq(bucket(0)->answered, RESULTS_BUCKETS_MAX + 1);
	results_received(&results, INT64_MAX, 1, 1);
	ck_assert_uint_le(results.n_buckets, RESULTS_BUCKETS_MAX);
}
END_TEST

START_TEST(many_keys)
{
	for (int32_t i = 0; i < RESULTS_KEYS_MAX + 10; i++)
		results_sent(&results, 0, 1, false, i, 1);
	/* key 0 has a row of its own, the last ones have one in common */
	results_sent(&results, 0, 1, false, 0, 1);
	ck_assert_uint_eq(results.keys.n, RESULTS_KEYS_MAX);
	ck_assert_uint_eq(results_key(&results, 0)->sent, 2);
	ck_assert_uint_eq(results_others(&results)->sent, 10);
}
END_TEST

/* Data of four workers, in any order, and of one who saw everything. */
START_TEST(merged)
{
	static const unsigned orders[][4] = { { 0, 1, 2, 3 }, { 3, 1, 0, 2 },
		{ 2, 3, 1, 0 } };
	static struct results part[4], sum;
	uint64_t seed = 4711 + (uint64_t)_i, copy;

	for (unsigned i = 0; i < 4; i++)
		ck_assert(results_init(&part[i], MADE_BUCKET_NS));
	for (int i = 0; i < 20000; i++) {
		/* each part ends elsewhere: some have wider buckets */
		uint64_t which = unit_random(&seed) % 4;
		int64_t at_ns = (int64_t)(unit_random(&seed) %
		    (uint64_t)(300 * S << which));

		copy = seed;
		made_event(&results, &seed, at_ns, 50);
		made_event(&part[which], &copy, at_ns, 50);
	}
	ck_assert_int_lt(part[0].bucket_ns, part[3].bucket_ns);
	for (size_t o = 0; o < 3; o++) {
		ck_assert(results_init(&sum, MADE_BUCKET_NS));
		for (unsigned i = 0; i < 4; i++)
			ck_assert(results_merge(&sum, &part[orders[o][i]]));
		same_results(&sum, &results);
		results_free(&sum);
	}
	for (unsigned i = 0; i < 4; i++)
		results_free(&part[i]);
}
END_TEST

START_TEST(merged_others)
{
	static struct results from;

	ck_assert(results_init(&from, S));
	for (int32_t i = 0; i < RESULTS_KEYS_MAX + 5; i++)
		results_answered(&from, 0, i, 1);
	for (int32_t i = -10; i < 0; i++)
		results_answered(&results, 0, i, 1);
	ck_assert(results_merge(&results, &from));
	ck_assert_uint_eq(results.keys.n, RESULTS_KEYS_MAX);
	ck_assert_uint_eq(results_others(&results)->answered, 15);
	ck_assert_uint_eq(results_others(&results)->latency.sums.count, 15);
	results_free(&from);
}
END_TEST

START_TEST(widths)
{
	static const struct {
		int64_t a, b;
		bool fit;
	} rows[] = { { 1, 1, true }, { S, 4 * S, true }, { 4 * S, S, true },
		{ S, 3 * S, false }, { 2 * S, 3 * S, false }, { 7, 8, false } };
	struct results a = { 0 }, b = { 0 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		a.bucket_ns = rows[i].a;
		b.bucket_ns = rows[i].b;
		ck_assert_int_eq(results_fit(&a, &b), rows[i].fit);
	}
	b.bucket_ns = 3 * S;
	ck_assert(!results_merge(&results, &b));
}
END_TEST

/* A run of five buckets and keys; false where it could not begin. */
static bool
small_run(struct results *tried)
{
	if (!results_init(tried, S))
		return false;
	for (int64_t i = 0; i < 5; i++) {
		results_sent(tried, i * 300 * S, 1, false, (int32_t)i, 1);
		results_answered(tried, i * 300 * S, (int32_t)i, 1);
	}
	return true;
}

/* Whichever allocation fails: nothing but rows is lost. */
START_TEST(out_of_memory)
{
	static struct results tried;
	unsigned long n;
	bool made;

	failmalloc_watch();
	made = small_run(&tried);
	n = failmalloc_stop();
	ck_assert(made);
	results_free(&tried);
	for (unsigned long i = 0; i < 2 * n; i++) {
		failmalloc_arm(i / 2 + 1, i % 2 != 0);
		made = small_run(&tried);
		failmalloc_stop();
		if (!made)
			continue;
		ck_assert_uint_eq(tried.counts[RESULTS_FRAMES_SENT], 5);
		ck_assert_uint_eq(tried.latency.sums.count, 5);
		results_free(&tried);
	}
}
END_TEST

static Suite *
results_suite(void)
{
	Suite *suite = suite_create("replay_results");
	TCase *tc = unit_case(suite, "results");

	tcase_add_checked_fixture(tc, init, done);
	tcase_add_test(tc, counted);
	tcase_add_test(tc, answers);
	tcase_add_test(tc, errors);
	tcase_add_test(tc, sessions);
	tcase_add_test(tc, before_the_start);
	tcase_add_test(tc, widens);
	tcase_add_test(tc, many_keys);
	tcase_add_loop_test(tc, merged, 0, 3);
	tcase_add_test(tc, merged_others);
	tcase_add_test(tc, widths);
	tcase_add_test(tc, out_of_memory);
	return suite;
}

UNIT_MAIN(results_suite)
