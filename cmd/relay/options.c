/* SPDX-License-Identifier: MIT */
#include "cmd/relay/options_impl.h"

#include "cmd/common/cli.h"
#include "proto/bluenet.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROWS_MAX 64
#define LONG_BASE 256 /* getopt's value of row 0, by its long name */

struct reading {
	struct relay_options *opt;
	bool given[ROWS_MAX]; /* on the command line */
	char *err;
};

static void __attribute__((format(printf, 2, 3)))
tell(char err[RELAY_ERR_CHARS], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, RELAY_ERR_CHARS, fmt, ap);
	va_end(ap);
}

static size_t
index_of(const struct relay_option *row)
{
	return (size_t)(row - relay_table);
}

/* "NAME: 'VALUE': expected ..." */
static bool
set(const struct relay_option *row, struct relay_options *opt,
    const char *prefix, const char *value, char err[RELAY_ERR_CHARS])
{
	char why[RELAY_ERR_CHARS];

	if (relay_value_set(row, opt, value, why))
		return true;
	tell(err, "%s%s: '%.200s': %.600s", prefix, row->name, value, why);
	return false;
}

static bool
set_defaults(struct relay_options *opt, char err[RELAY_ERR_CHARS])
{
	for (const struct relay_option *row = relay_table; row->name; row++)
		if (row->initial != NULL &&
		    !set(row, opt, "", row->initial, err))
			return false;
	return true;
}

/* ---- the command line ---- */

struct getopt_tables {
	struct option longs[ROWS_MAX + 1];
	char shorts[2 * ROWS_MAX + 2];
};

/* `shorts` starts with a colon: getopt is to tell what is missing. */
static void
make_tables(struct getopt_tables *tables)
{
	char *letter = tables->shorts + 1;
	struct option *lng = tables->longs;

	for (const struct relay_option *row = relay_table; row->name; row++) {
		/* a flag takes =yes or =no, to overrule the file */
		*lng++ = (struct option){ row->name,
			row->arg != NULL ? required_argument
					 : optional_argument,
			NULL, LONG_BASE + (int)index_of(row) };
		if (row->letter != '\0')
			*letter++ = row->letter;
		if (row->letter != '\0' && row->arg != NULL)
			*letter++ = ':';
	}
	*letter = '\0';
	*lng = (struct option){ NULL, 0, NULL, 0 };
}

static const struct relay_option *
row_of(int c)
{
	const struct relay_option *row = relay_table;

	if (c >= LONG_BASE)
		return &relay_table[c - LONG_BASE];
	while (row->letter != c)
		row++;
	return row;
}

static bool
take_option(struct reading *reading, int c)
{
	const struct relay_option *row = row_of(c);

	reading->given[index_of(row)] = true;
	return set(row, reading->opt, "--", optarg != NULL ? optarg : "yes",
	    reading->err);
}

/* What getopt did not know. */
static bool
refuse_option(int c, char **argv, char err[RELAY_ERR_CHARS])
{
	if (c == ':')
		tell(err, "%s: an argument is missing", argv[optind - 1]);
	else if (optopt != 0 && optopt < LONG_BASE)
		tell(err, "-%c: no such option", optopt);
	else
		tell(err, "%s: no such option", argv[optind - 1]);
	return false;
}

/* The words behind the options: only --make-token has one. */
static bool
take_words(
    struct relay_options *opt, char **words, int n, char err[RELAY_ERR_CHARS])
{
	if (opt->make_token != NULL && n == 0)
		tell(err, "--make-token: expected ID NAME");
	else if (n > (opt->make_token != NULL ? 1 : 0))
		tell(err, "'%.200s': expected options only", words[n - 1]);
	else if (n == 1 && (opt->make_token_name = strdup(words[0])) == NULL)
		tell(err, "out of memory");
	else
		return true;
	return false;
}

