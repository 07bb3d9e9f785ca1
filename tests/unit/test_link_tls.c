/* SPDX-License-Identifier: MIT */
/* Two links back to back under TLS. */
#include "tests/unit/failmalloc.h"
#include "tests/unit/link_talk.h"
#include "tests/unit/tls_ends.h"

static struct bnet_codecs *codecs;
static struct bnet_tls_ctx *ctx[2]; /* client, server */
static struct bnet_link *up, *down; /* the client's, the server's */

static void
setup(void)
{
	struct bnet_tls_settings set[2];
	char why[200];

	make_idents();
	set[0] = client_settings();
	set[1] = server_settings();
	for (int i = 0; i < 2; i++)
		unit_err("ctx",
		    bnet_tls_ctx_new(&set[i], &ctx[i], why, sizeof(why)),
		    BNET_OK);
	codecs = bnet_codecs_new();
	ck_assert_ptr_nonnull(codecs);
}

static void
teardown(void)
{
	bnet_link_free(up);
	bnet_link_free(down);
	up = down = NULL; /* not every test opens both */
	bnet_tls_ctx_free(ctx[0]);
	bnet_tls_ctx_free(ctx[1]);
	bnet_codecs_free(codecs);
	free_idents();
}

static void
open_both(size_t out_max_bytes)
{
	struct bnet_link_settings set = { .tls = ctx[0],
		.tls_host = "localhost",
		.out_max_bytes = out_max_bytes };

	up = new_link(&set, codecs);
	set.tls = ctx[1];
	down = new_link(&set, codecs);
}

/*
 * What `from` has to say to `to`, `chunk` bytes at a time, until it has no
 * more. A sink that stops is asked again with what is left.
 */
static enum bnet_err
carry_link(struct bnet_link *from, struct bnet_link *to, struct heard *heard,
    size_t chunk)
{
	enum bnet_err err = BNET_OK;
	struct bnet_slice out;
	size_t used;

	for (;;) {
		unit_err("output", bnet_link_output(from, &out), BNET_OK);
		if (out.len == 0)
			return err;
		out.len = out.len < chunk ? out.len : chunk;
		err = feed_copy(to, out, heard, &used);
		if (err != BNET_OK && err != heard->stop_with) {
			bnet_link_output_done(from, out.len);
			return err;
		}
		bnet_link_output_done(from, used);
	}
}

static void
shake_hands(size_t chunk)
{
	struct heard nothing;

	heard_init(&nothing);
	for (int i = 0; i < 4; i++) {
		unit_err("up", carry_link(up, down, &nothing, chunk), BNET_OK);
		unit_err(
		    "down", carry_link(down, up, &nothing, chunk), BNET_OK);
	}
	ck_assert(bnet_tls_ready(bnet_link_tls(up)));
	ck_assert(bnet_tls_ready(bnet_link_tls(down)));
	ck_assert_uint_eq(nothing.n_told, 0);
	heard_free(&nothing);
}

/* The i-th packet says so, in as many bytes as it takes to vary. */
static void
send_nth(struct bnet_link *link, size_t i)
{
	static uint8_t text[3000];
	struct bnet_packet packet = packet_to_7((int32_t)i,
	    (struct bnet_slice){ text, 8 + i * 37 % (sizeof(text) - 8) });

	memcpy(text, &i, sizeof(i));
	unit_err("send", bnet_link_send(link, &packet), BNET_OK);
}

static const size_t chunks[] = { 1, 7, 1000, 70000, SIZE_MAX };

