/* SPDX-License-Identifier: MIT */
/* What the files of plot share, and nobody else. */
#ifndef PING_PLOT_IMPL_H
#define PING_PLOT_IMPL_H

#include "cmd/ping/plot.h"
#include "cmd/stats/gnuplot.h"

struct plotter {
	FILE *script; /* that of gnuplot */
	struct gnuplot gnuplot;
	const char *path; /* borrowed */
};

/*
 * Start gnuplot, its output into the file, with the terminal set for n_panels
 * pictures one over the other. False: err, nothing to finish.
 */
bool plotter_start(struct plotter *plotter, const char *path, unsigned n_panels,
    char err[CLI_ERR_CHARS]);

/* End the script, and wait for the picture. */
bool plotter_finish(struct plotter *plotter, char err[CLI_ERR_CHARS]);

#endif
