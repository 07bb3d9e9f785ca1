/* SPDX-License-Identifier: MIT */
/* One direction of TCP put in order. */
#include "tests/unit/failmalloc.h"
#include "tests/unit/tcp_half.h"

static const uint32_t bases[] = { 0, 1000, UINT32_MAX - 1500, UINT32_MAX - 3999,
	0x7ffff800, UINT32_MAX };

/* Segments of 100 bytes, in order and in any other, over every wrap. */
START_TEST(test_any_order)
{
	uint64_t seed = (uint64_t)_i + 1;
	int order[40];

	for (int round = 0; round < 30; round++) {
		base = bases[_i];
		restart();
		tcp_start(&half, base);
		for (int i = 0; i < 40; i++)
			order[i] = i;
		for (int i = 39; i > 0 && round > 0; i--) {
			int j = (int)(unit_random(&seed) % (uint64_t)(i + 1));
			int k = order[i];

			order[i] = order[j];
			order[j] = k;
		}
		for (int i = 0; i < 40; i++)
			seg((size_t)order[i] * 100,
			    (size_t)order[i] * 100 + 100);
		ck_assert_uint_eq(all_held, 0);
		is_stream("in order again", 0, N_BYTES);
		fin(N_BYTES);
		ck_assert(half.ended);
		flush();
		ck_assert_uint_eq(told.n_gaps + told.n_conflicts, 0);
	}
}
END_TEST

/* Pieces that overlap anyhow, in any order, with the same contents. */
START_TEST(test_any_overlap)
{
	uint64_t seed = (uint64_t)_i + 77;

	shared.overlap = _i % 2 == 0 ? CAP_OVERLAP_FIRST : CAP_OVERLAP_LAST;
	for (int round = 0; round < 100; round++) {
		base = bases[_i % UNIT_ROWS(bases)];
		restart();
		tcp_start(&half, base);
		for (int i = 0; i < 60; i++) {
			size_t from = unit_random(&seed) % (N_BYTES - 1);
			size_t n = 1 + unit_random(&seed) % 400;

			seg(from, from + n < N_BYTES ? from + n : N_BYTES);
		}
		for (size_t at = 0; at < N_BYTES; at += 500)
			seg(at, at + 500);
		ck_assert_uint_eq(all_held, 0);
		is_stream("in order again", 0, N_BYTES);
		ck_assert_uint_eq(told.n_gaps + told.n_conflicts, 0);
	}
}
END_TEST

/* Bytes that differ while both are held: the policy says which stand. */
START_TEST(test_conflict)
{
	uint8_t other[N_BYTES];
	bool last = _i == 1;

	memcpy(other, stream, sizeof(other));
	for (size_t i = 150; i < 250; i++)
		other[i] ^= 0xff;
	shared.overlap = last ? CAP_OVERLAP_LAST : CAP_OVERLAP_FIRST;
	tcp_start(&half, base);
	seg(100, 200);
	put(other, 120, 300, TCP_ACK, 0); /* 50 of these differ from held */
	ck_assert_uint_eq(told.n_conflicts, 1);
	ck_assert_uint_eq(told.conflict_bytes, 50);
	seg(0, 100);
	ck_assert_uint_eq(told.n, 300);
	ck_assert_mem_eq(told.got, stream, 150);
	ck_assert_mem_eq(told.got + 150, (last ? other : stream) + 150, 50);
	ck_assert_mem_eq(told.got + 200, other + 200, 100);
	/* what was passed on stands, whatever the policy; it is told */
	put(last ? stream : other, 140, 160, TCP_ACK, 0);
	ck_assert_uint_eq(told.n_conflicts, 2);
	ck_assert_uint_eq(told.conflict_bytes, 50 + 10);
	ck_assert_uint_eq(told.n, 300);
}
END_TEST

START_TEST(test_retransmission)
{
	tcp_start(&half, base);
	seg(0, 1000);
	seg(0, 1000); /* old */
	seg(500, 1500); /* partly new */
	seg(1499, 1500); /* a keep-alive of one byte */
	put((const uint8_t[1500]){ 0 }, 1499, 1500, TCP_ACK, 0);
	is_stream("once", 0, 1500);
	ck_assert_uint_eq(counters.retransmissions, 4);
	ck_assert_uint_eq(counters.retransmitted_bytes, 1000 + 500 + 1 + 1);
	ck_assert_uint_eq(told.n_conflicts, 0);
	flush();
	ck_assert_uint_eq(told.n_gaps, 0);
}
END_TEST

/* The beginning is not there: the lowest of the first segments starts. */
START_TEST(test_late_start)
{
	seg(300, 400);
	seg(200, 300);
	seg(500, 600);
	ck_assert_uint_eq(told.n, 0);
	now_ns += 300 * MS;
	seg(600, 700);
	ck_assert(half.no_start && half.started);
	ck_assert_uint_eq(told.n_gaps, 1);
	ck_assert_uint_eq(told.gap_bytes, 0);
	ck_assert_uint_eq(counters.streams_no_start, 1);
	is_stream("from the lowest", 200, 200);
	seg(400, 500);
	is_stream("then in order", 200, 500);
}
END_TEST

