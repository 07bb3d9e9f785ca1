/* SPDX-License-Identifier: MIT */
/*
 * scenario - short dialogues with a relay, and what it should answer: the
 * conformance suite. The format is bluenet-scenario(5).
 *
 * A scenario has a process and connections of its own, made with libbluenet and
 * epoll. It shares nothing with the engine, so that a mistake there shows, and
 * whatever a hostile relay does to it ends only that scenario.
 */
#ifndef REPLAY_SCENARIO_RUN_H
#define REPLAY_SCENARIO_RUN_H

#include "cmd/replay/options.h"
#include "cmd/session/target.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Run each *.bns of opt->scenario (a folder, in the order of names, or one
 * file) against that address of the target, and print TAP version 13 to `out`.
 * `stock`: it is known to be a stock peer, which has no roster to ask.
 * A connection whose script names no byte order speaks `order`. `stop` is
 * checked between steps. Returns an exit code: REPLAY_OK,
 * REPLAY_DIFFERENT if one fails, REPLAY_USAGE if a file is bad (reported with
 * file, line and what was expected), REPLAY_NOT_CONNECTED if nobody listens.
 */
int
scenario_run(const struct replay_options *opt, const struct address *address,
    const struct session_target *target, bool stock, const char *token,
    enum bnet_order order, const volatile int *stop, FILE *out);

/*
 * ---- scenarios as they stand in files ----
 *
 * A head, then the lines of a script (script.h), up to the next head:
 *
 *	scenario NAME
 *	section 4.3
 *	about ONE LINE
 *	needs node
 *	rules ours stock	whose they are; ours, if it says nothing
 *	with --OPTION ...	what the relay has to be started with
 */

#define SCENARIO_FILE_BYTES_MAX ((size_t)4 << 20)
#define SCENARIO_LINES_MAX 1000 /* of one */
#define SCENARIO_ERR_CHARS 512

struct scenario_line {
	unsigned number; /* in its file, from 1 */
	char *text; /* owned */
};

struct scenario {
	char *file; /* its name without folders; all owned */
	unsigned line; /* of its head */
	char *name, *section, *about;
	char *with; /* options of the relay, or NULL: any */
	bool needs_node; /* a node has to be let in */
	bool rules[REPLAY_N_RULES]; /* whose it tests; none: ours */
	struct scenario_line *lines; /* n_lines */
	size_t n_lines;
};

struct scenarios {
	struct scenario *list; /* n; owned */
	size_t n;
};

/*
 * Read a file, or the *.bns of a folder in the order of their names. False: err
 * says "FILE:LINE: ", what is wrong and what was expected.
 */
bool scenarios_read(struct scenarios *scenarios, const char *path,
    char err[SCENARIO_ERR_CHARS]);
void scenarios_free(struct scenarios *scenarios);

#endif
