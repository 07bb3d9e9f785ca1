/* SPDX-License-Identifier: MIT */
/* cmd/relay/ids */
#include "cmd/relay/routes.h"
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
	ck_assert(ids_take(ids, row->from + row->n - 1));
	ck_assert(!ids_take(ids, row->from + row->n - 1));
	ck_assert(!ids_take(ids, row->from - 1));
	ck_assert(!ids_take(ids, row->from + row->n));
	ids_free(ids);
}
END_TEST

START_TEST(lowest)
{
	struct ids *ids = ids_new(100, 200);

	for (uint64_t id = 100; id < 300; id++)
		ck_assert_uint_eq(ids_take_lowest(ids), id);
	ck_assert_uint_eq(ids_take_lowest(ids), 0);
	ids_release(ids, 299);
	ids_release(ids, 100);
	ids_release(ids, 170);
	ids_release(ids, 170); /* and things that are not to be released */
	ids_release(ids, 99);
	ids_release(ids, 300);
	ids_release(ids, 0);
	ids_release(ids, UINT64_MAX);
	ck_assert(ids_take(ids, 100));
	ck_assert_uint_eq(ids_take_lowest(ids), 170);
	ck_assert_uint_eq(ids_take_lowest(ids), 299);
	ck_assert_uint_eq(ids_take_lowest(ids), 0);
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
			    ids_take_lowest(ids), want == N ? 0 : want + 7);
			if (want < N)
				taken[want] = true;
		} else if (unit_random(&seed) % 3 == 0) {
			ck_assert(ids_take(ids, id + 7) == !taken[id]);
			taken[id] = true;
		} else {
			ids_release(ids, id + 7);
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
	took = ids_take(ids, 5);
	id = ids_take_lowest(ids);
	failmalloc_stop();
	ck_assert(!took);
	ck_assert_uint_eq(id, 0);
	failmalloc_watch();
	for (uint32_t i = 0; i < IDS_MAX; i++)
		if (ids_take_lowest(ids) != i + 1)
			break;
	failmalloc_stop();
	ck_assert_uint_eq(ids_take_lowest(ids), 0); /* that were all */
	ck_assert_uint_eq(failmalloc_largest_bytes(), IDS_MAX / 8);
	ids_free(ids);
	ids_free(NULL);
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
	return suite;
}

UNIT_MAIN(ids_suite)
