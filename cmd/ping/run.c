/* SPDX-License-Identifier: MIT */
/* A line for each ping, for those who watch. */
#include "cmd/ping/run.h"

#include "cmd/common/cli.h"
#include "cmd/common/clock.h"
#include "cmd/ping/measure.h"
#include "cmd/ping/noise.h"
#include "cmd/ping/offline.h"
#include "cmd/ping/report.h"
#include "cmd/ping/screen.h"
#include "cmd/ping/series_log.h"
#include "cmd/stats/table.h"
#include "proto/message.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

struct live {
	const struct ping_options *opt;
	struct measure *measure;
	struct noise *noise;
	struct series *series;
	struct screen *screen; /* NULL: none */
	FILE *log, *samples; /* NULL: none */
	struct report_settings report;
	unsigned report_state;
	bool running; /* rows are shown as their buckets are closed */
	int signal_fd;
	bool told_words; /* those that nobody is */
	int64_t draw_at_ns;
	bool interrupted;
	struct measure_view view;
	struct noise_stall stalls[NOISE_HELD_MAX];
};

#define NS_PER_MS 1e6

static const char *
layer_text(const struct live *live, enum ping_layer layer)
{
	if (live->opt->layers != PING_LAYER_BOTH)
		return "";
	return layer == PING_SERVICE ? " layer=service" : " layer=net";
}

/* When it was due is told where that makes a difference that can be seen. */
static void
sample_line(const struct live *live, const struct measure_event *event)
{
	const struct ping_sample *s = &event->sample;

	printf("answer from %s: seq=%llu%s time=%.3f ms",
	    series_name_of(live->series, s->node),
	    (unsigned long long)event->slot, layer_text(live, s->layer),
	    (double)s->sent_ns / NS_PER_MS);
	if (s->due_ns - s->sent_ns > s->sent_ns / 10)
		printf(" since_due=%.3f ms", (double)s->due_ns / NS_PER_MS);
	if (s->has_clock)
		printf(" up=%.3f down=%.3f +-%.3f ms",
		    (double)s->up_ns / NS_PER_MS,
		    (double)s->down_ns / NS_PER_MS,
		    (double)s->clock_error_ns / NS_PER_MS);
	putchar('\n');
}

static void
count_line(const struct live *live, const struct measure_event *event)
{
	const struct ping_sample *s = &event->sample;
	const char *name = series_name_of(live->series, s->node);
	unsigned long long slot = event->slot;
	const char *layer = layer_text(live, s->layer);

	switch (event->what) {
	case PING_LOST:
		printf("no answer from %s: seq=%llu%s: %s\n", name, slot, layer,
		    event->cause != 0 ? bnet_code_name(event->cause)
				      : "timed out");
		break;
	case PING_LATE:
		printf("late answer from %s: seq=%llu%s time=%.3f ms\n", name,
		    slot, layer, (double)s->due_ns / NS_PER_MS);
		break;
	case PING_DUPLICATE:
		printf(
		    "second answer from %s: seq=%llu%s\n", name, slot, layer);
		break;
	case PING_MISSED_SLOT:
		printf("not sent to %s: seq=%llu, %llu of them: this machine"
		       " was late\n",
		    name, slot, (unsigned long long)event->n);
		break;
	default:
		printf("out of order from %s: seq=%llu%s\n", name, slot, layer);
	}
}

static void
live_line(struct live *live, const struct measure_event *event)
{
	switch (event->kind) {
	case MEASURE_SAMPLE:
		sample_line(live, event);
		break;
	case MEASURE_COUNT:
		count_line(live, event);
		break;
	case MEASURE_SEEN:
	case MEASURE_LEFT:
		break;
	}
}

/* What a measurement leaves behind: --log and --samples. */

#define NS 1e-9

static FILE *
create(const char *what, const char *path)
{
	FILE *f = path == NULL ? NULL : fopen(path, "we");

	if (path != NULL && f == NULL)
		cli_die("%s: %s: %s", what, path, strerror(errno));
	return f;
}

/* Ends the process where one can not be created. */
static void
live_files_open(struct live *live)
{
	live->log = create("--log", live->opt->log);
	live->samples = create("--samples", live->opt->samples);
	if (live->samples != NULL)
		fputs("time,node,name,layer,seq,from_due,from_sent,up,down,"
		      "clock_error\n",
		    live->samples);
}

