/* SPDX-License-Identifier: MIT */
/* From packets to frames, and what is told where some are not good. */
#include "tests/unit/packets.h"

static struct tap tap;
static struct conn conn;
static struct bnet_buf bytes; /* of the stream up */

static void
setup(void)
{
	const struct conn fresh = CONN(50000, 26000);

	conn = fresh;
	bnet_buf_init(&bytes, TALK_MAX_BYTES);
	tap_open(&tap, NULL);
}

static void
teardown(void)
{
	tap_free(&tap);
	bnet_buf_free(&bytes);
}

static void
again(void)
{
	teardown();
	setup();
}

static void
put(const char *hex)
{
	struct bnet_slice in = unit_hex(hex);

	unit_err("put", bnet_buf_append(&bytes, in), BNET_OK);
	unit_free(in);
}

static void
put_frames(uint32_t n, size_t payload_bytes)
{
	for (uint32_t i = 0; i < n; i++)
		put_numbered(&bytes, BNET_ORDER_LITTLE, i, payload_bytes);
}

/* The bytes up, less [from, from + n), then an orderly end. */
static void
run_without(size_t from, size_t n, size_t segment)
{
	struct bnet_slice in = bnet_buf_slice(&bytes);

	conn_open(&tap, &conn);
	conn_say(&tap, &conn, CAP_UP, part_of(in, 0, from), segment);
	conn_lose(&conn, CAP_UP, n);
	conn_say(&tap, &conn, CAP_UP, part_of(in, from + n, in.len), segment);
	conn_ack(&tap, &conn, CAP_DOWN);
	conn_close(&tap, &conn);
	tap_finish(&tap);
	ck_assert_msg(told_bytes(&tap.told, CAP_UP) == in.len,
	    "%llu of %zu bytes are told of, without %zu at %zu",
	    (unsigned long long)told_bytes(&tap.told, CAP_UP), in.len, n, from);
}

static const size_t segments[] = { 1, 5, 33, 1448 };

START_TEST(test_whole)
{
	for (int order = BNET_ORDER_LITTLE; order <= BNET_ORDER_NETWORK;
	     order++) {
		struct bnet_slice in;

		bnet_buf_clear(&bytes);
		put_talk(&bytes, (enum bnet_order)order, tap.cap->codecs);
		in = bnet_buf_slice(&bytes);
		conn_open(&tap, &conn);
		conn_say(&tap, &conn, CAP_UP, in, segments[_i]);
		conn_say(&tap, &conn, CAP_DOWN, in, segments[_i]);
		ck_assert(tap.stream->recognised);
		ck_assert_int_eq(tap.stream->order, order);
		conn_close(&tap, &conn);
		tap_finish(&tap);
		for (int dir = CAP_UP; dir <= CAP_DOWN; dir++)
			tap_expect(&tap, "whole", (enum cap_dir)dir, CAP_FRAME,
			    TALK_FRAMES, in.len);
		ck_assert_uint_eq(tap.last_number, 2 * TALK_FRAMES);
		ck_assert_uint_eq(tap.n_closed, 1);
		ck_assert_ptr_null(tap.reason);
		again();
	}
}
END_TEST

START_TEST(test_ends)
{
	put_frames(1, 10);
	conn_open(&tap, &conn);
	ck_assert_str_eq(tap.stream->end[0], "10.0.0.1:50000");
	ck_assert_str_eq(tap.stream->end[1], "10.0.0.2:26000");
	ck_assert_uint_eq(tap.stream->end_chars[0], 14);
	/* no SYN: the port that is listened on is the second end */
	conn.port[0] = 1000;
	conn_say(&tap, &conn, CAP_DOWN, bnet_buf_slice(&bytes), 100);
	ck_assert_str_eq(tap.stream->end[0], "10.0.0.1:1000");
	ck_assert_uint_eq(tap.stream->number, 1);
	/* another port: not selected */
	conn.port[1] = 26001;
	conn_say(&tap, &conn, CAP_DOWN, bnet_buf_slice(&bytes), 100);
	ck_assert_ptr_null(tap.stream);
	tap_finish(&tap);
	tap_expect(&tap, "frame", CAP_DOWN, CAP_FRAME, 1, NUMBERED_BYTES(10));
}
END_TEST

