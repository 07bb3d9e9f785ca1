/* SPDX-License-Identifier: MIT */
/* cmd/relay/ids */
#include "cmd/relay/ids.h"
#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"

static const struct new_row {
	const char *name;
	uint64_t from;
	uint32_t n;
	bool ok;
} new_rows[] = {
	{ "one", 1, 1, true },
	{ "most", 1, IDS_MAX, true },
	{ "last", INT64_MAX, 1, true },
	{ "up to the last", (uint64_t)INT64_MAX - IDS_MAX + 1, IDS_MAX, true },
	{ "from 0", 0, 1, false },
	{ "none", 1, 0, false },
	{ "too many", 1, IDS_MAX + 1, false },
	{ "over the last", INT64_MAX, 2, false },
	{ "no i64", UINT64_MAX, 1, false },
};

START_TEST(blocks)
{
	const struct new_row *row = &new_rows[_i];
	struct ids *ids = ids_new(row->from, row->n);

	ck_assert_msg((ids != NULL) == row->ok, "%s", row->name);
	if (ids == NULL)
		return;
	ck_assert(!ids_cover(ids, row->from - 1));
	ck_assert(ids_cover(ids, row->from));
	ck_assert(ids_cover(ids, row->from + row->n - 1));
	ck_assert(!ids_cover(ids, row->from + row->n));
	ck_assert(ids_take(ids, row->from + row->n - 1, false, 1));
	ck_assert(!ids_take(ids, row->from + row->n - 1, false, 1));
	ck_assert(!ids_take(ids, row->from - 1, false, 1));
	ck_assert(!ids_take(ids, row->from + row->n, false, 1));
	ids_free(ids);
}
END_TEST

START_TEST(lowest)
{
	struct ids *ids = ids_new(100, 200);

	for (uint64_t id = 100; id < 300; id++)
		ck_assert_uint_eq(ids_take_lowest(ids, 1), id);
	ck_assert_uint_eq(ids_take_lowest(ids, 1), 0);
	ids_release(ids, 299, 1);
	ids_release(ids, 100, 1);
	ids_release(ids, 170, 1);
	ids_release(ids, 170, 1); /* and things that are not to be released */
	ids_release(ids, 99, 1);
	ids_release(ids, 300, 1);
	ids_release(ids, 0, 1);
	ids_release(ids, UINT64_MAX, 1);
	ck_assert(ids_take(ids, 100, false, 1));
	ck_assert_uint_eq(ids_take_lowest(ids, 1), 170);
	ck_assert_uint_eq(ids_take_lowest(ids, 1), 299);
	ck_assert_uint_eq(ids_take_lowest(ids, 1), 0);
	ids_free(ids);
}
END_TEST

/* Against a table of bools. */
START_TEST(random_walk)
{
	enum {
		N = 1000
	};
	static bool taken[N];
	struct ids *ids = ids_new(7, N);
	uint64_t seed = 4711, id, want;

	memset(taken, 0, sizeof(taken));
	for (int i = 0; i < 20000; i++) {
		id = unit_random(&seed) % N;
		if (i / 5000 % 2 == 0 && unit_random(&seed) % 2 == 0) {
			for (want = 0; want < N && taken[want];)
				want++;
			ck_assert_uint_eq(
			    ids_take_lowest(ids, 1), want == N ? 0 : want + 7);
			if (want < N)
				taken[want] = true;
		} else if (unit_random(&seed) % 3 == 0) {
			ck_assert(
			    ids_take(ids, id + 7, false, 1) == !taken[id]);
			taken[id] = true;
		} else {
			ids_release(ids, id + 7, 1);
			taken[id] = false;
		}
	}
	ids_free(ids);
}
END_TEST

START_TEST(memory)
{
	struct ids *ids;
	bool took;
	uint64_t id;

	failmalloc_arm(1, true);
	ids = ids_new(1, IDS_MAX);
	failmalloc_stop();
	ck_assert_ptr_null(ids);
	ids = ids_new(1, IDS_MAX);
	failmalloc_arm(1, true);
	took = ids_take(ids, 5, false, 1);
	id = ids_take_lowest(ids, 1);
	failmalloc_stop();
	ck_assert(!took);
	ck_assert_uint_eq(id, 0);
	failmalloc_watch();
	for (uint32_t i = 0; i < IDS_MAX; i++)
		if (ids_take_lowest(ids, 1) != i + 1)
			break;
	failmalloc_stop();
	ck_assert_uint_eq(ids_take_lowest(ids, 1), 0); /* that were all */
	ck_assert_uint_eq(failmalloc_largest_bytes(), IDS_MAX * 16);
	ids_free(ids);
	ids_free(NULL);
}
END_TEST

/* Each step at `at`: take the lowest (id 0) or that one; release it (-id). */
static const struct rest_row {
	int64_t at;
	int64_t id;
	bool may_rest;
	uint64_t want;
} rest_rows[] = {
	{ 1, 0, false, 1 },
	{ 1, 0, false, 2 },
	{ 1, 0, false, 3 },
	{ 5, -1, false, 0 }, /* rests until 65 */
	{ 6, -3, false, 0 },
	{ 6, -3, false, 0 }, /* once is enough */
	{ 7, 0, false, 4 }, /* others are free */
	{ 7, 1, false, 0 }, /* nobody may wish for it */
	{ 7, 1, true, 1 }, /* but who owns it */
	{ 7, 1, true, 0 },
	{ 8, -1, false, 0 }, /* rests until 68, after 3 */
	{ 9, -2, false, 0 },
	{ 10, 0, false, 5 }, /* none is left that is free */
	{ 11, 0, false, 3 }, /* it has rested longest */
	{ 12, 0, false, 1 },
	{ 13, -5, false, 0 },
	{ 13, -1, false, 0 },
	{ 69, 0, false, 2 }, /* has rested */
	{ 73, 1, false, 1 },
	{ 73, 5, false, 5 },
	{ 74, 0, false, 0 },
};

START_TEST(rest)
{
	struct ids *ids = ids_new(1, 5);
	uint64_t got;

	ids_set_rest(ids, 60);
	for (size_t i = 0; i < UNIT_ROWS(rest_rows); i++) {
		const struct rest_row *row = &rest_rows[i];

		got = 0;
		if (row->id < 0)
			ids_release(ids, (uint64_t)-row->id, row->at);
		else if (row->id == 0)
			got = ids_take_lowest(ids, row->at);
		else if (ids_take(
			     ids, (uint64_t)row->id, row->may_rest, row->at))
			got = (uint64_t)row->id;
		ck_assert_msg(got == row->want, "row %zu: %u, not %u", i,
		    (unsigned)got, (unsigned)row->want);
	}
	ids_free(ids);
}
END_TEST

static Suite *
ids_suite(void)
{
	Suite *suite = suite_create("ids");
	TCase *tc = unit_case(suite, "ids");

	tcase_add_loop_test(tc, blocks, 0, UNIT_ROWS(new_rows));
	tcase_add_test(tc, lowest);
	tcase_add_test(tc, random_walk);
	tcase_add_test(tc, memory);
	tcase_add_test(tc, rest);
	return suite;
}

UNIT_MAIN(ids_suite)
