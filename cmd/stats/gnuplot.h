/* SPDX-License-Identifier: MIT */
/*
 * gnuplot - draws a picture with gnuplot, if it is installed: takes a script,
 * and writes the output of the terminal to a descriptor. Uses no shell, and no
 * file names from outside. Called by the plots of ping and replay.
 */
#ifndef STATS_GNUPLOT_H
#define STATS_GNUPLOT_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#define GNUPLOT_ERR_CHARS 128

struct gnuplot {
	FILE *script; /* write the gnuplot script here */
	pid_t pid;
};

/*
 * Starts gnuplot with its output to `picture_fd`, which the caller keeps.
 * Returns false on failure: err says why, and gnuplot_finish() is not needed.
 */
bool gnuplot_start(
    struct gnuplot *gnuplot, int picture_fd, char err[GNUPLOT_ERR_CHARS]);

/*
 * Ends the script and waits for the picture. Returns false on failure; err says
 * why.
 */
bool gnuplot_finish(struct gnuplot *gnuplot, char err[GNUPLOT_ERR_CHARS]);

#endif
