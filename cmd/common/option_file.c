/* SPDX-License-Identifier: MIT */
/*
 * Feeds inih line by line: so the line number is known, one mistake does not
 * hide the next, and inih cannot take the rest of a long line for another line.
 */
#include "cmd/common/option_file.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

struct line {
	struct option_reading *reading;
	int number;
};

/* The callback of inih for a value. */
static int
one_value(void *arg, const char *section, const char *name, const char *value)
{
	const struct line *line = arg;

	(void)section;
	options_take_line(line->reading, line->number, name, value);
	return 1;
}

static void
one_line(struct option_reading *reading, int number, char *text, size_t n)
{
	struct line line = { reading, number };
	int bad;

	if (strlen(text) != n) {
		options_refuse_line(reading, number, "expected text, not NUL");
		return;
	}
	/* inih treats an indented line as a continuation */
	while (*text != '\n' && isspace((unsigned char)*text))
		text++;
	if (*text == '[') {
		options_refuse_line(reading, number, "expected no [section]");
		return;
	}
	if (strlen(text) >= INI_MAX_LINE) {
		options_refuse_line(reading, number, "the line is too long");
		return;
	}
	bad = ini_parse_string(text, one_value, &line);
	if (bad != 0)
		options_refuse_line(reading, number,
		    bad > 0 ? "expected NAME = VALUE" : "out of memory");
}

bool
option_file_read(struct option_reading *reading, const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;
	int number = 0;
	ssize_t n;

	reading->path = path;
	if (f == NULL) {
		options_refuse_line(reading, 0, strerror(errno));
		return false;
	}
	while ((n = getline(&text, &room, f)) >= 0)
		one_line(reading, ++number, text, (size_t)n);
	if (ferror(f))
		options_refuse_line(reading, 0, strerror(errno));
	free(text);
	fclose(f);
	return reading->n_mistakes == 0;
}