/* A gap of any size, anywhere in the third of ten frames of 117 bytes. */
START_TEST(test_gap_anywhere)
{
	const size_t size = NUMBERED_BYTES(100), start = 2 * size;
	const size_t step = 1 + (size_t)_i * 3;

	for (size_t from = start; from < start + size; from += step)
		for (size_t n = 1; n < 3 * size; n += 1 + n / 7) {
			size_t end = from + n, n_lost;

			put_frames(10, 100);
			run_without(from, n, 1448);
			/* those that lost bytes; and no other */
			n_lost = (end - 1) / size - 2 + 1;
			tap_expect(&tap, "gap", CAP_UP, CAP_GAP, 1, n);
			tap_expect(&tap, "frames", CAP_UP, CAP_FRAME,
			    10 - n_lost, (10 - n_lost) * size);
			tap_expect(&tap, "skip", CAP_UP, CAP_SKIP,
			    n == n_lost * size ? 0 : 1, n_lost * size - n);
			tap_expect(&tap, "bad", CAP_UP, CAP_MALFORMED, 0, 0);
			again();
		}
}
END_TEST

/* The frame's length is known: the gap costs it alone, without a search. */
START_TEST(test_gap_in_known_frame)
{
	const size_t size = NUMBERED_BYTES(1000);

	for (size_t kept = 4; kept < size; kept += 111) {
		/* one frame behind it: too few to search for, in mid-stream */
		put_frames(3, 1000);
		conn_open(&tap, &conn);
		conn_say(&tap, &conn, CAP_UP,
		    part_of(bnet_buf_slice(&bytes), 0, size + kept), 500);
		conn_lose(&conn, CAP_UP, 5);
		conn_say(&tap, &conn, CAP_UP,
		    part_of(bnet_buf_slice(&bytes), size + kept + 5, 3 * size),
		    500);
		for (int i = 0; i < 300 && kept + 5 <= size; i++) {
			conn_ack(&tap, &conn, CAP_DOWN);
			conn_say(&tap, &conn, CAP_UP,
			    (struct bnet_slice){
				(const uint8_t *)"\0\0\0\0", 4 },
			    4);
		}
		if (kept + 5 <= size) {
			/* told at once, not at the end */
			tap_expect(&tap, "known", CAP_UP, CAP_FRAME, 2 + 300,
			    2 * size + 1200);
			tap_expect(&tap, "skip", CAP_UP, CAP_SKIP, 1, size - 5);
		}
		again();
	}
}
END_TEST

static const struct malformed_row {
	const char *name, *hex;
	bool payload; /* only its payload is bad: its bytes are told */
	bool reports;
} malformed_rows[] = {
	{ "bit 31", "05000080 0102030405", false, true },
	{ "both codecs", "05000060 0102030405", false, true },
	{ "oob_len too long", "08000010 05000000 01020304", false, true },
	{ "no room for oob_len", "03000010 010203", false, true },
	{ "over the limit", "01001000 0102030405", false, true },
	{ "far over the limit", "ffffff0f 0102030405", false, true },
	{ "garbage", "8b3fe2d4c5a6b798a9bacbdcedfe0fff", false, true },
	{ "ones", "ffffffffffffffffffffffffffffffff", false, true },
	{ "HTTP", "474554202f20485454502f312e310d0a0d0a", false, true },
	{ "zlib", "08000020 05000000 01020304", true, true },
	{ "snappy", "04000040 ffffff7f", true, true },
	{ "a bomb", "0c000020 00e1f505 789c0300 00000001", true, true },
	{ "empty frames", "00000000 00000000", false, false },
};

/* Then good frames: the bad one is told and all the good ones come. */
START_TEST(test_malformed)
{
	const struct malformed_row *row = &malformed_rows[_i];

	for (int i = 0; i < UNIT_ROWS(segments); i++) {
		size_t good, bad;

		put_frames(3, 50);
		good = bytes.len;
		put(row->hex);
		bad = bytes.len - good;
		put_frames(5, 50);
		run_without(0, 0, segments[i]);
		if (!row->reports) {
			tap_expect(
			    &tap, row->name, CAP_UP, CAP_FRAME, 10, bytes.len);
			ck_assert_ptr_null(tap.reason);
			again();
			continue;
		}
		tap_expect(
		    &tap, row->name, CAP_UP, CAP_FRAME, 8, bytes.len - bad);
		tap_expect(&tap, row->name, CAP_UP, CAP_MALFORMED, 1,
		    row->payload ? bad : 0);
		tap_expect(&tap, row->name, CAP_UP, CAP_SKIP,
		    row->payload ? 0 : 1, row->payload ? 0 : bad);
		again();
	}
}
END_TEST

