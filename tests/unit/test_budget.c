/* SPDX-License-Identifier: MIT */
#include "cmd/engine/budget.h"

#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"

#include <pthread.h>

#define MAX_BYTES 1000
#define N_THREADS 3
#define N_STEPS 20000

struct take_row {
	const char *name;
	uint64_t used, take;
	bool ok;
};

static const struct take_row take_rows[] = {
	{ "nothing", 0, 0, true },
	{ "all", 0, MAX_BYTES, true },
	{ "one more than all", 0, MAX_BYTES + 1, false },
	{ "the rest", 999, 1, true },
	{ "one more than the rest", 999, 2, false },
	{ "nothing of a full one", MAX_BYTES, 0, true },
	{ "one of a full one", MAX_BYTES, 1, false },
	{ "so much that the sum wraps", 10, UINT64_MAX - 5, false },
};

START_TEST(take)
{
	const struct take_row *row = &take_rows[_i];
	struct budget budget = { .used_bytes = row->used,
		.max_bytes = MAX_BYTES };
	bool ok = budget_take(&budget, row->take);

	ck_assert_msg(ok == row->ok, "%s", row->name);
	ck_assert_uint_eq(
	    budget.used_bytes, row->used + (row->ok ? row->take : 0));
	if (ok)
		budget_give(&budget, row->take);
	ck_assert_uint_eq(budget.used_bytes, row->used);
}
END_TEST

/* What is taken for a buffer is what the buffer then holds. */
START_TEST(room_is_what_is_allocated)
{
	struct budget budget = { .max_bytes = 1 << 20 };
	struct bnet_buf buf;
	uint64_t seed = 3;
	size_t n;

	bnet_buf_init(&buf, SIZE_MAX / 4);
	for (int i = 0; i < 2000; i++) {
		n = (size_t)(unit_random(&seed) % 3000);
		if (buf.len > 100000)
			bnet_buf_consume(&buf, buf.len - n);
		if (!budget_buf_room(&budget, &buf, n, false))
			ck_abort_msg("no room");
		bnet_buf_added(&buf, n);
		if (budget.used_bytes != buf.cap)
			ck_abort_msg("step %d", i);
		if (unit_random(&seed) % 50 == 0)
			budget_free_buf(&budget, &buf);
	}
	budget_free_buf(&budget, &buf);
	ck_assert_uint_eq(budget.used_bytes, 0);
	budget_free_buf(&budget, &buf);
	ck_assert_uint_eq(budget.used_bytes, 0);
}
END_TEST

START_TEST(room_over_the_budget)
{
	struct budget budget = { .max_bytes = 300 };
	struct bnet_buf buf;

	bnet_buf_init(&buf, 1 << 20);
	ck_assert(!budget_buf_room(&budget, &buf, 301, false));
	ck_assert_uint_eq(budget.used_bytes, 0);
	ck_assert_uint_eq(buf.cap, 0);
}
END_TEST

/* What is taken for memory that is not there is given back. */
START_TEST(room_without_memory)
{
	struct budget budget = { .max_bytes = 1000 };
	struct bnet_buf buf;
	bool ok;

	bnet_buf_init(&buf, 1 << 20);
	failmalloc_arm(1, true);
	ok = budget_buf_room(&budget, &buf, 300, false);
	failmalloc_stop();
	ck_assert(!ok);
	ck_assert_uint_eq(budget.used_bytes, 0);
	ck_assert_uint_eq(buf.cap, 0);
}
END_TEST

START_TEST(room_from_what_is_kept)
{
	struct budget budget = { .max_bytes = 1000, .kept_bytes = 800 };
	struct bnet_buf buf;

	bnet_buf_init(&buf, 1 << 20);
	ck_assert(!budget_buf_room(&budget, &buf, 300, false));
	ck_assert(budget_buf_room(&budget, &buf, 300, true));
	ck_assert_uint_eq(budget.used_bytes, buf.cap);
	budget_free_buf(&budget, &buf);
	ck_assert_uint_eq(budget.used_bytes, 0);
}
END_TEST

static void *
take_and_give(void *arg)
{
	struct budget *budget = arg;
	uint64_t seed = 11;
	uintptr_t n_over = 0;

	for (int i = 0; i < N_STEPS; i++) {
		uint64_t n = unit_random(&seed) % MAX_BYTES;

		if (!budget_take(budget, n))
			continue;
		n_over += atomic_load(&budget->used_bytes) > MAX_BYTES;
		budget_give(budget, n);
	}
	return (void *)n_over;
}

/* No thread ever sees more in use than there is. */
START_TEST(from_several_threads)
{
	struct budget budget = { .max_bytes = MAX_BYTES };
	pthread_t threads[N_THREADS];
	void *n_over;

	for (int i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, take_and_give, &budget),
		    0);
	for (int i = 0; i < N_THREADS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &n_over), 0);
		ck_assert_ptr_null(n_over);
	}
	ck_assert_uint_eq(budget.used_bytes, 0);
}
END_TEST

/* What is kept is for those who ask for it. */
START_TEST(kept)
{
	struct budget budget = { .max_bytes = MAX_BYTES, .kept_bytes = 10 };

	ck_assert(!budget_take(&budget, MAX_BYTES - 9));
	ck_assert(budget_take(&budget, MAX_BYTES - 10));
	ck_assert(!budget_take(&budget, 1));
	ck_assert(!budget_take_kept(&budget, 11));
	ck_assert(budget_take_kept(&budget, 10));
	ck_assert(!budget_take_kept(&budget, 1));
}
END_TEST

static Suite *
budget_suite(void)
{
	Suite *suite = suite_create("budget");
	TCase *tc = unit_case(suite, "budget");

	tcase_add_loop_test(tc, take, 0, UNIT_ROWS(take_rows));
	tcase_add_test(tc, room_is_what_is_allocated);
	tcase_add_test(tc, room_over_the_budget);
	tcase_add_test(tc, room_without_memory);
	tcase_add_test(tc, room_from_what_is_kept);
	tcase_add_test(tc, from_several_threads);
	tcase_add_test(tc, kept);
	return suite;
}

UNIT_MAIN(budget_suite)
