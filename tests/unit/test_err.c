/* SPDX-License-Identifier: MIT */
/* proto/err: every outcome has words of its own. */
#include "proto/err.h"

#include "tests/unit/unit.h"

#include <ctype.h>

START_TEST(test_words)
{
	const char *text = bnet_strerror((enum bnet_err)_i);
	size_t len;

	ck_assert_ptr_nonnull(text);
	len = strlen(text);
	ck_assert_uint_gt(len, 0);
	ck_assert_msg(text[len - 1] != '.', "\"%s\" ends in a stop", text);
	ck_assert_msg(!isspace((unsigned char)text[0]) &&
		!isspace((unsigned char)text[len - 1]),
	    "\"%s\" begins or ends in a blank", text);
	ck_assert_str_ne(text, "unknown error");
	for (int i = 0; i < _i; i++)
		ck_assert_str_ne(text, bnet_strerror((enum bnet_err)i));
}
END_TEST

START_TEST(test_unknown)
{
	ck_assert_str_eq(bnet_strerror(BNET_N_ERRS), "unknown error");
	ck_assert_str_eq(
	    bnet_strerror((enum bnet_err)(BNET_N_ERRS + 1)), "unknown error");
}
END_TEST

static Suite *
err_suite(void)
{
	Suite *suite = suite_create("err");
	TCase *tc = unit_case(suite, "err");

	tcase_add_loop_test(tc, test_words, 0, BNET_N_ERRS);
	tcase_add_test(tc, test_unknown);
	return suite;
}

UNIT_MAIN(err_suite)
