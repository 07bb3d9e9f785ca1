/* SPDX-License-Identifier: MIT */
/*
 * Holes anywhere in a captured TLS connection: exactly the messages that have
 * a byte in the hole are lost, and all others decrypt.
 */
#include "tests/unit/tls_heard.h"

static const struct {
	int version;
	const char *suite;
} suites[] = {
	{ TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384" },
	{ TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256" },
	{ TLS1_3_VERSION, "TLS_AES_128_CCM_8_SHA256" },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256" },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305" },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA" },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA384" },
	{ TLS1_1_VERSION, "ECDHE-ECDSA-AES256-SHA" },
};

#define N_SUITES ((int)(sizeof(suites) / sizeof(suites[0])))

static struct talk talk;
static struct heard heard;
static struct cap_tls *tls;
static struct cap_tls_sink sink = { .plain = heard_plain,
	.lost = heard_lost,
	.arg = &heard };

struct hole {
	enum cap_dir dir;
	size_t from, to; /* of the stream of its direction */
};

static void
setup_talk(int row)
{
	talk_init(&talk, suites[row].version, suites[row].suite);
	talk_connect(&talk);
	talk_shake(&talk);
	talk_converse(&talk);
}

static void
feed(enum cap_dir dir, const uint8_t *p, size_t n)
{
	if (n > 0)
		ck_assert_int_eq(
		    cap_tls_feed(tls, dir, (struct bnet_slice){ p, n }, &sink),
		    BNET_OK);
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* One flight that starts at `at` of its stream, but for the holes. */
static void
feed_flight(const struct talk_flight *f, size_t at, const struct hole *holes,
    size_t n_holes)
{
	const uint8_t *p = talk.wire.p + f->at;
	size_t done = 0, from, to;

	for (size_t i = 0; i < n_holes; i++) {
		const struct hole *h = &holes[i];

		if (h->dir != f->dir || h->from >= at + f->len ||
		    h->to <= at + done)
			continue;
		from = h->from > at ? h->from - at : 0;
		to = least(h->to - at, f->len);
		feed(f->dir, p + done, from - done);
		ck_assert_int_eq(
		    cap_tls_gap(tls, f->dir, to - from, &sink), BNET_OK);
		done = to;
	}
	feed(f->dir, p + done, f->len - done);
}

static void
feed_all(const struct hole *holes, size_t n_holes)
{
	size_t at[2] = { 0, 0 };

	heard_init(&heard);
	tls = cap_tls_new(talk.keylog);
	for (size_t i = 0; i < talk.n_flights; i++) {
		const struct talk_flight *f = &talk.flights[i];

		feed_flight(f, at[f->dir], holes, n_holes);
		at[f->dir] += f->len;
	}
	ck_assert_int_eq(cap_tls_end(tls, &sink), BNET_OK);
}

/* Every byte fed is read or told as lost; the missing ones are neither. */
static void
check_counts(const struct hole *holes, size_t n_holes)
{
	struct cap_tls_status st;
	size_t fed[2] = { talk.stream_len[0], talk.stream_len[1] };

	for (size_t i = 0; i < n_holes; i++)
		fed[holes[i].dir] -= holes[i].to - holes[i].from;
	cap_tls_status(tls, &st);
	for (int dir = 0; dir < 2; dir++) {
		ck_assert_uint_eq(st.held_bytes[dir], 0);
		ck_assert_uint_eq(
		    st.read_bytes[dir] + st.lost_bytes[dir], fed[dir]);
		ck_assert_uint_eq(st.lost_bytes[dir], heard.lost_bytes[dir]);
	}
}

static void
done(void)
{
	heard_free(&heard);
	cap_tls_free(tls);
}

/* The end of the record in which the hello of `dir` is. */
static size_t
hello_end(enum cap_dir dir)
{
	for (size_t i = 0; i < talk.n_flights; i++) {
		const uint8_t *p = talk.wire.p + talk.flights[i].at;

		if (talk.flights[i].dir == dir)
			return 5 + ((size_t)p[3] << 8 | p[4]);
	}
	ck_abort_msg("no flight");
	return 0;
}

/* A hole of many sizes at many places behind the hellos, in one direction. */
START_TEST(test_one_hole)
{
	static const size_t sizes[] = { 1, 23, 1448, 5000, 40000 };
	size_t step;

	setup_talk(_i);
	for (enum cap_dir dir = CAP_UP; dir <= CAP_DOWN; dir++) {
		size_t n = talk.stream_len[dir];

		for (size_t from = hello_end(dir); from < n; from += step) {
			/* not Finished and a key update in one hole */
			size_t size = sizes[from % (from < 2000 ? 4 : 5)];
			struct hole hole = { dir, from, least(from + size, n) };

			feed_all(&hole, 1);
			heard_check(&heard, &talk, hole.dir, from, hole.to);
			heard_check(&heard, &talk, !hole.dir, 0, 0);
			ck_assert_uint_ge(heard.n_lost[dir], 1);
			ck_assert_uint_eq(heard.n_lost[!dir], 0);
			check_counts(&hole, 1);
			done();
			/* all of the handshake, then here and there */
			step = from < 1200 ? 7 : 601;
		}
	}
	talk_free(&talk);
}
END_TEST

/* Two holes with something between them. */
START_TEST(test_two_holes)
{
	setup_talk(_i);
	for (size_t from = hello_end(CAP_UP);
	     from + 20000 < talk.stream_len[CAP_UP]; from += 1999) {
		struct hole holes[2] = { { CAP_UP, from, from + 500 },
			{ CAP_UP, from + 600 + from % 7000,
			    from + 700 + from % 13000 } };

		if (holes[1].to <= holes[1].from)
			holes[1].to = holes[1].from + 1;
		feed_all(holes, 2);
		check_counts(holes, 2);
		heard_check(&heard, &talk, CAP_DOWN, 0, 0);
		/* what lies wholly behind both is there: so the last one */
		ck_assert_uint_ge(heard.plain[CAP_UP].len, 700);
		ck_assert_mem_eq(
		    heard.plain[CAP_UP].p + heard.plain[CAP_UP].len - 700,
		    talk.plain.p + talk.plain.len - 700, 700);
		done();
	}
	talk_free(&talk);
}
END_TEST

/* Without its hello a connection can not be read, and says so. */
START_TEST(test_hello_missing)
{
	struct cap_tls_status st;

	setup_talk(_i);
	for (enum cap_dir dir = CAP_UP; dir <= CAP_DOWN; dir++) {
		struct hole hole = { dir, 20, 30 };

		feed_all(&hole, 1);
		cap_tls_status(tls, &st);
		ck_assert_int_eq(st.state, CAP_TLS_NO_START);
		ck_assert_uint_eq(st.plain_bytes[0] + st.plain_bytes[1], 0);
		check_counts(&hole, 1);
		done();
	}
	talk_free(&talk);
}
END_TEST

/* A byte that is wrong costs its record and no other. */
START_TEST(test_flipped)
{
	setup_talk(_i);
	for (size_t i = 0; i < talk.n_messages; i++) {
		const struct talk_message *m = &talk.messages[i];
		size_t at = 0, k;

		for (k = 0; k < talk.n_flights; k++) {
			if (talk.flights[k].dir != m->dir)
				continue;
			if (m->stream_at < at + talk.flights[k].len)
				break;
			at += talk.flights[k].len;
		}
		ck_assert_uint_lt(k, talk.n_flights);
		at = talk.flights[k].at + talk.flights[k].len - 1;
		ck_assert_uint_ge(talk.flights[k].len, m->stream_len);
		talk.wire.p[at] ^= 0x40;
		feed_all(NULL, 0);
		heard_check(&heard, &talk, m->dir, m->stream_at,
		    m->stream_at + m->stream_len);
		heard_check(&heard, &talk, !m->dir, 0, 0);
		ck_assert_uint_eq(heard.lost_bytes[m->dir], m->stream_len);
		done();
		talk.wire.p[at] ^= 0x40;
	}
	talk_free(&talk);
}
END_TEST

/* A hole in what is held back waits with it, and both come out in order. */
START_TEST(test_hole_held)
{
	struct hole hole;
	size_t at = 0;

	setup_talk(_i);
	for (size_t skip = 3; skip < 12; skip++) {
		const struct talk_message *m = &talk.messages[skip];

		if (m->dir != CAP_UP)
			continue;
		hole = (struct hole){ CAP_UP, m->stream_at + 1,
			m->stream_at + m->stream_len + 1 };
		heard_init(&heard);
		tls = cap_tls_new(talk.keylog);
		for (int dir = 0; dir < 2; dir++) {
			at = 0;
			for (size_t i = 0; i < talk.n_flights; i++) {
				if ((int)talk.flights[i].dir != dir)
					continue;
				feed_flight(&talk.flights[i], at, &hole, 1);
				at += talk.flights[i].len;
			}
		}
		ck_assert_int_eq(cap_tls_end(tls, &sink), BNET_OK);
		heard_check(&heard, &talk, CAP_UP, hole.from, hole.to);
		heard_check(&heard, &talk, CAP_DOWN, 0, 0);
		check_counts(&hole, 1);
		done();
	}
	talk_free(&talk);
}
END_TEST

/* What a lying capture can ask for: huge holes, again and again. */
START_TEST(test_huge_holes)
{
	static const uint64_t sizes[] = { UINT64_MAX, 1, UINT64_MAX - 4, 0 };
	const struct talk_flight *last;
	struct cap_tls_status st;

	setup_talk(_i);
	heard_init(&heard);
	tls = cap_tls_new(talk.keylog);
	for (size_t i = 0; i < talk.n_flights; i++) {
		const struct talk_flight *f = &talk.flights[i];

		feed(f->dir, talk.wire.p + f->at, f->len / 2);
		if (i >= 12)
			ck_assert_int_eq(
			    cap_tls_gap(tls, f->dir, sizes[i % 4], &sink),
			    BNET_OK);
		feed(f->dir, talk.wire.p + f->at + f->len / 2,
		    f->len - f->len / 2);
	}
	/* and it is still in order */
	last = &talk.flights[talk.n_flights - 1];
	feed(last->dir, talk.wire.p + last->at, last->len);
	ck_assert_int_eq(cap_tls_end(tls, &sink), BNET_OK);
	cap_tls_status(tls, &st);
	for (int dir = 0; dir < 2; dir++)
		ck_assert_uint_eq(st.read_bytes[dir] + st.lost_bytes[dir],
		    talk.stream_len[dir] +
			((int)last->dir == dir ? last->len : 0));
	done();
	talk_free(&talk);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tls_gap");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int n_failed;

	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, test_one_hole, 0, N_SUITES);
	tcase_add_loop_test(tc, test_two_holes, 0, N_SUITES);
	tcase_add_loop_test(tc, test_hello_missing, 0, N_SUITES);
	tcase_add_loop_test(tc, test_flipped, 0, N_SUITES);
	tcase_add_loop_test(tc, test_hole_held, 0, N_SUITES);
	tcase_add_loop_test(tc, test_huge_holes, 0, N_SUITES);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed == 0 ? 0 : 1;
}
