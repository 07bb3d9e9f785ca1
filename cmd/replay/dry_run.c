/* SPDX-License-Identifier: MIT */
/*
 * Prints what a replay would send: walks the schedule record by record, as a
 * replay does. Owns its tables while it prints. Called by run.c.
 */
#include "cmd/replay/dry_run.h"

#include "cmd/common/cli.h"
#include "cmd/common/map.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_S INT64_C(1000000000)
#define SECONDS_MAX (INT64_C(7) * 86400) /* searched for the busiest one */
#define NODES_SHOWN 20
#define KEYS_SHOWN 100

struct key_row {
	uint64_t key; /* (uint32_t)int32_t */
	uint64_t frames, bytes;
};

struct node_row {
	uint64_t id; /* as captured */
	uint64_t frames;
	bool played; /* so it has an id in the cluster */
};

struct dry {
	const struct dry_run *run;
	struct map keys, nodes;
	uint64_t frames, bytes; /* of a round, within --duration */
	uint32_t *seconds; /* frames due in each second; NULL: no schedule */
	int64_t n_seconds;
	uint32_t *played; /* by session of the tape: virtual clients */
	int64_t last_due_ns;
};

static bool
dry_init(struct dry *dry, const struct dry_run *run)
{
	int64_t s = run->plan->length_ns / NS_PER_S + 2;

	*dry = (struct dry){ .run = run };
	dry->n_seconds = s < SECONDS_MAX ? s : SECONDS_MAX;
	dry->played =
	    calloc(tape_head(run->tape)->n_sessions + 1, sizeof(uint32_t));
	if (run->opt->timing != REPLAY_ASAP)
		dry->seconds = calloc((size_t)dry->n_seconds, sizeof(uint32_t));
	return dry->played != NULL &&
	    (dry->seconds != NULL || run->opt->timing == REPLAY_ASAP) &&
	    map_init(&dry->keys, sizeof(struct key_row), 1, MAP_ENTRIES_MAX) &&
	    map_init(&dry->nodes, sizeof(struct node_row), 1, MAP_ENTRIES_MAX);
}

static void
dry_free(struct dry *dry)
{
	map_free(&dry->keys);
	map_free(&dry->nodes);
	free(dry->seconds);
	free(dry->played);
}

/* ---- counting ---- */

static void
count_node(struct dry *dry, const struct tape_record *record)
{
	struct bnet_header header;
	struct node_row *row;
	uint64_t id;
	size_t trailing;

	if ((record->flags & TAPE_R_HEADER) == 0 ||
	    bnet_header_decode(tape_oob(record), &header, NULL, &trailing) !=
		BNET_OK ||
	    header.dest_type != BNET_DEST_NODE)
		return;
	id = (uint64_t)header.dest;
	row = map_get(&dry->nodes, &id);
	row->frames++;
	row->played = row->played ||
	    (record->ref != TAPE_NONE &&
		record->ref < tape_head(dry->run->tape)->n_sessions &&
		dry->played[record->ref] > 0);
}

static void
count_record(struct dry *dry, const struct tape_record *record, int64_t due_ns)
{
	uint64_t key = (uint32_t)record->key;
	struct key_row *row = map_get(&dry->keys, &key);
	uint64_t bytes = BNET_FRAME_WORD_BYTES + (uint64_t)record->oob_bytes +
	    record->payload_bytes +
	    ((record->flags & TAPE_R_OOB) != 0 ? BNET_FRAME_OOB_BYTES : 0);

	row->frames++;
	row->bytes += bytes;
	dry->frames++;
	dry->bytes += bytes;
	if (dry->seconds != NULL && due_ns / NS_PER_S < dry->n_seconds)
		dry->seconds[due_ns / NS_PER_S]++;
	if (due_ns > dry->last_due_ns)
		dry->last_due_ns = due_ns;
	count_node(dry, record);
}

static void
count_vclient(struct dry *dry, const struct plan_vclient *vclient)
{
	const struct dry_run *run = dry->run;
	const struct tape_session *session =
	    tape_session(run->tape, vclient->session);
	const struct tape_record *record =
	    tape_first(run->tape, vclient->session, CAP_UP);
	struct plan_cursor cursor = { .k = 0 };

	for (; record != NULL; record = tape_next(run->tape, record)) {
		int64_t due_ns = vclient->start_ns +
		    plan_due_ns(vclient, session, run->opt, record, &cursor);

		if (plan_is_sent(record) &&
		    (run->opt->duration_ns == 0 ||
			due_ns < run->opt->duration_ns))
			count_record(dry, record, due_ns);
	}
}