/* The head is for when the first row comes: the series is made by then. */
static void
live_files_begin(struct live *live, int64_t wall_ns)
{
	if (live->log != NULL)
		series_log_head(
		    live->log, series_settings(live->series), wall_ns);
}

/* In CSV a name is quoted, and a quote in it doubled. */
static void
quoted(FILE *f, const char *s)
{
	putc('"', f);
	for (; *s != '\0'; s++) {
		if (*s == '"')
			putc('"', f);
		putc(*s, f);
	}
	putc('"', f);
}

/* One who was not answered has no round trip. */
static void
live_files_sample(struct live *live, const struct measure_event *event)
{
	const struct ping_sample *s = &event->sample;
	FILE *f = live->samples;
	bool lost = event->kind == MEASURE_COUNT && event->what == PING_LOST;

	if (f == NULL || (event->kind != MEASURE_SAMPLE && !lost))
		return;
	fprintf(f, "%lld.%09lld,%llu,", (long long)(s->wall_ns / 1000000000),
	    (long long)(s->wall_ns % 1000000000), (unsigned long long)s->node);
	quoted(f, series_name_of(live->series, s->node));
	fprintf(f, ",%s,%llu,", ping_layer_names[s->layer],
	    (unsigned long long)event->slot);
	if (!lost)
		fprintf(f, "%.9f,%.9f,", (double)s->due_ns * NS,
		    (double)s->sent_ns * NS);
	else
		fputs(",,", f);
	if (s->has_clock)
		fprintf(f, "%.9f,%.9f,%.9f\n", (double)s->up_ns * NS,
		    (double)s->down_ns * NS, (double)s->clock_error_ns * NS);
	else
		fputs(",,\n", f);
}

static void
live_files_row(struct live *live, const struct series_row *row,
    const struct series_cell *cell)
{
	if (live->log != NULL)
		(void)series_log_row(live->log, series_settings(live->series),
		    row, &cell->due, series_name_of(live->series, row->node));
}

static bool
finish(const char *what, const char *path, FILE *f)
{
	bool failed;

	if (f == NULL)
		return true;
	failed = ferror(f) != 0;
	if (fclose(f) == 0 && !failed)
		return true;
	cli_warn("%s: %s: %s", what, path, strerror(errno));
	return false;
}

/* False: one could not be written, which was said. */
static bool
live_files_close(struct live *live)
{
	bool log = finish("--log", live->opt->log, live->log);

	return finish("--samples", live->opt->samples, live->samples) && log;
}

/* From whom to whom how long it took. */

#define MS_NS 1e-6
#define MATRIX_MAX (TABLE_COLUMNS_MAX - 1) /* more are a list */

static const struct table_column list_columns[] = {
	{ .name = "pair", .head = "from>to", .left = true },
	{ .name = "sent", .head = "sent" },
	{ .name = "lost", .head = "lost" },
	{ .name = "min_ms", .head = "min", .unit = "ms", .decimals = 3 },
	{ .name = "avg_ms", .head = "avg", .unit = "ms", .decimals = 3 },
	{ .name = "max_ms", .head = "max", .unit = "ms", .decimals = 3 },
};

static void
list(struct live *live, struct table *table)
{
	struct targets *targets = measure_targets(live->measure);
	char label[SERIES_NAME_CHARS];

	table_init(table, "mesh", NULL, list_columns, 6);
	for (size_t i = 0; i < targets_n(targets); i++) {
		const struct target *pair = targets_at(targets, i);

		if (pair->role != TARGET_PAIR)
			continue;
		table_row(table);
		table_str(table, target_label(pair, label));
		table_u64(table, pair->n_sent);
		table_u64(table, pair->n_lost);
		if (pair->round_ns.count == 0)
			continue;
		table_f64(table, pair->round_ns.min * MS_NS);
		table_f64(table, pair->round_ns.mean * MS_NS);
		table_f64(table, pair->round_ns.max * MS_NS);
	}
}

static size_t
nodes(struct targets *targets, struct target *of[MATRIX_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < targets_n(targets); i++) {
		struct target *target = targets_at(targets, i);

		if (target->role == TARGET_NODE && n++ < MATRIX_MAX)
			of[n - 1] = target;
	}
	return n;
}

static void
matrix_row(struct targets *targets, struct table *table, struct target **of,
    size_t n, size_t from)
{
	char label[SERIES_NAME_CHARS];

	table_row(table);
	table_str(table, target_label(of[from], label));
	for (size_t to = 0; to < n; to++) {
		const struct target *pair = from == to
		    ? NULL
		    : targets_pair(targets, of[from]->id, of[to]->id);

		if (pair == NULL || pair->round_ns.count == 0)
			table_null(table);
		else
			table_f64(table, pair->round_ns.mean * MS_NS);
	}
}

