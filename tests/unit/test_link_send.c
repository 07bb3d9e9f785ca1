/* SPDX-License-Identifier: MIT */
/* Packets into a plain link: what comes out, and what is refused. */
#include "tests/unit/failmalloc.h"
#include "tests/unit/link_talk.h"

static struct bnet_codecs *codecs;

static void
setup(void)
{
	codecs = bnet_codecs_new();
	ck_assert_ptr_nonnull(codecs);
}

static void
teardown(void)
{
	bnet_codecs_free(codecs);
}

/* All that waits, in a copy, written `step` bytes at a time. */
static struct bnet_slice
take_output(struct bnet_link *link, size_t step)
{
	struct bnet_slice out, copy;
	struct bnet_buf all;

	bnet_buf_init(&all, TALK_MAX_BYTES);
	for (;;) {
		unit_err("output", bnet_link_output(link, &out), BNET_OK);
		if (out.len == 0)
			break;
		out.len = out.len < step ? out.len : step;
		unit_err("copy", bnet_buf_append(&all, out), BNET_OK);
		bnet_link_output_done(link, out.len);
	}
	copy = unit_copy(all.p, all.len);
	bnet_buf_free(&all);
	return copy;
}

static void
send_ok(struct bnet_link *link, const struct bnet_packet *packet)
{
	unit_err("send", bnet_link_send(link, packet), BNET_OK);
}

static const struct wire_row {
	const char *name, *hex;
	enum bnet_order order;
	bool has_header, has_oob;
	const char *payload;
} wire_rows[] = {
	{ "little", "11000010 09000000 2041cefff0bf810100 70696e67",
	    BNET_ORDER_LITTLE, true, true, "ping" },
	{ "network", "10000011 00000009 2041cefff0bf810100 70696e67",
	    BNET_ORDER_NETWORK, true, true, "ping" },
	{ "little while not known",
	    "11000010 09000000 2041cefff0bf810100 70696e67", BNET_ORDER_AUTO,
	    true, false, "ping" },
	{ "no header", "05000000 68656c6c6f", BNET_ORDER_LITTLE, false, false,
	    "hello" },
	{ "empty out-of-band", "04000010 00000000", BNET_ORDER_LITTLE, false,
	    true, "" },
	{ "nothing", "00000000", BNET_ORDER_NETWORK, false, false, "" },
};

START_TEST(test_wire)
{
	const struct wire_row *row = &wire_rows[_i];
	const struct bnet_link_settings set = { .order = row->order };
	struct bnet_link *link = new_link(&set, codecs);
	struct bnet_packet packet =
	    packet_to_7(-1617951807, slice_of(row->payload));
	struct bnet_slice got, want = unit_hex(row->hex);

	packet.has_header = row->has_header;
	packet.has_oob = row->has_oob;
	send_ok(link, &packet);
	got = take_output(link, 3);
	unit_same(row->name, got, want);
	unit_free(got);
	unit_free(want);
	bnet_link_free(link);
}
END_TEST

/* We answer in the order in which the peer speaks. */
START_TEST(test_answers_in_its_order)
{
	const struct bnet_link_settings set = { 0 };
	struct bnet_link *link = new_link(&set, codecs);
	struct bnet_packet packet = { .payload = slice_of("x") };
	struct bnet_slice in = unit_hex("00000001 78"), got;
	struct heard heard;
	size_t used;

	heard_init(&heard);
	unit_err("in", feed_copy(link, in, &heard, &used), BNET_OK);
	send_ok(link, &packet);
	got = take_output(link, 100);
	unit_same("echo", got, in);
	unit_free(got);
	unit_free(in);
	heard_free(&heard);
	bnet_link_free(link);
}
END_TEST

/* Of `n` bytes the first `n_random` are random, the others 0. */
static struct bnet_slice
half_random(uint64_t *seed, size_t n, size_t n_random)
{
	uint8_t *bytes = calloc(1, n + 1);
	struct bnet_slice copy;

	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < n_random; i++)
		bytes[i] = (uint8_t)unit_random(seed);
	copy = unit_copy(bytes, n);
	free(bytes);
	return copy;
}

