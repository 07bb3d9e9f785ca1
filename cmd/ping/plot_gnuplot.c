/* SPDX-License-Identifier: MIT */
/* A plot in a file: which kind, and its terminal. */
#include "cmd/ping/plot_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define WIDTH 900
#define PANEL_HEIGHT 380

static const char *
extension(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot == NULL ? "" : dot;
}

bool
plot_check(const char *path, char err[CLI_ERR_CHARS])
{
	const char *ext = extension(path);

	if (strcmp(ext, ".svg") == 0 || strcmp(ext, ".png") == 0)
		return true;
	snprintf(err, CLI_ERR_CHARS, "'%.200s': expected FILE.svg or FILE.png",
	    path);
	return false;
}

static bool
fail(const char *path, const char *why, char err[CLI_ERR_CHARS])
{
	snprintf(err, CLI_ERR_CHARS, "%.200s: %s", path, why);
	return false;
}

static void
set_terminal(FILE *script, const char *path, unsigned n_panels)
{
	bool svg = strcmp(extension(path), ".svg") == 0;

	fprintf(script, "set terminal %s size %d,%u%s\n",
	    svg ? "svg" : "pngcairo", WIDTH, n_panels * PANEL_HEIGHT,
	    svg ? " background rgb 'white'" : "");
	fputs("set grid\nset key top right\nset border 3\nset tics nomirror\n"
	      "set yrange [0:*]\n",
	    script);
}

bool
plotter_start(struct plotter *plotter, const char *path, unsigned n_panels,
    char err[CLI_ERR_CHARS])
{
	char why[GNUPLOT_ERR_CHARS];
	int picture_fd;
	bool ok;

	if (!plot_check(path, err))
		return false;
	picture_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (picture_fd < 0)
		return fail(path, strerror(errno), err);
	ok = gnuplot_start(&plotter->gnuplot, picture_fd, why);
	close(picture_fd);
	if (!ok) {
		unlink(path);
		return fail(path, why, err);
	}
	plotter->path = path;
	plotter->script = plotter->gnuplot.script;
	set_terminal(plotter->script, path, n_panels);
	return true;
}

bool
plotter_finish(struct plotter *plotter, char err[CLI_ERR_CHARS])
{
	char why[GNUPLOT_ERR_CHARS];

	if (gnuplot_finish(&plotter->gnuplot, why))
		return true;
	unlink(plotter->path);
	return fail(plotter->path, why, err);
}