static void
matrix(struct live *live, struct target **of, size_t n)
{
	struct targets *targets = measure_targets(live->measure);
	struct table_column columns[TABLE_COLUMNS_MAX] = {
		{ .name = "from", .head = "from", .left = true },
	};
	char labels[MATRIX_MAX][SERIES_NAME_CHARS];
	struct table table;

	for (size_t i = 0; i < n; i++)
		columns[i + 1] = (struct table_column){
			.name = target_label(of[i], labels[i]),
			.head = target_label(of[i], labels[i]),
			.decimals = 3,
		};
	table_init(&table, "mesh", "From, to: average in ms", columns, n + 1);
	for (size_t from = 0; from < n; from++)
		matrix_row(targets, &table, of, n, from);
	(void)table_print(&table, stdout, false);
	table_free(&table);
}

static void
live_mesh(struct live *live)
{
	struct targets *targets = measure_targets(live->measure);
	struct target *of[MATRIX_MAX];
	bool json = live->opt->output == PING_JSON;
	size_t n = nodes(targets, of);
	struct table table;

	if (!json)
		putchar('\n');
	if (!json && n <= MATRIX_MAX) {
		matrix(live, of, n);
		return;
	}
	list(live, &table);
	(void)table_print(&table, stdout, json);
	table_free(&table);
}

/* What is said when a measurement is over. */

/* ---- tables ---- */

static const struct table_column clock_columns[] = {
	{ .name = "node", .head = "node", .left = true },
	{ .name = "offset_s",
	    .head = "clock ahead",
	    .unit = "s",
	    .decimals = 6 },
	{ .name = "bound_s", .head = "+-", .unit = "s", .decimals = 6 },
	{ .name = "steps", .head = "times set" },
};

/* What fails here is seen at the end, by ferror(). */
static void
print_table(const struct live *live, const struct table *table)
{
	bool json = live->opt->output == PING_JSON;

	if (!json)
		putchar('\n');
	(void)table_print(table, stdout, json);
}

static int64_t
wall_offset_ns(struct live *live, const struct clock_offset *clock)
{
	return clock_offset_ns(clock) - measure_wall_ns(live->measure, 0);
}

static void
clocks(struct live *live)
{
	struct targets *targets = measure_targets(live->measure);
	char label[SERIES_NAME_CHARS];
	struct table table;

	table_init(&table, "clocks", "Clocks", clock_columns, 4);
	for (size_t i = 0; i < targets_n(targets); i++) {
		const struct target *target = targets_at(targets, i);

		if (!target->clock.known || target->role == TARGET_PAIR)
			continue;
		table_row(&table);
		table_str(&table, target_label(target, label));
		table_f64(
		    &table, (double)wall_offset_ns(live, &target->clock) * NS);
		table_f64(
		    &table, (double)clock_offset_bound_ns(&target->clock) * NS);
		table_u64(&table, target->clock.n_steps);
	}
	if (table.n_rows > 0)
		print_table(live, &table);
	table_free(&table);
}

static const struct table_column trace_columns[] = {
	{ .name = "relay", .head = "relay", .left = true },
	{ .name = "echoes", .head = "echoes" },
	{ .name = "way_avg_ms",
	    .head = "way there avg",
	    .unit = "ms",
	    .decimals = 4 },
	{ .name = "way_bound_ms", .head = "+-", .unit = "ms", .decimals = 4 },
	{ .name = "inside_min_ms",
	    .head = "inside min",
	    .unit = "ms",
	    .decimals = 4 },
	{ .name = "inside_avg_ms", .head = "avg", .unit = "ms", .decimals = 4 },
	{ .name = "inside_max_ms", .head = "max", .unit = "ms", .decimals = 4 },
};

static void
trace_row(struct table *table, const struct summary *way_ns,
    const struct summary *bound_ns, const struct summary *inside_ns)
{
	table_u64(table, way_ns->count);
	table_f64(table, way_ns->mean * MS_NS);
	table_f64(table, bound_ns->mean * MS_NS);
	if (inside_ns == NULL)
		return;
	table_f64(table, inside_ns->min * MS_NS);
	table_f64(table, inside_ns->mean * MS_NS);
	table_f64(table, inside_ns->max * MS_NS);
}

