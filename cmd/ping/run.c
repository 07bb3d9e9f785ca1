/* SPDX-License-Identifier: MIT */
/*
 * What a run prints and writes during the measurement, what it prints at the
 * end, and the loop of both. It owns the series, the screen and the files.
 */
#include "cmd/ping/run.h"

#include "cmd/common/cli.h"
#include "cmd/common/clock.h"
#include "cmd/common/ending.h"
#include "cmd/common/process.h"
#include "cmd/ping/measure.h"
#include "cmd/common/hiccups.h"
#include "cmd/ping/offline.h"
#include "cmd/ping/report.h"
#include "cmd/ping/screen.h"
#include "cmd/ping/series_log.h"
#include "cmd/ping/tail_file.h"
#include "cmd/session/orders.h"
#include "cmd/stats/table.h"
#include "proto/message.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct run {
	const struct ping_options *opt;
	struct measure *measure;
	struct hiccups *hiccups;
	struct series *series;
	struct screen *screen; /* NULL: none */
	struct tail_file log; /* the rows of open buckets are its tail */
	FILE *samples; /* NULL: none */
	int64_t begin_ns; /* unix time */
	int64_t keep_at_ns; /* when to write what there is */
	struct report_settings report;
	unsigned report_state;
	bool running; /* print rows as their buckets close */
	int signal_fd;
	bool order_reported; /* the byte order of the relay was */
	bool words_reported; /* unmatched words were reported */
	int64_t outage_ns; /* unix time when the relay was lost; 0: it is up */
	int64_t draw_at_ns;
	bool interrupted;
	struct measure_view view;
	struct hiccup stalls[HICCUPS_HELD_MAX];
};

#define NS_PER_MS 1e6

static const char *
layer_text(const struct run *run, enum ping_layer layer)
{
	if (run->opt->layers != PING_LAYER_BOTH)
		return "";
	return layer == PING_SERVICE ? " layer=service" : " layer=net";
}

