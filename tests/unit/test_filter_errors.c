/* SPDX-License-Identifier: MIT */
/* The filter: bad expressions, prefixes, limits, and no memory. */
#include "cmd/filter/filter.h"
#include "tests/unit/failmalloc.h"
#include "tests/unit/filter_bad.h"
#include "tests/unit/unit.h"

#include <locale.h>

/* Of each part of the grammar something. */
static const char *const good[] = {
	"key_name == \"chat::line\" && (dest == 7 || latency_ms > 50) && "
	"!priority",
	"type in { gap, limit } or not message matches \"^echo(-reply)?$\"",
	"payload contains \"a\\\"\\\\\\n\\x0a\" and payload != 0a:0b:0c",
	"src == [::1]:26000 || dst in { \"127.0.0.1\", 10.0.0.1:5 } || src",
	"key in { 0x1..0x9f9003c1, -5 } and time >= 1763850858.296242 or key",
	"!(source in { -5..5, 7, 9..18446744073709551615 } && !fork_ids)",
	"payload[-4:4] == 0x70696e67 && key_name[0-3] == \"Blue\" || oob[2:]",
	"src.ip in { 10.0.0.0/8, ::1..::9 } and addr == fd00::/8 and port",
	"time > \"2026-11-30 12:00:05.25 +02:00\" && message.hops.id == 5",
	"key_name matches \"[[:alpha:]]+(x{2,9}|[^]a-z]*)?\" or reason "
	"contains \"x\"",
};

/* Compile a copy of `n` bytes and a NUL: nothing behind may be read. */
static struct filter *
compile_part(const char *text, size_t n, struct filter_error *err)
{
	char *copy = malloc(n + 1);
	struct filter *f;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, n);
	copy[n] = '\0';
	f = filter_compile(copy, err);
	free(copy);
	return f;
}

START_TEST(test_bad)
{
	const struct bad_row *row = &bad_rows[_i];
	struct filter_error err;
	struct filter *f;

	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
	f = compile_part(row->text, strlen(row->text), &err);
	ck_assert_msg(f == NULL, "%s: taken", row->text);
	ck_assert_msg(
	    strcmp(err.text, row->says) == 0, "%s: %s", row->text, err.text);
	ck_assert_msg(
	    err.column == row->column, "%s: column %zu", row->text, err.column);
	ck_assert_uint_ge(err.at_bytes + 1, err.column);
	ck_assert_uint_le(err.at_bytes, strlen(row->text));
}
END_TEST

/* The rest of these messages is PCRE2's. */
START_TEST(test_bad_regex)
{
	static const char *const texts[] = { "(", "[", "a{2,1}", "[[:x:]]",
		"a)", "+" };
	char text[64];
	struct filter_error err;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(text, sizeof(text), "reason matches \"%s\"", texts[i]);
		ck_assert_msg(filter_compile(text, &err) == NULL, "%s", text);
		ck_assert_uint_ge(err.column, 17);
		ck_assert_uint_le(err.column, 17 + strlen(texts[i]));
		ck_assert_msg(
		    strncmp(err.text, "bad regular expression: ", 24) == 0 &&
			err.text[24] != '\0',
		    "%s", err.text);
	}
}
END_TEST

/* No prefix crashes; one that is none tells a place inside itself. */
START_TEST(test_prefix)
{
	const char *text = good[_i];
	size_t len = strlen(text), n_good = 0;
	char report[FILTER_REPORT_CHARS];
	struct filter_error err;
	struct filter *f;

	for (size_t n = 0; n <= len; n++) {
		f = compile_part(text, n, &err);
		if (f == NULL) {
			ck_assert_uint_ge(err.column, 1);
			ck_assert_uint_le(err.column, n + 1);
			ck_assert_str_ne(err.text, "");
			ck_assert_uint_lt(filter_error_format(report,
					      sizeof(report), text, &err),
			    sizeof(report));
			ck_assert_msg(n < len, "%s: %s", text, err.text);
		} else {
			n_good++;
		}
		filter_free(f);
	}
	ck_assert_uint_gt(n_good, 0);
}
END_TEST

static enum bnet_err
compile_and_free(void *arg)
{
	const char *const *text = arg;
	struct filter_error err;
	struct filter *f = filter_compile(*text, &err);

	filter_free(f);
	if (f != NULL)
		return BNET_OK;
	return err.column == 0 && strcmp(err.text, "out of memory") == 0
	    ? BNET_ENOMEM
	    : BNET_EMESSAGE;
}

START_TEST(test_no_memory)
{
	const char *text = good[_i];

	ck_assert_uint_gt(failmalloc_each(compile_and_free, &text), 2);
}
END_TEST

/* `n` times `open`, "priority", `n` times `close`; for free(). */
static char *
nested(size_t n, const char *open, const char *close)
{
	char *text = calloc(1, n * (strlen(open) + strlen(close)) + 16);
	char *at = text;

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, open);
	at = stpcpy(at, "priority");
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, close);
	return text;
}