static void
traced(struct live *live)
{
	const struct trace *trace = measure_traced(live->measure);
	struct table table;

	if (live->opt->trace && trace->n == 0)
		cli_warn("--trace: no relay on the way traces");
	if (trace->n == 0)
		return;
	table_init(&table, "trace", "The way there", trace_columns, 7);
	for (size_t i = 0; i < trace->n; i++) {
		const struct trace_relay *relay = &trace->relays[i];

		table_row(&table);
		table_fmt(&table, "relay %llu", (unsigned long long)relay->id);
		trace_row(&table, &relay->way_ns, &relay->bound_ns,
		    &relay->inside_ns);
	}
	table_row(&table);
	table_str(&table, "the node");
	trace_row(&table, &trace->last_ns, &trace->last_bound_ns, NULL);
	print_table(live, &table);
	table_free(&table);
}

static void
tables(struct live *live)
{
	const struct ping_options *opt = live->opt;

	if (opt->output == PING_CSV)
		return;
	if (opt->verbose || opt->per_node || opt->output == PING_JSON)
		clocks(live);
	traced(live);
	if (opt->mesh)
		live_mesh(live);
}

/* ---- the verdict ---- */

static bool
say_silent(struct live *live)
{
	struct targets *targets = measure_targets(live->measure);
	char label[SERIES_NAME_CHARS];
	bool silent = false;

	for (size_t i = 0; i < targets_n(targets); i++) {
		const struct target *target = targets_at(targets, i);

		if (!target->pinged || target->n_answered > 0 ||
		    target->n_sent == target->n_waiting)
			continue;
		silent = true;
		cli_warn("%s: no answer (%s)", target_label(target, label),
		    target->cause != 0 ? bnet_code_name(target->cause)
				       : "timed out");
	}
	return silent;
}

/* Somebody was in the roster, and is not now. */
static bool
some_left(struct live *live)
{
	struct targets *targets = measure_targets(live->measure);

	for (size_t i = 0; i < targets_n(targets); i++) {
		const struct target *target = targets_at(targets, i);

		if (target->pinged && target->roster > 0 &&
		    target->roster < targets->roster)
			return true;
	}
	return false;
}

static bool
some_word_is_nobody(struct live *live)
{
	struct targets *targets = measure_targets(live->measure);

	for (size_t i = 0; i < live->opt->n_words; i++)
		if (!targets->found[i])
			return true;
	return false;
}

static int
verdict(struct live *live)
{
	const struct measure_view *view = &live->view;
	bool silent = say_silent(live);

	if (view->n_overflow > 0)
		cli_warn("%llu samples were not recorded: output was blocked",
		    (unsigned long long)view->n_overflow);
	if (view->state == MEASURE_FAILED) {
		cli_warn("%s %s: %s",
		    view->was_up ? "lost the relay" : "cannot reach the relay",
		    live->opt->relay, view->reason);
		return PING_EXIT_UNREACHABLE;
	}
	if (view->n_targets == 0 && live->opt->n_words == 0 &&
	    !(live->interrupted && !view->roster_known)) {
		cli_warn("%s: no node is there", live->opt->relay);
		return CLI_FAILED;
	}
	return silent || some_left(live) || some_word_is_nobody(live)
	    ? CLI_FAILED
	    : CLI_OK;
}

static bool
anything(struct live *live)
{
	return series_n_rows(live->series) > 0;
}

/* Print what there is, and say why it was not all well; the exit code. */
static int
live_end(struct live *live)
{
	bool ok = true;
	int code;

	if (live->report_state != 0)
		putchar('\n'); /* the whole of it, under the rows till now */
	if (live->opt->verbose && anything(live))
		putchar('\n');
	if (anything(live))
		ok = report_print(stdout, live->series, &live->report);
	tables(live);
	ok = fflush(stdout) == 0 && ferror(stdout) == 0 && ok;
	if (!ok)
		cli_warn("standard output: %s", strerror(errno));
	code = verdict(live);
	ok = live_files_close(live) && ok;
	if (anything(live))
		ok = offline_end(live->opt, live->series) == CLI_OK && ok;
	return code == CLI_OK && !ok ? CLI_FAILED : code;
}

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
		if (live->interrupted || live->view.state >= MEASURE_DONE)
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
	measure_stop(live->measure);
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
	noise_stop(live.noise);
	series_free(live.series);
	client_files_free(&files);
	close(live.signal_fd);
	return code;
}
