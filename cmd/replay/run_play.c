/* SPDX-License-Identifier: MIT */
#include "cmd/replay/run_impl.h"

#include "cmd/common/clock.h"
#include "cmd/replay/progress.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define LOOK_NS (NS_PER_S / 20)
#define AHEAD_NS (NS_PER_S / 10) /* threads are to be ready by then */
#define DESCRIPTORS_OURS 64 /* besides the connections */

/* ---- before the start ---- */

/* As a client, or a node where only nodes are played. */
static int
probe(struct run *run)
{
	bool stock = true, nodes = run->plan.n > 0;

	for (uint32_t i = 0; i < run->plan.n; i++) {
		const struct tape_session *session =
		    tape_session(run->tape, run->plan.players[i].session);

		stock = stock && (session->flags & TAPE_S_HELLO) == 0;
		nodes = nodes && session->role == BNET_ROLE_NODE;
	}
	return run_probe(run, nodes ? BNET_ROLE_NODE : BNET_ROLE_CLIENT,
	    stock ? "all sessions are stock clients, which say none" : NULL);
}

/* As many descriptors as we may have: connections are descriptors. */
static void
raise_descriptors(const struct run *run)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    (uint64_t)run->plan.n + DESCRIPTORS_OURS > limit.rlim_cur)
		cli_warn("%u sessions, but only %llu descriptors are allowed"
			 " (ulimit -n): some may fail",
		    (unsigned)run->plan.n, (unsigned long long)limit.rlim_cur);
}

static int64_t
unix_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* Until shortly before --start-at, or a signal. */
static void
wait_for_start(const struct run *run)
{
	const int64_t at_ns = run->opt->start_at_ns;
	int64_t left_ns = at_ns - unix_now_ns();

	if (at_ns == 0)
		return;
	if (left_ns < 0) {
		cli_warn("--start-at was %.1f s ago, when all was ready; more"
			 " time, or a replay file (--compile), would help",
		    (double)-left_ns / 1e9);
		exit(REPLAY_DIFFERENT);
	}
	if (left_ns > NS_PER_S && !run->opt->quiet)
		cli_warn("ready; it begins in %.0f s", (double)left_ns / 1e9);
	while (run_interrupts == 0 && left_ns > AHEAD_NS) {
		int64_t ns = left_ns - AHEAD_NS;
		struct timespec ts = { .tv_sec = ns / NS_PER_S,
			.tv_nsec = ns % NS_PER_S };

		(void)nanosleep(&ts, NULL);
		left_ns = at_ns - unix_now_ns();
	}
}

/* ---- playing ---- */

struct watch {
	const struct run *run;
	struct play *play;
	struct replay_progress progress;
	int64_t start_ns; /* monotonic */
	int64_t start_unix_ns;
	struct play_progress last; /* as last seen */
	bool drained;
};

/* Until when it is planned to go on; 0: no end. */
static int64_t
total_ns(const struct run *run)
{
	const struct replay_options *opt = run->opt;
	int64_t all_ns = 0;

	if (opt->timing != REPLAY_ASAP && opt->pacing == REPLAY_OPEN &&
	    opt->loop != 0 && run->plan.length_ns > 0 &&
	    opt->loop < (uint64_t)(INT64_MAX / run->plan.length_ns))
		all_ns = (int64_t)opt->loop * run->plan.length_ns;
	if (opt->duration_ns != 0 && (all_ns == 0 || opt->duration_ns < all_ns))
		all_ns = opt->duration_ns;
	return all_ns;
}

static void
show(struct watch *watch)
{
	const struct run *run = watch->run;
	int64_t at_ns = clock_now_ns() - watch->start_ns;
	struct progress_view view = {
		.play = &watch->last,
		.at_ns = at_ns > 0 ? at_ns : 0,
		.total_ns = total_ns(run),
		.total_frames = run->opt->loop * run->plan.n_frames,
		.scheduled = run->opt->timing != REPLAY_ASAP,
	};

	replay_progress_play(&watch->progress, &view);
}

static void
drain(struct watch *watch)
{
	replay_progress_end(&watch->progress);
	cli_warn("no more is sent; waiting for answers (once more to quit)");
	play_drain(watch->play);
	watch->drained = true;
}

/* Until it is over, the second signal, or production. */
static void
watch_play(struct watch *watch)
{
	bool over = false, asked = false;

	while (!over && run_interrupts < 2) {
		over = play_wait(watch->play, LOOK_NS);
		if (run_interrupts > 0 && !watch->drained && !over)
			drain(watch);
		if (over || !replay_progress_due(&watch->progress))
			continue;
		play_progress(watch->play, &watch->last);
		if (asked)
			show(watch);
		asked = !asked; /* what it tells is of the time before */
	}
	replay_progress_end(&watch->progress);
	play_progress(watch->play, &watch->last);
	play_stop(watch->play);
}

