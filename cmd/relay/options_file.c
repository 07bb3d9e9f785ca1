/* SPDX-License-Identifier: MIT */
/*
 * The configuration file. inih reads it; the lines come from here, one by
 * one, so that the number of each is known and none of them is too long for
 * inih, which would take the rest of it for another line.
 */
#include "cmd/relay/options_impl.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
	FILE *f;
	const char *path;
	int line_number; /* of the line that inih has */
	char *line; /* getline()'s */
	size_t line_bytes;
	bool (*take)(void *ctx, const char *name, const char *value,
	    char err[RELAY_ERR_CHARS]);
	void *ctx;
	char *err;
	bool failed; /* err is set */
};

static void
fail(struct reading *reading, int line_number, const char *why)
{
	snprintf(reading->err, RELAY_ERR_CHARS, "%.300s:%d: %.700s",
	    reading->path, line_number, why);
	reading->failed = true;
}

/* What inih calls for a line; it has room for `room` bytes. */
static char *
next_line(char *to, int room, void *arg)
{
	struct reading *reading = arg;
	char *from;
	ssize_t n;

	if (reading->failed)
		return NULL;
	n = getline(&reading->line, &reading->line_bytes, reading->f);
	if (n < 0)
		return NULL;
	reading->line_number++;
	/* inih takes a line with blanks before it for more of the last one */
	from = reading->line;
	while (*from != '\n' && isspace((unsigned char)*from))
		from++;
	if (strlen(reading->line) != (size_t)n) {
		fail(reading, reading->line_number, "expected text, not NUL");
		return NULL;
	}
	if (strlen(from) >= (size_t)room) {
		fail(reading, reading->line_number, "the line is too long");
		return NULL;
	}
	memcpy(to, from, strlen(from) + 1);
	return to;
}

/* What inih calls for a value. */
static int
one_value(void *arg, const char *section, const char *name, const char *value)
{
	struct reading *reading = arg;
	char why[RELAY_ERR_CHARS];

	if (reading->failed)
		return 0;
	if (section[0] != '\0')
		fail(reading, reading->line_number,
		    "expected no [section] before it");
	else if (!reading->take(reading->ctx, name, value, why))
		fail(reading, reading->line_number, why);
	return !reading->failed;
}

bool
relay_file_read(const char *path,
    bool (*take)(void *ctx, const char *name, const char *value,
	char err[RELAY_ERR_CHARS]),
    void *ctx, char err[RELAY_ERR_CHARS])
{
	struct reading reading = { .f = fopen(path, "re"),
		.path = path,
		.take = take,
		.ctx = ctx,
		.err = err };
	int bad;

	if (reading.f == NULL) {
		snprintf(err, RELAY_ERR_CHARS, "%s: %s", path, strerror(errno));
		return false;
	}
	bad = ini_parse_stream(next_line, &reading, one_value, &reading);
	if (bad > 0 && (!reading.failed || bad < reading.line_number))
		fail(&reading, bad, "expected NAME = VALUE");
	else if (bad < 0)
		fail(&reading, reading.line_number, "out of memory");
	else if (!reading.failed && ferror(reading.f))
		fail(&reading, reading.line_number + 1, strerror(errno));
	free(reading.line);
	fclose(reading.f);
	return !reading.failed;
}
