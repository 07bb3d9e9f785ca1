/* SPDX-License-Identifier: MIT */
/* gnuplot and its output file, then the data to plot. */
#include "cmd/ping/plot.h"

#include "cmd/ping/cluster_table.h"
#include "cmd/stats/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

struct plotter {
	FILE *script; /* the input of gnuplot */
	struct gnuplot gnuplot;
	const char *path; /* borrowed */
};

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

/*
 * Start gnuplot with its output into the file, and a terminal for n_panels
 * pictures above each other. False: err is set, and there is nothing to finish.
 */
static bool
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

/* End the script, and wait for gnuplot to finish. */
static bool
plotter_finish(struct plotter *plotter, char err[CLI_ERR_CHARS])
{
	char why[GNUPLOT_ERR_CHARS];

	if (gnuplot_finish(&plotter->gnuplot, why))
		return true;
	unlink(plotter->path);
	return fail(plotter->path, why, err);
}

#define NS_PER_S INT64_C(1000000000)
#define LABELS_MAX 12 /* on an axis */

static const char *const layer_titles[PING_LAYERS] = { "network layer",
	"service layer", "the relay itself" };

static const struct series_row *
row_of(const struct series *series, size_t i, enum ping_layer layer)
{
	const struct series_row *row = series_row(series, i);

	if (row->node != SERIES_ALL || row->layer != layer)
		return NULL;
	return row;
}

/* The number of rows with an average (or ways up and down) to draw. */
static size_t
count_rows(const struct series *series, enum ping_layer layer, bool clock)
{
	const struct series_row *row;
	size_t n = 0;

	for (size_t i = 0; i < series_n_rows(series); i++) {
		row = row_of(series, i, layer);
		if (row != NULL && row->due.count > 0 &&
		    (!clock || row->up.count > 0))
			n++;
	}
	return n;
}

/* Time and average; if known, also up, down and their error. */
static void
put_rows(FILE *script, const struct series *series, enum ping_layer layer)
{
	int64_t zone_ns = series_settings(series)->zone_ns;
	const struct series_row *row;

	fprintf(script, "$%s << EOD\n", ping_layer_names[layer]);
	for (size_t i = 0; i < series_n_rows(series); i++) {
		row = row_of(series, i, layer);
		if (row == NULL)
			continue;
		if (row->due.count == 0) {
			fputc('\n', script); /* breaks the line */
			continue;
		}
		fprintf(script, "%" PRId64 " %.6f",
		    (row->start_ns + zone_ns) / NS_PER_S,
		    hdr_sums_mean(&row->due) / 1e6);
		if (row->up.count > 0)
			fprintf(script, " %.6f %.6f %.6f\n", row->up.mean / 1e6,
			    row->down.mean / 1e6, row->clock_error.mean / 1e6);
		else
			fputs(" NaN NaN NaN\n", script);
	}
	fputs("EOD\n", script);
}

/* Add half a bucket on either side: a single point needs a range, too. */
static void
set_time_axis(FILE *script, const struct series *series)
{
	const struct series_settings *set = series_settings(series);
	int64_t first_ns = INT64_MAX, last_ns = 0, start_ns;

	for (size_t i = 0; i < series_n_rows(series); i++) {
		start_ns = series_row(series, i)->start_ns + set->zone_ns;
		if (start_ns < first_ns)
			first_ns = start_ns;
		if (start_ns > last_ns)
			last_ns = start_ns;
	}
	fprintf(script,
	    "set xdata time\nset timefmt '%%s'\nset format x '%s'\n"
	    "set xrange ['%" PRId64 "':'%" PRId64 "']\n"
	    "set offsets 0, 0, graph 0.1, 0\n",
	    set->bucket_ns < 60 * NS_PER_S ? "%H:%M:%S" : "%H:%M",
	    (first_ns - set->bucket_ns / 2) / NS_PER_S,
	    (last_ns + set->bucket_ns / 2 + NS_PER_S - 1) / NS_PER_S);
}

/* Grey bands, behind the lines. */
static void
set_outages(FILE *script, const struct series *series)
{
	double zone_s = (double)series_settings(series)->zone_ns / 1e9;
	const struct series_outage *list;
	size_t n;

	list = series_outages(series, &n);
	for (size_t i = 0; i < n; i++)
		fprintf(script,
		    "set object %zu rectangle from first %.3f, graph 0"
		    " to first %.3f, graph 1 behind"
		    " fillcolor rgb '#d9d9d9' fillstyle solid border rgb"
		    " '#d9d9d9'\n",
		    i + 1, (double)list[i].start_ns / 1e9 + zone_s,
		    (double)list[i].end_ns / 1e9 + zone_s);
	if (n > 0)
		fprintf(script, "set title 'grey: no relay' offset 0,-0.5\n");
}

