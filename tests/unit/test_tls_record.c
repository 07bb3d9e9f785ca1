/* SPDX-License-Identifier: MIT */
/* Every suite, both versions, any cutting, any order of the directions. */
#include "tests/unit/tls_talk.h"

#include <stdio.h>

static const struct {
	int version;
	const char *suite;
} suites[] = {
	{ TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256" },
	{ TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384" },
	{ TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256" },
	{ TLS1_3_VERSION, "TLS_AES_128_CCM_SHA256" },
	{ TLS1_3_VERSION, "TLS_AES_128_CCM_8_SHA256" },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256" },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384" },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305" },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-CCM" },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES256-CCM" },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-CCM8" },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES256-CCM8" },
};

#define N_SUITES ((int)(sizeof(suites) / sizeof(suites[0])))

static struct talk talk;
static struct heard heard;
static struct cap_tls *tls;
static struct cap_tls_sink sink = { heard_plain, heard_lost, &heard };

static void
begin(int row)
{
	talk_init(&talk, suites[row].version, suites[row].suite);
	talk_connect(&talk);
	talk_shake(&talk);
}

static void
listen_with(const struct cap_keylog *keylog)
{
	heard_init(&heard);
	tls = cap_tls_new(keylog);
	ck_assert_ptr_nonnull(tls);
}

static void
stop_listening(void)
{
	heard_free(&heard);
	cap_tls_free(tls);
}

static void
feed(enum cap_dir dir, const uint8_t *p, size_t n, size_t chunk)
{
	while (n > 0) {
		size_t part = n < chunk ? n : chunk;
		struct bnet_slice bytes = { p, part };

		ck_assert_int_eq(cap_tls_feed(tls, dir, bytes, &sink), BNET_OK);
		p += part;
		n -= part;
	}
}

/* dirs: which directions, as bits. */
static void
feed_flights(unsigned int dirs, size_t chunk)
{
	for (size_t i = 0; i < talk.n_flights; i++) {
		const struct talk_flight *f = &talk.flights[i];

		if (dirs & 1U << f->dir)
			feed(f->dir, talk.wire.p + f->at, f->len, chunk);
	}
}

static struct cap_tls_status
finish(void)
{
	struct cap_tls_status st;

	ck_assert_int_eq(cap_tls_end(tls, &sink), BNET_OK);
	cap_tls_status(tls, &st);
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(st.held_bytes[i], 0);
		ck_assert_uint_eq(st.lost_bytes[i], heard.lost_bytes[i]);
		ck_assert_uint_eq(st.plain_bytes[i], heard.plain[i].len);
		ck_assert_uint_eq(
		    st.read_bytes[i] + st.lost_bytes[i], talk.stream_len[i]);
	}
	return st;
}

/* All came out, nothing was lost. */
static void
finish_whole(void)
{
	struct cap_tls_status st = finish();

	ck_assert_int_eq(st.state, CAP_TLS_DECRYPTING);
	ck_assert_str_eq(st.reason, "");
	ck_assert_uint_eq(
	    st.version, (unsigned int)SSL_version(talk.ssl[CAP_UP]));
	ck_assert_uint_eq(st.suite,
	    SSL_CIPHER_get_protocol_id(
		SSL_get_current_cipher(talk.ssl[CAP_UP])));
	for (int i = 0; i < 2; i++) {
		ck_assert(st.closed[i]);
		ck_assert_uint_eq(heard.n_lost[i], 0);
		heard_check(&heard, &talk, i == 0 ? CAP_UP : CAP_DOWN, 0, 0);
	}
}

START_TEST(test_chunks)
{
	static const size_t chunks[] = { 1, 7, 1448, SIZE_MAX };

	begin(_i);
	talk_converse(&talk);
	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
		listen_with(talk.keylog);
		feed_flights(3, chunks[i]);
		finish_whole();
		stop_listening();
	}
	talk_free(&talk);
}
END_TEST

/* One direction runs ahead of the other, wholly. */
START_TEST(test_ahead)
{
	begin(_i);
	talk_converse(&talk);
	for (unsigned int first = 1; first <= 2; first++) {
		listen_with(talk.keylog);
		feed_flights(first, 1448);
		feed_flights(3 - first, 1448);
		finish_whole();
		stop_listening();
	}
	talk_free(&talk);
}
END_TEST

START_TEST(test_no_keys)
{
	struct cap_tls_status st;

	begin(_i);
	talk_converse(&talk);
	listen_with(NULL);
	feed_flights(3, 1448);
	cap_tls_status(tls, &st);
	ck_assert_int_eq(st.state, CAP_TLS_NO_KEYS);
	st = finish();
	ck_assert_int_eq(st.state, CAP_TLS_NO_KEYS);
	ck_assert_str_ne(st.reason, "");
	ck_assert_uint_eq(st.plain_bytes[0] + st.plain_bytes[1], 0);
	ck_assert_uint_gt(st.lost_bytes[0], 0);
	/* however much was fed, it is told in one go */
	ck_assert_uint_eq(heard.n_lost[0], 1);
	ck_assert_uint_eq(heard.n_lost[1], 1);
	stop_listening();
	talk_free(&talk);
}
END_TEST

