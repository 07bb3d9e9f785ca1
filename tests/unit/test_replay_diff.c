/* SPDX-License-Identifier: MIT */
/* cmd/replay/play/diff: frames in their order, and its bounds. */
#include "cmd/replay/report/diff_text.h"
#include "tests/unit/failmalloc.h"
#include "tests/unit/replay_diff_made.h"

/* ---- order ---- */

static const struct {
	const char *captured, *received;
	uint64_t counts[DIFF_N_KINDS]; /* missing extra order .. .. payload */
} rows[] = {
	{ "abcdef", "abcdef", { 0 } },
	{ "", "", { 0 } },
	{ "abc", "", { 3 } },
	{ "", "abc", { 0, 3 } },
	{ "abcdef", "abdef", { 1 } },
	{ "abcdef", "bcdef", { 1 } },
	{ "abcdef", "abcde", { 1 } },
	{ "abcdef", "abcxdef", { 0, 1 } },
	{ "abcdef", "xabcdef", { 0, 1 } },
	{ "abcdef", "abcdefx", { 0, 1 } },
	{ "abcdef", "abcxef", { 0, 0, 0, 0, 0, 1 } },
	{ "abcdef", "xbcdef", { 0, 0, 0, 0, 0, 1 } },
	{ "abcdef", "abcdex", { 0, 0, 0, 0, 0, 1 } },
	{ "abcdef", "abdcef", { 0, 0, 1 } },
	{ "abcdef", "bcdefa", { 0, 0, 1 } },
	{ "abcdef", "fabcde", { 0, 0, 5 } },
	{ "abcdef", "abxyzcdef", { 0, 3 } },
	{ "abcdef", "axcyef", { 0, 0, 0, 0, 0, 2 } },
	/* one is missing, another different: not one of them for the other */
	{ "abcdefgh", "acdexgh", { 1, 0, 0, 0, 0, 1 } },
	{ "aaaaaa", "aaaa", { 2 } },
	{ "aaaa", "aaaaaa", { 0, 2 } },
	{ "abababab", "babababa", { 0, 0, 4 } },
	/* as many as can be missing in a row */
	{ "abcdefghijklmnopqrstuvwxyz0123456789", "a3456789", { 28 } },
	/* what comes much too late was missing, and is extra */
	{ "abcdefghijklmnopqrstuvwxyz0123456789",
	    "bcdefghijklmnopqrstuvwxyz0123456789a", { 1, 1 } },
};

START_TEST(in_order)
{
	captured(0, KEY, rows[_i].captured);
	open_tape();
	received(KEY, rows[_i].received);
	ended();
	counts(rows[_i].received, rows[_i].counts);
	ck_assert_uint_eq(
	    diff_found(diff)->compared, strlen(rows[_i].received));
}
END_TEST

/* Each key has an order of its own; sessions too. */
START_TEST(keys_apart)
{
	static const uint64_t missing[DIFF_N_KINDS] = { 2 };

	captured(0, KEY, "ab");
	captured(0, OTHER, "xy");
	captured(1, KEY, "no");
	captured(0, KEY, "cd");
	captured(0, 9, "mm");
	open_tape();
	received(OTHER, "x");
	received(KEY, "abcd");
	received(OTHER, "y");
	ended();
	counts("keys", missing);
}
END_TEST

/* What was captured after the virtual client had to stop is not missing. */
START_TEST(stopped)
{
	static const uint64_t missing[DIFF_N_KINDS] = { 1 };
	const struct tape_record sent_to = { .at_ns = INT64_C(3000000000) };

	captured(0, KEY, "abcdef");
	open_tape();
	received(KEY, "ab");
	diff_ended(diff, &vclient, 0, &sent_to);
	counts("stopped", missing);
}
END_TEST

/* ---- bounds ---- */

#define N_KEYS 4200

