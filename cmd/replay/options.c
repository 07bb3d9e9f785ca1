/* SPDX-License-Identifier: MIT */
#include "cmd/replay/options_impl.h"

#include "cmd/filter/filter.h"
#include "proto/bluenet.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONG_BASE 256 /* getopt's value of row i is that + i */
#define NS_PER_MS INT64_C(1000000)

/* What was asked for is printed: that is all. */
_Noreturn static void
printed(void)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		cli_die("standard output: %s", strerror(errno));
	exit(REPLAY_OK);
}

/* ---- values ---- */

/* Nobody shall read it in the list of processes for as long as we run. */
static const char *
hide(char *arg)
{
	char *copy = strdup(arg);

	if (copy == NULL)
		cli_die("out of memory");
	memset(arg, '*', strlen(arg));
	return copy;
}

static void
take_own(struct replay_options *opt, const struct replay_option *row,
    const char *what, const char *arg)
{
	char err[CLI_ERR_CHARS];

	if (row->take != NULL && !row->take(opt, arg, err))
		cli_usage("%s: '%s': %s", what, arg, err);
	if (row->take != NULL)
		return;
	if (strcmp(row->name, "help") == 0)
		replay_help();
	if (strcmp(row->name, "version") == 0) {
		puts("bluenet-replay " BNET_VERSION);
		printed();
	}
	opt->timing = REPLAY_ASAP;
}

static void
take(struct replay_options *opt, const struct replay_option *row,
    const char *what, char *arg)
{
	void *at = (char *)opt + row->at;
	char err[CLI_ERR_CHARS];

	switch (row->kind) {
	case REPLAY_FLAG:
		*(bool *)at = true;
		break;
	case REPLAY_TEXT:
		*(const char **)at = arg;
		break;
	case REPLAY_TOKEN:
		*(const char **)at = hide(arg);
		break;
	case REPLAY_NUMBER:
		*(uint64_t *)at = cli_number(
		    what, arg, (uint64_t)row->min, (uint64_t)row->max);
		break;
	case REPLAY_UNSIGNED:
		*(unsigned *)at = (unsigned)cli_number(
		    what, arg, (uint64_t)row->min, (uint64_t)row->max);
		break;
	case REPLAY_DURATION:
		*(int64_t *)at = cli_duration_ns(what, arg, row->min, row->max);
		break;
	case REPLAY_FACTOR:
		if (!replay_factor(arg, (double)row->max, at, err))
			cli_usage("%s: '%s': %s", what, arg, err);
		break;
	case REPLAY_WORD:
		*(int *)at = cli_word(what, arg, row->words);
		break;
	case REPLAY_OWN:
		take_own(opt, row, what, arg);
		break;
	}
}

/* " --speed 2", behind what is there; cut where it is too long. */
static void
tell(struct replay_options *opt, const struct replay_option *row,
    const char *arg)
{
	size_t n = strlen(opt->how);
	bool quote =
	    row->arg != NULL && strpbrk(arg, " \t\n'\"$&|<>()[]!") != NULL;

	if ((row->where & REPLAY_TOLD) == 0)
		return;
	(void)snprintf(opt->how + n, sizeof(opt->how) - n, "%s--%s%s%s%s%s",
	    n > 0 ? " " : "", row->name, row->arg != NULL ? " " : "",
	    quote ? "'" : "", row->arg != NULL ? arg : "", quote ? "'" : "");
}

/* ---- the words behind ---- */

static bool
is_there(const char *path)
{
	return strcmp(path, "-") == 0 || access(path, F_OK) == 0;
}

/*
 * The last word is the target. Where there need not be one, a file is none,
 * and neither is the only word.
 */
static bool
ends_in_target(const struct replay_options *opt, int n, char **words)
{
	if (opt->scenario != NULL)
		return n == 1;
	if (opt->merge || n == 0)
		return false;
	if (!opt->dry_run && opt->compile_to == NULL)
		return true;
	return n > 1 && !is_there(words[n - 1]);
}

