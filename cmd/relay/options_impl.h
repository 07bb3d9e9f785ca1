/* SPDX-License-Identifier: MIT */
/* What the files of options share: the table and its values. */
#ifndef RELAY_OPTIONS_IMPL_H
#define RELAY_OPTIONS_IMPL_H

#include "cmd/relay/options.h"

/* The type of the member at `offset` of struct relay_options. */
enum relay_kind {
	RELAY_FLAG, /* bool */
	RELAY_TEXT, /* char *, of min to max characters */
	RELAY_NUMBER, /* uint64_t */
	RELAY_SIZE, /* uint64_t, in bytes */
	RELAY_DURATION, /* int64_t, in ns */
	RELAY_WORD, /* int, the index in `words` */
	RELAY_CODECS, /* uint32_t */
	RELAY_ADDRESSES, /* struct relay_addresses, at most max of them */
	RELAY_CIDRS, /* struct relay_cidrs */
};

enum relay_when {
	RELAY_RESTART, /* a change needs a restart */
	RELAY_RELOAD, /* a change takes effect while running */
	RELAY_COMMAND, /* of the command line only */
};

struct relay_option {
	char letter; /* '\0': none */
	const char *name;
	const char *arg; /* for --help; NULL: a flag */
	const char *about;
	const char *initial; /* as if it had been given; NULL: none */
	enum relay_kind kind;
	enum relay_when when;
	size_t offset;
	uint64_t min, max;
	const char *const *words;
};

/*
 * Take `text` as the option's value: a list grows by it, anything else is
 * replaced. False: `err` says what was expected.
 */
bool relay_value_set(const struct relay_option *row, struct relay_options *opt,
    const char *text, char err[RELAY_ERR_CHARS]);

bool relay_value_same(const struct relay_option *row,
    const struct relay_options *a, const struct relay_options *b);

/* False: out of memory. */
bool relay_value_copy(const struct relay_option *row, struct relay_options *to,
    const struct relay_options *from);

/* Nothing, as in a struct of zeros. */
void
relay_value_clear(const struct relay_option *row, struct relay_options *opt);

/*
 * Each `name = value` of a file, in order. `take` returns false and what was
 * expected to end it. False: `err` says "FILE:LINE: ..." of what went wrong.
 */
bool relay_file_read(const char *path,
    bool (*take)(void *ctx, const char *name, const char *value,
	char err[RELAY_ERR_CHARS]),
    void *ctx, char err[RELAY_ERR_CHARS]);

#endif
