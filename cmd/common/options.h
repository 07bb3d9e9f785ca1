/* SPDX-License-Identifier: MIT */
/*
 * options - the options of a program, from one table.
 *
 * A program has a struct of its own that holds what it was told, and a table
 * with a row for each option: its name, its letter, its argument, what --help
 * says of it, the type and the place of its value in that struct, its range,
 * and its default. From the table come the parser of the command line, --help,
 * the configuration file (option_file.h), the completions for shells
 * (completion.h), and the test that compares the manual.
 *
 *	#define OPT struct relay_options
 *	static const struct option_row rows[] = {
 *		{ "queue", 0, "SIZE", "buffer at most SIZE for a destination",
 *		    OPTION_SIZE(OPT, queue_bytes, 4096, SIZE_MAX / 4),
 *		    .initial = "4M", .flags = OPTION_RELOAD },
 *		...
 *		OPTION_HELP_ROWS,
 *		OPTION_END,
 *	};
 *
 * The macros for types do not compile where the member has another type.
 * To add an option: a member, a row, and the manual.
 *
 * For the main thread: getopt() has static state.
 */
#ifndef COMMON_OPTIONS_H
#define COMMON_OPTIONS_H

#include "cmd/common/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define OPTION_ROWS_MAX 80
#define OPTION_ERR_CHARS 512 /* of what was expected */
#define OPTION_MISTAKES_CHARS 16384
#define OPTION_NAMES_CHARS 1024
#define OPTION_TEXT_MAX 4096 /* of a path, for instance */
#define OPTION_TEXTS_MAX 64
#define OPTION_ADDRESSES_MAX 16
#define OPTION_CIDRS_MAX 64
#define OPTION_PORTS_MAX 64

/* ---- values ---- */

/* Each of these structs is empty when it is zero. */
struct option_texts {
	char *at[OPTION_TEXTS_MAX]; /* owned */
	size_t n;
};

struct option_addresses {
	struct address at[OPTION_ADDRESSES_MAX];
	size_t n;
};

struct option_cidrs {
	struct cidr at[OPTION_CIDRS_MAX];
	size_t n;
};

struct option_ports {
	uint16_t at[OPTION_PORTS_MAX];
	size_t n;
	bool any;
};

enum option_type {
	OPTION_IS_FLAG, /* bool */
	OPTION_IS_TEXT, /* char *, owned; min to max characters */
	OPTION_IS_TEXTS, /* struct option_texts, at most max of them */
	OPTION_IS_NUMBER, /* any unsigned integer of 32 or 64 bits */
	OPTION_IS_SIZE, /* the same, in bytes: K, M and G may follow */
	OPTION_IS_TIME, /* int64_t, in ns */
	OPTION_IS_FACTOR, /* double, above 0 and up to max */
	OPTION_IS_PERCENT, /* double, from 0 to max */
	OPTION_IS_WORD, /* an enum or int: the index in `words`, plus min */
	OPTION_IS_CODECS, /* uint32_t: bits of enum bnet_codec_id */
	OPTION_IS_PORTS, /* struct option_ports */
	OPTION_IS_ADDRESSES, /* struct option_addresses, at most max of them */
	OPTION_IS_CIDRS, /* struct option_cidrs, at most max of them */
	OPTION_IS_OWN, /* what take() makes of it */
	OPTION_IS_HELP,
	OPTION_IS_VERSION,
};

enum option_flag {
	OPTION_RELOAD = 1, /* a change takes effect while the program runs */
	OPTION_COMMAND = 2, /* for the command line only, not for the file */
	OPTION_SECRET = 4, /* overwritten in argv, and never in a message */
};

