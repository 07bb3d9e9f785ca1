/* SPDX-License-Identifier: MIT */
/* The byte order of a first frame that is well formed in both. */
#include "tests/unit/link_talk.h"

#include "proto/link.h"

#define SIZE_TOP 70000

static struct bnet_codecs *codecs;
static struct bnet_buf in;

static void
setup(void)
{
	codecs = bnet_codecs_new();
	ck_assert_ptr_nonnull(codecs);
	bnet_buf_init(&in, TALK_MAX_BYTES);
}

static void
teardown(void)
{
	bnet_buf_free(&in);
	bnet_codecs_free(codecs);
}

struct tally {
	size_t n_packets, payload_bytes;
	bool has_header;
};

static enum bnet_err
count_packet(void *arg, const struct bnet_packet *packet)
{
	struct tally *tally = arg;

	tally->n_packets++;
	tally->payload_bytes = packet->payload.len;
	tally->has_header = packet->has_header;
	return BNET_OK;
}

/*
 * The first `torn` of `bytes` in pieces of `step`, then the rest; the order
 * afterwards.
 */
static enum bnet_order
feed_steps(
    struct bnet_slice bytes, size_t torn, size_t step, struct tally *tally)
{
	const struct bnet_link_settings set = { .no_inflate = true };
	const struct bnet_link_sink sink = { count_packet, NULL, tally };
	struct bnet_link *link = new_link(&set, codecs);
	enum bnet_order order;
	size_t used;

	*tally = (struct tally){ 0 };
	for (size_t at = 0, to; at < bytes.len; at = to) {
		to = at < torn && at + step < bytes.len ? at + step : bytes.len;
		unit_err("feed",
		    bnet_link_feed(link, part_of(bytes, at, to), &sink, &used),
		    BNET_OK);
		UNIT_MUST(used == to - at, "used %zu", used);
	}
	order = bnet_link_order(link);
	bnet_link_free(link);
	return order;
}

/* Headers of every length that is usual, the shortest and longer ones. */
static const struct bnet_header headers[] = {
	{ 0 },
	{ .dest_type = BNET_DEST_NODE, .dest = 7 },
	{ .dest_type = BNET_DEST_NODE, .dest = 7, .key = BNET_KEY_PONG },
	{ .source = 12,
	    .dest_type = BNET_DEST_CLIENT,
	    .dest = 40,
	    .key = -1617951807 },
	{ .source = INT64_C(17000000001),
	    .dest_type = BNET_DEST_NODE,
	    .dest = INT64_C(17000000002),
	    .key = 1 << 30,
	    .latency_ms = 250 },
	{ .source = INT64_MIN,
	    .dest_type = INT64_MIN,
	    .dest = INT64_MIN,
	    .key = INT32_MIN,
	    .serial = UINT32_MAX,
	    .latency_ms = UINT32_MAX,
	    .priority = true,
	    .timestamp = UINT64_MAX },
	{ .dest_type = BNET_DEST_CLIENT, .key = 1, .forks = 28 },
};

static size_t
put_header(const struct bnet_header *header, uint8_t *bytes, size_t room)
{
	static uint64_t ids[28];
	struct bnet_buf oob;
	size_t n;

	for (int i = 0; i < UNIT_ROWS(ids); i++)
		ids[i] = (uint64_t)i << 55;
	bnet_buf_init(&oob, room);
	unit_err("header", bnet_header_encode(header, ids, &oob), BNET_OK);
	n = oob.len;
	memcpy(bytes, oob.p, n);
	bnet_buf_free(&oob);
	return n;
}

/* Would the word's bytes turned around be of a frame within the limit? */
static bool
may_tie(uint32_t word)
{
	uint8_t p[4];

	bnet_order_put_u32(BNET_ORDER_LITTLE, p, word);
	word = bnet_order_get_u32(BNET_ORDER_NETWORK, p);
	return (word & ((UINT32_C(1) << 28) - 1)) <= BNET_FRAME_MAX_BYTES;
}

