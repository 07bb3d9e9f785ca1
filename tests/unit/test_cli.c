/* SPDX-License-Identifier: MIT */
/* What options may say; what is wrong ends the program, in words. */
#include "cmd/common/cli.h"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Run in a child: what it wrote to standard error, and how it ended. */
struct ending {
	int status; /* of exit(); -1: a signal */
	char text[2000];
};

static struct ending
child(void (*run)(const void *arg), const void *arg)
{
	struct ending ending = { .status = -1 };
	size_t n = 0;
	ssize_t got;
	int fds[2], status;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		run(arg);
		_exit(99); /* it came back */
	}
	close(fds[1]);
	while ((got = read(
		    fds[0], ending.text + n, sizeof(ending.text) - 1 - n)) > 0)
		n += (size_t)got;
	close(fds[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		ending.status = WEXITSTATUS(status);
	return ending;
}

enum kind {
	NUMBER,
	SIZE,
	DURATION
};

static const struct good_row {
	enum kind kind;
	const char *text;
	uint64_t want;
} good_rows[] = {
	{ NUMBER, "0", 0 },
	{ NUMBER, "007", 7 },
	{ NUMBER, "18446744073709551615", UINT64_MAX },
	{ SIZE, "0", 0 },
	{ SIZE, "1k", 1024 },
	{ SIZE, "1K", 1024 },
	{ SIZE, "64M", 64 << 20 },
	{ SIZE, "17179869183G", UINT64_C(17179869183) << 30 },
	{ DURATION, "1", 1000000000 },
	{ DURATION, "0.5", 500000000 },
	{ DURATION, "500ms", 500000000 },
	{ DURATION, "20us", 20000 },
	{ DURATION, "7ns", 7 },
	{ DURATION, "2s", 2000000000 },
	{ DURATION, "10m", 600000000000 },
	{ DURATION, "1.5h", 5400000000000 },
	{ DURATION, "0", 0 },
};

static uint64_t
take(enum kind kind, const char *text, uint64_t max)
{
	switch (kind) {
	case NUMBER:
		return cli_number("--opt", text, 0, max);
	case SIZE:
		return cli_size("--opt", text, 0, max);
	default:
		return (uint64_t)cli_duration_ns("--opt", text, 0,
		    max > INT64_MAX ? INT64_MAX : (int64_t)max);
	}
}

START_TEST(test_good)
{
	const struct good_row *row = &good_rows[_i];

	ck_assert_uint_eq(take(row->kind, row->text, UINT64_MAX), row->want);
	/* at the limit, exactly */
	ck_assert_uint_eq(take(row->kind, row->text, row->want), row->want);
}
END_TEST

static const struct bad_row {
	enum kind kind;
	const char *text;
	uint64_t max;
} bad_rows[] = {
	{ NUMBER, "", UINT64_MAX },
	{ NUMBER, " 1", UINT64_MAX },
	{ NUMBER, "1 ", UINT64_MAX },
	{ NUMBER, "-1", UINT64_MAX },
	{ NUMBER, "+1", UINT64_MAX },
	{ NUMBER, "0x10", UINT64_MAX },
	{ NUMBER, "1K", UINT64_MAX },
	{ NUMBER, "1.5", UINT64_MAX },
	{ NUMBER, "18446744073709551616", UINT64_MAX },
	{ NUMBER, "99999999999999999999999", UINT64_MAX },
	{ NUMBER, "11", 10 },
	{ SIZE, "K", UINT64_MAX },
	{ SIZE, "1KB", UINT64_MAX },
	{ SIZE, "1T", UINT64_MAX },
	{ SIZE, "1 K", UINT64_MAX },
	{ SIZE, "-1K", UINT64_MAX },
	{ SIZE, "17179869184G", UINT64_MAX },
	{ SIZE, "1K", 1023 },
	{ DURATION, "", UINT64_MAX },
	{ DURATION, "s", UINT64_MAX },
	{ DURATION, "-1s", UINT64_MAX },
	{ DURATION, " 1s", UINT64_MAX },
	{ DURATION, ".5", UINT64_MAX },
	{ DURATION, "1S", UINT64_MAX },
	{ DURATION, "1 s", UINT64_MAX },
	{ DURATION, "1days", UINT64_MAX },
	{ DURATION, "nan", UINT64_MAX },
	{ DURATION, "inf", UINT64_MAX },
	{ DURATION, "1e400", UINT64_MAX },
	{ DURATION, "9223372036.854775808", UINT64_MAX },
	{ DURATION, "1e30", UINT64_MAX },
	{ DURATION, "0x1p3", UINT64_MAX },
	{ DURATION, "2s", 1999999999 },
};

static void
take_bad(const void *arg)
{
	const struct bad_row *row = arg;

	(void)take(row->kind, row->text, row->max);
}

/* Exit 2, naming the program, the option and what was given. */
START_TEST(test_bad)
{
	const struct bad_row *row = &bad_rows[_i];
	struct ending ending;
	char given[100];

	cli_name("bluenet-test");
	ending = child(take_bad, row);
	snprintf(given, sizeof(given), "bluenet-test: --opt: '%s': expected a ",
	    row->text);
	ck_assert_msg(ending.status == CLI_USAGE, "'%s': exit %d", row->text,
	    ending.status);
	ck_assert_msg(strncmp(ending.text, given, strlen(given)) == 0,
	    "'%s': %s", row->text, ending.text);
	ck_assert_ptr_nonnull(
	    strstr(ending.text, "\nTry 'bluenet-test --help'.\n"));
}
END_TEST

START_TEST(test_minimum)
{
	static const struct bad_row row = { NUMBER, "4", 3 };

	ck_assert_uint_eq(cli_number("--opt", "5", 5, 9), 5);
	ck_assert_int_eq(child(take_bad, &row).status, CLI_USAGE);
}
END_TEST

static const char *const words[] = { "text", "json", "none", NULL };

static void
take_word(const void *arg)
{
	const char *const *word = arg;

	(void)cli_word("-o", *word, words);
}

START_TEST(test_word)
{
	const char *wrong[] = { "xml", "", "JSON", "tex", "texts" };
	const char *many[102] = { NULL };
	struct ending ending;

	for (int i = 0; words[i] != NULL; i++)
		ck_assert_int_eq(cli_word("-o", words[i], words), i);
	for (int i = 0; i < UNIT_ROWS(wrong); i++) {
		ending = child(take_word, &wrong[i]);
		ck_assert_int_eq(ending.status, CLI_USAGE);
		ck_assert_ptr_nonnull(
		    strstr(ending.text, "expected one of text, json, none\n"));
	}
	/* more words than there is room for in the message */
	for (int i = 0; i < 100; i++)
		many[i] = "a-rather-long-word";
	many[100] = "last";
	ck_assert_int_eq(cli_word("-o", "last", many), 100);
}
END_TEST

static void
warn(const void *arg)
{
	cli_warn("%s is %d", (const char *)arg, 5);
}

static void
die(const void *arg)
{
	cli_die("%s is %d", (const char *)arg, 6);
}

START_TEST(test_messages)
{
	struct ending ending;

	cli_name("tool");
	ending = child(warn, "this");
	ck_assert_int_eq(ending.status, 99);
	ck_assert_str_eq(ending.text, "tool: this is 5\n");
	ending = child(die, "that");
	ck_assert_int_eq(ending.status, CLI_FAILED);
	ck_assert_str_eq(ending.text, "tool: that is 6\n");
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("cli");
	TCase *tc = unit_case(suite, "cli");

	tcase_add_loop_test(tc, test_good, 0, UNIT_ROWS(good_rows));
	tcase_add_loop_test(tc, test_bad, 0, UNIT_ROWS(bad_rows));
	tcase_add_test(tc, test_minimum);
	tcase_add_test(tc, test_word);
	tcase_add_test(tc, test_messages);
	return suite;
}

UNIT_MAIN(make_suite)
