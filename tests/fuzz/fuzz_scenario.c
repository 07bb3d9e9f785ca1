/* SPDX-License-Identifier: MIT */
/*
 * Scenario files: one that is wrong is refused with its place; of one that is
 * taken, each scenario has what it needs, and its lines are those of the file.
 */
#include "cmd/replay/scenario/run.h"

#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

static void
check(const struct scenarios *scenarios, size_t size)
{
	size_t chars = 0;

	for (size_t i = 0; i < scenarios->n; i++) {
		const struct scenario *s = &scenarios->list[i];

		MUST_HOLD(s->name[0] != '\0' && s->section[0] != '\0');
		MUST_HOLD(s->n_lines > 0 && s->n_lines <= SCENARIO_LINES_MAX);
		for (size_t k = 0; k < s->n_lines; k++) {
			MUST_HOLD(s->lines[k].number > s->line);
			chars += strlen(s->lines[k].text);
		}
	}
	MUST_HOLD(scenarios->n > 0 && chars <= size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64], err[SCENARIO_ERR_CHARS] = "";
	struct scenarios scenarios = { .n = 0 };
	int fd = memfd_create("scenario", MFD_CLOEXEC);

	MUST_HOLD(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (scenarios_read(&scenarios, path, err))
		check(&scenarios, size);
	else
		MUST_HOLD(strncmp(err, path, strlen(path)) == 0);
	scenarios_free(&scenarios);
	close(fd);
	return 0;
}
