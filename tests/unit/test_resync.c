/* SPDX-License-Identifier: MIT */
/* Where do frames start? */
#include "cmd/capture/resync.h"

#include "tests/unit/failmalloc.h"
#include "tests/unit/packets.h"

#define COPIED_BYTES 1000

static struct bnet_buf bytes;
static struct resync resync;
static uint64_t seed;

static void
setup(void)
{
	bnet_buf_init(&bytes, TALK_MAX_BYTES);
	resync_init(&resync, BNET_ORDER_AUTO, BNET_FRAME_MAX_BYTES, false);
	seed = 99;
}

static void
teardown(void)
{
	resync_free(&resync);
	bnet_buf_free(&bytes);
}

static void
put(const void *p, size_t n)
{
	unit_err("put", bnet_buf_append(&bytes, (struct bnet_slice){ p, n }),
	    BNET_OK);
}

static void
put_random(size_t n)
{
	uint8_t *p = malloc(n + 1);

	ck_assert_ptr_nonnull(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)unit_random(&seed);
	put(p, n);
	free(p);
}

static void
put_pattern(const char *hex, size_t n_times)
{
	struct bnet_slice in = unit_hex(hex);

	uint8_t *p = malloc(n_times * in.len);

	ck_assert_ptr_nonnull(p);
	for (size_t i = 0; i < n_times; i++)
		memcpy(p + i * in.len, in.p, in.len);
	put(p, n_times * in.len);
	free(p);
	unit_free(in);
}

/* `n` frames with headers, of random sizes below `max`. */
static void
put_frames(enum bnet_order order, uint32_t n, size_t max)
{
	for (uint32_t i = 0; i < n; i++)
		put_numbered(&bytes, order, i, unit_random(&seed) % max);
}

/*
 * Hunt `chunk` bytes more at a time, dropping what it says holds no start.
 * Returns where frames start, from the first byte on; SIZE_MAX: nowhere.
 */
static size_t
resync_for(size_t chunk, bool last, enum bnet_order *order)
{
	enum bnet_order forced = resync.order;
	size_t n_starts = resync.n_starts;
	size_t dropped = 0, n = 0, at;
	enum resync_result result = RESYNC_OPEN;

	resync_free(&resync);
	resync_init(&resync, forced, resync.frame_max_bytes, n_starts);
	while (result == RESYNC_OPEN && n < bytes.len) {
		struct bnet_slice in;
		bool copy;

		n = chunk < bytes.len - n ? n + chunk : bytes.len;
		copy = n - dropped < COPIED_BYTES;
		in = (struct bnet_slice){ bytes.p + dropped, n - dropped };
		if (copy) /* so that one byte too many is noticed */
			in = unit_copy(in.p, in.len);
		result = resync_step(
		    &resync, in, last && n == bytes.len, &at, order);
		if (copy)
			unit_free(in);
		if (at > n - dropped)
			ck_abort_msg("at is behind the bytes");
		if (result == RESYNC_OPEN) {
			dropped += at;
			resync_dropped(&resync, at);
		}
	}
	return result == RESYNC_FOUND ? dropped + at : SIZE_MAX;
}

static const size_t chunks[] = { 1, 7, 100, 1448, SIZE_MAX };

/* However the bytes come, the answer is the same. */
static void
expect_at(const char *what, size_t want, enum bnet_order want_order, bool last)
{
	for (int i = 0; i < UNIT_ROWS(chunks); i++) {
		enum bnet_order order = BNET_ORDER_AUTO;
		size_t at = resync_for(chunks[i], last, &order);

		ck_assert_msg(at == want, "%s, by %zu: at %zu, not %zu", what,
		    chunks[i], at, want);
		if (want != SIZE_MAX)
			ck_assert_int_eq(order, want_order);
	}
}

static const enum bnet_order orders[] = { BNET_ORDER_LITTLE,
	BNET_ORDER_NETWORK };

