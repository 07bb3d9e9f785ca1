/* SPDX-License-Identifier: MIT */
/* cmd/decode/statistics: io, echo and health of it */
#include "tests/unit/failmalloc.h"
#include "tests/unit/stat_events.h"

static const struct {
	const char *arg;
	const char *title; /* NULL: it is refused */
} intervals[] = {
	{ "io,1s", "Traffic in intervals of 1 s" },
	{ "io,0.5", "Traffic in intervals of 0.5 s" },
	{ "io,500ms", "Traffic in intervals of 0.5 s" },
	{ "io,1.5m", "Traffic in intervals of 90 s" },
	{ "io,2h", "Traffic in intervals of 7200 s" },
	{ "io,250us", "Traffic in intervals of 0.00025 s" },
	{ "io,1ns", "Traffic in intervals of 1e-09 s" },
	{ "io,31622400", "Traffic in intervals of 3.16224e+07 s" },
	{ "io,31622401", NULL },
	{ "io,0.5ns", NULL },
	{ "io", NULL },
	{ "io,", NULL },
	{ "io,s", NULL },
	{ "io,.", NULL },
	{ "io,0", NULL },
	{ "io,-1", NULL },
	{ "io,1.2.3", NULL },
	{ "io,1 s", NULL },
	{ "io,1d", NULL },
	{ "io,inf", NULL },
	{ "io,0x10", NULL },
	{ "io,1e9", NULL },
	{ "io,11111111111111111111111111111111", NULL },
};

START_TEST(interval)
{
	struct statistics *st = statistics_new();
	char err[256], *text;
	bool ok = statistics_add(st, intervals[_i].arg, err, sizeof(err));

	ck_assert_msg(
	    ok == (intervals[_i].title != NULL), "%s", intervals[_i].arg);
	if (ok) {
		text = told(st, false, NULL);
		*strchr(text, '\n') = '\0';
		ck_assert_str_eq(text, intervals[_i].title);
		free(text);
	} else {
		ck_assert_ptr_nonnull(strstr(err, "is no interval"));
	}
	statistics_free(st);
}
END_TEST

#define IO_COLUMNS \
	"[\"start_s\",\"time\",\"intervals\",\"frames_up\",\"bytes_up\"," \
	"\"frames_down\",\"bytes_down\",\"losses\",\"lost_bytes\"]"

/* Late frames, an interval between, a short empty run and a long one. */
START_TEST(io)
{
	struct statistics *st = made_statistics("io,100ms");
	struct cap_stream stream = made_stream(0);
	const struct bnet_packet frame = { .size_bytes = 96 };

	tell_frame(st, &stream, CAP_UP, T0, &frame, NULL);
	tell_frame(st, &stream, CAP_UP, T0 + 100 * MS - 1, &frame, NULL);
	tell_frame(st, &stream, CAP_DOWN, T0 + 300 * MS, &frame, NULL);
	tell_frame(st, &stream, CAP_DOWN, T0 + 50 * MS, &frame, NULL);
	tell_frame(st, &stream, CAP_UP, T0 - 1, &frame, NULL);
	tell_loss(st, &stream, CAP_GAP, T0 + 300 * MS, 40, "missing");
	tell_loss(st, &stream, CAP_OVERLAP, T0 + 300 * MS, 40, "differs");
	tell_frame(st, &stream, CAP_UP, T0 + 1000 * MS, &frame, NULL);
	check_table(st, NULL, "io",
	    "[" IO_COLUMNS ",["
	    "[-0.1,\"1763850857.900000000\",1,1,100,0,0,0,0],"
	    "[0.0,\"1763850858.000000000\",1,2,200,1,100,0,0],"
	    "[0.1,\"1763850858.100000000\",1,0,0,0,0,0,0],"
	    "[0.2,\"1763850858.200000000\",1,0,0,0,0,0,0],"
	    "[0.3,\"1763850858.300000000\",1,0,0,1,100,1,40],"
	    "[0.4,\"1763850858.400000000\",6,0,0,0,0,0,0],"
	    "[1.0,\"1763850859.000000000\",1,1,100,0,0,0,0]]]");
	check_text(st, NULL);
	statistics_free(st);
}
END_TEST