static void
count_all(struct dry *dry)
{
	const struct plan *plan = dry->run->plan;

	for (uint32_t i = 0; i < plan->n; i++)
		dry->played[plan->vclients[i].session]++;
	for (uint32_t i = 0; i < plan->n && *dry->run->stop == 0; i++)
		count_vclient(dry, &plan->vclients[i]);
}

/* ---- printing ---- */

static unsigned long long
u(uint64_t v)
{
	return v;
}

static void
print_sessions(const struct dry *dry, FILE *out)
{
	const struct dry_run *run = dry->run;
	const struct plan *plan = run->plan;
	uint64_t clones = 0, played = 0, usable = 0;

	for (uint32_t i = 0; i < plan->n; i++)
		clones += plan->vclients[i].clone > 0;
	for (uint32_t i = 0; i < tape_head(run->tape)->n_sessions; i++) {
		played += dry->played[i] > 0;
		usable +=
		    (tape_session(run->tape, i)->flags & TAPE_S_LEFT_OUT) == 0;
	}
	fprintf(out, "sessions   %llu: of %llu of the %llu captured",
	    u(plan->n), u(played), u(usable));
	if (clones > 0)
		fprintf(out, ", %llu of them clones", u(clones));
	fputc('\n', out);
	if (plan->left_out_roles > 0)
		fprintf(out,
		    "left out   %llu whose role is not played"
		    " (--roles)\n",
		    u(plan->left_out_roles));
	if (run->opt->of_shards > 1)
		fprintf(out, "shard      %u of %u: %llu of %llu sessions\n",
		    (unsigned)run->opt->shard, (unsigned)run->opt->of_shards,
		    u(plan->n), u(plan->n_whole));
}

static void
print_times(const struct dry *dry, FILE *out)
{
	const struct replay_options *opt = dry->run->opt;
	const struct plan *plan = dry->run->plan;
	int64_t first = plan->n > 0 ? plan->vclients[0].start_ns : 0;
	int64_t last = plan->n > 0 ? plan->vclients[plan->n - 1].start_ns : 0;

	fprintf(out, "starts     within %.3f s", (double)(last - first) / 1e9);
	if (plan->ramp_ns > 0)
		fprintf(out, ", over a ramp of %.3f s",
		    (double)plan->ramp_ns / 1e9);
	fprintf(out, "\nlength     %.3f s", (double)plan->length_ns / 1e9);
	if (opt->loop == 0)
		fputs(" a round, without end", out);
	else if (opt->loop > 1)
		fprintf(out, " a round, %llu rounds", u(opt->loop));
	if (opt->duration_ns > 0)
		fprintf(out, ", stopped after %.3f s",
		    (double)opt->duration_ns / 1e9);
	fputc('\n', out);
}

static void
print_rate(const struct dry *dry, FILE *out)
{
	uint32_t most = 0;
	double s = (double)dry->last_due_ns / 1e9;

	fprintf(out, "frames     %llu, %llu bytes%s\n", u(dry->frames),
	    u(dry->bytes), dry->run->opt->loop != 1 ? ", a round" : "");
	if (dry->seconds == NULL) {
		fputs("rate       as much as the target takes\n", out);
		return;
	}
	for (int64_t i = 0; i < dry->n_seconds; i++)
		most = dry->seconds[i] > most ? dry->seconds[i] : most;
	fprintf(out,
	    "rate       %.0f frames a second on average, %u in the busiest"
	    " second\n",
	    s > 1 ? (double)dry->frames / s : (double)dry->frames,
	    (unsigned)most);
}

static int
by_key(const void *a, const void *b)
{
	const struct key_row *x = *(const struct key_row *const *)a;
	const struct key_row *y = *(const struct key_row *const *)b;

	if (x->frames != y->frames)
		return x->frames < y->frames ? 1 : -1;
	return x->key < y->key ? -1 : x->key > y->key;
}

