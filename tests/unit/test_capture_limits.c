/* SPDX-License-Identifier: MIT */
/* The ceilings of a capture: each is kept, and told when it is reached. */
#include "tests/unit/failmalloc.h"
#include "tests/unit/packets.h"

static struct tap tap;
static struct bnet_buf bytes;

static void
setup(void)
{
	bnet_buf_init(&bytes, TALK_MAX_BYTES);
	for (uint32_t i = 0; i < 5; i++)
		put_numbered(&bytes, BNET_ORDER_LITTLE, i, 100);
}

static void
teardown(void)
{
	tap_free(&tap);
	bnet_buf_free(&bytes);
}

static void
open_with(struct cap_limits limits)
{
	const struct cap_settings set = { .limits = limits };

	tap_open(&tap, &set);
}

START_TEST(test_streams)
{
	open_with((struct cap_limits){ .n_streams = 3 });
	for (uint16_t i = 0; i < 10; i++) {
		struct conn conn = CONN((uint16_t)(40000 + i), 26000);

		conn_open(&tap, &conn);
		conn_say(&tap, &conn, CAP_UP, bnet_buf_slice(&bytes), 100);
		ck_assert_uint_le(tap.cap->streams.n, 3);
	}
	tap_expect(&tap, "limit", CAP_UP, CAP_LIMIT, 7, 0);
	tap_finish(&tap);
	tap_expect(&tap, "frames", CAP_UP, CAP_FRAME, 50, 10 * bytes.len);
	ck_assert_uint_eq(tap.n_closed, 10);
}
END_TEST

/* One that has ended makes room first, and that is no loss. */
START_TEST(test_streams_that_ended)
{
	struct conn first = CONN(39999, 26000);

	open_with((struct cap_limits){ .n_streams = 2 });
	conn_open(&tap, &first);
	for (uint16_t i = 0; i < 10; i++) {
		struct conn conn = CONN((uint16_t)(40000 + i), 26000);

		conn_open(&tap, &conn);
		conn_say(&tap, &conn, CAP_UP, bnet_buf_slice(&bytes), 100);
		conn_close(&tap, &conn);
	}
	conn_say(&tap, &first, CAP_UP, bnet_buf_slice(&bytes), 100);
	tap_finish(&tap);
	tap_expect(&tap, "limit", CAP_UP, CAP_LIMIT, 0, 0);
	tap_expect(&tap, "frames", CAP_UP, CAP_FRAME, 55, 11 * bytes.len);
}
END_TEST

/* Silent for long between frames: it goes on where it was, nothing is told. */
START_TEST(test_idle)
{
	struct conn conn = CONN(40000, 26000), other = CONN(40001, 26000);

	open_with((struct cap_limits){ .idle_ns = 1000000000 });
	conn_open(&tap, &conn);
	conn_say(&tap, &conn, CAP_UP, bnet_buf_slice(&bytes), 100);
	tap.time_ns += 900000000;
	conn_open(&tap, &other);
	ck_assert_ptr_null(tap.cap->streams.dormant.oldest);
	tap.time_ns += 900000000;
	conn_ack(&tap, &other, CAP_UP);
	ck_assert_ptr_nonnull(tap.cap->streams.dormant.oldest);
	ck_assert_uint_eq(tap.cap->history.used_bytes, 0);
	conn_say(&tap, &conn, CAP_UP, bnet_buf_slice(&bytes), 100);
	ck_assert_ptr_null(tap.cap->streams.dormant.oldest);
	ck_assert_uint_eq(tap.n_closed, 0);
	tap_finish(&tap);
	ck_assert_uint_eq(tap.n_closed, 2);
	tap_expect(&tap, "frames", CAP_UP, CAP_FRAME, 10, 2 * bytes.len);
	tap_expect(&tap, "limit", CAP_UP, CAP_LIMIT, 0, 0);
	tap_expect(&tap, "gap", CAP_UP, CAP_GAP, 0, 0);
}
END_TEST