/* Times that a hostile capture may claim: two rows, and no overflow. */
START_TEST(io_far_apart)
{
	struct statistics *st = made_statistics("io,1ns");
	struct cap_stream stream = made_stream(0);
	const struct bnet_packet frame = { .size_bytes = 96 };
	char *text;

	for (int i = 0; i < 2; i++) {
		tell_frame(st, &stream, CAP_UP, INT64_MAX, &frame, NULL);
		tell_frame(st, &stream, CAP_UP, INT64_MIN, &frame, NULL);
		tell_frame(st, &stream, CAP_UP, 0, &frame, NULL);
	}
	text = told(st, false, NULL);
	ck_assert_ptr_nonnull(strstr(text, "empty intervals"));
	free(text);
	statistics_free(st);
}
END_TEST

/* ---- echo ------------------------------------------------------------- */

struct tell_echo {
	uint64_t stream;
	enum cap_dir dir;
	int ms;
	bool reply;
	uint64_t cookie, sent_ns;
	uint32_t flags;
	int64_t dest_type, dest;
};

static void
tell_echo(struct statistics *st, const struct tell_echo *e)
{
	struct cap_stream stream = made_stream(e->stream);
	const struct bnet_packet frame = { .size_bytes = 50,
		.has_oob = true,
		.has_header = true,
		.header.key = BNET_KEY_ECHO,
		.header.dest_type = e->dest_type,
		.header.dest = e->dest };
	const struct bnet_message message = {
		.type = e->reply ? BNET_MSG_ECHO_REPLY : BNET_MSG_ECHO,
		.u.echo = { .cookie = e->cookie,
		    .sent_ns = e->sent_ns,
		    .flags = e->flags }
	};
	const struct cap_event event = { .type = CAP_FRAME,
		.dir = e->dir,
		.time_ns = T0 + e->ms * MS,
		.clock_ns = T0 + e->ms * MS,
		.stream = &stream,
		.frame = &frame };
	const struct record record = { .event = &event,
		.message_type = message.type,
		.message = &message };

	statistics_record(st, &record);
}

#define ECHO_COLUMNS \
	"[\"kind\",\"id\",\"layer\",\"count\",\"replies\",\"lost\"," \
	"\"min_s\",\"max_s\",\"avg_s\",\"stddev_s\"]"

