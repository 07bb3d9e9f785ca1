/* SPDX-License-Identifier: MIT */
/* What is said when a measurement is over. */
#include "cmd/ping/live_impl.h"

#include "cmd/common/cli.h"
#include "cmd/common/ending.h"
#include "cmd/ping/offline.h"
#include "cmd/stats/table.h"
#include "proto/message.h"

#include <errno.h>
#include <string.h>

#define NS 1e-9
#define MS_NS 1e-6

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

int
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
	if (!ending_is_stuck())
		tables(live);
	ok = fflush(stdout) == 0 && ferror(stdout) == 0 && ok;
	if (!ok)
		cli_warn("standard output: %s", strerror(errno));
	code = ending_is_stuck() ? CLI_STUCK : verdict(live);
	ok = live_files_close(live) && ok;
	if (anything(live))
		ok = offline_end(live->opt, live->series) == CLI_OK && ok;
	return code == CLI_OK && !ok ? CLI_FAILED : code;
}
