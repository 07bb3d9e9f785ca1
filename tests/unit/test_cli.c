/* SPDX-License-Identifier: MIT */
/* Messages, and how they end the program. */
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

	tcase_add_test(tc, test_messages);
	return suite;
}

UNIT_MAIN(make_suite)
