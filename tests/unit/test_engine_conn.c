/* SPDX-License-Identifier: MIT */
/* The life of a connection: it comes, it talks, it ends for a reason. */
#include "tests/unit/engine_fixture.h"

#define N_ECHOES 500
#define N_YIELDS 100

static const unsigned workers_rows[] = { 1, 3 };

static struct engine_settings
settings(int i)
{
	return (struct engine_settings){ .n_workers = workers_rows[i] };
}

START_TEST(echo_in_order)
{
	struct engine_settings set = settings(_i);
	struct fix fix;
	int fd;

	fix_start(&fix, &set, FIX_ECHO);
	fd = peer_connect(&fix);
	for (uint32_t i = 0; i < N_ECHOES; i++)
		peer_send_u32(fd, i);
	for (uint32_t i = 0; i < N_ECHOES; i++)
		peer_expect_u32(fd, i);
	close(fd);
	FIX_WAIT(&fix, n_closed, 1);
	ck_assert_uint_eq(fix.ends[ENGINE_END_PEER], 1);
	ck_assert_uint_eq(fix.n_packets, N_ECHOES);
	ck_assert_uint_eq(fix.n_tapped[ENGINE_IN], N_ECHOES * 8);
	ck_assert_uint_eq(fix.n_tapped[ENGINE_OUT], N_ECHOES * 8);
	fix_stop(&fix);
}
END_TEST

/* A packet a turn, in order, also of what came at once, and the end last. */
START_TEST(yield)
{
	struct engine_settings set = settings(_i);
	uint8_t frames[N_YIELDS * 8];
	struct fix fix;
	int fd;

	for (uint32_t i = 0; i < N_YIELDS; i++) {
		bnet_order_put_u32(BNET_ORDER_LITTLE, frames + 8 * i, 4);
		bnet_order_put_u32(BNET_ORDER_LITTLE, frames + 8 * i + 4, i);
	}
	fix_start(&fix, &set, FIX_YIELD);
	fd = peer_connect(&fix);
	for (size_t i = 0; i < 3; i++)
		peer_write(fd, frames, sizeof(frames));
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	for (uint32_t i = 0; i < 3 * N_YIELDS; i++)
		peer_expect_u32(fd, i % N_YIELDS);
	peer_expect_end(fd);
	close(fd);
	FIX_WAIT(&fix, n_closed, 1);
	ck_assert_uint_eq(fix.ends[ENGINE_END_PEER], 1);
	ck_assert_uint_ge(fix_counter(&fix, ENGINE_TURNS), 3 * N_YIELDS);
	ck_assert_uint_eq(fix_counter(&fix, ENGINE_RESUMES), 0);
	fix_stop(&fix);
}
END_TEST

/* All in one segment, end of file with it. */
START_TEST(end_of_file_along_with_bytes)
{
	struct engine_settings set = settings(_i);
	struct fix fix;
	int fd;

	fix_start(&fix, &set, FIX_ECHO);
	for (unsigned i = 0; i < 50; i++) {
		fd = peer_connect(&fix);
		peer_send_u32(fd, i);
		ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
		peer_expect_u32(fd, i);
		peer_expect_end(fd);
		close(fd);
		FIX_WAIT(&fix, n_closed, i + 1);
	}
	ck_assert_uint_eq(fix.ends[ENGINE_END_PEER], 50);
	fix_stop(&fix);
}
END_TEST

enum leave {
	LEAVE_CLOSE,
	LEAVE_RESET,
	LEAVE_NOT /* it is for the engine to end it */
};

struct end_row {
	const char *name, *hex; /* what the peer sends */
	enum leave leave;
	enum engine_end end;
	const char *last_word; /* "" none */
};

static const struct end_row end_rows[] = {
	{ "nothing", "", LEAVE_CLOSE, ENGINE_END_PEER, "" },
	{ "in the word", "0500", LEAVE_CLOSE, ENGINE_END_CUT, "" },
	{ "in the payload", "050000006865", LEAVE_CLOSE, ENGINE_END_CUT, "" },
	{ "reset in the payload", "050000006865", LEAVE_RESET, ENGINE_END_CUT,
	    "" },
	{ "reset between frames", "", LEAVE_RESET, ENGINE_END_IO, "" },
	{ "bit 31", "05000080", LEAVE_NOT, ENGINE_END_MALFORMED, "sorry" },
	{ "both codecs", "05000060", LEAVE_NOT, ENGINE_END_MALFORMED, "sorry" },
	{ "oob_len over size", "0500001005000000", LEAVE_NOT,
	    ENGINE_END_MALFORMED, "sorry" },
	{ "oversize", "ffffff0f", LEAVE_NOT, ENGINE_END_OVERSIZE, "sorry" },
	{ "bytes behind a bad frame", "050000800102030405060708", LEAVE_NOT,
	    ENGINE_END_MALFORMED, "sorry" },
};

static void
leave(int fd, enum leave how)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (how == LEAVE_NOT)
		return;
	if (how == LEAVE_RESET)
		ck_assert_int_eq(
		    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)),
		    0);
	close(fd);
}

