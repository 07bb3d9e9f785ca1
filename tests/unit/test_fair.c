/* SPDX-License-Identifier: MIT */
/* Turns of the sources of a long queue, with a clock of the test's own. */
#include "cmd/engine/fair.h"

#include "tests/unit/unit.h"

#include <string.h>

#define MAX_BYTES (UINT64_C(64) << 20)
#define FRAME_MAX 4096
#define MUST(what) UNIT_MUST(what, "%s", #what)

struct bench {
	struct budget budget;
	struct fair *fair;
	struct bnet_buf out;
	uint32_t n_put[FAIR_SHARES], n_got[FAIR_SHARES];
	size_t got_bytes[FAIR_SHARES];
};

static void
begin(struct bench *bench)
{
	*bench = (struct bench){ .budget.max_bytes = MAX_BYTES };
	bench->fair = fair_new(&bench->budget);
	ck_assert_ptr_nonnull(bench->fair);
	bnet_buf_init(&bench->out, SIZE_MAX / 4);
}

/* Everything is given back, whatever is still in it. */
static void
end(struct bench *bench)
{
	budget_free_buf(&bench->budget, &bench->out);
	fair_clear(bench->fair);
	fair_free(bench->fair);
	ck_assert_uint_eq(bench->budget.used_bytes, 0);
}

/* A frame of `n_bytes` with its share and its number in it. */
static bool
put(struct bench *bench, unsigned share, size_t n_bytes)
{
	static uint8_t frame[FRAME_MAX];

	bnet_order_put_u32(BNET_ORDER_LITTLE, frame, (uint32_t)n_bytes - 4);
	bnet_order_put_u32(BNET_ORDER_LITTLE, frame + 4, share);
	bnet_order_put_u32(BNET_ORDER_LITTLE, frame + 8, bench->n_put[share]);
	if (!fair_put(bench->fair, share, BNET_ORDER_LITTLE,
		(struct bnet_slice){ frame, n_bytes }, 1, BUDGET_QUEUE))
		return false;
	atomic_fetch_add(fair_held(bench->fair, share), n_bytes);
	bench->n_put[share]++;
	return true;
}

/* Read what is in line: whole frames, each source's in order. */
static unsigned
read_line(struct bench *bench)
{
	unsigned n = 0;

	while (bench->out.len > 0) {
		const uint8_t *p = bench->out.p + bench->out.at;
		size_t n_bytes = bnet_order_get_u32(BNET_ORDER_LITTLE, p) + 4;
		uint32_t share = bnet_order_get_u32(BNET_ORDER_LITTLE, p + 4);

		MUST(share < FAIR_SHARES && n_bytes <= bench->out.len);
		MUST(bnet_order_get_u32(BNET_ORDER_LITTLE, p + 8) ==
		    bench->n_got[share]);
		bench->n_got[share]++;
		bench->got_bytes[share] += n_bytes;
		bnet_buf_consume(&bench->out, n_bytes);
		n++;
	}
	return n;
}

static unsigned
take(struct bench *bench, size_t mark_bytes)
{
	uint64_t n = fair_take(bench->fair, &bench->out, mark_bytes);

	MUST(n == read_line(bench));
	return (unsigned)n;
}

/* All that was put comes out once, in the order of its source. */
START_TEST(nothing_is_lost)
{
	struct bench bench;
	uint64_t seed = 7;

	begin(&bench);
	for (int i = 0; i < 20000; i++) {
		MUST(put(&bench, unit_random(&seed) % FAIR_SHARES,
		    12 + unit_random(&seed) % (FRAME_MAX - 12)));
		if (unit_random(&seed) % 16 == 0)
			take(&bench, unit_random(&seed) % 100000);
	}
	while (fair_bytes(bench.fair) > 0)
		MUST(take(&bench, 5000) > 0);
	for (unsigned i = 0; i < FAIR_SHARES; i++) {
		MUST(bench.n_put[i] == bench.n_got[i]);
		MUST(atomic_load(fair_held(bench.fair, i)) == 0);
	}
	ck_assert_int_eq(fair_order(bench.fair), BNET_ORDER_AUTO);
	end(&bench);
}
END_TEST

/*
 * One who sends all that it may, and 100 who send a packet now and then: how
 * many ticks does the slowest of theirs wait, of a queue that is written at
 * 8,000 bytes a tick? Alone they take one.
 */
START_TEST(little_is_served_as_if_alone)
{
	static uint32_t put_at[FAIR_SHARES];
	unsigned worst = 1;
	struct bench bench;

	begin(&bench);
	for (unsigned tick = 0; tick < 4000; tick++) {
		while (
		    _i == 1 && atomic_load(fair_held(bench.fair, 0)) < 1000000)
			MUST(put(&bench, 0, 1000));
		for (unsigned i = 1; i <= 100; i++)
			if (tick % 100 == i - 1) {
				MUST(put(&bench, i, 100));
				put_at[i] = tick;
			}
		take(&bench, 8000);
		for (unsigned i = 1; i <= 100; i++)
			if (bench.n_got[i] != bench.n_put[i] &&
			    tick - put_at[i] + 2 > worst)
				worst = tick - put_at[i] + 2;
	}
	/* behind a turn of the one who has much, when that one was new */
	ck_assert_uint_le(worst, _i == 1 ? 3 : 1);
	end(&bench);
}
END_TEST

