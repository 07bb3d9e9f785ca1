/* SPDX-License-Identifier: MIT */
/* Files of scenarios: what is good, and what is told of the rest. */
#include "cmd/replay/scenario/ids.h"
#include "cmd/replay/scenario/run.h"
#include "cmd/replay/scenario/script.h"
#include "tests/unit/unit.h"
#include "tests/unit/temp_file.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HEAD "scenario a-1\nsection 4.3\nabout b c\n"

static const struct {
	const char *text, *err; /* err behind the path */
} bad[] = {
	{ "", ": expected a scenario" },
	{ "# nothing\n\n", ": expected a scenario" },
	{ "join a $r\n", ":1: expected 'scenario NAME' before: join a $r" },
	{ "section 1\n", ":1: expected 'scenario NAME' before section" },
	{ "scenario A b\n", ":1: expected a name of a-z, 0-9 and -, not: A b" },
	{ "scenario a\nabout b\njoin a $r\n",
	    ":3: expected 'section N' in scenario a" },
	{ "scenario a\nsection 1\njoin a $r\n",
	    ":3: expected 'about TEXT' in scenario a" },
	{ "scenario a\nsection one\n",
	    ":2: expected a section such as 4.3, not: one" },
	{ "scenario a\nsection 1\nsection 2\n", ":3: repeated: section" },
	{ HEAD, ":3: no commands in scenario a-1" },
	{ HEAD "needs money\n", ":4: expected 'needs node', not: money" },
	{ HEAD "rules theirs\n",
	    ":4: expected 'rules ours stock', not: theirs" },
	{ HEAD "rules\n", ":4: expected 'rules ours stock', not: " },
	{ HEAD "with -k\n",
	    ":4: expected options of a relay such as --keepalive 1s, not:"
	    " -k" },
	{ HEAD "with --capture x\n",
	    ":4: expected options of a relay such as --keepalive 1s, not:"
	    " --capture x" },
	{ HEAD "with --trace\nwith --trace\n", ":5: repeated: with" },
	{ HEAD "terminate\n", ":4: expected 'with OPTIONS' before terminate" },
	{ HEAD "jion a $r\n", ":4: unknown command jion" },
	{ HEAD "repeat 3 jion a $r\n", ":4: unknown command jion" },
	{ HEAD "raw a file=/etc/passwd\n",
	    ":4: scenarios cannot read files: raw a file=/etc/passwd" },
	{ HEAD "hello a name=\"b c\n",
	    ":4: a \" is not closed: hello a name=\"b c" },
	{ HEAD "join a $r\n" HEAD, ":5: there is already a scenario a-1" },
};

static struct scenarios all;
static char err[SCENARIO_ERR_CHARS];

static bool
reads(const char *text, size_t n)
{
	temp_write(text, n);
	return scenarios_read(&all, temp_path, err);
}

START_TEST(each_bad_file)
{
	ck_assert(!reads(bad[_i].text, strlen(bad[_i].text)));
	ck_assert_msg(
	    strncmp(err, temp_path, strlen(temp_path)) == 0, "%s", err);
	ck_assert_str_eq(err + strlen(temp_path), bad[_i].err);
	ck_assert_uint_eq(all.n, 0);
}
END_TEST

START_TEST(a_byte_of_zero)
{
	ck_assert(!reads("scenario a\0b\n", 13));
	ck_assert_ptr_nonnull(strstr(err, ":1: a zero byte"));
}
END_TEST

START_TEST(a_good_file)
{
	static const char text[] =
	    "# first\n" HEAD "needs node\n\n\tjoin a $r \n"
	    "scenario z\nsection 5\nabout d\n"
	    "repeat 2 echo a\n";

	ck_assert_msg(reads(text, strlen(text)), "%s", err);
	ck_assert_uint_eq(all.n, 2);
	ck_assert_str_eq(all.list[0].name, "a-1");
	ck_assert_str_eq(all.list[0].section, "4.3");
	ck_assert_str_eq(all.list[0].about, "b c");
	ck_assert(all.list[0].needs_node && !all.list[1].needs_node);
	ck_assert_uint_eq(all.list[0].line, 2);
	ck_assert_uint_eq(all.list[0].n_lines, 1);
	ck_assert_uint_eq(all.list[0].lines[0].number, 7);
	ck_assert_str_eq(all.list[0].lines[0].text, "join a $r");
	scenarios_free(&all);
}
END_TEST

