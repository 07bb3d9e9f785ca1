/* SPDX-License-Identifier: MIT */
/* Captures made by hand, and what is in the tapes that are made of them. */
#include "tests/unit/replay_capture_make.h"

#define KEY 4242
#define TOKEN "0123456789-a-secret-token"

static struct make make;
static struct tape *tape;
static int fd;

static void
setup(void)
{
	make_open(&make);
	tape = NULL;
	fd = -1;
}

static void
teardown(void)
{
	tape_close(tape);
	close(fd);
	unlink(make.path);
}

static void
compile_it(const char *expression)
{
	const char *const paths[] = { make.path };
	struct filter_error wrong;
	struct compile_settings set = { .paths = paths, .n_paths = 1 };
	struct filter *filter = NULL;

	if (expression != NULL) {
		filter = filter_compile(expression, &wrong);
		ck_assert_ptr_nonnull(filter);
	}
	set.filter = filter;
	make_end(&make);
	tape = make_tape(&set, &fd);
	filter_free(filter);
}

/* Record number i of a chain; it has to be there. */
static const struct tape_record *
record(uint32_t session, enum cap_dir dir, uint32_t i)
{
	const struct tape_record *at = tape_first(tape, session, dir);

	while (at != NULL && i-- > 0)
		at = tape_next(tape, at);
	ck_assert_ptr_nonnull(at);
	return at;
}

static void
say(struct conn *conn, enum cap_dir dir, struct bnet_header header,
    const char *text)
{
	if (header.key == 0)
		header.key = KEY;
	make_frame(&make, conn, dir, &header, NULL,
	    (struct bnet_slice){ (const uint8_t *)text, strlen(text) },
	    BNET_CODEC_NONE);
}

static struct bnet_message
hello_of(uint32_t role)
{
	return (struct bnet_message){ .type = BNET_MSG_HELLO,
		.u.hello = { .version = BNET_PROTOCOL_VERSION,
		    .role = role,
		    .wanted_id = 77,
		    .codecs = 3,
		    .frame_max_bytes = 5000,
		    .name = { "Jita", 4 },
		    .token = { TOKEN, sizeof(TOKEN) - 1 } } };
}

/* It connects, and is told its id. */
static void
arrive(struct conn *conn, uint32_t role, uint64_t id)
{
	struct bnet_message hello = hello_of(role);
	struct bnet_message welcome = { .type = BNET_MSG_WELCOME,
		.u.welcome = { .version = BNET_PROTOCOL_VERSION,
		    .id = id,
		    .relay_id = 900 } };

	make_syn(&make, conn);
	make_message(&make, conn, CAP_UP, &hello);
	make_message(&make, conn, CAP_DOWN, &welcome);
}

/* ---- hello ---- */

/* Not plain, nor as bits: no eight bytes of the token in a row. */
static void
no_token(void)
{
	static uint8_t bytes[MAKE_BYTES];
	ssize_t n = pread(fd, bytes, sizeof(bytes), 0);
	struct bnet_message hello = hello_of(BNET_ROLE_CLIENT);
	struct bnet_buf body;

	ck_assert_int_gt(n, 0);
	ck_assert_int_lt(n, (ssize_t)sizeof(bytes));
	bnet_buf_init(&body, MAKE_BYTES);
	unit_err("body", bnet_message_encode(&hello, &body), BNET_OK);
	for (size_t at = body.len - 24; at + 8 <= body.len; at++)
		ck_assert_ptr_null(
		    memmem(bytes, (size_t)n, bnet_buf_slice(&body).p + at, 8));
	ck_assert_ptr_null(memmem(bytes, (size_t)n, TOKEN, 8));
	bnet_buf_free(&body);
}

START_TEST(what_a_hello_said_but_its_token)
{
	struct conn conn = CONN(3000, CAP_PORT);
	const struct tape_session *session;

	arrive(&conn, BNET_ROLE_NODE, 77);
	compile_it(NULL);
	session = tape_session(tape, 0);
	ck_assert_uint_eq(tape_head(tape)->n_sessions, 1);
	ck_assert_uint_eq(session->role, BNET_ROLE_NODE);
	ck_assert_uint_eq(session->wanted_id, 77);
	ck_assert_uint_eq(session->codecs, 3);
	ck_assert_uint_eq(session->frame_max_bytes, 5000);
	ck_assert_uint_eq(session->id, 77);
	ck_assert_uint_eq(session->relay_id, 900);
	ck_assert_int_eq(session->ready_ns, 3000000);
	ck_assert_uint_eq(session->flags, TAPE_S_HELLO | TAPE_S_MESSAGES);
	ck_assert_str_eq(tape_text(tape, session->name), "Jita");
	ck_assert_str_eq(tape_text(tape, session->end[0]), "10.0.0.1:3000");
	ck_assert_str_eq(tape_text(tape, session->end[1]), "10.0.0.2:26000");
	ck_assert_uint_eq(record(0, CAP_UP, 0)->payload_bytes, 0);
	ck_assert(record(0, CAP_UP, 0)->flags & TAPE_R_HELLO);
	no_token();
}
END_TEST

