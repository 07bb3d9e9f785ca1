/* SPDX-License-Identifier: MIT */
#include "cmd/replay/report/diff_text.h"
#include "cmd/replay/report/html.h"
#include "cmd/replay/report/json.h"
#include "cmd/replay/report/text.h"
#include "cmd/replay/run_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 0, or why `path` could not be written to. */
static int
why_not(const char *path)
{
	char copy[PATH_MAX];
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return EISDIR;
	if (access(path, W_OK) == 0)
		return 0;
	if (errno != ENOENT)
		return errno;
	if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy))
		return ENAMETOOLONG;
	return access(dirname(copy), W_OK) == 0 ? 0 : errno;
}

static bool
same_file(const char *a, const char *b)
{
	struct stat x, y;

	return strcmp(a, b) == 0 ||
	    (stat(a, &x) == 0 && stat(b, &y) == 0 && S_ISREG(x.st_mode) &&
		x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

struct paper {
	const char *what, *path; /* path NULL: not wanted */
};

/* What is read, and what is written anyway, would be lost. */
static void
check_others(const struct replay_options *opt, const struct paper *paper,
    const struct paper *before, size_t n_before)
{
	for (size_t i = 0; i < opt->n_captures; i++)
		if (same_file(paper->path, opt->captures[i]))
			cli_usage("%s: %s is to be read", paper->what,
			    opt->captures[i]);
	for (size_t i = 0; i < n_before; i++)
		if (before[i].path != NULL &&
		    same_file(paper->path, before[i].path))
			cli_usage("%s: %s is the file of %s", paper->what,
			    paper->path, before[i].what);
}

/* After an hour is too late to find out. */
void
run_check_papers(const struct replay_options *opt)
{
	const struct paper papers[] = {
		{ "--compile", opt->compile_to },
		{ "--report", opt->report },
		{ "--log", opt->log },
		{ "--html", opt->html },
	};

	/* --compile has its own check: it may be there, or not */
	for (size_t i = 1; i < sizeof(papers) / sizeof(papers[0]); i++) {
		const struct paper *paper = &papers[i];
		int error;

		if (paper->path == NULL)
			continue;
		check_others(opt, paper, papers, i);
		error = why_not(paper->path);
		if (error != 0)
			cli_die("%s: %s: %s", paper->what, paper->path,
			    strerror(error));
	}
}

/* False: one could not be written, which was said. */
static bool
write_papers(const struct run *run, const struct report *report)
{
	const struct replay_options *opt = run->opt;
	char err[CLI_ERR_CHARS];
	bool ok = true;

	if (opt->report != NULL &&
	    !report_write_json(report, run->keys, opt->report, err)) {
		cli_warn("--report: %s", err);
		ok = false;
	}
	if (opt->log != NULL && !report_write_log(report, opt->log, err)) {
		cli_warn("--log: %s", err);
		ok = false;
	}
	if (opt->html != NULL &&
	    !report_write_html(report, run->keys, opt->html, err)) {
		cli_warn("--html: %s", err);
		ok = false;
	}
	return ok;
}

/* What of it says most comes first. */
static int
code_of(const struct report *report, bool ok)
{
	const uint64_t *counts = report->results.counts;

	if (counts[RESULTS_SESSIONS_BEGUN] > 0 &&
	    counts[RESULTS_SESSIONS_READY] == 0 && !report->interrupted)
		return REPLAY_NOT_CONNECTED;
	if (report_verdict(report) == VERDICT_LATE)
		return REPLAY_LATE;
	return ok && report->differences == 0 ? REPLAY_OK : REPLAY_DIFFERENT;
}

int
run_report(
    const struct run *run, const struct report *report, const struct diff *diff)
{
	bool ok;

	if (diff != NULL)
		diff_print(diff, run->keys, stdout);
	report_print_text(report, run->keys, stdout);
	ok = write_papers(run, report) &&
	    (diff == NULL || diff_unlooked(diff) == 0);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		cli_warn("standard output: %s", strerror(errno));
		ok = false;
	}
	return code_of(report, ok);
}

int
run_merge(struct run *run)
{
	const struct replay_options *opt = run->opt;
	char err[CLI_ERR_CHARS];
	struct report *report = report_read_json(opt->captures[0], err);
	int code;

	if (report == NULL)
		cli_die("%s", err);
	for (size_t i = 1; i < opt->n_captures; i++) {
		struct report *from = report_read_json(opt->captures[i], err);

		if (from == NULL)
			cli_die("%s", err);
		if (!report_merge(report, from, err))
			cli_die("%s: %s", opt->captures[i], err);
		report_free(from);
	}
	if (report->n_shards < report->of_shards)
		cli_warn("%" PRIu32 " of %" PRIu32 " shards are missing",
		    report->of_shards - report->n_shards, report->of_shards);
	code = run_report(run, report, NULL);
	report_free(report);
	return code;
}