/* The lines of the talk's log whose label holds `part`; flip: spoilt. */
static void
log_add(struct cap_keylog *log, const char *part, bool flip)
{
	char *text = calloc(1, talk.keytext.len + 1), *line, *save = NULL;

	memcpy(text, talk.keytext.p, talk.keytext.len);
	for (line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char *last = line + strlen(line) - 1;

		if (strstr(line, part) == NULL)
			continue;
		if (flip)
			*last = *last == '0' ? '1' : '0';
		ck_assert_int_eq(cap_keylog_add(log,
				     (struct bnet_slice){
					 (const void *)line, strlen(line) }),
		    BNET_OK);
	}
	free(text);
}

START_TEST(test_bad_keys)
{
	struct cap_keylog *log;
	struct cap_tls_status st;

	begin(_i);
	talk_converse(&talk);
	log = cap_keylog_new();
	log_add(log, "", true);
	listen_with(log);
	feed_flights(3, 1448);
	st = finish();
	ck_assert_int_eq(st.state, CAP_TLS_BAD_KEYS);
	ck_assert_uint_eq(st.plain_bytes[0] + st.plain_bytes[1], 0);
	stop_listening();
	cap_keylog_free(log);
	talk_free(&talk);
}
END_TEST

/* TLS 1.3 from a log that holds the traffic secrets alone. */
START_TEST(test_traffic_only)
{
	struct cap_keylog *log;
	struct cap_tls_status st;

	begin(0);
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

	begin(0);
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
	talk_init(&talk, TLS1_3_VERSION, NULL);
	ck_assert(SSL_CTX_set1_groups_list(talk.ctx[CAP_UP], "X25519:P-384"));
	ck_assert(SSL_CTX_set1_groups_list(talk.ctx[CAP_DOWN], "P-384"));
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

START_TEST(test_unsupported)
{
	struct cap_tls_status st;

	talk_init(&talk, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA");
	talk_connect(&talk);
	talk_shake(&talk);
	talk_converse(&talk);
	listen_with(talk.keylog);
	feed_flights(3, 1448);
	st = finish();
	ck_assert_int_eq(st.state, CAP_TLS_UNSUPPORTED);
	ck_assert_uint_eq(st.suite, 0xc009);
	ck_assert_uint_eq(st.plain_bytes[0] + st.plain_bytes[1], 0);
	stop_listening();
	talk_free(&talk);
}
END_TEST

START_TEST(test_not_tls)
{
	static const uint8_t junk[] = "GET / HTTP/1.1\r\n\r\n";
	struct cap_tls_status st;

	memset(&talk, 0, sizeof(talk));
	listen_with(NULL);
	feed(CAP_UP, junk, sizeof(junk), 1);
	talk.stream_len[CAP_UP] = sizeof(junk);
	st = finish();
	ck_assert_int_eq(st.state, CAP_TLS_BROKEN);
	ck_assert_uint_eq(heard.lost_bytes[CAP_UP], sizeof(junk));
	stop_listening();
}
END_TEST

/* A capture that begins in the middle of a connection. */
START_TEST(test_no_start)
{
	const struct talk_flight *f;
	struct cap_tls_status st;

	begin(_i);
	talk_converse(&talk);
	listen_with(talk.keylog);
	f = &talk.flights[talk.n_flights - 6];
	feed(f->dir, talk.wire.p + f->at, f->len, 100);
	memset(talk.stream_len, 0, sizeof(talk.stream_len));
	talk.stream_len[f->dir] = f->len;
	st = finish();
	ck_assert_int_eq(st.state, CAP_TLS_NO_START);
	stop_listening();
	talk_free(&talk);
}
END_TEST

START_TEST(test_looks)
{
	static const uint8_t little[] = { 0x16, 0x03, 0x01, 0x00, 0x05, 0x01,
		0x00, 0x00, 0x01, 0x01, 0x02, 0x03 };
	struct bnet_slice hello;

	begin(_i);
	for (size_t i = 0; i < 2; i++) {
		hello.p = talk.wire.p + talk.flights[i].at;
		for (hello.len = 0; hello.len <= 40; hello.len++)
			ck_assert_int_eq(cap_tls_looks_like(hello),
			    hello.len < 11 ? CAP_TLS_PERHAPS : CAP_TLS_YES);
	}
	talk_free(&talk);
	/* a frame of 66,326 bytes, whose first bytes are like a record's */
	for (size_t n = 9; n <= sizeof(little); n++)
		ck_assert_int_eq(
		    cap_tls_looks_like((struct bnet_slice){ little, n }),
		    n == 9 ? CAP_TLS_PERHAPS : CAP_TLS_NO);
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
	Suite *s = suite_create("tls_record");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int n_failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_chunks, 0, N_SUITES);
	tcase_add_loop_test(tc, test_ahead, 0, N_SUITES);
	tcase_add_loop_test(tc, test_no_keys, 0, N_SUITES);
	tcase_add_loop_test(tc, test_bad_keys, 0, N_SUITES);
	tcase_add_loop_test(tc, test_no_start, 0, N_SUITES);
	tcase_add_loop_test(tc, test_looks, 0, N_SUITES);
	tcase_add_test(tc, test_traffic_only);
	tcase_add_test(tc, test_hold_limit);
	tcase_add_test(tc, test_retry);
	tcase_add_test(tc, test_unsupported);
	tcase_add_test(tc, test_not_tls);
	tcase_add_loop_test(tc, test_early, 0, 2);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed == 0 ? 0 : 1;
}
