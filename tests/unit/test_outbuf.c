/* SPDX-License-Identifier: MIT */
/* Lines put together and written. */
#include "cmd/common/outbuf.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <unistd.h>

static struct outbuf out;
static FILE *file;

static void
setup(void)
{
	file = tmpfile();
	ck_assert_ptr_nonnull(file);
	out_init(&out, fileno(file), false);
}

static void
teardown(void)
{
	fclose(file);
}

/* What is in the buffer; forget it. */
static const char *
taken(void)
{
	static char text[8192];

	ck_assert_uint_lt(out.n, sizeof(text));
	memcpy(text, out.p, out.n);
	text[out.n] = '\0';
	out.n = 0;
	return text;
}

static const uint64_t numbers[] = { 0, 1, 9, 10, 11, 99, 100, 101, 999, 1000,
	9999, 10000, 65535, 99999, 100000, 4294967295, 4294967296, 999999999999,
	9223372036854775807, 9223372036854775808u, 9999999999999999999u,
	10000000000000000000u, UINT64_MAX };

START_TEST(test_numbers)
{
	char want[32];

	for (int i = 0; i < UNIT_ROWS(numbers); i++) {
		int64_t v = (int64_t)numbers[i];

		out_u64(&out, numbers[i]);
		snprintf(want, sizeof(want), "%" PRIu64, numbers[i]);
		ck_assert_str_eq(taken(), want);
		out_i64(&out, v);
		snprintf(want, sizeof(want), "%" PRId64, v);
		ck_assert_str_eq(taken(), want);
	}
	out_i64(&out, INT64_MIN);
	ck_assert_str_eq(taken(), "-9223372036854775808");
}
END_TEST

