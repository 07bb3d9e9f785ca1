/* SPDX-License-Identifier: MIT */
/*
 * A run as one HTML page: the verdict, counts, and charts over time. Owns the
 * gnuplot process while it draws. Called by run.c.
 */
#include "cmd/replay/report/html.h"

#include "cmd/stats/gnuplot.h"
#include "proto/message.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WIDTH 960
#define HEIGHT 260
#define POINTS_MAX 240 /* on the axis of time */
#define MS 1e6
#define PERCENT_50 0.5
#define PERCENT_99 0.99

#define REPORT_LINE_CHARS 4096

/* ---- text ---- */

/* Escapes HTML, because a name may hold anything. */
static void
page_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

/* ---- charts over time: gnuplot's SVG, put into the page ---- */

/* One chart: its title, and the data columns of its curves. */
struct chart {
	const char *title, *y_label;
	const char *settings; /* of gnuplot */
	const char *curves;
	enum chart_needs {
		NOTHING = 0,
		ANSWERS,
		SCHEDULE,
	} needs; /* draw the chart only if this data exists */
};

/* 1 s; 2 sent/s; 3 received/s; 4 errors/s; 5-7 latency; 8-9 late; 10 open;
 * 11 hiccups */
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
	    " $d u 1:11 w lines lw 1 lc rgb '#8250df' t 'local hiccups, max',"
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
	fprintf(script, " %lld", (long long)open);
	put_time(script, &row->hiccups, 1);
	fputc('\n', script);
}

/* Returns false when out of memory. */
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

/* ---- charts ---- */

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
 * Extracts the <svg> element: an XML declaration is not allowed inside a page,
 * and the ids that gnuplot uses must not clash between pictures.
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

/* Returns false if there is no chart; err says why. */
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

/* gnuplot fails on a chart without values, and on 0 with a log scale. */
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

/* Writes the charts as inline SVG, or a line that says why there are none. */
static void
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

static const char style[] =
    ":root{--ink:#1a1c20;--soft:#5b616b;--line:#d8dbe0;--back:#fff;"
    "--card:#f6f7f9;--good:#1a7f37;--bad:#c1121f}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e7e9ec;--soft:#9aa1ac;"
    "--line:#363b43;--back:#14161a;--card:#1d2025;--good:#3fb950;"
    "--bad:#ff6b6b}figure svg{filter:invert(.9) hue-rotate(180deg)}}\n"
    "body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);"
    "background:var(--back);max-width:62rem;margin:0 auto;padding:1rem}\n"
    "h1{font-size:1.35rem;margin:.2rem 0}h2{font-size:1.05rem;"
    "margin:1.6rem 0 .4rem}p{margin:.3rem 0}.soft{color:var(--soft)}\n"
    ".verdict{border-left:.4rem solid;padding:.5rem .8rem;"
    "background:var(--card);font-weight:600;overflow-wrap:anywhere}"
    ".good{border-color:var(--good)}.bad{border-color:var(--bad)}\n"
    ".cards{display:grid;gap:.5rem;margin:.8rem 0;"
    "grid-template-columns:repeat(auto-fit,minmax(9rem,1fr))}"
    ".cards div{background:var(--card);padding:.45rem .7rem}"
    ".cards b{display:block;font-size:1.15rem}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%;"
    "font-variant-numeric:tabular-nums}th,td{text-align:right;"
    "padding:.2rem .35rem;border-bottom:1px solid var(--line);"
    "white-space:nowrap}th:first-child,td:first-child{text-align:left}\n"
    "table{font-size:.9rem}figcaption{font-weight:600;"
    "padding:.3rem 0}figure{margin:0 0 1rem;overflow-x:auto}figure "
    "svg{width:100%;min-width:40rem;"
    "height:auto;display:block}\n"
    "@media print{body{max-width:none}figure{break-inside:avoid}}\n";

/* ---- the head and the verdict ---- */

