/* SPDX-License-Identifier: MIT */
/*
 * scenario_file - scenarios as they stand in files: a head, then the lines of
 * a script (peer_script.h), up to the next head.
 *
 *	scenario NAME
 *	section 4.3
 *	about ONE LINE
 *	needs node
 */
#ifndef REPLAY_SCENARIO_FILE_H
#define REPLAY_SCENARIO_FILE_H

#include <stdbool.h>
#include <stddef.h>

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
	bool needs_node; /* a node has to be let in */
	struct scenario_line *lines; /* n_lines */
	size_t n_lines;
};

struct scenarios {
	struct scenario *list; /* n; owned */
	size_t n;
};

/*
 * All of a file, or of the *.bns of a folder in the order of their names.
 * False: err says "FILE:LINE: " what is wrong and what was expected.
 */
bool scenarios_read(struct scenarios *scenarios, const char *path,
    char err[SCENARIO_ERR_CHARS]);
void scenarios_free(struct scenarios *scenarios);

#endif
