/* SPDX-License-Identifier: MIT */
/* Holes in one direction of TCP: how long they are waited for. */
#include "tests/unit/tcp_half.h"

/* An acknowledged hole is waited for this long, and no longer. */
START_TEST(test_gap_by_segments)
{
	size_t at = 100;
	int n = 0;

	tcp_start(&half, base);
	seg(0, 50);
	tcp_acknowledge(&half, base + 2000, now_ns);
	for (; told.n_gaps == 0 && n < 1000; n++, at++) {
		seg(at, at + 1);
		now_ns -= MS;
	}
	ck_assert_int_eq(n, 256);
	ck_assert_uint_eq(told.gap_bytes, 50);
	ck_assert_uint_eq(told.n, 356);
	ck_assert_uint_eq(all_held, 0);
}
END_TEST

START_TEST(test_gap_by_time)
{
	tcp_start(&half, base);
	seg(0, 50);
	tcp_acknowledge(&half, base + 2000, now_ns);
	seg(100, 150);
	now_ns += 490 * MS;
	seg(150, 200);
	ck_assert_uint_eq(told.n_gaps, 0);
	now_ns += 20 * MS;
	seg(200, 250);
	ck_assert_uint_eq(told.n_gaps, 1);
	ck_assert_uint_eq(told.gap_bytes, 50);
	ck_assert_uint_eq(told.n, 250);
	/* each has the mark of its own packet, the gap that of the one behind */
	ck_assert_uint_eq(told.gap_mark.packet, 2);
	ck_assert_int_eq(told.gap_mark.time_ns, MS);
	ck_assert_uint_eq(told.mark.packet, 4);
}
END_TEST

/* What came with the held pieces, when they are released all at once. */
START_TEST(test_marks_of_the_released)
{
	tcp_start(&half, base);
	seg(0, 50);
	seg(100, 150);
	now_ns += 20 * MS;
	seg(150, 200);
	now_ns += 20 * MS;
	seg(50, 100);
	is_stream("all", 0, 200);
	ck_assert_uint_eq(told.mark.packet, 3);
	ck_assert_int_eq(told.mark.time_ns, 22 * MS);
	ck_assert_uint_eq(told.latest.packet, 4);
}
END_TEST

/* The acknowledgement proves it, and it alone starts the wait. */
START_TEST(test_gap_soon_after_the_proof)
{
	tcp_start(&half, base);
	seg(0, 50);
	seg(100, 150);
	for (int i = 0; i < 20; i++) {
		now_ns += 1000 * MS;
		tcp_acknowledge(&half, base + 50, now_ns);
		tcp_judge(&half, &shared, now_ns, NULL);
	}
	ck_assert_uint_eq(told.n_gaps, 0);
	tcp_acknowledge(&half, base + 150, now_ns);
	tcp_judge(&half, &shared, now_ns + 499 * MS, NULL);
	ck_assert_uint_eq(told.n_gaps, 0);
	tcp_judge(&half, &shared, now_ns + 500 * MS, NULL);
	ck_assert_uint_eq(told.n_gaps, 1);
	ck_assert_uint_eq(told.n, 150);
}
END_TEST

/* Nobody acknowledges: given up by time, and by amount. */
START_TEST(test_gap_unheard)
{
	static const uint8_t bytes[1];

	tcp_start(&half, base);
	seg(0, 50);
	seg(100, 150);
	if (_i == 0) {
		tcp_judge(&half, &shared, now_ns + 490 * MS, NULL);
		ck_assert_uint_eq(told.n_gaps, 0);
		tcp_judge(&half, &shared, now_ns + 500 * MS, NULL);
	} else {
		base += 150;
		for (uint32_t i = 0; i < 2048; i++) {
			put(bytes, 0, 1, TCP_ACK, 0);
			base++;
			now_ns -= MS;
		}
	}
	ck_assert_uint_eq(told.n_gaps, 1);
	ck_assert_uint_eq(told.gap_bytes, 50);
	flush();
}
END_TEST

/*
 * The other side speaks, but has not got it: it may still come. Only memory, a
 * long silence or the end give it up.
 */
START_TEST(test_no_gap_without_ack)
{
	tcp_start(&half, base);
	tcp_acknowledge(&half, base + 10, now_ns);
	seg(0, 50);
	for (size_t at = 100; at < 1000; at++) {
		tcp_acknowledge(&half, base + 10, now_ns);
		seg(at, at + 1);
	}
	now_ns += 20000 * MS;
	seg(1000, 1001);
	ck_assert_uint_eq(told.n_gaps, 0);
	seg(50, 100);
	is_stream("it came", 0, 1001);
}
END_TEST

/* Each hole has its own time: a second one is not given up with the first. */
START_TEST(test_two_holes)
{
	tcp_start(&half, base);
	tcp_acknowledge(&half, base + 2000, now_ns);
	seg(100, 200);
	now_ns += 260 * MS;
	seg(300, 400);
	now_ns += 250 * MS;
	seg(400, 401); /* 511 ms after the first, 251 ms after the second */
	ck_assert_uint_eq(told.n_gaps, 1);
	seg(200, 300);
	ck_assert_uint_eq(told.gap_bytes, 100);
	ck_assert_uint_eq(told.n, 401);
	ck_assert_mem_eq(told.got + 100, stream + 100, 301);
}
END_TEST