static void
head(const struct report *report, FILE *out)
{
	char date[REPORT_NUMBER_CHARS], line[REPORT_TEXT_CHARS];

	fputs(
	    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	    "\n<meta name=\"viewport\" content=\"width=device-width,"
	    "initial-scale=1\">\n<title>",
	    out);
	page_text(out, report->captures);
	fputs(" to ", out);
	page_text(out, report->target);
	fprintf(out, "</title>\n<style>\n%s</style></head><body>\n<h1>", style);
	page_text(out, report->captures);
	fputs(" &rarr; ", out);
	page_text(out, report->target);
	fputs("</h1>\n<p class=\"soft\">bluenet-replay", out);
	if (report->how[0] != '\0') {
		fputs(" ", out);
		page_text(out, report->how);
	}
	fprintf(out, " &middot; %s", report_date(date, report->start_ns));
	if (report->environment[0] != '\0') {
		fputs(" &middot; environment ", out);
		page_text(out, report->environment);
	}
	if (report->n_shards > 1)
		fprintf(out, " &middot; %u shards", report->n_shards);
	if (report->apart_ns > 0)
		fprintf(out, ", which began %s apart",
		    report_time(date, report->apart_ns));
	if (report_capture_line(report, line, sizeof(line))) {
		fputs(" &middot; the capture: ", out);
		page_text(out, line);
	}
	fputs("</p>\n", out);
}

static void
verdict_line(FILE *out, enum judgement judged, const char *line)
{
	fprintf(out, "<p class=\"verdict %s\">",
	    judged == JUDGED_PASS ? "good" : "bad");
	page_text(out, line);
	fputs("</p>\n", out);
}

static void
verdict(const struct report *report, FILE *out)
{
	char line[REPORT_LINE_CHARS];

	report_injector_line(report, line, sizeof(line));
	verdict_line(out, report_injector(report), line);
	report_cluster_verdict(report, line, sizeof(line));
	verdict_line(out, report_cluster(report), line);
}

static void
card(FILE *out, const char *what, const char *value)
{
	fprintf(out, "<div><span class=\"soft\">%s</span><b>%s</b></div>\n",
	    what, value);
}

static void
cards(const struct report *report, FILE *out)
{
	const uint64_t *n = report->results.counts;
	const struct hdr *latency = &report->results.latency;
	const struct hdr *late = &report->results.late;
	char text[REPORT_NUMBER_CHARS];

	fputs("<div class=\"cards\">\n", out);
	card(out, "injector", report_judgements[report_injector(report)]);
	card(out, "cluster", report_judgements[report_cluster(report)]);
	card(out, "sessions ready",
	    report_number(text, n[RESULTS_SESSIONS_READY]));
	card(out, "ran for", report_time(text, report_end_ns(report)));
	card(out, "frames sent", report_number(text, n[RESULTS_FRAMES_SENT]));
	card(out, "frames received",
	    report_number(text, n[RESULTS_FRAMES_RECEIVED]));
	card(out, "unanswered", report_number(text, n[RESULTS_UNANSWERED]));
	card(out, "errors", report_number(text, n[RESULTS_ERRORS]));
	if (hdr_quantile_known(latency->sums.count, PERCENT_50))
		card(out, "latency p50",
		    report_time(text, hdr_quantile(latency, PERCENT_50)));
	if (hdr_quantile_known(latency->sums.count, PERCENT_99))
		card(out, "latency p99",
		    report_time(text, hdr_quantile(latency, PERCENT_99)));
	if (report->scheduled &&
	    hdr_quantile_known(late->sums.count, PERCENT_99))
		card(out, "lateness p99",
		    report_time(text, hdr_quantile(late, PERCENT_99)));
	if (report->diffed)
		card(out, "differences",
		    report_number(text, report->differences));
	fputs("</div>\n", out);
}

/* ---- keys and methods ---- */

