/* SPDX-License-Identifier: MIT */
/* cmd/ping/tail_file */
#include "cmd/ping/tail_file.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void
tail(void *ctx, FILE *text)
{
	fputs(ctx, text);
}

static void
holds(const char *path, const char *want)
{
	char bytes[256] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, bytes, sizeof(bytes) - 1);

	ck_assert_int_ge(n, 0);
	ck_assert_str_eq(bytes, want);
	close(fd);
}

/* The tail is replaced by a longer, a shorter, and no tail. */
START_TEST(tail_is_replaced)
{
	char path[] = "/tmp/test_tail_file.XXXXXX", one[] = "tail 1\n",
	     longer[] = "a longer tail\n", shorter[] = "t\n";
	struct tail_file file;

	close(mkstemp(path));
	ck_assert(tail_file_open(&file, path));
	fputs("settled\n", file.text);
	tail_file_commit(&file, tail, one);
	holds(path, "settled\ntail 1\n");
	tail_file_commit(&file, tail, longer);
	holds(path, "settled\na longer tail\n");
	fputs("more\n", file.text);
	tail_file_commit(&file, tail, shorter);
	holds(path, "settled\nmore\nt\n");
	tail_file_commit(&file, NULL, NULL);
	holds(path, "settled\nmore\n");
	tail_file_commit(&file, tail, one);
	fputs("end\n", file.text);
	ck_assert(tail_file_close(&file));
	holds(path, "settled\nmore\nend\n");
	unlink(path);
}
END_TEST

/* What cannot be overwritten gets what is settled only. */
START_TEST(pipe_has_no_tail)
{
	char dir[] = "/tmp/test_tail_file.XXXXXX", path[64], bytes[64] = "",
	     text[] = "tail\n";
	struct tail_file file;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/pipe", dir);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ck_assert(tail_file_open(&file, path));
	fputs("one\n", file.text);
	tail_file_commit(&file, tail, text);
	fputs("two\n", file.text);
	ck_assert(tail_file_close(&file));
	ck_assert_int_eq(read(fd, bytes, sizeof(bytes) - 1), 8);
	ck_assert_str_eq(bytes, "one\ntwo\n");
	close(fd);
	unlink(path);
	rmdir(dir);
}
END_TEST

START_TEST(disk_is_full)
{
	struct tail_file file;

	ck_assert(tail_file_open(&file, "/dev/full"));
	fputs("one\n", file.text);
	ck_assert(!tail_file_close(&file));
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert(!tail_file_open(&file, "/nonexistent/file"));
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

static Suite *
tail_file_suite(void)
{
	Suite *suite = suite_create("ping_tail_file");
	TCase *tc = unit_case(suite, "ping_tail_file");

	tcase_add_test(tc, tail_is_replaced);
	tcase_add_test(tc, pipe_has_no_tail);
	tcase_add_test(tc, disk_is_full);
	return suite;
}

UNIT_MAIN(tail_file_suite)