START_TEST(ends)
{
	const struct end_row *row = &end_rows[_i];
	struct engine_settings set = { .n_workers = 1 };
	struct bnet_slice bytes = unit_hex(row->hex);
	char word[8] = "";
	struct fix fix;
	int fd;

	fix_start(&fix, &set, FIX_COUNT);
	fd = peer_connect(&fix);
	FIX_WAIT(&fix, n_ready, 1);
	peer_write(fd, bytes.p, bytes.len);
	fix_wait_counter(&fix, ENGINE_BYTES_READ, bytes.len);
	leave(fd, row->leave);
	if (row->leave == LEAVE_NOT) {
		ck_assert_uint_eq(peer_take(fd, BNET_ORDER_LITTLE, word, 7), 5);
		peer_expect_end(fd);
		close(fd);
	}
	FIX_WAIT(&fix, n_closed, 1);
	ck_assert_str_eq(word, row->last_word);
	ck_assert_msg(fix.ends[row->end] == 1, "%s", row->name);
	ck_assert_uint_eq(fix.n_broken, row->leave == LEAVE_NOT);
	unit_free(bytes);
	fix_stop(&fix);
	ck_assert_uint_eq(fix.n_closed, 1);
}
END_TEST

/* A network peer is answered in its order. */
START_TEST(answers_in_the_order_of_the_peer)
{
	static const uint8_t hello[] = "hello";
	struct engine_settings set = settings(_i);
	uint8_t got[16];
	struct fix fix;
	int fd;

	fix_start(&fix, &set, FIX_ECHO);
	fd = peer_connect(&fix);
	for (int i = 0; i < 3; i++) {
		peer_send(fd, BNET_ORDER_NETWORK, hello, 5);
		ck_assert_uint_eq(
		    peer_take(fd, BNET_ORDER_NETWORK, got, sizeof(got)), 5);
		ck_assert_int_eq(memcmp(got, hello, 5), 0);
	}
	close(fd);
	FIX_WAIT(&fix, n_closed, 1);
	fix_stop(&fix);
}
END_TEST

struct short_row {
	const char *name, *hex;
	struct engine_settings set;
	enum engine_end end;
};

static const struct short_row short_rows[] = {
	{ "a frame that does not end", "05000000aa",
	    { .n_workers = 1, .frame_timeout_ns = 20000000 },
	    ENGINE_END_FRAME_TIMEOUT },
	{ "a frame of which the word does not end", "0500",
	    { .n_workers = 1, .frame_timeout_ns = 20000000 },
	    ENGINE_END_FRAME_TIMEOUT },
};

START_TEST(timeouts)
{
	const struct short_row *row = &short_rows[_i];
	struct engine_settings set = row->set;
	struct bnet_slice bytes = unit_hex(row->hex);
	struct fix fix;
	int fd;

	fix_start(&fix, &set, FIX_COUNT);
	fd = peer_connect(&fix);
	peer_write(fd, bytes.p, bytes.len);
	FIX_WAIT(&fix, n_closed, 1);
	ck_assert_msg(fix.ends[row->end] == 1, "%s", row->name);
	close(fd);
	unit_free(bytes);
	fix_stop(&fix);
}
END_TEST

START_TEST(the_owner_refuses)
{
	struct engine_settings set = settings(_i);
	struct fix fix;
	int fd;

	fix_start(&fix, &set, FIX_COUNT);
	fix.refuse = true;
	fd = peer_connect(&fix);
	peer_expect_end(fd);
	close(fd);
	ck_assert_uint_eq(fix.n_closed, 0);
	fix_stop(&fix);
	ck_assert_uint_eq(fix.n_closed, 0);
}
END_TEST

/* The packet at hand is the last, whatever came along with it. */
START_TEST(the_owner_ends)
{
	struct engine_settings set = { .n_workers = 1 };
	uint8_t both[] = { 1, 0, 0, 0, 'a', 1, 0, 0, 0, 'b' }, got[1];
	struct fix fix;
	int fd;

	fix_start(&fix, &set, _i == 0 ? FIX_FINISH : FIX_CUT);
	fd = peer_connect(&fix);
	peer_write(fd, both, sizeof(both));
	if (_i == 0) {
		ck_assert_uint_eq(
		    peer_take(fd, BNET_ORDER_LITTLE, got, sizeof(got)), 1);
		ck_assert_uint_eq(got[0], 'a');
	}
	peer_expect_end(fd);
	close(fd);
	FIX_WAIT(&fix, n_closed, 1);
	fix_stop(&fix);
	ck_assert_uint_eq(fix.n_packets, 1);
	ck_assert_uint_eq(fix.ends[ENGINE_END_OWNER], 1);
}
END_TEST

/* Connections that live when the engine stops are told. */
START_TEST(stop)
{
	struct engine_settings set = settings(_i);
	struct fix fix;
	int fds[20];

	fix_start(&fix, &set, FIX_ECHO);
	for (uint32_t i = 0; i < 20; i++) {
		fds[i] = peer_connect(&fix);
		peer_send_u32(fds[i], i);
	}
	FIX_WAIT(&fix, n_ready, 20);
	fix_stop(&fix);
	ck_assert_uint_eq(fix.ends[ENGINE_END_OWNER], 20);
	for (int i = 0; i < 20; i++)
		close(fds[i]);
}
END_TEST

static Suite *
engine_conn_suite(void)
{
	Suite *suite = suite_create("engine_conn");
	TCase *tc = unit_case(suite, "conn");

	tcase_add_loop_test(tc, echo_in_order, 0, 2);
	tcase_add_loop_test(tc, yield, 0, 2);
	tcase_add_loop_test(tc, end_of_file_along_with_bytes, 0, 2);
	tcase_add_loop_test(tc, ends, 0, UNIT_ROWS(end_rows));
	tcase_add_loop_test(tc, answers_in_the_order_of_the_peer, 0, 2);
	tcase_add_loop_test(tc, timeouts, 0, UNIT_ROWS(short_rows));
	tcase_add_loop_test(tc, the_owner_refuses, 0, 2);
	tcase_add_loop_test(tc, the_owner_ends, 0, 2);
	tcase_add_loop_test(tc, stop, 0, 2);
	return suite;
}

UNIT_MAIN(engine_conn_suite)