static void
print_keys(const struct dry *dry, FILE *out)
{
	struct key_row **rows =
	    (struct key_row **)map_sorted(&dry->keys, by_key);

	fprintf(out, "\n%12s %14s  key\n", "frames", "bytes");
	for (size_t i = 0; rows != NULL && i < dry->keys.n && i < KEYS_SHOWN;
	     i++) {
		int32_t key = (int32_t)(uint32_t)rows[i]->key;
		const char *name = keys_name(dry->run->keys, key);

		fprintf(out, "%12llu %14llu  ", u(rows[i]->frames),
		    u(rows[i]->bytes));
		if (key == 0)
			fputs("none\n", out);
		else
			fprintf(out, "0x%08x%s%s\n", (unsigned)rows[i]->key,
			    name != NULL ? " " : "", name != NULL ? name : "");
	}
	if (dry->keys.n > KEYS_SHOWN)
		fprintf(
		    out, "and %llu keys more\n", u(dry->keys.n - KEYS_SHOWN));
	free(rows);
}

static int
by_node(const void *a, const void *b)
{
	const struct node_row *x = *(const struct node_row *const *)a;
	const struct node_row *y = *(const struct node_row *const *)b;

	if (x->frames != y->frames)
		return x->frames < y->frames ? 1 : -1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static void
print_node(const struct dry_run *run, const struct node_row *row, FILE *out)
{
	const struct replay_options *opt = run->opt;

	fprintf(out, "%12llu %14llu  ", u(row->frames), u(row->id));
	for (size_t i = 0; i < opt->n_maps; i++) {
		if (opt->maps[i].from == row->id) {
			fprintf(out, "%llu (--map-node)\n", u(opt->maps[i].to));
			return;
		}
	}
	fputs(row->played ? "its live id\n" : "the same\n", out);
}

static void
print_nodes(const struct dry *dry, FILE *out)
{
	struct node_row **rows =
	    (struct node_row **)map_sorted(&dry->nodes, by_node);

	if (dry->nodes.n > 0)
		fprintf(out, "\n%12s %14s  is sent to\n", "frames", "to node");
	for (size_t i = 0; rows != NULL && i < dry->nodes.n && i < NODES_SHOWN;
	     i++)
		print_node(dry->run, rows[i], out);
	if (dry->nodes.n > NODES_SHOWN)
		fprintf(out, "and %llu nodes more\n",
		    u(dry->nodes.n - NODES_SHOWN));
	free(rows);
}

static void
print_target(const struct dry_run *run, FILE *out)
{
	const struct targets *targets = run->targets;
	char text[ADDRESS_CHARS];

	for (size_t g = 0; g < targets->n_given; g++) {
		const struct targets_given *given = &targets->given[g];

		fprintf(out, "target     %s", given->name);
		for (size_t i = 0; i < given->target.n_addresses; i++) {
			(void)address_format(&given->target.addresses[i], text);
			if (strcmp(text, given->name) != 0)
				fprintf(
				    out, "%s%s", i == 0 ? ", " : " or ", text);
		}
		if (given->relay[0] != '\0')
			fprintf(out, ", in place of %s", given->relay);
		fputs(run->opt->client.tls ? ", TLS\n" : "\n", out);
	}
}

/* What goes where, if there is more than one place. */
static void
print_places(const struct dry_run *run, FILE *out)
{
	const struct targets *targets = run->targets;
	char text[ADDRESS_CHARS];

	if (targets->n_places < 2 && targets->n_relays < 2)
		return;
	fprintf(out, "relays     %u captured, %u to play to\n",
	    targets->n_relays, targets->n_places);
	for (uint32_t i = 0; i < targets->n_places; i++)
		fprintf(out, "%12llu  sessions to %s\n",
		    u(targets_count(targets, run->plan, i)),
		    address_format(&targets->places[i].addresses[0], text));
}

void
dry_run_print(const struct dry_run *run, FILE *out)
{
	struct dry dry;

	if (!dry_init(&dry, run))
		cli_die("out of memory");
	count_all(&dry);
	print_target(run, out);
	if (run->opt->how[0] != '\0')
		fprintf(out, "how        %s\n", run->opt->how);
	print_sessions(&dry, out);
	print_places(run, out);
	print_times(&dry, out);
	print_rate(&dry, out);
	print_keys(&dry, out);
	print_nodes(&dry, out);
	dry_free(&dry);
}