/* Silent for long inside a frame: it goes on as well, nothing is told. */
START_TEST(test_idle_in_frame)
{
	struct conn conn = CONN(40000, 26000), other = CONN(40001, 26000);
	struct bnet_slice part = bnet_buf_slice(&bytes), rest = part;

	open_with((struct cap_limits){ .idle_ns = 1000000000 });
	conn_open(&tap, &conn);
	part.len -= 1;
	rest = bnet_slice_from(rest, part.len);
	conn_say(&tap, &conn, CAP_UP, part, 100);
	tap.time_ns += 1800000000;
	conn_open(&tap, &other);
	conn_ack(&tap, &other, CAP_UP);
	ck_assert_ptr_nonnull(tap.cap->streams.silent.oldest);
	ck_assert_uint_eq(tap.n_closed, 0);
	conn_say(&tap, &conn, CAP_UP, rest, 100);
	ck_assert_ptr_null(tap.cap->streams.silent.oldest);
	tap_finish(&tap);
	tap_expect(&tap, "limit", CAP_UP, CAP_LIMIT, 0, 0);
	tap_expect(&tap, "frames", CAP_UP, CAP_FRAME, 5, bytes.len);
}
END_TEST

/* Out of order, more than a direction may hold. */
START_TEST(test_stream_bytes)
{
	static const uint8_t zeros[1000];
	struct conn conn = CONN(40000, 26000);

	open_with((struct cap_limits){ .stream_bytes = 20000 });
	conn_open(&tap, &conn);
	conn_lose(&conn, CAP_UP, 10);
	for (int i = 0; i < 100; i++) {
		conn_say(&tap, &conn, CAP_UP,
		    (struct bnet_slice){ zeros, sizeof(zeros) }, 1000);
		ck_assert_uint_le(tap.cap->held_bytes, 3 * 20000);
	}
	tap_finish(&tap);
	ck_assert_uint_ge(tap.told.n[CAP_UP][CAP_LIMIT], 1);
	tap_expect(&tap, "gap", CAP_UP, CAP_GAP, 1, 10);
	ck_assert_uint_eq(told_bytes(&tap.told, CAP_UP), 100010);
}
END_TEST

/* Searching for frames that never come holds no more than a direction may. */
START_TEST(test_resync_bytes)
{
	struct conn conn = CONN(40000, 26000);
	struct bnet_slice in = unit_hex("f0ff0f00 ffffffff");
	size_t most = 0;

	open_with((struct cap_limits){ .stream_bytes = 100000 });
	conn_open(&tap, &conn);
	conn_say(&tap, &conn, CAP_UP, part_of(in, 4, 8), 4);
	for (int i = 0; i < 5000; i++) {
		conn_say(&tap, &conn, CAP_UP, in, 100);
		conn_say(&tap, &conn, CAP_UP, bnet_buf_slice(&bytes), 60);
		most = tap.cap->held_bytes > most ? tap.cap->held_bytes : most;
		if (i == 0)
			bnet_buf_clear(&bytes);
		if (i == 0) /* from then on nothing that looks like one */
			unit_err("room",
			    bnet_buf_append(&bytes, slice_of("\xff\xff")),
			    BNET_OK);
	}
	ck_assert_uint_le(most, 100000 + ((size_t)1 << 19));
	tap_finish(&tap);
	unit_free(in);
}
END_TEST

/* All streams together; one alone may be the one that has to go. */
START_TEST(test_total_bytes)
{
	static const uint8_t zeros[1000];
	const uint16_t n_conns = _i == 0 ? 1 : 20;
	struct conn conns[20];

	open_with((struct cap_limits){ .total_bytes = 50000 });
	for (uint16_t c = 0; c < n_conns; c++) {
		const struct conn fresh = CONN((uint16_t)(40000 + c), 26000);

		conns[c] = fresh;
		conn_open(&tap, &conns[c]);
		conn_lose(&conns[c], CAP_UP, 10);
	}
	for (int i = 0; i < 30; i++)
		for (uint16_t c = 0; c < n_conns; c++) {
			conn_say(&tap, &conns[c], CAP_UP,
			    (struct bnet_slice){ zeros, sizeof(zeros) }, 1000);
			conn_say(&tap, &conns[c], CAP_DOWN,
			    (struct bnet_slice){ zeros, sizeof(zeros) }, 1000);
			ck_assert_uint_le(tap.cap->held_bytes, 50000);
			ck_assert_uint_le(tap.cap->history.used_bytes, 50000);
		}
	if (_i == 1)
		ck_assert_uint_ge(tap.told.n[CAP_UP][CAP_LIMIT], 1);
	tap_finish(&tap);
}
END_TEST

