/* SPDX-License-Identifier: MIT */
/* Captured ids become live ones, in the header and nowhere else. */
#include "cmd/replay/play/rewrite.h"
#include "proto/message.h"
#include "tests/unit/unit.h"

#define OWN 12 /* captured ids */
#define RELAY 1001
#define MATE 13 /* session 1, which is played */
#define ABSENT 14 /* session 2, which is not */

#define LIVE_OWN 512
#define LIVE_RELAY 2002
#define LIVE_MATE 700
#define LIVE_MATE_CLONE 701

#define NOW_US 5000000

struct row {
	const char *name;
	struct bnet_header in, out;
	uint32_t ref;
};

#define NODE BNET_DEST_NODE
#define CLIENT BNET_DEST_CLIENT

static const struct row rows[] = {
	{ "own source", { .source = OWN, .key = 9 },
	    { .source = LIVE_OWN, .key = 9 }, TAPE_NONE },
	{ "no source stays none", { .key = 9 }, { .key = 9 }, TAPE_NONE },
	{ "another's source stays", { .source = 77 }, { .source = 77 },
	    TAPE_NONE },
	{ "to another client", { .dest_type = CLIENT, .dest = MATE },
	    { .dest_type = CLIENT, .dest = LIVE_MATE }, 1 },
	{ "to ourselves", { .dest_type = CLIENT, .dest = OWN },
	    { .dest_type = CLIENT, .dest = LIVE_OWN }, TAPE_NONE },
	{ "to somebody who does not play",
	    { .dest_type = CLIENT, .dest = ABSENT },
	    { .dest_type = CLIENT, .dest = ABSENT }, 2 },
	{ "to a node that is mapped", { .dest_type = NODE, .dest = 7 },
	    { .dest_type = NODE, .dest = 107 }, TAPE_NONE },
	{ "to a node that is not", { .dest_type = NODE, .dest = 8 },
	    { .dest_type = NODE, .dest = 8 }, TAPE_NONE },
	{ "to a node of the number that we have as a client",
	    { .dest_type = NODE, .dest = OWN },
	    { .dest_type = NODE, .dest = OWN }, TAPE_NONE },
	{ "to the relay itself", { .dest_type = NODE, .dest = RELAY },
	    { .dest_type = NODE, .dest = LIVE_RELAY }, TAPE_NONE },
	{ "an id in another space is another id",
	    { .dest_type = BNET_DEST_ANY, .dest = MATE },
	    { .dest_type = BNET_DEST_ANY, .dest = MATE }, TAPE_NONE },
	{ "a ping", { .timestamp = 123 }, { .timestamp = NOW_US }, TAPE_NONE },
	{ "a ping that wants one back",
	    { .timestamp = BNET_TIMESTAMP_PING_BACK | 1 },
	    { .timestamp = BNET_TIMESTAMP_PING_BACK | NOW_US }, TAPE_NONE },
	{ "everything else",
	    { .serial = 5, .latency_ms = 6, .priority = true, .key = -1 },
	    { .serial = 5, .latency_ms = 6, .priority = true, .key = -1 },
	    TAPE_NONE },
};

static struct replay_options opt;
static struct plan_vclient vclients[] = { { .session = 1 }, { .session = 0 },
	{ .session = 1, .clone = 3 } };
static const struct plan plan = { .vclients = vclients, .n = 3 };
static const struct tape_session own = { .id = OWN, .relay_id = RELAY };
static struct id_map id_map;
static struct rewrite rewrite;
static struct rewrite_scratch scratch;
static struct tape_record *record;

static const struct id_map_who mate = { .vclient = 0, .captured = MATE };
static const struct id_map_who me = { .vclient = 1, .captured = OWN };
static const struct id_map_who mate_clone = { .vclient = 2, .captured = MATE };

static void
setup(void)
{
	opt = (struct replay_options){ .maps = { { 7, 107 } }, .n_maps = 1 };
	ck_assert(id_map_init(&id_map, &plan, true));
	id_map_set(&id_map, &mate, LIVE_MATE);
	id_map_set(&id_map, &me, LIVE_OWN);
	id_map_set(&id_map, &mate_clone, LIVE_MATE_CLONE);
	rewrite = (struct rewrite){ .id = LIVE_OWN, .relay_id = LIVE_RELAY };
	rewrite_scratch_init(&scratch);
	record = NULL;
}

static void
teardown(void)
{
	free(record);
	rewrite_scratch_free(&scratch);
	id_map_free(&id_map);
}

static const struct rewrite_context *
context_of(uint32_t clone)
{
	static struct rewrite_context context;

	context =
	    (struct rewrite_context){ &opt, &id_map, &own, clone, 0, NOW_US };
	return &context;
}

