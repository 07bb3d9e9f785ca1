/* SPDX-License-Identifier: MIT */
/* Charts over time: gnuplot's SVG, put into the page. */
#include "cmd/replay/page_impl.h"

#include "cmd/stats/gnuplot.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WIDTH 960
#define HEIGHT 260
#define POINTS_MAX 240 /* on the axis of time */
#define MS 1e6
#define PERCENT_50 0.5
#define PERCENT_99 0.99

/* One chart: its title, and the curves of columns of the data. */
struct chart {
	const char *title, *y_label;
	const char *settings; /* of gnuplot */
	const char *curves;
	enum chart_needs {
		NOTHING = 0,
		ANSWERS,
		SCHEDULE,
	} needs; /* without it there is nothing to be drawn */
};

/* 1 s; 2 sent/s; 3 received/s; 4 errors/s; 5-7 latency; 8-9 late; 10 open */
static const struct chart charts[] = {
	{ "Frames a second", "frames/s", "set yrange [0:*]",
	    "$d u 1:2 w lines lw 2 lc rgb '#1f6feb' t 'sent',"
	    " $d u 1:3 w lines lw 2 lc rgb '#8250df' t 'received'",
	    NOTHING },
	{ "Latency of answers, from when the request was due", "ms",
	    "set logscale y; set yrange [*:*]",
	    "$d u 1:5 w lines lw 2 lc rgb '#1a7f37' t 'p50',"
	    " $d u 1:6 w lines lw 2 lc rgb '#bf8700' t 'p99',"
	    " $d u 1:7 w lines lw 2 lc rgb '#c1121f' t 'max'",
	    ANSWERS },
	{ "Lateness of the injector", "ms", "set logscale y; set yrange [*:*]",
	    "$d u 1:8 w lines lw 2 lc rgb '#bf8700' t 'p99',"
	    " $d u 1:9 w lines lw 2 lc rgb '#c1121f' t 'max',"
	    " limit w lines dt 2 lc rgb '#57606a' t '--max-lateness'",
	    SCHEDULE },
	{ "Errors a second, sessions open", "errors/s",
	    "set yrange [0:*]; set y2tics; set y2label 'sessions';"
	    " set y2range [0:*]",
	    "$d u 1:4 w lines lw 2 lc rgb '#c1121f' t 'errors',"
	    " $d u 1:10 axes x1y2 w lines lw 2 lc rgb '#57606a'"
	    " t 'sessions'",
	    NOTHING },
};

/* ---- data ---- */

static void
put_time(FILE *script, const struct hdr *hdr, double q)
{
	int64_t v_ns = hdr->counts == NULL || hdr->sums.count == 0
	    ? 0
	    : (q < 1 ? hdr_quantile(hdr, q) : hdr->sums.max);

	if (v_ns > 0)
		fprintf(script, " %.6f", (double)v_ns / MS);
	else
		fputs(" NaN", script);
}

static void
put_point(FILE *script, const struct results_row *row, double at_s,
    double width_s, int64_t open)
{
	fprintf(script, "%.3f", at_s);
	if (width_s > 0)
		fprintf(script, " %.3f %.3f %.3f", (double)row->sent / width_s,
		    (double)row->received / width_s,
		    (double)results_row_errors(row) / width_s);
	else
		fputs(" NaN NaN NaN", script);
	put_time(script, &row->latency, PERCENT_50);
	put_time(script, &row->latency, PERCENT_99);
	put_time(script, &row->latency, 1);
	put_time(script, &row->late, PERCENT_99);
	put_time(script, &row->late, 1);
	fprintf(script, " %lld\n", (long long)open);
}

