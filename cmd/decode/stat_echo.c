/* SPDX-License-Identifier: MIT */
/*
 * -z echo: round-trip times of echoes, by the clock of the capture.
 *
 * A reply matches the echo in the other direction of the same stream with the
 * same cookie and the same send time (two requesters may use the same cookie if
 * their echoes share the stream of a node). So an echo through a relay counts
 * on both sides if both are captured.
 */
#include "cmd/common/map.h"
#include "cmd/decode/output.h"
#include "cmd/decode/stat.h"
#include "cmd/stats/hdr.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OUTSTANDING_MAX 65536
#define TARGETS_MAX 4096
#define NS_PER_S 1e9

enum layer {
	LAYER_NETWORK = 0, /* answered by the thread that reads the network */
	LAYER_SERVICE, /* from the queue of the application */
	LAYER_BOTH,
};

/* The target of an echo, and the layer. */
struct target {
	uint64_t dest_type, dest, layer; /* the key */
	uint64_t echoes;
	struct hdr_sums time_ns; /* of the answered ones */
};

struct waiting {
	uint64_t stream, dir, cookie, sent_ns; /* the key */
	int64_t time_ns;
	struct target *target;
	struct waiting *older, *newer;
};

#define WAITING_KEY_WORDS 4

struct echo {
	struct map targets, waiting;
	struct target others[2]; /* by layer: targets without a row */
	struct waiting *oldest, *newest;
	uint64_t n_given_up; /* for lack of room */
	uint64_t n_repeated; /* repeated before a reply came */
	uint64_t n_stray; /* replies to unknown echoes */
};

static void
echo_free(void *state)
{
	struct echo *st = state;

	map_free(&st->targets);
	map_free(&st->waiting);
	free(st);
}

static void *
echo_new(const char *arg, char *err, size_t err_bytes)
{
	struct echo *st = calloc(1, sizeof(*st));

	(void)arg, (void)err, (void)err_bytes;
	if (st != NULL)
		st->others[LAYER_SERVICE].layer = LAYER_SERVICE;
	if (st != NULL &&
	    (!map_init(&st->targets, sizeof(struct target), 3, TARGETS_MAX) ||
		!map_init(&st->waiting, sizeof(struct waiting),
		    WAITING_KEY_WORDS, OUTSTANDING_MAX))) {
		echo_free(st);
		return NULL;
	}
	return st;
}

static void
unlink_waiting(struct echo *st, struct waiting *w)
{
	*(w->older == NULL ? &st->oldest : &w->older->newer) = w->newer;
	*(w->newer == NULL ? &st->newest : &w->newer->older) = w->older;
}

static void
forget(struct echo *st, struct waiting *w)
{
	uint64_t key[WAITING_KEY_WORDS];

	memcpy(key, w, sizeof(key));
	unlink_waiting(st, w);
	map_remove(&st->waiting, key);
}

static void
asked(struct echo *st, const struct record *record, const uint64_t *key)
{
	const struct bnet_header *header = &record->event->frame->header;
	uint32_t flags = record->message->u.echo.flags;
	const uint64_t who[3] = { (uint64_t)header->dest_type,
		(uint64_t)header->dest,
		flags & BNET_ECHO_F_SERVICE ? LAYER_SERVICE : LAYER_NETWORK };
	struct target *target = map_get(&st->targets, who);
	struct waiting *w = map_find(&st->waiting, key);

	if (target == st->targets.others)
		target = &st->others[who[2]];
	target->echoes++;
	if (w != NULL) {
		st->n_repeated++;
		unlink_waiting(st, w);
	} else {
		if (st->waiting.n == OUTSTANDING_MAX) {
			st->n_given_up++;
			forget(st, st->oldest);
		}
		w = map_get(&st->waiting, key);
		if (w == st->waiting.others) { /* out of memory */
			st->n_given_up++;
			return;
		}
	}
	w->time_ns = record->event->clock_ns;
	w->target = target;
	w->older = st->newest;
	w->newer = NULL;
	*(w->older == NULL ? &st->oldest : &w->older->newer) = w;
	st->newest = w;
}

