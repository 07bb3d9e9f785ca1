/* SPDX-License-Identifier: MIT */
/* Every failed allocation of the key log and of a captured connection. */
#include "cmd/capture/keylog.h"
#include "tests/unit/failmalloc.h"
#include "tests/unit/tls_talk.h"

#include <stdio.h>

static struct talk talk;

/* Counts only: what allocates nothing can not fail here. */
struct counts {
	uint64_t plain[2], lost[2];
	uint64_t fed[2];
	size_t last_bytes; /* of the last plaintext upwards */
	bool failed;
	size_t last_failed; /* the flight in which it did */
};

static void
on_plain(void *arg, enum cap_dir dir, struct bnet_slice plain)
{
	struct counts *c = arg;

	c->plain[dir] += plain.len;
	if (dir == CAP_UP)
		c->last_bytes = plain.len;
}

static void
on_lost(void *arg, enum cap_dir dir, uint64_t bytes, const char *reason)
{
	struct counts *c = arg;

	(void)reason;
	c->lost[dir] += bytes;
}

static void
feed_all(struct cap_tls *tls, struct counts *c)
{
	struct cap_tls_sink sink = {
		.plain = on_plain, .lost = on_lost, .arg = c
	};

	for (size_t i = 0; i < talk.n_flights; i++) {
		const struct talk_flight *f = &talk.flights[i];

		for (size_t at = 0; at < f->len; at += 700) {
			struct bnet_slice part = { talk.wire.p + f->at + at,
				f->len - at < 700 ? f->len - at : 700 };

			c->fed[f->dir] += part.len;
			if (cap_tls_feed(tls, f->dir, part, &sink) == BNET_OK)
				continue;
			c->failed = true;
			c->last_failed = i;
		}
		if (i == 9 && cap_tls_gap(tls, f->dir, 1, &sink) != BNET_OK)
			c->failed = true;
	}
	while (cap_tls_end(tls, &sink) != BNET_OK)
		c->failed = true;
}

/* Bytes may be lost, but none without being told. */
static void
check(const struct cap_tls *tls, const struct counts *c, unsigned long nth)
{
	struct cap_tls_status st;

	cap_tls_status(tls, &st);
	for (int dir = 0; dir < 2; dir++) {
		ck_assert_msg(st.read_bytes[dir] + c->lost[dir] == c->fed[dir],
		    "allocation %lu: %lu read, %lu lost of %lu", nth,
		    (unsigned long)st.read_bytes[dir],
		    (unsigned long)c->lost[dir], (unsigned long)c->fed[dir]);
		ck_assert_uint_eq(st.held_bytes[dir], 0);
		ck_assert_uint_eq(st.plain_bytes[dir], c->plain[dir]);
	}
	/* it is in order again at the end, or the hellos were lost */
	if (st.state == CAP_TLS_DECRYPTING)
		ck_assert(c->last_bytes == 700 ||
		    c->last_failed + 3 >= talk.n_flights);
	else
		ck_assert(
		    st.state == CAP_TLS_NO_START || st.state == CAP_TLS_BROKEN);
}

START_TEST(test_connection)
{
	unsigned long seen, nth = 0;
	size_t n_failed = 0;

	talk_init(&talk, _i == 0 ? TLS1_3_VERSION : TLS1_2_VERSION, NULL);
	talk_connect(&talk);
	talk_shake(&talk);
	talk_converse(&talk);
	do {
		struct counts c = { .failed = false };
		struct cap_tls *tls;

		failmalloc_arm(++nth, false);
		tls = cap_tls_new(talk.keylog);
		if (tls != NULL)
			feed_all(tls, &c);
		seen = failmalloc_stop();
		ck_assert((tls == NULL) == (nth == 1));
		if (tls != NULL)
			check(tls, &c, nth);
		n_failed += c.failed;
		cap_tls_free(tls);
	} while (seen >= nth);
	ck_assert_uint_gt(n_failed, 10);
	talk_free(&talk);
}
END_TEST

/* A key log; then it is read from a file. */
static enum bnet_err
read_log(struct cap_keylog *log, FILE *f, int how)
{
	static char text[8192];
	size_t n = 0;

	rewind(f);
	if (how == 1)
		return cap_keylog_read(log, f);
	n = fread(text, 1, sizeof(text), f);
	return cap_keylog_add(
	    log, (struct bnet_slice){ (const void *)text, n });
}

static void
write_log(FILE *f)
{
	for (int i = 0; i < 40; i++)
		fprintf(f, "CLIENT_RANDOM %064x %096x    \n", i, i);
	fflush(f);
}

START_TEST(test_keylog)
{
	FILE *f = tmpfile();
	unsigned long seen, nth = 0;
	enum bnet_err err;

	write_log(f);
	do {
		struct cap_keylog *log;
		size_t n = 0;

		failmalloc_arm(++nth, true);
		log = cap_keylog_new();
		err = log == NULL ? BNET_ENOMEM : read_log(log, f, _i);
		seen = failmalloc_stop();
		n = log == NULL ? 0 : cap_keylog_count(log);
		ck_assert_int_eq(err, seen >= nth ? BNET_ENOMEM : BNET_OK);
		ck_assert_uint_eq(n, err == BNET_OK ? 40 : 0);
		cap_keylog_free(log);
	} while (seen >= nth);
	ck_assert_uint_gt(nth, 2);
	fclose(f);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tls_oom");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int n_failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_connection, 0, 2);
	tcase_add_loop_test(tc, test_keylog, 0, 2);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed == 0 ? 0 : 1;
}
