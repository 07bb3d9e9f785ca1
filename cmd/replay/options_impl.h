/* SPDX-License-Identifier: MIT */
/* What the files of options share: the table, and values of its own kinds. */
#ifndef REPLAY_OPTIONS_IMPL_H
#define REPLAY_OPTIONS_IMPL_H

#include "cmd/common/cli.h"
#include "cmd/replay/options.h"

#define REPLAY_ROWS_MAX 64 /* of the table */

/* What the member at `at` of struct replay_options is. */
enum replay_kind {
	REPLAY_FLAG, /* bool */
	REPLAY_TEXT, /* const char * */
	REPLAY_TOKEN, /* the same, and hidden from ps */
	REPLAY_NUMBER, /* uint64_t */
	REPLAY_UNSIGNED, /* unsigned */
	REPLAY_DURATION, /* int64_t, in ns */
	REPLAY_FACTOR, /* double */
	REPLAY_WORD, /* int, the index in `words` */
	REPLAY_OWN, /* what take() makes of it */
};

/* Where an option is of use: bits, by enum replay_mode; and: */
#define REPLAY_IN(mode) (1U << (mode))
#define REPLAY_TOLD 256U /* it is in `how` */

struct replay_option {
	char letter; /* 0: none */
	const char *name;
	const char *arg; /* NULL: a flag */
	const char *about;
	enum replay_kind kind;
	unsigned where;
	size_t at;
	int64_t min, max;
	const char *const *words;
	/* False: `err` says what was expected. */
	bool (*take)(struct replay_options *opt, const char *text,
	    char err[CLI_ERR_CHARS]);
};

/* In the order of --help; it ends with a name of NULL. */
extern const struct replay_option replay_table[];

_Noreturn void replay_help(void);

/* ---- values: see `take` ---- */

bool replay_take_speed(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS]);
bool replay_take_rate(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS]);
bool replay_take_pacing(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS]);
bool replay_take_codec(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS]);
bool replay_take_roles(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS]);
bool replay_take_order(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS]);
bool replay_take_ports(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS]);
bool replay_take_shard(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS]);
bool replay_take_map(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS]);
bool replay_take_allow(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS]);
bool replay_take_start(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS]);

/* A number above 0, such as 2 or 0.5. */
bool
replay_factor(const char *text, double max, double *v, char err[CLI_ERR_CHARS]);

/*
 * "2026-11-25T12:00:00Z", with decimals or another offset too, "@1764072000.5"
 * or "+5s" from now_ns; unix, in ns.
 */
bool replay_time(
    const char *text, int64_t now_ns, int64_t *at_ns, char err[CLI_ERR_CHARS]);

/* ---- contradictions ---- */

/* `given[i]`: row i of the table was. Ends the process on bad usage. */
void replay_options_check(const struct replay_options *opt, const bool *given);

#endif
