/* SPDX-License-Identifier: MIT */
/* proto/buf: the ceiling, and a walk beside a model that never moves. */
#include "proto/buf.h"

#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"

START_TEST(test_empty)
{
	struct bnet_buf buf;
	enum bnet_err err;

	failmalloc_watch();
	bnet_buf_init(&buf, 10);
	err = bnet_buf_append(&buf, (struct bnet_slice){ NULL, 0 });
	bnet_buf_consume(&buf, 0);
	bnet_buf_clear(&buf);
	bnet_buf_free(&buf);
	ck_assert_uint_eq(failmalloc_stop(), 0);
	unit_err("append of nothing", err, BNET_OK);
	ck_assert_ptr_null(bnet_buf_slice(&buf).p);
	ck_assert_uint_eq(bnet_buf_slice(&buf).len, 0);
	ck_assert_uint_eq(buf.max, 10);
}
END_TEST

/* `held` bytes are in it, the first `gone` of them consumed; add `n`. */
static const struct limit {
	size_t max_bytes, held, gone, n;
	enum bnet_err err;
} limits[] = {
	{ 0, 0, 0, 0, BNET_OK },
	{ 0, 0, 0, 1, BNET_ELIMIT },
	{ 10, 0, 0, 9, BNET_OK },
	{ 10, 0, 0, 10, BNET_OK },
	{ 10, 0, 0, 11, BNET_ELIMIT },
	{ 10, 7, 0, 3, BNET_OK },
	{ 10, 7, 0, 4, BNET_ELIMIT },
	{ 10, 10, 0, 0, BNET_OK },
	{ 10, 10, 0, 1, BNET_ELIMIT },
	{ 10, 10, 4, 4, BNET_OK },
	{ 10, 10, 4, 5, BNET_ELIMIT },
	{ 300, 256, 0, 44, BNET_OK },
	{ 300, 256, 0, 45, BNET_ELIMIT },
	{ 300, 256, 255, 299, BNET_OK },
	{ 5000, 4096, 0, 904, BNET_OK },
	{ 5000, 4096, 0, 905, BNET_ELIMIT },
	{ 10, 5, 0, SIZE_MAX, BNET_ELIMIT },
	{ SIZE_MAX, 5, 0, SIZE_MAX, BNET_ELIMIT },
	{ SIZE_MAX, 5, 0, SIZE_MAX - 4, BNET_ELIMIT },
};

START_TEST(test_limit)
{
	static const uint8_t bytes[5000];
	const struct limit *row = &limits[_i];
	struct bnet_buf buf, before;
	unsigned long n_allocs;
	uint8_t *tail = NULL;
	enum bnet_err err;

	bnet_buf_init(&buf, row->max_bytes);
	unit_err("held",
	    bnet_buf_append(&buf, (struct bnet_slice){ bytes, row->held }),
	    BNET_OK);
	bnet_buf_consume(&buf, row->gone);
	before = buf;
	failmalloc_watch();
	err = bnet_buf_room(&buf, row->n, &tail);
	n_allocs = failmalloc_stop();
	unit_err("room", err, row->err);
	if (row->err == BNET_OK) {
		ck_assert_ptr_nonnull(tail);
		memset(tail, 'x', row->n);
		bnet_buf_added(&buf, row->n);
		ck_assert_uint_eq(buf.len, row->held - row->gone + row->n);
	} else {
		ck_assert_uint_eq(n_allocs, 0);
		ck_assert_ptr_null(tail);
		ck_assert_mem_eq(&buf, &before, sizeof(buf));
	}
	bnet_buf_free(&buf);
	ck_assert_uint_eq(buf.max, row->max_bytes);
	ck_assert_ptr_null(buf.p);
}
END_TEST

START_TEST(test_zeros)
{
	static const uint8_t ones[4] = { 1, 1, 1, 1 };
	static const uint8_t want[6] = { 1, 1, 0, 0, 0, 0 };
	struct bnet_buf buf;

	bnet_buf_init(&buf, 6);
	unit_err("ones", bnet_buf_append(&buf, (struct bnet_slice){ ones, 4 }),
	    BNET_OK);
	bnet_buf_consume(&buf, 2);
	unit_err("none", bnet_buf_append_zeros(&buf, 0), BNET_OK);
	unit_err("too many", bnet_buf_append_zeros(&buf, 5), BNET_ELIMIT);
	unit_err("as many", bnet_buf_append_zeros(&buf, 4), BNET_OK);
	ck_assert_uint_eq(buf.len, sizeof(want));
	ck_assert_mem_eq(bnet_buf_slice(&buf).p, want, sizeof(want));
	bnet_buf_free(&buf);
}
END_TEST

/* A ceiling that is close bounds what is allocated, not only what is used. */
START_TEST(test_close_ceiling)
{
	static const uint8_t bytes[1000];
	enum bnet_err err = BNET_OK;
	struct bnet_buf buf;

	bnet_buf_init(&buf, 1000);
	failmalloc_watch();
	for (size_t i = 0; i < 1000 && err == BNET_OK; i++)
		err =
		    bnet_buf_append(&buf, (struct bnet_slice){ bytes + i, 1 });
	(void)failmalloc_stop();
	unit_err("append", err, BNET_OK);
	ck_assert_uint_le(failmalloc_largest_bytes(), 1000);
	bnet_buf_free(&buf);
}
END_TEST