START_TEST(test_behind_random_bytes)
{
	for (size_t n = 0; n < 60; n++) {
		bnet_buf_clear(&bytes);
		put_random(n * 7);
		put_frames(orders[_i], 5, 200);
		expect_at("random", n * 7, orders[_i], false);
	}
}
END_TEST

static const struct before_row {
	const char *name, *hex;
	size_t n_times;
} before_rows[] = {
	{ "zeros", "00", 4001 },
	{ "zeros, four at a time", "00000000", 1000 },
	{ "ones", "ff", 4000 },
	{ "ASCII", "474554202f20485454502f312e310d0a", 200 },
	{ "words of the reserved bit", "81828384", 500 },
	{ "frames too long", "01001000", 500 },
	{ "a few empty frames and junk", "00000000 00000000 ff", 300 },
	{ "long frames that lead nowhere", "f0ff0f00", 40 },
};

START_TEST(test_behind_other_bytes)
{
	const struct before_row *row = &before_rows[_i];

	put_pattern(row->hex, row->n_times);
	for (int i = 0; i < 2; i++) {
		size_t at = bytes.len;

		put_frames(orders[i], 8, 3000);
		expect_at(row->name, at, orders[i], false);
		bnet_buf_clear(&bytes);
		put_pattern(row->hex, row->n_times);
	}
	expect_at(row->name, SIZE_MAX, BNET_ORDER_AUTO, true);
}
END_TEST

/* A payload full of frames: those around it are meant. */
START_TEST(test_frames_in_a_payload)
{
	struct bnet_buf inner;

	bnet_buf_init(&inner, 1 << 20);
	for (uint32_t i = 0; i < 20; i++)
		put_numbered(&inner, BNET_ORDER_LITTLE, i, 30 + i);
	put_random(50);
	for (int i = 0; i < 5; i++) {
		uint8_t header[] = { 0x20, 0x41, 0xce, 0xff, 0xf0, 0xbf, 0x81,
			0x01, 0x00 };

		put_frame(&bytes, BNET_ORDER_LITTLE, BNET_FRAME_F_OOB,
		    (struct bnet_slice){ header, sizeof(header) },
		    bnet_buf_slice(&inner));
	}
	expect_at("around", 50, BNET_ORDER_LITTLE, false);
	bnet_buf_free(&inner);
}
END_TEST

START_TEST(test_at_start)
{
	enum bnet_order order;

	resync.n_starts = 1;
	put_frames(BNET_ORDER_LITTLE, 5, 100);
	expect_at("at once", 0, BNET_ORDER_LITTLE, false);
	bnet_buf_clear(&bytes);
	put_pattern("00", 3);
	put_frames(BNET_ORDER_LITTLE, 5, 100);
	expect_at("behind something", SIZE_MAX, BNET_ORDER_AUTO, false);
	bnet_buf_clear(&bytes);
	put_pattern("474554202f20485454502f312e310d0a", 1);
	ck_assert_uint_eq(resync_for(4, false, &order), SIZE_MAX);
	/* it says so with the first word, and does not wait for more */
	ck_assert_int_eq(resync_step(&resync, bnet_buf_slice(&bytes), false,
			     &(size_t){ 0 }, &order),
	    RESYNC_NONE);
}
END_TEST

/* Two with a header are not enough, unless nothing follows. */
START_TEST(test_last)
{
	put_random(10);
	put_numbered(&bytes, BNET_ORDER_LITTLE, 1, 10);
	expect_at("one, and more may come", SIZE_MAX, 0, false);
	expect_at("one at the end", 10, BNET_ORDER_LITTLE, true);
	put_numbered(&bytes, BNET_ORDER_LITTLE, 1, 10);
	expect_at("two, and more may come", SIZE_MAX, 0, false);
	expect_at("two at the end", 10, BNET_ORDER_LITTLE, true);
	bytes.len -= 3;
	expect_at("the second is torn", 10, BNET_ORDER_LITTLE, true);
	bnet_buf_clear(&bytes);
	put_pattern("05000000 68656c6c6f", 1);
	expect_at("one without a header", SIZE_MAX, 0, true);
	put_pattern("05000000 68656c6c6f", 1);
	expect_at("two without", 0, BNET_ORDER_LITTLE, true);
	put_pattern("05000000 68656c6c6f", 3);
	expect_at("five, and more may come", SIZE_MAX, 0, false);
	put_pattern("05000000 68656c6c6f", 1);
	expect_at("six", 0, BNET_ORDER_LITTLE, false);
}
END_TEST

