/* SPDX-License-Identifier: MIT */
#include "cmd/replay/run_impl.h"

#include "cmd/common/ending.h"
#include "cmd/replay/compile.h"
#include "cmd/replay/coverage.h"
#include "cmd/replay/scenario.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* ---- Ctrl-C ---- */

volatile int run_interrupts, run_signal;

static void
interrupted(int number)
{
	run_signal = number;
	run_interrupts++;
	compile_break();
}

/* Without SA_RESTART: what waits is to look. */
static void
catch_signals(void)
{
	struct sigaction action = { .sa_handler = interrupted };

	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGINT);
	sigaddset(&action.sa_mask, SIGTERM);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file's limit is an error to tell */
}

/* ---- what the options name ---- */

static void
load_keys(struct run *run)
{
	char err[CLI_ERR_CHARS];

	run->keys = keys_new();
	if (run->keys == NULL)
		cli_die("out of memory");
	if (run->opt->keys_file != NULL &&
	    !keys_read(run->keys, run->opt->keys_file, err, sizeof(err)))
		cli_die("--keys: %s", err);
}

static void
compile_filter(struct run *run)
{
	struct filter_error err;

	if (run->opt->filter == NULL)
		return;
	run->filter = filter_compile(run->opt->filter, &err);
	if (run->filter != NULL)
		return;
	if (err.column == 0)
		cli_die("out of memory");
	fputs("bluenet-replay: -Y: ", stderr);
	filter_error_print(stderr, run->opt->filter, &err);
	exit(REPLAY_USAGE);
}

static void
parse_masks(struct run *run)
{
	char err[CLI_ERR_CHARS];

	if (!diff_masks_parse(&run->masks, run->opt->ignore, err))
		cli_usage("--ignore: %s", err);
}

static void
find_target(struct run *run)
{
	const struct replay_options *opt = run->opt;
	char why[CLI_ERR_CHARS];

	if (opt->target == NULL)
		return;
	run->n_addresses = address_resolve(
	    opt->target, REPLAY_PORT, run->addresses, why, sizeof(why));
	if (run->n_addresses == 0) {
		cli_warn("%s%s",
		    opt->compile_to != NULL || opt->dry_run
			? "the last word is no file, and as a target: "
			: "the target: ",
		    why);
		exit(REPLAY_NOT_CONNECTED);
	}
	client_host(opt->target, run->host);
	if (opt->tls_host != NULL)
		(void)snprintf(
		    run->host, sizeof(run->host), "%s", opt->tls_host);
}

/* ---- modes ---- */

/* A relay that does not even greet is worth a test. */
static int
scenarios(struct run *run)
{
	int code = REPLAY_USAGE;

	if (!run_target_is_safe(run))
		return code;
	code = run_probe(run, BNET_ROLE_CLIENT, "scenarios may expect that");
	if (code != REPLAY_OK)
		return code;
	return scenario_run(run->opt, &run->reached, run->files.tls, run->host,
	    run->files.token, &run_interrupts, stdout);
}

static void
make_plan(struct run *run)
{
	char err[TAPE_ERR_CHARS];

	if (!plan_make(&run->plan, run->tape, run->opt, err))
		cli_die("%s", err);
}

static int
dry_run(struct run *run)
{
	run_print_plan(run, stdout);
	if (run_interrupts > 0)
		return 128 + run_signal;
	if (fflush(stdout) != 0 || ferror(stdout))
		cli_die("standard output: %s", strerror(errno));
	return run->n_addresses == 0 || run_target_is_safe(run) ? REPLAY_OK
								: REPLAY_USAGE;
}

/* What could not be followed was not sent. */
static int
complete(const struct run *run, int code)
{
	if (!tape_damaged(run->tape))
		return code;
	cli_warn("%s: the replay file is damaged: it has more than what was"
		 " read of it",
	    run->opt->captures[0]);
	return code == REPLAY_OK ? REPLAY_DIFFERENT : code;
}

static int
play_captures(struct run *run)
{
	const struct replay_options *opt = run->opt;

	run_open_tape(run);
	if (!opt->quiet)
		coverage_print(run->tape, stderr);
	if (opt->mode == REPLAY_COMPILE)
		return REPLAY_OK;
	make_plan(run);
	return complete(
	    run, opt->mode == REPLAY_DRY_RUN ? dry_run(run) : run_play(run));
}

static int
run_mode(struct run *run)
{
	switch (run->opt->mode) {
	case REPLAY_MERGE:
		return run_merge(run);
	case REPLAY_SCENARIO:
		return scenarios(run);
	default:
		return play_captures(run);
	}
}

static void
run_free(struct run *run)
{
	plan_free(&run->plan);
	tape_close(run->tape);
	filter_free(run->filter);
	client_files_free(&run->files);
	keys_free(run->keys);
}

int
replay_run(const struct replay_options *opt)
{
	static struct run run;
	int code;

	run = (struct run){ .opt = opt };
	compile_filter(&run);
	parse_masks(&run);
	load_keys(&run);
	run_check_papers(opt);
	client_files_load(&run.files, &opt->client);
	find_target(&run);
	catch_signals();
	code = run_mode(&run);
	if (!ending_is_stuck())
		run_free(&run);
	return code;
}