/* False when out of memory. */
static bool
put_data(FILE *script, const struct report *report)
{
	const struct results *results = &report->results;
	size_t step = results->n_buckets / POINTS_MAX + 1;
	int64_t open = 0, width_ns = results->bucket_ns * (int64_t)step;
	bool ok = true;

	fputs("$d << EOD\n", script);
	for (size_t i = 0; ok && i < results->n_buckets; i += step) {
		int64_t at_ns = (int64_t)i * results->bucket_ns;
		struct results_row row;

		ok = report_sum_buckets(report, i, step, &row);
		open += (int64_t)row.opened - (int64_t)row.closed;
		put_point(script, &row, (double)at_ns / 1e9,
		    (double)report_covered_ns(report, at_ns, width_ns) / 1e9,
		    open);
		results_row_free(&row);
	}
	fputs("EOD\n", script);
	return ok;
}

/* ---- pictures ---- */

static void
put_script(FILE *script, const struct report *report, const struct chart *chart)
{
	fprintf(script,
	    "set terminal svg size %d,%d font 'sans-serif,13'"
	    " background rgb 'white'\n"
	    "set grid lc rgb '#d8dbe0'\nset border 3\nset tics nomirror\n"
	    "set key above right horizontal samplen 2\n"
	    "set ylabel '%s'\nset xlabel 'seconds since the start'\n"
	    "set xrange [0:%.3f]\nset lmargin 10\nset rmargin 10\n"
	    "set format y '%%.4g'\nlimit = %.6f\n%s\n",
	    WIDTH, HEIGHT, chart->y_label,
	    (double)report_end_ns(report) / 1e9 + 1e-3,
	    (double)report->max_late_ns / MS, chart->settings);
	if (!put_data(script, report))
		fputs("exit status 1\n", script);
	fprintf(script, "plot %s\n", chart->curves);
}

/*
 * Its <svg> alone: an XML head has no place in a page, and what gnuplot names
 * in one picture must not be taken for the same in another.
 */
static void
copy_svg(FILE *picture, FILE *out, size_t number)
{
	bool inside = false;
	char *line = NULL;
	size_t bytes = 0;

	rewind(picture);
	while (getline(&line, &bytes, picture) >= 0) {
		const char *at = line, *mark;

		inside = inside || strstr(line, "<svg") != NULL;
		while (inside && (mark = strstr(at, "gp")) != NULL) {
			fprintf(out, "%.*s", (int)(mark - at), at);
			fprintf(out, "c%zugp", number);
			at = mark + 2;
		}
		if (inside)
			fputs(at, out);
	}
	free(line);
}

/* False: err says why there is none. */
static bool
draw(const struct report *report, const struct chart *chart, FILE *out,
    char err[GNUPLOT_ERR_CHARS])
{
	FILE *picture = tmpfile();
	struct gnuplot gnuplot;
	bool ok;

	if (picture == NULL) {
		snprintf(err, GNUPLOT_ERR_CHARS, "no temporary file");
		return false;
	}
	ok = gnuplot_start(&gnuplot, fileno(picture), err);
	if (ok) {
		put_script(gnuplot.script, report, chart);
		ok = gnuplot_finish(&gnuplot, err);
	}
	if (ok) {
		fprintf(
		    out, "<figure><figcaption>%s</figcaption>", chart->title);
		copy_svg(picture, out, (size_t)(chart - charts));
		fputs("</figure>\n", out);
	}
	fclose(picture);
	return ok;
}

/* gnuplot draws no chart without a value, and none of 0 on a log scale. */
static bool
has_values(const struct report *report, enum chart_needs needs)
{
	const struct results *results = &report->results;

	switch (needs) {
	case ANSWERS:
		return results->latency.sums.max > 0;
	case SCHEDULE:
		return report->scheduled && results->late.sums.max > 0;
	default:
		return true;
	}
}

void
page_charts(const struct report *report, FILE *out)
{
	char err[GNUPLOT_ERR_CHARS] = "";

	for (size_t i = 0; i < sizeof(charts) / sizeof(charts[0]); i++)
		if (has_values(report, charts[i].needs))
			(void)draw(report, &charts[i], out, err);
	if (err[0] == '\0')
		return;
	fputs("<p class=\"soft\">Charts are missing: ", out);
	page_text(out, err);
	fputs("</p>\n", out);
}