struct option_row {
	const char *name; /* NULL: a letter only */
	char letter; /* 0: none */
	const char *arg; /* as --help shows it; NULL: no argument */
	const char *help; /* words and the default follow by themselves */
	const char *group; /* heading in --help; NULL: as the row before */
	const char *initial; /* set as if it had been given; NULL: not set */
	const char *shown; /* a default that the program itself applies */
	/*
	 * For the completions: words, or "@files", "@users", "@hosts", or "@run
	 * ARGS", the first column of what the program prints with these ARGS.
	 * NULL: as the type and `arg` say.
	 */
	const char *complete;
	enum option_type type;
	unsigned flags; /* enum option_flag */
	unsigned mine; /* the program's own bits */
	size_t at, bytes; /* the member of the program's struct */
	uint64_t min, max;
	const char *const *words; /* end with NULL */
	/* False: `err` says what was expected. No argument: `text` is NULL. */
	bool (*take)(void *opt, const char *text, char err[OPTION_ERR_CHARS]);
};

/* The place of a member that has this type; it does not compile otherwise. */
#define OPTION_AT(T, member, type) \
	.at = offsetof(T, member) + \
	    0 * sizeof(char[_Generic(((T *)0)->member, type : 1)]), \
	.bytes = sizeof(((T *)0)->member)
#define OPTION_AT_UNSIGNED(T, member) \
	.at = offsetof(T, member) + \
	    0 * \
		sizeof(char[_Generic( \
		    ((T *)0)->member, uint64_t : 1, uint32_t : 1)]), \
	.bytes = sizeof(((T *)0)->member)
#define OPTION_AT_WORD(T, member) \
	.at = offsetof(T, member) + \
	    0 * \
		sizeof( \
		    char[_Generic(((T *)0)->member, int : 1, unsigned : 1)]), \
	.bytes = sizeof(((T *)0)->member)

#define OPTION_FLAG(T, member) \
	.type = OPTION_IS_FLAG, OPTION_AT(T, member, bool)
#define OPTION_TEXT(T, member, low, high) \
	.type = OPTION_IS_TEXT, OPTION_AT(T, member, char *), .min = (low), \
	.max = (high)
#define OPTION_PATH(T, member) OPTION_TEXT(T, member, 1, OPTION_TEXT_MAX)
#define OPTION_TEXTS(T, member, n_max) \
	.type = OPTION_IS_TEXTS, OPTION_AT(T, member, struct option_texts), \
	.max = (n_max)
#define OPTION_NUMBER(T, member, low, high) \
	.type = OPTION_IS_NUMBER, OPTION_AT_UNSIGNED(T, member), .min = (low), \
	.max = (high)
#define OPTION_SIZE(T, member, low, high) \
	.type = OPTION_IS_SIZE, OPTION_AT_UNSIGNED(T, member), .min = (low), \
	.max = (high)
#define OPTION_TIME(T, member, low_ns, high_ns) \
	.type = OPTION_IS_TIME, OPTION_AT(T, member, int64_t), \
	.min = (low_ns), .max = (high_ns)
#define OPTION_FACTOR(T, member, high) \
	.type = OPTION_IS_FACTOR, OPTION_AT(T, member, double), .max = (high)
#define OPTION_PERCENT(T, member, high) \
	.type = OPTION_IS_PERCENT, OPTION_AT(T, member, double), .max = (high)
#define OPTION_WORD(T, member, list) \
	.type = OPTION_IS_WORD, OPTION_AT_WORD(T, member), .words = (list)
#define OPTION_CODECS(T, member) \
	.type = OPTION_IS_CODECS, OPTION_AT(T, member, uint32_t), \
	.complete = "zlib snappy zlib,snappy none"
#define OPTION_PORTS(T, member) \
	.type = OPTION_IS_PORTS, OPTION_AT(T, member, struct option_ports), \
	.complete = "26000 any"
#define OPTION_ADDRESSES(T, member, n_max) \
	.type = OPTION_IS_ADDRESSES, \
	OPTION_AT(T, member, struct option_addresses), .max = (n_max)
#define OPTION_CIDRS(T, member, n_max) \
	.type = OPTION_IS_CIDRS, OPTION_AT(T, member, struct option_cidrs), \
	.max = (n_max)
#define OPTION_OWN(function) .type = OPTION_IS_OWN, .take = (function)

/* What every program has, and what ends a table. */
#define OPTION_HELP_ROW \
	"help", 'h', NULL, "show this help", .type = OPTION_IS_HELP, \
					     .flags = OPTION_COMMAND
