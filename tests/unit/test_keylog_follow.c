/* SPDX-License-Identifier: MIT */
/* cmd/capture/keylog_follow: a key log while somebody writes it. */
#include "cmd/capture/keylog_follow.h"
#include "tests/unit/unit.h"

#include <unistd.h>

#define RANDOM_HEX(c) \
	"00000000000000000000000000000000000000000000000000000000000000" #c
#define SECRET_32 \
	"0101010101010101010101010101010101010101010101010101010101010101"
#define SECRET_48 SECRET_32 "01010101010101010101010101010101"
#define LINE_12(c) "CLIENT_RANDOM " RANDOM_HEX(c) " " SECRET_48 "\n"
#define SECOND INT64_C(1000000000)

static struct cap_keylog *keylog;
static struct keylog_follow *follow;
static char path[64];
static int64_t now_ns;

static void
setup(void)
{
	int fd;

	(void)snprintf(path, sizeof(path), "/tmp/keylog_follow.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(close(fd), 0);
	now_ns = SECOND;
	keylog = cap_keylog_new();
	follow = keylog_follow_new(keylog);
	ck_assert_ptr_nonnull(follow);
	ck_assert(keylog_follow_add(follow, path));
}

static void
teardown(void)
{
	keylog_follow_free(follow);
	cap_keylog_free(keylog);
	(void)unlink(path);
}

static void
write_to(const char *mode, const char *text)
{
	FILE *f = fopen(path, mode);

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

/* After a second; the log then has `n` secrets. */
static void
expect(bool grown, size_t n)
{
	now_ns += SECOND;
	ck_assert(keylog_follow_poll(follow, now_ns, false) == grown);
	ck_assert_uint_eq(cap_keylog_count(keylog), n);
}

START_TEST(test_grows)
{
	expect(false, 0);
	write_to("a", LINE_12(01));
	expect(true, 1);
	expect(false, 1);
	write_to("a", "# a comment\n" LINE_12(02) LINE_12(03));
	expect(true, 3);
	expect(false, 3);
}
END_TEST

START_TEST(test_appears)
{
	ck_assert_int_eq(unlink(path), 0);
	expect(false, 0);
	write_to("w", LINE_12(01));
	expect(true, 1);
}
END_TEST

/* A line counts with its newline, or when nothing more comes. */
START_TEST(test_half_a_line)
{
	write_to("a", LINE_12(01) "CLIENT_RANDOM " RANDOM_HEX(02));
	expect(true, 1);
	write_to("a", " " SECRET_32);
	expect(false, 1);
	write_to("a", "01010101010101010101010101010101");
	expect(false, 1);
	expect(true, 2);
	write_to("a", "\n" LINE_12(03));
	expect(true, 3);
}
END_TEST

/* Another file in its place, and the same one emptied. */
START_TEST(test_replaced)
{
	char other[80];

	write_to("a", LINE_12(01) LINE_12(02));
	expect(true, 2);
	write_to("w", LINE_12(03));
	expect(true, 3);
	(void)snprintf(other, sizeof(other), "%s.new", path);
	ck_assert_int_eq(rename(path, other), 0);
	write_to("w", LINE_12(04));
	expect(true, 4);
	ck_assert_int_eq(unlink(other), 0);
}
END_TEST

/* Malformed lines are passed over, and lines longer than any. */
START_TEST(test_malformed)
{
	static char big[200000];

	write_to("a", "CLIENT_RANDOM 12 34\n" LINE_12(01));
	expect(true, 1);
	memset(big, 'x', sizeof(big) - 1);
	write_to("a", big);
	(void)keylog_follow_poll(follow, now_ns, true);
	write_to("a", "\n" LINE_12(02));
	now_ns += SECOND;
	ck_assert(keylog_follow_poll(follow, now_ns, false));
	ck_assert_uint_eq(cap_keylog_count(keylog), 2);
}
END_TEST

/* Not more often than that, unless it is the last time. */
START_TEST(test_rate)
{
	expect(false, 0);
	write_to("a", LINE_12(01));
	ck_assert(
	    !keylog_follow_poll(follow, now_ns + KEYLOG_FOLLOW_NS - 1, false));
	ck_assert(keylog_follow_poll(follow, now_ns + KEYLOG_FOLLOW_NS, false));
	write_to("a", LINE_12(02));
	ck_assert(keylog_follow_poll(follow, now_ns, true));
	ck_assert_uint_eq(cap_keylog_count(keylog), 2);
}
END_TEST

static Suite *
keylog_follow_suite(void)
{
	Suite *suite = suite_create("keylog_follow");
	TCase *tc = unit_case(suite, "follow");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_grows);
	tcase_add_test(tc, test_appears);
	tcase_add_test(tc, test_half_a_line);
	tcase_add_test(tc, test_replaced);
	tcase_add_test(tc, test_malformed);
	tcase_add_test(tc, test_rate);
	return suite;
}

UNIT_MAIN(keylog_follow_suite)