static bool
read_command_line(struct reading *reading, int argc, char **argv)
{
	struct getopt_tables tables = { .shorts = ":" };
	int c;

	make_tables(&tables);
	opterr = 0;
	optind = 0; /* from the start, also when it is read again */
	while ((c = getopt_long(
		    argc, argv, tables.shorts, tables.longs, NULL)) != -1) {
		if (c == ':' || c == '?')
			return refuse_option(c, argv, reading->err);
		if (!take_option(reading, c))
			return false;
		if (reading->opt->help || reading->opt->version)
			return true;
	}
	return take_words(
	    reading->opt, argv + optind, argc - optind, reading->err);
}

/* ---- the file ---- */

/* What the command line overrules has to be right all the same. */
static bool
set_nothing(const struct relay_option *row, const char *value,
    char err[RELAY_ERR_CHARS])
{
	struct relay_options unused = { .n_threads = 0 };
	bool ok = set(row, &unused, "", value, err);

	relay_value_clear(row, &unused);
	return ok;
}

static bool
take_line(
    void *ctx, const char *name, const char *value, char err[RELAY_ERR_CHARS])
{
	const struct relay_option *row = relay_option_named(name);
	struct reading *reading = ctx;

	if (row == NULL || row->when == RELAY_COMMAND) {
		tell(err, "%.200s: '%.200s': expected %s", name, value,
		    row == NULL ? "the name of an option"
				: "it on the command line only");
		return false;
	}
	if (reading->given[index_of(row)])
		return set_nothing(row, value, err);
	return set(row, reading->opt, "", value, err);
}

bool
relay_options_read(
    struct relay_options *opt, int argc, char **argv, char err[RELAY_ERR_CHARS])
{
	struct reading reading = { .opt = opt, .err = err };

	*opt = (struct relay_options){ .n_threads = 0 };
	if (!set_defaults(opt, err) || !read_command_line(&reading, argc, argv))
		goto fail;
	if (opt->help || opt->version)
		return true;
	if (opt->config != NULL &&
	    !relay_file_read(opt->config, take_line, &reading, err))
		goto fail;
	if (!relay_options_check(opt, err))
		goto fail;
	return true;
fail:
	relay_options_free(opt);
	return false;
}

void
relay_options_parse(struct relay_options *opt, int argc, char **argv)
{
	char err[RELAY_ERR_CHARS];

	if (!relay_options_read(opt, argc, argv, err))
		cli_usage("%s", err);
	if (opt->user != NULL && geteuid() != 0)
		cli_usage(
		    "user: '%s': expected to be started by root", opt->user);
	if (!opt->help && !opt->version)
		return;
	if (opt->help)
		relay_help();
	else
		puts("bluenet-relay " BNET_VERSION);
	relay_options_free(opt);
	if (fflush(stdout) != 0 || ferror(stdout))
		cli_die("standard output: %s", strerror(errno));
	exit(CLI_OK);
}

static void
add_name(char names[RELAY_NAMES_CHARS], const char *name)
{
	size_t n = strlen(names);

	snprintf(
	    names + n, RELAY_NAMES_CHARS - n, "%s%s", n > 0 ? " " : "", name);
}

bool
relay_options_reload(const struct relay_options *old,
    struct relay_options *fresh, struct relay_changes *changes,
    char err[RELAY_ERR_CHARS])
{
	*changes = (struct relay_changes){ .now = "" };
	for (const struct relay_option *row = relay_table; row->name; row++) {
		if (relay_value_same(row, old, fresh))
			continue;
		if (row->when == RELAY_RELOAD) {
			add_name(changes->now, row->name);
			continue;
		}
		add_name(changes->restart, row->name);
		if (!relay_value_copy(row, fresh, old)) {
			tell(err, "out of memory");
			return false;
		}
	}
	return relay_options_check(fresh, err);
}

void
relay_options_free(struct relay_options *opt)
{
	for (const struct relay_option *row = relay_table; row->name; row++)
		relay_value_clear(row, opt);
	free(opt->make_token_name);
	opt->make_token_name = NULL;
}