static const char *
the_manual(void)
{
	const char *fixtures = getenv("BNET_FIXTURES"); /* beside them */
	static char manual[1 << 16];
	char name[512];
	FILE *f;

	snprintf(name, sizeof(name), "%s/../man/bluenet-scenario.5",
	    fixtures != NULL ? fixtures : "fixtures");
	f = fopen(name, "r");
	ck_assert_msg(f != NULL, "%s", name);
	ck_assert_uint_gt(fread(manual, 1, sizeof(manual) - 1, f), 0);
	fclose(f);
	return manual;
}

START_TEST(every_command_is_in_the_manual)
{
	const char *manual = the_manual();
	char word[64];

	for (size_t i = 0; peer_command_name(i) != NULL; i++) {
		snprintf(word, sizeof(word), "Ic %s ", peer_command_name(i));
		if (strstr(manual, word) == NULL)
			word[strlen(word) - 1] = '\n'; /* mute has no words */
		ck_assert_msg(strstr(manual, word) != NULL, "no %s",
		    peer_command_name(i));
	}
}
END_TEST

START_TEST(every_short_name_is_in_the_manual)
{
	const char *manual = the_manual();
	char line[128];

	for (const struct peer_short *s = peer_shorts; s->name != NULL; s++) {
		snprintf(
		    line, sizeof(line), ".It %s Ta %s\n", s->name, s->field);
		ck_assert_msg(strstr(manual, line) != NULL, "no %s", line);
	}
}
END_TEST

/* ---- the fields of messages ---- */

static struct peer_event *
event_of(const struct bnet_message *m)
{
	struct bnet_packet p = { .has_oob = true, .has_header = true };
	struct peer_event *ev;
	struct bnet_buf body;

	bnet_buf_init(&body, 4096);
	ck_assert_int_eq(bnet_message_encode(m, &body), BNET_OK);
	p.header.key = bnet_message_key(m->type);
	p.payload = bnet_buf_slice(&body);
	ev = peer_event_packet(&p, BNET_OK);
	bnet_buf_free(&body);
	return ev;
}

static void
says(const struct peer_event *ev, const char *name, const char *want)
{
	char *value = peer_event_field(ev, name, strlen(name));

	ck_assert_msg(value != NULL, "no %s: %s", name, ev->text);
	if (want != NULL)
		ck_assert_str_eq(value, want);
	free(value);
}

START_TEST(every_field_of_a_message)
{
	const struct bnet_message m = { .type = (enum bnet_message_type)_i };
	struct peer_event *ev = event_of(&m);
	size_t n;
	const struct bnet_field *field = bnet_message_fields(m.type, &n);

	for (; n > 0; n--, field++) {
		says(ev, field->name, NULL);
		if (field->kind == BNET_FIELD_LIST)
			says(ev, "n", "0");
		for (const struct peer_short *s = peer_shorts; s->name != NULL;
		     s++)
			if (strcmp(s->field, field->name) == 0)
				says(ev, s->name, NULL);
	}
	peer_event_free(ev);
}
END_TEST

static const struct bnet_roster_entry entry = { 7, BNET_ROLE_NODE,
	{ "jita", 4 }, 5 };
static const struct bnet_echo_hop hops[] = { { 42, 1, 2 }, { 43, 3, 4 } };

static const struct bnet_message messages[] = {
	{ BNET_MSG_HELLO,
	    { .hello = { 1, 2, 7, 3, 500, { "a b", 3 }, { "hush", 4 } } } },
	{ BNET_MSG_WELCOME,
	    { .welcome = { 1, 100, 42, 3, 1000, 5000, { "test", 4 },
		  { "gate", 4 }, 99 } } },
	{ BNET_MSG_ERROR,
	    { .error = { 3, BNET_DEST_CLIENT, 9, 1788429030, 1,
		  { "gone", 4 } } } },
	{ BNET_MSG_ROSTER_REPLY, { .roster_reply = { true, 1, &entry } } },
	{ BNET_MSG_ECHO_REPLY, { .echo = { 8, 1, 2, 2, hops, 3, 4 } } },
};

static const struct {
	size_t message; /* of messages */
	const char *name, *value;
} values[] = {
	{ 0, "wanted_id", "7" },
	{ 0, "id", "7" },
	{ 0, "name", "a_b" },
	{ 0, "token", "1" },
	{ 1, "id", "100" },
	{ 1, "relay_id", "42" },
	{ 1, "relay", "42" },
	{ 1, "relay_name", "gate" },
	{ 1, "name", "gate" },
	{ 1, "keepalive_ms", "5000" },
	{ 1, "keepalive", "5000" },
	{ 1, "frame_max_bytes", "1000" },
	{ 1, "maxframe", "1000" },
	{ 1, "time", "99" },
	{ 2, "dest", "client:9" },
	{ 2, "key", "bluenet.hello" },
	{ 2, "reason", "gone" },
	{ 3, "more", "1" },
	{ 3, "n", "1" },
	{ 3, "entries", "7:node:jita" },
	{ 4, "n", "2" },
	{ 4, "hops", "42,43" },
	{ 4, "sent_ns", "1" },
	{ 4, "received", "3" },
	{ 4, "replied_ns", "4" },
};