/* The rest of a frame, then frames: no SYN in the capture. */
START_TEST(test_late_start)
{
	struct bnet_slice in;

	put_frames(6, 100);
	in = bnet_slice_from(bnet_buf_slice(&bytes), 60);
	conn_say(&tap, &conn, CAP_UP, in, 70);
	tap_finish(&tap);
	tap_expect(&tap, "gap", CAP_UP, CAP_GAP, 1, 0);
	tap_expect(&tap, "skip", CAP_UP, CAP_SKIP, 1, 57);
	tap_expect(
	    &tap, "frames", CAP_UP, CAP_FRAME, 5, 5 * NUMBERED_BYTES(100));
	ck_assert_uint_eq(cap_counters(tap.cap)->streams_no_start, 1);
	ck_assert_uint_eq(told_bytes(&tap.told, CAP_UP), in.len);
}
END_TEST

/* Both directions late, neither port listed as the opener's. */
START_TEST(test_late_start_both)
{
	put_frames(6, 100);
	for (int dir = CAP_UP; dir <= CAP_DOWN; dir++)
		conn_say(&tap, &conn, (enum cap_dir)dir,
		    bnet_slice_from(bnet_buf_slice(&bytes), 117), 70);
	tap_finish(&tap);
	for (int dir = CAP_UP; dir <= CAP_DOWN; dir++)
		tap_expect(&tap, "frames", (enum cap_dir)dir, CAP_FRAME, 5,
		    5 * NUMBERED_BYTES(100));
	ck_assert_uint_eq(cap_counters(tap.cap)->streams, 1);
}
END_TEST

/* Data, and only then the SYN-ACK that says where it starts. */
START_TEST(test_syn_late)
{
	put_frames(2, 100);
	conn.seq[0]++;
	conn_say(&tap, &conn, CAP_UP, bnet_buf_slice(&bytes), 1000);
	conn.seq[0] -= (uint32_t)bytes.len;
	conn_send(&tap, &conn, CAP_DOWN, TCP_SYN | TCP_ACK, nothing);
	tap_finish(&tap);
	tap_expect(&tap, "frames", CAP_UP, CAP_FRAME, 2, bytes.len);
	ck_assert_ptr_null(tap.reason);
}
END_TEST

static const struct end_row {
	const char *name;
	uint8_t flags; /* of the last packet */
	size_t n_cut;
	enum cap_event_type type;
	uint64_t bytes;
} end_rows[] = {
	{ "fin in a frame", TCP_FIN | TCP_ACK, 20, CAP_MALFORMED, 97 },
	{ "fin in a word", TCP_FIN | TCP_ACK, 115, CAP_MALFORMED, 2 },
	{ "rst in a frame", TCP_RST, 20, CAP_SKIP, 97 },
	{ "nothing more", TCP_ACK, 20, CAP_SKIP, 97 },
	{ "between frames", TCP_RST, 117, CAP_SKIP, 0 },
};

START_TEST(test_ends_inside)
{
	const struct end_row *row = &end_rows[_i];
	struct bnet_slice in;

	put_frames(3, 100);
	in = part_of(bnet_buf_slice(&bytes), 0, bytes.len - row->n_cut);
	conn_open(&tap, &conn);
	conn_say(&tap, &conn, CAP_UP, in, 50);
	conn_send(&tap, &conn, CAP_UP, row->flags, nothing);
	tap_finish(&tap);
	tap_expect(&tap, "frames", CAP_UP, CAP_FRAME, 2, 234);
	tap_expect(
	    &tap, row->name, CAP_UP, row->type, row->bytes > 0, row->bytes);
	/* a gap says how much of it is missing, behind the stream's end */
	tap_expect(&tap, row->name, CAP_UP, CAP_GAP,
	    row->type == CAP_SKIP && row->bytes > 0,
	    row->type == CAP_SKIP && row->bytes > 0 ? 20 : 0);
	ck_assert_uint_eq(
	    cap_counters(tap.cap)->resets, (row->flags & TCP_RST) != 0);
}
END_TEST

/* The same ends again: another stream, whether the first was closed or not. */
START_TEST(test_port_reuse)
{
	put_frames(2, 100);
	for (int i = 0; i < 3; i++) {
		conn.seq[0] = 77777 * (uint32_t)(i + 1);
		conn.seq[1] = 9999999 * (uint32_t)(i + 1);
		conn_open(&tap, &conn);
		ck_assert_uint_eq(tap.stream->number, (unsigned)i);
		conn_say(&tap, &conn, CAP_UP, bnet_buf_slice(&bytes), 50);
		if (_i == 1)
			conn_close(&tap, &conn);
		if (_i == 2)
			conn_send(&tap, &conn, CAP_DOWN, TCP_RST, nothing);
	}
	tap_finish(&tap);
	tap_expect(&tap, "frames", CAP_UP, CAP_FRAME, 6, 3 * bytes.len);
	ck_assert_ptr_null(tap.reason);
	ck_assert_uint_eq(tap.n_closed, 3);
	ck_assert_uint_eq(cap_counters(tap.cap)->streams, 3);
}
END_TEST