static void
answered(struct echo *st, const struct record *record, const uint64_t *key)
{
	struct waiting *w = map_find(&st->waiting, key);

	if (w == NULL) {
		st->n_stray++;
		return;
	}
	hdr_sums_add(&w->target->time_ns,
	    stat_since_ns(record->event->clock_ns, w->time_ns));
	forget(st, w);
}

static void
echo_record(void *state, const struct record *record)
{
	struct echo *st = state;
	const struct cap_event *event = record->event;
	const struct bnet_message *message = record->message;
	uint64_t key[WAITING_KEY_WORDS];
	bool reply;

	if (event->type != CAP_FRAME || message == NULL ||
	    (message->type != BNET_MSG_ECHO &&
		message->type != BNET_MSG_ECHO_REPLY))
		return;
	reply = message->type == BNET_MSG_ECHO_REPLY;
	key[0] = event->stream->number;
	key[1] = (event->dir == CAP_DOWN) != reply; /* of the echo */
	key[2] = message->u.echo.cookie;
	key[3] = message->u.echo.sent_ns;
	if (reply)
		answered(st, record, key);
	else
		asked(st, record, key);
}

/* Orders by destination kind and id; the network layer comes first. */
static int
by_target(const void *a, const void *b)
{
	const struct target *x = *(void *const *)a, *y = *(void *const *)b;
	const int64_t p[3] = { (int64_t)x->dest_type, (int64_t)x->dest,
		(int64_t)x->layer };
	const int64_t q[3] = { (int64_t)y->dest_type, (int64_t)y->dest,
		(int64_t)y->layer };

	for (int i = 0; i < 3; i++)
		if (p[i] != q[i])
			return p[i] < q[i] ? -1 : 1;
	return 0;
}

static const struct table_column columns[] = {
	{ .name = "kind", .head = "kind", .left = true },
	{ .name = "id", .head = "id" },
	{ .name = "layer", .head = "layer", .left = true },
	{ .name = "count", .head = "count" },
	{ .name = "replies", .head = "replies" },
	{ .name = "lost", .head = "lost" },
	{ .name = "min_s", .head = "min", .unit = "s", .decimals = 6 },
	{ .name = "max_s", .head = "max", .unit = "s", .decimals = 6 },
	{ .name = "avg_s", .head = "avg", .unit = "s", .decimals = 6 },
	{ .name = "stddev_s", .head = "stddev", .unit = "s", .decimals = 6 },
};

/* Prints the columns from the layer on. */
static void
print_numbers(struct table *table, const struct target *target)
{
	static const char *const layers[] = { "network", "service", "both" };
	const struct hdr_sums *time_ns = &target->time_ns;

	table_str(table, layers[target->layer]);
	table_u64(table, target->echoes);
	table_u64(table, time_ns->count);
	table_u64(table, target->echoes - time_ns->count);
	if (time_ns->count == 0)
		return;
	table_f64(table, (double)time_ns->min / NS_PER_S);
	table_f64(table, (double)time_ns->max / NS_PER_S);
	table_f64(table, hdr_sums_mean(time_ns) / NS_PER_S);
	table_f64(table, hdr_sums_stddev(time_ns) / NS_PER_S);
}

static void
print_target(struct table *table, const struct target *target)
{
	const char *name = output_dest_name((int64_t)target->dest_type);

	table_row(table);
	if (name != NULL)
		table_str(table, name);
	else
		table_fmt(table, "type %" PRId64, (int64_t)target->dest_type);
	table_i64(table, (int64_t)target->dest);
	print_numbers(table, target);
}

static void
print_named(struct table *table, const char *name, const struct target *target)
{
	if (target->echoes == 0 && target->layer != LAYER_BOTH)
		return;
	table_row(table);
	table_str(table, name);
	table_null(table);
	print_numbers(table, target);
}

