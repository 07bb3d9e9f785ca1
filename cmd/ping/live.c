/* SPDX-License-Identifier: MIT */
#include "cmd/ping/live.h"

#include "cmd/common/cli.h"
#include "cmd/common/clock.h"
#include "cmd/common/ending.h"
#include "cmd/ping/live_impl.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define DRAW_NS INT64_C(200000000)
#define LOOK_MS 50 /* how often, where nothing wakes us */

/* ---- taking in ---- */

static void
count(struct live *live, const struct measure_event *event)
{
	const struct ping_sample *s = &event->sample;

	for (uint64_t i = 0; i < event->n; i++)
		series_count(live->series, s->node, s->layer, event->what,
		    s->wall_ns + (int64_t)i * live->opt->interval_ns);
}

static void
take_event(struct live *live, const struct measure_event *event)
{
	switch (event->kind) {
	case MEASURE_SAMPLE:
		series_add(live->series, &event->sample);
		break;
	case MEASURE_COUNT:
		count(live, event);
		break;
	case MEASURE_SEEN:
		series_name(live->series, event->sample.node, event->name);
		break;
	case MEASURE_LEFT:
		if (live->screen == NULL)
			cli_warn("%s: left the roster", event->name);
	}
	live_files_sample(live, event);
	if (live->opt->verbose)
		live_line(live, event);
}

static void
take_noise(struct live *live)
{
	size_t n = noise_take(live->noise, live->stalls);

	for (size_t i = 0; i < n; i++)
		series_noise(live->series,
		    measure_wall_ns(live->measure, live->stalls[i].at_ns),
		    live->stalls[i].stall_ns);
}

static void
take_all(struct live *live)
{
	const struct measure_event *events;
	size_t n;

	events = measure_take(live->measure, &n, &live->view);
	for (size_t i = 0; i < n; i++)
		take_event(live, &events[i]);
	take_noise(live);
	(void)series_tick(
	    live->series, measure_wall_ns(live->measure, clock_now_ns()));
	fflush(stdout);
}

/* ---- running ---- */

/* Names that are nobody's now; should they come, they are pinged then. */
static void
tell_words(struct live *live)
{
	const struct targets *targets;

	if (live->told_words || !live->view.roster_known ||
	    live->screen != NULL)
		return;
	live->told_words = true;
	targets = measure_lock(live->measure);
	if (targets == NULL)
		return;
	for (size_t i = 0; i < live->opt->n_words; i++)
		if (!targets->found[i])
			cli_warn("%s: no node of that name at %s",
			    live->opt->words[i], live->opt->relay);
	measure_unlock(live->measure);
}

static bool
signalled(struct live *live)
{
	struct signalfd_siginfo info;

	return read(live->signal_fd, &info, sizeof(info)) ==
	    (ssize_t)sizeof(info);
}

/* False: q was pressed. */
static bool
draw(struct live *live)
{
	int64_t now_ns = clock_now_ns();

	if (live->screen == NULL || now_ns < live->draw_at_ns)
		return true;
	live->draw_at_ns = now_ns + DRAW_NS;
	return screen_draw(
	    live->screen, live->measure, &live->view, live->opt->relay);
}

static void
run(struct live *live)
{
	struct pollfd fds[] = {
		{ .fd = live->signal_fd, .events = POLLIN },
		{ .fd = measure_fd(live->measure), .events = POLLIN },
	};

	for (;;) {
		(void)poll(fds, 2, LOOK_MS);
		live->interrupted = signalled(live);
		take_all(live);
		tell_words(live);
		if (!draw(live))
			live->interrupted = true;
		if (live->interrupted || live->view.state >= MEASURE_DONE ||
		    ending_is_stuck())
			return;
	}
}

/* ---- beginning and end ---- */

/* SIGTERM and SIGINT as a descriptor, before there are threads. */
static int
catch_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
		cli_die("signals could not be blocked");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		cli_die("signalfd: %s", strerror(errno));
	return fd;
}

static int64_t
zone_ns(void)
{
	time_t now = time(NULL);
	struct tm tm;

	tzset();
	if (localtime_r(&now, &tm) == NULL)
		return 0;
	return (int64_t)tm.tm_gmtoff * 1000000000;
}

/* A bucket was closed: while it runs, text is told row by row. */
static void
row_closed(
    void *ctx, const struct series_row *row, const struct series_cell *cell)
{
	struct live *live = ctx;

	live_files_row(live, row, cell);
	if (live->running && live->report.format == REPORT_TEXT &&
	    live->screen == NULL)
		(void)report_row(stdout, live->series, &live->report, row,
		    &live->report_state);
}

static void
make_series(struct live *live)
{
	const struct series_settings set = {
		.bucket_ns = live->opt->bucket_ns,
		.grace_ns = live->opt->timeout_ns,
		.zone_ns = zone_ns(),
		.closed = row_closed,
		.ctx = live,
	};

	live->series = series_new(&set);
	if (live->series == NULL)
		cli_die("out of memory");
}

static void
prepare(struct live *live, const struct ping_options *opt)
{
	live->opt = opt;
	live->report = (struct report_settings){ .format = opt->output,
		.per_node = opt->per_node,
		.percentiles = opt->percentiles };
	live_files_open(live);
	live->signal_fd = catch_signals();
	make_series(live);
	if (!opt->live)
		return;
	live->screen = screen_open();
	if (live->screen == NULL)
		cli_usage("--live: expected a terminal");
}

static void
leave_screen(struct live *live)
{
	screen_close(live->screen);
	live->screen = NULL;
}

/* From the first ping to the last word; the exit code. */
static int
measure(struct live *live)
{
	live->noise = noise_start();
	if (live->noise == NULL) {
		leave_screen(live);
		cli_die("a thread could not be started: %s", strerror(errno));
	}
	live_files_begin(live, measure_wall_ns(live->measure, clock_now_ns()));
	live->running = true;
	run(live);
	live->running = false;
	leave_screen(live);
	tell_words(live);
	if (measure_stop(live->measure))
		take_all(live);
	series_finish(live->series);
	return live_end(live);
}

int
live_run(const struct ping_options *opt)
{
	static struct live live;
	struct client_files files;
	char why[MEASURE_REASON_CHARS];
	int code = PING_EXIT_UNREACHABLE;

	client_files_load(&files, &opt->client);
	prepare(&live, opt);
	live.measure = measure_start(opt, &files, why);
	if (live.measure != NULL) {
		code = measure(&live);
		measure_free(live.measure);
	} else {
		leave_screen(&live);
		cli_warn("cannot reach the relay %s: %s", opt->relay, why);
		(void)live_files_close(&live);
	}
	(void)noise_stop(live.noise);
	series_free(live.series);
	if (!ending_is_stuck())
		client_files_free(&files);
	close(live.signal_fd);
	return code;
}