#define OPTION_VERSION_ROW \
	"version", 'V', NULL, "show the version", .type = OPTION_IS_VERSION, \
						  .flags = OPTION_COMMAND
#define OPTION_HELP_ROWS \
	{ OPTION_HELP_ROW, .group = "Help" }, \
	{ \
		OPTION_VERSION_ROW \
	}
#define OPTION_END \
	{ \
		.name = NULL \
	}

struct option_program {
	const char *name; /* bluenet-relay */
	const char *usage; /* its synopsis, in lines, without "usage: " */
	const char *about; /* a paragraph */
	const char *ending; /* another, at the end of --help */
	const struct option_row *rows; /* end with OPTION_END */
	size_t opt_bytes; /* of its struct */
	const char *operands; /* as `complete` of a row; NULL: none */
	/* Called for each option of the command line, or NULL. */
	void (*seen)(void *opt, const struct option_row *row, const char *text);
};

/* ---- reading ---- */

struct option_reading {
	const struct option_program *program;
	void *opt;
	/* by row: how often it was given, and where last (0: command line) */
	unsigned n_given[OPTION_ROWS_MAX];
	int line[OPTION_ROWS_MAX];
	const char *path; /* of the configuration file, if any */
	char **words; /* after the options */
	int n_words;
	bool help, version; /* was asked for; the rest is not read */
	unsigned n_mistakes, n_left_out; /* of `mistakes` */
	char mistakes[OPTION_MISTAKES_CHARS]; /* a line each */
};

/*
 * The defaults into *opt, then the command line; argv may be permuted, and
 * secrets in it are overwritten. What has no default stays as it is in *opt.
 * False: there are mistakes. *opt is for options_free() in any case.
 */
bool options_read(struct option_reading *reading,
    const struct option_program *program, void *opt, int argc, char **argv);

/*
 * The same at the start of a program: it ends at --help, --version and
 * mistakes, the latter with CLI_USAGE.
 */
void options_parse(struct option_reading *reading,
    const struct option_program *program, void *opt, int argc, char **argv);

/* --help or --version, if asked for, on standard output, and the end. */
void options_answer(const struct option_reading *reading);

/* With any mistakes, print them and end with CLI_USAGE. */
void options_end_if_bad(const struct option_reading *reading);

/* The option was given, on the command line or in the file. */
bool options_given(const struct option_reading *reading, const char *name);

/*
 * A mistake found by a check between options, such as "expected ...". It is
 * shown with the option's name, and with the file and the line if it stood
 * there; name NULL: with neither.
 */
void options_refuse(struct option_reading *reading, const char *name,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The first mistake, and how many more there are. */
void options_first_mistake(
    const struct option_reading *reading, char *text, size_t text_bytes);

/* --help, for lines of `columns`. */
void options_help(const struct option_program *program, FILE *f, int columns);

/* What the values hold, not *opt itself. */
void options_free(const struct option_program *program, void *opt);

/* ---- what option_file has of a line ---- */

void options_take_line(struct option_reading *reading, int line,
    const char *name, const char *value);

/* A mistake of that line. */
void
options_refuse_line(struct option_reading *reading, int line, const char *why);

/* ---- reloading ---- */

/* Names of options with blanks between, or "". */
struct option_changes {
	char now[OPTION_NAMES_CHARS]; /* take effect while running */
	char restart[OPTION_NAMES_CHARS]; /* take effect at the next start */
};

/*
 * Of `fresh`, just read, against `old`, which is in force. What has to wait
 * for a restart becomes in `fresh` what it is in `old`. False: out of memory.
 */
bool options_reload(const struct option_program *program, const void *old,
    void *fresh, struct option_changes *changes);

/* ---- values, for a take() of a program ---- */

/* False: `err` says what was expected; *v is anything then. */
bool option_time(const char *text, int64_t min_ns, int64_t max_ns,
    int64_t *v_ns, char err[OPTION_ERR_CHARS]);
/* `err` becomes "expected WHAT"; always false. */
bool option_expected(char err[OPTION_ERR_CHARS], const char *what);

#endif