/* What is sent before the handshake is done waits for it. */
START_TEST(test_both_ways)
{
	const size_t chunk = chunks[_i];
	struct heard at_down, at_up;

	heard_init(&at_down);
	heard_init(&at_up);
	open_both(0);
	send_nth(up, 0);
	send_nth(down, 0);
	for (int i = 0; i < 4; i++) {
		unit_err("up", carry_link(up, down, &at_down, chunk), BNET_OK);
		unit_err("down", carry_link(down, up, &at_up, chunk), BNET_OK);
	}
	ck_assert_uint_eq(at_down.n_packets, 1);
	for (size_t i = 1; i < 100; i++) {
		send_nth(up, i);
		send_nth(down, i);
		if (i % 10 != 0)
			continue;
		unit_err("up", carry_link(up, down, &at_down, chunk), BNET_OK);
		unit_err("down", carry_link(down, up, &at_up, chunk), BNET_OK);
	}
	unit_err("cut", bnet_link_end(up), BNET_ECUT);
	unit_err("close", bnet_link_close(up), BNET_OK);
	unit_err("closed", carry_link(up, down, &at_down, chunk), BNET_CLOSED);
	unit_err("end", bnet_link_end(down), BNET_CLOSED);
	unit_err("close", bnet_link_close(down), BNET_OK);
	unit_err("closed", carry_link(down, up, &at_up, chunk), BNET_CLOSED);
	unit_err("end", bnet_link_end(up), BNET_CLOSED);
	ck_assert_uint_eq(at_down.n_packets, 100);
	heard_same("both ways", &at_down, &at_up);
	heard_free(&at_down);
	heard_free(&at_up);
}
END_TEST

#define N_STOPS 500 /* packets: some 700 KB */

/* It stops at every packet: nothing is lost, or told twice, or piles up. */
START_TEST(test_sink_stops)
{
	const size_t chunk = chunks[_i];
	struct heard want, got;

	heard_init(&want);
	heard_init(&got);
	got.stop_each = true;
	for (int round = 0; round < 2; round++) {
		struct heard *heard = round == 0 ? &want : &got;
		struct bnet_slice none = { NULL, 0 };
		enum bnet_err err;
		size_t used;

		bnet_link_free(up);
		bnet_link_free(down);
		open_both(0);
		shake_hands(1000);
		for (size_t i = 0; i < N_STOPS; i++)
			send_nth(up, i);
		unit_err("close", bnet_link_close(up), BNET_OK);
		err = carry_link(up, down, heard, chunk);
		for (int i = 0; i < N_STOPS && err == heard->stop_with; i++)
			err = feed_copy(down, none, heard, &used);
		/* at last, the close_notify that was behind them all */
		unit_err("closed", err, BNET_CLOSED);
		unit_err("end", bnet_link_end(down), BNET_CLOSED);
	}
	ck_assert_uint_eq(want.n_packets, N_STOPS);
	heard_same("stops", &got, &want);
	heard_free(&want);
	heard_free(&got);
}
END_TEST

START_TEST(test_cut)
{
	struct heard heard;
	struct bnet_slice out;
	size_t used;

	heard_init(&heard);
	open_both(0);
	shake_hands(1000);
	send_nth(up, 50);
	unit_err("output", bnet_link_output(up, &out), BNET_OK);
	out.len /= 2;
	unit_err("half", feed_copy(down, out, &heard, &used), BNET_OK);
	unit_err("cut", bnet_link_end(down), BNET_ECUT);
	ck_assert_uint_eq(heard.n_told, 0);
	heard_free(&heard);
}
END_TEST

/* Closed too early nothing is lost: it says so, and closes when it can. */
START_TEST(test_close_before_handshake)
{
	const size_t chunk = chunks[_i];
	struct heard at_down, at_up;
	enum bnet_err err = BNET_OK;
	size_t n_early = 0;

	heard_init(&at_down);
	heard_init(&at_up);
	open_both(0);
	send_nth(up, 0);
	send_nth(up, 1);
	while ((err = bnet_link_close(up)) == BNET_MORE) {
		n_early++;
		ck_assert(!bnet_tls_ready(bnet_link_tls(up)));
		unit_err("up", carry_link(up, down, &at_down, chunk), BNET_OK);
		ck_assert_uint_eq(at_down.n_packets, 0);
		unit_err("down", carry_link(down, up, &at_up, chunk), BNET_OK);
	}
	unit_err("close", err, BNET_OK);
	ck_assert_uint_gt(n_early, 0);
	unit_err("rest", carry_link(up, down, &at_down, chunk), BNET_CLOSED);
	ck_assert_uint_eq(at_down.n_packets, 2);
	unit_err("end", bnet_link_end(down), BNET_CLOSED);
	heard_free(&at_down);
	heard_free(&at_up);
}
END_TEST

