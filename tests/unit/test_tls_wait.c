/* SPDX-License-Identifier: MIT */
/* Records whose secret comes into the key log after they have passed. */
#include "tests/unit/tls_listen.h"

static const struct {
	int version;
	const char *suite;
} suites[] = {
	{ TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384" },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256" },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA" },
};

#define N_SUITES ((int)(sizeof(suites) / sizeof(suites[0])))

/* The packets that plaintext came with, in the order it was reported. */
static struct {
	struct cap_tls_mark mark[TALK_MAX];
	enum cap_dir dir[TALK_MAX];
	size_t n;
} seen;

static void
on_plain(void *arg, enum cap_dir dir, struct bnet_slice plain)
{
	ck_assert_uint_lt(seen.n, TALK_MAX);
	seen.dir[seen.n] = dir;
	seen.mark[seen.n++] = cap_tls_now(tls);
	heard_plain(arg, dir, plain);
}

static void
begin(int row)
{
	talk_init(&talk, suites[row].version, suites[row].suite);
	talk_connect(&talk);
	talk_shake(&talk);
	memset(&seen, 0, sizeof(seen));
	sink.plain = on_plain;
}

/* A few messages in turn: all that may be held. */
static void
chat(void)
{
	for (int i = 0; i < 20; i++)
		talk_say(&talk, i % 3 == 1 ? CAP_DOWN : CAP_UP,
		    100 + (size_t)i * 150);
	talk_close(&talk);
}

/* Flight i is of packet i + 1. */
static void
feed_all(size_t chunk)
{
	for (size_t i = 0; i < talk.n_flights; i++) {
		const struct talk_flight *f = &talk.flights[i];

		sink.now = (struct cap_tls_mark){ (int64_t)i * 1000, i + 1 };
		feed(f->dir, talk.wire.p + f->at, f->len, chunk);
	}
	sink.now = (struct cap_tls_mark){ 999999, 999 };
}

static void
retry(void)
{
	ck_assert_int_eq(cap_tls_retry(tls, &sink), BNET_OK);
}

/* Each message came with its flight, and they came in that order. */
static void
check_marks(void)
{
	size_t k = 0, before[2] = { 0, 0 };

	for (size_t i = 0; i < talk.n_flights; i++) {
		const struct talk_flight *f = &talk.flights[i];

		before[f->dir] += f->len;
		while (k < talk.n_messages && talk.messages[k].dir == f->dir &&
		    talk.messages[k].stream_at + talk.messages[k].stream_len <=
			before[f->dir]) {
			ck_assert_uint_lt(k, seen.n);
			ck_assert_int_eq(seen.dir[k], f->dir);
			ck_assert_uint_eq(seen.mark[k].packet, i + 1);
			ck_assert_int_eq(
			    seen.mark[k].time_ns, (int64_t)i * 1000);
			k++;
		}
	}
	ck_assert_uint_eq(k, talk.n_messages);
	ck_assert_uint_eq(seen.n, talk.n_messages);
}

START_TEST(test_late)
{
	static const size_t chunks[] = { 1, 100, SIZE_MAX };
	struct cap_keylog *log = cap_keylog_new();

	begin(_i / 3);
	chat();
	listen_with(log);
	cap_tls_wait(tls, true);
	feed_all(chunks[_i % 3]);
	ck_assert(cap_tls_waiting(tls));
	ck_assert_uint_eq(seen.n, 0);
	retry();
	ck_assert(cap_tls_waiting(tls));
	log_add(log, "", false);
	retry();
	ck_assert(!cap_tls_waiting(tls));
	finish_whole();
	check_marks();
	stop_listening();
	cap_keylog_free(log);
	talk_free(&talk);
}
END_TEST

/* 1.3, in any order: without that of the handshake, that of the traffic does.
 */
START_TEST(test_one_by_one)
{
	static const char *const labels[] = { "CLIENT_HANDSHAKE",
		"SERVER_HANDSHAKE", "SERVER_TRAFFIC", "CLIENT_TRAFFIC" };
	struct cap_keylog *log = cap_keylog_new();

	begin(0);
	chat();
	listen_with(log);
	cap_tls_wait(tls, true);
	feed_all(SIZE_MAX);
	for (size_t i = 0; i < 4; i++) {
		ck_assert(i > 0 || cap_tls_waiting(tls));
		log_add(log, labels[(i + (size_t)_i) % 4], false);
		retry();
	}
	ck_assert(!cap_tls_waiting(tls));
	finish_whole();
	stop_listening();
	cap_keylog_free(log);
	talk_free(&talk);
}
END_TEST

/* Given up, it is as without a key log; nothing comes of keys then. */
START_TEST(test_given_up)
{
	struct cap_keylog *log = cap_keylog_new();
	struct cap_tls_status st;

	begin(_i);
	chat();
	listen_with(log);
	cap_tls_wait(tls, true);
	feed_all(SIZE_MAX);
	cap_tls_wait(tls, false);
	retry();
	ck_assert(!cap_tls_waiting(tls));
	log_add(log, "", false);
	st = finish();
	ck_assert_int_eq(st.state, CAP_TLS_NO_KEYS);
	ck_assert_uint_eq(seen.n, 0);
	ck_assert_uint_eq(heard.n_lost[0], 1);
	ck_assert_uint_eq(heard.n_lost[1], 1);
	stop_listening();
	cap_keylog_free(log);
	talk_free(&talk);
}
END_TEST

/* As at the end of the capture. */
START_TEST(test_ended)
{
	struct cap_keylog *log = cap_keylog_new();
	struct cap_tls_status st;

	begin(_i);
	chat();
	listen_with(log);
	cap_tls_wait(tls, true);
	feed_all(100);
	st = finish();
	ck_assert_int_eq(st.state, CAP_TLS_NO_KEYS);
	stop_listening();
	cap_keylog_free(log);
	talk_free(&talk);
}
END_TEST

/* More than may be held: what was held is read, the rest is a loss. */
START_TEST(test_too_much)
{
	struct cap_keylog *log = cap_keylog_new();
	struct cap_tls_status st;

	begin(_i);
	for (int i = 0; i < 300; i++)
		talk_say(&talk, CAP_UP, 16384);
	listen_with(log);
	cap_tls_wait(tls, true);
	feed_all(1448);
	cap_tls_status(tls, &st);
	ck_assert_uint_le(st.held_bytes[CAP_UP], talk.stream_len[CAP_UP]);
	ck_assert_uint_le(cap_tls_memory_bytes(tls), 2 * CAP_TLS_WAIT_BYTES);
	log_add(log, "", false);
	retry();
	st = finish();
	ck_assert_int_eq(st.state, CAP_TLS_DECRYPTING);
	ck_assert_uint_ge(seen.n, 10);
	ck_assert_uint_gt(st.lost_bytes[CAP_UP], 16384);
	ck_assert_str_eq(
	    heard.reason, "more than is held until it can be read");
	stop_listening();
	cap_keylog_free(log);
	talk_free(&talk);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tls_wait");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int n_failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_late, 0, 3 * N_SUITES);
	tcase_add_loop_test(tc, test_one_by_one, 0, 4);
	tcase_add_loop_test(tc, test_given_up, 0, N_SUITES);
	tcase_add_loop_test(tc, test_ended, 0, N_SUITES);
	tcase_add_loop_test(tc, test_too_much, 0, N_SUITES);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed == 0 ? 0 : 1;
}
