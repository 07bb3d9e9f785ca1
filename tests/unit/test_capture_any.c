/* SPDX-License-Identifier: MIT */
/* Any port: which streams are taken for ours. */
#include "tests/unit/packets.h"

static struct tap tap;
static struct conn conn;
static struct bnet_buf bytes;

static void
setup(void)
{
	const struct cap_settings set = { .any_port = true };
	const struct conn fresh = CONN(50000, 7777);

	conn = fresh;
	bnet_buf_init(&bytes, TALK_MAX_BYTES);
	tap_open(&tap, &set);
}

static void
teardown(void)
{
	tap_free(&tap);
	bnet_buf_free(&bytes);
}

static void
put_frames(uint32_t n, size_t payload_bytes)
{
	for (uint32_t i = 0; i < n; i++)
		put_numbered(&bytes, BNET_ORDER_LITTLE, i, payload_bytes);
}

/* No event of any kind, and nothing held. */
static void
expect_nothing(const char *what)
{
	tap_finish(&tap);
	for (int i = 0; i < CAP_N_EVENTS; i++)
		ck_assert_msg(cap_counters(tap.cap)->events[i] == 0 &&
			tap.told.n[0][i] + tap.told.n[1][i] == 0,
		    "%s: events of type %d", what, i);
	ck_assert_uint_eq(cap_counters(tap.cap)->streams_selected, 0);
}

static const size_t segments[] = { 1, 9, 100, 1448 };

START_TEST(test_ours)
{
	put_frames(4, 30);
	conn_open(&tap, &conn);
	conn_say(&tap, &conn, CAP_UP, bnet_buf_slice(&bytes), segments[_i]);
	conn_say(&tap, &conn, CAP_DOWN, bnet_buf_slice(&bytes), segments[_i]);
	ck_assert_ptr_nonnull(tap.stream);
	ck_assert(tap.stream->recognised);
	conn_close(&tap, &conn);
	tap_finish(&tap);
	tap_expect(&tap, "up", CAP_UP, CAP_FRAME, 4, bytes.len);
	tap_expect(&tap, "down", CAP_DOWN, CAP_FRAME, 4, bytes.len);
	ck_assert_ptr_null(tap.reason);
	ck_assert_uint_eq(cap_counters(tap.cap)->streams_selected, 1);
}
END_TEST

/* One frame with a header and an answer is enough for a short stream. */
START_TEST(test_short)
{
	put_frames(1, 30);
	conn_open(&tap, &conn);
	conn_say(&tap, &conn, CAP_UP, bnet_buf_slice(&bytes), 1448);
	conn_close(&tap, &conn);
	tap_finish(&tap);
	tap_expect(&tap, "up", CAP_UP, CAP_FRAME, 1, bytes.len);
}
END_TEST

static const struct other_row {
	const char *name, *up, *down; /* hex */
} other_rows[] = {
	{ "HTTP", "474554202f20485454502f312e310d0a486f73743a20610d0a0d0a",
	    "485454502f312e3120323030204f4b0d0a0d0a68656c6c6f" },
	{ "TLS", "1603010005 0100000100 1603030001 00 1703030004 01020304",
	    "1603030005 0200000100 1703030004 01020304" },
	{ "SSH", "5353482d322e302d4f70656e5353485f392e320d0a",
	    "5353482d322e302d4f70656e5353485f392e320d0a" },
	{ "zeros", "0000000000000000000000000000000000000000", "00000000" },
	{ "one byte", "01", "" },
	{ "a word", "04000000", "" },
	{ "only down", "", "485454502f312e3120323030204f4b0d0a0d0a" },
	{ "a torn frame", "05000000 68656c", "" },
	{ "nothing", "", "" },
};

START_TEST(test_others)
{
	const struct other_row *row = &other_rows[_i];

	for (int i = 0; i < UNIT_ROWS(segments); i++) {
		struct bnet_slice up = unit_hex(row->up);
		struct bnet_slice down = unit_hex(row->down);

		conn_open(&tap, &conn);
		conn_say(&tap, &conn, CAP_UP, up, segments[i]);
		conn_say(&tap, &conn, CAP_DOWN, down, segments[i]);
		conn_say(&tap, &conn, CAP_UP, up, segments[i]);
		conn_close(&tap, &conn);
		expect_nothing(row->name);
		unit_free(up);
		unit_free(down);
		teardown();
		setup();
	}
}
END_TEST