static const struct odd_hello {
	const char *name;
	enum cap_dir dir;
	enum bnet_codec_id codec;
	int64_t dest_type;
	size_t n_cut; /* at its end: malformed */
} odd_hellos[] = {
	{ "zlib", CAP_UP, BNET_CODEC_ZLIB, BNET_DEST_HOP, 0 },
	{ "snappy", CAP_UP, BNET_CODEC_SNAPPY, BNET_DEST_HOP, 0 },
	{ "cut", CAP_UP, BNET_CODEC_NONE, BNET_DEST_HOP, 3 },
	{ "cut and compressed", CAP_UP, BNET_CODEC_SNAPPY, BNET_DEST_HOP, 3 },
	{ "to a node", CAP_UP, BNET_CODEC_NONE, BNET_DEST_NODE, 0 },
	{ "to the client", CAP_DOWN, BNET_CODEC_NONE, BNET_DEST_HOP, 0 },
};

START_TEST(no_token_of_an_odd_hello)
{
	const struct odd_hello *row = &odd_hellos[_i];
	const struct bnet_header header = { .dest_type = row->dest_type,
		.dest = 5,
		.key = bnet_message_key(BNET_MSG_HELLO) };
	struct bnet_message hello = hello_of(BNET_ROLE_CLIENT);
	struct conn conn = CONN(3000, CAP_PORT);
	struct bnet_buf body;

	bnet_buf_init(&body, MAKE_BYTES);
	unit_err(row->name, bnet_message_encode(&hello, &body), BNET_OK);
	body.len -= row->n_cut;
	make_syn(&make, &conn);
	make_frame(&make, &conn, row->dir, &header, NULL, bnet_buf_slice(&body),
	    row->codec);
	bnet_buf_free(&body);
	compile_it(NULL);
	ck_assert_uint_eq(record(0, row->dir, 0)->payload_bytes, 0);
	no_token();
}
END_TEST

/* ---- whose id ---- */

/* Id 5 is the first's, then nobody's, then the second's. */
START_TEST(ids_are_used_again)
{
	struct conn first = CONN(3000, CAP_PORT), second = CONN(3002, CAP_PORT);
	struct conn asks = CONN(3001, CAP_PORT);
	const struct bnet_header to = { .dest_type = BNET_DEST_CLIENT,
		.dest = 5 };

	arrive(&first, BNET_ROLE_CLIENT, 5);
	arrive(&asks, BNET_ROLE_NODE, 6);
	say(&asks, CAP_UP, to, "one");
	make_fin(&make, &first);
	/* a minute in which others speak: a silent one may be the clock's */
	for (int i = 0; i < 60; i++) {
		make.now_ms += 1000;
		make_packet(&make, &asks, CAP_UP, TCP_ACK, nothing);
	}
	say(&asks, CAP_UP, to, "two");
	arrive(&second, BNET_ROLE_CLIENT, 5);
	say(&asks, CAP_UP, to, "three");
	compile_it(NULL);
	ck_assert_uint_eq(record(1, CAP_UP, 1)->ref, 0);
	ck_assert_uint_eq(record(1, CAP_UP, 2)->ref, TAPE_NONE);
	ck_assert_uint_eq(record(1, CAP_UP, 3)->ref, 2);
}
END_TEST

/* Nodes and clients are numbered apart, and each relay numbers its own. */
START_TEST(ids_are_of_a_kind_and_a_relay)
{
	struct conn node = CONN(3000, CAP_PORT), client = CONN(3001, CAP_PORT);
	struct conn other = CONN(3002, CAP_PORT);
	struct bnet_header to = { .dest_type = BNET_DEST_NODE, .dest = 5 };

	arrive(&node, BNET_ROLE_NODE, 5);
	arrive(&client, BNET_ROLE_CLIENT, 5);
	other.host[1] = 9;
	arrive(&other, BNET_ROLE_CLIENT, 6);
	say(&client, CAP_UP, to, "to the node");
	say(&other, CAP_UP, to, "to nobody here");
	to.dest_type = BNET_DEST_CLIENT;
	say(&client, CAP_UP, to, "to itself");
	to.dest_type = BNET_DEST_ANY;
	say(&client, CAP_UP, to, "to any");
	compile_it(NULL);
	ck_assert_uint_eq(record(1, CAP_UP, 1)->ref, 0);
	ck_assert_uint_eq(record(2, CAP_UP, 1)->ref, TAPE_NONE);
	ck_assert_uint_eq(record(1, CAP_UP, 2)->ref, 1);
	ck_assert_uint_eq(record(1, CAP_UP, 3)->ref, TAPE_NONE);
}
END_TEST