START_TEST(test_late_start_by_segments)
{
	int n = 0;

	for (; !half.started && n < 1000; n++)
		seg(500 + (size_t)n, 501 + (size_t)n);
	ck_assert_int_eq(n, 64);
	is_stream("all", 500, 64);
}
END_TEST

/* The other side's SYN-ACK tells where it starts, after data came. */
START_TEST(test_start_learned)
{
	seg(100, 300);
	seg(0, 100);
	tcp_start(&half, base);
	if (_i == 0)
		seg(300, 400);
	flush();
	is_stream("all", 0, _i == 0 ? 400 : 300);
	ck_assert_uint_eq(told.n_gaps, 0);
	ck_assert_uint_eq(counters.streams_no_start, 0);
}
END_TEST

/* It tells nonsense: nothing is read where nothing is. */
START_TEST(test_start_learned_wrong)
{
	static const uint32_t wrong[] = { 1, 50, 99, 100, 101, 1000, 0x7fffffff,
		0x80000000, 0x80000001, 0xffffffff };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		for (int then = 0; then < 2; then++) {
			restart();
			seg(0, 100);
			seg(150, 200);
			tcp_start(&half, base + wrong[i]);
			if (then)
				seg(200, 300);
			flush();
			ck_assert_uint_le(told.n - told.gap_bytes, 300);
		}
}
END_TEST

/* Segments from anywhere, with and without a start, at random. */
START_TEST(test_wild)
{
	uint64_t seed = (uint64_t)_i * 1000 + 5;

	shared.held_max_bytes = 20000;
	for (int round = 0; round < 50; round++) {
		restart();
		for (int i = 0; i < 200; i++) {
			uint64_t r = unit_random(&seed);
			size_t from = (r >> 8) % 3000;

			base = (r & 3) == 0 ? (uint32_t)(r >> 32)
			    : (r & 4)       ? 0x80000000
					    : 0;
			if ((r & 0x70) == 0)
				tcp_start(&half, (uint32_t)(r >> 20));
			if ((r & 0x300) == 0)
				tcp_acknowledge(
				    &half, (uint32_t)(r >> 24), now_ns);
			put(stream, from, from + (r >> 40) % 900,
			    (uint8_t)(r >> 50), (r >> 16) % 7 == 0 ? 30 : 0);
			now_ns += (int64_t)(r >> 44);
			ck_assert_uint_le(all_held, 20000);
		}
		flush();
	}
}
END_TEST

/* A RST may carry words about why; they are not of the stream. */
START_TEST(test_reset_carries_no_data)
{
	tcp_start(&half, base);
	seg(0, 100);
	put(stream, 100, 120, TCP_RST, 0);
	flush();
	is_stream("without it", 0, 100);
	ck_assert_uint_eq(told.n_gaps, 0);
}
END_TEST

static enum bnet_err
hold_some(void *arg)
{
	const struct cap_segment segments[] = {
		{ .seq = base + 200, .data = { stream + 200, 100 } },
		{ .seq = base + 50, .data = { stream + 50, 400 } },
		{ .seq = base, .data = { stream, 60 } },
	};
	enum bnet_err err = BNET_OK;

	(void)arg;
	restart();
	tcp_start(&half, base);
	for (int i = 0; i < 3 && err == BNET_OK; i++)
		err = tcp_segment(&half, &shared, &segments[i], 0, NULL);
	tcp_flush(&half, &shared, NULL);
	tcp_drop(&half, &shared);
	return err;
}

START_TEST(test_every_failed_allocation)
{
	budget.max_bytes = 0; /* histories do without */
	ck_assert_uint_eq(failmalloc_each(hold_some, NULL), 4);
	is_stream("with none", 0, 450);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("tcp");
	TCase *tc = unit_case(suite, "tcp");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_any_order, 0, UNIT_ROWS(bases));
	tcase_add_loop_test(tc, test_any_overlap, 0, 2 * UNIT_ROWS(bases));
	tcase_add_loop_test(tc, test_conflict, 0, 2);
	tcase_add_test(tc, test_retransmission);
	tcase_add_test(tc, test_late_start);
	tcase_add_test(tc, test_late_start_by_segments);
	tcase_add_loop_test(tc, test_start_learned, 0, 2);
	tcase_add_test(tc, test_start_learned_wrong);
	tcase_add_loop_test(tc, test_wild, 0, 10);
	tcase_add_test(tc, test_reset_carries_no_data);
	tcase_add_test(tc, test_every_failed_allocation);
	return suite;
}

UNIT_MAIN(make_suite)
