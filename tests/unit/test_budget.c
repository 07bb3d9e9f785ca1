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
	bool ok = budget_take(&budget, row->take, BUDGET_CONTROL);

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
		if (!budget_buf_room(&budget, &buf, n, BUDGET_CONTROL))
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
	ck_assert(!budget_buf_room(&budget, &buf, 301, BUDGET_CONTROL));
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
	ok = budget_buf_room(&budget, &buf, 300, BUDGET_CONTROL);
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
	ck_assert(!budget_buf_room(&budget, &buf, 300, BUDGET_NODE));
	ck_assert(budget_buf_room(&budget, &buf, 300, BUDGET_CONTROL));
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

		if (!budget_take(budget, n, BUDGET_CONTROL))
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

/* Of 1600 bytes, 32 of them for control: what each purpose may take in all. */
struct purpose_row {
	const char *name;
	enum budget_for purpose;
	uint64_t bytes;
};

static const struct purpose_row purpose_rows[] = {
	{ "queues", BUDGET_QUEUE, 1600 - 32 - 300 },
	{ "frames", BUDGET_FRAME, 1600 - 32 - 200 },
	{ "first", BUDGET_FIRST, 1600 - 32 - 100 },
	{ "nodes", BUDGET_NODE, 1600 - 32 },
	{ "control", BUDGET_CONTROL, 1600 },
};

START_TEST(purposes)
{
	struct budget budget = { .max_bytes = 1600, .kept_bytes = 32 };
	uint64_t before = 0;

	for (size_t i = 0; i < UNIT_ROWS(purpose_rows); i++) {
		const struct purpose_row *row = &purpose_rows[i];

		ck_assert_msg(!budget_take(&budget, row->bytes - before + 1,
				  row->purpose),
		    "%s", row->name);
		ck_assert_msg(
		    budget_take(&budget, row->bytes - before, row->purpose),
		    "%s", row->name);
		ck_assert_msg(
		    !budget_take(&budget, 1, row->purpose), "%s", row->name);
		before = row->bytes;
	}
}
END_TEST

/* All unfinished frames have a quarter, those of one address half of that. */
START_TEST(shares)
{
	static struct budget budget = { .max_bytes = 8000, .frame_bytes = 100 };

	budget_frame_holds(&budget, 1, 0, 999);
	ck_assert(budget_frame_may_grow(&budget, 1));
	budget_frame_holds(&budget, 1, 999, 1000);
	ck_assert(!budget_frame_may_grow(&budget, 1));
	ck_assert(budget_frame_may_grow(&budget, 2));
	budget_frame_holds(&budget, 2, 0, 999);
	budget_frame_holds(&budget, 3, 0, 1);
	ck_assert(!budget_frame_may_grow(&budget, 4));
	budget_frame_holds(&budget, 1, 1000, 0);
	ck_assert(budget_frame_may_grow(&budget, 1));
	ck_assert(budget_frame_may_grow(&budget, 4));
}
END_TEST

/* A small budget is not divided: two long frames always fit. */
START_TEST(shares_of_a_small_budget)
{
	static struct budget budget = { .max_bytes = 1000, .frame_bytes = 400 };

	budget_frame_holds(&budget, 1, 0, 799);
	ck_assert(budget_frame_may_grow(&budget, 1));
	budget_frame_holds(&budget, 1, 799, 800);
	ck_assert(!budget_frame_may_grow(&budget, 1));
}
END_TEST

/* An address has one place whatever its port, and neighbours have others. */
START_TEST(places)
{
	struct address a, b, c;

	ck_assert(address_parse("10.0.0.1:1", 0, &a));
	ck_assert(address_parse("10.0.0.1:2", 0, &b));
	ck_assert(address_parse("10.0.0.2:1", 0, &c));
	ck_assert_uint_eq(budget_place(&a), budget_place(&b));
	ck_assert_uint_ne(budget_place(&a), budget_place(&c));
	ck_assert_uint_lt(budget_place(&c), BUDGET_ADDRESSES);
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
	tcase_add_test(tc, purposes);
	tcase_add_test(tc, shares);
	tcase_add_test(tc, shares_of_a_small_budget);
	tcase_add_test(tc, places);
	return suite;
}

UNIT_MAIN(budget_suite)