static void
send_and_judge(struct bnet_link *link, enum bnet_codec_id codec,
    struct bnet_slice payload, bool expect_packed)
{
	struct bnet_packet packet = { .payload = payload };
	struct bnet_link_settings set = { .order = BNET_ORDER_NETWORK };
	struct bnet_link *peer = new_link(&set, codecs);
	struct bnet_slice got;
	struct bnet_frame frame;
	struct heard heard;
	size_t used;

	heard_init(&heard);
	send_ok(link, &packet);
	got = take_output(link, SIZE_MAX);
	unit_err("frame",
	    bnet_frame_decode(
		got, BNET_ORDER_NETWORK, BNET_FRAME_MAX_BYTES, &frame, &used),
	    BNET_OK);
	ck_assert_uint_eq(used, got.len);
	ck_assert_msg(frame.flags ==
		(!expect_packed                    ? 0
			: codec == BNET_CODEC_ZLIB ? BNET_FRAME_F_ZLIB
						   : BNET_FRAME_F_SNAPPY),
	    "%zu bytes: flags %x, %zu bytes of payload", payload.len,
	    frame.flags, frame.payload.len);
	unit_err("back", feed_copy(peer, got, &heard, &used), BNET_OK);
	ck_assert_uint_eq(heard.n_packets, 1);
	unit_same("payload",
	    bnet_slice_from(
		bnet_buf_slice(&heard.log), heard.log.len - payload.len),
	    payload);
	heard_free(&heard);
	unit_free(got);
	bnet_link_free(peer);
}

static const struct threshold_row {
	uint32_t threshold_bytes;
	size_t n;
	bool packed;
} threshold_rows[] = {
	{ 0, 0, false },
	{ 0, 199, false },
	{ 0, 200, true },
	{ 1, 30, true },
	{ 5000, 4999, false },
	{ 5000, 5000, true },
};

START_TEST(test_threshold)
{
	const struct threshold_row *row = &threshold_rows[_i];
	struct bnet_link_settings set = { .order = BNET_ORDER_NETWORK,
		.threshold_bytes = row->threshold_bytes };
	struct bnet_link *link = new_link(&set, codecs);
	uint64_t seed = 1;
	struct bnet_slice payload = half_random(&seed, row->n, 0);

	send_and_judge(link, BNET_CODEC_NONE, payload, false);
	for (enum bnet_codec_id id = BNET_CODEC_ZLIB; id <= BNET_CODEC_SNAPPY;
	     id++) {
		bnet_link_set_codec(link, id);
		send_and_judge(link, id, payload, row->packed);
	}
	unit_free(payload);
	bnet_link_free(link);
}
END_TEST

/* Kept where it is below 90 % of the original: judged in tenths of bytes. */
START_TEST(test_worth)
{
	const enum bnet_codec_id codec = (enum bnet_codec_id)_i;
	struct bnet_link_settings set = { .order = BNET_ORDER_NETWORK,
		.codec = codec };
	struct bnet_link *link = new_link(&set, codecs);
	uint64_t seed = 12345;
	size_t n_at = 0, n_just_below = 0;
	struct bnet_buf packed;

	bnet_buf_init(&packed, 100000);
	for (size_t n = 200; n < 700; n++)
		for (size_t r = n * 70 / 100; r < n * 90 / 100;
		     r += n % 10 == 0 ? 1 : 3) {
			struct bnet_slice payload = half_random(&seed, n, r);
			size_t ten, nine = n * 9;

			unit_err("pack",
			    bnet_codec_encode(codecs, codec, BNET_ORDER_NETWORK,
				payload, &packed),
			    BNET_OK);
			ten = packed.len * 10;
			if (ten <= nine + 20 && ten + 20 >= nine)
				send_and_judge(
				    link, codec, payload, ten < nine);
			n_at += ten == nine;
			n_just_below += ten < nine && ten + 10 > nine;
			unit_free(payload);
		}
	ck_assert_uint_gt(n_at, 0);
	ck_assert_uint_gt(n_just_below, 0);
	bnet_buf_free(&packed);
	bnet_link_free(link);
}
END_TEST