/*
 * A loss of one in ten does not pile up: holes come faster than one in 256
 * segments, and still each is given up in its time.
 */
START_TEST(test_many_holes_do_not_pile_up)
{
	static const uint8_t bytes[100];
	size_t most = 0;

	tcp_start(&half, base);
	for (int i = 0; i < 20000; i++) {
		if (i % 10 != 3)
			put(bytes, 0, 100, TCP_ACK, 0);
		base += 100;
		tcp_acknowledge(&half, base, now_ns);
		most = all_held > most ? all_held : most;
	}
	base -= 100 * 20000;
	ck_assert_uint_lt(most, 300 * 200);
	flush();
	ck_assert_uint_eq(told.gap_bytes, 2000 * 100);
	ck_assert_uint_eq(told.n, 20000 * 100);
	ck_assert_uint_eq(told.n_limits, 0);
}
END_TEST

/* The same where every segment was captured in part. */
START_TEST(test_snaplen)
{
	static const uint8_t bytes[100];
	size_t most = 0;

	tcp_start(&half, base);
	for (int i = 0; i < 20000; i++) {
		put(bytes, 0, 30, TCP_ACK, 70);
		base += 100;
		most = all_held > most ? all_held : most;
	}
	ck_assert_uint_lt(most, 20 * 100);
	flush();
	ck_assert_uint_eq(told.n_cuts, 20000);
	ck_assert_uint_eq(told.gap_bytes, 20000 * 70);
	ck_assert_uint_eq(told.n, 20000 * 100);
	ck_assert_uint_eq(told.n_limits, 0);
}
END_TEST

START_TEST(test_gap_by_memory)
{
	static const uint8_t bytes[1000];
	size_t most = 0;

	shared.held_max_bytes = 10000;
	tcp_start(&half, base);
	base += 500;
	for (int i = 0; i < 200; i++) {
		put(bytes, 0, 1000, TCP_ACK, 0);
		base += i == 100 ? 1500 : 1000;
		most = all_held > most ? all_held : most;
	}
	flush();
	ck_assert_uint_le(most, 10000);
	ck_assert_uint_eq(told.n_limits, 2);
	ck_assert_uint_eq(told.gap_bytes, 1000);
	ck_assert_uint_eq(told.n, 201000);
}
END_TEST

/* Its fin comes before its data. */
START_TEST(test_fin_first)
{
	tcp_start(&half, base);
	fin(300);
	ck_assert(!half.ended);
	seg(100, 300);
	ck_assert(!half.ended);
	seg(0, 100);
	ck_assert(half.ended);
	is_stream("all", 0, 300);
}
END_TEST

static const struct end_row {
	const char *name;
	bool fin, acked;
	size_t missing_bytes; /* of the last segment */
	uint64_t gap_bytes;
} end_rows[] = {
	{ "nothing known", false, false, 0, 0 },
	{ "fin", true, false, 0, 100 },
	{ "fin and ack", true, true, 0, 100 },
	{ "ack", false, true, 0, 99 }, /* one may be for a FIN */
	{ "cut", false, false, 70, 70 },
};

/* 100 bytes are missing at the end. */
START_TEST(test_end_is_missing)
{
	const struct end_row *row = &end_rows[_i];

	tcp_start(&half, base);
	put(stream, 0, 200, TCP_ACK, row->missing_bytes);
	if (row->fin)
		fin(300);
	if (row->acked)
		tcp_acknowledge(&half, base + 300, now_ns);
	ck_assert_uint_eq(told.n_gaps, row->missing_bytes > 0);
	flush();
	ck_assert_uint_eq(told.n_gaps, row->gap_bytes > 0);
	ck_assert_uint_eq(told.gap_bytes, row->gap_bytes);
	flush(); /* no more is told */
	ck_assert_uint_eq(told.n_gaps, row->gap_bytes > 0);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("tcp_gaps");
	TCase *tc = unit_case(suite, "gaps");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_gap_by_segments);
	tcase_add_test(tc, test_gap_by_time);
	tcase_add_test(tc, test_marks_of_the_released);
	tcase_add_test(tc, test_gap_soon_after_the_proof);
	tcase_add_loop_test(tc, test_gap_unheard, 0, 2);
	tcase_add_test(tc, test_no_gap_without_ack);
	tcase_add_test(tc, test_two_holes);
	tcase_add_test(tc, test_many_holes_do_not_pile_up);
	tcase_add_test(tc, test_snaplen);
	tcase_add_test(tc, test_gap_by_memory);
	tcase_add_test(tc, test_fin_first);
	tcase_add_loop_test(tc, test_end_is_missing, 0, UNIT_ROWS(end_rows));
	return suite;
}

UNIT_MAIN(make_suite)