/* Others' streams with gaps, late or huge: nothing is told, or kept long. */
START_TEST(test_others_with_gaps)
{
	static uint8_t random[1400];
	uint64_t seed = 42;
	size_t most = 0;

	if (_i == 0)
		conn_open(&tap, &conn);
	for (int i = 0; i < 3000; i++) {
		for (size_t j = 0; j < sizeof(random); j++)
			random[j] = (uint8_t)(unit_random(&seed) >> 20);
		random[0] |= 0x80;
		conn_say(&tap, &conn, (enum cap_dir)(i & 1),
		    (struct bnet_slice){ random, sizeof(random) }, 1400);
		if (i % 100 == 77)
			conn_lose(&conn, CAP_UP, 500);
		most = tap.cap->held_bytes > most ? tap.cap->held_bytes : most;
	}
	ck_assert_uint_lt(most, (size_t)6 << 20);
	ck_assert_ptr_null(tap.stream);
	ck_assert_uint_eq(tap.cap->held_bytes, 0);
	expect_nothing("random");
}
END_TEST

/* In the middle of a stream, it is found all the same. */
START_TEST(test_late)
{
	struct bnet_slice in;

	put_frames(20, 300);
	in = bnet_slice_from(bnet_buf_slice(&bytes), 100);
	conn_say(&tap, &conn, CAP_UP, in, segments[_i]);
	tap_finish(&tap);
	tap_expect(
	    &tap, "frames", CAP_UP, CAP_FRAME, 19, 19 * NUMBERED_BYTES(300));
	tap_expect(
	    &tap, "skip", CAP_UP, CAP_SKIP, 1, NUMBERED_BYTES(300) - 100);
}
END_TEST

/*
 * One direction shows what it is. The other starts with garbage, and its
 * frames are looked for wherever they start.
 */
START_TEST(test_decided_by_the_other)
{
	struct bnet_slice junk = unit_hex("ffffffffffffffffffff");

	put_frames(6, 30);
	conn_open(&tap, &conn);
	conn_say(&tap, &conn, CAP_DOWN, bnet_buf_slice(&bytes), 1448);
	ck_assert(tap.stream->recognised);
	conn_say(&tap, &conn, CAP_UP, junk, 3);
	conn_say(&tap, &conn, CAP_UP, bnet_buf_slice(&bytes), 29);
	conn_close(&tap, &conn);
	tap_finish(&tap);
	tap_expect(&tap, "down", CAP_DOWN, CAP_FRAME, 6, bytes.len);
	tap_expect(&tap, "up", CAP_UP, CAP_FRAME, 6, bytes.len);
	tap_expect(&tap, "junk", CAP_UP, CAP_SKIP, 1, junk.len);
	unit_free(junk);
}
END_TEST

/* On a listed port nothing has to be proved. */
START_TEST(test_listed_port)
{
	struct bnet_slice junk = unit_hex("ffffffffffffffffffff");

	conn.port[1] = CAP_PORT;
	conn_open(&tap, &conn);
	conn_say(&tap, &conn, CAP_UP, junk, 100);
	tap_finish(&tap);
	tap_expect(&tap, "malformed", CAP_UP, CAP_MALFORMED, 1, 0);
	tap_expect(&tap, "skip", CAP_UP, CAP_SKIP, 1, junk.len);
	unit_free(junk);
}
END_TEST

/* Frames on the way to a stream of others, of which two ends are the same. */
START_TEST(test_many)
{
	struct bnet_slice http = unit_hex(other_rows[0].up);

	put_frames(3, 30);
	for (uint16_t i = 0; i < 200; i++) {
		struct conn one = CONN((uint16_t)(30000 + i), 7000);

		conn_open(&tap, &one);
		conn_say(&tap, &one, CAP_UP,
		    i % 4 == 0 ? bnet_buf_slice(&bytes) : http, 1448);
		if (i % 3 == 0)
			conn_close(&tap, &one);
	}
	tap_finish(&tap);
	tap_expect(&tap, "frames", CAP_UP, CAP_FRAME, 150, 50 * bytes.len);
	ck_assert_ptr_null(tap.reason);
	ck_assert_uint_eq(cap_counters(tap.cap)->streams_selected, 50);
	ck_assert_uint_eq(tap.n_closed, 200);
	unit_free(http);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("capture_any");
	TCase *tc = unit_case(suite, "any port");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_ours, 0, UNIT_ROWS(segments));
	tcase_add_test(tc, test_short);
	tcase_add_loop_test(tc, test_others, 0, UNIT_ROWS(other_rows));
	tcase_add_loop_test(tc, test_others_with_gaps, 0, 2);
	tcase_add_loop_test(tc, test_late, 1, UNIT_ROWS(segments));
	tcase_add_test(tc, test_decided_by_the_other);
	tcase_add_test(tc, test_listed_port);
	tcase_add_test(tc, test_many);
	return suite;
}

UNIT_MAIN(make_suite)
