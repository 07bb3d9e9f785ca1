/* SPDX-License-Identifier: MIT */
/* The less usual ways of TLS 1.3: retries, 0-RTT, half a key log, waiting. */
#include "tests/unit/tls_listen.h"

/* TLS 1.3 from a log that holds the traffic secrets alone. */
START_TEST(test_traffic_only)
{
	struct cap_keylog *log;
	struct cap_tls_status st;

	talk_init(&talk, TLS1_3_VERSION, NULL);
	talk_connect(&talk);
	talk_shake(&talk);
	talk_converse(&talk);
	log = cap_keylog_new();
	log_add(log, "_TRAFFIC_SECRET_0", false);
	ck_assert_uint_eq(cap_keylog_count(log), 2);
	listen_with(log);
	feed_flights(3, 100);
	st = finish();
	ck_assert_int_eq(st.state, CAP_TLS_DECRYPTING);
	heard_check(&heard, &talk, CAP_UP, 0, 0);
	heard_check(&heard, &talk, CAP_DOWN, 0, 0);
	ck_assert_uint_eq(st.lost_bytes[0] + st.lost_bytes[1], 0);
	stop_listening();
	cap_keylog_free(log);
	talk_free(&talk);
}
END_TEST

/* Without the server's side nothing decrypts, and only so much is held. */
START_TEST(test_hold_limit)
{
	struct cap_tls_status st;

	talk_init(&talk, TLS1_3_VERSION, NULL);
	talk_connect(&talk);
	talk_shake(&talk);
	for (int i = 0; i < 40; i++)
		talk_say(&talk, CAP_UP, 16384);
	listen_with(talk.keylog);
	feed_flights(1, 10000);
	cap_tls_status(tls, &st);
	ck_assert_int_eq(st.state, CAP_TLS_HANDSHAKE);
	/* the rest comes when the server's side does, but for the hole */
	feed_flights(2, 10000);
	cap_tls_status(tls, &st);
	ck_assert_int_eq(st.state, CAP_TLS_DECRYPTING);
	ck_assert_uint_gt(heard.plain[CAP_UP].len, CAP_TLS_HOLD_BYTES - 40000);
	ck_assert_uint_le(heard.plain[CAP_UP].len, CAP_TLS_HOLD_BYTES);
	talk_say(&talk, CAP_UP, 555);
	talk_close(&talk);
	for (size_t i = 0; i < 2; i++) {
		const struct talk_flight *f =
		    &talk.flights[talk.n_flights - 3 + i];

		feed(f->dir, talk.wire.p + f->at, f->len, SIZE_MAX);
	}
	cap_tls_status(tls, &st);
	ck_assert(st.closed[CAP_UP]);
	ck_assert_uint_eq(heard.plain[CAP_UP].len % 16384, 555);
	ck_assert_uint_gt(heard.lost_bytes[CAP_UP], 0);
	stop_listening();
	talk_free(&talk);
}
END_TEST

/* The server answers the first hello with another group: two hellos. */
START_TEST(test_retry)
{
	char both[] = "X25519:P-384", one[] = "P-384"; /* not const there */

	talk_init(&talk, TLS1_3_VERSION, NULL);
	ck_assert(SSL_CTX_set1_groups_list(talk.ctx[CAP_UP], both));
	ck_assert(SSL_CTX_set1_groups_list(talk.ctx[CAP_DOWN], one));
	talk_connect(&talk);
	talk_shake(&talk);
	talk_converse(&talk);
	for (unsigned int first = 1; first <= 3; first++) {
		listen_with(talk.keylog);
		feed_flights(first, 100);
		feed_flights(3 - first, 100);
		finish_whole();
		stop_listening();
	}
	talk_free(&talk);
}
END_TEST

/* A session taken up again, with data before the handshake is over. */
static void
early_talk(void)
{
	static const char text[] = "early bird";
	SSL_SESSION *session;
	char block[64];
	size_t n;

	talk_init(&talk, TLS1_3_VERSION, NULL);
	SSL_CTX_set_max_early_data(talk.ctx[CAP_DOWN], 10000);
	SSL_CTX_set_options(talk.ctx[CAP_DOWN], SSL_OP_NO_ANTI_REPLAY);
	talk_connect(&talk);
	talk_shake(&talk);
	session = SSL_get1_session(talk.ssl[CAP_UP]);
	talk_close(&talk);
	talk_disconnect(&talk);
	talk.n_flights = 0;
	bnet_buf_clear(&talk.keytext);
	memset(talk.stream_len, 0, sizeof(talk.stream_len));
	talk_connect(&talk);
	ck_assert(SSL_set_session(talk.ssl[CAP_UP], session));
	SSL_SESSION_free(session);
	ck_assert(
	    SSL_write_early_data(talk.ssl[CAP_UP], text, sizeof(text) - 1, &n));
	ck_assert_uint_gt(talk_carry(&talk, CAP_UP), 0);
	ck_assert_int_eq(
	    SSL_read_early_data(talk.ssl[CAP_DOWN], block, sizeof(block), &n),
	    SSL_READ_EARLY_DATA_SUCCESS);
	ck_assert_mem_eq(block, text, n);
	ck_assert_int_eq(
	    SSL_read_early_data(talk.ssl[CAP_DOWN], block, sizeof(block), &n),
	    SSL_READ_EARLY_DATA_ERROR);
	ck_assert_uint_gt(talk_carry(&talk, CAP_DOWN), 0);
	ck_assert_int_eq(SSL_do_handshake(talk.ssl[CAP_UP]), 1);
	ck_assert_uint_gt(talk_carry(&talk, CAP_UP), 0);
	ck_assert_int_eq(
	    SSL_read_early_data(talk.ssl[CAP_DOWN], block, sizeof(block), &n),
	    SSL_READ_EARLY_DATA_FINISH);
	talk_shake(&talk);
	talk_say(&talk, CAP_UP, 100);
	talk_say(&talk, CAP_DOWN, 100);
	talk_close(&talk);
}

START_TEST(test_early)
{
	bool with = _i == 1; /* the secret of the 0-RTT data */
	struct cap_keylog *log = cap_keylog_new();
	struct cap_tls_status st;

	early_talk();
	log_add(log, "HANDSHAKE", false);
	log_add(log, "_SECRET_0", false);
	if (with)
		log_add(log, "CLIENT_EARLY", false);
	ck_assert_uint_eq(cap_keylog_count(log), with ? 5 : 4);
	listen_with(log);
	feed_flights(3, 50);
	st = finish();
	ck_assert_int_eq(st.state, CAP_TLS_DECRYPTING);
	ck_assert_uint_eq(heard.plain[CAP_UP].len, with ? 110 : 100);
	if (with)
		ck_assert_mem_eq(heard.plain[CAP_UP].p, "early bird", 10);
	ck_assert_uint_eq(heard.plain[CAP_DOWN].len, 100);
	ck_assert(with == (heard.lost_bytes[CAP_UP] == 0));
	stop_listening();
	cap_keylog_free(log);
	talk_free(&talk);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tls_odd");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int n_failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_traffic_only);
	tcase_add_test(tc, test_hold_limit);
	tcase_add_test(tc, test_retry);
	tcase_add_loop_test(tc, test_early, 0, 2);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed == 0 ? 0 : 1;
}
