/* SPDX-License-Identifier: MIT */
/*
 * tail_file - a file that grows, and whose end is provisional.
 *
 *	| settled text | provisional text |
 *
 * Each tail_file_commit() makes what was written to `text` settled, and
 * replaces the provisional text by that of `tail`. The file is whole at any
 * time: it is written by one call, and what is left of a longer text becomes a
 * comment until it is cut off. A file that cannot be overwritten, such as a
 * pipe, gets the settled text only. For run.c.
 */
#ifndef PING_TAIL_FILE_H
#define PING_TAIL_FILE_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct tail_file {
	FILE *text; /* to be settled; NULL: closed */
	char *bytes; /* of `text`; owned */
	size_t n_bytes;
	int fd;
	bool regular;
	off_t settled, size;
	int error; /* errno of the first failure; 0: none */
};

/* Creates or empties the file. False: errno says why. */
bool tail_file_open(struct tail_file *file, const char *path);

/* `tail` writes the provisional text; NULL: there is none. */
void tail_file_commit(
    struct tail_file *file, void (*tail)(void *ctx, FILE *text), void *ctx);

/* Commits without provisional text. False: errno of the first failure. */
bool tail_file_close(struct tail_file *file);

#endif
