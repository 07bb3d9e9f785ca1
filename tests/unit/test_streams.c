/* SPDX-License-Identifier: MIT */
/* The table of connections, beside a plain list of the same. */
#include "cmd/capture/streams.h"

#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"

#define N_KEYS 3000

static struct streams streams;
static struct stream *by_key[N_KEYS];

static void
setup(void)
{
	ck_assert(streams_init(&streams, 100));
}

static void
teardown(void)
{
	while (streams.n > 0)
		streams_remove(&streams,
		    streams.open.oldest != NULL ? streams.open.oldest
			: streams.closing.oldest != NULL
			? streams.closing.oldest
			: streams.dormant.oldest);
	streams_free(&streams);
}

/* Many keys that differ in one field only. */
static struct stream_key
key_of(size_t i)
{
	struct stream_key key = { 0 };

	key.end[0].port = (uint16_t)(i % 10);
	key.end[1].port = (uint16_t)(i / 10 % 10);
	key.end[0].ip[i / 100 % 2 * 15] = 1;
	key.end[1].ip[3] = (uint8_t)(i / 200);
	key.end[0].v6 = key.end[1].v6 = i / 100 % 2 == 1;
	return key;
}

/* The lists are whole both ways, and hold those that they should. */
static size_t
check_list(const struct stream_list *list, bool closing, bool dormant)
{
	const struct stream *before = NULL;
	size_t n = 0;

	for (struct stream *s = list->oldest; s != NULL; s = s->newer, n++) {
		if (s->older != before || s->dormant != dormant ||
		    (!dormant && s->closing != closing))
			ck_abort_msg("the list is torn");
		before = s;
	}
	if (list->newest != before)
		ck_abort_msg("the list has another end");
	return n;
}

START_TEST(test_as_a_list)
{
	uint64_t seed = 11;
	size_t n = 0, n_ever = 0;

	for (int i = 0; i < 60000; i++) {
		size_t k = unit_random(&seed) % N_KEYS;
		struct stream_key key = key_of(k);
		struct stream *s = streams_find(&streams, &key);

		if (s != by_key[k])
			ck_abort_msg("not what was put there");
		if (s == NULL) {
			s = streams_add(&streams, &key);
			if (s == NULL || s->pub.number != n_ever++)
				ck_abort_msg("not numbered in order");
			by_key[k] = s;
			n++;
		} else if (unit_random(&seed) % 3 == 0) {
			streams_remove(&streams, s);
			by_key[k] = NULL;
			n--;
		} else if (unit_random(&seed) % 3 == 0) {
			streams_rest(&streams, s);
		} else {
			bool closing = unit_random(&seed) % 2 == 0;

			streams_touch(&streams, s, closing);
			if (s->newer != NULL || s->closing != closing ||
			    s->dormant)
				ck_abort_msg("it is not the newest");
		}
		if (i % 1000 == 0)
			ck_assert_uint_eq(
			    check_list(&streams.open, false, false) +
				check_list(&streams.closing, true, false) +
				check_list(&streams.dormant, false, true),
			    n);
		if (streams.n != n)
			ck_abort_msg("miscounted");
	}
	ck_assert_uint_gt(n, 1000);
}
END_TEST

/* The oldest is the one that was touched longest ago. */
START_TEST(test_age)
{
	struct stream *s[3];

	for (size_t i = 0; i < 3; i++) {
		struct stream_key key = key_of(i);

		s[i] = streams_add(&streams, &key);
	}
	ck_assert_ptr_eq(streams.open.oldest, s[0]);
	streams_touch(&streams, s[0], false);
	ck_assert_ptr_eq(streams.open.oldest, s[1]);
	ck_assert_ptr_eq(streams.open.newest, s[0]);
	streams_touch(&streams, s[1], true);
	ck_assert_ptr_eq(streams.open.oldest, s[2]);
	ck_assert_ptr_eq(streams.closing.oldest, s[1]);
	streams_touch(&streams, s[1], false);
	ck_assert_ptr_null(streams.closing.oldest);
	ck_assert_ptr_eq(streams.open.newest, s[1]);
}
END_TEST

static enum bnet_err
use_table(void *arg)
{
	struct streams own;
	struct stream_key key = key_of(5);
	struct stream *s = NULL;
	bool ok = streams_init(&own, 1000);

	(void)arg;
	if (ok)
		s = streams_add(&own, &key);
	if (s != NULL)
		streams_remove(&own, s);
	if (ok && streams_find(&own, &key) != NULL)
		return BNET_ECUT;
	streams_free(&own);
	return s == NULL ? BNET_ENOMEM : BNET_OK;
}

START_TEST(test_every_failed_allocation)
{
	ck_assert_uint_eq(failmalloc_each(use_table, NULL), 2);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("streams");
	TCase *tc = unit_case(suite, "streams");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_as_a_list);
	tcase_add_test(tc, test_age);
	tcase_add_test(tc, test_every_failed_allocation);
	return suite;
}

UNIT_MAIN(make_suite)