/* With nothing to send there is nothing to wait for; nor after a failure. */
START_TEST(test_close_without_handshake)
{
	struct heard nothing;
	size_t used;

	heard_init(&nothing);
	open_both(0);
	unit_err("idle", bnet_link_close(up), BNET_OK);
	send_nth(down, 0);
	unit_err("early", bnet_link_close(down), BNET_MORE);
	unit_err("no TLS",
	    feed_copy(down, slice_of("GET / HTTP/1.1\r\n"), &nothing, &used),
	    BNET_ETLS);
	unit_err("lost", bnet_link_close(down), BNET_ETLS);
	heard_free(&nothing);
}
END_TEST

/* close_notify inside a frame: the frame was cut. */
START_TEST(test_closed_inside_a_frame)
{
	const struct bnet_packet packet = { .codec = BNET_CODEC_NONE,
		.payload = slice_of("hello") };
	struct heard heard;
	struct bnet_tls *tls;
	struct bnet_buf wire;
	size_t used;

	heard_init(&heard);
	bnet_buf_init(&wire, 10000);
	open_both(0);
	shake_hands(1000);
	unit_err("send", bnet_link_send(up, &packet), BNET_OK);
	unit_err("carry", carry_link(up, down, &heard, 1000), BNET_OK);
	tls = bnet_link_tls(up);
	unit_err("torn",
	    bnet_tls_send(tls,
		(struct bnet_slice){ (const uint8_t *)"\5\0\0\0he", 6 }, &wire),
	    BNET_OK);
	unit_err("close", bnet_tls_close(tls, &wire), BNET_OK);
	unit_err("closed",
	    feed_copy(down, bnet_buf_slice(&wire), &heard, &used), BNET_CLOSED);
	unit_err("end", bnet_link_end(down), BNET_ECUT);
	ck_assert_uint_eq(bnet_link_pending(down).len, 6);
	ck_assert_uint_eq(bnet_link_missing_bytes(down), 3);
	bnet_buf_free(&wire);
	heard_free(&heard);
}
END_TEST

/* A malformed frame: pending holds it and all that was behind it. */
START_TEST(test_malformed)
{
	static const uint8_t bad[] = { 1, 0, 0, 0, 'x', 0, 0, 0, 0x80, 'y' };
	struct heard heard;
	struct bnet_buf wire;
	size_t used;

	heard_init(&heard);
	bnet_buf_init(&wire, 10000);
	open_both(0);
	shake_hands(1000);
	unit_err("send",
	    bnet_tls_send(bnet_link_tls(up),
		(struct bnet_slice){ bad, sizeof(bad) }, &wire),
	    BNET_OK);
	unit_err("feed", feed_copy(down, bnet_buf_slice(&wire), &heard, &used),
	    BNET_ERESERVED);
	ck_assert_uint_eq(used, wire.len);
	ck_assert_uint_eq(heard.n_packets, 1);
	unit_same("pending", bnet_link_pending(down),
	    (struct bnet_slice){ bad + 5, 5 });
	bnet_buf_free(&wire);
	heard_free(&heard);
}
END_TEST

/*
 * The ceiling is that of all that waits: sending is refused, in order, and
 * the connection does not break over it.
 */
