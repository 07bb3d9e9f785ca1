/* SPDX-License-Identifier: MIT */
/* cmd/common/map */
#include "cmd/common/map.h"
#include "tests/unit/unit.h"

struct entry {
	uint64_t key;
	uint64_t value;
};

struct wide {
	uint64_t key[3];
	uint64_t value;
};

START_TEST(get_and_find)
{
	struct map map;
	struct entry *entry, *first;
	uint64_t key = 7;

	ck_assert(map_init(&map, sizeof(*entry), 1, 100000));
	ck_assert_ptr_null(map_find(&map, &key));
	first = map_get(&map, &key);
	ck_assert_uint_eq(first->key, key);
	ck_assert_uint_eq(first->value, 0);
	for (uint64_t i = 1; i <= 20000; i++) {
		key = i * 65536;
		entry = map_get(&map, &key);
		ck_assert_uint_eq(entry->value, 0);
		entry->value = i;
	}
	ck_assert_uint_eq(map.n, 20001);
	for (uint64_t i = 1; i <= 20000; i++) {
		key = i * 65536;
		entry = map_find(&map, &key);
		ck_assert_ptr_nonnull(entry);
		ck_assert_uint_eq(entry->value, i);
		ck_assert_ptr_eq(map_get(&map, &key), entry);
		ck_assert_ptr_eq(map_at(&map, (size_t)i), entry);
	}
	key = 7; /* it did not move */
	ck_assert_ptr_eq(map_find(&map, &key), first);
	ck_assert_uint_eq(map.n_refused, 0);
	map_free(&map);
}
END_TEST

START_TEST(zero_is_a_key)
{
	struct map map;
	struct entry *entry;
	uint64_t key = 0;

	ck_assert(map_init(&map, sizeof(*entry), 1, 1));
	entry = map_get(&map, &key);
	ck_assert_ptr_ne(entry, map.others);
	ck_assert_ptr_eq(map_find(&map, &key), entry);
	map_free(&map);
}
END_TEST

START_TEST(wide_keys)
{
	struct map map;
	struct wide *entry;

	ck_assert(map_init(&map, sizeof(*entry), 3, 1000));
	for (uint64_t i = 0; i < 1000; i++) {
		uint64_t key[3] = { i % 10, i / 10 % 10, i / 100 };

		entry = map_get(&map, key);
		ck_assert_uint_eq(entry->value, 0);
		entry->value = i + 1;
	}
	for (uint64_t i = 0; i < 1000; i++) {
		uint64_t key[3] = { i % 10, i / 10 % 10, i / 100 };

		entry = map_find(&map, key);
		ck_assert_ptr_nonnull(entry);
		ck_assert_uint_eq(entry->value, i + 1);
	}
	ck_assert_uint_eq(map.n, 1000);
	map_free(&map);
}
END_TEST

START_TEST(ceiling)
{
	struct map map;
	struct entry *entry, *others;

	ck_assert(map_init(&map, sizeof(*entry), 1, 300));
	others = map.others;
	for (uint64_t i = 0; i < 1000; i++) {
		entry = map_get(&map, &i);
		ck_assert_int_eq(entry == others, i >= 300);
		entry->value++;
	}
	ck_assert_uint_eq(map.n, 300);
	ck_assert_uint_eq(map.n_refused, 700);
	ck_assert_uint_eq(others->value, 700);
	map_free(&map);
}
END_TEST

/* A random walk beside an array that says what should be there. */
START_TEST(remove_any)
{
	static uint64_t held[512];
	struct map map;
	struct entry *entry;
	uint32_t random = 1;
	size_t n = 0;

	ck_assert(map_init(&map, sizeof(*entry), 1, 512));
	for (uint64_t step = 1; step <= 100000; step++) {
		uint64_t key = (random = random * 1664525 + 1013904223) >> 23;

		if (random >> 22 & 1) {
			entry = map_get(&map, &key);
			ck_assert_ptr_ne(entry, map.others);
			ck_assert_uint_eq(entry->value, held[key]);
			n += held[key] == 0;
			entry->value = held[key] = step;
		} else {
			map_remove(&map, &key);
			ck_assert_ptr_null(map_find(&map, &key));
			n -= held[key] != 0;
			held[key] = 0;
		}
		ck_assert_uint_eq(map.n, n);
	}
	ck_assert_uint_le(map.n_made, 512);
	for (uint64_t key = 0; key < 512; key++) {
		entry = map_find(&map, &key);
		ck_assert_int_eq(entry != NULL, held[key] != 0);
		if (entry != NULL)
			ck_assert_uint_eq(entry->value, held[key]);
	}
	map_free(&map);
}
END_TEST

static int
by_value(const void *a, const void *b)
{
	const struct entry *x = *(void *const *)a, *y = *(void *const *)b;

	return (x->value > y->value) - (x->value < y->value);
}

START_TEST(sorted)
{
	struct map map;
	struct entry *entry;
	void **all;

	ck_assert(map_init(&map, sizeof(*entry), 1, 100));
	ck_assert_ptr_null(map_sorted(&map, by_value));
	for (uint64_t i = 0; i < 100; i++) {
		entry = map_get(&map, &i);
		entry->value = i * 37 % 100;
	}
	all = map_sorted(&map, by_value);
	ck_assert_ptr_nonnull(all);
	for (uint64_t i = 0; i < 100; i++) {
		entry = all[i];
		ck_assert_uint_eq(entry->value, i);
	}
	free(all);
	map_free(&map);
}
END_TEST

static Suite *
map_suite(void)
{
	Suite *suite = suite_create("map");
	TCase *tc = unit_case(suite, "map");

	tcase_add_test(tc, get_and_find);
	tcase_add_test(tc, zero_is_a_key);
	tcase_add_test(tc, wide_keys);
	tcase_add_test(tc, ceiling);
	tcase_add_test(tc, remove_any);
	tcase_add_test(tc, sorted);
	return suite;
}

UNIT_MAIN(map_suite)
