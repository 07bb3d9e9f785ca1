/* SPDX-License-Identifier: MIT */
#include "cmd/ping/offline.h"

#include "cmd/ping/compare.h"
#include "cmd/ping/failif.h"
#include "cmd/ping/plot.h"
#include "cmd/ping/report.h"
#include "cmd/ping/series_log.h"

#include <errno.h>
#include <string.h>

#define NODES_MAX 65536 /* limit for merged logs */

void
offline_check(const struct ping_options *opt)
{
	char err[CLI_ERR_CHARS];
	struct threshold test;

	for (size_t i = 0; i < opt->fail_ifs.n; i++)
		if (!failif_parse(opt->fail_ifs.at[i], &test, err))
			cli_usage("--fail-if: %s", err);
	if (opt->plot != NULL && !plot_check(opt->plot, err))
		cli_usage("--plot: %s", err);
}

static int
judge(const struct ping_options *opt, const struct series *series)
{
	char what[CLI_ERR_CHARS];
	enum threshold_result result;
	struct threshold test;
	int code = CLI_OK;

	for (size_t i = 0; i < opt->fail_ifs.n; i++) {
		if (!failif_parse(opt->fail_ifs.at[i], &test, what))
			cli_usage("--fail-if: %s", what);
		result = failif_result(&test, series, what);
		if (result == THRESHOLD_FALSE)
			continue;
		cli_warn("--fail-if %s", what);
		if (result == THRESHOLD_TRUE || !opt->allow_undecided)
			code = CLI_FAILED;
	}
	return code;
}

int
offline_end(const struct ping_options *opt, const struct series *series)
{
	int code = judge(opt, series);
	char err[CLI_ERR_CHARS];

	if (opt->plot != NULL && !plot_run(opt->plot, series, err)) {
		cli_warn("--plot: %s", err);
		code = CLI_FAILED;
	}
	return code;
}

/* Ends the process if the file cannot be read. */
static struct series *
read_logs(const struct ping_options *opt, char **paths, size_t n_paths)
{
	const struct series_settings settings = { .nodes_max = NODES_MAX };
	char err[CLI_ERR_CHARS];
	struct series *series;

	series =
	    series_log_read(paths, n_paths, opt->bucket_ns, &settings, err);
	if (series == NULL)
		cli_die("%s", err);
	return series;
}

static int
run_from(const struct ping_options *opt)
{
	const struct report_settings settings = {
		.format = opt->output,
		.unit = opt->unit,
		.per_node = opt->per_node,
		.percentiles = opt->percentiles,
	};
	struct series *series = read_logs(opt, opt->words, opt->n_words);
	int code;

	(void)report_print(stdout, series, &settings);
	code = cli_flush() ? CLI_OK : CLI_FAILED;
	if (offline_end(opt, series) != CLI_OK)
		code = CLI_FAILED;
	series_free(series);
	return code;
}

/* --fail-if applies to the second run. */
static int
compare(const struct ping_options *opt, const struct series *before,
    const struct series *after)
{
	const struct compare_settings settings = {
		.format = opt->output,
		.tolerance = opt->tolerance,
		.seed = opt->seed,
	};
	char err[CLI_ERR_CHARS];
	unsigned n_layers;
	bool worse;
	int code;

	(void)compare_print(
	    stdout, before, after, &settings, &worse, &n_layers);
	code = cli_flush() ? CLI_OK : CLI_FAILED;
	if (n_layers == 0)
		cli_warn("%s and %s: no layer was measured in both",
		    opt->words[0], opt->words[1]);
	if (opt->plot != NULL && !plot_two(opt->plot, before, after, err)) {
		cli_warn("--plot: %s", err);
		code = CLI_FAILED;
	}
	if (worse || n_layers == 0 || judge(opt, after) != CLI_OK)
		code = CLI_FAILED;
	return code;
}

static int
run_compare(const struct ping_options *opt)
{
	struct series *before, *after;
	int code;

	if (opt->n_words != 2)
		cli_usage("--compare: expected two logs, BEFORE and AFTER");
	before = read_logs(opt, opt->words, 1);
	after = read_logs(opt, opt->words + 1, 1);
	code = compare(opt, before, after);
	series_free(before);
	series_free(after);
	return code;
}

int
offline_run(const struct ping_options *opt)
{
	offline_check(opt);
	return opt->mode == PING_COMPARE ? run_compare(opt) : run_from(opt);
}