/* Big frames, torn: what is kept of them counts as well. */
START_TEST(test_total_bytes_of_frames)
{
	static const uint8_t zeros[30000];

	open_with((struct cap_limits){ .total_bytes = 200000 });
	for (uint16_t c = 0; c < 50; c++) {
		struct conn conn = CONN((uint16_t)(40000 + c), 26000);

		conn_open(&tap, &conn);
		conn_say(&tap, &conn, CAP_UP,
		    (struct bnet_slice){ (const uint8_t *)"\0\0\x8", 4 }, 4);
		conn_say(&tap, &conn, CAP_UP,
		    (struct bnet_slice){ zeros, sizeof(zeros) }, 1448);
		ck_assert_uint_le(tap.cap->held_bytes, 200000);
	}
	ck_assert_uint_ge(tap.told.n[CAP_UP][CAP_LIMIT], 40);
	tap_finish(&tap);
}
END_TEST

/* IP datagrams that are never completed. */
START_TEST(test_fragments)
{
	uint8_t p[28];
	struct pkt pkt = { .src = 1, .dst = 2 };

	open_with((struct cap_limits){ 0 });
	put_ipv4(p, &pkt, 8);
	p[6] = 0x20;
	memset(p + 20, 0, 8);
	for (size_t id = 0; id < 1000; id++) {
		put_u16(p + 4, id);
		unit_err(
		    "fragment", tap_raw(&tap, p, sizeof(p), SIZE_MAX), BNET_OK);
	}
	tap_expect(
	    &tap, "limit", CAP_UP, CAP_LIMIT, 1000 - 256, (1000 - 256) * 8);
	ck_assert_uint_eq(cap_counters(tap.cap)->fragments, 1000);
	tap_finish(&tap);
}
END_TEST

/* What is not finished is freed untold. */
START_TEST(test_free_without_finish)
{
	struct conn conn = CONN(40000, 26000), other = CONN(40001, 26000);

	open_with((struct cap_limits){ 0 });
	conn_open(&tap, &conn);
	conn_lose(&conn, CAP_UP, 1);
	conn_say(&tap, &conn, CAP_UP, bnet_buf_slice(&bytes), 100);
	conn_say(&tap, &other, CAP_DOWN, bnet_buf_slice(&bytes), 100);
	conn_open(&tap, &other);
	conn_close(&tap, &other);
	ck_assert_uint_eq(tap.n_closed, 0);
}
END_TEST

/* ---- every failed allocation ---- */

#define N_SAVED 60

/* A short capture, kept as packets, with everything in it that holds memory. */
static struct {
	uint8_t p[N_SAVED][600];
	size_t n[N_SAVED], n_packets;
} saved;

static void
save(const struct pkt *pkt, struct bnet_slice data)
{
	uint8_t *p = saved.p[saved.n_packets];

	ck_assert_uint_lt(saved.n_packets, N_SAVED);
	ck_assert_uint_le(data.len, 600 - PKT_HEAD_BYTES);
	put_ipv4(p, pkt, 20 + data.len);
	put_tcp(p + 20, pkt);
	if (data.len > 0)
		memcpy(p + PKT_HEAD_BYTES, data.p, data.len);
	saved.n[saved.n_packets++] = PKT_HEAD_BYTES + data.len;
}

/* In segments, every fifth one late by one, and one of them missing. */
static void
save_stream(struct conn *conn, struct bnet_slice in, size_t lost)
{
	struct pkt pkt = conn_pkt(conn, CAP_UP, TCP_SYN);
	uint32_t first = pkt.seq + 1;

	save(&pkt, nothing);
	for (size_t at = 0, i = 0; at < in.len; at += 100, i++) {
		size_t from = i % 5 == 1 ? at + 100
		    : i % 5 == 2         ? at - 100
					 : at;
		size_t to = from + 100 < in.len ? from + 100 : in.len;

		pkt = conn_pkt(conn, CAP_UP, TCP_ACK);
		pkt.seq = first + (uint32_t)from;
		if (from < in.len && i != lost)
			save(&pkt, part_of(in, from, to));
	}
}