START_TEST(test_order_forced)
{
	resync.order = orders[_i];
	for (uint32_t i = 0; i < 10; i++)
		put_numbered(&bytes, orders[!_i], i, 300 + 7 * i);
	expect_at("the other order", SIZE_MAX, 0, true);
	put_frames(orders[_i], 10, 100);
	for (int i = 0; i < UNIT_ROWS(chunks); i++) {
		enum bnet_order order;

		ck_assert_uint_ne(
		    resync_for(chunks[i], true, &order), SIZE_MAX);
		ck_assert_int_eq(order, orders[_i]);
	}
}
END_TEST

/* Frames of nearly the limit are waited for. */
START_TEST(test_over_big_frames)
{
	put_random(30);
	for (uint32_t i = 0; i < 3; i++)
		put_numbered(&bytes, BNET_ORDER_NETWORK, i, 1000000);
	for (int i = 3; i < UNIT_ROWS(chunks); i++) {
		enum bnet_order order;

		ck_assert_uint_eq(resync_for(chunks[i], false, &order), 30);
		ck_assert_int_eq(order, BNET_ORDER_NETWORK);
	}
}
END_TEST

/* More open places than there is room for do not hide what has headers. */
START_TEST(test_full_of_open_places)
{
	enum bnet_order order;

	put_pattern("f0ff0f00", 6000);
	put_frames(BNET_ORDER_LITTLE, 12, 3000);
	ck_assert_uint_eq(resync_for(500, false, &order), 24000);
	ck_assert_uint_eq(resync_for(SIZE_MAX, false, &order), 24000);
}
END_TEST

static const struct cost_row {
	const char *name, *hex;
} cost_rows[] = {
	{ "zeros", "00000000" },
	{ "random", NULL },
	{ "long frames", "f0ff0f00" },
	{ "long frames, every fourth byte both ways", "00020200" },
	{ "short frames up to a bad one",
	    "04000000 aaaaaaaa 04000000 aaaaaaaa 04000000 aaaaaaaa"
	    "04000000 aaaaaaaa 04000000 aaaaaaaa ffffffff" },
	{ "empty ones between",
	    "01000000 01 00000000 00000000 00000000 01000000 01 00000000"
	    "00000000 00000000 01000000 01 00000000 00000000 00000000"
	    "00000000" },
	{ "long headers", "f0ff0f10 00f00f00" },
	{ "headers of many forks", "f0ff0010 00f00000 e0ffffff07000000" },
	{ "overlapping words", "10000010 0c000000" },
};

#define COST_BYTES ((size_t)4 << 20)

