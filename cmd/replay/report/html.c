/* SPDX-License-Identifier: MIT */
/* A run as one page: the verdict, what was counted, charts over time. */
#include "cmd/replay/page_impl.h"

#include "proto/message.h"

#include <stdlib.h>
#include <string.h>

#define PERCENT_50 0.5
#define PERCENT_99 0.99

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

/* ---- text ---- */

/* Whatever a name holds, it is text. */
void
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

static void
head(const struct report *report, FILE *out)
{
	char date[REPORT_NUMBER_CHARS];

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
	fputs("</p>\n", out);
}

static void
verdict(const struct report *report, FILE *out)
{
	char line[REPORT_LINE_CHARS];

	report_verdict_line(report, line, sizeof(line));
	fprintf(out, "<p class=\"verdict %s\">",
	    report_verdict(report) == VERDICT_VALID ? "good" : "bad");
	page_text(out, line);
	fputs("</p>\n", out);
	report_cluster_line(report, line, sizeof(line));
	if (line[0] == '\0')
		return;
	fputs("<p>", out);
	page_text(out, line);
	fputs("</p>\n", out);
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
	card(out, "sessions ready",
	    report_number(text, n[RESULTS_SESSIONS_READY]));
	card(out, "ran for", report_time(text, report_end_ns(report)));
	card(out, "frames sent", report_number(text, n[RESULTS_FRAMES_SENT]));
	card(out, "frames received",
	    report_number(text, n[RESULTS_FRAMES_RECEIVED]));
	card(out, "unanswered", report_number(text, n[RESULTS_UNANSWERED]));
	card(out, "errors", report_number(text, n[RESULTS_ERRORS]));
	if (latency->sums.count > 0) {
		card(out, "latency p50",
		    report_time(text, hdr_quantile(latency, PERCENT_50)));
		card(out, "latency p99",
		    report_time(text, hdr_quantile(latency, PERCENT_99)));
	}
	if (report->scheduled && late->sums.count > 0)
		card(out, "lateness p99",
		    report_time(text, hdr_quantile(late, PERCENT_99)));
	if (report->diffed)
		card(out, "differences",
		    report_number(text, report->differences));
	fputs("</div>\n", out);
}

/* ---- keys ---- */

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
key_row(FILE *out, const char *name, const struct results_row *row)
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
	time_cell(out, known, known ? hdr_quantile(latency, PERCENT_50) : 0);
	time_cell(out, known, known ? hdr_quantile(latency, PERCENT_99) : 0);
	time_cell(out, known, latency->sums.max);
	fputs("</tr>\n", out);
}

/* False when out of memory. */
static bool
keys_table(const struct report *report, const struct keys *keys, FILE *out)
{
	char name[REPORT_NAME_CHARS];
	struct report_keys top;
	bool ok = report_keys_make(&top, report);

	fputs("<h2>By key</h2>\n<div class=\"wide\"><table><thead><tr>"
	      "<th>key</th><th>sent</th><th>received</th><th>answered</th>"
	      "<th>unanswered</th><th>errors</th><th>min</th><th>average</th>"
	      "<th>p50</th><th>p99</th><th>max</th></tr></thead><tbody>\n",
	    out);
	for (size_t i = 0; ok && i < top.n; i++)
		key_row(out,
		    report_key_name(
			keys, (int32_t)(uint32_t)top.top[i]->key, name),
		    &top.top[i]->row);
	if (ok && top.has_rest)
		key_row(out, "all others", &top.rest);
	fputs("</tbody></table></div>\n", out);
	report_keys_free(&top);
	return ok;
}

static void
errors_list(const struct report *report, FILE *out)
{
	char text[REPORT_NUMBER_CHARS];

	if (report->results.counts[RESULTS_ERRORS] == 0)
		return;
	fputs("<h2>Errors</h2>\n<p>", out);
	for (uint32_t code = 0; code < RESULTS_CODES; code++)
		if (report->results.errors[code] > 0)
			fprintf(out, "%s x %u, %s<br>\n",
			    report_number(text, report->results.errors[code]),
			    code, bnet_code_name(code));
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
	ok = keys_table(report, keys, out);
	errors_list(report, out);
	fputs("</body></html>\n", out);
	return report_close(out, ok, path, err);
}