START_TEST(echo)
{
	static const struct tell_echo told_of[] = {
		/* answered out of order: 10 and 20 ms */
		{ 0, CAP_UP, 0, false, 1, 100, 0, BNET_DEST_NODE, 7 },
		{ 0, CAP_UP, 5, false, 2, 105, 0, BNET_DEST_NODE, 7 },
		{ 0, CAP_DOWN, 15, true, 2, 105, 0, BNET_DEST_CLIENT, 3 },
		{ 0, CAP_DOWN, 20, true, 1, 100, 0, BNET_DEST_CLIENT, 3 },
		/* the other layer of the same node: 90 ms, and one lost */
		{ 0, CAP_UP, 20, false, 3, 1, 1, BNET_DEST_NODE, 7 },
		{ 0, CAP_DOWN, 110, true, 3, 1, 1, BNET_DEST_CLIENT, 3 },
		{ 0, CAP_UP, 120, false, 4, 1, 1, BNET_DEST_NODE, 7 },
		/* the same cookie: other streams, directions and askers */
		{ 1, CAP_DOWN, 200, false, 4, 1, 0, BNET_DEST_NODE, 8 },
		{ 1, CAP_DOWN, 202, false, 4, 2, 0, BNET_DEST_NODE, 8 },
		{ 1, CAP_DOWN, 203, true, 4, 1, 0, BNET_DEST_CLIENT, 3 },
		{ 1, CAP_UP, 204, true, 4, 1, 0, BNET_DEST_CLIENT, 3 },
		{ 1, CAP_UP, 212, true, 4, 2, 0, BNET_DEST_CLIENT, 3 },
		{ 1, CAP_UP, 212, true, 4, 2, 0, BNET_DEST_CLIENT, 3 },
		/* asked again before the reply: 5 ms, and one lost */
		{ 2, CAP_UP, 300, false, 9, 1, 0, BNET_DEST_HOP, 0 },
		{ 2, CAP_UP, 310, false, 9, 1, 0, BNET_DEST_HOP, 0 },
		{ 2, CAP_DOWN, 315, true, 9, 1, 0, BNET_DEST_CLIENT, 3 },
	};
	struct statistics *st = made_statistics("echo");

	for (int i = 0; i < UNIT_ROWS(told_of); i++)
		tell_echo(st, &told_of[i]);
	check_table(st, NULL, "echo",
	    "[" ECHO_COLUMNS ",["
	    "[\"all\",null,\"both\",8,6,2,0.004,0.09,0.023167,0.030334],"
	    "[\"all\",null,\"service\",2,1,1,0.09,0.09,0.09,0.0],"
	    "[\"all\",null,\"network\",6,5,1,0.004,0.02,0.0098,0.005671],"
	    "[\"hop\",0,\"network\",2,1,1,0.005,0.005,0.005,0.0],"
	    "[\"node\",7,\"network\",2,2,0,0.01,0.02,0.015,0.005],"
	    "[\"node\",7,\"service\",2,1,1,0.09,0.09,0.09,0.0],"
	    "[\"node\",8,\"network\",2,2,0,0.004,0.01,0.007,0.003]],"
	    "[\"replies without an echo: 2\","
	    "\"echoes sent again before a reply: 1\"]]");
	check_text(st, NULL);
	statistics_free(st);
}
END_TEST

/* More outstanding than are kept: the oldest are given up, and said so. */
START_TEST(echo_ceiling)
{
	struct statistics *st = made_statistics("echo");
	struct tell_echo e = { .dest_type = BNET_DEST_NODE };
	char *text;

	for (int i = 0; i < 70000; i++) {
		e.cookie = (uint64_t)i;
		e.dest = i % 5000;
		tell_echo(st, &e);
	}
	e.reply = true;
	e.dir = CAP_DOWN;
	for (int i = 0; i < 70000; i++) {
		e.cookie = (uint64_t)i;
		tell_echo(st, &e);
	}
	text = told(st, true, NULL);
	ck_assert_ptr_nonnull(
	    strstr(text, "[\"all\",null,\"both\",70000,65536,4464,0.000000,"));
	ck_assert_ptr_nonnull(
	    strstr(text, "\"replies without an echo: 4464\""));
	ck_assert_ptr_nonnull(strstr(
	    text, "\"echoes given up, as too many were outstanding: 4464\""));
	/* 904 of 5,000 ids have no row, of 14 echoes each */
	ck_assert_ptr_nonnull(strstr(
	    text, "\"echoes to (others), as there were too many ids: 12656\""));
	ck_assert_ptr_nonnull(
	    strstr(text, "[\"(others)\",null,\"network\",12656,"));
	free(text);
	statistics_free(st);
}
END_TEST

/* An echo that there is no memory to remember is counted, and said. */
START_TEST(echo_no_memory)
{
	struct statistics *st = made_statistics("echo");
	struct tell_echo e = { .dest_type = BNET_DEST_NODE, .dest = 7 };

	failmalloc_arm(1, true);
	tell_echo(st, &e);
	failmalloc_stop();
	check_table(st, NULL, "echo",
	    "[" ECHO_COLUMNS ",["
	    "[\"all\",null,\"both\",1,0,1,null,null,null,null],"
	    "[\"all\",null,\"network\",1,0,1,null,null,null,null],"
	    "[\"(others)\",null,\"network\",1,0,1,null,null,null,null]],"
	    "[\"echoes given up, as too many were outstanding: 1\","
	    "\"echoes to (others), as there were too many ids: 1\"]]");
	statistics_free(st);
}
END_TEST

/* ---- health ----------------------------------------------------------- */

