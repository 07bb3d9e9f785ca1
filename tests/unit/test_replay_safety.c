/* SPDX-License-Identifier: MIT */
/* cmd/replay/safety, and the line of progress */
#include "cmd/replay/progress.h"
#include "cmd/replay/safety.h"
#include "tests/unit/unit.h"

/* ---- targets ---- */

static const struct {
	const char *target;
	const char *allow; /* NULL: none */
	bool ok;
} targets[] = {
	{ "127.0.0.1:26000", NULL, true },
	{ "127.9.9.9:26000", NULL, true },
	{ "[::1]:26000", NULL, true },
	{ "[::ffff:127.0.0.1]:26000", NULL, true },
	{ "10.1.2.3:26000", NULL, true },
	{ "172.16.0.1:26000", NULL, true },
	{ "172.32.0.1:26000", NULL, false },
	{ "192.168.1.1:26000", NULL, true },
	{ "169.254.1.1:26000", NULL, true },
	{ "[fd12::1]:26000", NULL, true },
	{ "[fe80::1]:26000", NULL, true },
	{ "8.8.8.8:26000", NULL, false },
	{ "[::ffff:8.8.8.8]:26000", NULL, false },
	{ "[2001:db8::1]:26000", NULL, false },
	{ "8.8.8.8:26000", "8.8.8.8", true },
	{ "8.8.8.8:26000", "8.8.8.0/24", true },
	{ "8.8.9.8:26000", "8.8.8.0/24", false },
	{ "[::ffff:8.8.8.8]:26000", "8.8.8.8", true },
	{ "[2001:db8::1]:26000", "2001:db8::/32", true },
	{ "[2001:db9::1]:26000", "2001:db8::/32", false },
	{ "8.8.8.8:26000", "::/0", false },
	{ "8.8.8.8:26000", "0.0.0.0/0", true },
};

START_TEST(out_there)
{
	struct address target;
	struct cidr allow;
	struct safety safety = { &target, 1, &allow, 0 };
	char err[CLI_ERR_CHARS] = "";
	bool ok;

	ck_assert(
	    address_parse(targets[_i].target, ADDRESS_PORT_NONE, &target));
	if (targets[_i].allow != NULL) {
		ck_assert(cidr_parse(targets[_i].allow, &allow));
		safety.n_allow = 1;
	}
	ok = safety_targets_allowed(&safety, err);
	ck_assert_msg(ok == targets[_i].ok, "%s: %s", targets[_i].target, err);
	if (!ok) {
		ck_assert_ptr_nonnull(strstr(err, targets[_i].target));
		ck_assert_ptr_nonnull(strstr(err, "--allow"));
	}
}
END_TEST

/* A name can have several addresses: each counts. */
START_TEST(each_address)
{
	struct address all[2];
	struct safety safety = { all, 2, NULL, 0 };
	char err[CLI_ERR_CHARS] = "";

	ck_assert(address_parse("10.0.0.1:1", ADDRESS_PORT_NONE, &all[0]));
	ck_assert(address_parse("8.8.8.8:1", ADDRESS_PORT_NONE, &all[1]));
	ck_assert(!safety_targets_allowed(&safety, err));
	ck_assert_ptr_nonnull(strstr(err, "8.8.8.8:1"));
	ck_assert(safety_end_allowed(&safety, "10.0.0.2:5", err));
	ck_assert(!safety_end_allowed(&safety, "8.8.8.8:5", err));
}
END_TEST

/* ---- ends of captured connections ---- */

static const struct {
	const char *target, *end;
	bool ok;
} ends[] = {
	{ "10.0.0.1:26000", "10.0.0.2:26000", true },
	{ "10.0.0.1:26000", "10.0.0.1:26000", false },
	{ "10.0.0.1:26000", "10.0.0.1:55555", false },
	{ "[::ffff:10.0.0.1]:26000", "10.0.0.1:1", false },
	{ "10.0.0.1:26000", "[::ffff:10.0.0.1]:1", false },
	{ "[fd00::1]:26000", "[fd00::1]:1", false },
	{ "[fd00::1]:26000", "[fd00::2]:1", true },
	{ "[fd00::1]:26000", "[FD00:0:0::1]:1", false },
	{ "127.0.0.1:26000", "127.0.0.1:26000", true },
	{ "127.0.0.1:26000", "127.0.0.1:1", true },
	{ "[::1]:26000", "[::1]:1", true },
	{ "[::ffff:127.0.0.1]:26000", "127.0.0.1:1", true },
	{ "10.0.0.1:26000", "", false },
	{ "10.0.0.1:26000", "10.0.0.1", false },
	{ "10.0.0.1:26000", "host:1", false },
};