static void
save_all(void)
{
	struct conn plain = CONN(40000, 26000), tls = CONN(40001, 26000);
	struct bnet_slice hello = unit_hex("1603010200 010001fc0303 0000");
	struct pkt pkt = conn_pkt(&plain, CAP_UP, TCP_ACK);

	bnet_buf_clear(&bytes);
	saved.n_packets = 0;
	put_talk(&bytes, BNET_ORDER_LITTLE, tap.cap->codecs);
	for (uint32_t i = 0; i < 8; i++)
		put_numbered(&bytes, BNET_ORDER_LITTLE, i, 80);
	unit_err("junk",
	    bnet_buf_append(&bytes, slice_of("\xff\xff\xff\xff\xff")), BNET_OK);
	put_talk(&bytes, BNET_ORDER_LITTLE, tap.cap->codecs);
	for (uint32_t i = 0; i < 8; i++)
		put_numbered(&bytes, BNET_ORDER_LITTLE, i, 80);
	save_stream(&plain, bnet_buf_slice(&bytes), 13);
	save_stream(&tls, hello, 99);
	/* a fragment of a datagram */
	save(&pkt, hello);
	saved.p[saved.n_packets - 1][6] = 0x20;
	put_u16(saved.p[saved.n_packets - 1] + 2, 20 + 24);
	saved.n[saved.n_packets - 1] = 20 + 24;
	unit_free(hello);
}

static enum bnet_err
run_saved(void *arg)
{
	struct tap *t = arg;
	static const struct cap_settings set;
	const struct cap_sink sink = { tap_event, tap_closed, t };
	struct cap_stream *stream;
	enum bnet_err worst = BNET_OK, err;

	memset(&t->told, 0, sizeof(t->told));
	bnet_buf_clear(&t->log[CAP_UP]);
	t->cap = cap_new(&set, &sink);
	if (t->cap == NULL)
		return BNET_ENOMEM;
	for (size_t i = 0; i < saved.n_packets; i++) {
		err = cap_packet(t->cap, DLT_RAW, (int64_t)i,
		    (struct bnet_slice){ saved.p[i], saved.n[i] }, saved.n[i],
		    &stream);
		if (err != BNET_OK)
			worst = err;
	}
	cap_finish(t->cap);
	if (t->cap->held_bytes != 0 || t->cap->streams.n != 0)
		worst = BNET_ECUT;
	cap_free(t->cap);
	t->cap = NULL;
	return worst;
}

/*
 * One or all from the nth on fail: nothing leaks, nothing breaks, and what is
 * lost is told, by the return value or by a limit.
 */
START_TEST(test_every_failed_allocation)
{
	struct tap quiet;
	uint64_t n_frames, n_told;
	unsigned long seen;

	open_with((struct cap_limits){ 0 });
	save_all();
	ck_assert(tap_try_open(&quiet, NULL));
	cap_free(quiet.cap);
	unit_err("room",
	    bnet_buf_append(&quiet.log[CAP_UP], bnet_buf_slice(&bytes)),
	    BNET_OK);
	unit_err("all is well", run_saved(&quiet), BNET_OK);
	n_frames = quiet.told.n[CAP_UP][CAP_FRAME];
	ck_assert_uint_gt(n_frames, 20);
	n_told = told_bytes(&quiet.told, CAP_UP);
	for (int onward = 0; onward < 2; onward++)
		for (unsigned long nth = 1;; nth++) {
			enum bnet_err err;

			failmalloc_arm(nth, onward);
			err = run_saved(&quiet);
			seen = failmalloc_stop();
			if (seen < nth)
				break;
			ck_assert(err == BNET_OK || err == BNET_ENOMEM);
			if (err != BNET_OK ||
			    quiet.told.n[CAP_UP][CAP_LIMIT] > 0)
				continue;
			ck_assert_msg(told_bytes(&quiet.told, CAP_UP) == n_told,
			    "%llu bytes at %lu, not %llu",
			    (unsigned long long)told_bytes(&quiet.told, CAP_UP),
			    nth, (unsigned long long)n_told);
		}
	ck_assert_uint_gt(seen, 30);
	quiet.cap = NULL;
	tap_free(&quiet);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("capture_limits");
	TCase *tc = unit_case(suite, "limits");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_streams);
	tcase_add_test(tc, test_streams_that_ended);
	tcase_add_test(tc, test_idle);
	tcase_add_test(tc, test_idle_in_frame);
	tcase_add_test(tc, test_stream_bytes);
	tcase_add_test(tc, test_resync_bytes);
	tcase_add_loop_test(tc, test_total_bytes, 0, 2);
	tcase_add_test(tc, test_total_bytes_of_frames);
	tcase_add_test(tc, test_fragments);
	tcase_add_test(tc, test_free_without_finish);
	tcase_add_test(tc, test_every_failed_allocation);
	return suite;
}

UNIT_MAIN(make_suite)
