/* SPDX-License-Identifier: MIT */
/* cmd/relay/control: the commands. Asking and answering: relay_control.bats. */
#include "cmd/relay/control.h"

#include "tests/unit/unit.h"

static const struct {
	const char *line;
	enum control_verb verb;
	enum bnet_role role;
	uint64_t id;
	unsigned bits;
	enum log_level level;
} good_rows[] = {
	{ "list", CONTROL_LIST, 0, 0, 0, 0 },
	{ "  list \t", CONTROL_LIST, 0, 0, 0, 0 },
	{ "blocked", CONTROL_BLOCKED, 0, 0, 0, 0 },
	{ "show node 7", CONTROL_SHOW, BNET_ROLE_NODE, 7, 0, 0 },
	{ "kick  client  1", CONTROL_KICK, BNET_ROLE_CLIENT, 1, 0, 0 },
	{ "drain node 9223372036854775807", CONTROL_DRAIN, BNET_ROLE_NODE,
	    INT64_MAX, 0, 0 },
	{ "block 10.0.0.0/8", CONTROL_BLOCK, 0, 0, 104, 0 },
	{ "unblock fd00::/8", CONTROL_UNBLOCK, 0, 0, 8, 0 },
	{ "block 127.0.0.1", CONTROL_BLOCK, 0, 0, 128, 0 },
	{ "log-level error", CONTROL_LOG_LEVEL, 0, 0, 0, LOG_LEVEL_ERROR },
	{ "log-level debug", CONTROL_LOG_LEVEL, 0, 0, 0, LOG_LEVEL_DEBUG },
};

START_TEST(good)
{
	char err[CONTROL_ERR_CHARS] = "";
	struct control_command command;

	ck_assert_msg(control_parse(good_rows[_i].line, &command, err),
	    "%s: %s", good_rows[_i].line, err);
	ck_assert_int_eq(command.verb, good_rows[_i].verb);
	ck_assert_int_eq(command.role, good_rows[_i].role);
	ck_assert_uint_eq(command.id, good_rows[_i].id);
	ck_assert_uint_eq(command.block.bits, good_rows[_i].bits);
	ck_assert_int_eq(command.level, good_rows[_i].level);
}
END_TEST

static const struct {
	const char *line, *want;
} bad_rows[] = {
	{ "", "expected list, show ROLE ID" },
	{ " \t ", "expected list, show ROLE ID" },
	{ "hello", "\"hello\": expected list, show" },
	{ "LIST", "\"LIST\": expected list, show" },
	{ "list\n", "\"list\n\": expected list, show" },
	{ "list all", "\"list all\": expected nothing after list" },
	{ "list a b c d e f", "expected nothing after list" },
	{ "show", "expected \"client\" or \"node\", and an id after show" },
	{ "kick node", "and an id after kick" },
	{ "kick 7", "and an id after kick" },
	{ "kick relay 7", "and an id after kick" },
	{ "kick node 7 8", "and an id after kick" },
	{ "kick node 0", "and an id after kick" },
	{ "kick node -1", "and an id after kick" },
	{ "kick node +1", "and an id after kick" },
	{ "kick node 7x", "and an id after kick" },
	{ "kick node 7\n", "and an id after kick" },
	{ "kick node 18446744073709551616", "and an id after kick" },
	{ "block", "expected an address, or ADDRESS/BITS" },
	{ "block 10.0.0.1/8", "expected an address, or ADDRESS/BITS" },
	{ "block localhost", "expected an address, or ADDRESS/BITS" },
	{ "unblock 10.0.0.0/33", "after unblock" },
	{ "log-level", "expected error, warn, info or debug after log-level" },
	{ "log-level loud", "expected error, warn, info or debug" },
};

START_TEST(bad)
{
	char err[CONTROL_ERR_CHARS] = "";
	struct control_command command;

	ck_assert_msg(!control_parse(bad_rows[_i].line, &command, err), "%s",
	    bad_rows[_i].line);
	ck_assert_msg(strstr(err, bad_rows[_i].want) != NULL, "%s", err);
}
END_TEST

/* The longest line is one byte shorter than its buffer. */
START_TEST(too_long)
{
	char line[CONTROL_LINE_BYTES + 1], err[CONTROL_ERR_CHARS] = "";
	struct control_command command;

	memset(line, ' ', sizeof(line));
	memcpy(line, "list", 4);
	line[CONTROL_LINE_BYTES] = '\0';
	ck_assert(!control_parse(line, &command, err));
	ck_assert_str_eq(err, "expected a command of at most 255 bytes");
	line[CONTROL_LINE_BYTES - 1] = '\0';
	ck_assert(control_parse(line, &command, err));
	/* all of it in the message */
	memset(line, 'x', CONTROL_LINE_BYTES - 1);
	ck_assert(!control_parse(line, &command, err));
	ck_assert_ptr_nonnull(strstr(err, "or log-level LEVEL"));
}
END_TEST

static Suite *
control_suite(void)
{
	Suite *suite = suite_create("control");
	TCase *tc = unit_case(suite, "commands");

	tcase_add_loop_test(tc, good, 0, UNIT_ROWS(good_rows));
	tcase_add_loop_test(tc, bad, 0, UNIT_ROWS(bad_rows));
	tcase_add_test(tc, too_long);
	return suite;
}

UNIT_MAIN(control_suite)