/* So many looks at frames a byte, whatever the bytes are. */
START_TEST(test_cost)
{
	const struct cost_row *row = &cost_rows[_i];
	enum bnet_order order;
	size_t at, n;

	if (row->hex == NULL)
		put_random(COST_BYTES);
	else
		while (bytes.len < COST_BYTES)
			put_pattern(row->hex, 50000);
	for (int i = 3; i < UNIT_ROWS(chunks); i++) {
		uint64_t n_steps = 0;
		size_t from = 0;

		/* as after each false find: on from the next byte */
		resync_free(&resync);
		resync_init(
		    &resync, BNET_ORDER_AUTO, BNET_FRAME_MAX_BYTES, false);
		for (n = 0; n < bytes.len;) {
			n = chunks[i] < bytes.len - n ? n + chunks[i]
						      : bytes.len;
			if (resync_step(&resync,
				(struct bnet_slice){ bytes.p + from, n - from },
				n == bytes.len, &at, &order) != RESYNC_FOUND)
				continue;
			n_steps += resync.n_steps;
			from += at + 1;
			resync_free(&resync);
			resync_init(&resync, BNET_ORDER_AUTO,
			    BNET_FRAME_MAX_BYTES, false);
			if (resync_held_bytes(&resync) != 0)
				ck_abort_msg("it holds memory");
			n = from > n ? from : n;
		}
		n_steps += resync.n_steps;
		ck_assert_msg(n_steps < 40 * bytes.len,
		    "%s: %llu looks at %zu bytes", row->name,
		    (unsigned long long)n_steps, bytes.len);
		ck_assert_uint_le(resync_held_bytes(&resync), 1 << 20);
	}
}
END_TEST

/* Behind a long frame with a header nothing is looked at before its end. */
START_TEST(test_cost_of_waiting)
{
	enum bnet_order order;
	size_t at;

	put_pattern("40420f10 09000000 2041cefff0bf810100", 1);
	while (bytes.len < 500000)
		put_pattern("04000000 aaaaaaaa", 1000);
	resync_init(&resync, BNET_ORDER_AUTO, BNET_FRAME_MAX_BYTES, false);
	ck_assert_int_eq(
	    resync_step(&resync, bnet_buf_slice(&bytes), false, &at, &order),
	    RESYNC_OPEN);
	ck_assert_uint_eq(at, 0);
	ck_assert_uint_lt(resync.n_steps, 10);
}
END_TEST

/* A header is not read at each place where it might be very long. */
START_TEST(test_long_header_is_not_read)
{
	struct bnet_header header = { .dest_type = BNET_DEST_CLIENT,
		.forks = 250 };
	uint64_t ids[250] = { 0 };
	struct bnet_buf packed;

	bnet_buf_init(&packed, 1000);
	unit_err("header", bnet_header_encode(&header, ids, &packed), BNET_OK);
	ck_assert_uint_gt(packed.len, 90);
	for (int i = 0; i < 6; i++)
		put_frame(&bytes, BNET_ORDER_LITTLE, BNET_FRAME_F_OOB,
		    bnet_buf_slice(&packed), slice_of("x"));
	expect_at("found all the same", 0, BNET_ORDER_LITTLE, false);
	bnet_buf_free(&packed);
}
END_TEST

/* Out of memory, it goes on with what it has. */
START_TEST(test_failed_allocation)
{
	enum resync_result result;
	enum bnet_order order;
	size_t at;

	put_pattern("f0ff0f00", 100);
	put_frames(BNET_ORDER_LITTLE, 8, 50);
	failmalloc_arm(1, true);
	result =
	    resync_step(&resync, bnet_buf_slice(&bytes), false, &at, &order);
	(void)failmalloc_stop();
	ck_assert_int_eq(result, RESYNC_FOUND);
	ck_assert_uint_eq(at, 400);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("resync");
	TCase *tc = unit_case(suite, "resync");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_behind_random_bytes, 0, 2);
	tcase_add_loop_test(
	    tc, test_behind_other_bytes, 0, UNIT_ROWS(before_rows));
	tcase_add_test(tc, test_frames_in_a_payload);
	tcase_add_test(tc, test_at_start);
	tcase_add_test(tc, test_last);
	tcase_add_loop_test(tc, test_order_forced, 0, 2);
	tcase_add_test(tc, test_over_big_frames);
	tcase_add_test(tc, test_full_of_open_places);
	tcase_add_test(tc, test_cost_of_waiting);
	tcase_add_loop_test(tc, test_cost, 0, UNIT_ROWS(cost_rows));
	tcase_add_test(tc, test_long_header_is_not_read);
	tcase_add_test(tc, test_failed_allocation);
	return suite;
}

UNIT_MAIN(make_suite)