START_TEST(test_depth)
{
	static const struct {
		const char *open, *close;
	} kinds[] = { { "(", ")" }, { "!", "" }, { "not ", "" },
		{ "!(", ")" } };
	const char *open = kinds[_i].open;
	unsigned most = FILTER_DEPTH_MAX / (strcmp(open, "!(") ? 1u : 2u);
	size_t tries[] = { most, most + 1, 20000 };
	struct filter_error err;
	struct filter *f;
	char *text;

	for (size_t i = 0; i < 3; i++) {
		text =
		    nested(tries[i] * strlen(open) > 60000 ? 15000 : tries[i],
			open, kinds[_i].close);
		f = filter_compile(text, &err);
		if (i == 0) {
			ck_assert_msg(f != NULL, "%s: %s", text, err.text);
		} else {
			ck_assert_ptr_null(f);
			ck_assert_str_eq(err.text, "nested more than 100 deep");
			ck_assert_uint_eq(err.column, most * strlen(open) + 1);
		}
		filter_free(f);
		free(text);
	}
}
END_TEST

/* The longest text is compiled, one byte more is not. */
START_TEST(test_length)
{
	static const char term[] = "priority||";
	char *text = calloc(1, FILTER_TEXT_MAX_BYTES + 2);
	struct filter_error err;
	struct filter *f;
	size_t n = 0;

	ck_assert_ptr_nonnull(text);
	memset(text, ' ', FILTER_TEXT_MAX_BYTES);
	for (; n + 2 * sizeof(term) < FILTER_TEXT_MAX_BYTES; n += 10)
		memcpy(text + n, term, 10);
	memcpy(text + n, "dir", 3);
	f = filter_compile(text, &err);
	ck_assert_msg(f != NULL, "column %zu: %s", err.column, err.text);
	filter_free(f);
	text[FILTER_TEXT_MAX_BYTES] = ' ';
	ck_assert_ptr_null(filter_compile(text, &err));
	ck_assert_str_eq(err.text, "the expression is longer than 65536 bytes");
	ck_assert_uint_eq(err.column, FILTER_TEXT_MAX_BYTES + 1);
	free(text);
}
END_TEST

/* What takes exponential time is given up, counted, and does not match. */
START_TEST(test_regex_steps)
{
	static const struct {
		const char *regex;
		bool passes;
		uint64_t n_over;
	} rows[] = {
		{ "a+b+c*$", false, 0 },
		{ "^(a|b?)+$", true, 0 },
		{ "(a*)*", true, 0 },
		{ "^(a+)+$", true, 0 },
		{ "^(a+)+[^a]", false, 1 },
		{ "^(a|aa)+[^a]", false, 1 },
		{ "^((?R)|a)*[^a]", false, 1 },
	};
	char text[128];
	struct cap_event event = { .type = CAP_GAP,
		.reason = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	struct record record = { .event = &event };
	struct filter_error err;
	struct filter *f;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(
		    text, sizeof(text), "reason matches \"%s\"", rows[i].regex);
		f = filter_compile(text, &err);
		ck_assert_msg(f != NULL, "%s: %s", text, err.text);
		ck_assert_msg(
		    filter_match(f, &record) == rows[i].passes, "%s", text);
		ck_assert_msg(filter_n_over(f) == rows[i].n_over, "%s", text);
		filter_free(f);
	}
}
END_TEST

/* All of them together have a ceiling, too; words are tried at once. */
START_TEST(test_regex_limits)
{
	char text[8192], *at;
	struct filter_error err;

	at = stpcpy(text, "type");
	for (int i = 0; i < 60; i++)
		at = stpcpy(at, " or reason matches \"(a[^a-c]){900}\"");
	ck_assert_ptr_null(filter_compile(text, &err));
	ck_assert_str_eq(err.text,
	    "the regular expressions take more than 1048576 bytes compiled");
	ck_assert_ptr_null(
	    filter_compile("message matches \"^(.|[a-z]|(?R))*[0-9]\"", &err));
	ck_assert_str_eq(
	    err.text, "the regular expression takes too many steps");
	ck_assert_uint_eq(err.column, 17);
}
END_TEST