/* Prints the totals: each layer, and both. */
static void
print_all(struct table *table, const struct echo *st)
{
	struct target all[3] = { st->others[LAYER_NETWORK],
		st->others[LAYER_SERVICE], { .layer = LAYER_BOTH } };
	const struct target *target;

	for (size_t i = 0; i < st->targets.n; i++) {
		target = map_at(&st->targets, i);
		all[target->layer].echoes += target->echoes;
		hdr_sums_merge(&all[target->layer].time_ns, &target->time_ns);
	}
	for (int i = LAYER_NETWORK; i < LAYER_BOTH; i++) {
		all[LAYER_BOTH].echoes += all[i].echoes;
		hdr_sums_merge(&all[LAYER_BOTH].time_ns, &all[i].time_ns);
	}
	for (int i = LAYER_BOTH; i >= LAYER_NETWORK; i--)
		print_named(table, "all", &all[i]);
}

static void
add_notes(struct table *table, const struct echo *st)
{
	const struct {
		uint64_t n;
		const char *what;
	} notes[] = {
		{ st->n_stray, "replies without an echo" },
		{ st->n_repeated, "echoes sent again before a reply" },
		{ st->n_given_up,
		    "echoes given up, as too many were outstanding" },
		{ st->targets.n_refused,
		    "echoes to (others), as there were too many ids" },
	};

	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++)
		if (notes[i].n > 0)
			table_note(
			    table, "%s: %" PRIu64, notes[i].what, notes[i].n);
}

static void
echo_print(const void *state, struct stat_out *to)
{
	const struct echo *st = state;
	void **rows = map_sorted(&st->targets, by_target);
	struct table table;

	table_init(&table, "echo", "Echoes and their replies", columns,
	    sizeof(columns) / sizeof(columns[0]));
	print_all(&table, st);
	for (size_t i = 0; rows != NULL && i < st->targets.n; i++)
		print_target(&table, rows[i]);
	for (int i = LAYER_NETWORK; i < LAYER_BOTH; i++)
		print_named(&table, "(others)", &st->others[i]);
	add_notes(&table, st);
	if (rows == NULL && st->targets.n > 0)
		to->failed = true;
	free(rows);
	stat_print(to, &table);
}

static const struct stat_field row_fields[] = {
	STAT_ONE("echoes", STAT_SUM, struct target, echoes),
	STAT_ONE("time_ns", STAT_SUMS, struct target, time_ns),
	{ .name = NULL },
};

/* What awaits its reply at the end of a capture is lost, there and here. */
static const struct stat_field fields[] = {
	{ .name = "other_network",
	    .type = STAT_PART,
	    .at = offsetof(struct echo, others[LAYER_NETWORK]),
	    .fields = row_fields },
	{ .name = "other_service",
	    .type = STAT_PART,
	    .at = offsetof(struct echo, others[LAYER_SERVICE]),
	    .fields = row_fields },
	STAT_ONE("given_up", STAT_SUM, struct echo, n_given_up),
	STAT_ONE("repeated", STAT_SUM, struct echo, n_repeated),
	STAT_ONE("stray", STAT_SUM, struct echo, n_stray),
	{ .name = NULL },
};

static bool
layer_is_known(const uint64_t *key)
{
	return key[2] < LAYER_BOTH;
}

static const struct stat_rows merged_rows = {
	.key_is_good = layer_is_known,
	.at = offsetof(struct echo, targets),
	.fields = row_fields,
};

const struct stat_ops stat_echo = {
	.info = { .name = "echo",
	    .about =
		"time from echo to reply, lost echoes, by node and layer" },
	.needs = STATISTICS_NEEDS_MESSAGE,
	.make = echo_new,
	.record = echo_record,
	.print = echo_print,
	.destroy = echo_free,
	.fields = fields,
	.rows = &merged_rows,
};
