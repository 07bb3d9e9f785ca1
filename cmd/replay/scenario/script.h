/* SPDX-License-Identifier: MIT */
/*
 * script - plays the peers of a relay as a script says, line by line: the
 * language of bluenet-scenario(5).
 *
 * It takes a process: at the first thing that is not as expected it says so on
 * standard error and exits, with 1, or with PEER_SCRIPT_WRONG if the script is
 * invalid. Whoever plays several needs a process for each.
 */
#ifndef REPLAY_SCENARIO_SCRIPT_H
#define REPLAY_SCENARIO_SCRIPT_H

#include "cmd/replay/scenario/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct peer_command {
	const char *name; /* NULL ends a table */
	void (*run)(struct peer_args *args);
	bool own_words; /* it reads all words itself */
};

/* One that takes the rest of its line as it is. */
struct peer_line_command {
	const char *name;
	void (*run)(const char *rest);
};

/* Commands beyond the language, for tests. NULL: none. */
void peer_extend(
    const struct peer_command *more, const struct peer_line_command *lines);

/* NULL: unknown. */
const struct peer_command *peer_command(const char *name);
/* Command i of the language; NULL past the last. */
const char *peer_command_name(size_t i);

/* The relay that `terminate` ends; 0: none. */
extern pid_t peer_relay;

void peer_begin(void);
void peer_run_line(const char *line);
void peer_end(void);

#endif
