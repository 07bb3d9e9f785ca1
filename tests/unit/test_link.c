/* SPDX-License-Identifier: MIT */
/* Bytes into a plain link: how they are cut, byte order, limits. */
#include "tests/unit/failmalloc.h"
#include "tests/unit/link_whole.h"

static void
split(enum bnet_order told, struct bnet_slice in, const size_t *cuts,
    size_t n_cuts)
{
	struct heard heard;

	heard_init(&heard);
	feed_parts(told, in, cuts, n_cuts, &heard);
	heard_same("split", &heard, &want);
	heard_free(&heard);
}

START_TEST(test_every_split)
{
	struct bnet_slice in = whole_talk((enum bnet_order)_i);

	for (size_t a = 0; a <= in.len; a++) {
		split(BNET_ORDER_AUTO, in, &a, 1);
		split((enum bnet_order)_i, in, &a, 1);
		for (size_t b = a; b <= in.len; b += 1 + b % 3)
			split(BNET_ORDER_AUTO, in, (size_t[]){ a, b }, 2);
	}
}
END_TEST

START_TEST(test_byte_by_byte)
{
	struct bnet_slice in = whole_talk((enum bnet_order)_i);
	size_t cuts[1000];

	ck_assert_uint_lt(in.len, 1000);
	for (size_t i = 0; i < in.len; i++)
		cuts[i] = i;
	split(BNET_ORDER_AUTO, in, cuts, in.len);
	split((enum bnet_order)_i, in, cuts, in.len);
}
END_TEST

static const struct order_row {
	const char *name, *hex;
	enum bnet_order order; /* after it */
	size_t n_packets;
} order_rows[] = {
	{ "little", "05000000 68656c6c6f", BNET_ORDER_LITTLE, 1 },
	{ "network", "00000005 68656c6c6f", BNET_ORDER_NETWORK, 1 },
	{ "nothing", "", BNET_ORDER_AUTO, 0 },
	{ "three bytes", "000000", BNET_ORDER_AUTO, 0 },
	{ "empty frames tell nothing", "00000000 00000000", BNET_ORDER_AUTO,
	    2 },
	{ "the next one tells", "00000000 00000005 68656c6c6f",
	    BNET_ORDER_NETWORK, 2 },
	{ "4 or 67108864, too long", "04000000 00000000", BNET_ORDER_LITTLE,
	    1 },
	{ "512 or 131072: our default", "00020000", BNET_ORDER_AUTO, 0 },
	{ "a palindrome", "00010100", BNET_ORDER_AUTO, 0 },
};

START_TEST(test_order)
{
	const struct order_row *row = &order_rows[_i];
	const struct bnet_link_settings set = { 0 };
	struct bnet_slice in = unit_hex(row->hex);
	size_t used;

	for (size_t step = 1; step <= in.len + 1;
	     step += in.len + (in.len == 0)) {
		struct bnet_link *link = new_link(&set, codecs);
		struct heard heard;

		heard_init(&heard);
		for (size_t at = 0; at < in.len; at += step)
			unit_err(row->name,
			    feed_copy(link,
				part_of(in, at,
				    at + step < in.len ? at + step : in.len),
				&heard, &used),
			    BNET_OK);
		ck_assert_int_eq(bnet_link_order(link), row->order);
		ck_assert_uint_eq(heard.n_packets, row->n_packets);
		heard_free(&heard);
		bnet_link_free(link);
	}
	unit_free(in);
}
END_TEST

/* 256 bytes in our order, 65536 in the other; the second frame decides. */
START_TEST(test_ambiguous_is_little)
{
	static const uint8_t head[] = { 0, 1, 0, 0 };
	static const uint8_t body[256], next[] = { 0, 0, 0, 2, 'h', 'i' };
	const struct bnet_link_settings set = { 0 };
	struct bnet_link *link = new_link(&set, codecs);
	struct heard heard;
	size_t used;

	heard_init(&heard);
	unit_err("word",
	    feed_copy(link, (struct bnet_slice){ head, 4 }, &heard, &used),
	    BNET_OK);
	unit_err("body",
	    feed_copy(link, (struct bnet_slice){ body, 256 }, &heard, &used),
	    BNET_OK);
	ck_assert_uint_eq(heard.n_packets, 1);
	ck_assert_int_eq(bnet_link_order(link), BNET_ORDER_AUTO);
	unit_err("next",
	    feed_copy(
		link, (struct bnet_slice){ next, sizeof(next) }, &heard, &used),
	    BNET_OK);
	ck_assert_uint_eq(heard.n_packets, 2);
	ck_assert_int_eq(bnet_link_order(link), BNET_ORDER_NETWORK);
	heard_free(&heard);
	bnet_link_free(link);
}
END_TEST