START_TEST(test_output_ceiling)
{
	struct bnet_packet packet = { .payload = slice_of("0123456789") };
	struct heard heard;
	size_t n_sent = 0;

	heard_init(&heard);
	open_both(20000);
	shake_hands(1000);
	for (int round = 0; round < 4; round++) {
		enum bnet_err err = BNET_OK;

		for (int i = 0; i < 10000; i++) {
			struct bnet_slice out;

			err = bnet_link_send(up, &packet);
			if (err != BNET_OK)
				break;
			n_sent++;
			/* encrypted, but not written */
			unit_err("output", bnet_link_output(up, &out), BNET_OK);
		}
		unit_err("full", err, BNET_ELIMIT);
		unit_err("carry", carry_link(up, down, &heard, 500), BNET_OK);
		ck_assert_uint_eq(heard.n_packets, n_sent);
	}
	heard_free(&heard);
}
END_TEST

START_TEST(test_garbage)
{
	struct heard heard;
	size_t used;

	heard_init(&heard);
	open_both(0);
	unit_err("feed",
	    feed_copy(down, slice_of("GET / HTTP/1.1\r\n\r\n"), &heard, &used),
	    BNET_ETLS);
	ck_assert_str_ne(bnet_tls_reason(bnet_link_tls(down)), "");
	unit_err("end", bnet_link_end(down), BNET_ECUT);
	heard_free(&heard);
}
END_TEST

static enum bnet_err
ignore_packet(void *arg, const struct bnet_packet *packet)
{
	(void)packet;
	++*(size_t *)arg;
	return BNET_OK;
}

static enum bnet_err
pump(struct bnet_link *from, struct bnet_link *to, size_t *n)
{
	const struct bnet_link_sink sink = { ignore_packet, NULL, n };
	struct bnet_slice out;
	size_t used;
	enum bnet_err err = bnet_link_output(from, &out);

	if (err == BNET_OK)
		err = bnet_link_feed(to, out, &sink, &used);
	if (err == BNET_OK)
		bnet_link_output_done(from, out.len);
	return err;
}

/* Both ends made, a packet sent, all freed; asserts nothing. */
static enum bnet_err
talk_once(void *arg)
{
	struct bnet_link_settings set = { .tls = ctx[0],
		.tls_host = "localhost" };
	const struct bnet_packet packet = { .payload = slice_of("hello") };
	struct bnet_codecs *own = bnet_codecs_new();
	enum bnet_err err = own == NULL ? BNET_ENOMEM : BNET_OK;

	if (err == BNET_OK)
		err = bnet_link_new(&set, own, &up);
	set.tls = ctx[1];
	if (err == BNET_OK)
		err = bnet_link_new(&set, own, &down);
	if (err == BNET_OK)
		err = bnet_link_send(up, &packet);
	for (int i = 0; i < 6 && err == BNET_OK; i++) {
		err = pump(up, down, arg);
		if (err == BNET_OK)
			err = pump(down, up, arg);
	}
	bnet_link_free(up);
	bnet_link_free(down);
	up = down = NULL;
	bnet_codecs_free(own);
	return err;
}

START_TEST(test_every_failed_allocation)
{
	size_t n = 0;

	/* in full; those that follow resume it, each as the other */
	unit_err("first", talk_once(&n), BNET_OK);
	ck_assert_uint_ge(failmalloc_each(talk_once, &n), 8);
	ck_assert_uint_ge(n, 2);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("link_tls");
	TCase *tc = unit_case(suite, "tls");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_both_ways, 0, UNIT_ROWS(chunks));
	tcase_add_loop_test(tc, test_sink_stops, 1, UNIT_ROWS(chunks));
	tcase_add_test(tc, test_cut);
	tcase_add_loop_test(
	    tc, test_close_before_handshake, 0, UNIT_ROWS(chunks));
	tcase_add_test(tc, test_close_without_handshake);
	tcase_add_test(tc, test_closed_inside_a_frame);
	tcase_add_test(tc, test_malformed);
	tcase_add_test(tc, test_output_ceiling);
	tcase_add_test(tc, test_garbage);
	tcase_add_test(tc, test_every_failed_allocation);
	return suite;
}

UNIT_MAIN(make_suite)
