/* SPDX-License-Identifier: MIT */
/*
 * Reports that --merge reads: one that is wrong is refused, and why is told;
 * one that is taken can be printed, and written so that it reads as the same.
 */
#include "cmd/replay/report/json.h"
#include "cmd/replay/report/report.h"
#include "cmd/replay/report/text.h"

#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#define PATH_CHARS 64

/* A file in memory that has a name. */
static int
file(const uint8_t *data, size_t size, char path[PATH_CHARS])
{
	int fd = memfd_create("report", MFD_CLOEXEC);

	MUST_HOLD(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	(void)snprintf(path, PATH_CHARS, "/proc/self/fd/%d", fd);
	return fd;
}

static struct report *
read_back(const struct report *report, char path[PATH_CHARS], int *fd)
{
	char err[CLI_ERR_CHARS];
	struct report *back;

	*fd = file(NULL, 0, path);
	MUST_HOLD(report_write_json(report, NULL, path, err));
	back = report_read_json(path, err);
	MUST_HOLD(back != NULL);
	return back;
}

static bool
same_files(const char *a_path, const char *b_path)
{
	FILE *a = fopen(a_path, "re"), *b = fopen(b_path, "re");
	int got;

	MUST_HOLD(a != NULL && b != NULL);
	do
		got = getc(a);
	while (got == getc(b) && got != EOF);
	got = feof(a) && feof(b);
	(void)fclose(a);
	(void)fclose(b);
	return got;
}

static void
check(const struct report *report, FILE *null)
{
	char once_path[PATH_CHARS], again_path[PATH_CHARS];
	struct report *once, *again;
	int once_fd, again_fd;

	report_print_text(report, NULL, null);
	once = read_back(report, once_path, &once_fd);
	again = read_back(once, again_path, &again_fd);
	MUST_HOLD(same_files(once_path, again_path));
	report_free(once);
	report_free(again);
	close(once_fd);
	close(again_fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *null;
	char path[PATH_CHARS], err[CLI_ERR_CHARS] = "";
	int fd = file(data, size, path);
	struct report *report = report_read_json(path, err);

	if (null == NULL)
		null = fopen("/dev/null", "we");
	MUST_HOLD(null != NULL);
	if (report != NULL)
		check(report, null);
	else
		MUST_HOLD(err[0] != '\0');
	report_free(report);
	close(fd);
	return 0;
}
