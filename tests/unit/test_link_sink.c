/* SPDX-License-Identifier: MIT */
/* What a plain link tells, keeps and allocates when not all goes well. */
#include "tests/unit/failmalloc.h"
#include "tests/unit/link_whole.h"

/* What was not told is pending, then the input from *used_bytes on. */
START_TEST(test_malformed_behind_good)
{
	static const uint8_t bad[] = { 1, 0, 0, 0x80, 9, 8, 7, 6, 5 };
	const struct bnet_link_settings set = { 0 };
	struct bnet_buf in;
	struct bnet_slice all, pending;
	size_t good_bytes, used;

	bnet_buf_init(&in, 10000);
	put_talk(&in, BNET_ORDER_LITTLE, codecs);
	good_bytes = in.len;
	unit_err("bad",
	    bnet_buf_append(&in, (struct bnet_slice){ bad, sizeof(bad) }),
	    BNET_OK);
	all = bnet_buf_slice(&in);
	for (size_t cut = 0; cut < good_bytes + 4; cut++) {
		struct bnet_link *link = new_link(&set, codecs);
		struct heard heard;

		heard_init(&heard);
		unit_err("first",
		    feed_copy(link, part_of(all, 0, cut), &heard, &used),
		    BNET_OK);
		unit_err("then",
		    feed_copy(link, part_of(all, cut, all.len), &heard, &used),
		    BNET_ERESERVED);
		ck_assert_uint_eq(heard.n_packets, TALK_FRAMES);
		pending = bnet_link_pending(link);
		ck_assert_uint_eq(cut + used, good_bytes + pending.len);
		unit_same("pending", pending,
		    part_of(all, good_bytes, good_bytes + pending.len));
		heard_free(&heard);
		bnet_link_free(link);
	}
	bnet_buf_free(&in);
}
END_TEST

/* The sink stops at each packet in turn: nothing lost, nothing told twice. */
static void
stop_and_go(struct bnet_slice in, size_t step, size_t stop_at, bool each)
{
	const struct bnet_link_settings set = { 0 };
	struct bnet_link *link = new_link(&set, codecs);
	struct heard heard;
	size_t used, from = 0, to = step, n_stops = 0;

	heard_init(&heard);
	heard.stop_at = stop_at;
	heard.stop_each = each;
	heard.stop_with = BNET_ENOMEM; /* the sink's word, not the link's */
	while (from < in.len) {
		enum bnet_err err;

		to = to < in.len ? to : in.len;
		err = feed_copy(link, part_of(in, from, to), &heard, &used);
		from += used;
		if (err == BNET_OK) {
			to = from + step;
			continue;
		}
		unit_err("stop", err, BNET_ENOMEM);
		n_stops++;
	}
	ck_assert_uint_eq(n_stops, each ? TALK_FRAMES : 1);
	heard_same("stop and go", &heard, &want);
	heard_free(&heard);
	bnet_link_free(link);
}

START_TEST(test_sink_stops)
{
	struct bnet_slice in = whole_talk(BNET_ORDER_LITTLE);

	for (size_t step = 1; step <= in.len; step++) {
		for (size_t at = 1; at <= TALK_FRAMES; at++)
			stop_and_go(in, step, at, false);
		stop_and_go(in, step, 0, true);
	}
}
END_TEST

static const struct bad_row {
	const char *name, *hex;
	uint32_t payload_max_bytes;
	enum bnet_err err;
} bad_rows[] = {
	{ "zlib, nothing", "00000020", 0, BNET_EZLIB },
	{ "zlib, corrupt", "08000020 28000000 789c4b4d", 0, BNET_EZLIB },
	{ "zlib, over the limit",
	    "14000020 28000000 789c4b4c240e000036eb0f2900000000", 39,
	    BNET_EPAYLOAD },
	{ "zlib, trailing", "11000020 28000000 789c4b4c240e000036eb0f2900", 0,
	    BNET_EZLIB },
	{ "zlib, with out-of-band", "0a000030 02000000 ffff 00000000", 0,
	    BNET_EZLIB },
	{ "snappy, nothing", "00000040", 0, BNET_ESNAPPY },
	{ "snappy, short", "02000040 0a00", 0, BNET_ESNAPPY },
	{ "snappy, over the limit", "06000040 ffffffff0f00", 0, BNET_EPAYLOAD },
};