/* A record of that header, `tail` behind it, and references of its forks. */
static void
make(const struct bnet_header *header, const uint64_t *forks, uint32_t ref,
    const char *tail, const uint32_t *refs)
{
	size_t refs_bytes = header->forks * sizeof(*refs);
	struct bnet_buf oob;
	uint8_t *p;

	bnet_buf_init(&oob, 4096);
	ck_assert_int_eq(bnet_header_encode(header, forks, &oob), BNET_OK);
	ck_assert_int_eq(
	    bnet_buf_append(&oob,
		(struct bnet_slice){ (const uint8_t *)tail, strlen(tail) }),
	    BNET_OK);
	free(record);
	record = calloc(1, sizeof(*record) + oob.len + 4 + refs_bytes);
	ck_assert_ptr_nonnull(record);
	record->flags = TAPE_R_OOB | TAPE_R_HEADER;
	record->oob_bytes = (uint32_t)oob.len;
	record->ref = ref;
	record->n_refs = header->forks;
	p = (uint8_t *)(record + 1);
	memcpy(p, oob.p, oob.len);
	if (refs_bytes > 0)
		memcpy(p + (oob.len + 3) / 4 * 4, refs, refs_bytes);
	bnet_buf_free(&oob);
}

/* Rewrites, and decodes what that gave. */
static struct bnet_slice
run(uint32_t clone, struct bnet_header *header, struct bnet_bits_rd *forks,
    size_t *trailing)
{
	struct bnet_header told;
	struct bnet_slice oob;

	ck_assert(rewrite_header(
	    &rewrite, &scratch, context_of(clone), record, &oob, &told));
	ck_assert_int_eq(
	    bnet_header_decode(oob, header, forks, trailing), BNET_OK);
	ck_assert(told.source == header->source && told.dest == header->dest &&
	    told.key == header->key && told.timestamp == header->timestamp);
	return oob;
}

START_TEST(each_row)
{
	const struct row *row = &rows[_i];
	struct bnet_header header;
	struct bnet_bits_rd forks;
	size_t trailing;

	make(&row->in, NULL, row->ref, "tail", NULL);
	for (int again = 0; again < 2; again++) {
		run(0, &header, &forks, &trailing);
		ck_assert_msg(header.source == row->out.source &&
			header.dest == row->out.dest &&
			header.dest_type == row->out.dest_type &&
			header.key == row->out.key &&
			header.serial == row->out.serial &&
			header.latency_ms == row->out.latency_ms &&
			header.priority == row->out.priority &&
			header.timestamp == row->out.timestamp,
		    "%s", row->name);
		ck_assert_uint_eq(trailing, 4);
	}
}
END_TEST

START_TEST(nothing_to_change_is_not_encoded_anew)
{
	const struct bnet_header in = { .key = 5 };
	struct bnet_header header;
	struct bnet_bits_rd forks;
	size_t trailing;
	struct bnet_slice oob;

	make(&in, NULL, TAPE_NONE, "", NULL);
	oob = run(0, &header, &forks, &trailing);
	ck_assert_ptr_eq(oob.p, tape_oob(record).p);
}
END_TEST

START_TEST(clones_talk_to_clones)
{
	const struct bnet_header in = { .dest_type = CLIENT, .dest = MATE };
	struct bnet_header header;
	struct bnet_bits_rd forks;
	size_t trailing;

	make(&in, NULL, 1, "", NULL);
	rewrite.memo_in_bytes = 0;
	run(3, &header, &forks, &trailing);
	ck_assert_int_eq(header.dest, LIVE_MATE_CLONE);
}
END_TEST

START_TEST(a_new_id_is_seen)
{
	const struct bnet_header in = { .dest_type = CLIENT, .dest = MATE };
	struct bnet_header header;
	struct bnet_bits_rd forks;
	size_t trailing;

	make(&in, NULL, 1, "", NULL);
	run(0, &header, &forks, &trailing);
	ck_assert_int_eq(header.dest, LIVE_MATE);
	id_map_set(&id_map, &mate, 900);
	run(0, &header, &forks, &trailing);
	ck_assert_int_eq(header.dest, 900);
	/* not the captured one, which may be somebody else's here */
	id_map_left(&id_map, &mate, 900);
	run(0, &header, &forks, &trailing);
	ck_assert_int_eq(header.dest, 900);
}
END_TEST

START_TEST(forks_are_mapped_one_by_one)
{
	const struct bnet_header in = { .dest_type = CLIENT, .forks = 3 };
	const uint64_t ids[] = { MATE, ABSENT, OWN };
	const uint32_t refs[] = { 1, 2, 0 };
	const uint64_t want[] = { LIVE_MATE, ABSENT, LIVE_OWN };
	struct bnet_header header;
	struct bnet_bits_rd forks;
	size_t trailing;

	make(&in, ids, TAPE_NONE, "xy", refs);
	run(0, &header, &forks, &trailing);
	ck_assert_uint_eq(header.forks, 3);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(bnet_bits_u64(&forks), want[i]);
	ck_assert_uint_eq(trailing, 2);
}
END_TEST

