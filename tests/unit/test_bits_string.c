/* SPDX-License-Identifier: MIT */
/* proto/bits: strings, ceilings and want of memory. */
#include "proto/bits.h"

#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"

static const struct text {
	const char *name;
	const char *hex; /* what is read */
	uint32_t skip_bits; /* ahead of it */
	size_t max_bytes; /* ceiling of the store */
	enum bnet_err err;
	const char *want_hex;
} texts[] = {
	/* n = 0 is an empty string, n = 1 has a 4-bit length */
	{ "empty", "00", 0, 1, BNET_OK, "" },
	{ "one byte", "8930", 0, 2, BNET_OK, "61" },
	{ "ceiling without the NUL", "8930", 0, 1, BNET_ELIMIT, NULL },
	{ "empty, no ceiling at all", "00", 0, 0, BNET_ELIMIT, NULL },
	{ "a NUL inside", "19008030", 0, 4, BNET_OK, "000061" },
	{ "behind a bit", "1261", 1, 2, BNET_OK, "61" },
	{ "one byte short", "9130", 0, 9, BNET_EMESSAGE, NULL },
	{ "a bit short", "1261", 2, 9, BNET_EMESSAGE, NULL },
	{ "no length", "", 0, 9, BNET_EMESSAGE, NULL },
	{ "half a length", "07", 0, 9, BNET_EMESSAGE, NULL },
	{ "length 2^32 - 1", "ffffffff07000000", 0, SIZE_MAX, BNET_EMESSAGE,
	    NULL },
	{ "length 2^31", "0700000004000000", 0, SIZE_MAX, BNET_EMESSAGE, NULL },
};

START_TEST(test_string)
{
	const struct text *row = &texts[_i];
	struct bnet_slice in = unit_hex(row->hex), want;
	struct bnet_buf store;
	struct bnet_bits_rd rd;
	const char *str = NULL;
	uint32_t len = 0;
	enum bnet_err err;

	bnet_buf_init(&store, row->max_bytes);
	bnet_bits_read(&rd, in);
	(void)bnet_bits_raw(&rd, row->skip_bits);
	failmalloc_watch();
	err = bnet_bits_string(&rd, &store, &str, &len);
	ck_assert_uint_eq(failmalloc_stop(), err == BNET_OK);
	unit_err(row->name, err, row->err);
	ck_assert_int_eq(rd.bad, row->err == BNET_EMESSAGE);
	if (err == BNET_OK) {
		want = unit_hex(row->want_hex);
		unit_same(row->name,
		    (struct bnet_slice){ (const uint8_t *)str, len }, want);
		ck_assert_int_eq(str[len], '\0');
		unit_free(want);
	}
	bnet_buf_free(&store);
	unit_free(in);
}
END_TEST

/* Strings that were read stay, one behind the other, once room is there. */
START_TEST(test_strings_stay)
{
	struct bnet_slice in = unit_hex("89300931");
	struct bnet_buf store;
	struct bnet_bits_rd rd;
	const char *first, *second;
	uint32_t first_len, second_len;
	uint8_t *tail;

	bnet_buf_init(&store, 100);
	unit_err("room", bnet_buf_room(&store, 4, &tail), BNET_OK);
	bnet_bits_read(&rd, in);
	unit_err("first", bnet_bits_string(&rd, &store, &first, &first_len),
	    BNET_OK);
	ck_assert_uint_eq(bnet_bits_raw(&rd, 1), 0);
	unit_err("second", bnet_bits_string(&rd, &store, &second, &second_len),
	    BNET_OK);
	ck_assert_ptr_eq(first, tail);
	ck_assert_ptr_eq(second, tail + 2);
	ck_assert_str_eq(first, "a");
	ck_assert_str_eq(second, "b");
	ck_assert_uint_eq(store.len, 4);
	bnet_buf_free(&store);
	unit_free(in);
}
END_TEST

/* The ceiling sticks: what comes after it is not written either. */
START_TEST(test_write_limit)
{
	struct bnet_buf out;
	struct bnet_bits_wr wr;

	bnet_buf_init(&out, 4);
	bnet_bits_write(&wr, &out);
	bnet_bits_put_u32(&wr, UINT32_MAX); /* 35 bits: a fifth byte */
	unit_err("so far", wr.err, BNET_OK);
	unit_err("finish", bnet_bits_finish(&wr), BNET_ELIMIT);
	ck_assert_uint_le(out.len, 4);
	bnet_buf_consume(&out, out.len);
	bnet_bits_put_u32(&wr, UINT32_MAX);
	unit_err("sticks", bnet_bits_finish(&wr), BNET_ELIMIT);
	ck_assert_uint_eq(out.len, 0);
	bnet_buf_free(&out);
}
END_TEST

START_TEST(test_write_nothing)
{
	struct bnet_buf out;
	struct bnet_bits_wr wr;

	bnet_buf_init(&out, 0);
	bnet_bits_write(&wr, &out);
	unit_err("nothing", bnet_bits_finish(&wr), BNET_OK);
	ck_assert_uint_eq(out.len, 0);
	bnet_bits_put_bool(&wr, false);
	unit_err("a bit", bnet_bits_finish(&wr), BNET_ELIMIT);
}
END_TEST

static enum bnet_err
write_long(void *arg)
{
	struct bnet_buf out;
	struct bnet_bits_wr wr;
	enum bnet_err err;

	bnet_buf_init(&out, SIZE_MAX);
	bnet_bits_write(&wr, &out);
	for (uint32_t i = 0; i < 2000; i++)
		bnet_bits_put_string(&wr, arg, 3);
	err = bnet_bits_finish(&wr);
	bnet_buf_free(&out);
	return err;
}

static enum bnet_err
read_text(void *arg)
{
	const struct bnet_slice *in = arg;
	struct bnet_buf store;
	struct bnet_bits_rd rd;
	const char *str;
	uint32_t len;
	enum bnet_err err;

	bnet_buf_init(&store, 100);
	bnet_bits_read(&rd, *in);
	err = bnet_bits_string(&rd, &store, &str, &len);
	bnet_buf_free(&store);
	return rd.bad ? BNET_EMESSAGE : err;
}

START_TEST(test_no_memory)
{
	struct bnet_slice in = unit_hex("8930");
	char text[] = "abc";

	ck_assert_uint_gt(failmalloc_each(write_long, text), 1);
	ck_assert_uint_eq(failmalloc_each(read_text, &in), 1);
	unit_free(in);
}
END_TEST

static Suite *
bits_string_suite(void)
{
	Suite *suite = suite_create("bits, strings and limits");
	TCase *tc = unit_case(suite, "strings");

	tcase_add_loop_test(tc, test_string, 0, UNIT_ROWS(texts));
	tcase_add_test(tc, test_strings_stay);
	tc = unit_case(suite, "limits");
	tcase_add_test(tc, test_write_limit);
	tcase_add_test(tc, test_write_nothing);
	tcase_add_test(tc, test_no_memory);
	return suite;
}

UNIT_MAIN(bits_string_suite)
