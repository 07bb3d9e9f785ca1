/* SPDX-License-Identifier: MIT */
/*
 * gnuplot - a picture by gnuplot, where it is there: a script in, whatever its
 * terminal makes of it out, to a descriptor. No shell, and nothing that comes
 * from outside as a file's name. Called by the plots of ping and replay.
 */
#ifndef STATS_GNUPLOT_H
#define STATS_GNUPLOT_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#define GNUPLOT_ERR_CHARS 128

struct gnuplot {
	FILE *script; /* to be written: what gnuplot reads */
	pid_t pid;
};

/*
 * Start it, with its output to `picture_fd`, which stays the caller's. False:
 * err says why, and there is nothing to finish.
 */
bool gnuplot_start(
    struct gnuplot *gnuplot, int picture_fd, char err[GNUPLOT_ERR_CHARS]);

/* End the script, and wait for the picture. False: err. */
bool gnuplot_finish(struct gnuplot *gnuplot, char err[GNUPLOT_ERR_CHARS]);

#endif