/* Print the time since the ping was due if it differs visibly. */
static void
sample_line(const struct run *run, const struct measure_event *event)
{
	const struct ping_sample *s = &event->sample;

	printf("answer from %s: seq=%llu%s time=%.3f ms",
	    series_name_of(run->series, s->node),
	    (unsigned long long)event->slot, layer_text(run, s->layer),
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

static const char *
cause_text(uint32_t cause)
{
	if (cause == MEASURE_CAUSE_RELAY)
		return "the relay was lost";
	return cause != 0 ? bnet_code_name(cause) : "timed out";
}

static void
lost_line(
    const char *name, const char *layer, const struct measure_event *event)
{
	printf("no answer from %s: seq=%llu%s", name,
	    (unsigned long long)event->slot, layer);
	if (event->n > 1)
		printf(", %llu of them", (unsigned long long)event->n);
	printf(": %s\n", cause_text(event->cause));
}

static void
count_line(const struct run *run, const struct measure_event *event)
{
	const struct ping_sample *s = &event->sample;
	const char *name = series_name_of(run->series, s->node);
	unsigned long long slot = event->slot;
	const char *layer = layer_text(run, s->layer);

	switch (event->what) {
	case PING_LOST:
		lost_line(name, layer, event);
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
print_line(struct run *run, const struct measure_event *event)
{
	switch (event->kind) {
	case MEASURE_SAMPLE:
		sample_line(run, event);
		break;
	case MEASURE_COUNT:
		count_line(run, event);
		break;
	default:
		break;
	}
}

/* The output files of a measurement: --log and --samples. */

#define NS 1e-9

static FILE *
create(const char *what, const char *path)
{
	FILE *f = path == NULL ? NULL : fopen(path, "we");

	if (path != NULL && f == NULL)
		cli_die("%s: %s: %s", what, path, strerror(errno));
	return f;
}

/* Ends the process if a file cannot be created. */
static void
files_open(struct run *run)
{
	const char *log = run->opt->log;

	if (log != NULL && !tail_file_open(&run->log, log))
		cli_die("--log: %s: %s", log, strerror(errno));
	run->samples = create("--samples", run->opt->samples);
	if (run->samples != NULL)
		fputs("time,node,name,layer,seq,from_due,from_sent,up,down,"
		      "clock_error\n",
		    run->samples);
}

/* The head is written with the first row, when the series exists. */
static void
files_begin(struct run *run, int64_t wall_ns)
{
	if (run->log.text != NULL)
		series_log_head(
		    run->log.text, series_settings(run->series), wall_ns);
}

/* In CSV a name is quoted, and quotes in it are doubled. */
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

/* A ping without an answer has no round trip. */
static void
files_line(struct run *run, const struct ping_sample *s, uint64_t slot,
    int64_t wall_ns, bool lost)
{
	FILE *f = run->samples;

	fprintf(f, "%lld.%09lld,%llu,", (long long)(wall_ns / 1000000000),
	    (long long)(wall_ns % 1000000000), (unsigned long long)s->node);
	quoted(f, series_name_of(run->series, s->node));
	fprintf(f, ",%s,%llu,", ping_layer_names[s->layer],
	    (unsigned long long)slot);
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
files_sample(struct run *run, const struct measure_event *event)
{
	const struct ping_sample *s = &event->sample;
	bool lost = event->kind == MEASURE_COUNT && event->what == PING_LOST;

	if (run->samples == NULL || (event->kind != MEASURE_SAMPLE && !lost))
		return;
	files_line(run, s, event->slot, s->wall_ns, lost);
	for (uint64_t i = 1; lost && i < event->n; i++)
		files_line(run, s, event->slot + i,
		    s->wall_ns + (int64_t)i * run->opt->interval_ns, true);
}

static void
log_row(struct run *run, FILE *text, const struct series_row *row,
    const struct series_cell *cell)
{
	if (!series_log_row(text, series_settings(run->series), row, &cell->due,
		series_name_of(run->series, row->node)) &&
	    run->log.error == 0)
		run->log.error = ENOMEM;
}

static void
files_row(struct run *run, const struct series_row *row,
    const struct series_cell *cell)
{
	if (run->log.text != NULL)
		log_row(run, run->log.text, row, cell);
}

struct log_tail {
	struct run *run;
	FILE *text;
};

static void
tail_row(
    void *ctx, const struct series_row *row, const struct series_cell *cell)
{
	const struct log_tail *tail = ctx;

	log_row(tail->run, tail->text, row, cell);
}

static void
log_tail(void *ctx, FILE *text)
{
	struct run *run = ctx;
	struct log_tail tail = { run, text };

	if (run->outage_ns != 0) {
		const struct series_outage outage = { run->outage_ns,
			measure_wall_ns(run->measure, clock_now_ns()) };

		series_log_outage(text, &outage);
	}
	series_open_rows(run->series, tail_row, &tail);
}

#define KEEP_NS INT64_C(5000000000)

/* So that whatever ends us loses little. */
static void
files_keep(struct run *run)
{
	int64_t now_ns = clock_now_ns();

	if (now_ns < run->keep_at_ns)
		return;
	run->keep_at_ns = now_ns + KEEP_NS;
	tail_file_commit(&run->log, log_tail, run);
	if (run->samples != NULL)
		(void)fflush(run->samples);
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

/* False: a file could not be written; that was reported. */
static bool
files_close(struct run *run)
{
	const char *path = run->opt->log;
	bool log = path == NULL || tail_file_close(&run->log);

	if (!log)
		cli_warn("--log: %s: %s", path, strerror(errno));
	return finish("--samples", run->opt->samples, run->samples) && log;
}

/* The round trips between pairs, as a matrix or a list. */

#define MS_NS 1e-6
#define MATRIX_MAX (TABLE_COLUMNS_MAX - 1) /* more are printed as a list */

static const struct table_column list_columns[] = {
	{ .name = "pair", .head = "from>to", .left = true },
	{ .name = "sent", .head = "sent" },
	{ .name = "lost", .head = "lost" },
	{ .name = "min_ms", .head = "min", .unit = "ms", .decimals = 3 },
	{ .name = "avg_ms", .head = "avg", .unit = "ms", .decimals = 3 },
	{ .name = "max_ms", .head = "max", .unit = "ms", .decimals = 3 },
};

static void
list(struct run *run, struct table *table)
{
	struct targets *targets = measure_targets(run->measure);
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
matrix(struct run *run, struct target **of, size_t n)
{
	struct targets *targets = measure_targets(run->measure);
	struct table_column columns[TABLE_COLUMNS_MAX] = {
		{ .name = "from", .head = "from", .left = true },
	};
	char labels[MATRIX_MAX][SERIES_NAME_CHARS];
	struct table table;

	for (size_t i = 0; i < n; i++) {
		char label[SERIES_NAME_CHARS];

		(void)target_fit(labels[i], target_label(of[i], label),
		    SERIES_NAME_CHARS - 1, false);
		columns[i + 1] = (struct table_column){
			.name = labels[i],
			.head = labels[i],
			.decimals = 3,
		};
	}
	table_init(&table, "mesh", "From, to: average in ms", columns, n + 1);
	for (size_t from = 0; from < n; from++)
		matrix_row(targets, &table, of, n, from);
	(void)table_print(&table, stdout, TABLE_AS_TEXT);
	table_free(&table);
}

static void
print_mesh(struct run *run)
{
	struct targets *targets = measure_targets(run->measure);
	struct target *of[MATRIX_MAX];
	bool json = run->opt->output == PING_JSON;
	size_t n = nodes(targets, of);
	struct table table;

	if (!json)
		putchar('\n');
	if (!json && n <= MATRIX_MAX) {
		matrix(run, of, n);
		return;
	}
	list(run, &table);
	(void)table_print(&table, stdout, json ? TABLE_AS_JSON : TABLE_AS_TEXT);
	table_free(&table);
}

/* The output at the end of a measurement. */

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

/* Errors are detected at the end, by ferror(). */
static void
print_table(const struct run *run, const struct table *table)
{
	bool json = run->opt->output == PING_JSON;

	if (!json)
		putchar('\n');
	(void)table_print(table, stdout, json ? TABLE_AS_JSON : TABLE_AS_TEXT);
}

static int64_t
wall_offset_ns(struct run *run, const struct clock_offset *clock)
{
	return clock_offset_ns(clock) - measure_wall_ns(run->measure, 0);
}

static void
clocks(struct run *run)
{
	struct targets *targets = measure_targets(run->measure);
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
		    &table, (double)wall_offset_ns(run, &target->clock) * NS);
		table_f64(
		    &table, (double)clock_offset_bound_ns(&target->clock) * NS);
		table_u64(&table, target->clock.n_steps);
	}
	if (table.n_rows > 0)
		print_table(run, &table);
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
traced(struct run *run)
{
	const struct trace *trace = measure_traced(run->measure);
	struct table table;

	if (run->opt->trace && trace->n == 0)
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
	print_table(run, &table);
	table_free(&table);
}

static void
tables(struct run *run)
{
	const struct ping_options *opt = run->opt;

	if (opt->output == PING_CSV)
		return;
	if (opt->verbose || opt->per_node || opt->output == PING_JSON)
		clocks(run);
	traced(run);
	if (opt->mesh)
		print_mesh(run);
}

/* ---- the verdict ---- */

static bool
say_silent(struct run *run)
{
	struct targets *targets = measure_targets(run->measure);
	const char *unheard = measure_unheard(run->measure), *tried;
	char label[SERIES_NAME_CHARS];
	bool silent = false;

	for (size_t i = 0; i < targets_n(targets); i++) {
		const struct target *target = targets_at(targets, i);

		if (!target->pinged || target->n_answered > 0 ||
		    target->n_sent == target->n_waiting)
			continue;
		silent = true;
		tried = target->role == TARGET_HOP ? unheard : NULL;
		cli_warn("%s: no answer%s%s%s (%s)",
		    target_label(target, label), tried != NULL ? " in " : "",
		    tried != NULL ? tried : "", tried != NULL ? " order" : "",
		    cause_text(target->cause));
	}
	return silent;
}

/* Was a target in the roster that no longer is? */
static bool
some_left(struct run *run)
{
	struct targets *targets = measure_targets(run->measure);

	for (size_t i = 0; i < targets_n(targets); i++) {
		const struct target *target = targets_at(targets, i);

		if (target->pinged && target->roster > 0 &&
		    target->roster < targets->roster)
			return true;
	}
	return false;
}

static bool
some_word_is_nobody(struct run *run)
{
	struct targets *targets = measure_targets(run->measure);

	for (size_t i = 0; i < run->opt->n_words; i++)
		if (!targets->found[i])
			return true;
	return false;
}

static int
verdict(struct run *run)
{
	const struct measure_view *view = &run->view;
	bool silent = say_silent(run);

	if (view->n_overflow > 0)
		cli_warn("%llu samples were not recorded: output was blocked",
		    (unsigned long long)view->n_overflow);
	if (view->state == MEASURE_REFUSED) {
		cli_warn("--as-node: %s", view->reason);
		return CLI_FAILED;
	}
	if (view->state == MEASURE_FAILED) {
		cli_warn("%s %s: %s",
		    view->was_up ? "lost the relay" : "cannot reach the relay",
		    run->opt->relay, view->reason);
		return PING_EXIT_UNREACHABLE;
	}
	if (view->down) {
		cli_warn("%s: the relay is still lost: %s", run->opt->relay,
		    view->reason);
		return PING_EXIT_UNREACHABLE;
	}
	if (view->n_targets == 0 && run->opt->n_words == 0 &&
	    !(run->interrupted && !view->roster_known)) {
		cli_warn("%s: no node is there", run->opt->relay);
		return CLI_FAILED;
	}
	return silent || some_left(run) || some_word_is_nobody(run) ? CLI_FAILED
								    : CLI_OK;
}

static bool
anything(struct run *run)
{
	return series_n_rows(run->series) > 0;
}

/* Print the results and what went wrong; returns the exit code. */
static int
end_run(struct run *run)
{
	bool ok;
	int code;

	if (run->report_state != 0)
		putchar('\n'); /* separates the table from the rows so far */
	if (run->opt->verbose && anything(run))
		putchar('\n');
	if (anything(run))
		(void)report_print(stdout, run->series, &run->report);
	if (!ending_is_stuck())
		tables(run);
	ok = cli_flush();
	code = ending_is_stuck() ? CLI_STUCK : verdict(run);
	ok = files_close(run) && ok;
	if (anything(run))
		ok = offline_end(run->opt, run->series) == CLI_OK && ok;
	return code == CLI_OK && !ok ? CLI_FAILED : code;
}

#define DRAW_NS INT64_C(200000000)
#define LOOK_MS 50 /* polling interval if nothing wakes us */

/* ---- taking events ---- */

static void
count(struct run *run, const struct measure_event *event)
{
	const struct ping_sample *s = &event->sample;

	for (uint64_t i = 0; i < event->n; i++)
		series_count(run->series, s->node, s->layer, event->what,
		    s->wall_ns + (int64_t)i * run->opt->interval_ns);
}

/* Note the outage up to a time; `over`: the relay is back, or we end. */
static void
outage_until(struct run *run, int64_t wall_ns, bool over)
{
	const struct series_outage outage = { run->outage_ns, wall_ns };

	if (run->outage_ns == 0)
		return;
	series_outage(run->series, outage.start_ns, outage.end_ns);
	if (!over)
		return;
	if (run->log.text != NULL)
		series_log_outage(run->log.text, &outage);
	run->outage_ns = 0;
}

static void
relay_lost(struct run *run, const struct measure_event *event)
{
	run->outage_ns = event->sample.wall_ns;
	if (run->screen == NULL)
		cli_warn("lost the relay %s: %s; connecting again",
		    run->opt->relay, event->reason);
}

static void
relay_back(struct run *run, const struct measure_event *event)
{
	int64_t wall_ns = event->sample.wall_ns;

	if (run->screen == NULL)
		cli_warn("%s: the relay is back after %.1f s", run->opt->relay,
		    (double)(wall_ns - run->outage_ns) * NS);
	outage_until(run, wall_ns, true);
}

static void
take_event(struct run *run, const struct measure_event *event)
{
	switch (event->kind) {
	case MEASURE_SAMPLE:
		series_add(run->series, &event->sample);
		break;
	case MEASURE_COUNT:
		count(run, event);
		break;
	case MEASURE_SEEN:
		series_name(run->series, event->sample.node, event->name);
		break;
	case MEASURE_LEFT:
		if (run->screen == NULL)
			cli_warn("%s: left the roster", event->name);
		break;
	case MEASURE_RELAY_LOST:
		relay_lost(run, event);
		break;
	case MEASURE_RELAY_BACK:
		relay_back(run, event);
		break;
	}
	files_sample(run, event);
	if (run->opt->verbose)
		print_line(run, event);
}

static void
take_hiccups(struct run *run)
{
	size_t n = hiccups_take(run->hiccups, run->stalls);

	for (size_t i = 0; i < n; i++)
		series_hiccup(run->series,
		    measure_wall_ns(run->measure, run->stalls[i].at_ns),
		    run->stalls[i].stall_ns);
}

static void
take_all(struct run *run)
{
	const struct measure_event *events;
	int64_t wall_ns;
	size_t n;

	events = measure_take(run->measure, &n, &run->view);
	for (size_t i = 0; i < n; i++)
		take_event(run, &events[i]);
	take_hiccups(run);
	wall_ns = measure_wall_ns(run->measure, clock_now_ns());
	outage_until(run, wall_ns, false);
	series_measured(run->series, run->begin_ns, wall_ns);
	(void)series_tick(run->series, wall_ns);
	files_keep(run);
	(void)cli_flush();
}

/* ---- running ---- */

/* Once: the relay has one byte order. */
static void
report_order(struct run *run)
{
	if (run->order_reported || run->view.order == BNET_ORDER_AUTO ||
	    run->screen != NULL)
		return;
	run->order_reported = true;
	cli_warn("%s: relay speaks %s order", run->opt->relay,
	    orders_name(run->view.order));
}

/* Report names without a target; they are pinged if they appear later. */
static void
report_words(struct run *run)
{
	const struct targets *targets;

	if (run->words_reported || !run->view.roster_known ||
	    run->screen != NULL)
		return;
	run->words_reported = true;
	targets = measure_lock(run->measure);
	if (targets == NULL)
		return;
	for (size_t i = 0; i < run->opt->n_words; i++)
		if (!targets->found[i])
			cli_warn("%s: no node of that name at %s",
			    run->opt->words[i], run->opt->relay);
	measure_unlock(run->measure);
}

/* False: q was pressed. */
static bool
draw(struct run *run)
{
	int64_t now_ns = clock_now_ns();

	if (run->screen == NULL || now_ns < run->draw_at_ns)
		return true;
	run->draw_at_ns = now_ns + DRAW_NS;
	return screen_draw(
	    run->screen, run->measure, &run->view, run->opt->relay);
}

static void
loop(struct run *run)
{
	struct pollfd fds[] = {
		{ .fd = run->signal_fd, .events = POLLIN },
		{ .fd = measure_fd(run->measure), .events = POLLIN },
	};

	for (;;) {
		(void)poll(fds, 2, LOOK_MS);
		run->interrupted = process_signalled(run->signal_fd);
		take_all(run);
		report_order(run);
		report_words(run);
		if (!draw(run))
			run->interrupted = true;
		if (run->interrupted || run->view.state >= MEASURE_DONE ||
		    ending_is_stuck())
			return;
	}
}

/* ---- beginning and end ---- */

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

/* A bucket was closed: during the run, text is printed row by row. */
static void
row_closed(
    void *ctx, const struct series_row *row, const struct series_cell *cell)
{
	struct run *run = ctx;

	files_row(run, row, cell);
	if (run->running && run->report.format == REPORT_TEXT &&
	    run->screen == NULL)
		(void)report_row(
		    stdout, run->series, &run->report, row, &run->report_state);
}

static void
make_series(struct run *run)
{
	const struct series_settings set = {
		.bucket_ns = run->opt->bucket_ns,
		.grace_ns = run->opt->timeout_ns,
		.zone_ns = zone_ns(),
		.closed = row_closed,
		.ctx = run,
	};

	run->series = series_new(&set);
	if (run->series == NULL)
		cli_die("out of memory");
}

static void
prepare(struct run *run, const struct ping_options *opt)
{
	run->opt = opt;
	run->report = (struct report_settings){ .format = opt->output,
		.unit = opt->unit,
		.per_node = opt->per_node,
		.percentiles = opt->percentiles };
	files_open(run);
	run->signal_fd = process_signal_fd();
	make_series(run);
	if (!opt->live)
		return;
	run->screen = screen_open((enum cluster_unit)run->opt->unit);
	if (run->screen == NULL)
		cli_usage("--live: expected a terminal on which the cursor can"
			  " be placed");
}

static void
leave_screen(struct run *run)
{
	screen_close(run->screen);
	run->screen = NULL;
}

/* Measure and print; returns the exit code. */
static int
measure(struct run *run)
{
	run->hiccups = hiccups_start();
	if (run->hiccups == NULL) {
		leave_screen(run);
		cli_die("a thread could not be started: %s", strerror(errno));
	}
	run->begin_ns = measure_wall_ns(run->measure, clock_now_ns());
	files_begin(run, run->begin_ns);
	run->running = true;
	loop(run);
	run->running = false;
	leave_screen(run);
	report_words(run);
	if (measure_stop(run->measure))
		take_all(run);
	outage_until(run, measure_wall_ns(run->measure, clock_now_ns()), true);
	series_finish(run->series);
	return end_run(run);
}

int
ping_run(const struct ping_options *opt)
{
	static struct run run;
	struct client_files files;
	char why[MEASURE_REASON_CHARS];
	int code = PING_EXIT_UNREACHABLE;

	client_files_load(&files, &opt->client);
	prepare(&run, opt);
	run.measure = measure_start(opt, &files, why);
	if (run.measure != NULL) {
		code = measure(&run);
		measure_free(run.measure);
	} else {
		leave_screen(&run);
		cli_warn("cannot reach the relay %s: %s", opt->relay, why);
		(void)files_close(&run);
	}
	(void)hiccups_stop(run.hiccups);
	series_free(run.series);
	if (!ending_is_stuck())
		client_files_free(&files);
	close(run.signal_fd);
	return code;
}