/* Who has much gets the same, whatever the size of its frames. */
START_TEST(turns_are_of_bytes)
{
	static const size_t sizes[] = { 12, 100, 1000, FRAME_MAX };
	struct bench bench;
	size_t least = SIZE_MAX, most = 0;

	begin(&bench);
	for (unsigned share = 0; share < 4; share++)
		for (size_t n = 0; n < 2000000; n += sizes[share])
			MUST(put(&bench, share, sizes[share]));
	for (size_t n = 0; n < 4000000; n += 10000)
		take(&bench, 10000);
	for (unsigned share = 0; share < 4; share++) {
		if (bench.got_bytes[share] < least)
			least = bench.got_bytes[share];
		if (bench.got_bytes[share] > most)
			most = bench.got_bytes[share];
	}
	ck_assert_uint_gt(least, 0);
	/* half of it is written: they differ by a turn or two */
	ck_assert_uint_le(most - least, 65536);
	end(&bench);
}
END_TEST

/* Sources that come back as soon as they are served stop nobody. */
START_TEST(fresh_ones_starve_nobody)
{
	struct bench bench;
	size_t others = 0;

	begin(&bench);
	for (int i = 0; i < 1000; i++)
		MUST(put(&bench, 0, FRAME_MAX));
	for (int i = 0; i < 1000; i++) {
		for (unsigned share = 1; share < 9; share++)
			if (bench.n_put[share] == bench.n_got[share])
				MUST(put(&bench, share, FRAME_MAX));
		take(&bench, FRAME_MAX);
	}
	for (unsigned share = 1; share < 9; share++)
		others += bench.got_bytes[share];
	/* a ninth would be its part of the bytes */
	ck_assert_uint_ge(bench.got_bytes[0] * 9, others);
	end(&bench);
}
END_TEST

/* A frame longer than a turn and the mark goes out whole, and is paid for. */
START_TEST(long_frames)
{
	static uint8_t frame[1 << 20];
	struct bench bench;
	size_t n;

	begin(&bench);
	bnet_order_put_u32(BNET_ORDER_LITTLE, frame, sizeof(frame) - 4);
	for (int i = 0; i < 2; i++)
		ck_assert(fair_put(bench.fair, 9, BNET_ORDER_LITTLE,
		    (struct bnet_slice){ frame, sizeof(frame) }, 1,
		    BUDGET_QUEUE));
	atomic_fetch_add(fair_held(bench.fair, 9), 2 * sizeof(frame));
	for (int i = 0; i < 2000; i++)
		MUST(put(&bench, 1, 1000));
	ck_assert_uint_eq(
	    fair_take(bench.fair, &bench.out, FAIR_MARK_BYTES), 1);
	ck_assert_uint_eq(bench.out.len, sizeof(frame));
	bnet_buf_clear(&bench.out);
	for (n = 0; take(&bench, 4000) == 4; n++)
		;
	/* about as much of the other before the next one */
	ck_assert_uint_ge(n * 4000, sizeof(frame) - 65536);
	ck_assert_uint_le(n * 4000, sizeof(frame) + 65536);
	end(&bench);
}
END_TEST

START_TEST(dropped)
{
	struct bench bench;

	begin(&bench);
	for (unsigned i = 0; i < 300; i++)
		MUST(put(&bench, i % 7, 500));
	take(&bench, 1000);
	ck_assert_uint_eq(fair_drop(bench.fair), 298);
	ck_assert_uint_eq(fair_bytes(bench.fair), 0);
	for (unsigned i = 0; i < 7; i++)
		ck_assert_uint_eq(atomic_load(fair_held(bench.fair, i)), 0);
	ck_assert(put(&bench, 3, 500));
	ck_assert_uint_eq(fair_drop(bench.fair), 1);
	end(&bench);
}
END_TEST

/* Without budget nothing changes, but what waits can still be written. */
START_TEST(no_budget)
{
	struct bench bench;
	uint64_t n = 0, used;

	begin(&bench);
	for (unsigned i = 0; i < 100; i++)
		MUST(put(&bench, i % 3, 500));
	used = bench.budget.used_bytes;
	bench.budget.max_bytes = used;
	ck_assert(!put(&bench, 77, 500)); /* a new source */
	while (put(&bench, 0, 500))
		; /* what its buffer still takes */
	ck_assert_uint_eq(bench.budget.used_bytes, used);
	while (fair_bytes(bench.fair) > 0) {
		n += fair_take(bench.fair, &bench.out, 1000);
		(void)read_line(&bench);
	}
	ck_assert_uint_eq(n, bench.n_put[0] + bench.n_put[1] + bench.n_put[2]);
	bench.budget.max_bytes = MAX_BYTES;
	end(&bench);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("fair");
	TCase *tc = unit_case(suite, "fair");

	tcase_add_test(tc, nothing_is_lost);
	tcase_add_loop_test(tc, little_is_served_as_if_alone, 0, 2);
	tcase_add_test(tc, turns_are_of_bytes);
	tcase_add_test(tc, fresh_ones_starve_nobody);
	tcase_add_test(tc, long_frames);
	tcase_add_test(tc, dropped);
	tcase_add_test(tc, no_budget);
	return suite;
}

UNIT_MAIN(make_suite)