static void
take_words(struct replay_options *opt, int n, char **words)
{
	bool target = ends_in_target(opt, n, words);

	if (target)
		opt->target = words[--n];
	if (n > REPLAY_CAPTURES_MAX)
		cli_usage("expected at most %d files", REPLAY_CAPTURES_MAX);
	for (int i = 0; i < n; i++)
		opt->captures[opt->n_captures++] = words[i];
	if (opt->merge)
		opt->mode = REPLAY_MERGE;
	else if (opt->scenario != NULL)
		opt->mode = REPLAY_SCENARIO;
	else if (opt->dry_run)
		opt->mode = REPLAY_DRY_RUN;
	else if (opt->compile_to != NULL && !target)
		opt->mode = REPLAY_COMPILE;
}

/* ---- all ---- */

static void
make_getopt(
    struct option longs[REPLAY_ROWS_MAX], char shorts[2 * REPLAY_ROWS_MAX])
{
	size_t n = 0, i = 0;

	shorts[n++] = ':';
	for (; replay_table[i].name != NULL && i + 1 < REPLAY_ROWS_MAX; i++) {
		longs[i] = (struct option){ replay_table[i].name,
			replay_table[i].arg != NULL, NULL, LONG_BASE + (int)i };
		if (replay_table[i].letter == 0)
			continue;
		shorts[n++] = replay_table[i].letter;
		if (replay_table[i].arg != NULL)
			shorts[n++] = ':';
	}
	shorts[n] = '\0';
	longs[i] = (struct option){ NULL, 0, NULL, 0 };
}

/* The row of what getopt said; `what` is how the user wrote it. */
static size_t
row_of(int c, char what[32])
{
	size_t i = 0;

	if (c >= LONG_BASE) {
		i = (size_t)(c - LONG_BASE);
		snprintf(what, 32, "--%s", replay_table[i].name);
		return i;
	}
	while (replay_table[i].letter != c)
		i++;
	snprintf(what, 32, "-%c", c);
	return i;
}

static void
take_options(struct replay_options *opt, bool given[REPLAY_ROWS_MAX], int argc,
    char **argv)
{
	struct option longs[REPLAY_ROWS_MAX];
	char shorts[2 * REPLAY_ROWS_MAX], what[32];
	size_t i;
	int c;

	make_getopt(longs, shorts);
	opterr = 0;
	optind = 0; /* from the start, also when called again */
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (c == ':')
			cli_usage(
			    "%s: an argument is missing", argv[optind - 1]);
		if (c == '?' && optopt != 0 && optopt < LONG_BASE)
			cli_usage("-%c: no such option", optopt);
		if (c == '?')
			cli_usage("%s: no such option", argv[optind - 1]);
		i = row_of(c, what);
		given[i] = true;
		tell(opt, &replay_table[i], optarg);
		take(opt, &replay_table[i], what, optarg);
	}
}

void
replay_options_parse(struct replay_options *opt, int argc, char **argv)
{
	bool given[REPLAY_ROWS_MAX] = { false };

	*opt = (struct replay_options){
		.clients = true,
		.speed = 1,
		.ramp_ns = -1,
		.stagger_ns = -1,
		.answer_timeout_ns = 10000 * NS_PER_MS,
		.loop = 1,
		.of_shards = 1,
		.codec = REPLAY_CODEC_AS_RECORDED,
		.max_late_ns = 10 * NS_PER_MS,
		.bucket_ns = 1000 * NS_PER_MS,
		.scenario_timeout_ns = 5000 * NS_PER_MS,
	};
	take_options(opt, given, argc, argv);
	if (opt->filter != NULL && strcmp(opt->filter, "help") == 0) {
		filter_help(stdout);
		printed();
	}
	take_words(opt, argc - optind, argv + optind);
	replay_options_check(opt, given);
}