static const struct json_row {
	const char *name;
	struct bnet_slice in;
	const char *want;
} json_rows[] = {
#define IN(s) \
	{ \
		(const uint8_t *)(s), sizeof(s) - 1 \
	}
	{ "plain", IN("hello"), "\"hello\"" },
	{ "empty", IN(""), "\"\"" },
	{ "quote, backslash", IN("a\"b\\c"), "\"a\\\"b\\\\c\"" },
	{ "short escapes", IN("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"" },
	{ "other control", IN("\0\1\x1f"), "\"\\u0000\\u0001\\u001f\"" },
	{ "DEL, slash", IN("\x7f/"), "\"\\u007f/\"" },
	{ "C1 controls", IN("\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0"),
	    "\"\\u0080\\u009b\\u009f\xc2\xa0\"" },
	{ "two bytes", IN("\xc3\xa9"), "\"\xc3\xa9\"" },
	{ "three", IN("\xe2\x82\xac"), "\"\xe2\x82\xac\"" },
	{ "four", IN("\xf0\x9f\x9a\x80"), "\"\xf0\x9f\x9a\x80\"" },
	{ "the last", IN("\xf4\x8f\xbf\xbf"), "\"\xf4\x8f\xbf\xbf\"" },
	{ "beyond it", IN("\xf4\x90\x80\x80"),
	    "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
	{ "a surrogate", IN("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"" },
	{ "overlong", IN("\xc0\x80\xe0\x80\xaf"),
	    "\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"" },
	{ "cut short", IN("a\xe2\x82"), "\"a\\ufffd\\ufffd\"" },
	{ "cut by a letter", IN("\xe2\x82z"), "\"\\ufffd\\ufffdz\"" },
	{ "no start", IN("\x80\xbf\xff\xfe"),
	    "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
};

START_TEST(test_json)
{
	const struct json_row *row = &json_rows[_i];
	struct bnet_slice copy = unit_copy(row->in.p, row->in.len);

	out_json(&out, (const char *)copy.p, copy.len);
	ck_assert_msg(strcmp(taken(), row->want) == 0, "%s", row->name);
	unit_free(copy);
}
END_TEST

/* Whatever the bytes, a JSON parser takes them. */
START_TEST(test_json_of_anything)
{
	uint64_t seed = 5;

	for (int i = 0; i < 3000; i++) {
		uint8_t bytes[40];
		json_error_t error;
		json_t *value;
		const char *text;

		for (size_t j = 0; j < sizeof(bytes); j++)
			bytes[j] = (uint8_t)(unit_random(&seed) |
			    (i % 3 == 0 ? 0x80 : 0));
		out_json(&out, (const char *)bytes, (size_t)i % 41);
		text = taken();
		value =
		    json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
		ck_assert_msg(value != NULL, "%s: %s", error.text, text);
		json_decref(value);
	}
}
END_TEST

START_TEST(test_safe_and_hex)
{
	out_safe(&out, "a\"b\\c \x1b[0m\n\xff", 12);
	ck_assert_str_eq(taken(), "a\\x22b\\x5cc \\x1b[0m\\x0a\\xff");
	out_hex(&out, (const uint8_t *)"\x00\x9a\xff", 3);
	ck_assert_str_eq(taken(), "009aff");
	out_str(&out, "x");
	out_printf(&out, "%d-%s", 5, "y");
	ck_assert_str_eq(taken(), "x5-y");
}
END_TEST

/* A very long result of printf() is cut, not overrun. */
START_TEST(test_long_printf)
{
	static char text[20000];

	memset(text, 'a', sizeof(text) - 1);
	out_printf(&out, "%s", text);
	ck_assert_uint_gt(out.n, 1000);
	ck_assert_uint_lt(out.n, OUTBUF_SPARE);
}
END_TEST

static size_t
file_bytes(void)
{
	return (size_t)lseek(fileno(file), 0, SEEK_END);
}

/* Far more than fits, in pieces of all sizes: all of it, in order. */
START_TEST(test_long_output)
{
	static uint8_t bytes[300000], back[300000];
	uint64_t seed = 9;
	size_t total = 0, at = 0;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)unit_random(&seed);
	for (int i = 0; i < 40; i++) {
		size_t n = i < 3 ? sizeof(bytes)
				 : unit_random(&seed) % (i % 2 ? 300 : 200000);

		out_bytes(&out, bytes, n);
		total += n;
		if (i == 5)
			out_hex(&out, bytes, 150000);
		total += i == 5 ? 300000 : 0;
		ck_assert_uint_le(out.n, OUTBUF_BYTES + OUTBUF_SPARE);
	}
	out_flush(&out);
	ck_assert_int_eq(out.error, 0);
	ck_assert_uint_eq(file_bytes(), total);
	for (; at < 3 * sizeof(bytes); at += sizeof(bytes)) {
		ck_assert_int_eq(
		    pread(fileno(file), back, sizeof(back), (off_t)at),
		    sizeof(back));
		ck_assert_mem_eq(back, bytes, sizeof(back));
	}
}
END_TEST

/* Lines wait until enough has gathered, unless each is to be written. */
START_TEST(test_lines)
{
	out_str(&out, "one");
	out_line(&out);
	ck_assert_uint_eq(file_bytes(), 0);
	out_flush(&out);
	ck_assert_uint_eq(file_bytes(), 4);
	out.each_line = true;
	out_str(&out, "two");
	ck_assert_uint_eq(file_bytes(), 4);
	out_line(&out);
	ck_assert_uint_eq(file_bytes(), 8);
	out.each_line = false;
	for (int i = 0; i < 200000; i++) {
		out_str(&out, "abc");
		out_line(&out);
	}
	ck_assert_uint_ge(file_bytes(), 200000 * 4 - OUTBUF_BYTES);
}
END_TEST

/* The first error sticks, and nothing is written after it. */
START_TEST(test_full)
{
	int fd = open("/dev/full", O_WRONLY);

	if (fd < 0)
		return; /* not Linux */
	out_init(&out, fd, true);
	for (int i = 0; i < 5; i++) {
		out_str(&out, "x");
		out_line(&out);
		ck_assert_int_eq(out.error, ENOSPC);
		ck_assert_uint_eq(out.n, 0);
	}
	close(fd);
}
END_TEST

START_TEST(test_broken_pipe)
{
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(pipe(fds), 0);
	close(fds[0]);
	out_init(&out, fds[1], false);
	out_str(&out, "x");
	out_flush(&out);
	ck_assert_int_eq(out.error, EPIPE);
	out_bytes(&out, json_rows, sizeof(json_rows));
	out_flush(&out);
	ck_assert_int_eq(out.error, EPIPE);
	close(fds[1]);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("outbuf");
	TCase *tc = unit_case(suite, "outbuf");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_numbers);
	tcase_add_loop_test(tc, test_json, 0, UNIT_ROWS(json_rows));
	tcase_add_test(tc, test_json_of_anything);
	tcase_add_test(tc, test_safe_and_hex);
	tcase_add_test(tc, test_long_printf);
	tcase_add_test(tc, test_long_output);
	tcase_add_test(tc, test_lines);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_broken_pipe);
	return suite;
}

UNIT_MAIN(make_suite)