/* The packet is passed over; the ones before and behind it are good. */
START_TEST(test_bad_payload)
{
	const struct bad_row *row = &bad_rows[_i];
	struct bnet_link_settings set = { .order = BNET_ORDER_LITTLE,
		.payload_max_bytes = row->payload_max_bytes };
	struct bnet_slice bad = unit_hex(row->hex);
	struct bnet_buf in;
	struct heard heard;
	struct bnet_link_sink sink = { heard_packet, NULL, &heard };
	struct bnet_link *link = new_link(&set, codecs);
	size_t used, rest;

	bnet_buf_init(&in, 1000);
	put_frame(&in, BNET_ORDER_LITTLE, 0, (struct bnet_slice){ 0 },
	    slice_of("before"));
	unit_err("bad", bnet_buf_append(&in, bad), BNET_OK);
	put_frame(&in, BNET_ORDER_LITTLE, 0, (struct bnet_slice){ 0 },
	    slice_of("after"));
	heard_init(&heard);
	unit_err("with a `bad`",
	    feed_copy(link, bnet_buf_slice(&in), &heard, &used), BNET_OK);
	ck_assert_uint_eq(heard.n_packets, 2);
	ck_assert_uint_eq(heard.n_bad, 1);
	unit_err(row->name, heard.why, row->err);
	/* without one it stops the feeding, and that can go on behind it */
	unit_err("without",
	    bnet_link_feed(link, bnet_buf_slice(&in), &sink, &used), row->err);
	ck_assert_uint_eq(used, 10 + bad.len);
	rest = in.len - used;
	unit_err("on",
	    bnet_link_feed(
		link, bnet_slice_from(bnet_buf_slice(&in), used), &sink, &used),
	    BNET_OK);
	ck_assert_uint_eq(used, rest);
	ck_assert_uint_eq(heard.n_packets, 4);
	bnet_link_free(link);
	/* and where payloads stay as they are, nothing is bad */
	set.no_inflate = true;
	link = new_link(&set, codecs);
	unit_err("no_inflate",
	    bnet_link_feed(link, bnet_buf_slice(&in), &sink, &used), BNET_OK);
	ck_assert_uint_eq(heard.n_packets, 7);
	bnet_link_free(link);
	heard_free(&heard);
	bnet_buf_free(&in);
	unit_free(bad);
}
END_TEST

/* Whole frames are read where they lie; what a torn one took is given back. */
START_TEST(test_idle_holds_nothing)
{
	const struct bnet_link_settings set = { 0 };
	struct bnet_link *link = new_link(&set, codecs);
	struct bnet_slice in = slice_of("\5\0\0\0hello\5\0\0\0hello");
	struct bnet_link_sink sink;
	struct heard heard;
	unsigned long n_allocs[3];
	enum bnet_err err[3];
	size_t used;

	in.len = 18;
	heard_init(&heard);
	sink = heard_sink(&heard);
	unit_err("room", bnet_buf_append(&heard.log, slice_of("x")), BNET_OK);
	for (int i = 0; i < 3; i++) {
		bnet_buf_clear(&heard.log);
		failmalloc_watch();
		err[0] = bnet_link_feed(link, part_of(in, 0, 5), &sink, &used);
		err[1] = bnet_link_feed(link, part_of(in, 5, 18), &sink, &used);
		n_allocs[i] = failmalloc_stop();
		bnet_buf_clear(&heard.log);
		failmalloc_watch();
		err[2] = bnet_link_feed(link, in, &sink, &used);
		ck_assert_uint_eq(failmalloc_stop(), 0);
		for (int j = 0; j < 3; j++)
			unit_err("feed", err[j], BNET_OK);
	}
	ck_assert_uint_ge(n_allocs[1], 1);
	ck_assert_uint_eq(n_allocs[1], n_allocs[2]);
	ck_assert_uint_eq(heard.n_packets, 12);
	heard_free(&heard);
	bnet_link_free(link);
}
END_TEST