/* Signals are the main thread's. */
static bool
start(struct play *play, int64_t start_ns)
{
	sigset_t ours, before;
	bool ok;

	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &ours, &before);
	ok = play_start(play, start_ns);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ok;
}

static void
begin(struct watch *watch)
{
	const int64_t at_ns = watch->run->opt->start_at_ns;
	int64_t unix_ns = unix_now_ns(), now_ns = clock_now_ns();

	watch->start_unix_ns = at_ns != 0 ? at_ns : unix_ns + AHEAD_NS;
	watch->start_ns = now_ns + (watch->start_unix_ns - unix_ns);
	replay_progress_init(&watch->progress, watch->run->opt);
	if (!start(watch->play, watch->start_ns))
		cli_die("threads could not be started: %s", strerror(errno));
}

/* ---- afterwards ---- */

static void
fill_captures(const struct replay_options *opt, char text[REPORT_TEXT_CHARS])
{
	const char *slash = strrchr(opt->captures[0], '/');

	if (opt->n_captures == 1)
		(void)snprintf(text, REPORT_TEXT_CHARS, "%s",
		    slash != NULL ? slash + 1 : opt->captures[0]);
	else
		(void)snprintf(
		    text, REPORT_TEXT_CHARS, "%zu captures", opt->n_captures);
}

/* What the run was, beside its results. */
static void
describe(const struct watch *watch, struct report *report)
{
	const struct replay_options *opt = watch->run->opt;
	const struct diff *diff = play_diff(watch->play);

	(void)snprintf(
	    report->target, sizeof(report->target), "%s", opt->target);
	fill_captures(opt, report->captures);
	(void)snprintf(report->how, sizeof(report->how), "%s", opt->how);
	(void)snprintf(report->environment, sizeof(report->environment), "%s",
	    play_environment(watch->play));
	report->start_ns = watch->start_unix_ns;
	report->length_ns = report->results.end_ns;
	report->max_late_ns = opt->max_late_ns;
	report->n_shards = 1;
	report->shard = opt->shard;
	report->of_shards = opt->of_shards;
	report->sessions = watch->last.sessions_planned;
	report->scheduled = opt->timing != REPLAY_ASAP;
	report->interrupted = watch->drained;
	report->diffed = diff != NULL;
	report->compared = diff != NULL ? diff_compared(diff) : 0;
	report->differences = diff != NULL ? diff_total(diff) : 0;
}

/* What happened comes before what was measured. */
static int
exit_code(const struct watch *watch, int code)
{
	const char *reason = play_reason(watch->play);

	if (watch->last.production) {
		cli_warn("refused: a welcome of %s says environment=%s:"
			 " stopped",
		    watch->run->opt->target, play_environment(watch->play));
		return REPLAY_USAGE;
	}
	if (run_interrupts >= 2)
		return 128 + run_signal;
	if (code == REPLAY_NOT_CONNECTED)
		cli_warn("no session got connected to %s: %s",
		    watch->run->opt->target,
		    reason[0] != '\0' ? reason : "no reason given");
	return code;
}

static int
play(struct run *run)
{
	struct watch watch = { .run = run };
	const struct play_settings set = {
		.opt = run->opt,
		.tape = run->tape,
		.plan = &run->plan,
		.addresses = run->addresses,
		.n_addresses = run->n_addresses,
		.tls = run->files.tls,
		.tls_host = run->host,
		.token = run->files.token,
		.masks = run->opt->diff ? &run->masks : NULL,
	};
	struct report *report = calloc(1, sizeof(*report));
	int code;

	watch.play = play_new(&set);
	if (report == NULL || watch.play == NULL)
		cli_die("%s", strerror(errno));
	begin(&watch);
	watch_play(&watch);
	if (!results_init(&report->results, run->opt->bucket_ns) ||
	    !play_results(watch.play, &report->results))
		cli_die("out of memory");
	describe(&watch, report);
	code = run_report(run, report, play_diff(watch.play));
	code = exit_code(&watch, code);
	report_free(report);
	play_free(watch.play);
	return code;
}

int
run_play(struct run *run)
{
	int code = REPLAY_USAGE;

	if (!run_target_is_safe(run))
		return code;
	raise_descriptors(run);
	code = probe(run);
	if (code != REPLAY_OK)
		return code;
	wait_for_start(run);
	if (run_interrupts > 0)
		return 128 + run_signal;
	return play(run);
}
