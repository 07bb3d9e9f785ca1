/* SPDX-License-Identifier: MIT */
#include "cmd/decode/merge.h"

#include "cmd/common/cli.h"
#include "cmd/decode/statistics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERR_CHARS 256
#define START "{\"type\":\"statistics\",\"name\":\"" /* of a table */

/* Tables that are of one capture, and why. */
static const struct alone {
	const char *name, *why;
} alone[] = {
	{ "streams", "streams are numbered in each capture" },
	{ "slowest_calls", "frames are numbered in each capture" },
};

#define N_ALONE (sizeof(alone) / sizeof(alone[0]))

struct merge {
	struct statistics *sum;
	const char *path; /* the file that is read, */
	size_t line; /* its line, */
	char *specs[STATISTICS_MAX]; /* the statistics of the first, owned */
	bool has[STATISTICS_MAX]; /* and which of them this one has */
	size_t n_specs;
	size_t n_files; /* that were read to their end */
	bool seen_alone[N_ALONE];
	bool failed;
};

static void __attribute__((format(printf, 2, 3)))
complain(struct merge *m, const char *format, ...)
{
	char text[ERR_CHARS + 64];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	cli_warn("%s: line %zu: %s", m->path, m->line, text);
	m->failed = true;
}

/* Finds the statistic, or takes it from the first file; -1: it is another. */
static int
place_of(struct merge *m, const char *spec)
{
	for (size_t i = 0; i < m->n_specs; i++)
		if (strcmp(m->specs[i], spec) == 0)
			return (int)i;
	if (m->n_files > 0 || m->n_specs == STATISTICS_MAX)
		return -1;
	m->specs[m->n_specs] = strdup(spec);
	if (m->specs[m->n_specs] == NULL)
		cli_die("out of memory");
	return (int)m->n_specs++;
}

static void
take_state(struct merge *m, json_t *state)
{
	const char *spec =
	    json_string_value(json_object_get(state, "statistic"));
	int place = spec != NULL ? place_of(m, spec) : -1;
	char err[ERR_CHARS];

	if (spec != NULL && place < 0)
		complain(m, "%.64s: the first file does not have it", spec);
	else if (!statistics_load(m->sum, state, err, sizeof(err)))
		complain(m, "%s", err);
	if (place >= 0)
		m->has[place] = true;
}

/*
 * Only the member that is for us is parsed: the rows may have ids that are too
 * large for jansson. In a string it would have backslashes.
 */
static void
take_table(struct merge *m, const char *line, size_t n)
{
	static const char member[] = ",\"merge\":";
	const char *name = line + sizeof(START) - 1;
	const char *at = memmem(line, n, member, sizeof(member) - 1);
	const size_t chars = strcspn(name, "\"");
	json_error_t wrong;
	json_t *state;

	for (size_t i = 0; i < N_ALONE; i++)
		if (strlen(alone[i].name) == chars &&
		    memcmp(alone[i].name, name, chars) == 0)
			m->seen_alone[i] = true;
	if (at == NULL)
		return;
	at += sizeof(member) - 1;
	state = json_loadb(at, (size_t)(line + n - at),
	    JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &wrong);
	if (state == NULL)
		complain(m, "merge: %s", wrong.text);
	else
		take_state(m, state);
	json_decref(state);
}

/* A file that was cut, or of other statistics, would be missed silently. */
static void
check_file(struct merge *m)
{
	for (size_t i = 0; i < m->n_specs; i++)
		if (!m->has[i]) {
			cli_warn("%s: the statistic %s is not in it", m->path,
			    m->specs[i]);
			m->failed = true;
		}
}

static void
read_file(struct merge *m)
{
	FILE *f = strcmp(m->path, "-") == 0 ? stdin : fopen(m->path, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	if (f == NULL)
		cli_die("%s: %s", m->path, strerror(errno));
	memset(m->has, 0, sizeof(m->has));
	m->line = 0;
	while ((n = getline(&line, &cap, f)) > 0) {
		m->line++;
		/* frames are not read */
		if (strncmp(line, START, sizeof(START) - 1) == 0)
			take_table(m, line, (size_t)n);
	}
	if (ferror(f))
		cli_die("%s: %s", m->path, strerror(errno));
	free(line);
	if (f != stdin)
		fclose(f);
	if (m->n_specs == 0)
		cli_die("%s: no statistics to merge in it: expected what"
			" bluenet-decode -q -z STATISTIC -o json prints",
		    m->path);
	check_file(m);
	m->n_files++;
}

int
merge_run(const struct decode_options *opt)
{
	static struct merge m;
	bool ok;

	m.sum = statistics_new();
	if (m.sum == NULL)
		cli_die("out of memory");
	for (size_t i = 0; i < opt->n_paths; i++) {
		m.path = opt->paths[i];
		read_file(&m);
	}
	for (size_t i = 0; i < N_ALONE; i++)
		if (m.seen_alone[i])
			cli_warn(
			    "%s: not merged: %s", alone[i].name, alone[i].why);
	ok = statistics_print(m.sum, stdout, option_tables(opt), NULL);
	statistics_free(m.sum);
	for (size_t i = 0; i < m.n_specs; i++)
		free(m.specs[i]);
	if (!ok)
		cli_warn("standard output: %s",
		    errno != 0 ? strerror(errno) : "out of memory");
	return cli_flush() && ok && !m.failed ? CLI_OK : CLI_FAILED;
}
