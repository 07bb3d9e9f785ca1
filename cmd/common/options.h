/* SPDX-License-Identifier: MIT */
/*
 * options - parses the options of a program from one table.
 *
 * A program has a struct for the values of its options, and a table with a row
 * for each option: its name, letter, argument, and description in --help, the
 * type and the place of its value in that struct, its range, and its default.
 * The table drives the parser of the command line, --help, the configuration
 * file (option_file.h), the shell completions (completion.h), and the test that
 * checks the manual.
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
 * The macros for types do not compile if the member has another type.
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
#define OPTION_ERR_CHARS 512 /* of an error text */
#define OPTION_MISTAKES_CHARS 16384
#define OPTION_NAMES_CHARS 1024
#define OPTION_TEXT_MAX 4096 /* of a value, such as a path */
#define OPTION_TEXTS_MAX 64
#define OPTION_ADDRESSES_MAX 16
#define OPTION_CIDRS_MAX 64
#define OPTION_PORTS_MAX 64

/* ---- values ---- */

/* Each of these structs is empty when zeroed. */
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

struct option_port_range {
	uint16_t first, last; /* inclusive */
};

struct option_ports {
	struct option_port_range at[OPTION_PORTS_MAX];
	size_t n;
	bool any;
};

enum option_type {
	OPTION_IS_FLAG, /* bool */
	OPTION_IS_TEXT, /* char *, owned; min to max characters */
	OPTION_IS_TEXTS, /* struct option_texts, at most max of them */
	OPTION_IS_NUMBER, /* any unsigned integer of 32 or 64 bits */
	OPTION_IS_SIZE, /* the same, in bytes, with K, M or G as suffix */
	OPTION_IS_TIME, /* int64_t, in ns */
	OPTION_IS_FACTOR, /* double, above 0 and up to max */
	OPTION_IS_PERCENT, /* double, from 0 to max */
	OPTION_IS_WORD, /* an enum or int: the index in `words`, plus min */
	OPTION_IS_CODECS, /* uint32_t: bits of enum bnet_codec_id */
	OPTION_IS_PORTS, /* struct option_ports */
	OPTION_IS_ADDRESSES, /* struct option_addresses, at most max of them */
	OPTION_IS_CIDRS, /* struct option_cidrs, at most max of them */
	OPTION_IS_OWN, /* custom: stored by take() */
	OPTION_IS_HELP,
	OPTION_IS_VERSION,
};

enum option_flag {
	OPTION_RELOAD = 1, /* can change while the program runs */
	OPTION_COMMAND = 2, /* only on the command line, not in the file */
	OPTION_SECRET = 4, /* erased from argv, and never in a message */
};

struct option_row {
	const char *name; /* NULL: only a letter */
	char letter; /* 0: none */
	const char *arg; /* as in --help; NULL: no argument */
	const char *help; /* words and default are appended */
	const char *group; /* heading in --help; NULL: as in the previous row */
	const char *initial; /* set as if given; NULL: not set */
	const char *shown; /* a default applied by the program itself */
	/*
	 * For completions: words, or "@files", "@users", "@hosts", or "@run
	 * ARGS": the first column of the program's output with these ARGS.
	 * NULL: derived from the type and `arg`.
	 */
	const char *complete;
	enum option_type type;
	unsigned flags; /* enum option_flag */
	unsigned mine; /* bits for the program */
	size_t at, bytes; /* the member of the program's struct */
	uint64_t min, max;
	/*
	 * Ends with NULL. Of an OWN without `arg`: one of these may follow the
	 * letter as a word of its own.
	 */
	const char *const *words;
	/*
	 * Returns false on error: `err` says what was expected. `text` is NULL
	 * without an argument.
	 */
	bool (*take)(void *opt, const char *text, char err[OPTION_ERR_CHARS]);
};

/* The offset of a member of this type; other types do not compile. */
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
	.complete = "26000 26000-26010 any"
#define OPTION_ADDRESSES(T, member, n_max) \
	.type = OPTION_IS_ADDRESSES, \
	OPTION_AT(T, member, struct option_addresses), .max = (n_max)
