/* SPDX-License-Identifier: MIT */
/* Every suite, both versions, any cutting, any order of the directions. */
#include "tests/unit/tls_listen.h"

#define PLAIN_CBC SSL_OP_NO_ENCRYPT_THEN_MAC

static const struct {
	int version;
	const char *suite;
	uint64_t options; /* of the client */
} suites[] = {
	{ TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", 0 },
	{ TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", 0 },
	{ TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", 0 },
	{ TLS1_3_VERSION, "TLS_AES_128_CCM_SHA256", 0 },
	{ TLS1_3_VERSION, "TLS_AES_128_CCM_8_SHA256", 0 },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", 0 },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", 0 },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", 0 },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-CCM", 0 },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES256-CCM", 0 },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-CCM8", 0 },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES256-CCM8", 0 },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-ARIA128-GCM-SHA256", 0 },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-ARIA256-GCM-SHA384", 0 },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", 0 },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", PLAIN_CBC },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA", 0 },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA", PLAIN_CBC },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", 0 },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", PLAIN_CBC },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA384", 0 },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA384", PLAIN_CBC },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA384",
	    SSL_OP_NO_EXTENDED_MASTER_SECRET },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-CAMELLIA128-SHA256", 0 },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-CAMELLIA256-SHA384", PLAIN_CBC },
	{ TLS1_2_VERSION, "ADH-CAMELLIA128-SHA", 0 },
	{ TLS1_2_VERSION, "ADH-CAMELLIA256-SHA256", PLAIN_CBC },
	{ TLS1_2_VERSION, "ADH-AES256-SHA256", 0 },
	{ TLS1_2_VERSION, "AECDH-AES128-SHA", PLAIN_CBC },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-NULL-SHA", 0 },
	{ TLS1_1_VERSION, "ECDHE-ECDSA-AES128-SHA", 0 },
	{ TLS1_1_VERSION, "ECDHE-ECDSA-AES256-SHA", PLAIN_CBC },
	{ TLS1_VERSION, "ECDHE-ECDSA-AES128-SHA", 0 },
	{ TLS1_VERSION, "ECDHE-ECDSA-AES256-SHA", PLAIN_CBC },
};

#define N_SUITES ((int)(sizeof(suites) / sizeof(suites[0])))

static void
begin(int row)
{
	talk_init(&talk, suites[row].version, suites[row].suite);
	SSL_CTX_set_options(talk.ctx[CAP_UP], suites[row].options);
	SSL_CTX_set_dh_auto(talk.ctx[CAP_DOWN], 1);
	talk_connect(&talk);
	talk_shake(&talk);
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

/* The ServerHello names another suite or version, or has an extension. */
static const struct refused {
	uint8_t version, suite[2];
	const char *reason;
} refusals[] = {
	{ 3, { 0x00, 0x05 },
	    "cipher suite not supported: TLS_RSA_WITH_RC4_128_SHA" },
	{ 3, { 0xc0, 0x11 },
	    "cipher suite not supported: TLS_ECDHE_RSA_WITH_RC4_128_SHA" },
	{ 3, { 0x00, 0x07 },
	    "cipher suite not supported: TLS_RSA_WITH_IDEA_CBC_SHA" },
	{ 3, { 0x00, 0x96 },
	    "cipher suite not supported: TLS_RSA_WITH_SEED_CBC_SHA" },
	{ 3, { 0xc0, 0x86 },
	    "cipher suite not supported:"
	    " TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_GCM_SHA256" },
	{ 3, { 0x13, 0x01 },
	    "cipher suite not supported: TLS_AES_128_GCM_SHA256" },
	{ 3, { 0x0a, 0x0a },
	    "cipher suite not supported: its number is not assigned" },
	{ 2, { 0xc0, 0x2f },
	    "cipher suite not supported:"
	    " TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" },
	{ 1, { 0x00, 0x3c },
	    "cipher suite not supported: TLS_RSA_WITH_AES_128_CBC_SHA256" },
	{ 0, { 0xc0, 0x09 }, "TLS version not supported: only 1.0 to 1.3" },
};

#define N_REFUSALS ((int)(sizeof(refusals) / sizeof(refusals[0])))

START_TEST(test_unsupported)
{
	const struct refused *row = &refusals[_i];
	struct cap_tls_status st;
	uint8_t *hello;

	talk_init(&talk, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA");
	talk_connect(&talk);
	talk_shake(&talk);
	talk_converse(&talk);
	hello = talk.wire.p + talk.flights[1].at;
	hello[10] = row->version;
	memcpy(hello + 44 + hello[43], row->suite, 2);
	listen_with(talk.keylog);
	feed_flights(3, 1448);
	st = finish();
	ck_assert_int_eq(st.state, CAP_TLS_UNSUPPORTED);
	ck_assert_str_eq(st.reason, row->reason);
	ck_assert_str_eq(heard.reason, row->reason);
	ck_assert_uint_eq(st.suite, row->suite[0] << 8 | row->suite[1]);
	ck_assert_uint_eq(st.plain_bytes[0] + st.plain_bytes[1], 0);
	stop_listening();
	talk_free(&talk);
}
END_TEST

/* A bit of a record of CBC is wrong, from its IV to its MAC: it alone is lost.
 */
START_TEST(test_cbc_damage)
{
	static const char *const names[] = { "ECDHE-ECDSA-AES128-SHA",
		"ECDHE-ECDSA-AES256-SHA384" };
	const struct talk_message *m;
	size_t at = 0, n = 0, wire = 0;

	talk_init(&talk, TLS1_2_VERSION, names[_i % 2]);
	SSL_CTX_set_options(talk.ctx[CAP_UP], _i & 2 ? PLAIN_CBC : 0);
	talk_connect(&talk);
	talk_shake(&talk);
	talk_converse(&talk);
	m = &talk.messages[3];
	for (size_t i = 0; i < talk.n_flights; i++) {
		const struct talk_flight *f = &talk.flights[i];

		if (f->dir != m->dir)
			continue;
		if (at <= m->stream_at && m->stream_at < at + f->len)
			wire = f->at + (m->stream_at - at);
		at += f->len;
	}
	for (size_t k = 5; k < m->stream_len; k += 1 + m->stream_len / 40) {
		struct cap_tls_status st;

		talk.wire.p[wire + k] ^= 0x10;
		listen_with(talk.keylog);
		feed_flights(3, 1448);
		st = finish();
		ck_assert_uint_eq(st.lost_bytes[m->dir], m->stream_len);
		ck_assert_str_eq(heard.reason, "a record does not decrypt");
		heard_check(&heard, &talk, m->dir, m->stream_at,
		    m->stream_at + m->stream_len);
		stop_listening();
		talk.wire.p[wire + k] ^= 0x10;
		n++;
	}
	ck_assert_uint_gt(n, 10);
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
	tcase_add_loop_test(tc, test_unsupported, 0, N_REFUSALS);
	tcase_add_loop_test(tc, test_cbc_damage, 0, 4);
	tcase_add_test(tc, test_not_tls);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed == 0 ? 0 : 1;
}