#define HEALTH_ROWS_NONE \
	"[\"not TCP\",null,0,null],[\"TCP on other ports\",null,0,null]," \
	"[\"packets cut short\",null,0,null]," \
	"[\"packets dropped\",null,0,null]," \
	"[\"bad packets\",null,0,null],[\"IP fragments\",null,0,null]," \
	"[\"made whole of them\",null,0,null],"

START_TEST(health)
{
	struct cap_counters counters = { .packets = 10,
		.packet_bytes = 900,
		.segments = 9,
		.segment_bytes = 800,
		.retransmissions = 2,
		.retransmitted_bytes = 33,
		.streams = 4,
		.streams_selected = 3,
		.keyless_streams = 1,
		.events = { [CAP_FRAME] = 7,
		    [CAP_GAP] = 1,
		    [CAP_MALFORMED] = 3 },
		.event_bytes = {
		    [CAP_FRAME] = 700, [CAP_GAP] = 50, [CAP_MALFORMED] = 24 } };
	struct statistics *st = made_statistics("health");
	struct cap_stream stream = made_stream(0);
	const char zlib[] = "bad zlib payload";

	tell_loss(st, &stream, CAP_MALFORMED, T0, 8, "bad zlib payload");
	tell_loss(st, &stream, CAP_MALFORMED, T0, 6, zlib);
	tell_loss(st, &stream, CAP_MALFORMED, T0, 10, NULL);
	tell_loss(st, &stream, CAP_GAP, T0, 50, "missing");
	check_table(st, &counters, "health",
	    "[[\"what\",\"reason\",\"count\",\"bytes\"],["
	    "[\"packets\",null,10,900]," HEALTH_ROWS_NONE
	    "[\"TCP segments\",null,9,800],"
	    "[\"retransmissions\",null,2,33],[\"out of order\",null,0,null],"
	    "[\"resets\",null,0,null],[\"streams\",null,4,null],"
	    "[\"streams decoded\",null,3,null],"
	    "[\"streams without start\",null,0,null],"
	    "[\"TLS without secrets\",null,1,null],"
	    "[\"frames cut short\",null,0,null],"
	    "[\"frames shown late\",null,0,null],"
	    "[\"frames\",null,7,700],[\"gaps\",null,1,50],"
	    "[\"skips\",null,0,0],[\"overlaps that conflict\",null,0,0],"
	    "[\"malformed\",null,3,24],"
	    "[\"malformed\",\"bad zlib payload\",2,14],"
	    "[\"malformed\",\"(no reason)\",1,10],[\"limits\",null,0,0],"
	    "[\"PROXY headers\",null,0,0],[\"notes\",null,0,0],"
	    "[\"steps of the clock\",null,0,0]],"
	    "[\"verdict: not clean; gaps: 1 (50 bytes), malformed: 3 "
	    "(24 bytes)\",\"TLS streams not read, for want of their "
	    "secrets: 1\"]]");
	check_text(st, &counters);
	statistics_free(st);
}
END_TEST

START_TEST(health_clean)
{
	const struct cap_counters counters = { .packets = 1,
		.retransmissions = 1,
		.events = { [CAP_FRAME] = 1 } };
	struct statistics *st = made_statistics("health");
	char *text = told(st, false, &counters);

	ck_assert_ptr_nonnull(strstr(text, "\n  verdict: clean\n"));
	free(text);
	statistics_free(st);
}
END_TEST

static Suite *
statistics_time_suite(void)
{
	Suite *suite = suite_create("statistics_time");
	TCase *tc = unit_case(suite, "statistics_time");

	tcase_add_loop_test(tc, interval, 0, UNIT_ROWS(intervals));
	tcase_add_test(tc, io);
	tcase_add_test(tc, io_far_apart);
	tcase_add_test(tc, echo);
	tcase_add_test(tc, echo_ceiling);
	tcase_add_test(tc, echo_no_memory);
	tcase_add_test(tc, health);
	tcase_add_test(tc, health_clean);
	return suite;
}

UNIT_MAIN(statistics_time_suite)