static const struct limit_row {
	const char *name;
	uint32_t frame_max_bytes;
	const char *word; /* little */
	enum bnet_err err;
	size_t missing_bytes;
} limit_rows[] = {
	{ "below", 100, "63000000", BNET_OK, 99 },
	{ "at", 100, "64000000", BNET_OK, 100 },
	{ "above", 100, "65000000", BNET_ESIZE, 0 },
	{ "at, with out-of-band", 100, "64000010", BNET_OK, 100 },
	{ "above, with out-of-band", 100, "65000010", BNET_ESIZE, 0 },
	{ "the default, at", 0, "00001000", BNET_OK, 1048576 },
	{ "the default, above", 0, "01001000", BNET_ESIZE, 0 },
	{ "the top", BNET_FRAME_MAX_BYTES_TOP, "ffffff0f", BNET_OK,
	    BNET_FRAME_MAX_BYTES_TOP },
	{ "more than the top", UINT32_MAX, "ffffff0f", BNET_OK,
	    BNET_FRAME_MAX_BYTES_TOP },
	{ "reserved", 0, "01000080", BNET_ERESERVED, 0 },
	{ "both codecs", 0, "01000060", BNET_ECODECS, 0 },
	{ "no room for oob_len", 0, "03000010", BNET_EOOB, 0 },
	{ "oob_len over it", 0, "08000010 05000000", BNET_EOOB, 0 },
	{ "oob_len at it", 0, "08000010 04000000", BNET_OK, 4 },
};

/* Judged as soon as the word is in, and nothing large is allocated for it. */
START_TEST(test_limits)
{
	const struct limit_row *row = &limit_rows[_i];
	const struct bnet_link_settings set = { .order = BNET_ORDER_LITTLE,
		.frame_max_bytes = row->frame_max_bytes };
	struct bnet_link *link = new_link(&set, codecs);
	struct bnet_slice in = unit_hex(row->word);
	struct heard heard;
	enum bnet_err err = BNET_OK;
	size_t used = 1, i;

	heard_init(&heard);
	failmalloc_watch();
	for (i = 0; i < in.len && err == BNET_OK; i++)
		err = bnet_link_feed(link, part_of(in, i, i + 1),
		    &(struct bnet_link_sink){ heard_packet, heard_bad, &heard },
		    &used);
	(void)failmalloc_stop();
	ck_assert_uint_le(failmalloc_largest_bytes(), 4096);
	unit_err(row->name, err, row->err);
	ck_assert_uint_eq(i, in.len);
	ck_assert_uint_eq(bnet_link_pending(link).len, in.len);
	ck_assert_uint_eq(bnet_link_missing_bytes(link), row->missing_bytes);
	unit_err("end", bnet_link_end(link), BNET_ECUT);
	/* it stays lost until it is reset */
	if (row->err != BNET_OK)
		unit_err("again",
		    feed_copy(link, (struct bnet_slice){ 0 }, &heard, &used),
		    row->err);
	bnet_link_reset(link);
	unit_err("end", bnet_link_end(link), BNET_CLOSED);
	unit_err(
	    "reset", feed_copy(link, slice_of("\1"), &heard, &used), BNET_OK);
	ck_assert_uint_eq(bnet_link_missing_bytes(link), 0);
	heard_free(&heard);
	unit_free(in);
	bnet_link_free(link);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("link");
	TCase *tc = unit_case(suite, "cut");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(
	    tc, test_every_split, BNET_ORDER_LITTLE, BNET_ORDER_NETWORK + 1);
	tcase_add_loop_test(
	    tc, test_byte_by_byte, BNET_ORDER_LITTLE, BNET_ORDER_NETWORK + 1);
	tcase_add_loop_test(tc, test_order, 0, UNIT_ROWS(order_rows));
	tcase_add_test(tc, test_ambiguous_is_little);
	tcase_add_loop_test(tc, test_limits, 0, UNIT_ROWS(limit_rows));
	return suite;
}

UNIT_MAIN(make_suite)
