/* SPDX-License-Identifier: MIT */
/* From whom to whom how long it took. */
#include "cmd/ping/live_impl.h"

#include "cmd/stats/table.h"

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

void
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