static void
plot_averages(FILE *script, const bool *layers)
{
	const char *comma = "";

	fputs("set ylabel 'average round trip, ms'\nplot ", script);
	for (unsigned i = 0; i < PING_LAYERS; i++) {
		if (!layers[i])
			continue;
		fprintf(script,
		    "%s$%s using 1:2 with linespoints pt 7 lw 2 title '%s'",
		    comma, ping_layer_names[i], layer_titles[i]);
		comma = ", ";
	}
	fputc('\n', script);
}

/* Up is what the server sees, down what the client sees. */
static void
plot_ways(FILE *script, enum ping_layer layer)
{
	static const char *const ways[] = { "up (server delta)",
		"down (client delta)" };

	fprintf(script, "set ylabel 'one way, ms, %s'\nset yrange [*:*]\nplot",
	    layer_titles[layer]);
	for (unsigned i = 0; i < 2; i++)
		fprintf(script,
		    "%s $%s using 1:%u:5 with yerrorbars pt 7 lw 1.5 lc %u"
		    " notitle, $%s using 1:%u with lines lw 2 lc %u"
		    " title '%s'",
		    i > 0 ? "," : "", ping_layer_names[layer], 3 + i, i + 1,
		    ping_layer_names[layer], 3 + i, i + 1, ways[i]);
	fputc('\n', script);
}

static bool
nothing(const char *path, char *err)
{
	snprintf(err, CLI_ERR_CHARS,
	    "%.200s: nothing was answered, so there is"
	    " nothing to draw",
	    path);
	return false;
}

bool
plot_run(const char *path, const struct series *series, char err[CLI_ERR_CHARS])
{
	bool layers[PING_LAYERS], clocks[PING_LAYERS];
	unsigned n_panels = 0, n_layers = 0;
	struct plotter plotter;

	for (unsigned i = 0; i < PING_LAYERS; i++) {
		enum ping_layer layer = (enum ping_layer)i;

		layers[i] = count_rows(series, layer, false) > 0;
		clocks[i] = count_rows(series, layer, true) > 0;
		n_layers += layers[i];
		n_panels += clocks[i];
	}
	if (n_layers == 0)
		return nothing(path, err);
	if (!plotter_start(&plotter, path, n_panels + 1, err))
		return false;
	for (unsigned i = 0; i < PING_LAYERS; i++)
		if (layers[i])
			put_rows(plotter.script, series, (enum ping_layer)i);
	set_time_axis(plotter.script, series);
	set_outages(plotter.script, series);
	if (n_panels > 0)
		fprintf(plotter.script, "set multiplot layout %u,1\n",
		    n_panels + 1);
	plot_averages(plotter.script, layers);
	for (unsigned i = 0; i < PING_LAYERS; i++)
		if (clocks[i])
			plot_ways(plotter.script, (enum ping_layer)i);
	return plotter_finish(&plotter, err);
}

/* The first layer that both runs have: the one to draw. */
static int
common_layer(const struct series *before, const struct series *after)
{
	for (unsigned i = 0; i < PING_LAYERS; i++)
		if (count_rows(before, (enum ping_layer)i, false) > 0 &&
		    count_rows(after, (enum ping_layer)i, false) > 0)
			return (int)i;
	return -1;
}

/* Number, average, and the start if there is room for the label. */
static void
put_numbered(FILE *script, const char *name, const struct series *series,
    enum ping_layer layer)
{
	size_t n = count_rows(series, layer, false), at = 0;
	size_t each = (n + LABELS_MAX - 1) / LABELS_MAX;
	char time[CLUSTER_CELL_CHARS];
	const struct series_row *row;

	fprintf(script, "$%s << EOD\n", name);
	for (size_t i = 0; i < series_n_rows(series); i++) {
		row = row_of(series, i, layer);
		if (row == NULL || row->due.count == 0)
			continue;
		cluster_time(time, series_settings(series), row->start_ns);
		fprintf(script, "%zu %.6f \"%s\"\n", at,
		    hdr_sums_mean(&row->due) / 1e6, at % each == 0 ? time : "");
		at++;
	}
	fputs("EOD\n", script);
}

bool
plot_two(const char *path, const struct series *before,
    const struct series *after, char err[CLI_ERR_CHARS])
{
	int layer = common_layer(before, after);
	struct plotter plotter;

	if (layer < 0)
		return nothing(path, err);
	if (!plotter_start(&plotter, path, 1, err))
		return false;
	put_numbered(plotter.script, "before", before, (enum ping_layer)layer);
	put_numbered(plotter.script, "after", after, (enum ping_layer)layer);
	fprintf(plotter.script,
	    "set ylabel 'average round trip, ms, %s'\n"
	    "set offsets graph 0.02, graph 0.02, graph 0.1, 0\n"
	    "plot $before using 1:2:xtic(3) with linespoints pt 7 lw 2"
	    " title 'before', $after using 1:2 with linespoints pt 7 lw 2"
	    " title 'after'\n",
	    layer_titles[layer]);
	return plotter_finish(&plotter, err);
}