START_TEST(forks_have_one_each)
{
	static const uint64_t ids[] = { 5, 4711, 6 };
	struct conn a = CONN(3000, CAP_PORT), b = CONN(3001, CAP_PORT);
	const struct bnet_header to = {
		.dest_type = BNET_DEST_CLIENT, .key = KEY, .forks = 3
	};
	const struct tape_record *got;

	arrive(&a, BNET_ROLE_CLIENT, 5);
	arrive(&b, BNET_ROLE_CLIENT, 6);
	make_frame(&make, &b, CAP_UP, &to, ids,
	    (struct bnet_slice){ (const uint8_t *)"abc", 3 }, BNET_CODEC_NONE);
	compile_it(NULL);
	got = record(1, CAP_UP, 1);
	ck_assert_uint_eq(got->n_refs, 3);
	ck_assert(got->flags & TAPE_R_FORKS);
	ck_assert_uint_eq(tape_ref(got, 0), 0);
	ck_assert_uint_eq(tape_ref(got, 1), TAPE_NONE);
	ck_assert_uint_eq(tape_ref(got, 2), 1);
}
END_TEST

/* Without a welcome: by what is sent to it. */
START_TEST(a_stock_client_has_an_id)
{
	struct conn conn = CONN(3000, CAP_PORT);
	const struct bnet_header to = {
		.dest_type = BNET_DEST_CLIENT, .dest = 12, .source = 7
	};

	make_syn(&make, &conn);
	say(&conn, CAP_UP,
	    (struct bnet_header){ .dest_type = BNET_DEST_NODE, .dest = 7 },
	    "hello?");
	say(&conn, CAP_DOWN, to, "hello");
	compile_it(NULL);
	ck_assert_uint_eq(tape_session(tape, 0)->id, 12);
	ck_assert_uint_eq(tape_session(tape, 0)->role, 0);
	ck_assert_uint_eq(tape_session(tape, 0)->flags &
		(TAPE_S_HELLO | TAPE_S_MESSAGES | TAPE_S_NO_START),
	    0);
}
END_TEST

/* ---- requests ---- */

START_TEST(answers_and_the_time_between)
{
	struct conn conn = CONN(3000, CAP_PORT);
	const struct bnet_header ask = { .dest_type = BNET_DEST_NODE,
		.dest = 7 };
	const struct bnet_header answer = {
		.dest_type = BNET_DEST_CLIENT, .dest = 5, .source = 7
	};
	struct bnet_message keepalive = { .type = BNET_MSG_KEEPALIVE };

	arrive(&conn, BNET_ROLE_CLIENT, 5);
	say(&conn, CAP_UP, ask, "one");
	make.now_ms += 10;
	say(&conn, CAP_DOWN, answer, "answer to one");
	make.now_ms += 20;
	make_message(&make, &conn, CAP_UP, &keepalive);
	say(&conn, CAP_UP, ask, "two");
	say(&conn, CAP_UP, ask, "three");
	say(&conn, CAP_DOWN, answer, "answer to two");
	compile_it(NULL);
	ck_assert(record(0, CAP_UP, 1)->flags & TAPE_R_ANSWERED);
	ck_assert_uint_eq(record(0, CAP_UP, 1)->answers_before, 0);
	ck_assert(record(0, CAP_DOWN, 1)->flags & TAPE_R_ANSWER);
	ck_assert(record(0, CAP_UP, 2)->flags & TAPE_R_KEEPALIVE);
	ck_assert(record(0, CAP_UP, 3)->flags & TAPE_R_ANSWERED);
	ck_assert_uint_eq(record(0, CAP_UP, 3)->answers_before, 1);
	/* since the answer: the keepalive in between is not sent again */
	ck_assert_int_eq(record(0, CAP_UP, 3)->think_ns, 22000000);
	ck_assert_int_eq(record(0, CAP_UP, 4)->think_ns, 1000000);
	ck_assert(!(record(0, CAP_UP, 4)->flags & TAPE_R_ANSWERED));
	ck_assert_uint_eq(tape_session(tape, 0)->n_answered, 2);
	ck_assert_uint_eq(tape_head(tape)->coverage.answered, 2);
	ck_assert_uint_eq(tape_head(tape)->coverage.keepalive_frames, 1);
}
END_TEST

/* ---- what is left out ---- */