/* The default reads a little frame right even where nothing tells. */
static bool
is_right(enum bnet_order found, enum bnet_order order)
{
	return found == order ||
	    (order == BNET_ORDER_LITTLE && found == BNET_ORDER_AUTO);
}

/* Whole, and byte by byte until behind the header. */
static void
check_link(enum bnet_order order, struct bnet_slice frame, size_t oob_bytes)
{
	static const size_t steps[] = { 1, 5, SIZE_TOP };
	struct tally tally;

	for (int i = 0; i < UNIT_ROWS(steps); i++) {
		UNIT_MUST(is_right(feed_steps(
				       frame, 12 + oob_bytes, steps[i], &tally),
			      order),
		    "size %zu, step %zu", frame.len - 4, steps[i]);
		UNIT_MUST(tally.n_packets == 1 && tally.has_header &&
			tally.payload_bytes == frame.len - 8 - oob_bytes,
		    "size %zu, step %zu: %zu packets, %zu bytes", frame.len - 4,
		    steps[i], tally.n_packets, tally.payload_bytes);
	}
}

/*
 * A frame of every size up to SIZE_TOP: its head is enough; and where turning
 * the word around could deceive, a link is given all of it.
 */
static void
check_sizes(
    enum bnet_order order, uint32_t flags, const struct bnet_header *header)
{
	static uint8_t bytes[4 + SIZE_TOP];
	size_t oob_bytes = put_header(header, bytes + 8, SIZE_TOP);
	const struct bnet_slice head = { bytes, 8 + oob_bytes };
	enum bnet_order found;
	size_t need;

	bnet_order_put_u32(order, bytes + 4, (uint32_t)oob_bytes);
	for (uint32_t size = (uint32_t)oob_bytes + BNET_FRAME_OOB_BYTES;
	     size <= SIZE_TOP; size++) {
		bnet_order_put_u32(order, bytes, size | flags);
		unit_err("find",
		    bnet_link_find_order(
			head, BNET_FRAME_MAX_BYTES, &found, &need),
		    BNET_OK);
		UNIT_MUST(
		    is_right(found, order), "size %u, flags %x", size, flags);
		if (may_tie(size | flags))
			check_link(order,
			    (struct bnet_slice){ bytes, 4 + (size_t)size },
			    oob_bytes);
	}
}

static const uint32_t flags[] = { BNET_FRAME_F_OOB,
	BNET_FRAME_F_OOB | BNET_FRAME_F_ZLIB,
	BNET_FRAME_F_OOB | BNET_FRAME_F_SNAPPY };

START_TEST(test_network_with_header)
{
	for (int i = 0; i < UNIT_ROWS(flags); i++)
		check_sizes(BNET_ORDER_NETWORK, flags[i], &headers[_i]);
}
END_TEST

START_TEST(test_little_with_header)
{
	for (int i = 0; i < UNIT_ROWS(flags); i++)
		check_sizes(BNET_ORDER_LITTLE, flags[i], &headers[_i]);
}
END_TEST

/* What is there of it is all zeros behind `hex`. */
static const struct tie_row {
	const char *name, *hex;
	enum bnet_order order;
	size_t tells_at; /* MORE before, this order from then on */
} tie_rows[] = {
	{ "network, 256 and a header",
	    "10000100 00000009 2041cefff0bf810100 70", BNET_ORDER_NETWORK, 17 },
	{ "little, 256 and a header", "00010010 09000000 2041cefff0bf810100 70",
	    BNET_ORDER_LITTLE, 17 },
	{ "out-of-band bytes that are no header", "10000100 00000003 ffffff 70",
	    BNET_ORDER_AUTO, 11 },
	{ "a header with a byte behind it",
	    "10000100 0000000a 2041cefff0bf810100 00", BNET_ORDER_AUTO, 18 },
	{ "a header cut short", "10000100 00000008 2041cefff0bf8101 70",
	    BNET_ORDER_AUTO, 16 },
	{ "no out-of-band bytes", "10000100 00000000 7070", BNET_ORDER_AUTO,
	    8 },
	{ "network, 65536, or little, 272",
	    "10010000 00000009 2041cefff0bf810100 70", BNET_ORDER_NETWORK, 17 },
	{ "the other frame ends with it", "10010000 0000010c ff",
	    BNET_ORDER_AUTO, 276 },
	{ "the other frame ends before it: not waited for",
	    "10010000 0000010d 2041cefff0bf810100", BNET_ORDER_AUTO, 8 },
	{ "both have none", "10000010 00000000", BNET_ORDER_AUTO, 8 },
	{ "zlib that could be, or network, 800",
	    "10000320 00000009 2041cefff0bf810100", BNET_ORDER_NETWORK, 17 },
	{ "neither has out-of-band bytes", "00010000 00000009", BNET_ORDER_AUTO,
	    4 },
};