/* A SYN sent again is no other stream; nor are strays behind the end. */
START_TEST(test_no_reuse)
{
	struct conn before;

	put_frames(2, 100);
	conn_send(&tap, &conn, CAP_UP, TCP_SYN, nothing);
	conn_open(&tap, &conn);
	conn_say(&tap, &conn, CAP_UP, bnet_buf_slice(&bytes), 50);
	before = conn;
	conn_close(&tap, &conn);
	conn_send(&tap, &before, CAP_UP, TCP_FIN | TCP_ACK, nothing);
	tap.time_ns += INT64_C(6000000000); /* it is over now */
	conn_send(&tap, &before, CAP_UP, TCP_FIN | TCP_ACK, nothing);
	tap.time_ns += INT64_C(200000000); /* it was no step of the clock */
	conn_send(&tap, &before, CAP_DOWN, TCP_RST, nothing);
	ck_assert_ptr_null(tap.stream);
	tap_finish(&tap);
	tap_expect(&tap, "frames", CAP_UP, CAP_FRAME, 2, bytes.len);
	ck_assert_uint_eq(cap_counters(tap.cap)->streams, 1);
	ck_assert_uint_eq(tap.n_closed, 1);
}
END_TEST

/* Nothing of the payload was captured but its first bytes. */
START_TEST(test_snaplen)
{
	struct bnet_slice in;

	put_frames(40, 1000);
	in = bnet_buf_slice(&bytes);
	conn_open(&tap, &conn);
	while (in.len > 0) {
		struct pkt pkt = conn_pkt(&conn, CAP_UP, TCP_ACK);
		size_t n = in.len < 1448 ? in.len : 1448;

		tap_cut_packet(&tap, &pkt, part_of(in, 0, n), 96);
		conn.seq[0] += (uint32_t)n;
		in = bnet_slice_from(in, n);
	}
	tap_finish(&tap);
	ck_assert_uint_eq(told_bytes(&tap.told, CAP_UP), bytes.len);
	ck_assert_uint_eq(tap.told.n[CAP_UP][CAP_LIMIT], 0);
	ck_assert_uint_gt(tap.told.bytes[CAP_UP][CAP_GAP], bytes.len / 2);
}
END_TEST

/* Packets that are none of ours are counted, and nothing else. */
START_TEST(test_other_packets)
{
	const struct cap_counters *n = cap_counters(tap.cap);
	struct bnet_slice udp = unit_hex(
	    "4500001c 00000000 40110000 0a000001 0a000002 0000000000000000");
	struct bnet_slice bad = unit_hex("4500");

	unit_err("udp", tap_raw(&tap, udp.p, udp.len, SIZE_MAX), BNET_OK);
	unit_err("bad", tap_raw(&tap, bad.p, bad.len, SIZE_MAX), BNET_OK);
	unit_err("cut", tap_raw(&tap, udp.p, udp.len, 20), BNET_OK);
	unit_err("type",
	    cap_packet(tap.cap, 9999, tap.time_ns, udp, udp.len, &tap.stream),
	    BNET_OK);
	ck_assert(!cap_linktype_known(9999));
	ck_assert_uint_eq(n->packets, 4);
	ck_assert_uint_eq(n->not_tcp, 3);
	ck_assert_uint_eq(n->bad_packets, 1);
	ck_assert_uint_eq(n->cut_packets, 1);
	unit_free(udp);
	unit_free(bad);
	tap_finish(&tap);
	ck_assert_ptr_null(tap.reason);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("capture");
	TCase *tc = unit_case(suite, "capture");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_whole, 0, UNIT_ROWS(segments));
	tcase_add_test(tc, test_ends);
	tcase_add_loop_test(tc, test_gap_anywhere, 0, 3);
	tcase_add_test(tc, test_gap_in_known_frame);
	tcase_add_loop_test(tc, test_malformed, 0, UNIT_ROWS(malformed_rows));
	tcase_add_test(tc, test_late_start);
	tcase_add_test(tc, test_late_start_both);
	tcase_add_test(tc, test_syn_late);
	tcase_add_loop_test(tc, test_ends_inside, 0, UNIT_ROWS(end_rows));
	tcase_add_loop_test(tc, test_port_reuse, 0, 3);
	tcase_add_test(tc, test_no_reuse);
	tcase_add_test(tc, test_snaplen);
	tcase_add_test(tc, test_other_packets);
	return suite;
}

UNIT_MAIN(make_suite)