static struct bnet_link *resend_to;

static enum bnet_err
resend(void *arg, const struct bnet_packet *packet)
{
	struct bnet_packet again = *packet;

	(void)arg;
	return bnet_link_send(resend_to, &again);
}

/* Every kind of frame goes out again as it came, byte for byte. */
START_TEST(test_resend_as_it_is)
{
	const struct bnet_link_settings in_set = { .no_inflate = _i != 0 };
	const struct bnet_link_settings out_set = { .codec = BNET_CODEC_SNAPPY,
		.threshold_bytes = 1000 };
	const struct bnet_link_sink sink = { resend, NULL, NULL };
	struct bnet_link *link = new_link(&in_set, codecs);
	struct bnet_buf in;
	struct bnet_slice got;
	size_t used;

	resend_to = new_link(&out_set, codecs);
	bnet_buf_init(&in, 10000);
	put_talk(&in, BNET_ORDER_LITTLE, codecs);
	unit_err("feed",
	    bnet_link_feed(link, bnet_buf_slice(&in), &sink, &used), BNET_OK);
	got = take_output(resend_to, 10);
	unit_same("again", got, bnet_buf_slice(&in));
	unit_free(got);
	bnet_buf_free(&in);
	bnet_link_free(resend_to);
	bnet_link_free(link);
}
END_TEST

/* A sink may send what it was told on the link that tells it. */
START_TEST(test_sink_sends_on_its_link)
{
	const struct bnet_link_settings set = { .codec = BNET_CODEC_ZLIB,
		.threshold_bytes = 1 };
	const struct bnet_link_sink sink = { resend, NULL, NULL };
	struct bnet_link *link = new_link(&set, codecs);
	struct bnet_buf in;
	struct bnet_slice got;
	struct heard once, twice;
	size_t used;

	heard_init(&once);
	heard_init(&twice);
	bnet_buf_init(&in, 10000);
	put_talk(&in, BNET_ORDER_LITTLE, codecs);
	resend_to = link;
	for (size_t i = 0; i < in.len; i++)
		unit_err("feed",
		    bnet_link_feed(link, part_of(bnet_buf_slice(&in), i, i + 1),
			&sink, &used),
		    BNET_OK);
	got = take_output(link, SIZE_MAX);
	unit_err(
	    "1", feed_copy(link, bnet_buf_slice(&in), &once, &used), BNET_OK);
	unit_err("2", feed_copy(link, got, &twice, &used), BNET_OK);
	heard_same("echo", &twice, &once);
	unit_free(got);
	heard_free(&once);
	heard_free(&twice);
	bnet_buf_free(&in);
	bnet_link_free(link);
}
END_TEST

static const struct size_row {
	size_t payload_bytes, oob_bytes;
	enum bnet_err err;
} size_rows[] = {
	{ 100, 0, BNET_OK },
	{ 101, 0, BNET_ESIZE },
	{ 86, 10, BNET_OK },
	{ 87, 10, BNET_ESIZE },
	{ 0, 97, BNET_ESIZE },
};

START_TEST(test_frame_limit)
{
	static const uint8_t zeros[200];
	const struct size_row *row = &size_rows[_i];
	const struct bnet_link_settings set = { .frame_max_bytes = 100 };
	struct bnet_link *link = new_link(&set, codecs);
	struct bnet_packet packet = { .has_oob = row->oob_bytes > 0,
		.oob = { zeros, row->oob_bytes },
		.payload = { zeros, row->payload_bytes } };
	struct bnet_slice got;

	unit_err("send", bnet_link_send(link, &packet), row->err);
	got = take_output(link, SIZE_MAX);
	ck_assert_uint_eq(got.len, row->err == BNET_OK ? 104 : 0);
	unit_free(got);
	bnet_link_free(link);
}
END_TEST