static void
number_cell(FILE *out, uint64_t v)
{
	char text[REPORT_NUMBER_CHARS];

	fprintf(out, "<td>%s</td>", report_number(text, v));
}

static void
time_cell(FILE *out, bool known, int64_t v_ns)
{
	char text[REPORT_NUMBER_CHARS];

	fprintf(out, "<td>%s</td>", known ? report_time(text, v_ns) : "");
}

static void
quantile_cell(FILE *out, const struct hdr *hdr, double q)
{
	bool known =
	    hdr->counts != NULL && hdr_quantile_known(hdr->sums.count, q);

	time_cell(out, known, known ? hdr_quantile(hdr, q) : 0);
}

static void
table_row(FILE *out, const char *name, const struct results_row *row)
{
	const struct hdr *latency = &row->latency;
	bool known = latency->counts != NULL && latency->sums.count > 0;

	fputs("<tr><td>", out);
	page_text(out, name);
	fputs("</td>", out);
	number_cell(out, row->sent);
	number_cell(out, row->received);
	number_cell(out, row->answered);
	number_cell(out, row->unanswered);
	number_cell(out, results_row_errors(row));
	time_cell(out, known, latency->sums.min);
	time_cell(out, known, (int64_t)hdr_sums_mean(&latency->sums));
	quantile_cell(out, latency, PERCENT_50);
	quantile_cell(out, latency, PERCENT_99);
	time_cell(out, known, latency->sums.max);
	fputs("</tr>\n", out);
}

static void
rows_table(const char *name, const struct report_rows *rows, FILE *out)
{
	fprintf(out,
	    "<h2>By %s</h2>\n<div class=\"wide\"><table><thead><tr>"
	    "<th>%s</th><th>sent</th><th>received</th><th>answered</th>"
	    "<th>unanswered</th><th>errors</th><th>min</th><th>average</th>"
	    "<th>p50</th><th>p99</th><th>max</th></tr></thead><tbody>\n",
	    name, name);
	for (size_t i = 0; i < rows->n; i++)
		table_row(out, rows->top[i].name, rows->top[i].row);
	if (rows->has_rest)
		table_row(out, "all others", &rows->rest);
	fputs("</tbody></table></div>\n", out);
}

/* Returns false when out of memory. */
static bool
keys_table(const struct report *report, const struct keys *keys, FILE *out)
{
	struct report_rows rows;
	bool ok = report_keys_make(&rows, report, keys);

	if (ok)
		rows_table("key", &rows, out);
	report_rows_free(&rows);
	return ok;
}

static bool
methods_table(const struct report *report, FILE *out)
{
	struct report_rows rows;
	bool ok = report_methods_make(&rows, report);

	if (ok && (rows.n > 0 || rows.has_rest))
		rows_table("method", &rows, out);
	report_rows_free(&rows);
	return ok;
}

static void
errors_list(const struct report *report, FILE *out)
{
	char line[REPORT_ERROR_CHARS];

	if (report->results.counts[RESULTS_ERRORS] == 0)
		return;
	fputs("<h2>Errors</h2>\n<p>", out);
	for (uint32_t code = 0; code < RESULTS_CODES; code++)
		if (report_error_line(report, code, line))
			fprintf(out, "%s<br>\n", line);
	fputs("</p>\n", out);
}

/* ---- the page ---- */

bool
report_write_html(const struct report *report, const struct keys *keys,
    const char *path, char err[CLI_ERR_CHARS])
{
	FILE *out = report_create(path, err);
	bool ok;

	if (out == NULL)
		return false;
	head(report, out);
	verdict(report, out);
	cards(report, out);
	fputs("<h2>Over time</h2>\n", out);
	page_charts(report, out);
	ok = keys_table(report, keys, out) && methods_table(report, out);
	errors_list(report, out);
	fputs("</body></html>\n", out);
	return report_close(out, ok, path, err);
}