START_TEST(captured)
{
	struct address target;
	/* what is allowed is not what was captured */
	struct cidr allow = { .bits = 0 };
	struct safety safety = { &target, 1, &allow, 1 };
	char err[CLI_ERR_CHARS] = "";

	ck_assert(address_parse(ends[_i].target, ADDRESS_PORT_NONE, &target));
	ck_assert_msg(
	    safety_end_allowed(&safety, ends[_i].end, err) == ends[_i].ok,
	    "%s %s: %s", ends[_i].target, ends[_i].end, err);
	ck_assert_msg((err[0] == '\0') == ends[_i].ok, "%s", err);
}
END_TEST

START_TEST(production)
{
	ck_assert(safety_is_production("production"));
	ck_assert(safety_is_production("Production"));
	ck_assert(safety_is_production("PRODUCTION"));
	ck_assert(!safety_is_production("staging"));
	ck_assert(!safety_is_production("pre-production"));
	ck_assert(!safety_is_production(""));
}
END_TEST

/* ---- progress ---- */

static const struct play_progress seen = { .sessions_planned = 20,
	.ready = 5,
	.sent = 500,
	.errors = 3,
	.late_p99_ns = 80000 };

static const struct {
	unsigned width;
	struct progress_view view;
	const char *line;
} lines[] = {
	{ 0, { &seen, 12 * INT64_C(1000000000), 0, 0, 1234, true },
	    "12 s: 5 of 20 sessions, 1234 frames/s, p99 0.080 ms late,"
	    " 3 errors" },
	{ 120,
	    { &seen, 30 * INT64_C(1000000000), 120 * INT64_C(1000000000), 0,
		1234, true },
	    "[##########..............................]  25 % 5 of 20 "
	    "sessions, 1234"
	    " frames/s, p99 0.080 ms late, 3 errors, 1:30 left" },
	{ 70, { &seen, 10 * INT64_C(1000000000), 0, 1000, 7, false },
	    "[######......]  50 % 5 of 20 sessions, 7 frames/s, 3 errors,"
	    " 0:10 left" },
	{ 30, { &seen, 10 * INT64_C(1000000000), 0, 1000, 7, false },
	    "5 of 20 sessions, 7 frames/s, " },
	{ 79, { &seen, 10 * INT64_C(1000000000), 0, 0, 7, true },
	    "5 of 20 sessions, 7 frames/s, p99 0.080 ms late, 3 errors" },
	{ 1, { &seen, 10 * INT64_C(1000000000), 0, 0, 7, true }, "5" },
};

START_TEST(line_of_progress)
{
	char line[PROGRESS_LINE_CHARS];

	progress_format(line, lines[_i].width, &lines[_i].view);
	ck_assert_str_eq(line, lines[_i].line);
}
END_TEST

/* Whatever the numbers, it fits. */
START_TEST(width)
{
	const struct play_progress huge = { .sessions_planned = UINT64_MAX,
		.ready = UINT64_MAX,
		.failed = UINT64_MAX,
		.sent = UINT64_MAX,
		.errors = UINT64_MAX,
		.late_p99_ns = INT64_MAX };
	const struct progress_view view = { &huge, INT64_MAX, 1, 1, 1e300,
		true };
	char line[PROGRESS_LINE_CHARS];

	for (unsigned n = 1; n < 2 * PROGRESS_LINE_CHARS; n++) {
		progress_format(line, n, &view);
		ck_assert_uint_le(strlen(line), n);
	}
	progress_format(line, 0, &view);
}
END_TEST

static Suite *
replay_safety_suite(void)
{
	Suite *suite = suite_create("replay safety");
	TCase *tc = unit_case(suite, "targets");

	tcase_add_loop_test(tc, out_there, 0, UNIT_ROWS(targets));
	tcase_add_test(tc, each_address);
	tcase_add_loop_test(tc, captured, 0, UNIT_ROWS(ends));
	tcase_add_test(tc, production);
	tc = unit_case(suite, "progress");
	tcase_add_loop_test(tc, line_of_progress, 0, UNIT_ROWS(lines));
	tcase_add_test(tc, width);
	return suite;
}

UNIT_MAIN(replay_safety_suite)