/* At the ceiling nothing is queued, and when it is written there is room. */
START_TEST(test_output_ceiling)
{
	static const uint8_t zeros[96];
	const struct bnet_link_settings set = { .out_max_bytes = 1000 };
	struct bnet_link *link = new_link(&set, codecs);
	const struct bnet_packet packet = { .payload = { zeros, 96 } };
	struct bnet_slice got, out;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 10; i++)
			send_ok(link, &packet);
		for (int i = 0; i < 3; i++)
			unit_err(
			    "over", bnet_link_send(link, &packet), BNET_ELIMIT);
		unit_err("output", bnet_link_output(link, &out), BNET_OK);
		ck_assert_uint_eq(out.len, 1000);
		bnet_link_output_done(link, 99);
		unit_err("over", bnet_link_send(link, &packet), BNET_ELIMIT);
		bnet_link_output_done(link, 1);
		send_ok(link, &packet);
		got = take_output(link, 7);
		ck_assert_uint_eq(got.len, 1000);
		unit_free(got);
	}
	bnet_link_free(link);
}
END_TEST

/* The output's memory is given back when all of it is written. */
START_TEST(test_idle_holds_nothing)
{
	const struct bnet_link_settings set = { 0 };
	struct bnet_link *link = new_link(&set, codecs);
	const struct bnet_packet packet = { .payload = slice_of("hello") };
	unsigned long n_allocs[3];
	struct bnet_slice out;

	for (int i = 0; i < 3; i++) {
		enum bnet_err err, err_out;

		failmalloc_watch();
		err = bnet_link_send(link, &packet);
		err_out = bnet_link_output(link, &out);
		bnet_link_output_done(link, out.len);
		n_allocs[i] = failmalloc_stop();
		unit_err("send", err, BNET_OK);
		unit_err("output", err_out, BNET_OK);
	}
	ck_assert_uint_eq(n_allocs[1], 1);
	ck_assert_uint_eq(n_allocs[2], 1);
	bnet_link_free(link);
}
END_TEST

static enum bnet_err
send_all(void *arg)
{
	static const uint8_t zeros[400];
	const struct bnet_link_settings set = { .codec = BNET_CODEC_ZLIB };
	struct bnet_packet packet =
	    packet_to_7(1, (struct bnet_slice){ zeros, sizeof(zeros) });
	struct bnet_codecs *own = bnet_codecs_new();
	struct bnet_link *link = NULL;
	enum bnet_err err = own == NULL ? BNET_ENOMEM : BNET_OK;

	(void)arg;
	if (err == BNET_OK)
		err = bnet_link_new(&set, own, &link);
	if (err == BNET_OK)
		err = bnet_link_send(link, &packet);
	if (err == BNET_OK)
		err = bnet_link_close(link);
	bnet_link_free(link);
	bnet_codecs_free(own);
	return err;
}

START_TEST(test_every_failed_allocation)
{
	ck_assert_uint_ge(failmalloc_each(send_all, NULL), 5);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("link_send");
	TCase *tc = unit_case(suite, "out");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_wire, 0, UNIT_ROWS(wire_rows));
	tcase_add_test(tc, test_answers_in_its_order);
	tcase_add_loop_test(tc, test_threshold, 0, UNIT_ROWS(threshold_rows));
	tcase_add_loop_test(
	    tc, test_worth, BNET_CODEC_ZLIB, BNET_CODEC_SNAPPY + 1);
	tcase_add_loop_test(tc, test_resend_as_it_is, 0, 2);
	tcase_add_test(tc, test_sink_sends_on_its_link);
	tcase_add_loop_test(tc, test_frame_limit, 0, UNIT_ROWS(size_rows));
	tcase_add_test(tc, test_output_ceiling);
	tcase_add_test(tc, test_idle_holds_nothing);
	tcase_add_test(tc, test_every_failed_allocation);
	return suite;
}

UNIT_MAIN(make_suite)