#define OPTION_CIDRS(T, member, n_max) \
	.type = OPTION_IS_CIDRS, OPTION_AT(T, member, struct option_cidrs), \
	.max = (n_max)
#define OPTION_OWN(function) .type = OPTION_IS_OWN, .take = (function)

/* The options of every program, and the end of a table. */
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
	const char *usage; /* synopsis in lines, without "usage: " */
	const char *about; /* a paragraph */
	const char *ending; /* another one, at the end of --help */
	const struct option_row *rows; /* ends with OPTION_END */
	size_t opt_bytes; /* size of the program's struct */
	const char *operands; /* like `complete` of a row; NULL: none */
	/* Called for each option of the command line, or NULL. */
	void (*seen)(void *opt, const struct option_row *row, const char *text);
};

/* ---- reading ---- */

struct option_reading {
	const struct option_program *program;
	void *opt;
	/*
	 * by row: how often it was given, and the last line (0: command line)
	 */
	unsigned n_given[OPTION_ROWS_MAX];
	int line[OPTION_ROWS_MAX];
	const char *path; /* of the configuration file, if any */
	char **words; /* after the options */
	int n_words;
	bool help, version; /* requested; the rest is not read */
	unsigned n_mistakes, n_left_out; /* the latter are not in `mistakes` */
	char mistakes[OPTION_MISTAKES_CHARS]; /* one per line */
};

/*
 * Sets the defaults in *opt, then reads the command line. May permute argv and
 * erases secrets in it. Members without a default are unchanged. Returns false
 * if there are mistakes. Call options_free() for *opt in any case.
 */
bool options_read(struct option_reading *reading,
    const struct option_program *program, void *opt, int argc, char **argv);

/*
 * The same for program start: exits after --help and --version, and on
 * mistakes, with CLI_USAGE.
 */
void options_parse(struct option_reading *reading,
    const struct option_program *program, void *opt, int argc, char **argv);

/* Prints --help or --version if requested, and exits. */
void options_answer(const struct option_reading *reading);

/* If there are mistakes, prints them and exits with CLI_USAGE. */
void options_end_if_bad(const struct option_reading *reading);

/* Was the option given, on the command line or in the file? */
bool options_given(const struct option_reading *reading, const char *name);

/*
 * Adds a mistake found by a check between options, such as "expected ...". It
 * is shown with the option's name, and with the file and line if it was given
 * there; name NULL: with neither.
 */
void options_refuse(struct option_reading *reading, const char *name,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Formats the first mistake and the number of others. */
void options_first_mistake(
    const struct option_reading *reading, char *text, size_t text_bytes);

/* Prints --help for lines of `columns` characters. */
void options_help(const struct option_program *program, FILE *f, int columns);

/* Frees what the values own, but not *opt itself. */
void options_free(const struct option_program *program, void *opt);

/* ---- lines of a file, for option_file ---- */

void options_take_line(struct option_reading *reading, int line,
    const char *name, const char *value);

/* Adds a mistake of that line. */
void
options_refuse_line(struct option_reading *reading, int line, const char *why);

/* ---- reloading ---- */

/* Names of options separated by blanks, or "". */
struct option_changes {
	char now[OPTION_NAMES_CHARS]; /* in effect now */
	char restart[OPTION_NAMES_CHARS]; /* take effect at the next start */
};

/*
 * Compares `fresh`, just read, with `old`, which is in force. Options that need
 * a restart get their old values in `fresh`. Returns false when out of memory.
 */
bool options_reload(const struct option_program *program, const void *old,
    void *fresh, struct option_changes *changes);

/* ---- parsing values, for a take() of a program ---- */

/*
 * Returns false on error: `err` says what was expected; *v is then unspecified.
 */
bool option_time(const char *text, int64_t min_ns, int64_t max_ns,
    int64_t *v_ns, char err[OPTION_ERR_CHARS]);
/* Sets `err` to "expected WHAT". Always returns false. */
bool option_expected(char err[OPTION_ERR_CHARS], const char *what);

#endif