START_TEST(a_filter_chooses_what_is_sent)
{
	struct conn some = CONN(3000, CAP_PORT), none = CONN(3001, CAP_PORT);
	const struct tape_coverage *coverage;
	const struct bnet_header to = { .dest_type = BNET_DEST_ANY };
	struct bnet_header other = to;

	other.key = KEY + 1;
	arrive(&some, BNET_ROLE_CLIENT, 5);
	arrive(&none, BNET_ROLE_CLIENT, 6);
	say(&some, CAP_UP, other, "no");
	say(&some, CAP_UP, to, "yes");
	say(&none, CAP_UP, other, "no");
	compile_it("key == 4242");
	coverage = &tape_head(tape)->coverage;
	ck_assert_uint_eq(tape_session(tape, 0)->n[CAP_UP], 2);
	ck_assert_int_eq(record(0, CAP_UP, 1)->key, KEY);
	ck_assert(tape_session(tape, 1)->flags & TAPE_S_LEFT_OUT);
	ck_assert_uint_eq(coverage->left_out[TAPE_FILTERED], 1);
	ck_assert_uint_eq(coverage->filtered_frames, 2);
	ck_assert_uint_eq(coverage->frames[CAP_UP], 2);
	ck_assert_uint_eq(coverage->frames[CAP_DOWN], 1);
}
END_TEST

START_TEST(who_only_listens_is_played)
{
	struct conn listens = CONN(3000, CAP_PORT);
	struct conn silent = CONN(3001, CAP_PORT), mute = CONN(3002, CAP_PORT);

	arrive(&listens, BNET_ROLE_CLIENT, 5);
	make_syn(&make, &silent);
	make_syn(&make, &mute);
	say(&mute, CAP_DOWN, (struct bnet_header){ .dest_type = 2, .dest = 9 },
	    "to somebody who never spoke");
	compile_it(NULL);
	ck_assert(!(tape_session(tape, 0)->flags & TAPE_S_LEFT_OUT));
	ck_assert(tape_session(tape, 1)->flags & TAPE_S_LEFT_OUT);
	ck_assert_uint_eq(tape_head(tape)->coverage.streams, 3);
	ck_assert_uint_eq(
	    tape_head(tape)->coverage.left_out[TAPE_NOTHING_SENT], 1);
	ck_assert_uint_eq(
	    tape_head(tape)->coverage.left_out[TAPE_NO_FRAMES], 1);
}
END_TEST

START_TEST(gaps_are_told)
{
	struct conn conn = CONN(3000, CAP_PORT);
	const struct bnet_header to = { .dest_type = BNET_DEST_ANY };

	arrive(&conn, BNET_ROLE_CLIENT, 5);
	say(&conn, CAP_UP, to, "one");
	conn_lose(&conn, CAP_UP, 100);
	say(&conn, CAP_UP, to, "two");
	say(&conn, CAP_UP, to, "three");
	compile_it(NULL);
	ck_assert(tape_session(tape, 0)->flags & TAPE_S_GAPS);
	ck_assert_uint_eq(tape_head(tape)->coverage.events[CAP_GAP], 1);
	ck_assert_uint_eq(tape_head(tape)->coverage.event_bytes[CAP_GAP], 100);
	ck_assert_int_eq(tape_session(tape, 0)->n[CAP_UP], 4);
}
END_TEST

/* The same ends again, later: another session. */
START_TEST(a_port_used_again)
{
	const struct bnet_header to = { .dest_type = BNET_DEST_ANY };

	for (int i = 0; i < 2; i++) {
		struct conn conn = CONN(3000, CAP_PORT);

		conn.seq[0] += (uint32_t)i * 70000;
		make_syn(&make, &conn);
		say(&conn, CAP_UP, to, "again");
		make_fin(&make, &conn);
		make.now_ms += 100;
	}
	compile_it(NULL);
	ck_assert_uint_eq(tape_head(tape)->n_sessions, 2);
	ck_assert_uint_ne(
	    tape_session(tape, 0)->hash, tape_session(tape, 1)->hash);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("replay_compile");
	TCase *tc = unit_case(suite, "compile");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_a_hello_said_but_its_token);
	tcase_add_loop_test(
	    tc, no_token_of_an_odd_hello, 0, UNIT_ROWS(odd_hellos));
	tcase_add_test(tc, ids_are_used_again);
	tcase_add_test(tc, ids_are_of_a_kind_and_a_relay);
	tcase_add_test(tc, forks_have_one_each);
	tcase_add_test(tc, a_stock_client_has_an_id);
	tcase_add_test(tc, answers_and_the_time_between);
	tcase_add_test(tc, a_filter_chooses_what_is_sent);
	tcase_add_test(tc, who_only_listens_is_played);
	tcase_add_test(tc, gaps_are_told);
	tcase_add_test(tc, a_port_used_again);
	return suite;
}

UNIT_MAIN(make_suite)