/* Clear keeps the memory, and the next bytes begin at its start. */
START_TEST(test_clear)
{
	struct bnet_slice in = unit_hex("0102030405");
	struct bnet_buf buf;
	enum bnet_err err;
	uint8_t *tail;

	bnet_buf_init(&buf, 300);
	unit_err("append", bnet_buf_append(&buf, in), BNET_OK);
	bnet_buf_consume(&buf, 2);
	bnet_buf_clear(&buf);
	ck_assert_uint_eq(bnet_buf_slice(&buf).len, 0);
	failmalloc_watch();
	err = bnet_buf_room(&buf, 256, &tail);
	ck_assert_uint_eq(failmalloc_stop(), 0);
	unit_err("room", err, BNET_OK);
	ck_assert_ptr_eq(tail, buf.p);
	bnet_buf_free(&buf);
	unit_free(in);
}
END_TEST

START_TEST(test_slice_from)
{
	struct bnet_slice in = unit_hex("010203");

	ck_assert_ptr_eq(bnet_slice_from(in, 0).p, in.p);
	ck_assert_ptr_eq(bnet_slice_from(in, 2).p, in.p + 2);
	ck_assert_uint_eq(bnet_slice_from(in, 2).len, 1);
	ck_assert_ptr_null(bnet_slice_from(in, 3).p);
	ck_assert_uint_eq(bnet_slice_from(in, 3).len, 0);
	unit_free(in);
}
END_TEST

#define MODEL_BYTES 200000
#define MODEL_MAX 3000
#define N_STEPS 3000

/* Append and consume at random; what is in it is what the model says. */
START_TEST(test_model)
{
	static uint8_t model[MODEL_BYTES];
	size_t head = 0, tail = 0;
	uint64_t seed = (uint64_t)_i + 1;
	struct bnet_buf buf;

	bnet_buf_init(&buf, MODEL_MAX);
	for (int i = 0; i < N_STEPS; i++) {
		size_t n = unit_random(&seed) % 400;
		size_t gone = unit_random(&seed) % 400;
		enum bnet_err err;

		if (tail + n > MODEL_BYTES)
			break;
		for (size_t j = 0; j < n; j++)
			model[tail + j] = (uint8_t)unit_random(&seed);
		err = bnet_buf_append(
		    &buf, (struct bnet_slice){ model + tail, n });
		unit_err("append", err,
		    tail + n - head > MODEL_MAX ? BNET_ELIMIT : BNET_OK);
		if (err == BNET_OK)
			tail += n;
		if (gone > tail - head)
			gone = tail - head;
		bnet_buf_consume(&buf, gone);
		head += gone;
		unit_same("contents", bnet_buf_slice(&buf),
		    (struct bnet_slice){ model + head, tail - head });
		ck_assert_uint_le(buf.cap, MODEL_MAX);
	}
	ck_assert_uint_gt(tail, MODEL_BYTES / 2);
	bnet_buf_free(&buf);
}
END_TEST

static enum bnet_err
fill(void *arg)
{
	const struct bnet_slice *in = arg;
	struct bnet_buf buf;
	enum bnet_err err = BNET_OK;

	bnet_buf_init(&buf, SIZE_MAX);
	for (int i = 0; i < 1000 && err == BNET_OK; i++)
		err = bnet_buf_append(&buf, *in);
	bnet_buf_free(&buf);
	return err;
}

START_TEST(test_no_memory)
{
	struct bnet_slice in = unit_hex("0102030405");
	struct bnet_buf buf, before;
	enum bnet_err err;
	uint8_t *tail;

	ck_assert_uint_gt(failmalloc_each(fill, &in), 2);

	/* nothing changes, and it works again afterwards */
	bnet_buf_init(&buf, SIZE_MAX);
	unit_err("append", bnet_buf_append(&buf, in), BNET_OK);
	bnet_buf_consume(&buf, 1);
	before = buf;
	failmalloc_arm(1, true);
	err = bnet_buf_room(&buf, 1000, &tail);
	(void)failmalloc_stop();
	unit_err("no memory", err, BNET_ENOMEM);
	ck_assert_mem_eq(&buf, &before, sizeof(buf));
	unit_same("contents", bnet_buf_slice(&buf), bnet_slice_from(in, 1));
	unit_err("again", bnet_buf_room(&buf, 1000, &tail), BNET_OK);
	unit_same("contents", bnet_buf_slice(&buf), bnet_slice_from(in, 1));
	bnet_buf_free(&buf);
	unit_free(in);
}
END_TEST

static Suite *
buf_suite(void)
{
	Suite *suite = suite_create("buf");
	TCase *tc = unit_case(suite, "buf");

	tcase_add_test(tc, test_zeros);
	tcase_add_test(tc, test_empty);
	tcase_add_loop_test(tc, test_limit, 0, UNIT_ROWS(limits));
	tcase_add_test(tc, test_close_ceiling);
	tcase_add_test(tc, test_clear);
	tcase_add_test(tc, test_slice_from);
	tcase_add_loop_test(tc, test_model, 0, 4);
	tcase_add_test(tc, test_no_memory);
	return suite;
}

UNIT_MAIN(buf_suite)