static const struct {
	const char *text, *report;
} reports[] = {
	{ "",
	    "column 1: expected a field, ! or (, not the end\n"
	    "  \n"
	    "  ^\n" },
	{ "dir = up",
	    "column 5: \"=\" alone is no operator: write ==\n"
	    "  dir = up\n"
	    "      ^\n" },
	{ "\tdir\t= up",
	    "column 6: \"=\" alone is no operator: write ==\n"
	    "  \tdir\t= up\n"
	    "  \t   \t^\n" },
	{ "reason == \"\xc3\xa9\" = 1",
	    "column 15: \"=\" alone is no operator: write ==\n"
	    "  reason == \"\xc3\xa9\" = 1\n"
	    "                ^\n" },
	/* double width, combining, a broken sequence, an escape */
	{ "reason == \"\xe6\x97\xa5"
	  "e\xcc\x81\xe6\x97\x1b\" = 1",
	    "column 20: \"=\" alone is no operator: write ==\n"
	    "  reason == \"\xe6\x97\xa5"
	    "e\xcc\x81???\" = 1\n"
	    "                     ^\n" },
	{ "dir\n= up",
	    "column 5: \"=\" alone is no operator: write ==\n"
	    "  dir = up\n"
	    "      ^\n" },
	{ "priority or priority or priority or priority or priority or "
	  "priority = 1 or priority or priority or priority or priority",
	    "column 70: \"=\" alone is no operator: write ==\n"
	    "  ...y or priority or priority or priority or priority = 1 or "
	    "priority or priorit...\n"
	    "                                                       ^\n" },
};

START_TEST(test_report)
{
	char buf[FILTER_REPORT_CHARS], cut[FILTER_REPORT_CHARS];
	const char *text = reports[_i].text;
	struct filter_error err;
	size_t len;

	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
	ck_assert_ptr_null(filter_compile(text, &err));
	len = filter_error_format(buf, sizeof(buf), text, &err);
	ck_assert_str_eq(buf, reports[_i].report);
	ck_assert_uint_eq(len, strlen(buf));
	ck_assert_uint_eq(filter_error_format(NULL, 0, text, &err), len);
	for (size_t n = 1; n <= len; n++) {
		memset(cut, 'x', sizeof(cut));
		ck_assert_uint_eq(filter_error_format(cut, n, text, &err), len);
		ck_assert_uint_eq(strlen(cut), n - 1);
		ck_assert_mem_eq(cut, buf, n - 1);
		ck_assert_int_eq(cut[n], 'x');
	}
}
END_TEST

/* Where the locale knows no characters, each byte above 0x7f is one. */
START_TEST(test_report_bytes)
{
	static const char text[] = "reason == \"\xc3\xa9\" = 1";
	char buf[FILTER_REPORT_CHARS];
	struct filter_error err;

	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C"));
	ck_assert_ptr_null(filter_compile(text, &err));
	(void)filter_error_format(buf, sizeof(buf), text, &err);
	ck_assert_str_eq(buf,
	    "column 16: \"=\" alone is no operator: write ==\n"
	    "  reason == \"??\" = 1\n"
	    "                 ^\n");
	ck_assert_ptr_null(filter_compile("dir == up \xff", &err));
	ck_assert_str_eq(err.text, "unexpected byte 0xff");
}
END_TEST

/* The widest characters, around an error in a long text, still fit. */
START_TEST(test_report_fits)
{
	char text[2048] = "reason == \"", buf[FILTER_REPORT_CHARS];
	struct filter_error err;
	size_t len;

	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
	for (int i = 0; i < 200; i++)
		strcat(text, "\xf0\x9f\x98\x80");
	strcat(text, "\\q");
	for (int i = 0; i < 200; i++)
		strcat(text, "\xf0\x9f\x98\x80");
	ck_assert_ptr_null(filter_compile(text, &err));
	ck_assert_uint_eq(err.column, 212);
	len = filter_error_format(buf, sizeof(buf), text, &err);
	ck_assert_uint_lt(len, sizeof(buf));
	ck_assert_uint_eq(len, strlen(buf));
}
END_TEST

START_TEST(test_print)
{
	struct filter_error err;
	char *out = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&out, &size);

	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_null(filter_compile(reports[1].text, &err));
	filter_error_print(f, reports[1].text, &err);
	fclose(f);
	ck_assert_str_eq(out, reports[1].report);
	free(out);
	filter_free(NULL);
}
END_TEST

static Suite *
filter_errors_suite(void)
{
	Suite *suite = suite_create("filter errors");
	TCase *tc = unit_case(suite, "filter errors");

	tcase_add_loop_test(tc, test_bad, 0, UNIT_ROWS(bad_rows));
	tcase_add_test(tc, test_bad_regex);
	tcase_add_loop_test(tc, test_prefix, 0, UNIT_ROWS(good));
	tcase_add_loop_test(tc, test_no_memory, 0, UNIT_ROWS(good));
	tcase_add_loop_test(tc, test_depth, 0, 4);
	tcase_add_test(tc, test_length);
	tcase_add_test(tc, test_regex_steps);
	tcase_add_test(tc, test_regex_limits);
	tcase_add_loop_test(tc, test_report, 0, UNIT_ROWS(reports));
	tcase_add_test(tc, test_report_bytes);
	tcase_add_test(tc, test_report_fits);
	tcase_add_test(tc, test_print);
	return suite;
}

UNIT_MAIN(filter_errors_suite)