/* More keys than are looked at: told, not guessed. */
START_TEST(many_keys)
{
	static const uint64_t none[DIFF_N_KINDS] = { 0 };
	char *text_of = NULL;
	size_t n_bytes;
	FILE *out;
	struct keys *keys = keys_new();

	for (int32_t key = 1; key <= N_KEYS; key++)
		captured(0, key, "a");
	open_tape();
	for (int32_t key = 1; key <= N_KEYS; key++)
		received(key, "a");
	ended();
	counts("many keys", none);
	ck_assert_uint_eq(diff_found(diff)->compared, 4096);
	ck_assert_uint_eq(diff_found(diff)->unlooked, 2 * (N_KEYS - 4096));
	out = open_memstream(&text_of, &n_bytes);
	diff_print(diff, keys, out);
	fclose(out);
	ck_assert_ptr_nonnull(
	    strstr(text_of, "208 frames, captured or received"));
	free(text_of);
	keys_free(keys);
}
END_TEST

START_TEST(merged)
{
	static const uint64_t wanted[DIFF_N_KINDS] = { 2, 0, 0, 0, 0, 1 };
	struct diff *first;

	captured(0, KEY, "abc");
	captured(1, KEY, "abc");
	open_tape();
	received(KEY, "ab");
	ended();
	first = diff;
	open_tape();
	received(KEY, "cx");
	ended();
	diff_merge(diff, first);
	diff_free(first);
	counts("merged", wanted);
	ck_assert_uint_eq(diff_found(diff)->compared, 4);
}
END_TEST

/* What there is no memory for is not looked at; nothing is made up. */
START_TEST(out_of_memory)
{
	static const uint64_t none[DIFF_N_KINDS] = { 0 };

	captured(0, KEY, "abc");
	open_tape();
	failmalloc_arm(1, true);
	received(KEY, "ab");
	diff_ended(diff, &vclient, 0, NULL);
	ck_assert_uint_ge(failmalloc_stop(), 3);
	counts("no memory", none);
	ck_assert_uint_eq(diff_found(diff)->compared, 0);
	failmalloc_arm(2, true);
	received(KEY, "ab");
	diff_ended(diff, &vclient, 0, NULL);
	ck_assert_uint_ge(failmalloc_stop(), 2);
	ck_assert_ptr_null(vclient.state);
	counts("no memory for a cursor", none);
}
END_TEST

/*
 * Anything at all: it is counted once, and nothing is read that is not there.
 */
START_TEST(random_frames)
{
	uint64_t seed = 4711 + (uint64_t)_i;
	uint64_t total = 0;
	char frames[200];

	for (size_t i = 0; i < sizeof(frames) - 1; i++)
		frames[i] = (char)('a' + unit_random(&seed) % 5);
	frames[sizeof(frames) - 1] = '\0';
	captured(0, KEY, frames);
	open_tape();
	for (int i = 0; i < 300; i++) {
		char one[2] = { (char)('a' + unit_random(&seed) % 6), '\0' };

		received(KEY, one);
	}
	ended();
	ck_assert_uint_eq(diff_found(diff)->compared, 300);
	/* 300 came for 199: each is that one, or like it, or extra */
	for (int kind = 0; kind < DIFF_N_KINDS; kind++)
		total += diff_found(diff)->counts[kind];
	ck_assert_uint_eq(diff_found(diff)->counts[DIFF_EXTRA] -
		diff_found(diff)->counts[DIFF_MISSING],
	    101);
	ck_assert_uint_le(total, 499);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("replay_diff");
	TCase *tc = unit_case(suite, "diff");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, in_order, 0, UNIT_ROWS(rows));
	tcase_add_test(tc, keys_apart);
	tcase_add_test(tc, stopped);
	tcase_add_test(tc, many_keys);
	tcase_add_test(tc, out_of_memory);
	tcase_add_loop_test(tc, random_frames, 0, 50);
	tcase_add_test(tc, merged);
	return suite;
}

UNIT_MAIN(make_suite)