START_TEST(what_is_no_header_stays)
{
	const struct bnet_header in = { .key = 1 };
	struct bnet_header header;
	struct bnet_slice oob;

	make(&in, NULL, TAPE_NONE, "", NULL);
	record->oob_bytes = 1;
	ck_assert(!rewrite_header(
	    &rewrite, &scratch, context_of(0), record, &oob, &header));
	ck_assert_ptr_eq(oob.p, tape_oob(record).p);
	ck_assert_uint_eq(oob.len, 1);
}
END_TEST

START_TEST(who_is_coming)
{
	uint32_t round;

	ck_assert(!id_map_is_coming(&id_map, 0, 1, 0));
	ck_assert(!id_map_is_coming(&id_map, 0, 9, 0));
	id_map_left(&id_map, &mate, LIVE_MATE);
	ck_assert(!id_map_is_coming(&id_map, 0, 1, 0));
	round = id_map_new_round(&id_map);
	ck_assert(id_map_is_coming(&id_map, round, 1, 0));
	ck_assert(id_map_is_coming(&id_map, round, 1, 3));
	ck_assert(!id_map_is_coming(&id_map, round, 9, 0));
}
END_TEST

/* A round begins while virtual clients of the last one are there. */
START_TEST(rounds_overlap)
{
	struct id_map_who again = mate;

	again.round = id_map_new_round(&id_map);
	id_map_set(&id_map, &again, 901);
	ck_assert_uint_eq(id_map_id(&id_map, 0, 1, 0), LIVE_MATE);
	ck_assert_uint_eq(id_map_id(&id_map, again.round, 1, 0), 901);
	id_map_left(&id_map, &mate, LIVE_MATE);
	ck_assert_uint_eq(id_map_id(&id_map, again.round, 1, 0), 901);
	ck_assert_uint_eq(id_map_captured(&id_map, 0, false, 901), MATE);
	ck_assert_uint_eq(
	    id_map_captured(&id_map, 0, false, LIVE_MATE), LIVE_MATE);
	/* the next one got the very id that was left */
	again.round = id_map_new_round(&id_map);
	id_map_left(
	    &id_map, &mate_clone, 0); /* of long ago, and never had one */
	ck_assert(id_map_is_coming(&id_map, again.round, 1, 3));
	id_map_set(&id_map, &again, 901);
	again.round--;
	id_map_left(&id_map, &again, 901);
	ck_assert_uint_eq(id_map_id(&id_map, again.round + 1, 1, 0), 901);
	ck_assert_uint_eq(id_map_captured(&id_map, 0, false, 901), MATE);
}
END_TEST

/* What is left of a round of long ago waits for nobody, and takes no place. */
START_TEST(a_round_of_long_ago)
{
	struct id_map_who late = mate;

	late.round = id_map_new_round(&id_map);
	for (int i = 1; i < ID_MAP_ROUNDS; i++)
		(void)id_map_new_round(&id_map);
	ck_assert(id_map_is_coming(&id_map, late.round, 1, 0));
	id_map_set(&id_map, &late, 901);
	ck_assert_uint_eq(id_map_id(&id_map, late.round, 1, 0), 901);
	(void)id_map_new_round(&id_map);
	ck_assert(!id_map_is_coming(&id_map, late.round, 1, 0));
	ck_assert_uint_eq(id_map_id(&id_map, late.round, 1, 0), 0);
	id_map_set(&id_map, &late, 902);
	ck_assert(id_map_is_coming(&id_map, late.round + ID_MAP_ROUNDS, 1, 0));
}
END_TEST

START_TEST(the_way_back)
{
	ck_assert_uint_eq(id_map_captured(&id_map, 0, false, LIVE_OWN), OWN);
	ck_assert_uint_eq(
	    id_map_captured(&id_map, 0, false, LIVE_MATE_CLONE), MATE);
	ck_assert_uint_eq(id_map_captured(&id_map, 0, false, 4242), 4242);
	/* clients and nodes are numbered apart */
	ck_assert_uint_eq(
	    id_map_captured(&id_map, 0, true, LIVE_OWN), LIVE_OWN);
	/* another got the id before its old owner was forgotten */
	id_map_set(&id_map, &mate, LIVE_OWN);
	id_map_left(&id_map, &me, LIVE_OWN);
	ck_assert_uint_eq(id_map_captured(&id_map, 0, false, LIVE_OWN), MATE);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("replay_rewrite");
	TCase *tc = unit_case(suite, "rewrite");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, each_row, 0, UNIT_ROWS(rows));
	tcase_add_test(tc, nothing_to_change_is_not_encoded_anew);
	tcase_add_test(tc, clones_talk_to_clones);
	tcase_add_test(tc, a_new_id_is_seen);
	tcase_add_test(tc, forks_are_mapped_one_by_one);
	tcase_add_test(tc, what_is_no_header_stays);
	tcase_add_test(tc, who_is_coming);
	tcase_add_test(tc, rounds_overlap);
	tcase_add_test(tc, a_round_of_long_ago);
	tcase_add_test(tc, the_way_back);
	return suite;
}

UNIT_MAIN(make_suite)