static enum bnet_err
ignore_packet(void *arg, const struct bnet_packet *packet)
{
	(void)packet;
	++*(size_t *)arg;
	return BNET_OK;
}

/* A link made, fed in two parts and freed. */
static enum bnet_err
feed_all(void *arg)
{
	const struct bnet_link_settings set = { 0 };
	struct bnet_link_sink sink = { ignore_packet, NULL, arg };
	struct bnet_slice in = bnet_buf_slice(&talk[BNET_ORDER_NETWORK]);
	struct bnet_link *link = NULL;
	struct bnet_codecs *own = bnet_codecs_new();
	enum bnet_err err = own == NULL ? BNET_ENOMEM : BNET_OK;
	size_t used, from = 0;

	if (err == BNET_OK)
		err = bnet_link_new(&set, own, &link);
	for (size_t to = 70; err == BNET_OK && from < in.len; to = in.len) {
		err = bnet_link_feed(link, part_of(in, from, to), &sink, &used);
		from = to;
	}
	bnet_link_free(link);
	bnet_codecs_free(own);
	return err;
}

START_TEST(test_every_failed_allocation)
{
	size_t n = 0;

	ck_assert_uint_ge(failmalloc_each(feed_all, &n), 4);
}
END_TEST

/* What could not be told for want of memory is still to be told. */
static void
fail_and_go_on(struct bnet_slice in, size_t cut, unsigned long nth)
{
	const struct bnet_link_settings set = { 0 };
	struct bnet_codecs *own = bnet_codecs_new();
	struct bnet_link *link = new_link(&set, own);
	struct bnet_link_sink sink;
	struct heard heard;
	size_t from = 0, used;

	heard_init(&heard);
	sink = heard_sink(&heard);
	/* room, so that it asks for none */
	unit_err("room", bnet_buf_append(&heard.log, bnet_buf_slice(&want.log)),
	    BNET_OK);
	bnet_buf_clear(&heard.log);
	for (int i = 0; i < 3; i++) {
		size_t to = from < cut ? cut : in.len;
		enum bnet_err err;

		failmalloc_arm(i == 0 ? nth : 0, false);
		err = bnet_link_feed(link, part_of(in, from, to), &sink, &used);
		(void)failmalloc_stop();
		if (i > 0 || err != BNET_ENOMEM)
			unit_err("feed", err, BNET_OK);
		from += used;
	}
	ck_assert_uint_eq(from, in.len);
	heard_same("after a failure", &heard, &want);
	heard_free(&heard);
	bnet_link_free(link);
	bnet_codecs_free(own);
}

START_TEST(test_goes_on_after_failed_allocation)
{
	struct bnet_slice in = whole_talk(BNET_ORDER_LITTLE);

	for (unsigned long nth = 1; nth <= 4; nth++)
		for (size_t cut = 1; cut <= in.len; cut++)
			fail_and_go_on(in, cut, nth);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("link_sink");
	TCase *tc = unit_case(suite, "sink");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_malformed_behind_good);
	tcase_add_test(tc, test_sink_stops);
	tcase_add_loop_test(tc, test_bad_payload, 0, UNIT_ROWS(bad_rows));
	tcase_add_test(tc, test_idle_holds_nothing);
	tcase_add_test(tc, test_every_failed_allocation);
	tcase_add_test(tc, test_goes_on_after_failed_allocation);
	return suite;
}

UNIT_MAIN(make_suite)
