/* SPDX-License-Identifier: MIT */
/* What hostile captures must not cost others, or us. */
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

/* Single bytes with holes between them: few limits, all of it given up. */
START_TEST(test_many_pieces)
{
	static const uint8_t byte[1];
	struct conn conn = CONN(40000, 26000);
	const struct tcp_half *half;
	size_t n = 20000, most = 0;

	open_with((struct cap_limits){ .idle_ns = 0 });
	conn_open(&tap, &conn);
	for (size_t i = 0; i < n; i++) {
		conn_lose(&conn, CAP_UP, 1);
		conn_say(&tap, &conn, CAP_UP,
		    (struct bnet_slice){ byte, sizeof(byte) }, 1);
		half = &tap.cap->streams.open.oldest->half[CAP_UP];
		most = half->n_pieces > most ? half->n_pieces : most;
	}
	ck_assert_uint_le(most, 4100);
	tap_finish(&tap);
	/* given up by their time, before there are too many */
	ck_assert_uint_le(tap.told.n[CAP_UP][CAP_LIMIT], n / 2000);
	ck_assert_uint_eq(tap.told.bytes[CAP_UP][CAP_GAP], n);
	ck_assert_uint_eq(told_bytes(&tap.told, CAP_UP), 2 * n);
}
END_TEST

/* One stream that holds much is no reason to close those that hold nothing. */
START_TEST(test_evict_holders)
{
	static const uint8_t zeros[1000];
	struct conn hog = CONN(39999, 26000), conn[20];

	open_with((struct cap_limits){ .total_bytes = 1 << 20 });
	for (uint16_t i = 0; i < 20; i++) {
		conn[i] = (struct conn)CONN((uint16_t)(40000 + i), 26000);
		conn_open(&tap, &conn[i]);
		conn_say(&tap, &conn[i], CAP_UP, bnet_buf_slice(&bytes), 100);
	}
	for (uint16_t k = 0; k < 8; k++) {
		hog = (struct conn)CONN((uint16_t)(41000 + k), 26000);
		conn_open(&tap, &hog);
		conn_lose(&hog, CAP_UP, 10);
		for (int i = 0; i < 250; i++)
			conn_say(&tap, &hog, CAP_UP,
			    (struct bnet_slice){ zeros, sizeof(zeros) }, 1000);
	}
	ck_assert_uint_ge(tap.told.n[CAP_UP][CAP_LIMIT], 1);
	ck_assert_uint_le(tap.cap->held_bytes, 1 << 20);
	for (uint16_t i = 0; i < 20; i++)
		conn_say(&tap, &conn[i], CAP_UP, bnet_buf_slice(&bytes), 100);
	tap_finish(&tap);
	ck_assert_uint_eq(tap.told.n[CAP_UP][CAP_FRAME], 2 * 20 * 5);
}
END_TEST

/* A RST that somebody guessed ends nothing that goes on. */
START_TEST(test_guessed_reset)
{
	struct conn conn = CONN(40000, 26000), other = CONN(40001, 26000);
	struct pkt pkt;

	open_with((struct cap_limits){ .idle_ns = 0 });
	conn_open(&tap, &conn);
	conn_open(&tap, &other);
	conn_say(&tap, &conn, CAP_UP, bnet_buf_slice(&bytes), 100);
	pkt = conn_pkt(&conn, CAP_UP, TCP_RST);
	tap_packet(&tap, &pkt, nothing);
	pkt.seq += UINT32_C(1) << 31;
	tap_packet(&tap, &pkt, nothing);
	tap.time_ns += INT64_C(60000000000);
	conn_ack(&tap, &other, CAP_UP);
	conn_say(&tap, &conn, CAP_UP, bnet_buf_slice(&bytes), 100);
	tap_finish(&tap);
	tap_expect(&tap, "frames", CAP_UP, CAP_FRAME, 10, 2 * bytes.len);
	tap_expect(&tap, "gap", CAP_UP, CAP_GAP, 0, 0);
}
END_TEST

/* So does a FIN from nowhere. */
START_TEST(test_far_fin)
{
	struct conn conn = CONN(40000, 26000);
	struct pkt pkt;

	open_with((struct cap_limits){ .idle_ns = 0 });
	conn_open(&tap, &conn);
	conn_say(&tap, &conn, CAP_UP, bnet_buf_slice(&bytes), 100);
	pkt = conn_pkt(&conn, CAP_UP, TCP_FIN | TCP_ACK);
	pkt.seq += 1500000000;
	tap_packet(&tap, &pkt, nothing);
	conn_say(&tap, &conn, CAP_UP, bnet_buf_slice(&bytes), 100);
	tap_finish(&tap);
	tap_expect(&tap, "frames", CAP_UP, CAP_FRAME, 10, 2 * bytes.len);
	tap_expect(&tap, "gap", CAP_UP, CAP_GAP, 0, 0);
}
END_TEST

/* Fragments that are not TCP are nobody's loss, however many. */
START_TEST(test_fragments_of_others)
{
	uint8_t p[28] = { 0x45, 0, 0, sizeof(p), 0, 0, 0x20, 0, 64, 17, 0, 0,
		10, 0, 0, 1, 10, 0, 0, 2 };

	open_with((struct cap_limits){ .idle_ns = 0 });
	for (uint16_t i = 0; i < 1000; i++) {
		p[4] = (uint8_t)(i >> 8);
		p[5] = (uint8_t)i;
		ck_assert_int_eq(
		    tap_raw(&tap, p, sizeof(p), sizeof(p)), BNET_OK);
	}
	tap_finish(&tap);
	ck_assert_uint_eq(cap_counters(tap.cap)->not_tcp, 1000);
	ck_assert_uint_eq(cap_counters(tap.cap)->events[CAP_LIMIT], 0);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("capture_hostile");
	TCase *tc = tcase_create("hostile");

	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_many_pieces);
	tcase_add_test(tc, test_evict_holders);
	tcase_add_test(tc, test_guessed_reset);
	tcase_add_test(tc, test_far_fin);
	tcase_add_test(tc, test_fragments_of_others);
	return suite;
}

UNIT_MAIN(make_suite)