START_TEST(each_value)
{
	struct peer_event *ev = event_of(&messages[values[_i].message]);

	says(ev, values[_i].name, values[_i].value);
	ck_assert_ptr_null(strstr(ev->text, "hush"));
	peer_event_free(ev);
}
END_TEST

/* The exit status of a scenario whose hello wants that id. */
static int
status_of(uint32_t role, uint64_t id)
{
	int status = 0;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		peer_ids_check(role, id);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Whoever does not say which ids are taken loses none. */
START_TEST(ids_of_a_target_that_does_not_say)
{
	ck_assert(peer_ids_new(false));
	ck_assert_int_eq(status_of(BNET_ROLE_NODE, 7), PEER_ID_TAKEN);
	ck_assert_int_eq(status_of(BNET_ROLE_CLIENT, 7), PEER_ID_TAKEN);
	ck_assert_int_eq(status_of(BNET_ROLE_NODE, 0), 0);
	ck_assert(peer_ids_new(true));
	ck_assert_int_eq(status_of(BNET_ROLE_NODE, 7), 0);
}
END_TEST

/* An answer of a roster, as a connection of the name "c" has it. */
static void
reply(struct peer_conn *c, bool more, const struct bnet_roster_entry *entries,
    uint32_t n)
{
	struct bnet_message m = { .type = BNET_MSG_ROSTER_REPLY };

	m.u.roster_reply.more = more;
	m.u.roster_reply.n = n;
	m.u.roster_reply.entries = entries;
	*c->last = event_of(&m);
	c->last = &(*c->last)->next;
}

START_TEST(ids_that_the_roster_names)
{
	const uint64_t far = UINT64_C(8589934601);
	const struct bnet_roster_entry
	    first = { far, BNET_ROLE_NODE, bnet_string_of("far"), 0 },
	    second[] = { { 7, BNET_ROLE_NODE, bnet_string_of("a\n#"), 0 },
		    { far + 2, BNET_ROLE_CLIENT, bnet_string_of(""), 0 } };
	struct bnet_message welcome = { .type = BNET_MSG_WELCOME };
	struct peer_conn c = { .fd = -1, .last = &c.first };

	welcome.u.welcome.relay_id = far + 1;
	c.seen = event_of(&welcome);
	reply(&c, true, &first, 1);
	reply(&c, false, second, 2);
	ck_assert(peer_ids_new(false));
	peer_ids_ask(&c);
	peer_event_free(c.seen);
	ck_assert_int_eq(status_of(BNET_ROLE_NODE, far), PEER_ID_TAKEN);
	ck_assert_int_eq(status_of(BNET_ROLE_NODE, far + 1), PEER_ID_TAKEN);
	ck_assert_int_eq(status_of(BNET_ROLE_NODE, 7), PEER_ID_TAKEN);
	/* clients have their own numbers */
	ck_assert_int_eq(status_of(BNET_ROLE_CLIENT, 7), 0);
	ck_assert_int_eq(status_of(BNET_ROLE_NODE, 8), 0);
	ck_assert_uint_eq(peer_ids_free(1), far + 3);
	ck_assert_uint_eq(peer_ids_free(2), far + 4);
	ck_assert(peer_ids_new(true));
	ck_assert_uint_eq(peer_ids_free(1), far);
	ck_assert_uint_eq(peer_ids_free(9), far + 8);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("replay_scenario");
	TCase *tc = unit_case(suite, "scenario");

	tcase_add_checked_fixture(tc, temp_setup, temp_teardown);
	tcase_add_loop_test(tc, each_bad_file, 0, UNIT_ROWS(bad));
	tcase_add_test(tc, a_byte_of_zero);
	tcase_add_test(tc, a_good_file);
	tcase_add_test(tc, every_command_is_in_the_manual);
	tcase_add_test(tc, every_short_name_is_in_the_manual);
	tcase_add_loop_test(
	    tc, every_field_of_a_message, BNET_MSG_NONE + 1, BNET_N_MSGS);
	tcase_add_loop_test(tc, each_value, 0, UNIT_ROWS(values));
	tcase_add_test(tc, ids_of_a_target_that_does_not_say);
	tcase_add_test(tc, ids_that_the_roster_names);
	return suite;
}

UNIT_MAIN(make_suite)