/* However much more is there, the answer is that of the first `tells_at`. */
START_TEST(test_tells_at)
{
	const struct tie_row *row = &tie_rows[_i];
	uint8_t bytes[400] = { 0 };
	struct bnet_slice hex = unit_hex(row->hex);
	size_t need;

	memcpy(bytes, hex.p, hex.len);
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		struct bnet_slice some = unit_copy(bytes, n);
		enum bnet_order order = BNET_ORDER_NETWORK;
		enum bnet_err err = bnet_link_find_order(
		    some, BNET_FRAME_MAX_BYTES, &order, &need);

		unit_err(
		    row->name, err, n < row->tells_at ? BNET_MORE : BNET_OK);
		if (err == BNET_MORE)
			ck_assert_msg(n < need && need <= row->tells_at,
			    "%s: needs %zu with %zu", row->name, need, n);
		ck_assert_int_eq(
		    order, err == BNET_OK ? row->order : BNET_ORDER_AUTO);
		unit_free(some);
	}
	unit_free(hex);
}
END_TEST

/* Out-of-band bytes in both readings, under a limit that allows that. */
START_TEST(test_both_have_out_of_band)
{
	static const uint8_t head[] = { 0x10, 0, 0, 0x15, 0, 0, 0, 4 };
	uint8_t bytes[64] = { 0 };
	struct bnet_slice some = { bytes, sizeof(bytes) };
	enum bnet_order order;
	size_t need;

	memcpy(bytes, head, sizeof(head));
	unit_err("network, 4 zeros are a header",
	    bnet_link_find_order(some, BNET_FRAME_MAX_BYTES_TOP, &order, &need),
	    BNET_OK);
	ck_assert_int_eq(order, BNET_ORDER_NETWORK);
}
END_TEST

/* A frame that told nothing is read as little, and the next one is asked. */
START_TEST(test_next_frame_tells)
{
	static const uint8_t zeros[300];
	static const uint8_t oob[] = { 0, 0, 0, 0 };
	const struct bnet_slice none = { NULL, 0 };
	struct tally tally;

	put_frame(
	    &in, BNET_ORDER_LITTLE, 0, none, (struct bnet_slice){ zeros, 256 });
	put_frame(&in, BNET_ORDER_NETWORK, BNET_FRAME_F_OOB,
	    (struct bnet_slice){ oob, sizeof(oob) },
	    (struct bnet_slice){ zeros, 248 });
	for (size_t step = 1; step < in.len + 100; step += 7) {
		ck_assert_int_eq(
		    feed_steps(bnet_buf_slice(&in), in.len, step, &tally),
		    BNET_ORDER_NETWORK);
		ck_assert_uint_eq(tally.n_packets, 2);
		ck_assert_uint_eq(tally.payload_bytes, 248);
	}
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("link_order");
	TCase *tc = unit_case(suite, "order");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(
	    tc, test_network_with_header, 0, UNIT_ROWS(headers));
	tcase_add_loop_test(tc, test_little_with_header, 0, UNIT_ROWS(headers));
	tcase_add_loop_test(tc, test_tells_at, 0, UNIT_ROWS(tie_rows));
	tcase_add_test(tc, test_both_have_out_of_band);
	tcase_add_test(tc, test_next_frame_tells);
	return suite;
}

UNIT_MAIN(make_suite)
